"""Files on disk: read whole, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from xenbump import durable, process
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xenbump.package.rewrite import Edit

_LARGEST = 2_000_000
_NIX_SECONDS = 30.0
# The dummy store: a parse needs none, and a plain user may not make the real one.
_PARSE = ("nix-instantiate", "--store", "dummy://", "--parse")


def read(path: Path) -> bytes:
    """The bytes of a package file.

    Raises:
        UsageError: E-FILE-MISSING when there is no such file.
        Failure: E-FILE-READ when it cannot be read.
        Refusal: E-FILE-SIZE when it is no package file by its size (over 2 MB).
    """
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise Failure("E-FILE-READ", "it is a folder, not a file", where=str(path))
        if not stat.S_ISREG(facts.st_mode):
            # Reading a pipe or a device could wait for ever.
            raise Failure("E-FILE-READ", "it is not a regular file", where=str(path))
        if facts.st_size > _LARGEST:
            raise Refusal("E-FILE-SIZE", f"the file has more than {_LARGEST} bytes", where=str(path))
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError("E-FILE-MISSING", "there is no such file", where=str(path)) from error
    except OSError as error:
        raise Failure("E-FILE-READ", f"the file cannot be read: {error.strerror}", where=str(path)) from error


def refuse_read_only(path: Path) -> None:
    """Refuse a file that its owner has made read-only; a rename would go round that.

    Raises:
        UsageError: E-FILE-MISSING when it is gone.
        Failure: E-FILE-WRITE.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise UsageError("E-FILE-MISSING", "the file is gone", where=str(path)) from error
    except OSError as error:
        raise Failure("E-FILE-WRITE", f"the file cannot be reached: {error.strerror}", where=str(path)) from error
    writable = mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    if not writable or not os.access(path, os.W_OK):
        raise Failure("E-FILE-WRITE", "the file is read-only", where=str(path))


def write(path: Path, edit: Edit) -> None:
    """Put an edited file in the place of the old one, in one step, with its permissions.

    Args:
        path: the file; a symbolic link is followed, and what it points to is replaced. A new file gets the folders that
            it needs, and the permissions of any new file; one that goes takes folders along that are empty then.
        edit: before and after.

    Raises:
        Refusal: E-FILE-CHANGED when the file is not as it was read.
        Failure: E-FILE-WRITE when it cannot be written, E-DISK when the disk is full; the old file is still there then,
            and whole.
    """
    link, path = path, path.resolve()
    refuse_changed(path, edit)
    try:
        if edit.after is None:
            # Where it is a link, others may use what it leads to.
            durable.remove(link)
            _remove_empty(link.parent)
            return
        _make(path.parent)
        durable.put(path, edit.after)
    except OSError as error:
        raise durable.failure(error, path, code="E-FILE-WRITE") from error


def write_all(folder: Path, edits: Sequence[Edit]) -> None:
    """Write edits, all of them or none, unless this process is killed: `unfinished.Record` is for that.

    Args:
        folder: the folder that their paths start from.
        edits: the edits, each of another file.

    Raises:
        Refusal, Failure, UsageError: as `write`; what had been written by then is put back.
    """
    refuse_all_changed(folder, edits)
    for place in {(folder / edit.file).resolve().parent for edit in edits}:
        durable.sweep(place)
    begun: list[Edit] = []
    try:
        for edit in edits:
            begun.append(edit)
            write(folder / edit.file, edit)
    except BaseException:
        # The last one may be there, too: it is when what failed came behind the rename.
        for edit in reversed(begun):
            with contextlib.suppress(XenbumpError):
                write(folder / edit.file, replace(edit, before=edit.after, after=edit.before))
        raise


def refuse_all_changed(folder: Path, edits: Sequence[Edit]) -> None:
    """Refuse edits of which a file is not as it was read, or is read-only.

    Raises:
        Refusal, UsageError, Failure: as `refuse_changed`.
    """
    for edit in edits:
        refuse_changed((folder / edit.file).resolve(), edit)


def refuse_changed(path: Path, edit: Edit) -> None:
    """Refuse a file that is not as it was read, or that its owner has made read-only.

    Raises:
        Refusal: E-FILE-CHANGED.
        UsageError, Failure: as `read` and `refuse_read_only`.
    """
    if edit.before is None:
        if path.exists():
            raise Refusal("E-FILE-CHANGED", "the file is there, and was not when it was planned", where=str(path))
        return
    if read(path) != edit.before:
        raise Refusal("E-FILE-CHANGED", "the file has changed since it was read", where=str(path))
    refuse_read_only(path)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that has lost its last file, as git would; and those above it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
        _remove_empty(folder.parent)


def _make(folder: Path) -> None:
    """Make a folder and those above it that are missing, for good."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        durable.settle(folder.parent)


class Around:
    """The files around a package file in the working tree.

    Args:
        path: the package file.
        root: the folder outside of which nothing is read.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._folder = path.parent
        self._root = root.resolve()

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder; None where there is none, or it lies outside."""
        path = self._inside(name)
        if path is None:
            return None
        try:
            return read(path)
        except XenbumpError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder, sorted; nothing where there is none, or it lies outside."""
        path = self._inside(folder)
        try:
            return tuple(sorted(found.name for found in path.iterdir())) if path is not None else ()
        except OSError:
            return ()

    def _inside(self, name: str) -> Path | None:
        try:
            path = (self._folder / name).resolve()
        except (OSError, RuntimeError):  # links that lead to one another
            return None
        return path if path.is_relative_to(self._root) else None


def nix_parses(edit: Edit) -> bool:
    """Whether Nix itself was at hand and able to judge the edited file; of one that goes there is nothing to judge.

    Raises:
        Failure: E-EDIT-CHECK when Nix accepts the file as it was and not the edited one.
    """
    if edit.after is None or not edit.file.endswith(".nix"):
        return True
    try:
        after, before = (
            process.run([*_PARSE, "-"], stdin=content, timeout=_NIX_SECONDS, check=False)
            for content in (edit.after, b"1" if edit.before is None else edit.before)
        )
    except Failure as error:
        if error.code == "E-PROGRAM-MISSING":
            return False
        raise
    if after.status != 0 and before.status == 0:
        raise Failure("E-EDIT-CHECK", f"Nix does not accept the edited file: {after.error_text}", where=edit.file)
    return after.status == 0
