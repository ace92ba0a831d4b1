"""Whole runs against servers that fail: what they say, what they leave, and that a run after them makes it good.

The usual run of the tests takes a sample of the table; with `XENBUMP_FAULTS=all` it takes all of it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.net_cells import NETWORK, NetCell
from tests.faults.net_house import House, Ran, State
from tests.faults.table import judged, sample, tried

CHOSEN = sample(NETWORK)
CELL = NETWORK[0]
EMPTY = State((), (), ("clean",))
WHOLE = Ran(0, "one pull request\n", "", 1.0, 10.0, (), replace(EMPTY, pulls=(("one",),)))
FAILED = Ran(1, "", f"failed: {min(CELL.codes)}: the server cannot be reached\n", 1.0, 10.0, (), EMPTY)


@pytest.mark.parametrize("cell", CHOSEN, ids=[f"{one.where}: {one.what}" for one in CHOSEN])
def test_a_run_that_meets_a_fault_and_those_after_it(house: House, cell: NetCell) -> None:
    row = tried(house, cell)
    assert (row.problems, row.recovered) == ((), True)


def test_each_server_has_each_fault() -> None:
    """The table has no holes: all faults at the first request to each server, and most at later ones."""
    by_server: dict[str, set[str]] = {}
    places: dict[str, set[str]] = {}
    for cell in NETWORK:
        by_server.setdefault(cell.server, set()).add(cell.what)
        places.setdefault(cell.server, set()).add(cell.place)
    assert set(by_server) == {"github", "packages", "xen", "xenbits"}
    always = [{what for what in found if "after the work" not in what} for found in by_server.values()]
    assert all(found == always[0] for found in always)
    assert all(len(found) >= 3 for found in places.values())
    assert len(set(NETWORK)) == len(NETWORK)


@pytest.mark.parametrize(
    ("ran", "problem"),
    [
        (replace(FAILED, status=None), "it did not end"),
        (replace(FAILED, status=3), "exit status 3 is not documented"),
        (replace(FAILED, stderr="failed: E-OTHER: what\n"), "code E-OTHER in place of"),
        (replace(FAILED, stderr=f"{FAILED.stderr}Traceback (most recent call last)"), "it shows a traceback"),
        (replace(FAILED, stderr=f"{FAILED.stderr}\x1b[31m"), "it shows an escape"),
        (replace(FAILED, stdout="demo-token"), "it shows the token"),
        (replace(FAILED, status=20), "status 20 with an error that is failed"),
        (replace(FAILED, status=1, stderr=""), "status 1 without an error"),
        (replace(FAILED, status=0, stderr=""), "it says nothing of what is missing"),
        (replace(FAILED, state=replace(EMPTY, checkout=("dirty",))), "the checkout is not as it was"),
        (replace(FAILED, leftovers=("tmp/xenbump-1",)), "left behind: tmp/xenbump-1"),
        (replace(FAILED, seconds=100.0), "it took 100 seconds"),
        (replace(FAILED, mebibytes=500.0), "it took 500 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_seen(ran: Ran, problem: str) -> None:
    assert any(problem in one for one in judged(CELL, ran, WHOLE))


def test_what_is_right_is_seen() -> None:
    assert list(judged(CELL, FAILED, WHOLE)) == []
    assert list(judged(replace(CELL, codes=frozenset({""})), WHOLE, WHOLE)) == []
