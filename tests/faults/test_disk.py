"""The disk fails at an effect: the run says so with a code, and the next one comes to the same state.

A usual test run takes some of the effects; with `XENBUMP_FAULTS=all` it is each one, which takes hours.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import trials, world
from tests.faults.effects import DISK, Effect, Kind, Order, Way
from tests.faults.trials import ERRORS, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.world import Place

ALL = os.environ.get("XENBUMP_FAULTS") == "all"
SOME = {"edit": 14, "checkout": 0, "clone": 0, "api": 0, "commit": 0}


@pytest.fixture(scope="module", params=[name for name, most in SOME.items() if ALL or most])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with world.stood(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


def test_where_the_disk_fails_it_is_said_and_the_next_run_comes_to_the_same(place: Place) -> None:
    effects = [effect for effect in place.reading if effect.kind in DISK]
    chosen = effects if ALL else trials.thinned(effects, SOME[place.scenario.name])
    done = [trials.failed(place, fault) for fault in trials.faults(chosen)]
    assert [(trial.what, trial.problems) for trial in done if trial.problems] == []


def test_a_write_by_half_is_one(place: Place) -> None:
    place.put_back()
    effect = next(effect for effect in place.reading if effect.place.endswith(".sqlite3-wal") and effect.kind == 1)
    order = Fault(effect, errno.ENOSPC, short=True).order
    ended = place.ran(Order(order.way, order.number, order.error, below=place.folder))
    assert (order.way, ended.hits) == (Way.SHORT, 1)


def test_each_error_has_its_turn_passing_and_staying() -> None:
    effects = [Effect(number, kind, f"/{number}") for kind in DISK for number in range(1, 12)]
    found = {(fault.effect.kind, fault.error, fault.stays) for fault in trials.faults(effects) if not fault.short}
    assert found == {(kind, error, stays) for kind in DISK for error in ERRORS[kind] for stays in (False, True)}
    assert {fault.effect.kind for fault in trials.faults(effects) if fault.short} == {Kind.WRITE}
    names = {fault.name for fault in trials.faults(effects)}
    assert names >= {"ENOSPC", "ENOSPC, and stays", "ENOSPC after half", "EROFS", "EACCES", "EIO", "EDQUOT", "ENOLCK"}


def test_what_is_read_again_and_again_fails_twice() -> None:
    effects = [Effect(number, Kind.READ, "/file") for number in range(1, 9)]
    assert [fault.effect.number for fault in trials.faults(effects)] == [1, 2]
