"""When the next look is: properties over any times, failures and chances, and days that pass with set clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenbump import schedule
from xenbump.schedule import AFTER, BEFORE, CLOSE_SECONDS, SPREAD, USUAL_SECONDS, Moment, Next

NOON = datetime(2026, 3, 17, 12, tzinfo=UTC)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis' way
ANY_TIMES = st.datetimes(timezones=st.just(UTC))
FAILURES = st.integers(0, 10_000)
SEEDS = st.integers(0, 2**32)
# A look late by this much in the half hour is none that is every minute.
MINUTE = CLOSE_SECONDS * (1 + SPREAD)


def at(wall: datetime, steady: float = 1000.0) -> Moment:
    return Moment(wall, steady)


def chance(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311 - nothing secret


class Fixed:
    """A chance that always lies at the same place between its bounds."""

    def __init__(self, place: float) -> None:
        self.place = place

    def uniform(self, a: float, b: float) -> float:
        return a + self.place * (b - a)


def is_close(now: datetime, time: datetime) -> bool:
    return time - BEFORE <= now < time + AFTER


@given(TIMES, st.lists(ANY_TIMES, max_size=5), FAILURES, SEEDS)
def test_the_next_look_is_ahead_and_within_the_longest_pause(
    now: datetime, announced: list[datetime], failures: int, seed: int
) -> None:
    planned = schedule.next_look(at(now), announced, failures, chance(seed))
    pause = planned.steady - 1000.0
    assert 0 < pause <= USUAL_SECONDS * (1 + SPREAD)
    assert abs((planned.at - now).total_seconds() - pause) < 0.001
    assert planned.why


@given(TIMES, st.lists(TIMES, max_size=5), SEEDS)
def test_round_a_publication_it_is_every_minute(now: datetime, announced: list[datetime], seed: int) -> None:
    planned = schedule.next_look(at(now), announced, 0, chance(seed))
    pause = planned.steady - 1000.0
    if any(is_close(now, time) for time in announced):
        assert planned.close
        assert pause <= MINUTE
    elif not planned.close:
        assert pause >= USUAL_SECONDS * (1 - SPREAD)
        assert not any(now < time - BEFORE <= planned.at - timedelta(seconds=31) for time in announced)


@given(TIMES, st.timedeltas(timedelta(seconds=1), timedelta(days=30)), FAILURES, SEEDS)
def test_no_pause_goes_beyond_the_beginning_of_a_half_hour(
    now: datetime, ahead: timedelta, failures: int, seed: int
) -> None:
    """Neither the hourly one nor one after failures; it is put off by half a minute at most."""
    time = now + BEFORE + ahead
    planned = schedule.next_look(at(now), [time], failures, chance(seed))
    assert planned.at <= time - BEFORE + timedelta(seconds=30.001)
    assert planned.at > now


@given(TIMES, SEEDS)
def test_pauses_after_failures_grow_up_to_a_cap(now: datetime, seed: int) -> None:
    pauses = [schedule.next_look(at(now), [], count, Fixed(0.5)).steady - 1000.0 for count in range(1, 40)]
    assert pauses[0] == pytest.approx(60.0)
    assert all(after >= before for before, after in pairwise(pauses))
    assert pauses[-1] == pytest.approx(USUAL_SECONDS)
    close = [schedule.next_look(at(now), [now], count, chance(seed)) for count in range(1, 40)]
    assert max(one.steady for one in close) - 1000.0 <= 300 * (1 + SPREAD)
    assert all(one.close for one in close)


@pytest.mark.parametrize(
    ("now", "failures", "why"),
    [
        (NOON, 0, "round an announced publication"),
        (NOON - timedelta(hours=3), 0, "hourly"),
        (NOON - timedelta(minutes=30), 0, "an announced publication"),
        (NOON + AFTER, 0, "hourly"),
        (NOON + timedelta(days=1), 1, "again after a failure"),
        (NOON + timedelta(days=1), 7, "again after 7 failures"),
    ],
)
def test_why(now: datetime, failures: int, why: str) -> None:
    assert schedule.next_look(at(now), [NOON], failures, chance()).why == why


def test_the_pauses_are_spread() -> None:
    pauses = {schedule.next_look(at(NOON), [], 0, chance(seed)).steady for seed in range(50)}
    assert len(pauses) == 50
    first = {schedule.next_look(at(NOON - timedelta(minutes=10)), [NOON], 0, chance(seed)).steady for seed in range(50)}
    assert len(first) == 50


# --- two clocks ------------------------------------------------------------------------------------------------------


@given(TIMES, st.floats(0, 7200), st.floats(-90_000, 90_000))
def test_a_look_is_due_by_the_clock_that_comes_first(now: datetime, passed: float, moved: float) -> None:
    """However the wall clock was set, no pause is longer than planned; and none is longer by the wall clock."""
    planned = schedule.next_look(at(now), [], 0, chance())
    later = Moment(now + timedelta(seconds=passed + moved), 1000.0 + passed)
    if passed >= planned.steady - 1000.0 or later.wall >= planned.at:
        assert schedule.is_due(planned, later)
        assert schedule.seconds_left(planned, later) == 0
    else:
        assert not schedule.is_due(planned, later)
        assert 0 < schedule.seconds_left(planned, later) <= planned.steady - later.steady
        assert later.wall + timedelta(seconds=schedule.seconds_left(planned, later)) <= planned.at


@given(TIMES, st.floats(0, 60), st.floats(-1e6, 1e6))
def test_a_jump_is_what_the_clocks_do_not_agree_on(now: datetime, passed: float, moved: float) -> None:
    found = schedule.jump(at(now), Moment(now + timedelta(seconds=passed + moved), 1000.0 + passed))
    if abs(moved) < 9.9:
        assert found == 0
    elif abs(moved) > 10.1:
        assert found == pytest.approx(moved, abs=0.01)


def test_a_clock_that_is_set_back_shows_a_publication_that_seemed_past() -> None:
    wrong = at(NOON + timedelta(hours=2))
    planned = schedule.next_look(wrong, [NOON], 0, Fixed(0.5))
    assert not planned.close
    right = at(NOON - timedelta(minutes=10), 1060.0)
    moved = schedule.after_jump(planned, right, [NOON], Fixed(0.5))
    assert moved == Next(
        NOON - BEFORE + timedelta(seconds=15), 1060 + 8 * 60 + 15.0, "an announced publication", close=True
    )


@given(TIMES, st.floats(0, 3000), st.floats(-1e6, 1e6), st.lists(TIMES, max_size=3), SEEDS)
def test_a_jump_never_puts_a_look_off(
    now: datetime, passed: float, moved: float, announced: list[datetime], seed: int
) -> None:
    planned = schedule.next_look(at(now), announced, 0, chance(seed))
    later = Moment(now + timedelta(seconds=passed + moved), 1000.0 + passed)
    if schedule.is_due(planned, later):
        return
    anew = schedule.after_jump(planned, later, announced, chance(seed + 1))
    assert anew.steady <= planned.steady
    assert anew.at <= planned.at + timedelta(milliseconds=1)
    assert (anew.at - later.wall).total_seconds() == pytest.approx(anew.steady - later.steady, abs=0.001)
    assert not schedule.is_due(anew, later)


@dataclass
class Days:
    """Time as it passes for a loop that does what `watching` does, without its effects.

    Attributes:
        now: both clocks.
        moves: at which times of the steady clock the wall clock is set, or the machine suspended, and by how much.
        looks: when it was looked.
    """

    now: Moment
    moves: dict[float, float] = field(default_factory=dict)
    looks: list[Moment] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Pass so much time; what happens meanwhile happens."""
        end = self.now.steady + seconds
        moved = sum(by for when, by in self.moves.items() if self.now.steady < when <= end)
        self.now = Moment(self.now.wall + timedelta(seconds=seconds + moved), end)

    def live(self, announced: list[datetime], until: float, seed: int) -> list[Moment]:
        source = chance(seed)
        while self.now.steady < until:
            self.looks.append(self.now)
            planned = schedule.next_look(self.now, announced, 0, source)
            while not schedule.is_due(planned, self.now):
                before = self.now
                self.sleep(min(30.0, schedule.seconds_left(planned, self.now)))
                if schedule.jump(before, self.now) and not schedule.is_due(planned, self.now):
                    planned = schedule.after_jump(planned, self.now, announced, source)
        return self.looks


@settings(max_examples=25)
@given(st.timedeltas(timedelta(hours=1), timedelta(hours=20)), SEEDS)
def test_a_day_with_a_publication(ahead: timedelta, seed: int) -> None:
    looks = [one.wall for one in Days(at(NOON - ahead, 0.0)).live([NOON], 86_400.0, seed)]
    close = [one for one in looks if is_close(one, NOON)]
    assert close[0] <= NOON - BEFORE + timedelta(seconds=31)
    assert close[-1] >= NOON + AFTER - timedelta(seconds=MINUTE + 1)
    assert all((after - before).total_seconds() <= MINUTE for before, after in pairwise(close))
    assert 26 <= len(close) <= 34
    assert 22 <= len(looks) - len(close) <= 28


@settings(max_examples=25)
@given(st.dictionaries(st.floats(1, 80_000), st.floats(-40_000, 40_000), max_size=4), SEEDS)
def test_no_publication_is_missed_however_the_clock_is_set(moves: dict[float, float], seed: int) -> None:
    """By the steady clock no pause is longer than the longest; each move brings one look more than usual at most."""
    days = Days(at(NOON - timedelta(hours=10), 0.0), moves)
    looks = days.live([NOON], 86_400.0, seed)
    pauses = [after.steady - before.steady for before, after in pairwise(looks)]
    assert max(pauses) <= USUAL_SECONDS * (1 + SPREAD) + 0.001
    assert sum(pause < CLOSE_SECONDS * (1 - SPREAD) - 0.001 for pause in pauses) <= len(moves) + 1
    for before, after in pairwise(looks):
        if is_close(before.wall, NOON):
            assert after.steady - before.steady <= MINUTE + 0.001


@pytest.mark.parametrize("hours", [0.2, 1.0, 5.0])
def test_after_a_suspended_machine_wakes_it_looks_at_once(hours: float) -> None:
    """It was put to sleep at 11:00 with the next look at 11:30, and the advisory came at 12:00."""
    days = Days(at(NOON - timedelta(hours=1.5), 0.0), {1800.0: hours * 3600})
    looks = days.live([NOON], 7200.0, 3)
    woken = NOON - timedelta(hours=1) + timedelta(hours=hours)
    after = min(one.wall for one in looks if one.wall >= woken)
    if hours >= 1:
        assert after - woken <= timedelta(seconds=31)
    else:
        # The hourly one was not due yet, and is not put off.
        assert after == pytest.approx(NOON - timedelta(minutes=30), abs=timedelta(minutes=6, seconds=1))
