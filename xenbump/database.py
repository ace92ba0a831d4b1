"""The journal's file: opened, brought to the newest form, and put aside when it is damaged.

What SQLite (its "Database File Format" and result codes) or a look over all pages (`PRAGMA integrity_check`) finds
wrong, or has not the tables that a journal has, is renamed to `journal.sqlite3.damaged-<time>` with what belongs to it,
and a new one is begun: all that a journal has can be asked for anew. That is told. A journal of a newer xenbump and the
database of another program stay where they are, and are refused.

SQLite does not see a changed byte within a value. So whoever writes a value that counts writes a seal beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from xenbump import durable
from xenbump.errors import Failure
from xenbump.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.02
# A page of a database has no fewer bytes.
_SMALLEST = 512
# So many that were put aside are kept: on a disk that fails there is one for each run.
_KEPT = 5
# A number beyond this is no version that there will ever be.
_NO_VERSION = 10_000
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
    (
        "ALTER TABLE step ADD COLUMN seal TEXT",
        "UPDATE step SET seal = seal(package, name, key, output) WHERE output IS NOT NULL",
        "ALTER TABLE publication ADD COLUMN seal TEXT",
        "UPDATE publication SET seal = seal(package, branch, title, commit_id, number, url, action, at)",
        "ALTER TABLE checked ADD COLUMN seal TEXT",
        "UPDATE checked SET seal = seal(package, at, newest)",
        "ALTER TABLE memory ADD COLUMN seal TEXT",
        "UPDATE memory SET seal = seal(kind, key, value)",
        "ALTER TABLE evidence ADD COLUMN seal TEXT",
        "UPDATE evidence SET seal = seal(package, version, contents, conditions, evidence)",
    ),
)
# By these a journal is known.
_FIRST_TABLES = frozenset({"run", "step", "publication", "checked"})
# The low byte of SQLite's result codes.
_OF_DAMAGE = frozenset({
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE,
})  # fmt: skip
_OF_THE_PLACE = frozenset({
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
})  # fmt: skip
_OF_ANOTHER = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# What has no code of its own: a table or column that is not there, text that is none, a value that no seal can be of.
_WORDS_OF_DAMAGE = ("no such", "Could not decode", "user-defined function")
# The others: a length that no value has, and a name of a table in what SQLite says that is no text any more.
_ERRORS = (sqlite3.Error, MemoryError, UnicodeDecodeError)


def seal(*values: object) -> str:
    """A digest over values as they come out of the file, which differs when one of them was changed."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()[:32]


class Database:
    """The open file. A statement that meets damage is done again in a new file, once.

    Args:
        path: the file; its folder is made when it is missing.
        tell: told when a damaged one was put aside.
        begun: called with each new connection, before anything else is done with it.

    Attributes:
        warnings: what was told, too.

    Raises:
        Failure: E-JOURNAL for another program's database, a newer xenbump's journal, or one that another process does
            not let go; E-STATE, E-DISK.
    """

    def __init__(
        self, path: Path, tell: Callable[[str], None], begun: Callable[[sqlite3.Connection], None] = lambda _: None
    ) -> None:
        self._path = path
        self._tell = tell
        self._begun = begun
        self.warnings: list[str] = []
        self._file: tuple[int, int] | None = None
        durable.make(path.parent)
        self.connection = self._connected()

    def close(self) -> None:
        """Close it; that this does not work any more is no error, as everything was committed."""
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction.

        Raises:
            Failure: E-JOURNAL, E-STATE, E-DISK; nothing of it is done then.
        """
        try:
            with self.connection:
                return work(self.connection)
        except _ERRORS as error:
            if not _is_damage(error):
                raise _failure(self._path, error) from error
            self.close()
            self._put_aside(str(error))
        self.connection = self._connected()
        try:
            with self.connection:
                return work(self.connection)
        except _ERRORS as error:
            raise _failure(self._path, error) from error

    def _connected(self) -> sqlite3.Connection:
        """The file, open and begun; in the place of a damaged one a new one."""
        try:
            return self._ready()
        except _DamagedError as error:
            self._put_aside(str(error))
        try:
            return self._ready()
        except _DamagedError as error:
            raise _damaged(self._path, str(error)) from error

    def _ready(self) -> sqlite3.Connection:
        # Which file it is that may be found damaged: another process may put it aside, and begin a new one.
        self._file = _identity(self._path)
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(_open(self._path, look=True)))
            self._file = self._file or _identity(self._path)
            try:
                with connection:
                    self._begun(connection)
            except _ERRORS as error:
                raise _explained(self._path, error) from error
            stack.pop_all()
            return connection

    def _put_aside(self, why: str) -> None:
        """Put the file aside that was found damaged, unless another process has done so meanwhile."""
        with locked(self._path.with_name("journal.lock"), seconds=_BUSY_SECONDS):
            if self._file is None or _identity(self._path) != self._file:
                return
            aside = _renamed(self._path)
        sentence = (
            f"the journal was damaged ({why[:100]}) and is put aside as {aside.name}; a new one is begun, so that what"
            " earlier runs found out or verified is asked for anew"
        )
        self.warnings.append(sentence)
        self._tell(sentence)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, for the time of a `with` block that only reads; a damaged one is left to the next run.

    Raises:
        Failure: E-JOURNAL, E-STATE, E-DISK.
    """
    durable.make(path.parent)
    try:
        with contextlib.closing(_open(path, look=False)) as connection:
            yield connection
    except _DamagedError as error:
        raise _damaged(path, str(error)) from error
    except _ERRORS as error:
        raise _failure(path, error) from error


class _DamagedError(Exception):
    """The file is no journal any more; says why."""


def _open(path: Path, *, look: bool) -> sqlite3.Connection:
    """Open the file and bring it to the newest form; `look` over all of its pages.

    Raises:
        _DamagedError: it is damaged.
        Failure: it cannot be used for another reason.
    """
    try:
        # SQLite takes a few bytes for nothing, and begins anew without a word.
        with contextlib.suppress(OSError):
            if 0 < path.stat().st_size < _SMALLEST:
                message = "it has only a few bytes"
                raise _DamagedError(message)
        with contextlib.ExitStack() as stack:
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
            stack.callback(connection.close)
            connection.create_function("seal", -1, seal, deterministic=True)
            # What is no text any more does not fit its seal.
            connection.text_factory = lambda given: given.decode("utf-8", "replace")
            _migrate(connection, path)
            _write_ahead(connection)
            _look(connection, closely=look)
            stack.pop_all()
            return connection
    except _ERRORS as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: BaseException) -> Exception:
    """What an error of SQLite stands for."""
    return _DamagedError(str(error)) if _is_damage(error) else _failure(path, error)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == len(_MIGRATIONS):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # of two that start at once, the second finds the work done
        version = _version(connection, path)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables if version == 0 else not tables >= _FIRST_TABLES:
            if tables & _FIRST_TABLES:
                message = f"it has the tables {', '.join(sorted(map(str, tables)))} at version {version}"
                raise _DamagedError(message)
            raise Failure("E-JOURNAL", "the file is another program's database", where=str(path))
        for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version <= _NO_VERSION:
        message = f"it has the version {version}"
        raise _DamagedError(message)
    if version > len(_MIGRATIONS):
        raise Failure("E-JOURNAL", "the journal was written by a newer xenbump", where=str(path))
    return version


def _look(connection: sqlite3.Connection, *, closely: bool) -> None:
    """See whether all tables are there with their columns, and `closely` whether all pages are whole."""
    for table, wanted in _columns().items():
        if not wanted <= _columns_of(connection, table):
            message = f"the table {table} is not as it should be"
            raise _DamagedError(message)
    if closely:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise _DamagedError(str(said))


@cache
def _columns() -> dict[str, frozenset[str]]:
    """The columns of each table of the newest form."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("seal", -1, seal, deterministic=True)
        for statements in _MIGRATIONS:
            for statement in statements:
                connection.execute(statement)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: _columns_of(connection, name) for name in names}


def _columns_of(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    return frozenset(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, so that a reader never waits for a writer.

    SQLite does not wait with this one statement while another process has the file open, so the waiting is done here.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) not in _OF_ANOTHER or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return  # also where the file system cannot do it: then the old mode stays


def _renamed(path: Path) -> Path:
    """Rename the file with what belongs to it; the new name."""
    start = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside, number = path.with_name(start), 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{start}-{number}")
    try:
        # The file last: what belongs to it must never lie beside another one.
        for ending in ("-wal", "-shm", "-journal", ""):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
        durable.settle(path.parent)
    except OSError as error:
        raise durable.failure(error, path, what="the journal is damaged and cannot be put aside") from error
    kept = sorted(
        {one.name.removesuffix("-wal").removesuffix("-shm") for one in path.parent.glob(f"{path.name}.damaged-*")}
    )
    for name in kept[:-_KEPT]:
        for ending in ("-wal", "-shm", "-journal", ""):
            with contextlib.suppress(OSError):
                path.with_name(name + ending).unlink()
    return aside


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None without one."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _is_damage(error: BaseException) -> bool:
    """Whether an error says that the file is damaged, and not that it cannot be had or written."""
    if not isinstance(error, sqlite3.Error):
        return True
    return _code(error) in _OF_DAMAGE or any(word in str(error) for word in _WORDS_OF_DAMAGE)


def _damaged(path: Path, why: str) -> Failure:
    return Failure("E-JOURNAL", f"the journal is damaged: {why}", where=str(path))


def _failure(path: Path, error: BaseException) -> Failure:
    """What an error of SQLite means that is not damage."""
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (code in _OF_THE_PLACE and _is_full(path.parent)):
        return Failure("E-DISK", "the disk is full, and the journal cannot be written", where=str(path))
    return Failure(
        "E-STATE" if code in _OF_THE_PLACE else "E-JOURNAL", f"the journal cannot be used: {error}", where=str(path)
    )


def _is_full(folder: Path) -> bool:
    """Whether there is no room for a page, or for another file, where files are counted."""
    try:
        facts = os.statvfs(folder)
    except OSError:
        return False
    return facts.f_bavail * facts.f_frsize < 1 << 16 or (facts.f_files > 0 and facts.f_favail == 0)
