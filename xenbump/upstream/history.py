"""Which advisories the history of a commit says are fixed in it.

Commits are fetched without trees and files, and only since the branch before was cut: what was fixed until then is
written down in `fixed-before.json` (made by `tools/fixed_before.py`), which is used only where the repository still has
the very tag objects that it was made from. Otherwise the whole history is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - msgspec reads the type at run time
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from xenbump.upstream import release
from xenbump.upstream.markers import fixes

if TYPE_CHECKING:
    from xenbump.upstream.library import Memory
    from xenbump.upstream.model import Listing
    from xenbump.upstream.repository import Repository


class _Cut(msgspec.Struct, frozen=True):
    """Where a branch left the unstable one, and what was fixed until then."""

    branch: str
    tag: str
    tag_object: str
    point: str
    cut: datetime
    fixed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fixes:
    """What a history says.

    Attributes:
        commits: for each advisory the commits that say they fix it, newest first, as identifiers.
        before: the advisories that were fixed before the history that was read begins, at the commit `point`.
        point: that commit; empty when the whole history was read.
    """

    commits: dict[int, tuple[str, ...]]
    before: tuple[int, ...]
    point: str

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of all of them."""
        return frozenset(self.commits) | frozenset(self.before)


@cache
def _cuts() -> tuple[_Cut, ...]:
    content = (resources.files("xenbump.upstream") / "fixed-before.json").read_bytes()
    return msgspec.json.decode(content, type=tuple[_Cut, ...])


def cut_of(branch: str, listing: Listing) -> datetime | None:
    """When a branch left the unstable one; None when that is not known for this repository."""
    found = next((one for one in _cuts() if one.branch == branch), None)
    return found.cut if found is not None and _is_same(found, listing) else None


def fixed_in(repository: Repository, listing: Listing, commit: str, ref: str, *, branch: str, memory: Memory) -> Fixes:
    """Which advisories are fixed in a commit, by what the commits up to it say.

    Args:
        repository: the Xen repository.
        listing: what it lists.
        commit: the commit's identifier.
        ref: a full ref name that has it, or the identifier itself.
        branch: the branch it lies on, `X.Y`.
        memory: where the result is remembered; a commit's history never changes.

    Raises:
        XenbumpError: the history could not be fetched or read.
    """
    earlier = [one for one in _cuts() if release.order(one.branch) < release.order(branch) and _is_same(one, listing)]
    start = max(earlier, key=lambda one: release.order(one.branch), default=None)

    def work() -> Fixes:
        tag = "" if start is None else start.tag
        messages = repository.messages(commit, ref, listing.source, store=f"history-{branch}.git", since=tag)
        found: dict[int, list[str]] = {}
        for oid, message in messages:
            for number in fixes(message):
                found.setdefault(number, []).append(oid)
        return Fixes(
            {number: tuple(oids) for number, oids in sorted(found.items())},
            () if start is None else start.fixed,
            "" if start is None else start.point,
        )

    return memory.step("", "history", (commit, None if start is None else start.point), Fixes, work)


def _is_same(one: _Cut, listing: Listing) -> bool:
    return listing.refs.get(f"refs/tags/{one.tag}") == one.tag_object
