"""The list of patches that a file is to have: what stays, and what comes at which place. Pure.

The order is nixpkgs': local patches, those of advisories with ascending numbers, other fixes from upstream. What is
there keeps its order; what comes is put where its number belongs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xenbump.plan.model import PatchChange

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from xenbump.plan.model import Addition, Drop, Patch

FETCHPATCH = "fetchpatch"
PUBLIC_ROOT = "https://xenbits.xenproject.org/xsa/"


def change(
    listed: Sequence[Patch],
    drop: Sequence[Drop],
    add: Sequence[Addition],
    parts: Mapping[int, Sequence[str]],
) -> PatchChange:
    """Put a change together.

    Args:
        listed: the patches of the file, in order.
        drop: those that go.
        add: those that come.
        parts: for each advisory of which patches come, the addresses of all its patches in the order in which they
            apply.

    Returns:
        The change; its additions in the order of the series.
    """
    gone = {one.patch for one in drop}
    slots: dict[int, list[Addition]] = {}
    for one in sorted(add, key=lambda item: item.patch.xsa or 0):
        slots.setdefault(_slot(listed, gone, one.patch, parts.get(one.patch.xsa or 0, ())), []).append(one)
    series: list[Patch] = []
    ordered: list[Addition] = []
    for place in range(len(listed) + 1):
        here = slots.get(place, [])
        ordered += here
        series += [one.patch for one in here]
        series += [patch for patch in listed[place : place + 1] if patch not in gone]
    keep = tuple(patch for patch in listed if patch not in gone)
    return PatchChange(keep, tuple(drop), tuple(ordered), tuple(series))


def _slot(listed: Sequence[Patch], gone: Collection[Patch], new: Patch, parts: Sequence[str]) -> int:
    """Before which of the listed patches a new one comes; their number: behind the last."""
    same = [place for place, patch in enumerate(listed) if patch.url == new.url and patch in gone]
    if same:
        return same[0]
    usual = [(place, patch) for place, patch in enumerate(listed) if patch.condition is None]
    if new.url in parts:
        own = parts.index(new.url)
        mates = [(place, parts.index(patch.url)) for place, patch in usual if patch not in gone and patch.url in parts]
        before = [place for place, part in mates if part < own]
        behind = [place for place, part in mates if part > own]
        if before or behind:
            return max(before) + 1 if before else min(behind)
    number = new.xsa or 0
    smaller = [place for place, patch in usual if patch.xsa is not None and patch.xsa <= number]
    if smaller:
        return max(smaller) + 1
    larger = [place for place, patch in usual if patch.xsa is not None and patch.xsa > number]
    if larger:
        return min(larger)
    if new.name is not None:
        # Entries of a collection are listed together, behind what the file fetches itself.
        return len(listed)
    local = 0
    while local < len(listed) and listed[local].fetcher is None and listed[local].condition is None:
        local += 1
    return local


def fetcher_of(listed: Sequence[Patch]) -> str:
    """The fetcher that a file uses for patches of advisories, else for any; `fetchpatch` where it has none."""
    for among in ([patch for patch in listed if patch.xsa is not None], listed):
        counted = Counter(patch.fetcher for patch in among if patch.fetcher is not None)
        if counted:
            return str(counted.most_common(1)[0][0])
    return FETCHPATCH


def root_of(listed: Sequence[Patch], names: Mapping[str, str]) -> str:
    """The folder of advisories that a file's addresses begin with; xenbits' own where it has none.

    Args:
        listed: the patches of the file.
        names: by address, the name by which an advisory lists a patch.
    """
    roots = Counter(
        patch.url.removesuffix(names[patch.url])
        for patch in listed
        if patch.url in names and patch.url.endswith(names[patch.url]) and "://" in patch.url
    )
    return roots.most_common(1)[0][0] if roots else PUBLIC_ROOT
