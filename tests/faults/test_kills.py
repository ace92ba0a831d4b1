"""A whole run is killed before each of its effects; the next one comes to the state of a run that nothing happened to.

A usual test run takes some of the effects; with `XENBUMP_FAULTS=all` it is each one, which takes hours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults import trials, world
from tests.faults.effects import Effect, Kind, Order, Way, library, stable
from xenbump import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.world import Place

ALL = os.environ.get("XENBUMP_FAULTS") == "all"
# Of the effects of each scenario, so many in a usual test run.
SOME = {"checkout": 6, "clone": 0, "api": 0, "commit": 9, "edit": 0}


@pytest.fixture(scope="module", params=[name for name, most in SOME.items() if ALL or most])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with world.stood(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


def test_killed_at_an_effect_the_next_run_comes_to_the_same(place: Place) -> None:
    effects = place.whole.effects
    chosen = effects if ALL else trials.thinned(effects, SOME[place.scenario.name])
    done = [trials.killed(place, effect, torn=torn) for effect, torn in trials.kills(chosen)]
    assert [(trial.what, trial.problems) for trial in done if trial.problems] == []
    assert sum(trial.kills for trial in done) >= len(chosen) - 1


def test_what_an_undisturbed_run_does_is_seen(place: Place) -> None:
    found = place.whole.effects
    assert [effect.number for effect in found] == list(range(1, len(found) + 1))
    kinds = {effect.kind for effect in found}
    assert kinds >= {Kind.OPEN, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.REMOVE, Kind.LOCK, Kind.START, Kind.END}
    assert Kind.READ not in kinds
    assert Kind.READ in {effect.kind for effect in place.reading}
    assert {effect.place.split("/")[1] for effect in found if effect.kind is Kind.WRITE} <= {
        "state",
        "temp",
        "checkout",
    }
    if place.scenario.arguments == ("run",):
        assert any(effect.kind is Kind.SEND and "POST" in effect.place for effect in found)
    starts, ends = ([effect for effect in found if effect.kind is kind] for kind in (Kind.START, Kind.END))
    assert len(starts) == len(ends) > 5


def test_a_change_of_any_part_of_the_state_is_a_difference(place: Place) -> None:
    for key, value in place.state.items():
        other = {**place.state, key: [*value, "more"] if isinstance(value, list) else ("other", value)}
        assert world.differences(place.state, other) != [], key
        assert world.differences(place.state, {name: one for name, one in place.state.items() if name != key}) != []
    assert world.differences(place.state, dict(place.state)) == []


def test_programs_are_started_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", str(library()))
    maps = process.run(["cat", "/proc/self/maps"], cwd=tmp_path).stdout.decode()
    assert "libc" in maps
    assert "effects-" not in maps


def test_names_are_told_without_what_changes(tmp_path: Path) -> None:
    told = {
        f"{tmp_path}/state/git/db3b264a46215de1/lock": "/state/git/<id>/lock",
        f"{tmp_path}/temp/xenbump-gpgv-9f1nky2k/keys.gpg": "/temp/xenbump-gpgv-<any>/keys.gpg",
        f"{tmp_path}/temp/#1234567 (deleted)": "/temp/<nameless>",
        f"{tmp_path}/state/xsa/advisory-480.txt": "/state/xsa/advisory-480.txt",
        f"{tmp_path}/temp/x/objects/a7/b111adce14f828203b960ff0bddfa1bfb04797": "/temp/x/objects/<id>",
    }
    assert [stable(name, tmp_path) for name in told] == list(told.values())


def test_each_kind_and_place_is_tried_before_any_is_twice() -> None:
    effects = [Effect(at, Kind.WRITE, f"/{at % 5}/file") for at in range(1, 101)]
    assert [effect.number for effect in trials.thinned(effects, 50)] == [1, 2, 3, 4, 5]
    assert [effect.number for effect in trials.thinned(effects, 3)] == [1, 2, 4]


def test_a_run_is_killed_where_it_is_ordered(place: Place) -> None:
    place.put_back()
    number = place.whole.effects[-1].number // 2
    ended = place.ran(Order(Way.KILL, number))
    assert (ended.status, ended.hits, len(ended.effects)) == (-9, 1, number)
