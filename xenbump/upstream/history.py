"""What the history of a commit says: which advisories are fixed in it, and which other commits it has.

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

from xenbump.upstream import commits, release
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
    start = _start(branch, listing)

    def work() -> Fixes:
        found: dict[int, list[str]] = {}
        for oid, message in _messages(repository, listing, commit, ref, branch=branch):
            for number in fixes(message):
                found.setdefault(number, []).append(oid)
        return Fixes(
            {number: tuple(oids) for number, oids in sorted(found.items())},
            () if start is None else start.fixed,
            "" if start is None else start.point,
        )

    return memory.step("", "history", (commit, None if start is None else start.point), Fixes, work)


def has_commit(
    repository: Repository, listing: Listing, commit: str, ref: str, *, branch: str, memory: Memory, wanted: str
) -> str | None:
    """By which commit of its history a commit has another one.

    Args:
        repository: the Xen repository.
        listing: what it lists.
        commit: the commit's identifier.
        ref: a full ref name that has it, or the identifier itself.
        branch: the branch it lies on, `X.Y`.
        memory: where the result is remembered.
        wanted: identifier of the other.

    Returns:
        The newest that is the other one or says that it is its backport; one that a later one may have taken back does
        not count. None where the history that is read has none: it begins where the branch before was cut, and a
        backport of what was itself a backport need not name the first.

    Raises:
        XenbumpError: the history could not be fetched or read.
    """
    start = _start(branch, listing)

    def work() -> str:
        undone: list[str] = []
        for oid, message in _messages(repository, listing, commit, ref, branch=branch):
            names = {oid, *commits.origins(message)}
            if wanted in names and not any(name.startswith(one) for name in names for one in undone):
                return oid
            undone += commits.reverted(message)
        return ""

    given = (commit, None if start is None else start.point, wanted)
    return memory.step("", "commit", given, str, work) or None


def descends(repository: Repository, listing: Listing, commit: str, ref: str, ancestor: str, *, branch: str) -> bool:
    """Whether a commit has another one in its history, or is that one.

    Args:
        repository: the Xen repository.
        listing: what it lists.
        commit: the commit's identifier.
        ref: a full ref name that has it, or the identifier itself.
        ancestor: identifier of the other, which must lie behind the cut of the branch before: a release of the same
            branch does. An older one is not seen, and the answer is no.
        branch: the branch that the commit lies on, `X.Y`.

    Raises:
        XenbumpError: the history could not be fetched or read.
    """
    return any(oid == ancestor for oid, _ in _messages(repository, listing, commit, ref, branch=branch))


def _start(branch: str, listing: Listing) -> _Cut | None:
    """Where the history of a branch begins to be read; None: at its first commit."""
    earlier = [one for one in _cuts() if release.order(one.branch) < release.order(branch) and _is_same(one, listing)]
    return max(earlier, key=lambda one: release.order(one.branch), default=None)


def _messages(repository: Repository, listing: Listing, commit: str, ref: str, *, branch: str) -> list[tuple[str, str]]:
    start = _start(branch, listing)
    tag = "" if start is None else start.tag
    return repository.messages(commit, ref, listing.source, store=f"history-{branch}.git", since=tag)


def _is_same(one: _Cut, listing: Listing) -> bool:
    return listing.refs.get(f"refs/tags/{one.tag}") == one.tag_object
