"""Locks between runs, with real processes."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xenbump.errors import Failure
from xenbump.locks import locked

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
    with holding(tmp_path / "lock", 0.5) as holder, locked(tmp_path / "lock", seconds=20, progress=told.append):
        assert holder.wait(5) == 0
    assert told == [f"waiting for another xenbump that holds {tmp_path / 'lock'}"]


def test_waiting_ends(tmp_path: Path) -> None:
    with holding(tmp_path / "lock", 60) as holder:
        began = time.monotonic()
        with pytest.raises(Failure, match=r"0\.3 seconds") as caught, locked(tmp_path / "lock", seconds=0.3):
            pytest.fail("two hold it")
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
    starter = HOLDER.replace("print(", "process.run(['sh', '-c', 'echo; sleep 1'], keep=[lock])\n    print(")
    starter = starter.replace("seconds=0):", "seconds=0) as lock:").replace(
        "import sys", "from xenbump import process\nimport sys"
    )
    with subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "lock"), "0"]) as process:
        deadline = time.monotonic() + 20
        while not list_holders(tmp_path / "lock"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    with pytest.raises(Failure), locked(tmp_path / "lock", seconds=0):
        pass
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
