"""One advisory, one tree of Xen: is the fix in it, must a patch go in, or does the advisory not concern it — and why.

Three witnesses are heard. The advisory's signed table says for which branches there are patches. The history says, by
whole sentences in commit messages, which advisories were fixed. The tree itself says whether a patch is in it (it can
be taken out cleanly) or out of it (it can be put in cleanly). "Not fixed" and "not affected" look alike in git, so
only the table can say that an advisory does not concern a branch; and where the witnesses disagree, a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from xenbump.plan.model import Decision, Verdict
from xenbump.upstream import ranges
from xenbump.upstream.ranges import Reach

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from xenbump.upstream.advisory import Advisory, ResolutionLine
    from xenbump.upstream.index import Entry


class PatchState(StrEnum):
    """What a tree says of a series of patches.

    IN: each can be taken out cleanly, the last one first. OUT: each can be put in cleanly, in order. REST_OUT: the
    prerequisites can be taken out, the others put in. ON_TOP: they can be put in once those of the other advisories
    that the tree lacks are in. UNCLEAR: nothing of it.
    """

    IN = "in"
    OUT = "out"
    REST_OUT = "rest-out"
    ON_TOP = "on-top"
    UNCLEAR = "unclear"


# A tree that has the fix does not take its patches.
_LACKING = frozenset({PatchState.OUT, PatchState.REST_OUT, PatchState.ON_TOP})


@dataclass(frozen=True, slots=True)
class TreeFacts:
    """What is known of a tree.

    Attributes:
        name: what to call it, such as `4.20.3`.
        branch: its branch, `X.Y`.
        fixed: the advisories that commits in its history say they fix.
        cut: when its branch left the unstable one; None when that is not known.
        states: what the tree says of a line's series, by the line's glob; a line that is not in it was not tried.
    """

    name: str
    branch: str
    fixed: frozenset[int]
    cut: datetime | None = None
    states: Mapping[str, PatchState] = field(default_factory=dict)


def untold(entry: Entry, now: datetime) -> Decision:
    """The decision for a number whose advisory is not public.

    Args:
        entry: as the index lists it, without content.
        now: the time, with a zone.
    """
    if entry.is_embargoed(now) and entry.public_time is not None:
        when = f"{entry.public_time:%Y-%m-%d %H:%M} UTC"
        return Decision(
            entry.number, Verdict.EMBARGOED, f"XSA-{entry.number} will be public on {when}", (), (f"xsa.json: {when}",)
        )
    if entry.public_time is not None:
        when = f"{entry.public_time:%Y-%m-%d %H:%M} UTC"
        late = f"XSA-{entry.number} was to be public on {when}, and the index has nothing of it"
        return Decision(entry.number, Verdict.CONFLICT, late, (), (f"xsa.json: {when}, without content",))
    return Decision(
        entry.number,
        Verdict.UNUSED,
        f"XSA-{entry.number} has no content in the index and no time of publication",
        (),
        (),
    )


def unread(number: int, tree: TreeFacts, code: str, what: str) -> Decision:
    """The decision for an advisory whose text was refused: git's word where it has one, else a person's.

    Args:
        number: of the advisory.
        tree: the tree.
        code: of the refusal.
        what: what was not understood.
    """
    evidence = (f"{code}: {what}",)
    if number in tree.fixed:
        return Decision(
            number,
            Verdict.IN_RELEASE,
            f"a commit in {tree.name} says that it fixes XSA-{number}; its text could not be read",
            (),
            (_marker(number, tree), *evidence),
        )
    return Decision(
        number, Verdict.CONFLICT, f"the text of XSA-{number} could not be read, and no commit names it", (), evidence
    )


def decide(
    advisory: Advisory, tree: TreeFacts, *, public: datetime | None, listed: frozenset[str] = frozenset()
) -> Decision:
    """Decide on a public advisory.

    Args:
        advisory: the verified text.
        tree: the tree that the package is made of.
        public: when it was published; None when that is not known.
        listed: the names of the patches that the package file lists, as the advisory names them.
    """
    case = _Case(advisory, tree, listed)
    xen = [line for line in advisory.lines if line.range.is_xen]
    if not xen:
        return case.other_tree()
    reach, lines = advisory.reach(tree.branch)
    if reach is Reach.OUTSIDE:
        return case.outside(xen)
    if reach is Reach.UNSTABLE:
        return case.unstable(lines, public)
    return case.named(lines)


@dataclass(frozen=True, slots=True)
class _Case:
    """An advisory before the court; each method is a way to end."""

    advisory: Advisory
    tree: TreeFacts
    listed: frozenset[str]

    @property
    def number(self) -> int:
        return self.advisory.number

    @property
    def marked(self) -> bool:
        return self.number in self.tree.fixed

    def say(self, verdict: Verdict, reason: str, *evidence: str, patches: tuple[str, ...] = ()) -> Decision:
        told = tuple(
            f"advisory, version {self.advisory.version}: {line.glob} for {line.range.text}"
            for line in self.advisory.lines
        )
        git = (_marker(self.number, self.tree),) if self.marked else ()
        return Decision(self.number, verdict, reason, patches, (*told, *git, *evidence))

    def other_tree(self) -> Decision:
        trees = ", ".join(sorted({line.range.tree for line in self.advisory.lines}))
        if self.marked:
            return self.say(
                Verdict.CONFLICT,
                f"XSA-{self.number} has patches for {trees} only, yet a commit in {self.tree.name} names it",
            )
        more = "; a build that brings its own copy along needs them there" if ranges.QEMU in trees else ""
        return self.say(Verdict.OTHER_TREE, f"XSA-{self.number} is for {trees}, not for Xen{more}")

    def outside(self, xen: list[ResolutionLine]) -> Decision:
        if self.marked:
            return self.fixed()
        where = "; ".join(line.range.text for line in xen)
        oldest = min((line.range.oldest or ranges.UNSTABLE for line in xen), key=ranges.order)
        reason = f"XSA-{self.number} has no patch for Xen {self.tree.branch}: its patches are for {where}"
        if ranges.order(self.tree.branch) < ranges.order(oldest):
            reason += "; the branch is older than these, which does not say that it is not affected"
        return self.say(Verdict.OTHER_BRANCH, reason)

    def unstable(self, lines: tuple[ResolutionLine, ...], public: datetime | None) -> Decision:
        """The table has xen-unstable and names no branch as new as this one."""
        if self.marked:
            return self.fixed()
        if len(lines) == 1 and self.state(lines[0]) is PatchState.IN:
            return self.fixed()
        if public is None or self.tree.cut is None:
            return self.say(
                Verdict.CONFLICT,
                f"XSA-{self.number} has a patch for xen-unstable; whether {self.tree.branch} was that then is unknown",
            )
        times = f"branch {self.tree.branch} was cut on {self.tree.cut:%Y-%m-%d}, the advisory is of {public:%Y-%m-%d}"
        if self.tree.cut < public:
            return self.say(
                Verdict.OTHER_BRANCH,
                f"XSA-{self.number} has a patch for xen-unstable only, and {self.tree.branch} was cut before it",
                times,
            )
        return self.say(
            Verdict.CONFLICT,
            f"{self.tree.branch} was cut after XSA-{self.number} and should have its fix, yet no commit says so",
            times,
        )

    def named(self, lines: tuple[ResolutionLine, ...]) -> Decision:
        if len(lines) > 1:
            if self.marked:
                return self.fixed()
            globs = " and ".join(line.glob for line in lines)
            return self.say(
                Verdict.CONFLICT, f"XSA-{self.number} names {self.tree.branch} in {len(lines)} lines: {globs}"
            )
        line = lines[0]
        state = self.state(line)
        heard = self.heard(line)
        if state is PatchState.IN or (self.marked and state not in _LACKING):
            return self.fixed(heard)
        if self.marked:
            return self.say(
                Verdict.CONFLICT,
                f"a commit in {self.tree.name} says that it is XSA-{self.number}, yet the patches still apply",
                heard,
            )
        return self.missing(line, heard)

    def missing(self, line: ResolutionLine, heard: str) -> Decision:
        """The tree has not the fix, and the table has patches for its branch."""
        names = tuple(file.name for file in line.files)
        # A prerequisite may be in the tree already, unless there is nothing else.
        wanted = tuple(file.name for file in line.files if not file.prerequisite) or names
        if self.state(line) is PatchState.REST_OUT:
            names = wanted
        absent = [name for name in wanted if name not in self.listed]
        lacks = f"{self.tree.name} has not the fix of XSA-{self.number}"
        if not absent:
            listed = f"the file lists {_count(names)} of XSA-{self.number} for {self.tree.branch}"
            return self.say(Verdict.ALREADY_PATCHED, listed, heard)
        if any(name in self.listed for name in names):
            part = f"the file lists a part of XSA-{self.number} only: {', '.join(absent)} is missing"
            return self.say(Verdict.CONFLICT, part, heard, patches=names)
        if self.state(line) is PatchState.UNCLEAR:
            stuck = f"{lacks}, and its patches for {self.tree.branch} do not apply"
            return self.say(Verdict.CONFLICT, stuck, heard, patches=names)
        return self.say(Verdict.NEEDS_PATCH, f"{lacks}; {_count(names)} for {self.tree.branch}", heard, patches=names)

    def fixed(self, *evidence: str) -> Decision:
        return self.say(Verdict.IN_RELEASE, f"{self.tree.name} has the fix of XSA-{self.number}", *evidence)

    def state(self, line: ResolutionLine) -> PatchState | None:
        return self.tree.states.get(line.glob)

    def heard(self, line: ResolutionLine) -> str:
        """What the tree said of a line's series."""
        words = {
            PatchState.IN: "can be taken out of the tree cleanly",
            PatchState.OUT: "can be put into the tree cleanly, in order",
            PatchState.REST_OUT: "can be put into the tree cleanly, in order, but for its prerequisites, which it has",
            PatchState.ON_TOP: "can be put into the tree cleanly, in order, on top of the others that it lacks",
            PatchState.UNCLEAR: "can neither be put in nor taken out cleanly",
            None: "was not tried on the tree",
        }
        return f"tree: {line.glob} {words[self.state(line)]}"


def _marker(number: int, tree: TreeFacts) -> str:
    return f"git: a commit in the history of {tree.name} says that it is XSA-{number}, or a part of it"


def _count(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} patches, {names[0]} to {names[-1].rpartition('/')[2]}"
