"""What a report of a trial says, in the order in which it says it: the same facts for a mail and for a page.

A report goes to people who know neither this machine nor its user: no path of a log and no folder of a user stands in
it, and every text from outside is on one line, without characters that steer a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump import __version__
from xenbump.dom0 import baseline
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, TEST_RESULTS
from xenbump.publish.markup import clipped, plain
from xenbump.trying import words
from xenbump.trying.candidates import is_candidate
from xenbump.trying.host import nameless
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.dom0.report import CheckResult
    from xenbump.trying.compare import Comparison, Difference
    from xenbump.trying.host import Machine
    from xenbump.trying.model import PhaseResult, Verdict
    from xenbump.trying.signed import Signed

LISTED: Final = 20  # lines of a log, and single results, that are worth their place
_LONGEST: Final = 600  # characters of a text from outside
_BOOTED: Final = (Phase.DOM0, Phase.GUESTS, Phase.XTF)
_GOOD: Final = {"SUCCESS", "SKIP"}
_TEST: Final = "test-"
_WHAT: Final = {
    Phase.BUILD: "the build",
    Phase.DOM0: "dom0",
    Phase.GUESTS: "guests",
    Phase.XTF: "XTF",
}

Rows = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Told:
    """All that a report is made of.

    Attributes:
        verdict: what came out.
        machine: where.
        signed: what there is of a signature.
        repository: the address that the revision is of; empty for a checkout on this machine.
        repeat: the words of the command that does the same once more.
        before: the verdict that it was compared with; None: with none.
        comparison: what differs from that.
    """

    verdict: Verdict
    machine: Machine
    signed: Signed
    repository: str
    repeat: tuple[str, ...] = ()
    before: Verdict | None = None
    comparison: Comparison | None = None


def cleaned(text: str) -> str:
    """A text from outside on one line, as a stranger may read it."""
    return clipped(plain(nameless(text)), _LONGEST)


def outcome(verdict: Verdict) -> str:
    """The result in a few words, such as `passed` or `FAILED in xtf`."""
    failed = verdict.failed
    if failed is not None:
        return f"FAILED in {failed.phase.value}"
    return "passed" if verdict.passed else "nothing was run"


def subject(told: Told) -> str:
    """A line for the subject of a mail; one on a candidate is marked as those of a test day are."""
    day = "[TESTDAY] " if is_candidate(told.verdict.rev) else ""
    return f"{day}Test report: Xen {cleaned(words.name(told.verdict))}: {outcome(told.verdict)}"


def summary(told: Told) -> str:
    """The sentence that says all."""
    return cleaned(words.summary(told.verdict))


def tested(told: Told) -> Rows:
    """What was tested: names, each with one or several lines."""
    verdict = told.verdict
    described = verdict.described if verdict.described != verdict.rev else ""
    version = f"Xen {verdict.version}" if verdict.version else ""
    itself = verdict.booted and f"it calls itself {verdict.booted}"
    patches = tuple(f"{number}. {cleaned(one)}" for number, one in enumerate(verdict.applied, 1))
    options = tuple(f"{name}={value}" for name, value in verdict.options)
    return _rows(
        ("Revision", verdict.rev),
        ("Commit", verdict.commit),
        ("Described", described),
        ("Version", ", ".join(filter(None, (version, itself)))),
        ("Signature", told.signed.words if told.signed.state != "bad" else f"NOT GOOD: {told.signed.words}"),
        ("Source", told.repository or "a checkout on the machine of the tester"),
        ("Patches", *(patches or ("none",))),
        ("Options", *(options or ("those of the default configuration",))),
        ("Tools", verdict.tools),
        ("When", f"{verdict.when}{' (a result that was kept)' if verdict.kept else ''}"),
        ("By", f"xenbump {__version__}"),
    )


def machine(told: Told) -> Rows:
    """On what it was tested."""
    one, engine = told.machine, told.verdict.engine
    kvm = "there is a /dev/kvm" if one.kvm else "there is no /dev/kvm that can be opened"
    return _rows(
        ("Processor", one.processor),
        ("Used of it", "1 processor" if one.processors == 1 else f"{one.processors} processors" * bool(one.processors)),
        ("Memory", one.size),
        ("Kernel", one.kernel),
        ("System", one.distribution),
        ("Compiler", one.compiler),
        ("Machine", _emulated(engine) if engine else "none was booted"),
        ("KVM", kvm if engine and not engine.endswith(", kvm") else ""),
    )


def counts(verdict: Verdict) -> tuple[tuple[str, int], ...]:
    """How many tests of XTF have which result, those with none left out."""
    results = [result for _, result in verdict.tests]
    return tuple((one, results.count(one)) for one in TEST_RESULTS if one in results)


def unexpected(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The tests of XTF with a bad result that was not expected, or with none, each with what is said of it.

    Without expectations to compare with, all that neither succeeded nor were left out.
    """
    phase, results = _xtf(verdict), dict(verdict.tests)
    if phase is None:
        return ()
    if not _is_judged(phase):
        return tuple((name, result) for name, result in verdict.tests if result not in _GOOD)
    return tuple((one.name, one.reason) for one in _differing(phase) if _is_bad(one, results))


def unknown(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The tests of XTF that are better than expected, or that nothing is expected of, and that are not bad."""
    phase, results = _xtf(verdict), dict(verdict.tests)
    if phase is None or not _is_judged(phase):
        return ()
    return tuple((one.name, one.reason) for one in _differing(phase) if not _is_bad(one, results))


def expected(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """The tests that neither succeeded nor were left out, and were expected to be like that."""
    phase = _xtf(verdict)
    if phase is None or not _is_judged(phase):
        return ()
    told = {one.name for one in _differing(phase)}
    return tuple((name, result) for name, result in verdict.tests if result not in _GOOD and name not in told)


def passed(phase: PhaseResult) -> tuple[CheckResult, ...]:
    """The checks of a phase that passed and of which there is nothing more to say."""
    return tuple(one for one in phase.checks if one.result == PASSED and not one.reason)


def others(phase: PhaseResult) -> tuple[CheckResult, ...]:
    """The checks of a phase that did not pass, or of which there is something to say; those of XTF are told apart."""
    if phase.phase is Phase.XTF:
        return ()
    return tuple(one for one in phase.checks if one.result != PASSED or one.reason)


def of_all(phase: PhaseResult) -> str:
    """How many checks passed, such as `11 of 12`; empty where there is none, and for XTF, which is counted by tests."""
    if not phase.checks or phase.phase is Phase.XTF:
        return ""
    return f"{sum(one.result == PASSED for one in phase.checks)} of {len(phase.checks)}"


def failures(verdict: Verdict) -> tuple[PhaseResult, ...]:
    """The phases that failed."""
    return tuple(one for one in verdict.phases if one.result == FAILED)


def evidence(phase: PhaseResult) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lines on which the failed checks of a phase rest, by name; those that are its last lines stand there."""
    return tuple(
        (cleaned(one.name), tuple(map(cleaned, one.evidence[-LISTED:])))
        for one in others(phase)
        if one.result == FAILED and one.evidence and one.evidence != phase.tail
    )


def tail(phase: PhaseResult) -> tuple[str, ...]:
    """The last lines of a log, with the blanks that they begin with: compilers point at places by them."""
    lines = [nameless(line.expandtabs()) for line in phase.tail[-LISTED:]]
    return tuple(" " * min(len(one) - len(one.lstrip(" ")), 40) + clipped(plain(one), _LONGEST) for one in lines)


def log(phase: PhaseResult) -> str:
    """The name of a log; where it lies is of no use to others."""
    return plain(Path(phase.log).name) if phase.log else ""


def difference(one: Difference) -> str:
    """A difference in a sentence."""
    turn = "" if one.turn == "other" else f"{one.turn}: "
    reason = f" ({one.reason})" if one.reason else ""
    return cleaned(
        f"{turn}{one.kind} {one.name}: {one.before or 'not there'} before, {one.after or 'not there'} now{reason}"
    )


def many(number: int) -> str:
    """The beginning of a sentence on so many results."""
    return f"{number or 'no'} {'result is' if number <= 1 else 'results are'}"


def left(told: Told) -> tuple[str, ...]:
    """What was not tested, and why."""
    verdict = told.verdict
    there = {one.phase: one for one in verdict.phases}
    found = [f"{_WHAT[phase]}: not asked for" for phase in _WHAT if phase not in there]
    found += [
        f"{_WHAT.get(one.phase, one.phase.value)}: {one.reason or 'skipped'}"
        for one in verdict.phases
        if one.result == SKIPPED
    ]
    found += [
        f"{one.name} ({phase.phase.value}): {one.reason or 'skipped'}"
        for phase in verdict.phases
        if phase.result != SKIPPED and phase.phase is not Phase.XTF
        for one in phase.checks
        if one.result == SKIPPED
    ]
    if verdict.engine:
        found += _of_the_machine(verdict)
    return tuple(cleaned(one) for one in found)


def _rows(*given: tuple[str, ...]) -> Rows:
    """The rows that have anything to say."""
    found = ((name, tuple(cleaned(one) for one in lines if one)) for name, *lines in given)
    return tuple((name, lines) for name, lines in found if lines)


def _emulated(engine: str) -> str:
    name, _, accelerator = engine.rpartition(", ")
    if accelerator == "tcg":
        return f"{name}, TCG: the processor was emulated"
    return f"{name}, KVM: Xen ran nested in this machine's kernel" if accelerator == "kvm" else engine


def _of_the_machine(verdict: Verdict) -> list[str]:
    """What an emulated machine, and the tests that it can run, leave out."""
    guests = next((one for one in verdict.phases if one.phase is Phase.GUESTS), None)
    found = ["real hardware: dom0 ran in a machine that QEMU makes"]
    if guests is not None and not any("hvm" in one.name for one in guests.checks):
        found.append("HVM guests with a device model")
    run = {name.split("-")[1] for name, _ in verdict.tests if name.count("-") > 1}
    missing = [one for one in baseline.ENVIRONMENTS if one not in run]
    if run and missing:
        found.append(f"tests of XTF in {', '.join(missing)}")
    return [*found, "other architectures than x86-64"]


def _xtf(verdict: Verdict) -> PhaseResult | None:
    return next((one for one in verdict.phases if one.phase is Phase.XTF and one.result != SKIPPED), None) or next(
        (one for one in verdict.phases if one.phase is Phase.XTF and verdict.tests), None
    )


def _differing(phase: PhaseResult) -> tuple[CheckResult, ...]:
    """The results that are others than expected; what is said of all of them is no test."""
    return tuple(one for one in phase.checks if one.name.startswith(_TEST))


def _is_bad(one: CheckResult, results: Mapping[str, str]) -> bool:
    """Whether a result is worse than expected, or is bad where nothing was expected."""
    return one.result == FAILED or (one.result == SKIPPED and results.get(one.name) not in _GOOD)


def _is_judged(phase: PhaseResult) -> bool:
    """Whether the results were compared with expected ones."""
    return any(one.name == "baseline" for one in phase.checks)
