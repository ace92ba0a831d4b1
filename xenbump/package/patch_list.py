"""Patches that go out of a file's list and come into it, in the file's own style. Pure.

What goes takes its comments along, but the heading of an advisory stays while another part of it does. What comes
stands behind the patch that is before it in the planned order, and never in a part of the list that counts only
sometimes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby, islice, pairwise
from typing import TYPE_CHECKING

from xenbump.errors import Failure, Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.find import bindings, body, call, inherits
from xenbump.package import fetchers, patch_style, patches
from xenbump.package.lines import add_binding, indent, line_start, starts_line
from xenbump.package.list_text import Coming, ListText, Margins, cut, inserted
from xenbump.package.literals import plain
from xenbump.package.source import filled

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import AttrSet, Expression, List
    from xenbump.package.patch_style import Style
    from xenbump.package.patches import Named, Part
    from xenbump.plan.model import Patch, PatchChange


@dataclass(frozen=True, slots=True)
class House:
    """What a shape has where its file shows nothing.

    Attributes:
        heading: the comment above the patches of an advisory, up to its number; empty: there is none.
        after: the attributes that a new list of patches comes after, the last of them that there is; where there is
            none of them, it comes last in the set. nixpkgs' file has it below the versions.
    """

    heading: str = ""
    after: tuple[str, ...] = ("pname", "version", "upstreamVersion", "vendor")


@dataclass(frozen=True, slots=True)
class _Run:
    """Patches that come at one place: between two that stay, given by their numbers in the list; None at its ends."""

    patches: tuple[Patch, ...]
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """A patch that the file lists: where, and whether it stays. Several can be in one element, an entry of that name.

    Attributes:
        patch: the patch.
        element: what it is listed as.
        rank: the number of that element in its part.
        part: the number of that part.
        stays: whether it stays.
    """

    patch: Patch
    element: Expression
    rank: int
    part: int
    stays: bool


def edits(
    document: Document,
    holder: AttrSet,
    change: PatchChange,
    *,
    old: Sequence[Patch],
    versions: Collection[str] = (),
    house: House = House(),
    named: Named | None = None,
) -> tuple[Replacement, ...]:
    """Say how to make a list of patches the planned one.

    Args:
        document: the file.
        holder: the set in it whose attribute `patches` is the list.
        change: what goes and comes.
        old: the patches as `patches.read` gives them for just this set.
        versions: as for `patches.read`.
        house: what the shape has where the file shows nothing.
        named: as for `patches.read`. A patch that comes with a name is listed by it, and the collection has it.

    Returns:
        The edits; none where nothing comes or goes. They lie in the value of `patches`, in a list that this names, and
        in the formal arguments of the functions around the set.

    Raises:
        Refusal: E-PATCH-LIST where a patch can come nowhere: there is no list that is written out and always counts, or
            its fetcher is not in scope; and where a list or an entry would change that is not for this set alone.
        Failure: E-EDIT-CHECK where the planned list is not `old` with what goes and comes.
    """
    parts = patches.parts(document, holder, versions, named)
    waiting = iter(old)
    dropped = {drop.patch for drop in change.drop}
    slots = [
        _Slot(patch, element, rank, number, patch not in dropped)
        for number, part in enumerate(parts)
        for rank, (element, found) in enumerate(zip(part.elements or (), part.patches, strict=True))
        for patch in islice(waiting, len(found))
    ]
    corrected = _corrected(document, slots, change)
    if corrected is not None:
        return corrected
    runs = _runs(document, holder, slots, change)
    gone = [slot.element for slot in slots if not slot.stays]
    if not runs and not gone:
        return ()
    _refuse_halves(document, slots)
    lists = [([found[0] for found in part.patches], part.listed) for part in parts if part.listed is not None]
    style = patch_style.detect(document, lists, house.heading)
    fetching = {style.functions.get(one.fetcher or "", one.fetcher or "") for one in _written(runs)}
    arguments = fetchers.edits(document, holder, gone, fetching, style.functions.values())
    if not parts:
        style = replace(style, prefix="" if named is None else f"{named.called}.")
        return (_new_list(document, holder, runs, style, house), *arguments)
    names = patch_style.detect(document, lists, "", by_name=True)
    coming: dict[int, list[_Run]] = {}
    for run in runs:
        for number, some in _homes(document, parts, slots, run):
            coming.setdefault(number, []).append(some)
    found = _superfluous(document, parts, slots)
    for number, part in enumerate(parts):
        mine = [slot for slot in slots if slot.part == number]
        if number not in found and (number in coming or not all(slot.stays for slot in mine)):
            own = replace(style, prefix=part.prefix)
            if part.is_named:
                own = replace(own, heading=names.heading, blank=names.blank)
            found[number] = _changed(document, part, slots, number=number, runs=coming.get(number, []), style=own)
    return (*found.values(), *arguments)


def _written(runs: Sequence[_Run]) -> list[Patch]:
    """The patches that come and are written out, not named."""
    return [patch for run in runs for patch in run.patches if patch.name is None]


def _refuse_halves(document: Document, slots: Sequence[_Slot]) -> None:
    """Refuse that one patch of an entry goes and another one stays: the entry is not this file's alone."""
    for one, other in pairwise(slots):
        if one.element is other.element and one.stays != other.stays:
            raise Refusal(
                "E-PATCH-LIST",
                f"`{one.patch.name}` has several patches, of which some go and some stay",
                where=document.where(one.element),
            )


def _corrected(document: Document, slots: Sequence[_Slot], change: PatchChange) -> tuple[Replacement, ...] | None:
    """Only new hashes, where each patch that comes is one that goes and differs in nothing else; None where not."""
    coming = {one.patch.url: one.patch for one in change.add}
    wanted = [slot.patch if slot.stays else coming.get(slot.patch.url) for slot in slots]
    gone = sum(not slot.stays for slot in slots)
    if not gone == len(coming) == len(change.add) == len(change.drop) or tuple(wanted) != change.series:
        return None
    found = []
    for slot, patch in zip(slots, wanted, strict=True):
        if slot.stays or patch is None:
            continue
        made = call(slot.element)
        facts = None if made is None else body(made.arguments[-1])
        digests = [] if facts is None else bindings(facts, ["hash"]) or bindings(facts, ["sha256"])
        written = plain(document, digests[0].value) if len(digests) == 1 else None
        same = patch.name is None and replace(patch, hash=slot.patch.hash) == slot.patch
        if written is None or patch.hash is None or not same:
            return None
        found.append(filled(written, patch.hash))
    return tuple(found)


def _runs(document: Document, holder: AttrSet, slots: Sequence[_Slot], change: PatchChange) -> list[_Run]:
    """What comes, by place."""
    kept = [number for number, slot in enumerate(slots) if slot.stays]
    added = {addition.patch for addition in change.add}
    runs: list[_Run] = []
    current: list[Patch] = []
    before: int | None = None
    waiting = iter([*kept, None])
    after = next(waiting)
    for patch in (*change.series, None):
        if patch is not None and (after is None or patch != slots[after].patch):
            current.append(patch)
            continue
        if current:
            runs.append(_Run(tuple(current), before, after))
            current = []
        if patch is not None:
            before, after = after, next(waiting)
    coming = [patch for run in runs for patch in run.patches]
    is_plain = all(
        patch in added and patch.fetcher and patch.hash and not patch.options and patch.condition is None
        for patch in coming
    )
    if after is not None or not is_plain or len(coming) != len(change.add):
        raise Failure(
            "E-EDIT-CHECK",
            "the planned patches are not the file's with what comes and goes",
            where=document.where(holder),
        )
    return runs


def _homes(document: Document, parts: Sequence[Part], slots: Sequence[_Slot], run: _Run) -> list[tuple[int, _Run]]:
    """The parts of the list that a run comes into: its named patches perhaps into another one than its calls."""
    kinds = groupby(run.patches, key=lambda patch: patch.name is not None)
    pieces = [replace(run, patches=tuple(patches)) for _, patches in kinds]
    homes = [_home(document, parts, slots, piece) for piece in pieces]
    return list(zip(homes, pieces, strict=True)) if len(set(homes)) == len(homes) else [(homes[0], run)]


def _home(document: Document, parts: Sequence[Part], slots: Sequence[_Slot], run: _Run) -> int:
    """The part of the list that a run comes into: that of its neighbour before, or after, or one between the two."""
    first = 0 if run.before is None else slots[run.before].part
    last = len(parts) - 1 if run.after is None else slots[run.after].part
    preferred = [slots[place].part for place in (run.before, run.after) if place is not None]
    by_name = run.patches[0].name is not None
    candidates: list[int] = sorted([*preferred, *range(first, last + 1)], key=lambda n: parts[n].is_named != by_name)
    for number in candidates:
        if parts[number].listed is not None and parts[number].condition is None:
            return number
    raise Refusal(
        "E-PATCH-LIST",
        f"{run.patches[0].url} has no place: no list that is written out and always counts is where it belongs",
        where=document.where(parts[first].outer),
    )


def _changed(
    document: Document, part: Part, slots: Sequence[_Slot], *, number: int, runs: Sequence[_Run], style: Style
) -> Replacement:
    """One part of the list as it is to be."""
    if part.is_shared:
        raise Refusal(
            "E-PATCH-LIST",
            "the list has a name that stands in several places of the file, and would change for all of them",
            where=document.where(part.outer),
        )
    if part.listed is None:
        # `optional condition patch` without its patch.
        return Replacement(part.outer.start, part.outer.end, "[ ]")
    mine = {slot.rank: slot for slot in slots if slot.part == number}
    left = cut(document, part.listed, [(slot.patch, slot.stays) for slot in mine.values()])
    text = left.text if left.text[1:-1].strip() else "[ ]"
    staying = [slot for slot in mine.values() if slot.stays]
    if runs:
        order = {slot.rank: place for place, slot in enumerate(staying)}

        def place(end: int | None) -> int | None:
            return None if end is None or slots[end].part != number else order[slots[end].rank]

        text = inserted(
            left,
            [slot.patch for slot in staying],
            [Coming(run.patches, place(run.before), place(run.after)) for run in runs],
            style,
            _margins(document, part.listed, style),
        )
    return Replacement(part.listed.start, part.listed.end, text)


def _margins(document: Document, listed: List, style: Style) -> Margins:
    """The indentation of a list as it is; of its brackets as of the line on which it begins."""
    frame = indent(document.source, listed.start)
    lines = [one.start for one in listed.elements if starts_line(document.source, one.start)]
    column = listed.start - line_start(document.source, listed.start)
    return Margins(frame, indent(document.source, lines[-1]) if lines else frame + style.call.step, column)


def _superfluous(document: Document, parts: Sequence[Part], slots: Sequence[_Slot]) -> dict[int, Replacement]:
    """The conditional parts that would be empty: they go with their `++`, where nothing else stands beside that."""
    found: dict[int, Replacement] = {}
    leading = True
    for number, part in enumerate(parts):
        mine = [slot.stays for slot in slots if slot.part == number]
        span = None
        if part.condition is not None and mine and not any(mine):
            span = _with_operator(document, parts, number, forward=leading)
        if span is None:
            leading = False
        else:
            found[number] = Replacement(*span, "")
    return found


def _with_operator(document: Document, parts: Sequence[Part], number: int, *, forward: bool) -> tuple[int, int] | None:
    """The span of an operand and the operator on one side; None where more than white space stands between."""
    other = number + 1 if forward else number - 1
    if not 0 <= other < len(parts):
        return None
    one, two = sorted((parts[number].outer, parts[other].outer), key=lambda node: node.start)
    if document.source[one.end : two.start].strip() != "++":
        return None
    return (one.start, two.start) if forward else (one.end, two.end)


def _new_list(document: Document, holder: AttrSet, runs: Sequence[_Run], style: Style, house: House) -> Replacement:
    """A binding for a set that has none."""
    inherited = inherits(holder, "patches")
    if inherited:
        raise Refusal(
            "E-PATCH-LIST",
            "`patches` is inherited, so its list is written elsewhere",
            where=document.where(inherited[0]),
        )
    anchors = [one for name in house.after for one in bindings(holder, [name])] or [
        one for name in _names(holder) for one in bindings(holder, [name])
    ]
    if not anchors:
        raise Refusal("E-PATCH-LIST", "the set has no binding to put `patches` after", where=document.where(holder))
    after = max(anchors, key=lambda one: one.start)
    runs_in = [Coming(run.patches, None, None) for run in runs]
    frame = indent(document.source, after.start)
    text = inserted(ListText("[ ]", "[ ]"), [], runs_in, style, Margins(frame, frame + style.call.step))
    return add_binding(document, after, f"patches = {text};", blank=True)


def _names(holder: AttrSet) -> list[str]:
    return [name for one in holder.bindings for name in getattr(one, "names", ())[:1] if isinstance(name, str)]
