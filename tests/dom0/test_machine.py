"""Commands on this machine and through a test driver: limits, what is left behind, and what waits for what."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import Fake
from xenbump.dom0 import machine as machines
from xenbump.dom0.check import Limited, OverdueError
from xenbump.dom0.machine import LARGEST, NOT_STARTED, TIMED_OUT, Driver, Local


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not runs(pid)


def test_a_command_gives_its_status_and_all_that_it_says() -> None:
    result = Local().run("echo out; echo err >&2; printf 'last\\377'; exit 3", timeout=10)
    assert (result.status, result.output) == (3, "out\nerr\nlast\ufffd")
    assert result.lines == ("out", "err", "last\ufffd")
    assert not result.ok
    assert 0 < result.seconds < 10


@pytest.mark.parametrize(
    ("command", "status"),
    [("true", 0), ("kill -9 $$", 137), ("no-such-program-here", NOT_STARTED), ("read line", 1), ("a\0b", NOT_STARTED)],
    ids=["well", "signal", "not found", "stdin is empty", "not a command"],
)
def test_statuses(command: str, status: int) -> None:
    assert Local().run(command, timeout=10).status == status


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! > {pids}; (sleep 60 & echo $! >> {pids}; wait) & echo begun; wait"
    result = Local().run(command, timeout=0.3)
    assert result.status == TIMED_OUT
    assert result.output == "begun\n"
    assert 0.3 <= result.seconds < 5
    numbers = [int(word) for word in pids.read_text().split()]
    assert len(numbers) == 2
    assert all(gone(number) for number in numbers)


def test_children_are_asked_first_and_then_ended_by_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machines, "_GRACE_SECONDS", 0.5)
    polite, deaf, said = tmp_path / "polite", tmp_path / "deaf", tmp_path / "said"
    command = (
        f"sh -c 'trap \"echo asked > {said}; exit\" TERM; echo $$ > {polite}; while :; do sleep 0.02; done' & "
        f"sh -c 'trap \"\" TERM; echo $$ > {deaf}; while :; do sleep 0.02; done' & "
        "trap '' TERM; while :; do sleep 0.02; done"
    )
    result = Local().run(command, timeout=0.5)
    assert result.status == TIMED_OUT
    assert said.read_text() == "asked\n"
    assert gone(int(polite.read_text()))
    assert gone(int(deaf.read_text()))


def test_a_daemon_that_is_left_behind_does_not_hold_the_command_up(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    result = Local().run(f"sleep 30 & echo $! > {pid}", timeout=10)
    assert result.status == 0
    assert result.seconds < 5
    number = int(pid.read_text())
    assert runs(number)
    Local().run(f"kill {number}", timeout=5)


def test_of_a_flood_the_end_is_kept() -> None:
    result = Local().run(f"head -c {LARGEST + 10} /dev/zero | tr '\\0' x; echo end", timeout=20)
    assert len(result.output) == LARGEST
    assert result.output.endswith("xend\n")


def test_a_shell_that_cannot_be_started_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", no)
    result = Local().run("true", timeout=1)
    assert result.status == NOT_STARTED
    assert "Cannot allocate memory" in result.output


def test_an_interrupt_ends_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    real = machines._has_ended

    def interrupted(process: subprocess.Popen[bytes]) -> bool:
        if pid.exists() and pid.read_text().endswith("\n") and runs(int(pid.read_text())):
            monkeypatch.setattr(machines, "_has_ended", real)
            raise KeyboardInterrupt
        return real(process)

    monkeypatch.setattr(machines, "_has_ended", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Local().run(f"echo $$ > {pid}; exec sleep 60", timeout=10)
    assert gone(int(pid.read_text()))


def test_a_line_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "guest's log"
    # The name has a quote in it on purpose.
    Local().run(
        f'(sleep 0.2; echo "boot  " >> "{log}"; sleep 0.2; echo " ready 7 " >> "{log}") > /dev/null 2>&1 &', timeout=5
    )
    assert Local().wait_for_line(str(log), r"^\s*ready \d+\s*$", 5) == "ready 7"
    assert Local().wait_for_line(str(log), r"^never$", 0.1) is None


@pytest.mark.parametrize(
    ("answers", "waited"),
    [
        ([(0, "active\n")], True),
        ([(3, "activating\n"), (3, "inactive\n"), (0, "active\n")], True),
        ([(3, "activating\n"), (3, "failed\n")], False),
        ([(NOT_STARTED, "sh: systemctl: not found\n")], False),
        ([(3, "activating\n")] * 20, False),
    ],
)
def test_a_unit_is_waited_for(answers: list[tuple[int, str]], *, waited: bool) -> None:
    left = iter(answers)
    fake = Fake(("systemctl is-active xenstored.service", lambda _: next(left)))
    assert fake.wait_for_unit("xenstored.service", 0.4) is waited


class Nixos:
    """A stand-in for a test driver's machine: runs commands here, as the driver does."""

    def __init__(self) -> None:
        self.limits: list[int] = []

    def execute(self, command: str, *, timeout: int) -> tuple[int, str]:
        self.limits.append(timeout)
        wrapped = ["timeout", str(timeout), "sh", "-c", f"set -eu; {command}"]
        done = subprocess.run(wrapped, check=False, capture_output=True, text=True, errors="replace")
        return done.returncode, done.stdout


def test_a_driver_runs_commands_as_a_plain_shell_does() -> None:
    nixos = Nixos()
    result = Driver(nixos).run('false; echo "it\'s" $unset; echo err >&2; exit 4', timeout=2.5)
    assert (result.status, result.output) == (4, "it's\nerr\n")
    # The driver's own limit is longer than ours.
    assert nixos.limits == [18]


def test_a_driver_says_what_was_ended_by_the_limit() -> None:
    assert Driver(Nixos()).run("exec sleep 30", timeout=0.1).status == TIMED_OUT
    # A status that happens to be the same is no time-out.
    assert Driver(Nixos()).run("exit 124", timeout=5).status == 124


@settings(max_examples=25)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30))
def test_any_text_goes_through_a_shell_unchanged(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert Local().run(f"printf %s {quoted}", timeout=5).output == text


def test_a_deadline_holds_for_each_command() -> None:
    start = time.monotonic()
    limited = Limited(Local(), start + 0.3)
    assert limited.run("echo here", timeout=10).output == "here\n"
    with pytest.raises(OverdueError):
        limited.run("sleep 30", timeout=10)
    with pytest.raises(OverdueError):
        limited.run("true", timeout=10)
    assert time.monotonic() - start < 5


def test_a_commands_own_limit_is_no_deadline() -> None:
    assert Limited(Local(), time.monotonic() + 30).run("sleep 30", timeout=0.05).status == TIMED_OUT


def test_waiting_ends_with_the_deadline() -> None:
    with pytest.raises(OverdueError):
        Limited(Fake(("tail", 0, "")), time.monotonic() + 0.1).wait_for_line("/log", re.escape("never"), 60)
