"""The journal's file on disks that are full or take nothing, and the codes for what SQLite says of them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.journals import STEPS, journal, put_aside, whole, works
from tests.support.small_disk import read_only, small_disk
from xenbump.errors import Failure
from xenbump.journal import Journal, Run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["journal", "whole"]


def test_a_folder_where_the_journal_should_be(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.path.mkdir()
    with pytest.raises(Failure) as caught, journal.run("run"):
        pass
    assert (caught.value.code, caught.value.where) == ("E-STATE", str(journal.path))
    assert put_aside(journal) == []


def test_a_state_folder_that_takes_nothing(journal: Journal, tmp_path: Path) -> None:
    with read_only(tmp_path) as done:
        if done:
            with pytest.raises(Failure) as caught, journal.run("run"):
                pass
            assert caught.value.code == "E-STATE"
    assert works(journal) == ()


def test_a_full_disk_at_the_beginning(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        disk.fill()
        with pytest.raises(Failure) as caught, Journal(disk.folder).run("run"):
            pass
        assert caught.value.code in ({"E-DISK"} if disk.is_real else {"E-DISK", "E-STATE"})
        disk.clear()
        assert works(Journal(disk.folder)) == ()
        assert put_aside(Journal(disk.folder)) == []


def test_a_disk_that_fills_in_the_middle_of_a_run(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        journal, done = Journal(disk.folder), 0
        large = "output " * 5000

        def steps(run: Run) -> None:
            nonlocal done
            run.remember("closed", "xen", "https://github.example/1")
            disk.fill(leave=200_000)
            for done in range(STEPS):
                run.step("xen", "verify", done, str, lambda: large)

        with pytest.raises(Failure) as caught, journal.run("run") as run:
            steps(run)
        assert caught.value.code == ("E-DISK" if disk.is_real else "E-STATE")
        assert 0 < done < STEPS - 1
        disk.clear()
        with journal.run("run") as run:
            # What was finished by then is there, and whole.
            assert run.recall("closed", "xen") == "https://github.example/1"
            assert run.step("xen", "verify", 0, str, lambda: "anew") == large
            assert run.step("xen", "verify", done, str, lambda: "anew") == "anew"
            assert run.warnings == ()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full", "E-DISK"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk I/O error", "E-STATE"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "attempt to write a readonly database", "E-STATE"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "database is locked", "E-JOURNAL"),
    ],
)
def test_what_sqlite_says_has_a_code(code: int, text: str, expected: str, journal: Journal) -> None:
    def fail(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        raise error

    with pytest.raises(Failure) as caught, journal.run("run") as run:
        run._file.do(fail)
    assert (caught.value.code, caught.value.where) == (expected, str(journal.path))
    assert put_aside(journal) == []
