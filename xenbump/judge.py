"""All advisories for one tree: the texts, the history and the tree itself are asked, and a decision is made on each.

What is asked is remembered by what it depends on: a text by its digest, a history by its commit, a series of patches by
the commit and the patches' digests. A warm audit asks only the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Failure
from xenbump.hashes import patch
from xenbump.plan import decision
from xenbump.plan.decision import PatchState, TreeFacts
from xenbump.plan.model import Decision, Verdict
from xenbump.upstream import history, release, trial
from xenbump.upstream.ranges import Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from xenbump.upstream.advisory import Advisory, ResolutionLine
    from xenbump.upstream.history import Fixes
    from xenbump.upstream.library import Library, Listed, Memory
    from xenbump.upstream.model import Listing
    from xenbump.upstream.release import Release
    from xenbump.upstream.repository import Repository


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree to be judged: what to call it, its branch `X.Y`, its commit, and a ref that has it."""

    name: str
    branch: str
    commit: str
    ref: str


class Judge:
    """Decides on advisories.

    Args:
        repository: the Xen repository.
        listing: what it lists.
        library: the advisories.
        memory: where results are remembered.
        now: the time, with a zone; for embargoes.
        progress: told in a sentence what takes time.
    """

    def __init__(
        self,
        repository: Repository,
        listing: Listing,
        library: Library,
        *,
        memory: Memory,
        now: datetime,
        progress: Callable[[str], None],
    ) -> None:
        self._repository = repository
        self._listing = listing
        self._library = library
        self._memory = memory
        self._now = now
        self._progress = progress
        self._read: dict[int, Listed] = {}

    def decisions(self, tree: Tree, listed: frozenset[str] = frozenset()) -> tuple[Decision, ...]:
        """A decision for each advisory that xenbits lists, lowest number first.

        Args:
            tree: the tree that the package is made of.
            listed: the names of the patches that the package file lists.

        Raises:
            XenbumpError: something could not be had, or must not be believed.
        """
        fixes = history.fixed_in(
            self._repository, self._listing, tree.commit, tree.ref, branch=tree.branch, memory=self._memory
        )
        found = []
        for entry in self._library.index():
            if not entry.is_published:
                found.append(decision.untold(entry, self._now))
            elif entry.number in fixes.before:
                found.append(_before(entry.number, tree, fixes))
            else:
                found.append(self._decide(self.text(entry.number), tree, fixes, listed))
        return tuple(found)

    def text(self, number: int) -> Listed:
        """An advisory with its verified text; each is read once."""
        if number not in self._read:
            self._read[number] = self._library.read(self._library.entry(number))
        return self._read[number]

    def _decide(self, item: Listed, tree: Tree, fixes: Fixes, listed: frozenset[str]) -> Decision:
        number, text = item.entry.number, item.text
        if text is None:
            return decision.untold(item.entry, self._now)
        facts = TreeFacts(tree.name, tree.branch, fixes.numbers, history.cut_of(tree.branch, self._listing))
        if text.advisory is None:
            return decision.unread(number, facts, text.code, text.what)
        if number not in fixes.numbers:
            states = {line.glob: self._tried(tree, line) for line in _to_try(text.advisory, tree.branch)}
            heard = {glob: state for glob, state in states.items() if state is not None}
            facts = TreeFacts(facts.name, facts.branch, facts.fixed, facts.cut, heard)
        return decision.decide(text.advisory, facts, public=item.entry.public_time, listed=listed)

    def first_releases(self, number: int, since: str) -> dict[str, str | None]:
        """The first release of each branch that has the fix of an advisory, by what its commits say.

        Args:
            number: of the advisory.
            since: the oldest branch to look at, `X.Y`.

        Returns:
            Versions by branch, oldest first; None for a branch without a release that has it.
        """
        found: dict[str, str | None] = {}
        for one in self._listing.releases:
            if one.commit is None or release.order(one.branch) < release.order(since):
                continue
            found.setdefault(one.branch, None)
            if found[one.branch] is None and number in self._fixes(one).numbers:
                found[one.branch] = one.version
        return found

    def _fixes(self, one: Release) -> Fixes:
        ref = f"refs/tags/{one.tag}"
        newest = [other for other in self._listing.releases if other.branch == one.branch][-1]
        if newest.commit is not None and newest is not one:
            # The newest has the others in its history, so that one fetch serves the branch.
            history.fixed_in(
                self._repository,
                self._listing,
                newest.commit,
                f"refs/tags/{newest.tag}",
                branch=one.branch,
                memory=self._memory,
            )
        return history.fixed_in(
            self._repository, self._listing, one.commit or "", ref, branch=one.branch, memory=self._memory
        )

    def _tried(self, tree: Tree, line: ResolutionLine) -> PatchState | None:
        """What the tree says of a line's series; None where a patch could not be had.

        Without that witness the decision rests on table and history, which can only make an advisory count as missing.
        """
        try:
            return self._try(tree, line)
        except Failure as error:
            self._progress(f"{line.glob} was not tried on {tree.name}: {error}")
            return None

    def _try(self, tree: Tree, line: ResolutionLine) -> PatchState:

        def work() -> PatchState:
            series = []
            for file in line.files:
                content = self._library.patch(file)
                patch.parse(content)  # it must not reach out of the tree
                series.append(content)
            self._progress(f"trying {line.glob} on {tree.name}")
            store = self._repository.with_tree(tree.commit, tree.ref, self._listing.source)
            return _state(store, tree.commit, series, prerequisites=sum(file.prerequisite for file in line.files))

        given = (tree.commit, tuple(file.sha256 for file in line.files))
        return self._memory.step("", "trial", given, PatchState, work)


def _to_try(advisory: Advisory, branch: str) -> Sequence[ResolutionLine]:
    """The lines whose patches say something about a branch."""
    reach, lines = advisory.reach(branch)
    return lines if reach is not Reach.OUTSIDE and len(lines) == 1 else ()


def _state(store: Path, commit: str, series: list[bytes], *, prerequisites: int) -> PatchState:
    with trial.on_tree(store, commit) as tried:
        if tried.comes_out(series) is None:
            # Where code repeats itself, a series may fit one place with the fix and another without it.
            return PatchState.UNCLEAR if tried.goes_in(series) is None else PatchState.IN
        if prerequisites and tried.comes_out(series[:prerequisites]) is None:
            series = series[prerequisites:]
        return PatchState.OUT if tried.goes_in(series) is None else PatchState.UNCLEAR


def _before(number: int, tree: Tree, fixes: Fixes) -> Decision:
    return Decision(
        number,
        Verdict.IN_RELEASE,
        f"{tree.name} has the fix of XSA-{number}: it was there when branch {tree.branch} was cut or before",
        (),
        (f"git: a commit before {fixes.point} says that it is XSA-{number}, or a part of it",),
    )
