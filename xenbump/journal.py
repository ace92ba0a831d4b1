"""The journal: what was run, what each step took and gave, what was published, and when a check last succeeded.

One SQLite file in the state folder. A step is written when it begins and again when it ends, so a run that was killed
shows where. A step whose input was seen before gives back the output written then: a run that is started again goes on
from the last finished step, and does not fetch or compute twice. Secrets are never part of an input or output.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from xenbump import __version__
from xenbump import progress as telling
from xenbump.errors import Failure, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.02
# Steps are looked up again for this long, then they are only in the way, but for the plans of pull requests.
_KEPT_SECONDS = 90 * 86400
# Each entry brings the file from the version before to this one (`PRAGMA user_version`); entries are only ever added.
_MIGRATIONS = (
    (
        """CREATE TABLE run (
            id INTEGER PRIMARY KEY, command TEXT NOT NULL, program TEXT NOT NULL,
            began REAL NOT NULL, ended REAL, status INTEGER
        )""",
        """CREATE TABLE step (
            id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run(id), package TEXT NOT NULL,
            name TEXT NOT NULL, key TEXT NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT,
            began REAL NOT NULL, ended REAL
        )""",
        "CREATE INDEX step_by_key ON step(package, name, key) WHERE output IS NOT NULL",
        """CREATE TABLE publication (
            id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run(id), package TEXT NOT NULL,
            branch TEXT NOT NULL, title TEXT NOT NULL, commit_id TEXT NOT NULL, number INTEGER NOT NULL,
            url TEXT NOT NULL, action TEXT NOT NULL, at REAL NOT NULL
        )""",
        "CREATE TABLE checked (package TEXT PRIMARY KEY, at REAL NOT NULL, newest TEXT NOT NULL)",
    ),
    (
        "CREATE TABLE memory (kind TEXT, key TEXT, value TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (kind, key))",
        """CREATE TABLE evidence (
            id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run(id), package TEXT NOT NULL,
            version TEXT NOT NULL, contents TEXT NOT NULL, conditions TEXT NOT NULL, evidence TEXT NOT NULL,
            at REAL NOT NULL
        )""",
        "CREATE INDEX evidence_by_package ON evidence(package, id)",
    ),
)


# By these a journal is known.
_FIRST_TABLES = frozenset({"run", "step", "publication", "checked"})


@dataclass(frozen=True, slots=True)
class Noted(Generic[T]):
    """Evidence that was written down.

    Attributes:
        contents: of the files that it is about, the SHA-256 by name, empty for one that is not there.
        conditions: under which it came about.
        evidence: what came out.
        at: when, in seconds since 1970.
    """

    contents: dict[str, str]
    conditions: str
    evidence: T
    at: float


@dataclass(frozen=True, slots=True)
class Publication(Generic[T]):
    """What was done to a pull request.

    Attributes:
        package: the configured name.
        number, url, title: of the pull request.
        action: what was done: `opened`, `updated`, `unchanged`, `hands-off` or `deferred`.
        at: when, in seconds since 1970.
        plan: of the package in the same run; None where it is not at hand.
    """

    package: str
    number: int
    url: str
    title: str
    action: str
    at: float
    plan: T | None


class Run:
    """One run of a command, being written. Made by `Journal.run`."""

    def __init__(
        self, connection: sqlite3.Connection, number: int, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._db = connection
        self.number = number
        self._progress = progress

    def step(
        self, package: str, name: str, given: Any, kind: type[T], work: Callable[[], T], *, again: bool = True
    ) -> T:
        """Do a step, or give back what it gave for the same input before.

        Args:
            package: the package it is for.
            name: the step's name.
            given: everything that its output depends on; anything that msgspec can encode.
            kind: the type of its output.
            work: what does it.
            again: whether an earlier output for the same input may be given back. False for a step that asks the world.

        Raises:
            XenbumpError: what `work` raises, after it was written down.
        """
        text = _encode(given)
        key = hashlib.sha256(f"{__version__}\n{text}".encode()).hexdigest()
        if again:
            found = self._db.execute(
                "SELECT output FROM step WHERE package = ? AND name = ? AND key = ? AND output IS NOT NULL"
                " ORDER BY id DESC LIMIT 1",
                (package, name, key),
            ).fetchone()
            if found is not None:
                # What cannot be read was written by another program: do the step anew.
                with contextlib.suppress(msgspec.MsgspecError):
                    return msgspec.json.decode(found[0], type=kind)
        with self._db:
            row = self._db.execute(
                "INSERT INTO step (run, package, name, key, input, began) VALUES (?, ?, ?, ?, ?, ?)",
                (self.number, package, name, key, text, time.time()),
            ).lastrowid
        try:
            with telling.step(self._progress, package, name, detail=True):
                output = work()
        except BaseException as error:
            self._end_step(row, "error", str(error) if isinstance(error, XenbumpError) else type(error).__name__)
            raise
        self._end_step(row, "output", _encode(output))
        return output

    def _end_step(self, row: int | None, column: str, text: str) -> None:
        with self._db:
            self._db.execute(f"UPDATE step SET {column} = ?, ended = ? WHERE id = ?", (text, time.time(), row))  # noqa: S608

    def checked(self, package: str, newest: str) -> None:
        """Note that the upstream was asked for a package with success, and what its newest release is."""
        with self._db:
            self._db.execute(
                "INSERT INTO checked VALUES (?, ?, ?) ON CONFLICT(package) DO UPDATE SET at = excluded.at,"
                " newest = excluded.newest",
                (package, time.time(), newest),
            )

    def published(
        self, package: str, *, branch: str, title: str, commit: str, number: int, url: str, action: str
    ) -> None:
        """Note what was done to a pull request."""
        with self._db:
            self._db.execute(
                "INSERT INTO publication (run, package, branch, title, commit_id, number, url, action, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.number, package, branch, title, commit, number, url, action, time.time()),
            )

    def publications(self, package: str, plan: type[T]) -> Iterator[Publication[T]]:
        """What was done to the pull requests of a package, oldest first.

        Args:
            package: the configured name.
            plan: the type of what is wanted of the plan; one that cannot be read as that is left out.
        """
        rows = self._db.execute(
            "SELECT package, number, url, title, action, at, (SELECT output FROM step WHERE step.run = publication.run"
            " AND step.package = publication.package AND step.name = 'plan' AND output IS NOT NULL ORDER BY id DESC"
            " LIMIT 1) FROM publication WHERE package = ? ORDER BY id",
            (package,),
        )
        for name, number, url, title, action, at, output in rows:
            found: T | None = None
            if output is not None:
                with contextlib.suppress(msgspec.MsgspecError):
                    found = msgspec.json.decode(output, type=plan)
            yield Publication(name, number, url, title, action, at, found)

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep a fact for later runs; an older one of the same kind and key is forgotten."""
        with self._db:
            self._db.execute(
                "INSERT INTO memory VALUES (?, ?, ?, ?) ON CONFLICT(kind, key) DO UPDATE SET value = excluded.value,"
                " at = excluded.at",
                (kind, key, value, time.time()),
            )

    def recall(self, kind: str, key: str) -> str | None:
        """A fact that an earlier run kept; None where none did."""
        found = self._db.execute("SELECT value FROM memory WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if found is None else str(found[0])

    def proved(self, package: str, version: str, contents: dict[str, str], conditions: str, evidence: Any) -> None:
        """Write down what was verified of a package: which contents, under which conditions, and what came out."""
        with self._db:
            self._db.execute(
                "INSERT INTO evidence (run, package, version, contents, conditions, evidence, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.number, package, version, _encode(contents), conditions, _encode(evidence), time.time()),
            )

    def proofs(self, package: str, kind: type[T], version: str = "") -> Iterator[Noted[T]]:
        """What was verified of a package, newest first; of one version where one is named.

        Args:
            package: the configured name.
            kind: the type of the evidence; what cannot be read as that was written by another program, and is left out.
            version: of the package file; empty: any.
        """
        rows = self._db.execute(
            "SELECT contents, conditions, evidence, at FROM evidence WHERE package = ? AND ? IN ('', version)"
            " ORDER BY id DESC",
            (package, version),
        )
        for contents, conditions, evidence, at in rows:
            with contextlib.suppress(msgspec.MsgspecError):
                yield Noted(
                    msgspec.json.decode(contents, type=dict[str, str]),
                    conditions,
                    msgspec.json.decode(evidence, type=kind),
                    at,
                )

    def end(self, status: int) -> None:
        """Note the run's exit status."""
        with self._db:
            self._db.execute("UPDATE run SET ended = ?, status = ? WHERE id = ?", (time.time(), status, self.number))


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8")


class Journal:
    """The journal in a state folder; made when it is missing.

    Raises:
        Failure: E-JOURNAL when the file cannot be opened, is none of ours, or was written by a newer xenbump.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite3"

    @contextlib.contextmanager
    def run(self, command: str, progress: Callable[[str], None] = lambda _: None) -> Iterator[Run]:
        """Write a run: begun here, ended by `Run.end`; one that is left by an exception ends with its status.

        Args:
            command: the command's name.
            progress: told of the run and its steps, where it takes more than sentences.
        """
        with self._connected() as db:
            with db:
                db.execute(
                    # The plan of a pull request says what it closes, and stays with it.
                    "DELETE FROM step WHERE began < ? AND NOT (name = 'plan' AND EXISTS (SELECT 1 FROM publication"
                    " WHERE publication.run = step.run AND action IN ('opened', 'updated')))",
                    (time.time() - _KEPT_SECONDS,),
                )
                row = db.execute(
                    "INSERT INTO run (command, program, began) VALUES (?, ?, ?)", (command, __version__, time.time())
                ).lastrowid
            run = Run(db, row or 0, progress)
            telling.emit(progress, telling.RunBegan(command))
            try:
                yield run
            except XenbumpError as error:
                run.end(error.exit_status)
                raise
            finally:
                telling.emit(progress, telling.RunEnded())

    def last_checked(self, package: str) -> float | None:
        """When a check of the package last succeeded, in seconds since 1970; None when none ever did."""
        with self._connected() as db:
            found = db.execute("SELECT at FROM checked WHERE package = ?", (package,)).fetchone()
        return None if found is None else float(found[0])

    def has_published(self, commit: str) -> bool:
        """Whether a commit was published by a run that this journal knows."""
        with self._connected() as db:
            return db.execute("SELECT 1 FROM publication WHERE commit_id = ?", (commit,)).fetchone() is not None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(
                "E-STATE", f"the state folder cannot be made: {error.strerror}", where=str(self.path.parent)
            ) from error
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as db:
                self._migrate(db)
                _write_ahead(db)
                yield db
        except sqlite3.Error as error:
            raise Failure("E-JOURNAL", f"the journal cannot be used: {error}", where=str(self.path)) from error

    def _migrate(self, db: sqlite3.Connection) -> None:
        if self._version(db) == len(_MIGRATIONS):
            return
        with db:
            db.execute("BEGIN IMMEDIATE")  # of two that start at once, the second finds the work done
            version = self._version(db)
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables if version == 0 else not tables >= _FIRST_TABLES:
                raise Failure("E-JOURNAL", "the file is another program's database", where=str(self.path))
            for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

    def _version(self, db: sqlite3.Connection) -> int:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(_MIGRATIONS):
            raise Failure("E-JOURNAL", "the journal was written by a newer xenbump", where=str(self.path))
        return version


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, so that a reader never waits for a writer.

    SQLite does not wait with this one statement while another process has the file open, so the waiting is done here.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return  # also where the file system cannot do it: then the old mode stays
