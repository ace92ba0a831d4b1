"""How a file writes its patches, read off the ones that it has, so that new ones look like them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.find import bindings, body, call
from xenbump.nixlang.lists import elements
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import AttrSet
from xenbump.package.lines import indent, newline, starts_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.lists import ListElement
    from xenbump.nixlang.tree import Expression, List
    from xenbump.plan.model import Patch

# `# XSA #469`, `# XSA 472`, `# XSA-472`, `# Xen Security Advisory #460: (4.16.6 - 4.19.0)`; anything more is prose.
_HEADING = re.compile(
    r"(?P<lead>#[ \t]*(?:XSA|Xen Security Advisory)[ \t]*(?:#|-|(?<=[ \t])(?:XSA-)?))(?P<number>\d{1,5})"
    r":?(?:[ \t]+\([^()]*\))?[ \t]*",
    re.ASCII | re.IGNORECASE,
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CallStyle:
    """How the call of a fetcher is written.

    Attributes:
        hash_first: whether `hash` stands before `url`.
        one_line: whether it is on one line.
        pad: what stands inside of the braces of a call on one line.
        step: how much more its arguments are indented than itself.
        closing: the same of its closing brace.
    """

    hash_first: bool = False
    one_line: bool = False
    pad: str = " "
    step: str = "  "
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """How a file writes its patches.

    Attributes:
        call: how a call is written.
        heading: the comment above an advisory's patches, up to the number; empty: there is none.
        blank: whether an empty line stands between two advisories.
        break_: the line break.
        functions: how each fetcher is named, where that is not by its plain name.
        prefix: what stands before the name of a patch that has one, up to the dot.
    """

    call: CallStyle
    heading: str
    blank: bool
    break_: str
    functions: dict[str, str] = field(default_factory=dict)
    prefix: str = ""

    def written(self, patch: Patch, indentation: str) -> str:
        """The call that fetches a patch, in parentheses, without indentation before its first line; or its name.

        Raises:
            Refusal: E-NIX-SYNTAX for an address that no Nix string can hold.
        """
        if patch.name is not None:
            return self.prefix + patch.name
        fetcher = patch.fetcher or ""
        facts = [f"url = {quote(patch.url)};", f"hash = {quote(patch.hash or '')};"]
        if self.call.hash_first:
            facts.reverse()
        head = f"({self.functions.get(fetcher, fetcher)} {{"
        if self.call.one_line:
            return head + self.call.pad + " ".join(facts) + self.call.pad + "})"
        inner = "".join(self.break_ + indentation + self.call.step + fact for fact in facts)
        return head + inner + self.break_ + indentation + self.call.closing + "})"

    def group(self, patches: Sequence[Patch], indentation: str, *, heading: bool) -> str:
        """The calls for one advisory, each on lines of its own, without indentation before the first line."""
        lines = [self.written(patch, indentation) for patch in patches]
        if heading and self.heading and patches[0].xsa is not None:
            lines.insert(0, f"{self.heading}{patches[0].xsa}")
        return (self.break_ + indentation).join(lines)


def heading_of(element: ListElement) -> int | None:
    """The number of the advisory that the comments of an element announce by a heading and not in prose."""
    for comment in element.comments:
        match = _HEADING.fullmatch(comment.text)
        if match is not None:
            return int(match["number"])
    return None


def detect(
    document: Document, listed: Sequence[tuple[Sequence[Patch], List]], heading: str, *, by_name: bool = False
) -> Style:
    """The style of the patches in a file.

    Args:
        document: the file, as it is before anything goes.
        listed: the lists of patches in it, each with what it lists.
        heading: for a file without any patch of an advisory: the comment up to the number, or nothing.
        by_name: whether it is the style of those that are listed by name, which is looked at apart from the calls'.
    """
    entries = [
        [entry for entry in _entries(document, patches, node) if (entry.patch.name is not None) == by_name]
        for patches, node in listed
    ]
    fetched = [entry for part in entries for entry in part if entry.patch.fetcher]
    samples = [entry for entry in fetched if entry.patch.xsa is not None] or fetched
    default = _default_call(document)
    shown = [style for entry in samples if (style := _call_style(document, entry.element.node, default))]
    functions: dict[str, list[str]] = {}
    for entry in fetched:
        made = call(entry.element.node)
        if made is not None and entry.patch.fetcher:
            functions.setdefault(entry.patch.fetcher, []).append(" ".join(document.text(made.function).split()))
    texts = [document.text(entry.list) for entry in samples] + [document.text(node) for _, node in listed]
    return Style(
        call=_commonest(shown, default),
        heading=_heading(entries, heading),
        blank=_blank(document, entries, default=not by_name),
        break_=newline(*texts, document.source),
        functions={fetcher: _commonest(texts, fetcher) for fetcher, texts in functions.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    patch: Patch
    element: ListElement
    list: List


def _entries(document: Document, patches: Sequence[Patch], node: List) -> list[_Entry]:
    return [_Entry(patch, element, node) for patch, element in zip(patches, elements(document, node), strict=True)]


def _commonest(found: Iterable[_T], default: _T) -> _T:
    """The value that there is most of, the first of several; the default where there is none."""
    counted = Counter(found).most_common(1)
    return counted[0][0] if counted else default


def _default_call(document: Document) -> CallStyle:
    """A call in the style of nixfmt, with tabs where the file indents by tabs."""
    by_tab = LINE_BREAK.search(document.source) and re.search(r"^\t", document.source, re.MULTILINE)
    by_space = re.search(r"^ ", document.source, re.MULTILINE)
    return CallStyle(step="\t" if by_tab and not by_space else "  ")


def _call_style(document: Document, node: Expression, default: CallStyle) -> CallStyle | None:
    made = call(node)
    facts = body(made.arguments[-1]) if made else None
    if not isinstance(facts, AttrSet):
        return None
    urls = bindings(facts, ["url"])
    digests = bindings(facts, ["hash"]) or bindings(facts, ["sha256"])
    if len(urls) != 1 or len(digests) != 1:
        return None
    source = document.source
    hash_first = digests[0].start < urls[0].start
    first = min(urls[0].start, digests[0].start)
    if not LINE_BREAK.search(source, node.start, node.end):
        pad = " " if source[facts.end - 2 : facts.end - 1].isspace() else ""
        return CallStyle(hash_first, one_line=True, pad=pad, step=default.step)
    # A call behind `[` or another element is indented as its last line is.
    base = indent(source, node.start if starts_line(source, node.start) else node.end - 1)

    def more(offset: int) -> str | None:
        own = indent(source, offset)
        return own[len(base) :] if starts_line(source, offset) and own.startswith(base) else None

    return CallStyle(hash_first, step=more(first) or default.step, closing=more(facts.end - 1) or "")


def _heading(entries: Sequence[Sequence[_Entry]], default: str) -> str:
    """The heading that most advisories in the file have, by the commonest form; nothing where most have none."""
    forms: list[str] = []
    bare = 0
    for part in entries:
        before: int | None = None
        for entry in part:
            number, before = before, entry.patch.xsa
            if before is None or before == number:
                continue
            found = [_HEADING.fullmatch(comment.text) for comment in entry.element.comments]
            leads = [match["lead"] for match in found if match is not None and int(match["number"]) == before]
            forms += leads[-1:]
            bare += not leads
    if not forms and not bare:
        return default
    return _commonest(forms, "") if len(forms) >= bare else ""


def _blank(document: Document, entries: Sequence[Sequence[_Entry]], *, default: bool) -> bool:
    """Whether empty lines stand between advisories, or where there is one alone, between it and its neighbour."""
    between: dict[int, list[bool]] = {1: [], 2: []}
    for part in entries:
        for one, other in pairwise(part):
            fetched = [entry for entry in (one, other) if entry.patch.fetcher]
            together = one.patch.xsa is not None and one.patch.xsa == other.patch.xsa
            # On one line there is no room for an empty one.
            apart = LINE_BREAK.search(document.source, one.element.node.end, other.element.node.start)
            if fetched and apart and not together:
                between[len(fetched)].append(other.element.blank_before)
    return _commonest(between[2] or between[1], default=default)
