"""What a check is, what it finds, and how one is run so that nothing that happens in it goes past its limit."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .machine import Waiting
from .report import FAILED, PASSED, SKIPPED, CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from .job import Job
    from .machine import Machine, Result

_LINES = 40
_WIDTH = 300
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Found:
    """What a check found: `passed`, `failed` or `skipped`, the reason in one sentence, and the lines it rests on."""

    result: str
    reason: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: the name by which a job asks for it.
        requirement: what has to be so, as a sentence.
        run: looks, and says what it found. It reaches the machine by its argument only, and may raise anything.
        guest: it starts a guest, and has the time limit of guests.
    """

    name: str
    requirement: str
    run: Callable[[Machine, Job], Found] = field(repr=False)
    guest: bool = False


class OverdueError(Exception):
    """A check's time is over."""


class Limited(Waiting):
    """A machine on which no command runs past a deadline.

    Args:
        machine: the machine.
        deadline: on the clock of `time.monotonic`.
    """

    def __init__(self, machine: Machine, deadline: float) -> None:
        self._machine = machine
        self._deadline = deadline

    def run(self, command: str, *, timeout: float) -> Result:
        """Run a command with what is left of the time.

        Raises:
            OverdueError: nothing is left, or the command was ended by the deadline and not by its own limit.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise OverdueError
        result = self._machine.run(command, timeout=min(timeout, left))
        if time.monotonic() >= self._deadline:
            raise OverdueError
        return result


def passed(reason: str = "", *evidence: str) -> Found:
    """It is as required."""
    return Found(PASSED, reason, evidence)


def failed(reason: str, *evidence: str) -> Found:
    """It is not."""
    return Found(FAILED, reason, evidence)


def skipped(reason: str, *evidence: str) -> Found:
    """It could not be looked at, for this reason."""
    return Found(SKIPPED, reason, evidence)


def refused(command: str, result: Result) -> Found:
    """A command that had to work did not."""
    how = "did not end in time" if result.status < 0 else f"ended with status {result.status}"
    said = result.lines[-1] if result.lines else "it said nothing"
    return failed(f"`{command}` {how}: {said}", *result.lines[-_LINES:])


def perform(check: Check, machine: Machine, job: Job, *, seconds: float) -> CheckResult:
    """Run a check within a time limit; whatever is raised in it makes it a failed one.

    Args:
        check: what to look at.
        machine: where.
        job: what is expected.
        seconds: the limit.
    """
    start = time.monotonic()
    try:
        found = check.run(Limited(machine, start + seconds), job)
    except OverdueError:
        found = failed(f"it was not done within {seconds:g} seconds")
    except Exception as error:  # noqa: BLE001 - the other checks have to be run whatever this one meets
        found = failed(f"the check itself failed: {type(error).__name__}: {error}")
    return CheckResult(
        name=check.name,
        requirement=check.requirement,
        result=found.result,
        reason=_clean(found.reason),
        evidence=clipped(found.evidence),
        seconds=round(time.monotonic() - start, 3),
    )


def clipped(lines: tuple[str, ...], most: int = _LINES) -> tuple[str, ...]:
    """Lines fit for a report: no control characters, not too wide, and of many the first and the last."""
    if len(lines) > most:
        half = most // 2
        lines = (*lines[:half], f"({len(lines) - 2 * half} lines are left out)", *lines[-half:])
    return tuple(_clean(line) for line in lines)


def _clean(line: str) -> str:
    line = _CONTROL.sub("", line).rstrip()
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
