"""The text of one list of patches: without some elements, and with others put in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.nixlang.document import parse
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.lists import elements, free_comments, groups, removal
from xenbump.nixlang.tree import List
from xenbump.package.lines import after_blanks, line_start, starts_line
from xenbump.package.patch_style import heading_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.lists import ListElement
    from xenbump.package.patch_style import Style
    from xenbump.plan.model import Patch


_WIDTH = 100  # of a line; nixfmt's


@dataclass(frozen=True, slots=True)
class Coming:
    """Patches that come into a list.

    Attributes:
        patches: in order.
        before: the number of the element that they come after; None: none of this list.
        after: the number of the one that they come before; None: none of this list.
    """

    patches: tuple[Patch, ...]
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Margins:
    """The indentation of a list: of its brackets' lines, and of its elements; and the column at which it begins."""

    frame: str
    inner: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class ListText:
    """The text of a list.

    Attributes:
        text: as it is written.
        thin: the same with a plain string of the same length for each element, which is read in a tenth of the time.
    """

    text: str
    thin: str


def cut(document: Document, node: List, listed: Sequence[tuple[Patch, bool]]) -> ListText:
    """The text of a list without the elements that go.

    Args:
        document: the file.
        node: a list in it.
        listed: for each element what it fetches, and whether it stays.
    """
    facts = dict(zip(node.elements, listed, strict=True))
    unwanted = {element for element, (_, stays) in facts.items() if not stays}
    found: list[Replacement] = []
    for group in groups(document, node):
        first = facts[group[0].node]
        heir = next((one for one in group if facts[one.node][1]), None)
        if first[1] or heir is None or facts[heir.node][0].xsa != heading_of(group[0]):
            continue
        # The heading stays, and the part that stays moves up to it.
        found.append(Replacement(group[0].node.start, heir.node.start, ""))
        unwanted -= {one.node for one in group if one.node.start < heir.node.start}
    found += removal(document, node, unwanted)
    shifted = [Replacement(one.start - node.start, one.end - node.start, one.text) for one in found]
    text = document.text(node)
    spans = [(one.start - node.start, one.end - node.start) for one in node.elements]
    strings = [Replacement(start, end, _string(end - start)) for start, end in spans]
    return ListText(apply(text, shifted), apply(apply(text, strings), shifted))


def _string(length: int) -> str:
    return f'"{"x" * (length - 2)}"' if length > 1 else "x"


def inserted(old: ListText, kept: Sequence[Patch], runs: Sequence[Coming], style: Style, margins: Margins) -> str:
    """The text of a list with patches put in.

    Args:
        old: the list.
        kept: what its elements fetch, in order.
        runs: what comes, no two at one place.
        style: how it is written.
        margins: how it is indented.
    """
    text, thin = old.text, old.thin
    if not LINE_BREAK.search(text):
        if _fit(text, kept, runs, style, margins):
            style, margins = replace(style, break_=" ", heading="", blank=False), Margins("", "")
            if not text[1:-1].strip():
                text = thin = "[]"
        else:
            text, thin = (_expanded(one, old.thin, style, margins) for one in (text, thin))
    document, node = _read(thin)
    page = _Page(text, document, node, elements(document, node), style, margins)
    return apply(text, [edit for run in runs for edit in page.insertions(run, kept)])


def _read(text: str) -> tuple[Document, List]:
    document = parse(text)
    if not isinstance(document.root, List):
        message = "the text of a list is no list"
        raise TypeError(message)
    return document, document.root


def _fit(text: str, kept: Sequence[Patch], runs: Sequence[Coming], style: Style, margins: Margins) -> bool:
    """Whether what comes fits a list of one line: names only, and to an empty list one alone."""
    coming = [patch for run in runs for patch in run.patches]
    width = margins.column + len(text) + sum(1 + len(style.written(patch, "")) for patch in coming)
    return all(one.name for one in coming) and width <= _WIDTH and (bool(kept) or len(coming) == 1)


def _expanded(text: str, thin: str, style: Style, margins: Margins) -> str:
    """A list of one line with a line for each element, which have their places in `thin`."""
    document, node = _read(thin)
    ending = style.break_ + margins.frame + "]"
    if not node.elements:
        return text[:-1].rstrip() + ending
    lines = [text[_first(one) : _last(one)] for one in elements(document, node)]
    return "[" + "".join(style.break_ + margins.inner + line for line in lines) + ending


def _first(element: ListElement) -> int:
    return element.comments[0].start if element.comments else element.node.start


def _last(element: ListElement) -> int:
    return element.trailing[-1].end if element.trailing else element.node.end


@dataclass(frozen=True, slots=True, eq=False)
class _Page:
    """A list that patches come into; `document` is its thin text."""

    text: str
    document: Document
    node: List
    elements: tuple[ListElement, ...]
    style: Style
    margins: Margins

    def insertions(self, run: Coming, kept: Sequence[Patch]) -> list[Replacement]:
        """Say where one run comes in.

        Its first patches belong to the group of the element before them, and its last to that of the one after them,
        where these are of the same advisory.
        """
        before = None if run.before is None else self.elements[run.before]
        after = None if run.after is None else self.elements[run.after]
        middle = _by_advisory(run.patches)
        head: list[Patch] = []
        tail: list[Patch] = []
        if run.before is not None and _same(kept[run.before], middle[0][0]):
            head = middle.pop(0)
        if middle and run.after is not None and _same(kept[run.after], middle[-1][0]):
            tail = middle.pop()
        line = self.style.break_ + self.margins.inner
        gap = (self.style.break_ if self.style.blank else "") + line
        groups_ = [self.style.group(group, self.margins.inner, heading=True) for group in middle]
        edits: list[Replacement] = []
        if before is not None:
            text = "".join(line + self._written(patch) for patch in head) + "".join(gap + group for group in groups_)
            if text:
                edits.append(self._behind(before, after, text, blank=bool(middle)))
        ahead = "".join(group + gap for group in groups_) if before is None else ""
        if after is None:
            return edits if before is not None else [self._only(gap.join(groups_))]
        parts, place = "", after.node.start
        if tail:
            is_headed = heading_of(after) == tail[0].xsa
            place = place if is_headed else _first(after)
            # Prose above the next part is about that part alone.
            heading = bool(after.comments) and not is_headed
            parts = self.style.group(tail, self.margins.inner, heading=heading) + line
        if place == _first(after):
            ahead, parts = "", ahead + parts
        edits += [Replacement(offset, offset, new) for offset, new in ((_first(after), ahead), (place, parts))]
        return [edit for edit in edits if edit.text]

    def _written(self, patch: Patch) -> str:
        return self.style.written(patch, self.margins.inner)

    def _behind(self, before: ListElement, after: ListElement | None, text: str, *, blank: bool) -> Replacement:
        """Put a text that begins with a line break behind an element."""
        source = self.text
        end = _last(before)
        rest = after_blanks(source, end)
        space = self.style.break_ if blank and self.style.blank and after is not None else ""
        if LINE_BREAK.match(source, rest):
            return Replacement(rest, rest, text + ("" if after is None or after.blank_before else space))
        if after is None:
            return Replacement(end, end, text)
        return Replacement(end, rest, text + space + self.style.break_ + self.margins.inner)

    def _only(self, text: str) -> Replacement:
        """Put a text into a list without elements."""
        source, break_ = self.text, self.style.break_
        closing = self.node.end - 1
        start = line_start(source, closing)
        comments = free_comments(self.document, self.node)
        # A comment on the line of the bracket stays by itself; a later one must not become that of the patch.
        gap = break_ if comments and LINE_BREAK.search(source, 0, comments[-1].start) else ""
        if start > 0 and starts_line(source, closing):
            return Replacement(start, start, gap + self.margins.inner + text + break_)
        return Replacement(closing, closing, break_ + gap + self.margins.inner + text + break_ + self.margins.frame)


def _by_advisory(found: Sequence[Patch]) -> list[list[Patch]]:
    """Patches in groups: those of one advisory that follow each other, and each other one by itself."""
    grouped: list[list[Patch]] = []
    for patch in found:
        if grouped and _same(grouped[-1][-1], patch):
            grouped[-1].append(patch)
        else:
            grouped.append([patch])
    return grouped


def _same(one: Patch, other: Patch) -> bool:
    return one.xsa is not None and one.xsa == other.xsa
