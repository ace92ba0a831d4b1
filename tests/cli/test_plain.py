"""Progress in lines: what has one, the heartbeat, and the groups of GitHub Actions."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli import stories
from tests.cli.stories import TO_THE_END, UP_TO_THE_BOOT, UP_TO_THE_BUILD, UP_TO_XTF, Clock
from xenbump.cli.plain import Plain
from xenbump.progress import Building, Progress, RunBegan, RunEnded, Said, StepBegan, StepEnded

if TYPE_CHECKING:
    from tests.support.worlds import Stage

STORY = (*UP_TO_THE_BUILD, *UP_TO_THE_BOOT, *UP_TO_XTF, *TO_THE_END)


class Lines:
    """A renderer of lines whose clock goes on when it is told to."""

    def __init__(self, *, groups: bool = False) -> None:
        self.clock = Clock()
        self.stream = io.StringIO()
        self.shown = Plain(self.stream, groups=groups, clock=self.clock)

    def play(self, *story: stories.Told) -> list[str]:
        """What was written meanwhile."""
        self.stream.seek(0)
        self.stream.truncate()
        stories.play(self.shown.tell, self.clock, *story)
        return self.stream.getvalue().splitlines()

    def beat(self, seconds: float) -> list[str]:
        """What is written after so long."""
        self.clock.now += seconds
        self.stream.seek(0)
        self.stream.truncate()
        self.shown.beat()
        return self.stream.getvalue().splitlines()


def test_lines() -> None:
    assert Lines().play(Said("before it"), *STORY, Said("after it")) == [
        "… before it",
        "… xen: plan",
        "… asking for releases",
        "… xen: plan done after 12.2 s",
        "… xen: build",
        "… building xen-4.20.4.drv",
        "… xen: build passed after 13:20: 3 of 14 built",
        "… xen: meta skipped after 0.5 s: it cannot be evaluated",
        "… xen: dom0",
        "… xen: booting dom0 on QEMU 7.2.22, tcg",
        "… dom0 is up after 24.0 s",
        "… control: passed",
        "… xen: dom0 passed after 1:00: up after 24.0 s; 1 passed",
        "… xen: guests passed after 1:00: 1 passed",
        "… xen: xtf failed after 8.0 s: test-pv64-xsa-124: CRASH",
        "… after it",
    ]


def test_groups() -> None:
    assert Lines(groups=True).play(*STORY) == [
        "::group::xen: plan",
        "… asking for releases",
        "… xen: plan done after 12.2 s",
        "::endgroup::",
        "::group::xen: build",
        "… building xen-4.20.4.drv",
        "… xen: build passed after 13:20: 3 of 14 built",
        "::endgroup::",
        "… xen: meta skipped after 0.5 s: it cannot be evaluated",
        "::group::xen: dom0",
        "… xen: booting dom0 on QEMU 7.2.22, tcg",
        "… dom0 is up after 24.0 s",
        "… control: passed",
        "… xen: dom0 passed after 1:00: up after 24.0 s; 1 passed",
        "::endgroup::",
        "::group::xen: guests",
        "… xen: guests passed after 1:00: 1 passed",
        "::endgroup::",
        "… xen: xtf failed after 8.0 s: test-pv64-xsa-124: CRASH",
    ]


def test_a_group_that_is_left_open_is_closed() -> None:
    lines = Lines(groups=True)
    assert lines.play(RunBegan("run"), StepBegan("xen", "plan"), Said("x"), RunEnded())[-1] == "::endgroup::"
    assert lines.play(RunBegan("run"), StepBegan("xen", "plan"), Said("x"), StepBegan("xen", "edit"))[-1] == (
        "::endgroup::"
    )
    lines.shown.close()


def test_a_step_that_is_quick_and_says_nothing_has_no_line() -> None:
    quick = StepEnded("xen", "edit", "done", 0.4)
    lines = Lines()
    assert lines.play(RunBegan("run"), StepBegan("xen", "edit"), 0.4, quick) == []
    slow = StepEnded("xen", "edit", "done", 1.4)
    assert lines.play(StepBegan("xen", "edit"), 1.4, slow) == ["… xen: edit done after 1.4 s"]
    bad = StepEnded("xen", "edit", "refused", 0.1, "E-NOT-LITERAL: it is computed")
    assert lines.play(StepBegan("xen", "edit"), bad) == [
        "… xen: edit refused after 0.1 s: E-NOT-LITERAL: it is computed"
    ]
    lines.shown.close()


def test_the_heartbeat() -> None:
    lines = Lines()
    lines.play(RunBegan("run"), StepBegan("xen", "build"), Said("xen: build"))
    building = Building(3, 14, 2, 0, "xen-4.20.4", "buildPhase", "", "CC a.o")
    assert lines.beat(29.0) == []
    lines.play(building)
    assert lines.beat(1.0) == [
        "… still at xen: build after 30 s: 3 of 14 built, 2 running: xen-4.20.4 (build)",
    ]  # fmt: skip
    assert lines.beat(29.0) == []
    assert lines.beat(1.0) == [
        "… still at xen: build after 1:00, nothing new for 31 s: 3 of 14 built, 2 running: xen-4.20.4 (build)"
    ]
    assert lines.beat(239.0)[0].startswith("… still at xen: build after 4:59, nothing new for 4:30: 3 of 14")
    lines.play(building, 30.0)
    late = "… still at xen: build after 5:29, nothing new for 30 s"
    assert lines.beat(0.0) == [f"{late}; it waits for: the build of xen-4.20.4 (build); its last line: CC a.o"]
    lines.shown.close()
    assert lines.beat(60.0) == []


def test_the_heartbeat_between_steps_and_of_a_sentence() -> None:
    lines = Lines()
    lines.play(RunBegan("run"))
    assert lines.beat(45.0) == ["… still at xenbump run after 45 s, nothing new for 45 s"]
    lines.play(StepBegan("xen", "plan"), Said("fetching RELEASE-4.20.4"))
    assert lines.beat(40.0) == [
        "… still at xen: plan after 40 s, nothing new for 40 s: fetching RELEASE-4.20.4"
    ]  # fmt: skip
    assert lines.beat(260.0) == [
        "… still at xen: plan after 5:00, nothing new for 5:00; it waits for: fetching RELEASE-4.20.4"
    ]
    lines.shown.close()


def beats() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "xenbump-beat"]


def test_the_thread_of_the_heartbeat() -> None:
    stream = io.StringIO()
    shown = Plain(stream, beat=0.05)
    shown.tell(RunBegan("verify"))
    shown.tell(StepBegan("xen", "build"))
    deadline = time.monotonic() + 5
    while "still at xen: build" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "… still at xen: build after 0 s" in stream.getvalue()
    assert len(beats()) == 1
    shown.tell(RunEnded())
    assert beats() == []


def test_a_stream_that_is_gone_stops_nothing() -> None:
    stream = io.StringIO()
    shown = Plain(stream, beat=0.02)
    progress = Progress(shown.tell)
    progress.tell(RunBegan("run"))
    stream.close()
    time.sleep(0.1)
    progress("one")
    progress("two")
    shown.close()
    assert beats() == []


@pytest.mark.parametrize("sentence", ["::error::x", "a\n::error::x", "##[error]x", "\x1b[2J\r::error::x"])
def test_no_sentence_is_a_command_to_the_runner(sentence: str) -> None:
    found = Lines(groups=True).play(
        Said(sentence), RunBegan("run"), StepBegan("xen", "plan"), Said(sentence), RunEnded()
    )
    assert [line for line in found if line.startswith("::")] == ["::group::xen: plan", "::endgroup::"]
    assert not [line for line in found if "##[" in line or "\x1b" in line]


# --- the program -----------------------------------------------------------------------------------------------------


def test_run_in_a_pipe(stage: Stage) -> None:
    done = stage.call("run")
    assert done.returncode == 0
    assert done.stdout.startswith("xen: 4.20.2 -> 4.20.4: draft pull request 1 opened\n")
    lines = done.stderr.splitlines()
    assert all(line.startswith("… ") for line in lines)
    assert [line for line in lines if line.startswith("… xen: ") and " done after " not in line] == [
        "… xen: plan", "… xen: publish",
    ]  # fmt: skip
    assert lines.index("… xen: plan") < lines.index("… asking for releases") < lines.index("… xen: publish")


def test_run_on_github_actions(stage: Stage) -> None:
    done = stage.call("run", "--json", GITHUB_ACTIONS="true", CI="true")
    assert done.returncode == 0
    assert done.stdout.startswith("{")
    commands = [line for line in done.stderr.splitlines() if line.startswith("::") and "group::" in line]
    assert commands == ["::group::xen: plan", "::endgroup::", "::group::xen: publish", "::endgroup::"]


def test_a_failure_says_how_to_go_on(stage: Stage) -> None:
    stage.configure(r'git = ".*"', 'git = "http://127.0.0.1:9/xen.git"')
    done = stage.call("plan", "-q")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "xen: to go on: xenbump plan -q --package xen"
