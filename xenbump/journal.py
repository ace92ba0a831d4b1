"""The journal: what was run, what each step took and gave, what was published, and when a check last succeeded.

One SQLite file in the state folder. A step is written when it begins and again when it ends, so a run that was killed
shows where. A step whose input was seen before gives back the output written then: a run that is started again goes on
from the last finished step, and does not fetch or compute twice. Secrets are never part of an input or output. How the
file is opened, and what becomes of a damaged one, is in `database.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from xenbump import __version__, database
from xenbump import progress as telling
from xenbump.database import Database, seal
from xenbump.errors import Failure, XenbumpError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

# Steps are looked up again for this long, then they are only in the way, but for the plans of pull requests.
_KEPT_SECONDS = 90 * 86400
# A clock may be put right by so much; what is noted for later than that was not noted so.
_SLACK_SECONDS = 86400.0
_PUBLISHED = "package, branch, title, commit_id, number, url, action, at"


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
    """One run of a command, being written. Made by `Journal.run`.

    What was changed in the file since it was written (`database.seal`) is never given back: it counts as not there.

    Args:
        path: the journal.
        command: the command's name.
        progress: told of the steps, where it takes more than sentences.
        tell: told when the journal was damaged.
    """

    def __init__(self, path: Path, command: str, progress: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self.number = 0
        self._command = command
        self._began = time.time()
        self._progress = progress
        self._tell = tell
        self._file = Database(path, tell, self._begin)

    def _begin(self, db: sqlite3.Connection) -> None:
        db.execute(
            # The plan of a pull request says what it closes, and stays with it.
            "DELETE FROM step WHERE began < ? AND NOT (name = 'plan' AND EXISTS (SELECT 1 FROM publication"
            " WHERE publication.run = step.run AND action IN ('opened', 'updated')))",
            (time.time() - _KEPT_SECONDS,),
        )
        row = db.execute(
            "INSERT INTO run (command, program, began) VALUES (?, ?, ?)", (self._command, __version__, self._began)
        ).lastrowid
        self.number = row or 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run's outcome is to say of the journal: that it was damaged, and put aside."""
        return tuple(self._file.warnings)

    @property
    def _db(self) -> sqlite3.Connection:
        return self._file.connection

    def close(self) -> None:
        """Close the file."""
        self._file.close()

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
            output = self._remembered((package, name, key), kind)
            if not isinstance(output, _Nothing):
                return output
        row = self._file.do(
            lambda db: (
                db.execute(
                    "INSERT INTO step (run, package, name, key, input, began) VALUES (?, ?, ?, ?, ?, ?)",
                    (self.number, package, name, key, text, time.time()),
                ).lastrowid
            )
        )
        try:
            with telling.step(self._progress, package, name, detail=True):
                output = work()
        except BaseException as error:
            said = str(error) if isinstance(error, XenbumpError) else type(error).__name__
            with contextlib.suppress(Failure):  # what the journal has to say against it counts less
                self._file.do(
                    lambda db: db.execute("UPDATE step SET error = ?, ended = ? WHERE id = ?", (said, time.time(), row))
                )
            raise
        made = _encode(output)
        self._file.do(
            lambda db: db.execute(
                "UPDATE step SET output = ?, seal = ?, ended = ? WHERE id = ?",
                (made, seal(package, name, key, made), time.time(), row),
            )
        )
        return output

    def _remembered(self, what: tuple[str, str, str], kind: type[T]) -> T | _Nothing:
        """The newest output of a step (package, name, key) that can be read; what cannot was another program's."""
        found = self._file.do(
            lambda db: db.execute(
                "SELECT output, seal FROM step WHERE package = ? AND name = ? AND key = ? AND output IS NOT NULL"
                " ORDER BY id DESC LIMIT 1",
                what,
            ).fetchone()
        )
        if found is not None and self._is_whole(found[1], *what, found[0]):
            with contextlib.suppress(msgspec.MsgspecError):
                return msgspec.json.decode(found[0], type=kind)
        return _Nothing()

    def _is_whole(self, sealed: object, *values: object) -> bool:
        """Whether values are as they were written; that they are not is told once."""
        if sealed == seal(*values):
            return True
        sentence = "the journal has an entry that was changed since it was written; it is not used"
        if sentence not in self._file.warnings:
            self._file.warnings.append(sentence)
            self._tell(sentence)
        return False

    def checked(self, package: str, newest: str) -> None:
        """Note that the upstream was asked for a package with success, and what its newest release is."""
        at = time.time()
        self._file.do(
            lambda db: db.execute(
                "INSERT INTO checked (package, at, newest, seal) VALUES (?, ?, ?, ?) ON CONFLICT(package) DO UPDATE SET"
                " at = excluded.at, newest = excluded.newest, seal = excluded.seal",
                (package, at, newest, seal(package, at, newest)),
            )
        )

    def published(
        self, package: str, *, branch: str, title: str, commit: str, number: int, url: str, action: str
    ) -> None:
        """Note what was done to a pull request."""
        values = (package, branch, title, commit, number, url, action, time.time())
        self._file.do(
            lambda db: db.execute(
                "INSERT INTO publication (run, package, branch, title, commit_id, number, url, action, at, seal)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.number, *values, seal(*values)),
            )
        )

    def publications(self, package: str, plan: type[T]) -> Iterator[Publication[T]]:
        """What was done to the pull requests of a package, oldest first.

        Args:
            package: the configured name.
            plan: the type of what is wanted of the plan; one that cannot be read as that is left out.
        """
        rows = self._file.do(
            lambda db: db.execute(
                f"SELECT {_PUBLISHED}, seal, run FROM publication WHERE package = ? ORDER BY id",  # noqa: S608 - names
                (package,),
            ).fetchall()
        )
        for *values, sealed, run in rows:
            if self._is_whole(sealed, *values):
                name, _, title, _, number, url, action, at = values
                yield Publication(name, number, url, title, action, at, self._plan(run, name, plan))

    def _plan(self, run: int, package: str, kind: type[T]) -> T | None:
        """The plan of a package in a run."""
        found = self._file.do(
            lambda db: db.execute(
                "SELECT key, output, seal FROM step WHERE run = ? AND package = ? AND name = 'plan'"
                " AND output IS NOT NULL ORDER BY id DESC LIMIT 1",
                (run, package),
            ).fetchone()
        )
        if found is not None and self._is_whole(found[2], package, "plan", *found[:2]):
            with contextlib.suppress(msgspec.MsgspecError):
                return msgspec.json.decode(found[1], type=kind)
        return None

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep a fact for later runs; an older one of the same kind and key is forgotten."""
        self._file.do(
            lambda db: db.execute(
                "INSERT INTO memory (kind, key, value, at, seal) VALUES (?, ?, ?, ?, ?) ON CONFLICT(kind, key)"
                " DO UPDATE SET value = excluded.value, at = excluded.at, seal = excluded.seal",
                (kind, key, value, time.time(), seal(kind, key, value)),
            )
        )

    def recall(self, kind: str, key: str) -> str | None:
        """A fact that an earlier run kept; None where none did."""
        found = self._file.do(
            lambda db: db.execute("SELECT value, seal FROM memory WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        )
        return None if found is None or not self._is_whole(found[1], kind, key, found[0]) else str(found[0])

    def proved(self, package: str, version: str, contents: dict[str, str], conditions: str, evidence: Any) -> None:
        """Write down what was verified of a package: which contents, under which conditions, and what came out."""
        values = (package, version, _encode(contents), conditions, _encode(evidence))
        self._file.do(
            lambda db: db.execute(
                "INSERT INTO evidence (run, package, version, contents, conditions, evidence, at, seal)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self.number, *values, time.time(), seal(*values)),
            )
        )

    def proofs(self, package: str, kind: type[T], version: str = "") -> Iterator[Noted[T]]:
        """What was verified of a package, newest first; of one version where one is named.

        Args:
            package: the configured name.
            kind: the type of the evidence; what cannot be read as that was written by another program, and is left out.
            version: of the package file; empty: any.
        """
        rows = self._file.do(
            lambda db: db.execute(
                "SELECT version, contents, conditions, evidence, seal, at FROM evidence WHERE package = ?"
                " AND ? IN ('', version) ORDER BY id DESC",
                (package, version),
            ).fetchall()
        )
        for *values, sealed, at in rows:
            # The time is not sealed: that it is no time, or is yet to come, shows by itself.
            if not isinstance(at, float) or at > time.time() + _SLACK_SECONDS:
                continue
            if self._is_whole(sealed, package, *values):
                _, contents, conditions, evidence = values
                with contextlib.suppress(msgspec.MsgspecError):
                    yield Noted(
                        msgspec.json.decode(contents, type=dict[str, str]),
                        conditions,
                        msgspec.json.decode(evidence, type=kind),
                        at,
                    )

    def end(self, status: int) -> None:
        """Note the run's exit status."""
        self._file.do(
            lambda db: db.execute(
                "UPDATE run SET ended = ?, status = ? WHERE id = ?", (time.time(), status, self.number)
            )
        )


class _Nothing:
    """That nothing is remembered, where None may be."""


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode("utf-8")


def _aloud(sentence: str) -> None:
    """Say a warning where nobody listens to the run: a journal is never lost silently."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"xenbump: {sentence}\n")
        sys.stderr.flush()


class Journal:
    """The journal in a state folder; made when it is missing, and anew when it is damaged.

    Raises:
        Failure: E-JOURNAL when the file is none of ours, was written by a newer xenbump, or is held by another process;
            E-STATE when it cannot be opened or written, E-DISK when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite3"

    @contextlib.contextmanager
    def run(self, command: str, progress: Callable[[str], None] | None = None) -> Iterator[Run]:
        """Write a run: begun here, ended by `Run.end`; one that is left by an exception ends with its status.

        Args:
            command: the command's name.
            progress: told of the run and its steps, where it takes more than sentences, and of a damaged journal; None:
                that is said on stderr.
        """
        heard = progress or (lambda _: None)
        run = Run(self.path, command, heard, progress or _aloud)
        with contextlib.closing(run):
            telling.emit(heard, telling.RunBegan(command))
            try:
                yield run
            except XenbumpError as error:
                with contextlib.suppress(Failure):  # the first error is the one to be told
                    run.end(error.exit_status)
                raise
            finally:
                telling.emit(heard, telling.RunEnded())

    def last_checked(self, package: str) -> float | None:
        """When a check of the package last succeeded, in seconds since 1970; None when none ever did."""
        with database.reading(self.path) as db:
            found = db.execute("SELECT at, newest, seal FROM checked WHERE package = ?", (package,)).fetchone()
        return float(found[0]) if found is not None and found[2] == seal(package, *found[:2]) else None

    def has_published(self, commit: str) -> bool:
        """Whether a commit was published by a run that this journal knows."""
        with database.reading(self.path) as db:
            rows = db.execute(
                f"SELECT {_PUBLISHED}, seal FROM publication WHERE commit_id = ?",  # noqa: S608 - names
                (commit,),
            ).fetchall()
        return any(sealed == seal(*values) for *values, sealed in rows)
