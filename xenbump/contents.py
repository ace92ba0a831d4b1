"""What a package is made of, by content: its file, those beside it, those that were read of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from typing import TYPE_CHECKING

from xenbump import process
from xenbump.errors import XenbumpError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xenbump.package.model import Beside
    from xenbump.package.rewrite import Edit

# A package file's folder with more than this is more than a package.
_MOST_FILES, _MOST_BYTES = 500, 20_000_000
_GIT_SECONDS = 60.0


class Seen:
    """The files beside a package file, with a note of each that was read: what its contents are made of.

    Args:
        beside: where they are read from.
    """

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self.contents: dict[str, str] = {}

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder; None where there is none, or it lies outside."""
        content = self._beside.read(name)
        self.contents[posixpath.normpath(name)] = digest(content)
        return content

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder, sorted."""
        return self._beside.names(folder)


def digest(content: bytes | None) -> str:
    """The SHA-256 of a content in hexadecimal digits; empty where there is none."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def changed(file: str, edits: Sequence[Edit]) -> dict[str, str]:
    """The contents after a change, by name from the package file's folder.

    Args:
        file: the package file, named as the edits' files are.
        edits: the change.
    """
    start = posixpath.dirname(file) or "."
    return {posixpath.relpath(edit.file, start): digest(edit.after) for edit in edits}


def around(folder: Path) -> dict[str, str]:
    """The files in and below a package file's folder, but for those that git ignores; nothing for too many."""
    found: dict[str, str] = {}
    total = 0
    for name in _listed(folder):
        path = folder / name
        if not path.is_file():
            continue
        total += path.stat().st_size
        if len(found) >= _MOST_FILES or total > _MOST_BYTES:
            return {}
        with contextlib.suppress(OSError):
            found[posixpath.normpath(name)] = digest(path.read_bytes())
    return found


def _listed(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    with contextlib.suppress(XenbumpError):
        done = process.run(command, timeout=_GIT_SECONDS, check=False)
        if done.status == 0:
            return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if ".git" not in path.parts]
