"""What is asked of each commit of a bisection, and what a verdict answers. Pure.

`bad` is only what was asked for: a commit of which that cannot be told, since it does not build or does not come that
far, is skipped, as `git bisect run` does with exit status 125.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from xenbump.dom0 import baseline
from xenbump.dom0.checks import CHECKS
from xenbump.dom0.report import FAILED, PASSED
from xenbump.errors import UsageError
from xenbump.trying.judging import broke_off
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from xenbump.trying.model import Answer, PhaseResult, Verdict

Kind = Literal["build", "phase", "check", "guest", "test"]

GUESTS: Final = ("pv", "pvh")
_GUEST: Final = "guest-"
_PHASES: Final = {phase.value: phase for phase in (Phase.DOM0, Phase.GUESTS, Phase.XTF)}
_TEST: Final = "test-"
# XTF's own words: what succeeds, and what could not be asked; all others are bad.
_SUCCESS, _SKIP = "SUCCESS", "SKIP"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        kind: whether it builds, a phase passes, a check passes, a guest runs, a test of XTF succeeds.
        phase: the last that is needed for the answer.
        name: the name of the check, or of the test in full; empty for the others.
    """

    kind: Kind
    phase: Phase
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "guest":
            return f"guest:{self.name.removeprefix(_GUEST)}"
        return f"xtf:{self.name}" if self.kind == "test" else self.name or self.phase.value

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that a trial is asked for."""
        return (self.phase,)

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests of XTF that are needed; none: those of the phase."""
        return (self.name,) if self.kind == "test" else ()

    @property
    def varies(self) -> bool:
        """Whether the answer may be another one the next time: what a compiler says is always the same."""
        return self.kind != "build"


def parsed(text: str) -> Question:
    """What `--on` is given: `build`, `dom0`, `guests`, `xtf`, a check's name, `guest:KIND`, `xtf:TEST`.

    Raises:
        UsageError: E-BISECT-ON.
    """
    kind, sign, name = text.partition(":")
    if text == "build":
        return Question("build", Phase.BUILD)
    if text in _PHASES:
        return Question("phase", _PHASES[text])
    if sign and kind == "guest":
        return _guest(name)
    if sign and kind == "xtf":
        full = name if name.startswith(_TEST) else _TEST + name
        try:
            baseline.split(full)
        except ValueError:
            there = f"xtf:test-ENVIRONMENT-NAME with an environment of {', '.join(baseline.ENVIRONMENTS)}"
            raise UsageError("E-BISECT-ON", f"XTF has no test of such a name; it is {there}", where=text) from None
        return Question("test", Phase.XTF, full)
    if text.startswith(_GUEST):
        return _guest(text.removeprefix(_GUEST))
    names = [check.name for check in CHECKS]
    if text in names:
        return Question("check", Phase.DOM0, text)
    checks = [one for one in names if not one.startswith(_GUEST)]
    near = difflib.get_close_matches(text, [*_PHASES, "build", *checks], 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        "E-BISECT-ON",
        f"{hint}there are build, dom0, guests, xtf, guest:KIND, xtf:TEST, and the checks {', '.join(checks)}",
        where=text,
    )


def _guest(kind: str) -> Question:
    if kind not in GUESTS:
        why = "the dom0 of a trial has no device model; " if kind == "hvm" else ""
        raise UsageError("E-BISECT-ON", f"{why}guests are of the kinds {' and '.join(GUESTS)}", where=f"guest:{kind}")
    return Question("guest", Phase.GUESTS, _GUEST + kind)


def judged(question: Question, verdict: Verdict) -> tuple[Answer, str]:
    """What a verdict answers, and why in a sentence, which may be empty.

    Args:
        question: that was asked.
        verdict: of a trial that was asked for the question's phases.
    """
    for phase in (Phase.PATCHES, Phase.CONFIG, Phase.BUILD):
        one = _of(verdict, phase)
        if one is not None and one.result == FAILED:
            is_asked = question.kind == "build" and phase is Phase.BUILD
            return ("bad" if is_asked else "skip"), one.reason
    found = _of(verdict, question.phase)
    if found is None:
        return "skip", "it did not come to that"
    if question.kind == "test":
        return _tested(found, dict(verdict.tests), question.name)
    if question.kind in {"check", "guest"}:
        return _checked(found, question.name)
    return _answer(found.result), found.reason


def _checked(phase: PhaseResult, name: str) -> tuple[Answer, str]:
    """A check, or a guest, in its phase."""
    there = {check.name: check for check in phase.checks}
    if name in there:
        return _answer(there[name].result), there[name].reason
    # Where the machine breaks off, it does so in the check that is the first without a result.
    guests = name.startswith(_GUEST)
    order = [check.name for check in CHECKS if check.name.startswith(_GUEST) == guests]
    first = next((one for one in order if one not in there), "")
    came_so_far = guests or bool(there)
    if broke_off(phase) and first == name and came_so_far:
        return "bad", phase.reason
    return "skip", f"it did not come to {name}: {phase.reason}".removesuffix(": ")


def _tested(phase: PhaseResult, results: dict[str, str], name: str) -> tuple[Answer, str]:
    """A test of XTF, which was the only one to be run."""
    if name in results:
        result = results[name]
        said = "" if result == _SUCCESS else f"{name}: {result}"
        return ("good" if result == _SUCCESS else "skip" if result == _SKIP else "bad"), said
    if broke_off(phase):
        return "bad", phase.reason
    return "skip", f"XTF has no result of {name}: {phase.reason}".removesuffix(": ")


def _answer(result: str) -> Answer:
    return "good" if result == PASSED else "bad" if result == FAILED else "skip"


def _of(verdict: Verdict, phase: Phase) -> PhaseResult | None:
    return next((one for one in verdict.phases if one.phase is phase), None)
