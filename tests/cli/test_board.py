"""What is known of a run, from what is told: no clock, no output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli import stories
from xenbump.cli.board import Board, Row, duration, plain
from xenbump.progress import (
    Building,
    Checked,
    ConsoleLine,
    Dom0Up,
    RunBegan,
    RunEnded,
    Said,
    StepBegan,
    StepEnded,
    StepsAhead,
    XtfTest,
)


def row(board: Board, name: str) -> Row:
    (found,) = [one for one in board.rows if one.name == name]
    return found


def test_steps_in_their_order_and_their_times() -> None:
    board = stories.told(
        RunBegan("run"), 1.0, StepsAhead("xen", ("plan", "edit")), StepBegan("xen", "plan"), 2.5,
        StepsAhead("xen", ("build", "edit")),
    )  # fmt: skip
    assert [(one.name, one.state) for one in board.rows] == [
        ("plan", "running"), ("edit", "waiting"), ("build", "waiting"),
    ]  # fmt: skip
    assert (board.began, board.heard, board.current) == (0.0, 3.5, board.rows[0])
    assert (board.rows[0].time(4.2), board.rows[1].time(4.2)) == ("3 s", "")
    board.take(StepEnded("xen", "plan", "done", 2.25), 4.0)
    assert (board.rows[0].time(99.0), board.current) == ("2.2 s", None)


def test_what_a_step_is_at() -> None:
    board = stories.told(RunBegan("run"), StepBegan("xen", "plan"))
    plan = row(board, "plan")
    assert board.at(plan) == ""
    for event in (StepBegan("", "advisory", detail=True), Said("asking\tfor \x1b[31mthis")):
        board.take(event, 1.0)
    assert board.at(plan) == "reading advisories: asking for  [31mthis"
    board.take(StepBegan("", "advisory", detail=True), 1.0)
    assert board.at(plan).startswith("reading advisories (2): ")
    board.take(StepEnded("", "advisory", "done", 0.1, detail=True), 1.0)
    board.take(Said("xen: trying"), 1.0)
    assert board.at(plan) == "trying"
    board.take(StepEnded("xen", "plan", "failed", 0.1, "E-NETWORK: gone"), 1.0)
    assert board.at(plan) == "E-NETWORK: gone"
    board.take(StepBegan("xen", "publish"), 1.0)
    assert board.at(row(board, "publish")) == ""


def test_a_build() -> None:
    board = stories.told(RunBegan("verify"), StepBegan("xen", "build"), Said("xen: build"))
    build = row(board, "build")
    board.take(Building(3, 14, 2, 0, "xen-4.20.4", "buildPhase", "ssh://far", "CC a.o"), 1.0)
    assert board.at(build) == "3 of 14 built, 2 running: xen-4.20.4 (build) on ssh://far"
    assert board.under(build) == ["CC a.o"]
    assert board.waits_for() == "the build of xen-4.20.4 (build) on ssh://far; its last line: CC a.o"
    board.take(Building(5, 14, 0, 1, doing="copying a path"), 2.0)
    assert board.at(build) == "5 of 14 built, 1 failed"
    assert (board.under(build), board.waits_for()) == ([], "copying a path")
    board.take(StepEnded("xen", "build", "passed", 70.0), 3.0)
    assert (board.at(build), build.time(0.0)) == ("5 of 14 built, 1 failed", "1:10")


def test_a_boot_in_which_guests_and_xtf_share() -> None:
    steps = ("dom0", "guests", "xtf")
    board = stories.told(
        RunBegan("verify"), StepsAhead("xen", steps), StepBegan("xen", "dom0"), Said("xen: booting dom0 on QEMU"),
        *(ConsoleLine(f"line {number}") for number in range(20)),
    )  # fmt: skip
    dom0, guests, xtf = board.rows
    assert board.at(dom0) == "booting dom0 on QEMU"
    assert board.under(dom0) == [f"line {number}" for number in range(12, 20)]
    assert board.waits_for() == "dom0 to come up; its console's last line: line 19"
    for event in (Dom0Up(20.25), ConsoleLine("later"), Checked("control", "passed"), Checked("xl", "failed")):
        board.take(event, 5.0)
    assert (board.at(dom0), board.under(dom0)) == ("up after 20.2 s; 1 passed, 1 failed", [])
    assert (guests.state, xtf.state) == ("waiting", "waiting")
    board.take(Checked("guest-pv", "passed"), 6.0)
    assert (guests.state, guests.began, board.at(guests)) == ("running", 6.0, "1 passed")
    for name, result in (("a", "SUCCESS"), ("b", "SKIP"), ("c", "SUCCESS"), ("c", "SUCCESS")):
        board.take(XtfTest(name, result), 7.0)
    assert (xtf.state, board.at(xtf)) == ("running", "3 tests: 2 SUCCESS, 1 SKIP; last c")
    assert board.waits_for() == "the dom0 to do its checks; 3 tests: 2 SUCCESS, 1 SKIP; last c"
    for name in steps:
        board.take(StepEnded("xen", name, "passed", 30.0), 8.0)
    assert [board.at(one) for one in board.rows] == [
        "up after 20.2 s; 1 passed, 1 failed", "1 passed", "3 tests: 2 SUCCESS, 1 SKIP",
    ]  # fmt: skip


def test_a_nixos_test_is_built_and_counts_as_a_build_does() -> None:
    board = stories.told(
        RunBegan("verify"), StepBegan("xen", "dom0"), Building(1, 9, 1, 0, "vm-test-run-xen", "", "", "dom0 # up")
    )
    assert board.at(row(board, "dom0")) == "1 of 9 built, 1 running: vm-test-run-xen"
    assert board.under(row(board, "dom0")) == ["dom0 # up"]


def test_the_end_of_a_run() -> None:
    board = stories.told(
        RunBegan("run"), StepsAhead("xen", ("plan", "edit", "publish")), StepBegan("xen", "plan"),
        StepEnded("xen", "plan", "done", 1.0), StepBegan("xen", "edit"), 2.0, RunEnded(),
    )  # fmt: skip
    assert [(one.name, one.state, one.seconds) for one in board.rows] == [
        ("plan", "done", 1.0),
        ("edit", "stopped", 2.0),
    ]
    assert board.waits_for() == "an answer"


@pytest.mark.parametrize(
    ("seconds", "short", "whole"),
    [(0.0, "0.0 s", "0 s"), (59.94, "59.9 s", "59 s"), (60.0, "1:00", "1:00"), (3599.9, "59:59", "59:59"),
     (3600.0, "1:00:00", "1:00:00"), (90061.0, "25:01:01", "25:01:01")],
)  # fmt: skip
def test_times(seconds: float, short: str, whole: str) -> None:
    assert (duration(seconds), duration(seconds, whole=True)) == (short, whole)


@given(st.text())
def test_no_text_does_anything_to_a_terminal(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)


@given(stories.EVENTS)
def test_any_order_is_taken(events: list[stories.Told]) -> None:
    board = stories.told(*events)
    for one in board.rows:
        for text in (board.at(one), one.time(1e6), *board.under(one), board.waits_for()):
            assert text.isprintable()
