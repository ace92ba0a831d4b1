"""The table on a terminal: what stands there at which width, how it is drawn, and that it leaves all in order."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.cli import stories
from tests.cli.screen import Screen, on_a_terminal
from tests.cli.stories import TO_THE_END, UP_TO_THE_BOOT, UP_TO_THE_BUILD, UP_TO_XTF, Clock
from xenbump.cli import common, terminal
from xenbump.cli.terminal import Terminal, lines, painted
from xenbump.demo.git_server import Stall
from xenbump.errors import Failure
from xenbump.outcomes import Rejected, Stopped, Verified
from xenbump.progress import Progress, RunBegan, RunEnded, Said, StepBegan, StepEnded
from xenbump.verify.evidence import Evidence, Step, StepResult

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

ESCAPE = "\x1b"
FRAME = common.Frame(None, (), json=False, verbose=False, quiet=False, no_progress=False)


# --- the table -------------------------------------------------------------------------------------------------------


def table(width: int, height: int, *story: stories.Told) -> str:
    clock = Clock()
    board = stories.told(*story)
    stories.play(lambda _: None, clock, *story)
    return "\n".join(line.plain for line in lines(board, clock.now, width, height))


GOLDEN = {
    (59, "build"): """\
xenbump run                                            1:27
xen
  plan        done      12.2 s
  build       running     1:15
    3 of 14 built, 2 running: xen-4.20.4 (build) on ssh://…
    | CC  common/grant_table.o
  then        meta, dom0, guests, xtf, publish""",
    (79, "build"): """\
xenbump run                                                                1:27
xen
  plan        done      12.2 s
  build       running     1:15  3 of 14 built, 2 running: xen-4.20.4 (build) o…
    | CC  common/grant_table.o
  then        meta, dom0, guests, xtf, publish""",
    (79, "boot"): """\
xenbump run                                                               13:36
xen
  plan        done      12.2 s
  build       passed     13:20  3 of 14 built
  meta        skipped    0.5 s  it cannot be evaluated
  dom0        running      4 s  booting dom0 on QEMU 7.2.22, tcg
    | (XEN) Xen version 4.20.4 (nixbld@) (gcc 14) debug=n
    | [    0.000000] Linux version 6.12.43+deb13-amd64, built by Debian, with …
  then        guests, xtf, publish""",
    (79, "xtf"): """\
xenbump run                                                               14:34
xen
  plan        done      12.2 s
  build       passed     13:20  3 of 14 built
  meta        skipped    0.5 s  it cannot be evaluated
  dom0        running     1:02  up after 24.0 s; 1 passed
  guests      running     38 s  1 passed
  xtf         running      8 s  2 tests: 1 SUCCESS, 1 SKIP; last test-pv64-xsa…
  then        publish""",
    (199, "end"): f"""\
xenbump run{" " * 183}14:34
xen
  plan        done      12.2 s
  build       passed     13:20  3 of 14 built
  meta        skipped    0.5 s  it cannot be evaluated
  dom0        passed      1:00  up after 24.0 s; 1 passed
  guests      passed      1:00  1 passed
  xtf         failed     8.0 s  test-pv64-xsa-124: CRASH""",
}
CHAPTERS = {
    "build": UP_TO_THE_BUILD,
    "boot": (*UP_TO_THE_BUILD, *UP_TO_THE_BOOT),
    "xtf": (*UP_TO_THE_BUILD, *UP_TO_THE_BOOT, *UP_TO_XTF),
    "end": (*UP_TO_THE_BUILD, *UP_TO_THE_BOOT, *UP_TO_XTF, *TO_THE_END),
}


@pytest.mark.parametrize(("width", "chapter"), GOLDEN)
def test_what_stands_there(width: int, chapter: str) -> None:
    assert table(width, 24, *CHAPTERS[chapter]) == GOLDEN[width, chapter]


def test_where_lines_are_few() -> None:
    before = (RunBegan("run"), StepBegan("old", "plan"), 2.0, StepEnded("old", "plan", "failed", 2.0, "E-DISK: full"))
    story = (*before, *CHAPTERS["boot"])
    whole = table(79, 24, *story).splitlines()
    assert whole[1:3] == ["old", "  plan        failed     2.0 s  E-DISK: full"]
    assert table(79, 10, *story).splitlines()[1] == "old         failed     2.0 s"
    without_console = table(79, 8, *story).splitlines()
    assert len(without_console) == 8
    assert not [line for line in without_console if line.startswith("    |")]
    assert table(79, 3, *story).splitlines() == [whole[0], *whole[-4:-3], whole[-1]]
    assert table(79, 24) == ""


@given(stories.EVENTS, st.integers(20, 200), st.integers(2, 60))
def test_no_line_is_too_long_and_there_are_not_too_many(events: list[stories.Told], width: int, height: int) -> None:
    found = lines(stories.told(RunBegan("run"), *events), 1e6, width, height)
    assert len(found) <= height
    for line in found:
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()


# --- how it is drawn -------------------------------------------------------------------------------------------------

TABLES = st.lists(st.tuples(st.lists(st.sampled_from("abcd"), max_size=5), st.lists(st.just("said"), max_size=2)))


@given(TABLES)
def test_from_one_table_to_the_next(tables: list[tuple[list[str], list[str]]]) -> None:
    screen, before, above = Screen(), list[str](), list[str]()
    for after, said in tables:
        text = painted(before, after, said)
        screen.write(text)
        above += said
        assert screen.text == "\n".join([*above, *after])
        assert screen.cursor
        before = after
        assert painted(before, after, []) == ""


def test_only_lines_that_change_are_written() -> None:
    text = painted(["head", "one", "two"], ["head", "one", "three"], [])
    assert "three" in text
    assert "one" not in text
    assert "head" not in text


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A screen on which nothing is drawn but at the beginning and the end, or when it is asked for."""
    monkeypatch.setattr(terminal, "_TICK_SECONDS", 60.0)
    return Screen()


class Tty(io.StringIO):
    """A terminal without a number: then 80 columns and 24 lines are taken for granted."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def write(self, text: str) -> int:
        self._screen.write(text)
        return len(text)


def test_a_story(screen: Screen) -> None:
    clock = Clock()
    shown = Terminal(Tty(screen), colour=False, clock=clock)
    stories.play(shown.tell, clock, Said("before it"), *UP_TO_THE_BUILD)
    shown._draw()
    assert screen.text == "… before it\n" + GOLDEN[79, "build"]
    stories.play(shown.tell, clock, *UP_TO_THE_BOOT)
    shown._draw()
    assert screen.text == "… before it\n" + GOLDEN[79, "boot"]
    stories.play(shown.tell, clock, *UP_TO_XTF, *TO_THE_END, Said("after it"))
    first, *_, blank, last = screen.text.splitlines()
    assert (first, blank, last) == ("… before it", "", "… after it")
    assert "  xtf         failed     8.0 s  test-pv64-xsa-124: CRASH\n" in screen.text
    assert not screen.styled


def test_verbose_keeps_the_sentences(screen: Screen) -> None:
    clock = Clock()
    shown = Terminal(Tty(screen), colour=False, verbose=True, clock=clock)
    stories.play(shown.tell, clock, *UP_TO_THE_BUILD, Said("long " * 20))
    shown._draw()
    said = ["… asking for releases", "… xen: build", "… building xen-4.20.4.drv", "… " + ("long " * 15).strip()]
    assert screen.text.splitlines()[:5] == [*said, ("long " * 5).strip()]
    shown.close()


def tables() -> list[threading.Thread]:
    """The threads that draw."""
    return [one for one in threading.enumerate() if one.name == "xenbump-table"]


def test_it_is_drawn_meanwhile_and_no_thread_stays() -> None:
    screen = Screen()
    shown = Terminal(Tty(screen), colour=True)
    shown.tell(RunBegan("run"))
    shown.tell(StepBegan("xen", "plan"))
    deadline = time.monotonic() + 5
    while "plan" not in screen.text and time.monotonic() < deadline:
        time.sleep(0.01)
    assert re.search(r"^  plan +running +0 s$", screen.text, re.MULTILINE)
    assert len(tables()) == 1
    shown.tell(RunEnded())
    assert tables() == []
    assert re.search(r"^  plan +stopped", screen.text, re.MULTILINE)
    shown.close()


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("gone")

    shown = Terminal(Gone(), colour=False)
    progress = Progress(shown.tell)
    stories.play(progress.tell, Clock(), RunBegan("run"), StepBegan("xen", "plan"))
    time.sleep(0.3)  # the thread finds out by itself
    stories.play(progress.tell, Clock(), RunEnded(), RunBegan("run"), Said("once more"))
    assert tables() == []


# --- which renderer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "live"),
    [({}, True), ({"NO_COLOR": "1"}, True), ({"CI": "1"}, False), ({"GITHUB_ACTIONS": "true"}, False),
     ({"TERM": "dumb"}, False), ({"TERM": ""}, False)],
)  # fmt: skip
def test_when_it_is_drawn(env: dict[str, str], live: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    class Terminals(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("CI", "GITHUB_ACTIONS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | env).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not common.is_live()
    monkeypatch.setattr(sys, "stderr", Terminals())
    assert common.is_live() == live


# --- after a failure -------------------------------------------------------------------------------------------------

FAILED = Evidence(
    "xen", "4.20.4", "4.20.4", "",
    (StepResult(Step.BUILD, "passed"), StepResult(Step.META, "failed", "no", tail=("last words",))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Verified(None, FAILED), "xen: to go on: xenbump verify --only build,meta --package xen"),  # type: ignore[arg-type]
        (
            Rejected(None, (), FAILED),  # type: ignore[arg-type]
            "xen: to go on: xenbump bump --package xen && xenbump verify --only build,meta --package xen",
        ),
        (
            Stopped("xen", "x.nix", Failure("E-NETWORK", "gone")),
            "xen: to go on: xenbump run --config 'my file' --package xen",
        ),
    ],
)
def test_the_command_to_go_on_with(outcome: Outcome, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/xenbump", "run", "--config", "my file"])
    assert common.going_on(FRAME, [outcome]) == [expected]
    told = common.going_on(common.Frame(None, (), True, False, False, False), [outcome])  # noqa: FBT003
    assert told[-1] == expected
    assert ("    last words" in told) == (not isinstance(outcome, Stopped))


# --- the program -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "colour"), [(60, False), (80, True), (200, True)])
def test_run(stage: Stage, columns: int, colour: bool) -> None:  # noqa: FBT001
    done = on_a_terminal(stage, "run", "--json", size=(columns, 24), env={} if colour else {"NO_COLOR": "1"})
    assert done.status == 0
    head, package, *steps = done.screen.text.splitlines()
    assert re.fullmatch(r"xenbump run +\d+ s", head)
    assert (len(head), package) == (columns - 1, "xen")
    ended = [re.fullmatch(r"  (\S.*?) +done +\d+\.\d s", step) for step in steps]
    assert [one and one[1] for one in ended] == ["base branch", "plan", "edit", "publish"]
    assert (done.screen.cursor, done.screen.styled) == (True, colour)
    assert json.loads(done.stdout)["schema"] == "xenbump.run/1"


def test_a_terminal_that_is_read_out(stage: Stage) -> None:
    done = on_a_terminal(stage, "check", env={"TERM": "dumb"})
    assert done.status == 10
    assert ESCAPE not in done.written
    assert "… xen: releases\r\n… asking for releases\r\n" in done.written


@pytest.mark.parametrize("frame", [replace(FRAME, quiet=True), replace(FRAME, no_progress=True)])
def test_where_no_progress_is_wanted(frame: common.Frame, capsys: pytest.CaptureFixture[str]) -> None:
    with common.watched(frame) as progress:
        stories.play(progress.tell, Clock(), *CHAPTERS["end"])
        assert tables() == []
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def hanging(stage: Stage) -> Iterator[Stage]:
    """A world in which a server answers only after a long time."""
    stage.world.git.fail_next("xen.git", Stall(20.0))
    yield stage
    stage.world.git._service._faults.clear()


def test_an_interrupt(hanging: Stage) -> None:
    sent: list[bool] = []

    def stop(process: subprocess.Popen[bytes], written: str) -> None:
        if "asking for releases" in written and not sent:
            sent.append(True)
            process.send_signal(signal.SIGINT)

    done = on_a_terminal(hanging, "check", meanwhile=stop)
    assert done.status in {1, 130}
    assert done.screen.cursor
    assert re.search(r"^  releases +stopped", done.screen.text, re.MULTILINE)
    assert "Traceback" not in done.written
