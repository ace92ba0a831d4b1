"""What a benchmark found out, and the frame that all of them share: print, compare with the target, hand over.

Each file in `bench/` has a function `measure` that prints its figures and gives back one or several `Measured`; `main`
makes a program of it, with `--json FILE` for `run.py`, which collects them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GENERATED, REAL = "generated", "the real Xen"


class Accepted(msgspec.Struct, frozen=True):
    """A target that is missed for a reason: how far it may be missed, and why."""

    limit: float
    reason: str


class Measured(msgspec.Struct, frozen=True):
    """One figure and its target.

    Attributes:
        name: what was measured, in a few words.
        against: what people would use instead; empty where the target stands for itself.
        value: the ratio, or a figure of its own.
        target: what it is to be; None for one that is only told.
        faster: whether the ratio says how many times faster it is, so that more is better; else less is.
        unit: of the figure; empty for a ratio.
        given: what it was measured on.
        accepted: for a target that is missed.
        told: a sentence that belongs beside the figure.
    """

    name: str
    against: str
    value: float
    target: float | None
    faster: bool = False
    unit: str = ""
    given: str = GENERATED
    accepted: Accepted | None = None
    told: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met; a figure without one meets it."""
        return self.target is None or self._within(self.target)

    @property
    def passes(self) -> bool:
        """Whether the target is met, or missed no further than there is a reason for."""
        return self.met or (self.accepted is not None and self._within(self.accepted.limit))

    def _within(self, limit: float) -> bool:
        return self.value >= limit if self.faster else self.value <= limit

    @property
    def shown(self) -> str:
        """The value in words."""
        return _shown(self.value, self.unit)

    @property
    def wanted(self) -> str:
        """The target in words."""
        if self.target is None:
            return "told only"
        return f"at {'least' if self.faster else 'most'} {_shown(self.target, self.unit)}"

    def line(self) -> str:
        """All of it in one line."""
        against = f" against {self.against}" if self.against else ""
        state = "" if self.met else ", missed" if not self.passes else ", missed for a reason"
        return f"{self.name}{against}: {self.shown} ({self.wanted}{state})"


class Missing(Exception):
    """What a benchmark needs is not here; in words."""


class Handed(msgspec.Struct, frozen=True):
    """What a benchmark hands over: its figures, or what it lacked."""

    figures: tuple[Measured, ...] = ()
    lacked: str = ""


def real_xen() -> Path | None:
    """The bare repository with Xen's history that `XENBUMP_REAL_XEN` names; None where it is not set."""
    named = os.environ.get("XENBUMP_REAL_XEN")
    return Path(named) if named else None


def main(measure: Callable[[], Sequence[Measured]]) -> int:
    """Measure, print, and write the figures to the file that the command line names; return the exit status.

    The status is 1 where a target is missed further than a reason is given for, or where something is missing.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    try:
        handed = Handed(tuple(measure()))
    except Missing as error:
        print(f"not measured: {error}")
        handed = Handed(lacked=str(error))
    for one in handed.figures:
        print(one.line())
        if not one.met and one.accepted is not None:
            print(f"  {one.accepted.reason}")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.encode(handed))
    return int(bool(handed.lacked) or not all(one.passes for one in handed.figures))


_MANY, _SOME, _LITTLE = 100, 10, 0.05
_COUNTED = frozenset({"files"})


def _shown(value: float, unit: str) -> str:
    digits = f"{value:,.0f}" if value >= _MANY else f"{value:.1f}" if value >= _SOME else f"{value:.2f}"
    if 0 < value < _LITTLE:
        digits = f"{value:.2g}"
    elif unit in _COUNTED:
        digits = f"{value:,.0f}"
    return f"{digits} {unit}" if unit else f"{digits} times"
