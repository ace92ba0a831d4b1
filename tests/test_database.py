"""The journal's file: damage of every kind, foreign files, and several processes that find it damaged."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journals import PROOFS, copied, is_right, journal, output, put_aside, whole, works
from xenbump import database
from xenbump.errors import Failure
from xenbump.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["journal", "whole"]


def flip(path: Path, places: list[tuple[float, int]]) -> None:
    content = bytearray(path.read_bytes())
    for place, mask in places:
        content[int(place * len(content)) % len(content)] ^= mask
    path.write_bytes(content)


# --- damage ----------------------------------------------------------------------------------------------------------


def test_a_journal_that_is_whole_is_kept(journal: Journal) -> None:
    assert works(journal) == ()
    assert put_aside(journal) == []
    assert journal.has_published("c" * 40)


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=30)


@settings(max_examples=25)
@given(places=FLIPS)
def test_bytes_that_were_flipped(whole: Path, tmp_path_factory: pytest.TempPathFactory, places: Any) -> None:
    """It works, or is put aside, or is refused as a newer one's; no value is another than was written."""
    journal = copied(whole, tmp_path_factory.mktemp("flipped"))
    flip(journal.path, places)
    try:
        warnings = works(journal)
    except Failure as error:
        # The byte that says which version it is, of which a newer one is not ours to put aside.
        assert error.code == "E-JOURNAL"  # noqa: PT017 - most examples have no error
        assert "newer xenbump" in error.what  # noqa: PT017
        return
    assert bool(put_aside(journal)) == any("put aside" in one for one in warnings)


@settings(max_examples=25)
@given(place=st.floats(0, 1), mask=st.integers(1, 255))
def test_a_byte_that_is_flipped_while_it_is_used(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, place: float, mask: int
) -> None:
    journal = copied(whole, tmp_path_factory.mktemp("flipped"))
    with journal.run("run", lambda _: None) as run, contextlib.suppress(Failure):
        # What SQLite has in its memory would hide it.
        run._db.execute("PRAGMA cache_size = 0")
        run._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = bytearray(journal.path.read_bytes())
        number = min(int(place * len(content)), len(content) - 1)
        with journal.path.open("r+b") as file:
            file.seek(number)
            file.write(bytes([content[number] ^ mask]))
        is_right(run)
        run.checked("xen", "4.20.5")
        run.end(0)
    with contextlib.suppress(Failure):
        works(journal)


@settings(max_examples=15)
@given(length=st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut(whole: Path, tmp_path_factory: pytest.TempPathFactory, length: float) -> None:
    journal = copied(whole, tmp_path_factory.mktemp("cut"))
    content = journal.path.read_bytes()
    left = int(len(content) * length)
    journal.path.write_bytes(content[:left])
    warnings = works(journal)
    # An empty one is what a new one begins as, and of the last page the end may be unused.
    assert len(warnings) == len(put_aside(journal)) == 1 or left == 0 or left > len(content) - 4096
    assert all(one.read_bytes()[100:left] == content[100:left] for one in put_aside(journal))


def text(path: Path) -> None:
    path.write_bytes(b"not a database at all, " * 100)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def sql(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            for statement in statements:
                db.execute(statement)

    return damage


DAMAGES = {
    "text": text,
    "zeros": zeros,
    "overwritten": overwritten,
    "a table is missing": sql("DROP TABLE checked"),
    "a newer table is missing": sql("DROP TABLE memory"),
    "a column is missing": sql("ALTER TABLE evidence DROP COLUMN seal"),
    "an older version than its tables": sql("PRAGMA user_version = 0"),
    "a version that there never is": sql("PRAGMA user_version = 1000000"),
    "half of an older one": sql("DROP TABLE evidence", "DROP TABLE publication", "PRAGMA user_version = 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_put_aside_and_told(damage: str, journal: Journal) -> None:
    DAMAGES[damage](journal.path)
    before = journal.path.read_bytes()
    told: list[str] = []
    with journal.run("run", told.append) as run:
        (warning,) = run.warnings
        is_right(run)
        run.end(0)
    (aside,) = put_aside(journal)
    assert aside.read_bytes()[100:] == before[100:]  # SQLite may count in the header what opened it
    assert told == [warning]
    assert aside.name in warning
    assert works(journal) == ()
    assert put_aside(journal) == [aside]


def test_what_nobody_listens_to_is_said_on_stderr(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    text(journal.path)
    with journal.run("watch") as run:
        run.end(0)
    assert capsys.readouterr().err.startswith("xenbump: the journal was damaged (file is not a database) and is put")


def test_its_log_and_index_go_along(journal: Journal) -> None:
    db = sqlite3.connect(journal.path)
    db.execute("INSERT INTO checked (package, at, newest) VALUES ('other', 1.0, 'x')")
    db.commit()
    try:
        with journal.path.open("r+b") as file:
            file.write(b"no database any more")
        assert len(works(journal)) == 1
    finally:
        db.close()
    (aside,) = put_aside(journal)
    belonging = {path.name.removeprefix(aside.name) for path in aside.parent.glob(f"{aside.name}-*")}
    assert "-wal" in belonging
    assert journal.last_checked("other") is None


def test_only_the_newest_are_kept(journal: Journal) -> None:
    for number in range(8):
        with journal.path.open("wb") as file:
            file.write(b"damaged for the %d. time" % number * 100)
        with journal.run("run", lambda _: None) as run:
            run.end(0)
    kept = put_aside(journal)
    assert len(kept) == 5
    assert {path.read_bytes()[16:17] for path in kept} <= {b"%d" % number for number in range(8)}


def test_a_value_that_was_changed_is_not_used(journal: Journal) -> None:
    for statement in (
        "UPDATE step SET output = '\"other\"'",
        "UPDATE evidence SET contents = replace(contents, 'a', 'b')",
        "UPDATE memory SET value = 'other'",
        "UPDATE publication SET number = 8",
        "UPDATE checked SET at = 9e9",
    ):
        sql(statement)(journal.path)
    assert journal.last_checked("xen") is None
    assert not journal.has_published("c" * 40)
    told: list[str] = []
    with journal.run("run", told.append) as run:
        assert run.step("xen", "verify", (1, "x" * 300), str, lambda: "anew") == "anew"
        assert list(run.proofs("xen", list[str])) == []
        assert run.recall("closed", "xen") is None
        assert list(run.publications("xen", dict)) == []
        assert run.warnings == tuple(told)
        assert len(told) == 1
    assert put_aside(journal) == []


def test_evidence_of_a_time_that_is_yet_to_come_does_not_count(journal: Journal) -> None:
    sql(
        "UPDATE evidence SET at = 9e9 WHERE version = '4.20.1'", "UPDATE evidence SET at = 'x' WHERE version = '4.20.2'"
    )(journal.path)
    with journal.run("run") as run:
        assert len(list(run.proofs("xen", list[str]))) == PROOFS - 2


def test_a_journal_of_the_version_before_is_taken_over(whole: Path, tmp_path: Path) -> None:
    journal = copied(whole, tmp_path)
    tables = ("step", "publication", "checked", "memory", "evidence")
    sql(*(f"ALTER TABLE {one} DROP COLUMN seal" for one in tables), "PRAGMA user_version = 2")(journal.path)
    with journal.run("run") as run:
        assert run.step("xen", "verify", (1, "x" * 300), str, lambda: "anew") == output(1)
        assert len(list(run.proofs("xen", list[str]))) == PROOFS
        assert run.recall("closed", "xen") == "https://github.example/1"
        assert run.warnings == ()
    assert journal.has_published("c" * 40)
    assert journal.last_checked("xen") is not None


# --- what is not put aside -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "word"),
    [
        (("PRAGMA user_version = 4",), "newer xenbump"),
        (("PRAGMA user_version = 99",), "newer xenbump"),
        (("DROP TABLE run", "DROP TABLE step", "DROP TABLE publication", "DROP TABLE checked"), "as it should be"),
    ],
)
def test_a_newer_one_is_refused(statements: tuple[str, ...], word: str, journal: Journal) -> None:
    sql(*statements)(journal.path)
    if word == "newer xenbump":
        for _ in range(2):
            with pytest.raises(Failure, match=word) as caught, journal.run("run"):
                pass
            assert caught.value.code == "E-JOURNAL"
        assert put_aside(journal) == []
    else:
        assert word in works(journal)[0]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_another_program_s_database_is_refused(version: int, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    sql("CREATE TABLE theirs (x)", f"PRAGMA user_version = {version}")(journal.path)
    before = journal.path.read_bytes()
    with pytest.raises(Failure, match="another program's") as caught, journal.run("run"):
        pass
    assert (caught.value.code, journal.path.read_bytes(), put_aside(journal)) == ("E-JOURNAL", before, [])


def test_one_who_only_reads_puts_nothing_aside(journal: Journal) -> None:
    text(journal.path)
    for use in (lambda: journal.last_checked("xen"), lambda: journal.has_published("c")):
        with pytest.raises(Failure, match="damaged") as caught:
            use()
        assert (caught.value.code, caught.value.where) == ("E-JOURNAL", str(journal.path))
    assert put_aside(journal) == []


# --- several ---------------------------------------------------------------------------------------------------------

FINDER = """
import sys
from pathlib import Path
from xenbump.journal import Journal

sys.stdin.readline()
with Journal(Path(sys.argv[1])).run("run", lambda _: None) as run:
    run.remember("from", sys.argv[2], sys.argv[2])
    run.end(0)
"""


def test_of_several_that_find_it_damaged_one_puts_it_aside(journal: Journal) -> None:
    overwritten(journal.path)
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", FINDER, str(journal.path.parent), str(number)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]
    for process in begun:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in begun] == [b""] * 3
    assert [process.returncode for process in begun] == [0] * 3
    assert len(put_aside(journal)) == 1
    with journal.run("run") as run:
        assert [run.recall("from", str(number)) for number in range(3)] == ["0", "1", "2"]


def test_a_seal_tells_values_from_others() -> None:
    values = [None, "", "a", "ab", "b", 1, 1.5, "1"]
    some = [one for count in range(4) for one in itertools.product(values, repeat=count)]
    assert len({database.seal(*one) for one in some}) == len(some)
