"""What XTF's results come to: against the baseline, which says what is expected, and against those of an older version.

The baseline decides. A test that is worse than with the older version fails the step only where the baseline does not
expect that result, but it is told in any case. Without a baseline, the older version's results stand for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.dom0 import baseline
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.errors import UsageError
from xenbump.verify.evidence import Step, StepResult, judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from xenbump.dom0.report import XtfReport
    from xenbump.verify.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Known:
    """What the results are compared with.

    Attributes:
        engine: what dom0 ran on; results of another engine are not compared with.
        baseline: the results that are expected; None: there are none for the engine.
        before: the verification of the older version; None: there was none.
    """

    engine: str
    baseline: Mapping[str, str] | None
    before: Evidence | None = None


def read_baseline(path: Path) -> dict[str, str]:
    """The results in a baseline's file.

    Raises:
        UsageError: E-CONFIG when it cannot be read or is none.
    """
    try:
        return baseline.parse(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError("E-CONFIG", f"the baseline cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise UsageError("E-CONFIG", f"the baseline is none: {error}", where=str(path)) from error


def judge(report: XtfReport, known: Known, *, log: str = "") -> tuple[StepResult, str]:
    """The step `xtf` of a run, and the version with whose results it was compared; empty where with none.

    Args:
        report: the run.
        known: what its results are compared with.
        log: the file with all that was said.
    """
    if report.error:
        return StepResult(Step.XTF, FAILED, report.error, (), report.seconds, log), ""
    results = report.outcomes
    since, version, worse = _since(results, known)
    expected: tuple[CheckResult, ...] = ()
    if known.baseline is not None:
        expected = compared(baseline.compare(known.baseline, results))
    elif not version:
        reason = f"there is no baseline for {known.engine} to compare {len(results)} results with"
        return StepResult(Step.XTF, SKIPPED, reason, since, report.seconds, log), ""
    step = judged(Step.XTF, (*expected, *since), seconds=report.seconds, log=log)
    if step.result == PASSED and worse:
        many = "1 test is" if worse == 1 else f"{worse} tests are"
        step = replace(step, reason=f"{many} worse than with {version}, as the baseline expects")
    return step, version


def compared(found: baseline.Comparison) -> tuple[CheckResult, ...]:
    """What a comparison with a baseline comes to: the whole, and each test that differs."""
    bad = len(found.worse) + len(found.missing)
    whole = CheckResult(
        "baseline",
        "no test is worse than in the baseline, and none is missing",
        FAILED if bad else PASSED,
        _many(bad, found),
        (f"{found.same} tests have the result of the baseline",),
    )
    return (
        whole,
        *_each(
            "as in the baseline",
            "",
            [
                *((one.name, FAILED, f"{one.before} before, {one.after} now") for one in found.worse),
                *((name, FAILED, "it has no result") for name in found.missing),
                *((one.name, PASSED, f"better: {one.before} before, {one.after} now") for one in found.better),
                *((name, SKIPPED, f"not in the baseline: {result}") for name, result in found.extra),
            ],
        ),
    )


def _since(results: Mapping[str, str], known: Known) -> tuple[tuple[CheckResult, ...], str, int]:
    """What differs from the older version.

    Returns:
        The checks; the version, empty where it was not compared with; how many tests are worse as the baseline expects.
    """
    before = known.before
    if before is None:
        return (), "", 0
    name, requirement = f"since-{before.version}", f"no test is worse than with {before.version}, and none is missing"
    other = ""
    if not before.tests:
        other = f"the verification of {before.version} has no results of XTF"
    elif before.engine != known.engine:
        other = f"{before.version} ran on {before.engine}, and this on {known.engine}"
    if other:
        return (CheckResult(name, requirement, SKIPPED, other),), "", 0
    found, expected = baseline.compare(dict(before.tests), results), known.baseline or {}
    fine = [one for one in found.worse if baseline.expects(expected, one.name, one.after)]
    bad = [one for one in found.worse if one not in fine]
    many = len(bad) + len(found.missing)
    same = f"{found.same} tests have the result of {before.version}"
    whole = CheckResult(name, requirement, FAILED if many else PASSED, _many(many, found), (same,))
    each = [
        *((one.name, FAILED, f"{one.before} with {before.version}, {one.after} now") for one in bad),
        *((one, FAILED, f"it has no result, and had one with {before.version}") for one in found.missing),
        *(
            (one.name, PASSED, f"worse: {one.before} with {before.version}, {one.after} now, as the baseline expects")
            for one in fine
        ),
        *((one.name, PASSED, f"better: {one.before} with {before.version}, {one.after} now") for one in found.better),
    ]
    return (whole, *_each(f"as with {before.version}", f" since {before.version}", each)), before.version, len(fine)


def _many(bad: int, found: baseline.Comparison) -> str:
    everything = found.same + len(found.worse) + len(found.missing) + len(found.better)
    return f"{bad} of {everything} are worse or missing" if bad else ""


def _each(requirement: str, ending: str, found: Iterable[tuple[str, str, str]]) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(f"{name}{ending}", requirement, result, why) for name, result, why in found)
