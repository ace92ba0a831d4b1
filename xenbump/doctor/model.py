"""One thing that is looked at, and what was found: the values of `xenbump doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Result(StrEnum):
    """How a check ends; the names are fixed by `docs/interface.md`."""

    OK = "ok"
    LACKING = "lacking"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found in one place.

    Attributes:
        name: what was looked at, as it is shown; no two checks of one examination have the same.
        result: ok; lacking: the work goes on with less; broken: the work stops there; skipped: not looked at.
        what: what was found; of a skipped one, why.
        costs: what cannot be done, or is done worse; empty where it is ok or was skipped.
        do: one command or one line of configuration that mends it; empty where nothing does or nothing has to.
        seconds: how long it took.
    """

    name: str
    result: Result
    what: str
    costs: str = ""
    do: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Probe:
    """A check to be made.

    Attributes:
        name: of the check that comes out.
        work: makes it; what it raises is a finding, too.
        seconds: how long it may take.
        costs: what is lost where it raises or takes longer.
        grave: whether it counts as broken then, and not only as lacking.
    """

    name: str
    work: Callable[[], Check]
    seconds: float
    costs: str
    grave: bool = True

    def failed(self, what: str, do: str = "") -> Check:
        """The check of a probe that came to nothing."""
        return Check(self.name, Result.BROKEN if self.grave else Result.LACKING, what, self.costs, do)


def ok(name: str, what: str) -> Check:
    """A check that is as it should be."""
    return Check(name, Result.OK, what)


def skipped(name: str, why: str) -> Check:
    """A check that was not made."""
    return Check(name, Result.SKIPPED, why)


def lack(name: str, what: str, costs: str, do: str, *, broken: bool = False) -> Check:
    """A check that is not as it should be."""
    return Check(name, Result.BROKEN if broken else Result.LACKING, what, costs, do)


def is_sound(checks: tuple[Check, ...]) -> bool:
    """Whether nothing is broken."""
    return all(check.result is not Result.BROKEN for check in checks)
