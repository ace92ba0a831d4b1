"""How a collection writes its entries, read off those that it has, so that new ones look like them."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xenbump.errors import Refusal
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import Binding, List, String
from xenbump.package.collection import helper as helpers
from xenbump.package.lines import indent, newline, starts_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.package.collection.reading import Collection, Entry
    from xenbump.plan.model import Addition

# In an indented string these are more than text. A lone quote before an escape would become a part of it.
_SPECIAL = re.compile(r"''|'(?=\$\{)|\$\{")
_ESCAPED = {"''": "'''", "'": r"''\'", "${": "''${"}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EntryStyle:
    """How a collection writes its entries.

    Attributes:
        quoted: whether their names are quoted.
        function: what they call.
        order: the order of the attributes.
        one_line: whether an entry is on one line.
        wide_lists: whether a list of several elements is on one line.
        break_: the line break.
        outer: the indentation of an entry.
        step: how much more its attributes are indented.
    """

    quoted: bool
    function: str
    order: tuple[str, ...]
    one_line: bool
    wide_lists: bool
    break_: str
    outer: str
    step: str


def detect(collection: Collection, fetcher: str) -> EntryStyle:
    """The style of the entries of a collection.

    Args:
        collection: as it is, before anything goes.
        fetcher: what fetches the new entries, where the collection has no helper.
    """
    document, helper = collection.document, collection.helper
    source = document.source
    samples = [one for one in collection.entries if one.arguments is not None]
    if helper is not None:
        samples = [one for one in samples if _function(document, one) == helper.name]
    by_tab = re.search(r"^\t", source, re.MULTILINE) and not re.search(r"^ ", source, re.MULTILINE)
    step = _commonest((one for entry in samples if (one := _step(document, entry))), "\t" if by_tab else "  ")
    lined = [one.binding.start for one in collection.entries if starts_line(source, one.binding.start)]
    plain = fetcher if helper is None else helper.name
    return EntryStyle(
        quoted=_commonest(
            (isinstance(one.binding.path[0].written, String) for one in collection.entries), default=False
        ),
        function=_commonest((_function(document, one) for one in samples), plain),
        order=_commonest((tuple(_names(one)) for one in samples), ()),
        one_line=bool(samples) and not any(LINE_BREAK.search(document.text(one.binding)) for one in samples),
        wide_lists=any(_is_wide(document, one) for one in samples),
        break_=newline(source),
        outer=indent(source, lined[-1]) if lined else indent(source, collection.holder.end - 1) + step,
        step=step,
    )


def written(collection: Collection, one: Addition, style: EntryStyle) -> str:
    """The text of a new entry, without indentation before its first line.

    Raises:
        Refusal: E-PATCH-NAME where the collection's helper cannot fetch the patch.
    """
    attributes = _attributes(collection, one, style)
    order = [name for name in style.order if name in attributes]
    for place, name in enumerate(attributes):
        if name not in order:
            before = list(attributes)[:place]
            order.insert(max((order.index(other) + 1 for other in before), default=0), name)
    name = one.patch.name or ""
    head = f"{quote(name) if style.quoted else name} = {style.function} {{"
    facts = [f"{name} = {attributes[name]};" for name in order]
    if style.one_line and not any(LINE_BREAK.search(fact) for fact in facts):
        return f"{head} {' '.join(facts)} }};"
    inner = "".join(style.break_ + style.outer + style.step + fact for fact in facts)
    return f"{head}{inner}{style.break_}{style.outer}}};"


def _attributes(collection: Collection, one: Addition, style: EntryStyle) -> dict[str, str]:
    """The attributes of a new entry in the order that they have where the collection shows none."""
    patch, helper = one.patch, collection.helper
    digest = quote(patch.hash or "")
    if helper is None:
        return {"url": quote(patch.url), "hash": digest}
    given = helper.given(patch.url)
    if given is None or helper.missing or not helper.digest:
        what = f"`{helper.name}` of {collection.file} cannot fetch {patch.url}"
        raise Refusal("E-PATCH-NAME", what, where=f"{collection.file}, {collection.document.where(helper.formals)}")
    told = {
        helpers.TITLE: quote(one.title) if one.title else "",
        helpers.DESCRIPTION: _indented(one.description, style) if one.description.strip() else "",
        helpers.CVES: _listed(one.cves, style) if one.cves else "",
    }
    found = {helper.argument: quote(given)}
    for names, text in told.items():
        name = helper.takes(names)
        if name is not None and (text or helper.needs(name)):
            found[name] = text or ("[ ]" if names == helpers.CVES else '""')
    return {**found, helper.digest: digest}


def _indented(text: str, style: EntryStyle) -> str:
    """A text of several lines as an indented string, which has an empty line nowhere at its ends."""
    lines = textwrap.dedent(text.expandtabs()).strip("\n").splitlines()
    margin = style.outer + style.step
    shown = [_SPECIAL.sub(lambda match: _ESCAPED[match[0]], line.rstrip()) for line in lines]
    body = "".join(style.break_ + (margin + style.step + line if line else "") for line in shown)
    return f"''{body}{style.break_}{margin}''"


def _listed(values: Sequence[str], style: EntryStyle) -> str:
    if len(values) == 1 or style.wide_lists or style.one_line:
        return f"[ {' '.join(map(quote, values))} ]"
    margin = style.outer + style.step
    return "[" + "".join(style.break_ + margin + style.step + quote(one) for one in values) + f"{style.break_}{margin}]"


def _function(document: Document, entry: Entry) -> str:
    """What an entry calls, as written; nothing where that is in parentheses."""
    if entry.arguments is None:
        return ""
    text = " ".join(document.source[entry.binding.value.start : entry.arguments.start].split())
    return "" if "(" in text else text


def _names(entry: Entry) -> list[str]:
    """The attributes of an entry, in order."""
    found = entry.arguments.bindings if entry.arguments is not None else ()
    return [one.names[0] or "" for one in found if isinstance(one, Binding)]


def _step(document: Document, entry: Entry) -> str:
    """How much more the attributes of an entry are indented than itself; empty where that is not to be seen."""
    found = entry.arguments.bindings[:1] if entry.arguments is not None else ()
    outer = indent(document.source, entry.binding.start)
    for one in found:
        inner = indent(document.source, one.start)
        if starts_line(document.source, one.start) and inner.startswith(outer):
            return inner[len(outer) :]
    return ""


def _is_wide(document: Document, entry: Entry) -> bool:
    """Whether an entry has several elements of a list on one line."""
    found = entry.arguments.bindings if entry.arguments is not None else ()
    lists = [one.value for one in found if isinstance(one, Binding) and isinstance(one.value, List)]
    return any(len(one.elements) > 1 and not LINE_BREAK.search(document.text(one)) for one in lists)


def _commonest(found: Iterable[_T], default: _T) -> _T:
    """The value that there is most of; the default where there is none."""
    counted = Counter(found).most_common(1)
    return counted[0][0] if counted else default
