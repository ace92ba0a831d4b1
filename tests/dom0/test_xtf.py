"""XTF in a dom0: what is found, what is run, and how each way in which a test can end is told."""

from __future__ import annotations

import contextlib
import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import XL_INFO, Fake, job
from tests.dom0.xtf_world import World, make
from xenbump.dom0 import xtf
from xenbump.dom0.baseline import known
from xenbump.dom0.checks_xen import fields
from xenbump.dom0.job import Xtf
from xenbump.dom0.machine import Local
from xenbump.dom0.xtf import Suite, XtfError, discover, rewritten, select, suite
from xenbump.dom0.xtf_output import Output, worst

if TYPE_CHECKING:
    from xenbump.dom0.report import XtfReport, XtfResult

INFO = {"name": "xsa-7", "category": "xsa", "environments": ["pv64", "hvm32"], "variations": []}
OUTPUT = """\
Using logfile '/var/log/xen/console/guest-test-pv64-a.log'
Executing 'xl create -F tests/a/test-pv64-a.cfg'
--- Xen Test Framework ---
Test result: SUCCESS

Using logfile '/var/log/xen/console/guest-test-hvm32-b~hap.log'
Executing 'xl create -F tests/b/test-hvm32-b~hap.cfg'
Error: what the guest says
Combined test results:
test-pv64-a                              SUCCESS
test-hvm32-b~hap                         CRASH
test-pv64-c                              SKIP
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xtf, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(xtf, "_GRACE_SECONDS", 0.3)


class Leap:
    """A clock that leaps a thousand seconds as soon as so many results were told."""

    def __init__(self, told: list[XtfResult], after: int) -> None:
        self._told = told
        self._after = after

    def monotonic(self) -> float:
        return time.monotonic() + (1000.0 if len(self._told) >= self._after else 0.0)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def run(
    monkeypatch: pytest.MonkeyPatch, world: World, *, leap: int = 0, **choice: object
) -> tuple[XtfReport, dict[str, str], list[XtfResult]]:
    """Run a world's tests on this machine: the report, its results by name, and what was told on the way.

    With `leap`, the time of all of them is over, and not that of one, as soon as so many have a result.
    """
    monkeypatch.setenv("PATH", f"{world.programs}:{os.environ['PATH']}")
    monkeypatch.setattr(xtf, "FOLDER", str(world.run))
    monkeypatch.setattr(xtf, "LOGS", str(world.run / "console"))
    told: list[XtfResult] = []
    if leap:
        monkeypatch.setattr(xtf, "time", Leap(told, leap))
    limits = {"test_seconds": 5000.0 if leap else 5.0, "seconds": 500.0 if leap else 30.0} | choice
    report = xtf.run(Local(), job(device_model="/none"), Xtf(str(world.framework), **limits), told.append)  # type: ignore[arg-type]
    assert sorted(told, key=lambda one: one.name) == sorted(report.results, key=lambda one: one.name)
    return report, report.outcomes, told


def processes_in(folder: Path) -> list[str]:
    """The processes that run in a folder; those that were killed have a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for link in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                found += [link.parent.name] if link.readlink() == folder else []
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_a_run_of_every_kind_of_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(
        tmp_path,
        {
            "test-pv64-a": "SUCCESS",
            "test-pv64-b": "SKIP",
            "test-pv64-c": "ERROR",
            "test-pv64-d": "FAILURE",
            "test-pv64-e": "DIES",
            "test-pv64-f": "UNABLE",
            "test-pv64-g": "SUCCESS",
        },
    )
    report, outcomes, told = run(monkeypatch, world)
    assert list(outcomes.values()) == ["SUCCESS", "SKIP", "ERROR", "FAILURE", "CRASH", "SKIP", "SUCCESS"]
    assert report.error == ""
    assert len(world.starts) == 1
    # A test that did not succeed has the end of its output; what is no ASCII in it does no harm.
    assert "\xe9 ******* PANIC" in told[4].output
    assert told[0].output == ()


@pytest.mark.parametrize("engine", ["qemu-tcg", "qemu-7-tcg"])
def test_the_recorded_summary_of_a_real_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str) -> None:
    """Guests that end as XTF's did; names, order and results have to come out as they did then."""
    recorded = known(engine)
    assert recorded is not None
    world = make(tmp_path, {name: "DIES" if result == "CRASH" else result for name, result in recorded.items()})
    report, outcomes, _ = run(monkeypatch, world)
    assert list(outcomes.items()) == list(recorded.items())
    assert (len(recorded), report.error, len(world.starts)) == (88, "", 1)


def test_a_test_that_hangs_is_destroyed_and_the_next_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "HANGS", "test-pv64-b": "SUCCESS"})
    report, outcomes, _ = run(monkeypatch, world, test_seconds=0.4)
    assert outcomes == {"test-pv64-a": "HANG", "test-pv64-b": "SUCCESS"}
    assert report.results[0].seconds >= 0.4
    assert report.results[0].output[-1] == "\xe9 ******* PANIC"
    assert report.error == ""
    assert len(world.starts) == 1


def test_a_runner_that_is_stuck_is_ended_and_started_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS", "test-pv64-b": "STUCK", "test-pv64-c": "FAILURE"})
    report, outcomes, _ = run(monkeypatch, world, test_seconds=0.4)
    assert list(outcomes.values()) == ["SUCCESS", "HANG", "FAILURE"]
    assert report.error == ""
    assert world.starts[1] == ["test-pv64-c"]
    assert processes_in(world.run) == []


@pytest.mark.parametrize(
    ("does", "said"),
    [("RUNNER", "test-pv64-b: Failed to run test"), ("GONE", "test-pv64-b: xtf-runner ended with status 7")],
)
def test_a_runner_that_fails_is_told_apart_from_its_tests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str, said: str
) -> None:
    world = make(tmp_path, {"test-pv64-a": "ERROR", "test-pv64-b": does, "test-pv64-c": "SUCCESS"})
    report, outcomes, _ = run(monkeypatch, world)
    assert list(outcomes.values()) == ["ERROR", "RUNNER", "SUCCESS"]
    assert report.error.startswith(said)


def test_of_many_failures_of_the_runner_the_first_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tests = {"test-pv64-a": "GONE", "test-pv64-b": "RUNNER", "test-pv64-c": "RUNNER", "test-pv64-d": "STUCK"}
    report, outcomes, _ = run(monkeypatch, make(tmp_path, tests), leap=3)
    assert list(outcomes.values()) == ["RUNNER", "RUNNER", "RUNNER", "UNRUN"]
    first = "test-pv64-a: xtf-runner ended with status 7 and without a summary"
    assert report.error == f"{first}; and 2 more; the 500 seconds of all tests were over"
    # What it complained of is said once.
    assert report.results[1].output[-2:] == ("--- Xen Test Framework ---", "Error: Failed to run test")


def test_the_time_of_all_tests_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS", "test-pv64-b": "STUCK", "test-pv64-c": "SUCCESS"})
    report, outcomes, _ = run(monkeypatch, world, leap=1)
    assert list(outcomes.values()) == ["SUCCESS", "UNRUN", "UNRUN"]
    assert report.error == "the 500 seconds of all tests were over"
    assert processes_in(world.run) == []


def test_a_status_that_does_not_fit_the_results_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report, outcomes, _ = run(monkeypatch, make(tmp_path, {"test-pv64-a": "SUCCESS"}, status=3))
    assert outcomes == {"test-pv64-a": "SUCCESS"}
    assert report.error == "xtf-runner ended with status 3, and its results mean 0"


def test_a_test_that_the_summary_forgets_is_not_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS", "test-pv64-b": "UNABLE"}, forgets="test-pv64-b", status=0)
    assert run(monkeypatch, world)[1] == {"test-pv64-a": "SUCCESS", "test-pv64-b": "RUNNER"}


@pytest.mark.parametrize("pvh", [True, False])
def test_configurations_are_rewritten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, pvh: bool) -> None:
    world = make(tmp_path, {"test-hvm32-a": "SUCCESS", "test-pv64-a": "SUCCESS"})
    monkeypatch.setattr(xtf, "FOLDER", str(world.run))
    monkeypatch.setattr(xtf, "LOGS", str(world.run / "console"))
    xtf._prepare(Local(), str(world.framework), ("test-hvm32-a", "test-pv64-a"), pvh=pvh)
    folder = world.framework / "tests/a"
    hvm = (world.run / "tests/a/test-hvm32-a.cfg").read_text()
    assert ('type="pvh"' in hvm, "builder" in hvm, "firmware_override" in hvm) == (pvh, not pvh, not pvh)
    assert f'="{folder}/test-hvm32-a"' in hvm
    assert 'name="test-hvm32-a"' in hvm
    assert (world.run / "tests/a/test-pv64-a.cfg").read_text().splitlines()[2:4] == [
        'type="pv"',
        f'kernel="{folder}/test-pv64-a"',
    ]
    assert json.loads((world.run / "tests/a/info.json").read_text())["name"] == "a"


def test_only_what_was_asked_for_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS", "test-hvm32pae-a": "STUCK", "test-hvm32-b": "SUCCESS"})
    assert list(run(monkeypatch, world, environments=xtf.TCG_ENVIRONMENTS)[1]) == ["test-pv64-a", "test-hvm32-b"]
    # There is no device model here, so it ran as a PVH guest.
    assert 'type="pvh"' in (world.run / "tests/b/test-hvm32-b.cfg").read_text()
    report = run(monkeypatch, world, tests=("c",))[0]
    assert report.error == "no test of the framework is among those that were asked for"


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("xtf", "xtf/tests/a/test-pv64-a.cfg cannot be read"),
        ("none", "there is no xtf-runner in"),
        ("bin", "there is no xtf-"),
    ],
)
def test_a_framework_that_cannot_be_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str, said: str
) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS"})
    (world.framework / "tests/a/test-pv64-a.cfg").unlink()
    report = run(monkeypatch, World(tmp_path / folder, world.run, world.programs))[0]
    assert said in report.error
    assert report.results == ()


def test_where_nothing_can_be_started_each_test_is_a_failure_of_the_runner(tmp_path: Path) -> None:
    world = make(tmp_path, {"test-pv64-a": "SUCCESS"})
    info = (world.framework / "tests/a/info.json").read_text()
    machine = Fake(
        ("test -f", 0, ""),
        (r"\*/info.json", 0, f"==> a/info.json <==\n{info}\n"),
        ("head .* a/test", 0, '==> a/test-pv64-a.cfg <==\nkernel="/x"\n'),
        ("qemu", 0, ""),
        ("rm -rf", 0, ""),
    )
    report = xtf.run(machine, job(), Xtf("/xtf"), lambda _: None)
    assert report.outcomes == {"test-pv64-a": "RUNNER"}
    assert report.error == "test-pv64-a: xtf-runner ended with status 127 and without a summary"


@pytest.mark.parametrize("folder", ["xtf", '/a"b', "/a\nb"])
def test_a_folder_with_a_name_that_cannot_be_used_is_refused(folder: str) -> None:
    with pytest.raises(XtfError, match="no absolute path"):
        discover(Fake(), folder)


def test_a_framework_without_tests_is_refused() -> None:
    with pytest.raises(XtfError, match="there is no test in /xtf/tests"):
        discover(Fake(("test -f", 0, ""), ("info.json", 0, "==> a/info.json <==\n{\n")), "/xtf")


def test_the_order_is_the_runners() -> None:
    suites = (
        Suite("b", "xsa", ("pv64", "hvm64")),
        Suite("a", "functional", ("hvm32",), ("y", "x")),
        Suite("c", "utility", ("pv64",)),
    )
    everything = ("test-hvm32-a~x", "test-hvm32-a~y", "test-hvm64-b", "test-pv64-b")
    assert select(suites, Xtf("/xtf")) == everything
    assert select(suites, Xtf("/xtf", tests=("c",))) == ("test-pv64-c",)


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({}, {"pv64-a", "hvm32-a", "hvm32-a~hap"}),
        ({" hvm ": " "}, {"pv64-a"}),
        ({" hap ": " shadow "}, {"pv64-a", "hvm32-a", "hvm32-a~shadow"}),
        ({"xen-3.0-x86_64 ": "xen-3.0-x86_32p "}, {"pv64-a", "pv32pae-a", "hvm32-a", "hvm32-a~hap"}),
        ({"virt_caps": "no_caps"}, {"pv64-a", "pv32pae-a", "hvm32-a", "hvm32-a~hap", "hvm32-a~shadow"}),
    ],
)
def test_what_the_hypervisor_cannot_run_is_left_out(changes: dict[str, str], possible: set[str]) -> None:
    info = XL_INFO
    for before, after in changes.items():
        info = info.replace(before, after)
    names = [f"test-{name}" for name in ("pv64-a", "pv32pae-a", "hvm32-a", "hvm32-a~hap", "hvm32-a~shadow")]
    assert set(xtf.possible(names, xtf.capabilities(fields(info)))) == {f"test-{name}" for name in possible}


def test_a_hypervisor_that_can_run_nothing_of_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make(tmp_path, {"test-hvm32-a": "SUCCESS"})
    (world.programs / "xl").write_text("#!/bin/sh\necho 'virt_caps : pv'\n")
    assert run(monkeypatch, world)[0].error == "the hypervisor can run none of the tests here (it can pv)"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"name": 7},
        {"category": None},
        {"environments": []},
        {"environments": ["pv96"]},
        {"environments": "pv64"},
        {"environments": [[]]},
        {"variations": None},
        {"variations": ["a b"]},
    ],
)
def test_a_description_that_is_wrong_is_passed_over(change: dict[str, object]) -> None:
    assert suite(json.dumps(INFO), "xsa-7") == Suite("xsa-7", "xsa", ("pv64", "hvm32"))
    assert suite(json.dumps(INFO | change), "xsa-7") is None


@pytest.mark.parametrize("text", ["", "[]", "null", "7", "[" * 100_000])
def test_what_is_no_description_is_passed_over(text: str) -> None:
    assert suite(text, "xsa-7") is None


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(OUTPUT)), max_size=12))
def test_output_is_read_in_pieces_of_any_size(cuts: list[int]) -> None:
    output = Output()
    places = [0, *sorted(cuts), len(OUTPUT)]
    for start, end in pairwise(places):
        output.feed(OUTPUT[start:end])
    output.end()
    assert [(segment.name, segment.result) for segment in output.segments] == [
        ("test-pv64-a", "SUCCESS"),
        ("test-hvm32-b~hap", None),
    ]
    assert output.summary == {"test-pv64-a": "SUCCESS", "test-hvm32-b~hap": "CRASH", "test-pv64-c": "SKIP"}
    assert output.running is None


def test_the_test_that_runs_is_known() -> None:
    output = Output()
    assert output.running is None
    output.feed(OUTPUT.partition("Combined")[0])
    assert output.running is not None
    assert output.running.name == "test-hvm32-b~hap"


@settings(max_examples=40)
@given(st.text())
def test_no_text_breaks_the_readers(text: str) -> None:
    output = Output()
    output.feed(text)
    output.end()
    assert all(segment.name in text for segment in output.segments)
    assert rewritten(text, "/xtf", pvh=True).endswith("\n")
    assert suite(text, "a") is None


def test_of_a_long_output_the_first_and_the_last_lines_are_kept() -> None:
    output = Output()
    output.feed("Executing 'xl create -F tests/a/test-pv64-a.cfg'\n")
    output.feed("".join(f"line {number}\n\n" for number in range(1000)) + "Test result: FAILURE\n")
    (segment,) = output.segments
    first = [f"line {number}" for number in range(10)]
    last = [f"line {number}" for number in range(991, 1000)]
    assert segment.lines == (*first, "(981 lines are left out)", *last, "Test result: FAILURE")
    assert segment.result == "FAILURE"


def test_the_status_of_the_worst_result() -> None:
    assert worst(()) == 0
    assert worst(("SUCCESS", "SKIP")) == 3
    assert worst(("CRASH", "ERROR")) == 6
