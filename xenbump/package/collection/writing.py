"""A collection with the patches that a plan wants of it, in the style of those that it has. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement, apply
from xenbump.package.branches import lines as branch_lines
from xenbump.package.branches.entries import Entry as Line
from xenbump.package.collection import entry_style
from xenbump.package.collection.reading import order_of, read
from xenbump.package.lines import add_binding, indent, newline, starts_line
from xenbump.package.literals import literal_of
from xenbump.package.source import filled

if TYPE_CHECKING:
    from collections.abc import Collection as Names
    from collections.abc import Mapping, Sequence

    from xenbump.package.collection.reading import Collection, Entry
    from xenbump.plan.model import Addition


def edited(collection: Collection, additions: Sequence[Addition], gone: Names[str]) -> str:
    """The text of a collection with what a plan wants of it.

    Args:
        collection: as it is.
        additions: the patches that its files come to name, each with that name. One that it has stays, with the signed
            file's hash; others come in the order of their numbers.
        gone: the names of the entries that go, with their comments.

    Raises:
        Refusal: E-PATCH-NAME where an entry of that name is another patch, or its helper cannot fetch the new one;
            E-MISSING, E-NOT-LITERAL where a hash that is to be corrected is no literal.
    """
    known = {entry.name: entry for entry in collection.entries}
    new = [one for one in additions if one.patch.name not in known]
    if new:
        # First, because what goes may be the last that shows the style, or that makes a set a collection.
        style = entry_style.detect(collection, new[0].patch.fetcher or "")
        texts = {one.patch.name or "": entry_style.written(collection, one, style) for one in new}
        text = apply(collection.document.source, _insertions(collection, texts, style.outer))
        grown = read(collection.file, text.encode("utf-8"))
        if grown is None:
            message = "the text of a collection is none any more"
            raise TypeError(message)
        return edited(grown, additions, gone)
    spans = [edit for one in additions for edit in _corrected(collection, known, one)]
    holder = collection.holder
    going = [
        Line(entry.binding, holder.bindings, holder, entry.binding.names)
        for name, entry in known.items()
        if name in gone
    ]
    return apply(collection.document.source, [*spans, *branch_lines.removed(collection.document, going)])


def _corrected(collection: Collection, known: Mapping[str, Entry], one: Addition) -> list[Replacement]:
    """The hash of an entry that is there; nothing where it is that of the patch."""
    entry = known[one.patch.name or ""]
    there = [replace(patch, hash=one.patch.hash) for patch in entry.patches]
    if there != [one.patch] or entry.arguments is None:
        raise Refusal(
            "E-PATCH-NAME",
            f"{collection.file} has `{entry.name}` already, and it is not {one.patch.fetcher} of {one.patch.url}",
            where=f"{collection.file}, {collection.document.where(entry.binding)}",
        )
    if entry.patches[0].hash == one.patch.hash:
        return []
    try:
        old = literal_of(collection.document, entry.arguments, entry.digest)
    except Refusal as error:
        error.where = f"{collection.file}, {error.where}"
        raise
    return [filled(old, one.patch.hash or "")]


def _insertions(collection: Collection, texts: Mapping[str, str], outer: str) -> list[Replacement]:
    """Put entries in, by name, each behind the last one that belongs before it."""
    document, holder = collection.document, collection.holder
    break_ = newline(document.source)
    numbered = [(key, entry) for entry in collection.entries if (key := order_of(entry.name)) is not None]
    last = max(collection.entries, key=lambda one: one.binding.start, default=None)
    places: dict[Entry | None, list[str]] = {}
    for name in sorted(texts, key=lambda one: order_of(one) or ()):
        before = [entry for key, entry in numbered if key < (order_of(name) or ())]
        place = max(before, key=lambda one: one.binding.start, default=None if numbered else last)
        places.setdefault(place, []).append(texts[name])
    edits = []
    for entry, found in places.items():
        if entry is not None:
            joint = break_ * 2 + indent(document.source, entry.binding.start)
            edits.append(add_binding(document, entry.binding, joint.join(found), blank=True))
        elif numbered:
            first = min((one for _, one in numbered), key=lambda one: one.binding.start)
            line = Line(first.binding, holder.bindings, holder, first.binding.names)
            joint = break_ * 2 + indent(document.source, first.binding.start)
            edits.append(branch_lines.added(document, [line], [joint.join(found) + break_], peers=(), before=True))
        else:
            edits.append(_only(collection, found, outer))
    return edits


def _only(collection: Collection, texts: Sequence[str], outer: str) -> Replacement:
    """Put entries into a set that has none."""
    source, holder = collection.document.source, collection.holder
    break_, closing = newline(source), holder.end - 1
    frame = indent(source, closing)
    text = outer + (break_ * 2 + outer).join(texts) + break_
    if starts_line(source, closing):
        return Replacement(closing - len(frame), closing - len(frame), text)
    start = holder.start + len(source[holder.start : closing].rstrip())
    return Replacement(start, closing, break_ + text + frame)
