"""All advisories for one tree: the texts, the history and the tree itself are asked, and a decision is made on each.

What is asked is remembered by what it depends on: a text by its digest, a history by its commit, a series of patches by
the commit and the patches' digests. A warm audit asks only the index. The decisions on what is public are kept, too, as
`verdicts.py` has it: where nothing that they rest on has changed, nothing is decided anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xenbump import verdicts
from xenbump.errors import Failure
from xenbump.hashes import patch
from xenbump.plan import decision
from xenbump.plan.decision import PatchState, TreeFacts
from xenbump.plan.model import Decision, Verdict
from xenbump.upstream import history, release, trial
from xenbump.upstream.ranges import Reach
from xenbump.verdicts import Facts, Verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from xenbump.upstream.advisory import Advisory, PatchFile, ResolutionLine
    from xenbump.upstream.history import Fixes
    from xenbump.upstream.index import Entry
    from xenbump.upstream.library import Library, Listed, Text
    from xenbump.upstream.model import Listing
    from xenbump.upstream.release import Release
    from xenbump.upstream.repository import Repository

# Nothing is decided with a witness less because of a disk that is full, or a journal that does not work.
_OF_THIS_MACHINE = frozenset({"E-DISK", "E-JOURNAL", "E-STATE"})


@dataclass(frozen=True, slots=True)
class _Missing:
    """An advisory whose patches a tree may lack: what it was decided on, and the bytes of its patches."""

    item: Listed
    advisory: Advisory
    facts: TreeFacts
    line: ResolutionLine
    series: tuple[bytes, ...] = field(repr=False)

    @property
    def number(self) -> int:
        return self.advisory.number

    @property
    def state(self) -> PatchState:
        return self.facts.states[self.line.glob]


@dataclass(slots=True)
class _Hearing:
    """What is asked on a tree, and what came of it so far.

    Attributes:
        tree: the tree.
        facts: what is known of it before any patch is tried.
        fixes: what its history says.
        before: the advisories that were fixed before that history begins.
        listed: the names of the patches that the package file lists.
        doubted: the advisories for which the tree is to confirm what its commits say.
        missing: what it may lack.
        digests: of the texts that were read, by number; empty for one that the next run will ask for again.
        patches: that were to be tried.
        lacks: something could not be had or read, so that the next run may come to another end.
    """

    tree: Tree
    facts: TreeFacts
    fixes: Fixes
    listed: frozenset[str]
    doubted: frozenset[int]
    before: frozenset[int] = field(init=False)
    missing: list[_Missing] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)
    patches: list[PatchFile] = field(default_factory=list)
    lacks: bool = False

    def __post_init__(self) -> None:
        self.before = frozenset(self.fixes.before)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was missing, so that whoever asks the same gets the same."""
        return not self.lacks and all(self.digests.values())


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
        memory: Facts,
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
        self._fixes: dict[Tree, Fixes] = {}

    def decisions(
        self, tree: Tree, listed: frozenset[str] = frozenset(), *, doubted: frozenset[int] = frozenset()
    ) -> tuple[Decision, ...]:
        """A decision for each advisory that xenbits lists, lowest number first.

        Where a commit says that it fixes an advisory, the tree is asked as well only for those whose patches are listed
        and those in `doubted`: to ask it for all of them would take minutes.

        Args:
            tree: the tree that the package is made of.
            listed: the names of the patches that the package file lists.
            doubted: the advisories for which the tree is to confirm what its commits say.

        Raises:
            XenbumpError: something could not be had, or must not be believed.
        """
        fixes = self.fixes(tree)
        heard = _Hearing(
            tree,
            TreeFacts(tree.name, tree.branch, fixes.numbers, history.cut_of(tree.branch, self._listing)),
            fixes,
            listed,
            doubted,
        )
        # What is not public yet depends on the clock, and is never remembered.
        found = {one.xsa: one for one in self._of_public(heard)}
        return tuple(
            found[entry.number] if entry.is_published else _described(decision.untold(entry, self._now), entry)
            for entry in self._library.index()
        )

    def fixes(self, tree: Tree) -> Fixes:
        """The advisories that commits in a tree's history say they fix; asked for once."""
        if tree not in self._fixes:
            self._fixes[tree] = history.fixed_in(
                self._repository, self._listing, tree.commit, tree.ref, branch=tree.branch, memory=self._memory
            )
        return self._fixes[tree]

    def text(self, number: int) -> Listed:
        """An advisory with its verified text; each is read once."""
        if number not in self._read:
            self._read[number] = self._library.read(self._library.entry(number))
        return self._read[number]

    def _of_public(self, heard: _Hearing) -> tuple[Decision, ...]:
        """The decisions on what is public: those of an earlier run where all that they rest on is as it was."""
        entries = [entry for entry in self._library.index() if entry.is_published]
        asked = [entry.number for entry in entries if entry.number not in heard.before]
        may_be_kept = not heard.doubted
        digests = self._library.digests(asked) if may_be_kept else None
        if digests is not None:
            kept = verdicts.recall(self._memory, heard.tree.branch, self._ground(heard, digests))
            if kept is not None and all(map(self._library.has_kept, kept.patches)):
                return kept.decisions
        found = {entry.number: self._decide(entry, heard) for entry in entries}
        for one in self._on_top(heard.tree, heard.missing):
            again = decision.decide(one.advisory, one.facts, public=one.item.entry.public_time, listed=heard.listed)
            found[one.number] = _described(again, one.item.entry, one.item.text)
        decisions = tuple(found.values())
        if may_be_kept and heard.is_whole:
            ground = self._ground(heard, heard.digests)
            verdicts.remember(
                self._memory, heard.tree.branch, Verdicts(ground, decisions, tuple(dict.fromkeys(heard.patches)))
            )
        return decisions

    def _ground(self, heard: _Hearing, digests: Mapping[int, str]) -> str:
        """A digest of all that the decisions on what is public rest on, but for the patches that were tried."""
        return verdicts.ground(
            self._library.index_digest,
            sorted(digests.items()),
            self._library.trusted,
            heard.tree,
            (sorted(heard.facts.fixed), sorted(heard.before), heard.fixes.point, heard.facts.cut),
            sorted(heard.listed),
        )

    def _decide(self, entry: Entry, heard: _Hearing) -> Decision:
        """Decide on one advisory that is public; what was asked for it, and what its tree may lack, is noted."""
        number, facts = entry.number, heard.facts
        if number in heard.before:
            return _described(_before(number, heard.tree, heard.fixes), entry)
        item = self.text(number)
        heard.digests[number] = item.digest
        text = item.text
        if text is None or text.advisory is None:
            heard.lacks = True
            if text is None:
                return _described(decision.untold(entry, self._now), entry)
            return _described(decision.unread(number, facts, text.code, text.what), entry, text)
        marked = number in facts.fixed
        if not marked or number in heard.doubted or not heard.listed.isdisjoint(_names(text.advisory)):
            for line in _to_try(text.advisory, heard.tree.branch):
                said = self._tried(heard.tree, line)
                heard.patches += line.files
                if said is None:
                    heard.lacks = True
                    continue
                facts = replace(facts, states={line.glob: said[0]})
                if not marked and said[0] is not PatchState.IN:
                    heard.missing.append(_Missing(item, text.advisory, facts, line, said[1]))
        decided = decision.decide(text.advisory, facts, public=entry.public_time, listed=heard.listed)
        return _described(decided, entry, text)

    def _on_top(self, tree: Tree, missing: list[_Missing]) -> list[_Missing]:
        """Those that the tree takes only on top of others that it lacks, too; lowest number first.

        The parts of a file touch each other: what was published later is often made for a tree that has the rest.
        """
        unclear = {one.number for one in missing if one.state is PatchState.UNCLEAR}
        named = [one for one in missing if one.line.range.covers(tree.branch)]
        if not unclear or len(named) < 2:  # noqa: PLR2004 - there is nothing to be on top of
            return []

        def work() -> tuple[int, ...]:
            self._progress(f"trying {len(named)} advisories together on {tree.name}")
            store = self._repository.with_tree(tree.commit, tree.ref, self._listing.source)
            stack = list(named)
            with trial.on_tree(store, tree.commit) as tried:
                while stack:
                    owners = [one for one in stack for _ in one.series]
                    place = tried.goes_in([content for one in stack for content in one.series])
                    if place is None:
                        break
                    stack.remove(owners[place])
            return tuple(one.number for one in stack)

        given = (tree.commit, [(one.number, [file.sha256 for file in one.line.files], one.state) for one in named])
        fit = self._memory.step("", "together", given, tuple[int, ...], work)
        return [
            replace(one, facts=replace(one.facts, states={one.line.glob: PatchState.ON_TOP}))
            for one in named
            if one.number in unclear and one.number in fit
        ]

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
            if found[one.branch] is None and number in self._fixes_of(one).numbers:
                found[one.branch] = one.version
        return found

    def _fixes_of(self, one: Release) -> Fixes:
        newest = [other for other in self._listing.releases if other.branch == one.branch][-1]
        if newest.commit is not None and newest is not one:
            # The newest has the others in its history, so that one fetch serves the branch.
            self._of_release(newest)
        return self._of_release(one)

    def _of_release(self, one: Release) -> Fixes:
        return self.fixes(Tree(one.version, one.branch, one.commit or "", f"refs/tags/{one.tag}"))

    def _tried(self, tree: Tree, line: ResolutionLine) -> tuple[PatchState, tuple[bytes, ...]] | None:
        """What the tree says of a line's series, and what is left to put in; None where a patch could not be had.

        Without that witness the decision rests on table and history, which can only make an advisory count as missing.
        A tree that cannot be asked is no answer, and ends the work.
        """
        try:
            series = [self._library.patch(file) for file in line.files]
        except Failure as error:
            if error.code in _OF_THIS_MACHINE:
                raise
            self._progress(f"{line.glob} was not tried on {tree.name}: {error}")
            return None

        def work() -> PatchState:
            for content in series:
                patch.parse(content)  # it must not reach out of the tree
            self._progress(f"trying {line.glob} on {tree.name}")
            store = self._repository.with_tree(tree.commit, tree.ref, self._listing.source)
            return _state(store, tree.commit, series, prerequisites=sum(file.prerequisite for file in line.files))

        given = (tree.commit, tuple(file.sha256 for file in line.files))
        state = self._memory.step("", "trial", given, PatchState, work)
        rest = [content for content, file in zip(series, line.files, strict=True) if not file.prerequisite]
        return state, tuple(rest if state is PatchState.REST_OUT else series)


def _to_try(advisory: Advisory, branch: str) -> Sequence[ResolutionLine]:
    """The lines whose patches say something about a branch."""
    reach, lines = advisory.reach(branch)
    return lines if reach is not Reach.OUTSIDE and len(lines) == 1 else ()


def _state(store: Path, commit: str, series: list[bytes], *, prerequisites: int) -> PatchState:
    with trial.on_tree(store, commit) as tried:
        if tried.comes_out(series) is None:
            # Where code repeats itself, a series may fit one place with the fix and another without it.
            return PatchState.UNCLEAR if tried.goes_in(series) is None else PatchState.IN
        if tried.goes_in(series) is None:
            return PatchState.OUT
        rest = series[prerequisites:]
        if prerequisites and rest and tried.comes_out(series[:prerequisites]) is None and tried.goes_in(rest) is None:
            return PatchState.REST_OUT
        return PatchState.UNCLEAR


def _names(advisory: Advisory) -> frozenset[str]:
    return frozenset(file.name for line in advisory.lines for file in line.files)


def _described(one: Decision, entry: Entry, text: Text | None = None) -> Decision:
    """A decision with what the advisory is called and when it was published; the signed text comes before the index."""
    public = "" if entry.public_time is None else f"{entry.public_time:%Y-%m-%d %H:%M}"
    if text is None:
        return replace(one, title=entry.title or "", cves=entry.cves, public=public)
    return replace(one, title=text.title, cves=text.cves, public=public)


def _before(number: int, tree: Tree, fixes: Fixes) -> Decision:
    return Decision(
        number,
        Verdict.IN_RELEASE,
        f"{tree.name} has the fix of XSA-{number}: it was there when branch {tree.branch} was cut or before",
        (),
        (f"git: a commit before {fixes.point} says that it is XSA-{number}, or a part of it",),
    )
