"""The program with a limit of memory, and what it took: the entry point of a forked child, and the side of the test.

The limit is of address space (setrlimit(2), RLIMIT_AS) and holds for the programs that it starts, too. What was taken
is the largest resident size, of the program itself and of the largest of its children (getrusage(2)).
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3

from tests.support.forked import Forked

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

MIB = 1 << 20
# What a child of the fork server has before it does anything is 60 to 90 MiB.
_ADDRESS_SPACE = 3 << 30
_LEASH = "HOSTILE_LEASH"


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended.

    Attributes:
        status: the exit status, negative for a signal.
        out: stdout.
        err: stderr.
        seconds: of wall-clock time.
        own: the largest resident size of the program, in MiB.
        child: that of the largest program that it started, in MiB.
    """

    status: int
    out: str
    err: str
    seconds: float
    own: int
    child: int

    @property
    def text(self) -> str:
        """All that it said."""
        return self.out + self.err


def main() -> None:
    """Set the limit and the constants that the order names, run the program, and leave word of what it took.

    The pauses before requests are repeated are left out.
    """
    order = json.loads(os.environ.pop(_LEASH))
    for name, value in order["set"].items():
        module, _, attribute = name.partition(":")
        setattr(importlib.import_module(module), attribute, value)
    urllib3.Retry.sleep = lambda *_: None  # type: ignore[method-assign]
    resource.setrlimit(resource.RLIMIT_AS, (order["space"], order["space"]))
    from xenbump.cli.main import main as program  # noqa: PLC0415 - after the constants are set

    try:
        program()
    finally:
        took = [resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        Path(order["took"]).write_text(json.dumps(took))


def run(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    *,
    took: Path,
    seconds: float = 60.0,
    constants: Mapping[str, object] | None = None,
    space: int = _ADDRESS_SPACE,
) -> Ended:
    """Run the program to its end.

    Args:
        arguments: of the program.
        folder: where it runs.
        environment: all of it.
        took: a file that it may write to.
        seconds: how long it may take; `subprocess.TimeoutExpired` after that, and it is killed.
        constants: module-level names, as `module:name`, that are to have other values in the child.
        space: bytes of address space.
    """
    order = json.dumps({"set": dict(constants or {}), "space": space, "took": str(took)})
    began = time.monotonic()
    with Forked(arguments, folder, {**environment, _LEASH: order}, entry="tests.hostile.leash:main") as process:
        out, err = process.communicate(timeout=seconds)
    spent = time.monotonic() - began
    own, child = json.loads(took.read_text()) if took.exists() else (0, 0)
    took.unlink(missing_ok=True)
    return Ended(process.returncode or 0, out, err, spent, own, child)


def died(error: subprocess.TimeoutExpired) -> str:
    """A word on a run that did not end."""
    return f"{error.cmd} did not end within {error.timeout:g} s"
