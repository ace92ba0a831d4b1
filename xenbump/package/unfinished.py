"""Edits of several files that a kill or a power cut came into: written down before, put back afterwards.

Before the first file of a package is written, a record in the state folder says which files, what each has, and the
SHA-256 of what it is to have; it goes when all are written, and committed where that was asked for. A run that finds
one puts back what the killed one wrote, so that there never is half of an edit. What a person changed meanwhile, nobody
but a person can sort out.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from xenbump import durable
from xenbump.errors import Refusal, UsageError, XenbumpError
from xenbump.package import files
from xenbump.package.rewrite import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_VERSION = 1


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is written.

    Attributes:
        file: its path from the folder of the record.
        before: what it has; None: it is not there.
        after: SHA-256 of what it is to have; empty: it goes.
        mode: its permissions; None: it is not there.
    """

    file: str
    before: bytes | None
    after: str
    mode: int | None


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record; `folder` is what the files' paths start from, `at` seconds since 1970."""

    version: int
    package: str
    folder: str
    at: float
    files: tuple[_File, ...]


class Record:
    """The record of one package. Whoever writes or settles it holds the lock of the checkout.

    Args:
        state: the state folder.
        folder: the folder that the files' paths start from.
        package: the configured name.
    """

    def __init__(self, state: Path, folder: Path, package: str) -> None:
        self._folder = folder
        self._package = package
        name = hashlib.sha256(f"{folder.resolve()}\n{package}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = state / "unfinished" / f"{name}.json"

    @property
    def is_there(self) -> bool:
        """Whether an earlier run was killed while it wrote."""
        return self.path.exists()

    @contextlib.contextmanager
    def writing(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Write the files, all of them or none; the record is there until the `with` block ends.

        It stays where the block is left by anything but an error of ours: then the next run settles it.

        Raises:
            Refusal, Failure, UsageError: as `files.write_all`; E-STATE, E-DISK when the record cannot be written.
        """
        files.refuse_all_changed(self._folder, edits)
        self._begin(edits)
        try:
            files.write_all(self._folder, edits)
        except BaseException:
            if not any(_is(self._folder / edit.file, edit.after) for edit in edits):
                self._end()
            raise
        try:
            yield
        except XenbumpError:
            self._end()
            raise
        self._end()

    def settle(
        self, progress: Callable[[str], None], is_committed: Callable[[tuple[str, ...]], bool]
    ) -> tuple[str, ...]:
        """Put back what a run wrote that was killed; nothing where none was.

        Args:
            progress: told what is done.
            is_committed: whether git has just these files as they are; they stay then.

        Returns:
            The files that were new, and are gone again.

        Raises:
            Refusal: E-UNFINISHED where a file is neither as it was nor as the killed run wrote it, or the record cannot
                be read; nothing was touched then.
            UsageError, Failure: as `files.write`.
        """
        durable.sweep(self.path.parent)
        note = self._read()
        if note is None:
            return ()
        names = tuple(one.file for one in note.files)
        contents = {one.file: _content(self._folder / one.file) for one in note.files}
        written = [one for one in note.files if contents[one.file] != one.before]
        if not written:
            self._end()
            return ()
        when = f"{datetime.fromtimestamp(note.at, UTC):%Y-%m-%d %H:%M} UTC"
        if is_committed(names):
            self._end()
            progress(f"{self._package}: what a run of {when} wrote before it was killed is committed, and stays")
            return ()
        foreign = [one.file for one in written if _digest(contents[one.file]) != one.after]
        if foreign:
            raise Refusal(
                "E-UNFINISHED",
                f"a run of {when} was killed while it wrote {', '.join(names)}; changed since: {', '.join(foreign)}",
                where=str(self._folder / foreign[0]),
                remedy=f"bring the files into the state that they should have, then remove {self.path}",
            )
        progress(f"{self._package}: a run of {when} was killed while it wrote; put back: {', '.join(names)}")
        for one in reversed(written):
            path = self._folder / one.file
            files.write(path, Edit(one.file, contents[one.file], one.before))
            if one.mode is not None and contents[one.file] is None:
                with contextlib.suppress(OSError):
                    path.chmod(one.mode)
        self._end()
        return tuple(one.file for one in written if one.before is None)

    def _begin(self, edits: Sequence[Edit]) -> None:
        kept = tuple(_File(one.file, one.before, _digest(one.after), _mode(self._folder / one.file)) for one in edits)
        note = _Note(_VERSION, self._package, str(self._folder), time.time(), kept)
        durable.make(self.path.parent)
        durable.sweep(self.path.parent)
        durable.write(self.path, msgspec.json.encode(note), what="the record of what is being written cannot be kept")

    def _end(self) -> None:
        try:
            durable.remove(self.path)
        except OSError as error:
            what = "the record of what was written cannot be removed"
            raise durable.failure(error, self.path, what=what) from error

    def _read(self) -> _Note | None:
        try:
            note = msgspec.json.decode(self.path.read_bytes(), type=_Note)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise durable.failure(error, self.path, what="the record of a killed run cannot be read") from error
        except msgspec.MsgspecError as error:
            raise self._unknown(str(error)) from error
        if note.version != _VERSION:
            raise self._unknown(f"it is of version {note.version}")
        if (note.package, note.folder) != (self._package, str(self._folder)):
            raise self._unknown(f"it is of {note.package} in {note.folder}")
        return note

    def _unknown(self, why: str) -> Refusal:
        return Refusal(
            "E-UNFINISHED",
            f"an earlier run was killed while it wrote {self._package}, and its record cannot be used: {why}",
            where=str(self.path),
            remedy="look at the files of the package, bring them in order, then remove the record",
        )


def _content(path: Path) -> bytes | None:
    """What a file has; None without one."""
    try:
        return files.read(path)
    except UsageError:
        return None


def _is(path: Path, content: bytes | None) -> bool:
    try:
        return _content(path) == content
    except XenbumpError:
        return False


def _digest(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
