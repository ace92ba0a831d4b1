"""The program with short limits: what a process of its own calls in place of the entry point of the program.

How long a run waits, and how often it tries, is fixed in the program; a fault that uses a limit up would take minutes.
"""

from __future__ import annotations

import atexit
import os
import resource
from pathlib import Path
from typing import Any

from xenbump.cli.main import main
from xenbump.package import files
from xenbump.publish import git_calls, github, github_app, github_requests
from xenbump.upstream import git, signature, xenbits

ENTRY = "tests.faults.net_entry:{}"
# Where the most memory is told that the process had, and how much it had when it began; both in KiB.
MEMORY = "XENBUMP_TEST_MEMORY"
_SILENT_SECONDS, _PROGRAM_SECONDS = 1, 3.0


def _put(module: object, name: str, value: Any) -> None:
    """Replace a constant, which must be there."""
    getattr(module, name)
    setattr(module, name, value)


def quick() -> None:
    """No pauses between tries, and none that a server asks for."""
    for module, name, value in (
        (xenbits, "_PAUSES", (0.0, 0.0, 0.0)),
        (xenbits, "_LONGEST_PAUSE", 0.0),
        (github, "_RETRY", github._RETRY.new(backoff_factor=0)),
        (github, "_SLEEP", lambda _: None),
        (github_requests, "_PAUSES_SECONDS", (0.0, 0.0, 0.0)),
    ):
        _put(module, name, value)
    _run()


def impatient() -> None:
    """The same, and a server that says nothing is left after a second."""
    for module, name, value in (
        (xenbits, "_TIMEOUT_SECONDS", (1.0, 1.0)),
        (git, "STALL_SECONDS", _SILENT_SECONDS),
        (git_calls, "_SILENT_SECONDS", _SILENT_SECONDS),
        (github, "_TIMEOUT_SECONDS", _SILENT_SECONDS),
        (github_app, "_TIMEOUT_SECONDS", _SILENT_SECONDS),
    ):
        _put(module, name, value)
    quick()


def hurried() -> None:
    """The same as `quick`, and a program that does not end is ended after a few seconds."""
    for module, name in (
        (git, "LIST_SECONDS"),
        (git, "FETCH_SECONDS"),
        (signature, "_SECONDS"),
        (git_calls, "_PUSH_SECONDS"),
        (files, "_NIX_SECONDS"),
    ):
        _put(module, name, _PROGRAM_SECONDS)
    quick()


def _run() -> None:
    told = os.environ.pop(MEMORY, "")
    if told:
        before = _most()
        atexit.register(lambda: Path(told).write_text(f"{before} {_most()}", "ascii"))
    main()


def _most() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
