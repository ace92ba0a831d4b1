"""Where the logs of verifications are kept, and for how long: the newest ones, up to a size."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from xenbump.errors import Failure

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_MOST_BYTES = 256 << 20
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60


def named(what: str, now: datetime) -> str:
    """The name of a folder of logs: the time, so that they sort by it, and what is verified, fit for a file's name."""
    return f"{now:%Y%m%dT%H%M%S}-{_NOT_OF_NAMES.sub('-', what)[:_LONGEST_NAME]}"


def fresh(folder: Path, what: str, now: datetime) -> Path:
    """A new folder for the logs of one verification; the oldest ones go where all of them are more than 256 MiB.

    Args:
        folder: the folder of all logs; made when it is missing.
        what: that is verified: the configured name of a package, or a revision.
        now: the time, which names the folder.

    Raises:
        Failure: E-STATE when it cannot be made.
    """
    prune(folder, _MOST_BYTES)
    name = named(what, now)
    for number in range(1000):
        made = folder / (name if number == 0 else f"{name}.{number}")
        try:
            made.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise Failure("E-STATE", f"the folder of logs cannot be made: {error.strerror}", where=str(made)) from error
        return made
    raise Failure("E-STATE", "a thousand verifications in one second left their logs", where=str(folder))


def prune(folder: Path, most: int) -> None:
    """Remove the oldest logs until all that are left have at most so many bytes; the newest always stays."""
    if not folder.is_dir():
        return
    kept = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.name, reverse=True)
    total = 0
    for number, path in enumerate(kept):
        total += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        if number and total > most:
            shutil.rmtree(path, ignore_errors=True)
