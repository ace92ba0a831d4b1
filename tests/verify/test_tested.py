"""XTF's results against a baseline and against those of an older version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.dom0.report import TEST_RESULTS, XtfReport, XtfResult
from xenbump.errors import UsageError
from xenbump.verify.evidence import Evidence, StepResult
from xenbump.verify.tested import Known, judge, read_baseline

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "QEMU 7.2.22, tcg"
A, B, C = "test-pv64-xsa-1", "test-pv64-xsa-2", "test-hvm64-xsa-3"
BASELINE = {A: "SUCCESS", B: "FAILURE"}


def before(engine: str = ENGINE, **tests: str) -> Evidence:
    """An older run in which the tests A, B and C, as far as they are given, had these results."""
    names = {"a": A, "b": B, "c": C}
    found = tuple((names[key], result) for key, result in tests.items())
    return Evidence("xen", "4.20.1", "4.20.1", engine, (), tests=found)


def judged(known: Known, **tests: str) -> tuple[StepResult, str]:
    found = before(**tests).tests
    return judge(XtfReport(tuple(XtfResult(*one) for one in found), "", 60.0), known, log="/log")


def told(step: StepResult) -> dict[str, tuple[str, str]]:
    return {one.name: (one.result, one.reason) for one in step.checks}


def test_as_in_the_baseline() -> None:
    step, version = judged(Known(ENGINE, BASELINE), a="SUCCESS", b="FAILURE")
    assert (step.result, step.reason, version, step.seconds, step.log) == ("passed", "", "", 60.0, "/log")
    assert list(told(step)) == ["baseline"]


def test_worse_missing_better_and_new() -> None:
    step, _ = judged(Known(ENGINE, BASELINE), a="CRASH", c="ERROR")
    assert step.result == "failed"
    assert step.reason == "baseline: 2 of 2 are worse or missing, and 2 more"
    assert told(step)[A] == ("failed", "SUCCESS before, CRASH now")
    assert told(step)[B] == ("failed", "it has no result")
    assert told(step)[C] == ("skipped", "not in the baseline: ERROR")
    better, _ = judged(Known(ENGINE, BASELINE), a="SUCCESS", b="SUCCESS")
    assert (better.result, told(better)[B]) == ("passed", ("passed", "better: FAILURE before, SUCCESS now"))


def test_worse_than_with_the_older_version_as_the_baseline_expects() -> None:
    """It is no failure, and it is told."""
    known = Known(ENGINE, BASELINE, before(a="SUCCESS", b="SUCCESS"))
    step, version = judged(known, a="SUCCESS", b="FAILURE")
    assert (step.result, version) == ("passed", "4.20.1")
    assert step.reason == "1 test is worse than with 4.20.1, as the baseline expects"
    assert told(step)["since-4.20.1"] == ("passed", "")
    assert told(step)[f"{B} since 4.20.1"] == (
        "passed",
        "worse: SUCCESS with 4.20.1, FAILURE now, as the baseline expects",
    )


def test_worse_than_with_the_older_version_and_not_expected() -> None:
    known = Known(ENGINE, BASELINE, before(a="SUCCESS", b="FAILURE", c="SUCCESS"))
    step, _ = judged(known, a="SUCCESS", b="FAILURE", c="FAILURE")
    assert step.result == "failed"
    assert told(step)[f"{C} since 4.20.1"] == ("failed", "SUCCESS with 4.20.1, FAILURE now")
    # Worse than what the baseline has is not expected either.
    worse, _ = judged(known, a="SUCCESS", b="CRASH", c="SUCCESS")
    assert told(worse)[f"{B} since 4.20.1"][0] == "failed"


def test_missing_and_better_since_the_older_version() -> None:
    known = Known(ENGINE, BASELINE, before(a="SUCCESS", b="CRASH", c="SUCCESS"))
    step, _ = judged(known, a="SUCCESS", b="FAILURE")
    assert step.reason == "since-4.20.1: 1 of 3 are worse or missing, and 1 more"
    assert told(step)[f"{C} since 4.20.1"] == ("failed", "it has no result, and had one with 4.20.1")
    assert told(step)[f"{B} since 4.20.1"] == ("passed", "better: CRASH with 4.20.1, FAILURE now")


@pytest.mark.parametrize(
    ("older", "reason"),
    [
        (before(), "the verification of 4.20.1 has no results of XTF"),
        (before("QEMU 10.0.1, tcg", a="SUCCESS"), f"4.20.1 ran on QEMU 10.0.1, tcg, and this on {ENGINE}"),
    ],
)
def test_what_cannot_be_compared_with(older: Evidence, reason: str) -> None:
    step, version = judged(Known(ENGINE, BASELINE, older), a="SUCCESS", b="FAILURE")
    assert (step.result, version) == ("passed", "")
    assert told(step)["since-4.20.1"] == ("skipped", reason)


def test_without_a_baseline() -> None:
    step, version = judged(Known(ENGINE, None), a="SUCCESS")
    assert (step.result, version) == ("skipped", "")
    assert step.reason == f"there is no baseline for {ENGINE} to compare 1 results with"
    # The older version's results stand for it.
    known = Known(ENGINE, None, before(a="SUCCESS", b="FAILURE"))
    step, version = judged(known, a="SUCCESS", b="FAILURE")
    assert (step.result, version, list(told(step))) == ("passed", "4.20.1", ["since-4.20.1"])
    assert judged(known, a="SKIP", b="FAILURE")[0].result == "failed"
    other = Known("other", None, before(a="SUCCESS"))
    assert (judged(other, a="SUCCESS")[0].result, judged(other, a="SUCCESS")[1]) == ("skipped", "")


def test_a_run_that_did_not_end() -> None:
    step, version = judge(XtfReport((XtfResult(A, "SUCCESS"),), "its runner ended"), Known(ENGINE, BASELINE))
    assert (step.result, step.reason, version) == ("failed", "its runner ended", "")


results = st.dictionaries(st.sampled_from([A, B, C]), st.sampled_from(TEST_RESULTS))


@given(results, results, results)
def test_only_what_is_as_good_passes(expected: dict[str, str], older: dict[str, str], found: dict[str, str]) -> None:
    report = XtfReport(tuple(XtfResult(*one) for one in found.items()))
    evidence = Evidence("xen", "4.20.1", "4.20.1", ENGINE, (), tests=tuple(older.items()))
    step, version = judge(report, Known(ENGINE, expected, evidence))
    assert version == ("4.20.1" if older else "")
    gone = (set(expected) | set(older)) - set(found)
    if gone or any(TEST_RESULTS.index(found[name]) > TEST_RESULTS.index(expected[name]) for name in expected):
        assert step.result == "failed"
    if all(found.get(name) == result for name, result in (older | expected).items()):
        worse = [name for name in older if TEST_RESULTS.index(found[name]) > TEST_RESULTS.index(older[name])]
        assert step.result == "passed"
        assert bool(step.reason) == bool(worse)


def test_a_file_of_results(tmp_path: Path) -> None:
    path = tmp_path / "baseline"
    path.write_text(f"{A} SUCCESS\n")
    assert read_baseline(path) == {A: "SUCCESS"}
    for text in ("test-pv64-a GOOD\n", f"{A} SUCCESS\n{A} SKIP\n"):
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            read_baseline(path)
        assert (caught.value.code, caught.value.where) == ("E-CONFIG", str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="the baseline is none"):
        read_baseline(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_baseline(tmp_path / "none")
