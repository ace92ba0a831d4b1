"""Locks between runs: one run at a time fetches into a cache, one at a time publishes, one edits a checkout.

A lock is the kernel's (`flock`), so it ends with the process that holds it, however that ends; the file stays. A
program that is given the lock's open file holds it too: a git that goes on when its xenbump was killed is waited for.
Who holds it stands in the file, for people: nothing else is made of that.

A run that takes several takes them in this order, so that no two wait for each other:

1. `watch.lock` in the state folder: one watch for it,
2. `xenbump.lock` in the git folder of a checkout (`of_checkout`): one edits or commits there,
3. `verify.lock` in the state folder: one verification at a time,
4. `publish.lock` in the state folder: one publication at a time,
5. those of caches (clones, the upstream's repositories, images) and of the journal while a damaged one is put aside:
   whoever has one of them takes no other.

`try` and `bisect` take `bisect/KEY.lock`, a work tree's `tree.lock`, then those of the tools and the images.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump import durable
from xenbump.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POLL_SECONDS = 0.1
_LONGEST_NOTE = 1000
_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as it says of itself.

    Attributes:
        command: such as `xenbump run`.
        pid: its process.
        host: the machine.
        since: seconds since 1970.
    """

    command: str
    pid: int
    host: str
    since: float

    @classmethod
    def me(cls) -> Holder:
        """This process."""
        name, *arguments = [*sys.argv, ""]
        said = next((word for word in arguments if word and not word.startswith("-")), "")
        command = f"xenbump {said}".strip() if "xenbump" in Path(name).name else "xenbump"
        return cls(_word(command), os.getpid(), _word(platform.node()), time.time())

    def __str__(self) -> str:
        place = "" if self.host == _word(platform.node()) else f" on {self.host}"
        gone = not place and not _lives(self.pid)
        ended = ", which has ended, but a program that it started goes on" if gone else ""
        return f"`{self.command}` (process {self.pid}{place}{ended})"

    @property
    def when(self) -> str:
        """Since when, as people say it."""
        then = datetime.fromtimestamp(self.since, UTC)
        return f"{then:%H:%M} UTC" if then.date() == datetime.now(UTC).date() else f"{then:%Y-%m-%d %H:%M} UTC"


@contextlib.contextmanager
def locked(path: Path, *, seconds: float, progress: Callable[[str], None] = lambda _: None) -> Iterator[int]:
    """Hold the lock at `path`; gives the number of its open file.

    Args:
        path: the lock file; made when it is missing; its folder must be there.
        seconds: how long to wait for another holder.
        progress: told once that there is another holder, and who.

    Raises:
        Failure: E-LOCKED when another process still holds it after that time, E-STATE when the file cannot be made or
            locked, E-DISK when the disk is full.
    """
    number = _opened(path)
    try:
        _wait(number, path, seconds, progress)
        _note(number, Holder.me())
        try:
            yield number
        finally:
            _note(number, None)
    finally:
        os.close(number)


def holder(path: Path) -> Holder | None:
    """Who last said to hold a lock; None where nobody did, or not in a way that can be read."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return _noted(number)
    finally:
        os.close(number)


def of_checkout(git: Path | None, root: Path, state: Path) -> Path:
    """Where the lock of a checkout lies.

    Args:
        git: the git folder of its working tree; None where there is none.
        root: the working tree.
        state: the state folder, which takes the lock where there is no git folder that takes it.

    Raises:
        Failure: E-STATE, E-DISK when the state folder is needed and cannot be made.
    """
    if git is not None:
        path = git / "xenbump.lock"
        if os.access(path, os.R_OK) or os.access(git, os.W_OK | os.X_OK):
            return path
    durable.make(state)
    return state / f"checkout-{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]}.lock"


def _opened(path: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOCTTY
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except OSError as error:
            # Another user's can be held all the same; it only cannot be written into.
            if error.errno not in {errno.EACCES, errno.EROFS, errno.EPERM}:
                raise
            return os.open(path, os.O_RDONLY | flags)
    except OSError as error:
        raise durable.failure(error, path, what="the lock cannot be made") from error


def _wait(number: int, path: Path, seconds: float, progress: Callable[[str], None]) -> None:
    """Wait until the lock is ours."""
    deadline = time.monotonic() + seconds
    told = False
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = _noted(number)
            if time.monotonic() >= deadline:
                what = f"another xenbump has held this lock for {seconds:g} seconds"
                if found is not None:
                    what = f"{found} has held this lock since {found.when}; it was waited for {seconds:g} seconds"
                raise Failure("E-LOCKED", what, where=str(path)) from None
            if not told:
                who = "another xenbump holds" if found is None else f"{found} has held since {found.when}"
                progress(f"waiting for {path}, which {who}")
                told = True
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise Failure("E-STATE", f"the lock cannot be used: {error.strerror}", where=str(path)) from error
        else:
            return


def _note(number: int, who: Holder | None) -> None:
    """Write into a lock's file who holds it; that it cannot be written is no error."""
    with contextlib.suppress(OSError, ValueError):
        os.ftruncate(number, 0)
        if who is not None:
            os.pwrite(number, json.dumps(asdict(who)).encode(), 0)


def _noted(number: int) -> Holder | None:
    """Who stands in a lock's file: anybody may have written anything there."""
    try:
        given = json.loads(os.pread(number, _LONGEST_NOTE, 0))
        found = Holder(_word(given["command"]), int(given["pid"]), _word(given["host"]), float(given["since"]))
        datetime.fromtimestamp(found.since, UTC)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return found if found.command and found.pid > 0 else None


def _word(text: str) -> str:
    """Words for people, of one line and without anything that a terminal would obey."""
    return "".join(one for one in str(text) if one.isprintable() and one != "`")[:_LONGEST_WORD]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True
