"""When the upstream is looked at next: pure, from the time, the announced publications, the failures and chance.

Hourly as a rule. Half an hour round an announced publication it is every minute: from two minutes before, since clocks
differ, to 28 minutes behind, since texts, patches and branches follow one another. After failures the pauses grow, up
to the hourly one, and up to a few minutes round a publication. Every pause is spread a little, so that those who watch
do not all ask at the same second.

Two clocks count: the wall clock, by which publications are announced, and a steady one (seconds from any beginning,
never set), by which pauses are measured. Neither is enough: somebody may set the first, and the second stands still
while the machine is suspended. So a look is due by whichever comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

USUAL_SECONDS = 3600.0
CLOSE_SECONDS = 60.0
BEFORE = timedelta(minutes=2)
AFTER = timedelta(minutes=28)
# The part of a pause by which it is shorter or longer.
SPREAD = 0.1
# The beginning of the half hour is only put off.
_LATE_SECONDS = 30.0
_FIRST_RETRY_SECONDS = 60.0
_CLOSE_RETRY_SECONDS = 300.0
# Beyond it the pauses are at their longest anyway, and the power would grow out of all bounds.
_MOST_DOUBLINGS = 16
# What slewing by NTP never reaches between two readings, and what a set clock or a suspended machine does.
_JUMP_SECONDS = 10.0


class Chance(Protocol):
    """A random source, such as `random.Random`."""

    def uniform(self, a: float, b: float) -> float:
        """A number between the two."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of both clocks: `wall` has a time zone; `steady` is in seconds from any beginning."""

    wall: datetime
    steady: float


@dataclass(frozen=True, slots=True)
class Next:
    """When the next look is.

    Attributes:
        at: by the wall clock.
        steady: by the steady one.
        why: in a few words.
        close: whether it is one of those round a publication.
    """

    at: datetime
    steady: float
    why: str
    close: bool = False


def next_look(now: Moment, announced: Iterable[datetime], failures: int, chance: Chance) -> Next:
    """When to look next.

    Args:
        now: when the last look ended.
        announced: the times of publications, past ones too; each has a time zone.
        failures: how many looks in a row have failed; 0: the last one did not.
        chance: spreads the pauses.
    """
    times = sorted(set(announced))
    close = any(_begin(now.wall, time) is None and now.wall < time + AFTER for time in times)
    usual = CLOSE_SECONDS if close else USUAL_SECONDS
    pause, why = usual, "round an announced publication" if close else "hourly"
    if failures > 0:
        retry = _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
        pause = min(retry, _CLOSE_RETRY_SECONDS if close else USUAL_SECONDS)
        why = "again after a failure" if failures == 1 else f"again after {failures} failures"
    pause *= chance.uniform(1 - SPREAD, 1 + SPREAD)
    begins = [begin for time in times if (begin := _begin(now.wall, time)) is not None]
    if begins:
        until = (min(begins) - now.wall).total_seconds() + chance.uniform(0.0, _LATE_SECONDS)
        if until < pause:
            return _in(now, until, "an announced publication", close=True)
    return _in(now, pause, why, close=close)


def _begin(now: datetime, publication: datetime) -> datetime | None:
    """When the half hour of a publication begins; None where it has."""
    try:
        begin = publication - BEFORE
    except OverflowError:  # the year 1
        return None
    return begin if now < begin else None


def _in(now: Moment, seconds: float, why: str, *, close: bool) -> Next:
    return Next(now.wall + timedelta(seconds=seconds), now.steady + seconds, why, close)


def is_due(planned: Next, now: Moment) -> bool:
    """Whether the time has come, by one of the clocks."""
    return now.wall >= planned.at or now.steady >= planned.steady


def seconds_left(planned: Next, now: Moment) -> float:
    """How long to sleep at most; 0 where it is due."""
    return max(0.0, min((planned.at - now.wall).total_seconds(), planned.steady - now.steady))


def jump(before: Moment, now: Moment) -> float:
    """By how many seconds the wall clock went differently from the steady one; 0 where that is nothing to speak of.

    More than 0: it was set forward, or the machine was suspended. Less: it was set back.
    """
    moved = (now.wall - before.wall).total_seconds() - (now.steady - before.steady)
    return moved if abs(moved) >= _JUMP_SECONDS else 0.0


def after_jump(planned: Next, now: Moment, announced: Iterable[datetime], chance: Chance) -> Next:
    """The next look after a jump of the wall clock: as planned by the clock that is sooner, or for a publication.

    Args:
        planned: what was planned before, and is not due.
        now: the clocks as they are now.
        announced: the times of publications.
        chance: spreads the pauses.
    """
    left = seconds_left(planned, now)
    moved = replace(planned, at=now.wall + timedelta(seconds=left), steady=now.steady + left)
    anew = next_look(now, announced, 0, chance)
    return anew if anew.close and anew.steady < moved.steady else moved
