"""A disk that is full: a file system of 1 MiB where this account may mount one, else a limit on the size of files.

The second is not the same: only files that would get larger than what is left cannot be written, and the reason that is
given is another one. So tests ask what the code is.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZE = 1 << 20


class SmallDisk:
    """The folder of a small disk.

    Attributes:
        folder: on it.
        is_real: whether it is a file system of its own.
    """

    def __init__(self, folder: Path, *, is_real: bool) -> None:
        self.folder = folder
        self.is_real = is_real
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, *, leave: int = 0) -> None:
        """Let there be no room for more than some bytes."""
        if not self.is_real:
            resource.setrlimit(resource.RLIMIT_FSIZE, (leave, self._before[1]))
            return
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            facts = os.statvfs(self.folder)
            file.write(b"x" * max(0, facts.f_bavail * facts.f_frsize - leave))

    def clear(self) -> None:
        """Make room again."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        (self.folder / "filler").unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A small disk below a folder, for the time of a `with` block."""
    place = folder / "disk"
    place.mkdir()
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    is_real = _did(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)])
    disk = SmallDisk(place, is_real=is_real)
    try:
        yield disk
    finally:
        disk.clear()
        signal.signal(signal.SIGXFSZ, before)
        if is_real:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[bool]:
    """Let nothing be written in a folder for the time of a `with` block; gives whether that could be done.

    Root goes by no permissions, so it gets the folder mounted over itself, to be read only.
    """
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield True
        finally:
            folder.chmod(0o755)
        return
    bound = _did(["mount", "--bind", str(folder), str(folder)])
    done = bound and _did(["mount", "-o", "remount,ro,bind", str(folder)])
    try:
        yield done
    finally:
        if bound:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _did(command: list[str]) -> bool:
    """Whether a command of root's did its work; not for anybody else, nor in a container that may not mount."""
    if os.geteuid() != 0 or shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
