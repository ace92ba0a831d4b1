"""Locks between runs, with real processes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small_disk import read_only
from xenbump.errors import Failure
from xenbump.locks import holder, locked, of_checkout

HOLDER = """
import sys, time
from pathlib import Path
from xenbump.locks import locked
with locked(Path(sys.argv[1]), seconds=0):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holding(path: Path, seconds: float) -> subprocess.Popen[bytes]:
    """A process that holds the lock for a time; it does when this returns."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_another_process_is_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    with holding(tmp_path / "lock", 0.5) as other, locked(tmp_path / "lock", seconds=20, progress=told.append):
        assert other.wait(5) == 0
    (said,) = told
    assert said.startswith(f"waiting for {tmp_path / 'lock'}, which `xenbump` (process {other.pid}) has held since ")
    assert said.endswith(" UTC")


def test_waiting_ends(tmp_path: Path) -> None:
    with holding(tmp_path / "lock", 60) as holder:
        began = time.monotonic()
        with pytest.raises(Failure, match=r"0\.3 seconds") as caught, locked(tmp_path / "lock", seconds=0.3):
            pytest.fail("two hold it")
        assert f"`xenbump` (process {holder.pid}) has held this lock since " in caught.value.what
        assert 0.3 <= time.monotonic() - began < 5
        assert (caught.value.code, caught.value.where) == ("E-LOCKED", str(tmp_path / "lock"))
        holder.kill()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with holding(tmp_path / "lock", 60) as holder:
        holder.kill()
        holder.wait()
        with locked(tmp_path / "lock", seconds=0):
            assert (tmp_path / "lock").exists()


def test_a_program_that_has_the_lock_holds_it_when_its_starter_was_killed(tmp_path: Path) -> None:
    starter = HOLDER.replace(
        "print(", "process.run(['sh', '-c', 'echo; read line < ' + sys.argv[1] + '.pipe'], keep=[lock])\n    print("
    )
    starter = starter.replace("seconds=0):", "seconds=0) as lock:").replace(
        "import sys", "from xenbump import process\nimport sys"
    )
    os.mkfifo(tmp_path / "lock.pipe")
    with subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "lock"), "0"]) as process:
        deadline = time.monotonic() + 20
        while not list_holders(tmp_path / "lock"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    ended = "has ended, but a program that it started goes on"
    with pytest.raises(Failure, match=ended) as caught, locked(tmp_path / "lock", seconds=0):
        pass
    assert f"(process {process.pid}" in caught.value.what
    (tmp_path / "lock.pipe").write_text("go\n")
    with locked(tmp_path / "lock", seconds=20):
        assert not list_holders(tmp_path / "lock")


def list_holders(path: Path) -> list[str]:
    """The shells that have a file open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            program = (link.parents[1] / "cmdline").read_bytes().split(b"\0")[0]
            if link.readlink() == path and program in {b"sh", b"sleep"}:
                found.append(str(link))
    return found


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", seconds=0):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", seconds=0), pytest.raises(Failure), locked(tmp_path / "lock", seconds=0):
        pass


def test_locks_of_other_names_do_not_meet(tmp_path: Path) -> None:
    with holding(tmp_path / "one", 60) as holder:
        with locked(tmp_path / "two", seconds=0):
            assert holder.poll() is None
        holder.kill()


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "lock", tmp_path / "folder"):
        with pytest.raises(Failure) as caught, locked(path, seconds=0):
            pass
        assert (caught.value.code, caught.value.where) == ("E-STATE", str(path))


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(Failure, match="No locks available") as caught, locked(tmp_path / "lock", seconds=0):
        pass
    assert caught.value.code == "E-STATE"


# --- who holds it ----------------------------------------------------------------------------------------------------


def held(path: Path) -> str:
    """What is said of a lock that is held, which somebody has written something into."""
    file = path.open("rb")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Failure) as caught, locked(path, seconds=0):
            pytest.fail("two hold it")
    assert caught.value.code == "E-LOCKED"
    return caught.value.what


def note(**facts: object) -> bytes:
    given = {"command": "xenbump run", "pid": 1, "host": platform.node(), "since": 1767614580.0}
    return json.dumps(given | facts).encode()


def test_who_holds_a_lock_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(note())
    assert held(path) == (
        "`xenbump run` (process 1) has held this lock since 2026-01-05 12:03 UTC; it was waited for 0 seconds"
    )
    path.write_bytes(note(host="other.example"))
    assert "(process 1 on other.example)" in held(path)
    path.write_bytes(note(pid=2**22 + 1))
    assert "which has ended, but a program that it started goes on" in held(path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"4711",
        b"\xff\xfe",
        b"[" * 2000,
        b"{}",
        note(pid="x"),
        note(pid=-1),
        note(command=""),
        note(since=1e300),
        note(since="later"),
        note(command="x" * 5000),
    ],
)
def test_what_is_no_word_on_a_holder_is_not_said(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "lock").write_bytes(text)
    assert held(tmp_path / "lock") == "another xenbump has held this lock for 0 seconds"


def test_a_terminal_obeys_nothing_that_stands_in_a_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(note(command="xenbump\x1b[2J\nrun`", host="a\u202eb\r"))
    said = held(tmp_path / "lock")
    assert said.isprintable()
    assert "`xenbump[2Jrun` (process 1 on ab)" in said


@given(text=st.binary(max_size=1200))
def test_anything_may_stand_in_a_lock(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "lock"
    path.write_bytes(text)
    assert held(path).isprintable()


def test_the_word_goes_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/xenbump", "--verbose", "bump", "--package", "xen"])
    assert holder(tmp_path / "lock") is None
    with locked(tmp_path / "lock", seconds=0):
        found = holder(tmp_path / "lock")
        assert found is not None
        assert (found.command, found.pid, found.host) == ("xenbump bump", os.getpid(), platform.node())
        assert abs(found.since - time.time()) < 60
        assert str(found) == f"`xenbump bump` (process {os.getpid()})"
    assert (tmp_path / "lock").read_bytes() == b""
    assert holder(tmp_path / "lock") is None


def test_another_user_s_lock_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "lock", os.open
    path.write_bytes(note())

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    with locked(path, seconds=0):
        monkeypatch.undo()
        assert held_by_another(path)
    assert path.read_bytes() == note()
    assert not held_by_another(path)


def held_by_another(path: Path) -> bool:
    try:
        with locked(path, seconds=0):
            return False
    except Failure:
        return True


def test_a_full_disk_takes_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(Failure) as caught, locked(tmp_path / "lock", seconds=0):
        pass
    assert caught.value.code == "E-DISK"


def test_a_full_disk_takes_no_word_and_the_lock_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with locked(tmp_path / "lock", seconds=0):
        assert held_by_another(tmp_path / "lock")


def test_where_the_lock_of_a_checkout_lies(tmp_path: Path) -> None:
    git, state = tmp_path / "checkout" / ".git", tmp_path / "state"
    git.mkdir(parents=True)
    assert of_checkout(git, git.parent, state) == git / "xenbump.lock"
    assert not state.exists()
    without = of_checkout(None, git.parent, state)
    assert without.parent == state
    assert of_checkout(None, tmp_path, state) != without
    assert of_checkout(None, tmp_path / "checkout" / ".." / "checkout", state) == without
    with read_only(git) as done:
        if done:
            assert of_checkout(git, git.parent, state) == without
    (git / "xenbump.lock").touch()
    with read_only(git) as done:
        if done:
            # Once it is there, everybody takes that one.
            assert of_checkout(git, git.parent, state) == git / "xenbump.lock"
            with locked(git / "xenbump.lock", seconds=0):
                assert held_by_another(git / "xenbump.lock")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Failure) as caught:
        of_checkout(None, tmp_path, tmp_path / "file" / "state")
    assert caught.value.code == "E-STATE"
