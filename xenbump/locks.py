"""Locks between runs: one run at a time fetches into a cache, one at a time publishes.

A lock is the kernel's (`flock`), so it ends with the process that holds it, however that ends; the file stays. A
program that is given the lock's open file holds it too: a git that goes on when its xenbump was killed is waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from typing import TYPE_CHECKING

from xenbump.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def locked(path: Path, *, seconds: float, progress: Callable[[str], None] = lambda _: None) -> Iterator[int]:
    """Hold the lock at `path`; gives the number of its open file.

    Args:
        path: the lock file; made when it is missing; its folder must be there.
        seconds: how long to wait for another holder.
        progress: told once that there is another holder.

    Raises:
        Failure: E-LOCKED when another process still holds it after that time, E-STATE when the file cannot be made.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise Failure("E-STATE", f"the lock cannot be made: {error.strerror}", where=str(path)) from error
    with file:
        deadline = time.monotonic() + seconds
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Failure(
                        "E-LOCKED",
                        f"another xenbump has held this lock for {seconds:g} seconds",
                        where=str(path),
                    ) from None
                if not told:
                    progress(f"waiting for another xenbump that holds {path}")
                    told = True
                time.sleep(_POLL_SECONDS)
            except OSError as error:
                raise Failure("E-STATE", f"the lock cannot be used: {error.strerror}", where=str(path)) from error
            else:
                break
        yield file.fileno()
