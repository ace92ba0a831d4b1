"""Recorded and made-up logs of Nix, for the tests of their reading.

`logs/` was recorded from a real Nix 2.8 with `nix build --log-format internal-json` of a flake whose derivations have
the shell of the machine as their builder: one that succeeds with one behind it, one that fails after 62 lines, two that
fail with what needs them (with and without --keep-going), a wrong hash, an output that is not made, an error in Nix
code (with and without --show-trace), a thrown one, an option that does not exist, and one that a signal ended.
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xenbump.verify import nixlog
from xenbump.verify.nixstate import Problem, State, advance

if TYPE_CHECKING:
    from xenbump.verify.nixlog import Event

LOGS = Path(__file__).parent / "logs"
NAMES = sorted(path.stem for path in LOGS.glob("*.log"))


def events(name: str) -> list[Event]:
    return nixlog.read((LOGS / f"{name}.log").read_bytes())


def after(found: list[Event]) -> State:
    return reduce(advance, found, State())


def cause(name: str) -> Problem:
    problem = after(events(name)).cause()
    assert problem is not None
    return problem


def written(**fields: Any) -> bytes:
    """One line as Nix writes it."""
    return b"@nix " + json.dumps(fields).encode() + b"\n"


def build(*more: bytes) -> list[Event]:
    """The events of a build of `xen` with these lines in it."""
    drv = "/nix/store/" + "a" * 32 + "-xen-4.20.3.drv"
    return nixlog.read(
        written(action="start", id=7, type=105, level=3, text="", fields=[drv, "", 1, 1]) + b"".join(more)
    )
