"""Files that last: each is there whole or not at all, also after a kill and after the power went.

A file is written beside its place under a name of its own, brought to the disk (`fsync`), and renamed; then its folder
is brought to the disk, which is what makes a rename last (Linux, fsync(2)). Its writer holds the temporary file by a
lock of the kernel's, so that `sweep` can tell what a killed one has left from what is just being written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from xenbump.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# What a folder says that cannot be brought to the disk: some file systems have no such thing, some folders no reader.
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES})
_MARK = ".xenbump-"
_TEMPORARY = re.compile(r"\..*\.xenbump-[0-9a-f]{12}", re.DOTALL)
# A name has at most 255 bytes nearly everywhere.
_LONGEST_START = 60


def write(path: Path, content: bytes, *, code: str = "E-STATE", what: str = "the file cannot be written") -> None:
    """Put a file there as `put` does, with an error that explains itself.

    Args:
        path: the file.
        content: all of it.
        code: of the failure, where it is not that the disk is full.
        what: what failed, as the beginning of a sentence.

    Raises:
        Failure: E-DISK when the disk is full, else `code`; the old file is still there then, and whole.
    """
    try:
        put(path, content)
    except OSError as error:
        raise failure(error, path, code=code, what=what) from error


def deliver(path: Path, content: bytes, *, what: str = "the file cannot be written") -> None:
    """Write what somebody asked for at a path: a file in one step, as `put` does; into a pipe or device as it is.

    A symbolic link is followed.

    Raises:
        Failure: E-DISK when the disk is full, else E-FILE-WRITE.
    """
    try:
        place = path.resolve()
        if place.exists() and not place.is_file():
            with place.open("wb") as file:
                file.write(content)
        else:
            put(place, content)
    except (OSError, RuntimeError) as error:  # the latter: links that lead to one another
        known = error if isinstance(error, OSError) else OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        raise failure(known, path, code="E-FILE-WRITE", what=what) from error


def make(folder: Path, *, what: str = "the state folder cannot be made") -> None:
    """Make a folder, and those above it, where they are missing.

    Args:
        folder: the folder.
        what: what failed, as the beginning of a sentence.

    Raises:
        Failure: E-DISK when the disk is full, else E-STATE.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failure(error, folder, what=what) from error


def failure(error: OSError, path: Path, *, code: str = "E-STATE", what: str = "the file cannot be written") -> Failure:
    """What an error of the system means for a file: E-DISK for a full disk or quota, else `code`."""
    reason = error.strerror or type(error).__name__
    return Failure("E-DISK" if error.errno in _FULL else code, f"{what}: {reason}", where=str(path))


def put(path: Path, content: bytes, *, sync: bool = True, fresh: bool = False) -> None:
    """Put a file there in one step, in the place of what was there; permissions and owner stay those of the old one.

    Args:
        path: the file; its folder must be there. A symbolic link is replaced, not followed.
        content: all of it.
        sync: bring it to the disk; without that, a power cut may leave an empty one (for what is judged when read).
        fresh: only where nothing is there.

    Raises:
        FileExistsError: with `fresh`, something is there.
        OSError: it could not be written; what was there before stays, and nothing is left beside it.
    """
    before = None if fresh else _facts(path)
    mode = 0o666 if before is None else 0o600
    temporary = path.with_name(f".{path.name[:_LONGEST_START]}{_MARK}{secrets.token_hex(6)}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with open(number, "wb", buffering=0) as file:  # noqa: PTH123 - it is open
            _hold(number)
            if before is not None:
                _like(number, before)
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            if sync:
                os.fsync(number)
            # Renamed while it is held: at no time does it look like one that a killed writer has left.
            _name(temporary, path, fresh=fresh)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        settle(path.parent)


def remove(path: Path) -> None:
    """Remove a file for good; that it is gone already is no error.

    Raises:
        OSError: it could not be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        settle(path.parent)


def settle(folder: Path) -> None:
    """Bring the names in a folder to the disk, where its file system can.

    Raises:
        OSError: the disk did not take them.
    """
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_SYNC:
            return
        raise
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(number)


def sweep(folder: Path, told: Callable[[Path], None] = lambda _: None) -> None:
    """Remove what writers that were killed have left in a folder; what one still holds stays, and all that is not ours.

    Args:
        folder: the folder; that it is not there, or nothing in it can be removed, is no error.
        told: called with each that was removed.
    """
    try:
        # Names first: a folder of caches has hundreds.
        found = [folder / name for name in os.listdir(folder) if _MARK in name and _TEMPORARY.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return
    for path in found:
        with contextlib.suppress(OSError):
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                facts = os.fstat(number)
                if stat.S_ISREG(facts.st_mode) and facts.st_uid in {os.geteuid(), os.getuid()}:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    told(path)
            finally:
                os.close(number)


def _facts(path: Path) -> os.stat_result | None:
    """Of the file that is to be replaced; None without one, and for what has no permissions of its own: a link."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None


def _hold(number: int) -> None:
    """Hold an open file, where the file system has locks."""
    with contextlib.suppress(OSError):
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _like(number: int, before: os.stat_result) -> None:
    """Give an open file the owner and permissions of another, where this account may: root must not take one over."""
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(OSError):
            os.fchown(number, before.st_uid, before.st_gid)
    os.fchmod(number, stat.S_IMODE(before.st_mode))


def _name(temporary: Path, path: Path, *, fresh: bool) -> None:
    """Give a written file its name."""
    if not fresh:
        os.replace(temporary, path)  # noqa: PTH105 - the tests stand in for it there
        return
    try:
        os.link(temporary, path)  # which fails where something is there
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        os.replace(temporary, path)  # noqa: PTH105
    else:
        temporary.unlink()


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for passing files that nobody else can read, for the time of a `with` block; in TMPDIR.

    Args:
        name: what it is for; a part of the folder's name.

    Raises:
        Failure: E-DISK when the disk is full, E-STATE for whatever else the system says of the files in it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f"xenbump-{name}-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise _passing(error) from error


@contextlib.contextmanager
def nameless() -> Iterator[IO[bytes]]:
    """A passing file without a name, for the time of a `with` block.

    Raises:
        Failure: E-DISK, E-STATE, when it cannot be made.
    """
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - only its making is to be explained here
    except OSError as error:
        raise _passing(error) from error
    with file:
        yield file


def _passing(error: OSError) -> Failure:
    place = Path(str(error.filename or "the folder for temporary files (TMPDIR)"))
    return failure(error, place, what="a temporary file cannot be used")
