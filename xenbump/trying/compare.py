"""Two verdicts side by side: only what differs, and how much is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from xenbump.dom0 import baseline
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xenbump.trying.model import Verdict

Kind = Literal["phase", "check", "guest", "test", "time"]
Turn = Literal["worse", "better", "other"]

# The phases of one boot.
BOOTED: Final = (Phase.DOM0, Phase.GUESTS, Phase.XTF)
# What only a trial with something put upon its revision has.
_ON_TOP: Final = (Phase.PATCHES, Phase.CONFIG)
_GUEST = "guest-"
_ABSENT = ""
_ORDER = {PASSED: 0, SKIPPED: 1, FAILED: 2}
# A time differs by what the machine does besides as well; less than this says nothing.
_SHARE, _SECONDS = 0.25, 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same.

    Attributes:
        kind: what it is: a phase, a check in dom0, a guest, a test of XTF, or the time of a phase.
        name: which.
        before: how it is in the verdict that is compared with; empty where it is not there.
        after: how it is now; empty where it is not there.
        turn: whether that is worse, better, or neither.
        reason: why, where it is told.
    """

    kind: Kind
    name: str
    before: str
    after: str
    turn: Turn
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, in the order of the phases, and how many results are the same."""

    differences: tuple[Difference, ...]
    same: int

    @property
    def worse(self) -> tuple[Difference, ...]:
        """Those that count: results that are worse."""
        return tuple(one for one in self.differences if one.turn == "worse")


def compared(before: Verdict, after: Verdict) -> Comparison:
    """What differs between two verdicts; pure.

    Times are told and are never worse or better: a phase that took a quarter longer or shorter, and 5 seconds at least.
    """
    found: list[Difference] = []
    same = 0
    told = {name: reason for name, (_, reason) in _checks(after).items()}
    for kind, old, new in (
        ("phase", _phases(before, after), _phases(after, before)),
        ("check", _results(before, guests=False), _results(after, guests=False)),
        ("guest", _results(before, guests=True), _results(after, guests=True)),
    ):
        reasons = _reasons(after) if kind == "phase" else told
        pairs = list(_pairs(old, new))
        same += sum(was == now for _, was, now in pairs)
        found += [
            Difference(kind, name, was, now, _turn(was, now), reasons.get(name, ""))  # type: ignore[arg-type]
            for name, was, now in pairs
            if was != now
        ]
    tests, equal = _tests(dict(before.tests), dict(after.tests))
    return Comparison((*found, *tests, *_times(before, after)), same + equal)


def _pairs(before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    for name in dict.fromkeys([*before, *after]):
        yield name, before.get(name, _ABSENT), after.get(name, _ABSENT)


def _turn(before: str, after: str) -> Turn:
    """A result that is gone is worse only where it was good: what was never run was lost by what failed before it."""
    if not before:
        return "worse" if after == FAILED else "other"
    if not after:
        return "worse" if before == PASSED else "other"
    was, now = _ORDER.get(before, 2), _ORDER.get(after, 2)
    return "worse" if now > was else "better" if now < was else "other"


def _tests(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[Difference], int]:
    """What differs in XTF's results, and how many are the same; one that was not run in both is told in its phase."""
    if not before or not after:
        return [], 0
    found = baseline.compare(before, after)
    return [
        *(Difference("test", one.name, one.before, one.after, "worse") for one in found.worse),
        *(Difference("test", name, before[name], _ABSENT, "worse") for name in found.missing),
        *(Difference("test", one.name, one.before, one.after, "better") for one in found.better),
        *(Difference("test", name, _ABSENT, result, "other") for name, result in found.extra),
    ], found.same


def _phases(verdict: Verdict, other: Verdict) -> dict[str, str]:
    """The results of the phases; that patches apply, or options take, says nothing where the other has none."""
    there = {one.phase for one in other.phases}
    return {
        one.phase.value: one.result
        for one in verdict.phases
        if one.phase in there or one.phase not in _ON_TOP or one.result != PASSED
    }


def _reasons(verdict: Verdict) -> dict[str, str]:
    return {one.phase.value: one.reason for one in verdict.phases}


def _checks(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """The results of the checks in dom0, guests among them, with the reasons; XTF's are compared by its tests."""
    return {
        check.name: (check.result, check.reason)
        for phase in verdict.phases
        if phase.phase in {Phase.DOM0, Phase.GUESTS}
        for check in phase.checks
    }


def _results(verdict: Verdict, *, guests: bool) -> dict[str, str]:
    return {name: result for name, (result, _) in _checks(verdict).items() if name.startswith(_GUEST) == guests}


def _times(before: Verdict, after: Verdict) -> list[Difference]:
    """The phases in dom0 that took another time; how long a build takes depends on what was built before."""
    then = {one.phase.value: one.seconds for one in before.phases if one.result == PASSED and one.phase in BOOTED}
    found = []
    for one in after.phases:
        was = then.get(one.phase.value, 0.0)
        apart = abs(one.seconds - was)
        if one.result == PASSED and was and one.seconds and apart > _SECONDS and apart > _SHARE * was:
            found.append(Difference("time", one.phase.value, f"{was:.0f} s", f"{one.seconds:.0f} s", "other"))
    return found
