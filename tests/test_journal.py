"""The journal: what is done once, what is done again, and what survives a kill."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import xenbump.journal as module
from xenbump import database
from xenbump.errors import Failure, Refusal
from xenbump.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Output:
    """What a step gives."""

    name: str
    numbers: tuple[int, ...] = ()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


def rows(journal: Journal, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(journal.path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def change(journal: Journal, query: str) -> None:
    db = sqlite3.connect(journal.path)
    try:
        with db:
            db.execute(query)
    finally:
        db.close()


class Counting:
    """Work that counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Output:
        self.times += 1
        return Output("x", (self.times, 2))


def test_a_step_is_done_once_for_an_input(journal: Journal) -> None:
    work = Counting()
    for _ in range(2):
        with journal.run("plan") as run:
            first = run.step("xen", "verify", ("a", 1), Output, work)
            assert run.step("xen", "verify", ("a", 1), Output, work) == first == Output("x", (1, 2))
    assert work.times == 1


@pytest.mark.parametrize(
    ("package", "name", "given"),
    [("xen", "verify", ("a", 2)), ("xen", "source", ("a", 1)), ("other", "verify", ("a", 1)), ("xen", "verify", "a1")],
)
def test_a_step_is_done_for_another_input(package: str, name: str, given: object, journal: Journal) -> None:
    work = Counting()
    with journal.run("plan") as run:
        run.step("xen", "verify", ("a", 1), Output, work)
        run.step(package, name, given, Output, work)
    assert work.times == 2


def test_a_step_that_asks_the_world_is_done_each_time(journal: Journal) -> None:
    work = Counting()
    with journal.run("plan") as run:
        for times in (1, 2):
            assert run.step("", "list", "x", Output, work, again=False).numbers == (times, 2)
        # The newest output is the one that counts.
        assert run.step("", "list", "x", Output, work).numbers == (2, 2)


def test_another_version_of_the_program_does_it_anew(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Counting()
    for version in ("1", "2", "1"):
        monkeypatch.setattr(module, "__version__", version)
        with journal.run("plan") as run:
            run.step("xen", "verify", "x", Output, work)
    assert work.times == 2


def test_an_output_that_cannot_be_read_is_made_anew(journal: Journal) -> None:
    """It is whole, and of another program's type."""
    others: tuple[object, ...] = (3, {"other": 1}, [])
    for value in others:
        with journal.run("plan") as run:
            run.step("xen", "verify", "x", object, partial(next, iter([value])), again=False)
            assert run.warnings == ()
    with journal.run("plan") as run:
        assert run.step("xen", "verify", "x", Output, Counting()).numbers == (1, 2)
        assert run.warnings == ()


def test_a_step_that_failed_is_done_again(journal: Journal) -> None:
    def refuse() -> Output:
        raise Refusal("E-TAG-UNSIGNED", "no signature", where="RELEASE-4.20.4")

    def fail() -> Output:
        message = "/home/somebody/secret"
        raise ValueError(message)

    work = Counting()
    with pytest.raises(Refusal), journal.run("plan") as run:
        run.step("xen", "verify", "x", Output, refuse)
    with pytest.raises(ValueError, match="secret"), journal.run("plan") as run:
        run.step("xen", "verify", "x", Output, fail)
    with journal.run("plan") as run:
        assert run.step("xen", "verify", "x", Output, work).numbers == (1, 2)
        run.end(0)
    errors = [error for (error,) in rows(journal, "SELECT error FROM step ORDER BY id")]
    # What is not an error of ours may say anything, so its text is not kept.
    assert errors == ["E-TAG-UNSIGNED: RELEASE-4.20.4: no signature", "ValueError", None]
    assert [status for (status,) in rows(journal, "SELECT status FROM run ORDER BY id")] == [20, None, 0]
    assert rows(journal, "SELECT count(*) FROM step WHERE ended IS NULL") == [(0,)]


def test_an_interrupt_is_written_down(journal: Journal) -> None:
    def interrupt() -> Output:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), journal.run("plan") as run:
        run.step("xen", "verify", "x", Output, interrupt)
    assert rows(journal, "SELECT output, error FROM step") == [(None, "KeyboardInterrupt")]


KILLED = """
import sys, time
from pathlib import Path
from xenbump.journal import Journal

folder = Path(sys.argv[1])

def work(name):
    with (folder / "done").open("a") as file:
        file.write(name + "\\n")
    if name == sys.argv[2]:
        print("reached", flush=True)
        time.sleep(60)
    return name

with Journal(folder).run("run") as run:
    for name in ("list", "verify", "source", "plan"):
        run.step("xen", name, name, str, lambda: work(name))
    run.end(0)
"""


@pytest.mark.parametrize("at", ["list", "verify", "source", "plan"])
def test_a_killed_run_goes_on_from_its_last_finished_step(at: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen([*argv, at], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reached\n"
        process.send_signal(signal.SIGKILL)
    assert subprocess.run([*argv, ""], check=False, capture_output=True).returncode == 0
    names = ["list", "verify", "source", "plan"]
    before = names[: names.index(at) + 1]
    assert (tmp_path / "done").read_text().split() == [*before, *names[names.index(at) :]]
    journal = Journal(tmp_path)
    assert rows(journal, "SELECT name FROM step WHERE output IS NULL AND error IS NULL") == [(at,)]
    assert rows(journal, "SELECT status FROM run ORDER BY id") == [(None,), (0,)]


OPEN = """
import sys
from pathlib import Path
from xenbump.journal import Journal

sys.stdin.readline()
with Journal(Path(sys.argv[1])).run("run") as run:
    for number in range(20):
        run.step("xen", "verify", (sys.argv[2], number), int, lambda: number)
    run.checked("xen", "4.20.4")
    run.end(0)
"""


def test_many_processes_begin_a_journal_at_once(tmp_path: Path) -> None:
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path), str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(6)
    ]
    time.sleep(0.5)
    for process in begun:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in begun] == [b""] * 6
    assert [process.returncode for process in begun] == [0] * 6
    journal = Journal(tmp_path)
    assert rows(journal, "SELECT count(*), count(output) FROM step") == [(120, 120)]
    assert rows(journal, "PRAGMA journal_mode") == [("wal",)]


def test_what_was_checked_and_published(journal: Journal) -> None:
    assert journal.last_checked("xen") is None
    assert not journal.has_published("c" * 40)
    with journal.run("run") as run:
        run.checked("xen", "4.20.3")
        first = journal.last_checked("xen")
        run.checked("xen", "4.20.4")
        run.published("xen", branch="b", title="t", commit="c" * 40, number=7, url="u", action="opened")
    assert first is not None
    last = journal.last_checked("xen")
    assert last is not None
    assert time.time() - 60 < first <= last <= time.time()
    assert journal.last_checked("other") is None
    assert journal.has_published("c" * 40)
    assert rows(journal, "SELECT package, newest FROM checked") == [("xen", "4.20.4")]
    assert rows(journal, "SELECT run, number, action FROM publication") == [(1, 7, "opened")]


def test_old_steps_are_forgotten_and_publications_kept(journal: Journal) -> None:
    work = Counting()
    with journal.run("run") as run:
        run.step("xen", "verify", "old", Output, work)
        run.published("xen", branch="b", title="t", commit="c", number=7, url="u", action="opened")
    change(journal, f"UPDATE step SET began = began - {91 * 86400}")  # noqa: S608 - a number
    with journal.run("run") as run:
        run.step("xen", "verify", "new", Output, work)
    assert rows(journal, "SELECT input FROM step") == [('"new"',)]
    assert journal.has_published("c")
    change(journal, f"UPDATE step SET began = began - {89 * 86400}")  # noqa: S608 - the same
    with journal.run("run") as run:
        run.step("xen", "verify", "new", Output, work)
    assert work.times == 2


def test_a_journal_of_a_newer_version_is_left_alone(journal: Journal) -> None:
    with journal.run("run"):
        pass
    change(journal, "PRAGMA user_version = 99")
    before = journal.path.read_bytes()
    for use in (lambda: journal.last_checked("xen"), lambda: journal.run("run").__enter__()):
        with pytest.raises(Failure, match="newer xenbump") as caught:
            use()
        assert caught.value.code == "E-JOURNAL"
    assert journal.path.read_bytes() == before


@pytest.mark.parametrize("version", [0, 1])
def test_the_database_of_another_program_is_left_alone(version: int, journal: Journal) -> None:
    journal.path.parent.mkdir()
    for query in ("CREATE TABLE theirs (x)", f"PRAGMA user_version = {version}"):
        change(journal, query)
    with pytest.raises(Failure) as caught, journal.run("run"):
        pass
    assert caught.value.code == "E-JOURNAL"
    assert rows(journal, "SELECT name FROM sqlite_master") == [("theirs",)]


def test_a_journal_that_another_process_holds(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal.run("run"):
        pass
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.2)
    db = sqlite3.connect(journal.path)
    db.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Failure, match="locked") as caught, journal.run("run"):
            pass
    finally:
        db.close()
    assert caught.value.code == "E-JOURNAL"


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "state"):
        with pytest.raises(Failure) as caught:
            Journal(folder).last_checked("xen")
        assert (caught.value.code, caught.value.where) == ("E-STATE", str(folder))


def test_facts_are_kept_for_later_runs(journal: Journal) -> None:
    with journal.run("run") as run:
        assert run.recall("closed", "xen") is None
        run.remember("closed", "xen", "https://github.example/1")
        run.remember("closed", "xen", "https://github.example/2")
        run.remember("noted", "xen", "3")
    with journal.run("run") as run:
        assert run.recall("closed", "xen") == "https://github.example/2"
        assert run.recall("noted", "xen") == "3"
        assert run.recall("noted", "other") is None


def test_evidence_is_kept_newest_first(journal: Journal) -> None:
    with journal.run("run") as run:
        run.proved("xen", "4.20.2", {"package.nix": "a"}, "{}", ["first"])
        run.proved("xen", "4.20.3", {"package.nix": "b"}, "{}", ["second"])
        run.proved("other", "4.20.3", {"package.nix": "b"}, "{}", ["third"])
    with journal.run("run") as run:
        found = list(run.proofs("xen", list[str]))
        assert [(one.contents, one.evidence) for one in found] == [
            ({"package.nix": "b"}, ["second"]),
            ({"package.nix": "a"}, ["first"]),
        ]
        assert [one.evidence for one in run.proofs("xen", list[str], "4.20.2")] == [["first"]]
        assert found[0].at == pytest.approx(time.time(), abs=60)
        # What another program wrote is left out.
        assert list(run.proofs("xen", list[int])) == []
