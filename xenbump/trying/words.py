"""A verdict for people at a terminal: the first line says all, the rest why, where to look, and how to repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.publish.markup import clipped, plain
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.trying.compare import Comparison, Difference
    from xenbump.trying.model import PhaseResult, Verdict

_LONGEST = 300  # characters of a line from outside
_SHOWN = 20  # lines of a log, and checks, that are worth their place
_WIDEST = 40  # blanks that a line begins with
_HASH = 12
_TAKES = {Phase.PATCHES: "the patches apply", Phase.CONFIG: "the configuration takes"}
# What a trial that failed did not do any more.
_DOES_NOT = {
    Phase.PATCHES: "a patch does not apply",
    Phase.CONFIG: "an option does not take",
    Phase.BUILD: "does not build",
    Phase.DOM0: "dom0 fails",
    Phase.GUESTS: "boots, and a guest fails",
    Phase.XTF: "boots, and XTF is worse than expected",
}


def summary(verdict: Verdict) -> str:
    """The line that says all: `RELEASE-4.20.2: boots, 12 checks passed, 2 guests ran, XTF 88 as expected`."""
    failed = verdict.failed
    if failed is not None:
        # The line has said that already.
        reason = failed.reason.removeprefix("the hypervisor does not build: ")
        why = f": {_cleaned(reason)}" if reason else ""
        return f"{name(verdict)}: {_DOES_NOT[failed.phase]}{why}"
    told = [said for one in verdict.phases if one.result == PASSED and (said := _good(one, verdict))]
    left = [_left(one, verdict) for one in verdict.phases if one.result == SKIPPED and one.reason]
    return f"{name(verdict)}: {', '.join([*told, *left]) or 'nothing was run'}"


def _left(one: PhaseResult, verdict: Verdict) -> str:
    """That a phase has nothing to show."""
    # Its tests may have run all the same, where there is nothing to compare them with.
    return f"{one.phase.value} was not {'compared' if one.phase is Phase.XTF and verdict.tests else 'run'}"


def name(verdict: Verdict) -> str:
    """The trial's name: the revision, and what was put upon it."""
    patches, options = len(verdict.applied), [f"{key}={value}" for key, value in verdict.options]
    more = [f"{patches} {'patch' if patches == 1 else 'patches'}"] if patches else []
    return plain(" with ".join([verdict.rev, *([", ".join([*more, *options])] if more or options else [])]))


def lines(verdict: Verdict, repeat: str = "") -> list[str]:
    """The lines that tell a person what came out.

    Args:
        verdict: of the trial.
        repeat: the command that does the same once more; empty: it is not told.
    """
    told = [summary(verdict), *_facts(verdict)]
    for one in verdict.phases:
        if one.result == SKIPPED and not one.reason:
            continue
        told += _phase(one)
    if repeat:
        told.append(f"  to repeat it: {plain(repeat)}")
    return told


def compared(before: Verdict, after: Verdict, found: Comparison, repeat: str = "") -> list[str]:
    """The lines that tell what is not the same as with another revision."""
    worse = len(found.worse)
    count = f"{found.same} {'result is' if found.same == 1 else 'results are'} the same"
    if not found.differences:
        first = f"no difference, {count}"
    elif worse:
        first = f"{worse} {'is' if worse == 1 else 'are'} worse, {count}"
    else:
        first = f"nothing is worse, {count}"
    told = [f"{name(after)} against {name(before)}: {first}"]
    told += [f"  {plain(_difference(one))}" for one in found.differences]
    told += [f"  {name(one)}: {_where(one)}" for one in (before, after)]
    for one in after.phases:
        if one.result == FAILED:
            told += _phase(one)
    if repeat:
        told.append(f"  to repeat it: {plain(repeat)}")
    return told


def _difference(one: Difference) -> str:
    reason = f" ({clipped(one.reason, _LONGEST)})" if one.reason else ""
    turn = "" if one.turn == "other" else f"{one.turn}: "
    kind = "XTF" if one.kind == "test" else one.kind
    return f"{turn}{kind} {one.name}: {one.before or 'not there'} before, {one.after or 'not there'} now{reason}"


def _good(one: PhaseResult, verdict: Verdict) -> str:
    """What a phase that passed adds to the first line."""
    passed = sum(check.result == PASSED for check in one.checks)
    match one.phase:
        case Phase.PATCHES | Phase.CONFIG:
            return _TAKES[one.phase] if one is verdict.phases[-1] else ""
        case Phase.BUILD:
            booted = any(other.phase is Phase.DOM0 for other in verdict.phases)
            return "" if booted else "builds"
        case Phase.DOM0:
            return f"boots, {passed} {'check' if passed == 1 else 'checks'} passed"
        case Phase.GUESTS:
            return f"{passed} {'guest' if passed == 1 else 'guests'} ran"
        case Phase.XTF:
            return f"XTF {len(verdict.tests)} as expected"
    return ""


def _facts(verdict: Verdict) -> list[str]:
    described = [verdict.described] if verdict.described and verdict.described != verdict.rev else []
    version = [f"Xen {verdict.version}"] if verdict.version else []
    booted = verdict.booted
    said = [f"it calls itself {booted}"] if booted and booted != verdict.version else []
    commit = [f"commit {verdict.commit[:_HASH]}"] if verdict.commit else []
    told = [f"  {plain(', '.join([*version, *commit, *described, *said]))}"] if version or commit else []
    ran = [f"tools: {verdict.tools}"] if verdict.tools else []
    ran += [verdict.engine] if verdict.engine else []
    told += [f"  {plain('; '.join(ran))}"] if ran else []
    told += [f"  with {_cleaned(subject)}" for subject in verdict.applied]
    if verdict.kept:
        told.append(f"  found before, {plain(verdict.when)}; --again tries it anew")
    return told


def _phase(one: PhaseResult) -> list[str]:
    passed = sum(check.result == PASSED for check in one.checks)
    seconds = f" in {one.seconds:.0f} s" if one.seconds >= 1 else ""
    left = sum(check.result == SKIPPED for check in one.checks)
    skipped = f", {left} skipped" if left else ""
    count = f" ({passed} of {len(one.checks) - left} checks passed{skipped})" if len(one.checks) > 1 else ""
    why = f": {_cleaned(one.reason)}" if one.reason else ""
    told = [f"  {one.phase.value}: {one.result}{seconds}{why}{count}"]
    if one.result == FAILED:
        bad = [check for check in one.checks if check.result == FAILED]
        told += [f"    {plain(check.name)}: {_cleaned(check.reason)}" for check in bad[:_SHOWN]]
        told += [f"    (and {len(bad) - _SHOWN} more)"] if len(bad) > _SHOWN else []
        told += [f"    | {line}" for line in _tail(one.tail)]
    if one.log and (one.result == FAILED or one.phase in {Phase.BUILD, Phase.DOM0}):
        told.append(f"    log: {plain(one.log)}")
    return told


def _tail(tail: Sequence[str]) -> list[str]:
    # Compilers point at places by blanks.
    blanks = (" " * min(len(line) - len(line.lstrip(" ")), _WIDEST) for line in tail[-_SHOWN:])
    return [indent + _cleaned(line) for indent, line in zip(blanks, tail[-_SHOWN:], strict=True)]


def _where(verdict: Verdict) -> str:
    logs = dict.fromkeys(one.log for one in verdict.phases if one.log)
    kept = [f"found before, {verdict.when}"] if verdict.kept else []
    return plain("; ".join([*kept, *(f"log {log}" for log in logs)]) or "it left no log")


def _cleaned(text: str) -> str:
    return plain(clipped(text, _LONGEST))
