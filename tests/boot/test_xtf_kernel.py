"""XTF's protocol in a real dom0: kernels of our own as its tests, and each way in which one can end is told.

With XENBUMP_XTF, a built XTF, its own `xtf-runner` runs them, else ours (xtf_runner.py), which does the same.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.boot.machines import NONCE, qemu_processes
from tests.boot.xtf_kernels import BROKEN, PROGRAMS, framework
from xenbump.dom0.job import Job, Xtf
from xenbump.verify import qemu
from xenbump.verify.tested import Known, judge, read_baseline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.dom0.report import XtfReport
    from xenbump.verify.evidence import StepResult
    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator
    from xenbump.verify.qemu import Booted

pytestmark = pytest.mark.xdist_group("boot")
LIMITS = qemu.Limits(ready=120, silence=30, total=400)
PLACE = "/opt/xtf"
SAID = "A kernel of xenbump's own"
TEST_SECONDS = 8.0  # an ordinary test takes one
ALL_SECONDS = 14.0  # four tests take six
OWN_SECONDS = 300.0  # of the test that hangs until the time of all is over

# The way of each test, which is its name too, and what it has to come to, in the order of the runner.
ENDS = {
    "crash": "CRASH",
    "error": "ERROR",
    "failure": "FAILURE",
    "fault": "CRASH",
    "hang": "HANG",
    "mute": "CRASH",
    "skip": "SKIP",
    "success": "SUCCESS",
}
KNOWN = {f"test-pv64-{short}": result for short, result in ENDS.items()}
# The limit of all tests ends the fifth.
CUT_SHORT = {
    "a-fails": ("failure", "FAILURE"),
    "b-faults": ("fault", "CRASH"),
    "c-broken": (BROKEN, "RUNNER"),
    "d-succeeds": ("success", "SUCCESS"),
    "e-hangs": ("hang", "UNRUN"),
    "f-is-left": ("success", "UNRUN"),
}


def booted(image: Image, accelerator: Accelerator, folder: Path, ways: Mapping[str, str], choice: Xtf) -> Booted:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    real = os.environ.get("XENBUMP_XTF")
    place = folder / f"kernels-{image.manifest.xen}"
    built = framework(place, ways, Path(real) / "xtf-runner" if real else None)
    # One check, and one that takes no time: the job is about the framework.
    job = Job(nonce=NONCE, version=f"{image.manifest.xen}.0", checks=("control",), guests=(), xtf=choice)
    before = qemu_processes()
    result = qemu.boot(
        image,
        job,
        accelerator=accelerator,
        console=place / "console",
        limits=LIMITS,
        folders={PLACE.lstrip("/"): built},
    )
    assert qemu_processes() <= before
    assert (result.kind, result.detail, result.lacks) == ("off", "", ()), result.tail
    return result


def ran(result: Booted) -> XtfReport:
    assert result.report is not None
    assert result.report.finished
    assert result.report.xtf is not None
    return result.report.xtf


def stretched(seconds: float) -> float:
    """A time limit for a machine that has more to do than it has processors for."""
    return round(seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 1)


@pytest.fixture(scope="module")
def one_seconds() -> float:
    return stretched(TEST_SECONDS)


@pytest.fixture(scope="module")
def every_way(image_420: Image, emulation: Accelerator, consoles: Path, one_seconds: float) -> Booted:
    choice = Xtf(PLACE, environments=("pv64",), test_seconds=one_seconds, seconds=30 * one_seconds)
    return booted(image_420, emulation, consoles, {way: way for way in ENDS}, choice)


@pytest.fixture(scope="module")
def all_seconds() -> float:
    return stretched(ALL_SECONDS)


@pytest.fixture(scope="module")
def cut_short(image_417: Image, emulation: Accelerator, consoles: Path, all_seconds: float) -> Booted:
    choice = Xtf(PLACE, test_seconds=OWN_SECONDS, seconds=all_seconds)
    return booted(image_417, emulation, consoles, {name: way for name, (way, _) in CUT_SHORT.items()}, choice)


def verdict(result: Booted, folder: Path, known: Mapping[str, str]) -> StepResult:
    """What the results of a boot come to against a baseline, which is a file of our own."""
    file = folder / "baseline.txt"
    file.write_text("# ours\n" + "".join(f"{name:<40} {result}\n" for name, result in known.items()))
    return judge(ran(result), Known("qemu", read_baseline(file)))[0]


def test_each_end_is_told_from_the_others(every_way: Booted) -> None:
    report = ran(every_way)
    assert list(report.outcomes.items()) == list(KNOWN.items()), report.results
    assert report.error == ""


def test_what_a_guest_said_is_kept_where_it_did_not_succeed(every_way: Booted) -> None:
    said = {result.name.removeprefix("test-pv64-"): result.output for result in ran(every_way).results}
    assert said["failure"] == (SAID, "Test result: FAILURE")
    assert said["hang"] == said["crash"] == said["fault"] == (SAID,)
    assert said["mute"] == said["success"] == said["skip"] == ()
    # The hypervisor ended one guest, and only that one: the other asked for it.
    console = every_way.console.read_text("utf-8", "replace")
    assert len(re.findall(r"\(XEN\) Domain \d+ \(vcpu#0\) crashed", console)) == 1


def test_a_test_has_its_time_and_the_next_is_run(every_way: Booted, one_seconds: float) -> None:
    results = {result.name: result for result in ran(every_way).results}
    assert results["test-pv64-hang"].seconds >= one_seconds
    assert results["test-pv64-success"].result == "SUCCESS"


def test_results_as_in_the_baseline_pass(every_way: Booted, tmp_path: Path) -> None:
    step = verdict(every_way, tmp_path, KNOWN)
    assert (step.result, step.reason) == ("passed", "")
    assert [check.evidence for check in step.checks] == [("8 tests have the result of the baseline",)]


@pytest.mark.parametrize(
    ("test", "before", "said"),
    [
        ("failure", "SUCCESS", "SUCCESS before, FAILURE now"),
        ("hang", "CRASH", "CRASH before, HANG now"),
        ("skip", "SUCCESS", "SUCCESS before, SKIP now"),
        ("xsa-7", "SKIP", "it has no result"),
    ],
)
def test_a_new_failure_and_a_missing_test_fail(
    every_way: Booted, tmp_path: Path, test: str, before: str, said: str
) -> None:
    step = verdict(every_way, tmp_path, KNOWN | {f"test-pv64-{test}": before})
    whole, other = step.checks
    assert (step.result, whole.result, other.result) == ("failed", "failed", "failed")
    assert (whole.reason, other.name, other.reason) == (
        f"1 of {len(KNOWN | {other.name: before})} are worse or missing",
        f"test-pv64-{test}",
        said,
    )


@pytest.mark.parametrize(
    ("test", "before", "said"),
    [
        ("success", "FAILURE", "better: FAILURE before, SUCCESS now"),
        ("crash", "HANG", "better: HANG before, CRASH now"),
    ],
)
def test_a_better_result_is_said(every_way: Booted, tmp_path: Path, test: str, before: str, said: str) -> None:
    step = verdict(every_way, tmp_path, KNOWN | {f"test-pv64-{test}": before})
    _, other = step.checks
    assert (step.result, other.name, other.reason) == ("passed", f"test-pv64-{test}", said)


def test_the_time_of_all_tests_ends_the_run_on_4_17(cut_short: Booted, all_seconds: float) -> None:
    report = ran(cut_short)
    expected = {f"test-pv64-{name}": result for name, (_, result) in CUT_SHORT.items()}
    assert list(report.outcomes.items()) == list(expected.items()), report.results
    # Both are said: that a kernel could not be started, and that not all was run.
    broken = "test-pv64-c-broken: Failed to run test"
    assert report.error == f"{broken}; the {all_seconds:g} seconds of all tests were over"
    assert all_seconds <= report.seconds < OWN_SECONDS
    # Where not all was run, no comparison says that all is well.
    assert judge(report, Known("qemu", expected))[0].result == "failed"


def test_a_kernel_that_cannot_be_started_is_the_runners_failure(cut_short: Booted) -> None:
    broken = next(result for result in ran(cut_short).results if result.name == "test-pv64-c-broken")
    assert any("Invalid kernel" in line for line in broken.output)
    assert broken.output[-1] == "Error: Failed to run test"
