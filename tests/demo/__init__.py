"""Tests of the stand-ins: with the real git and gpg, and real HTTP on the loopback interface."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


def processes_with(text: str) -> list[int]:
    """The ids of the running processes that have `text` in their command line or environment (Linux only)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        seen = b""
        for name in ("cmdline", "environ"):
            # It has ended, or is somebody else's; an agent hides its environment even from its own user.
            with contextlib.suppress(OSError):
                seen += (folder / name).read_bytes()
        if text.encode() in seen:
            found.append(int(folder.name))
    return found


def some_begin_with(text: str, seconds: float = 5.0) -> bool:
    """Whether there is a process with `text` within a moment."""
    return _comes_to_be(text, seconds, there=True)


def none_left_with(text: str, seconds: float = 5.0) -> bool:
    """Whether all processes with `text` end within a moment."""
    return _comes_to_be(text, seconds, there=False)


def _comes_to_be(text: str, seconds: float, *, there: bool) -> bool:
    deadline = time.monotonic() + seconds
    while bool(processes_with(text)) != there:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
