"""The table of faults: what goes wrong, where, and what a whole run of the program comes to; then without the fault.

Each cell is data. `rows` makes a world, tries the cells in it and tells what came of each; `tools/faults.py` prints
that, and the tests take a sample of it (all of it with `XENBUMP_FAULTS=all`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import prog_bench
from tests.faults.net_cells import NETWORK, NetCell
from tests.faults.net_gate import Gate
from tests.faults.net_house import House, Ran, stood
from tests.faults.prog_cells import PROGRAMS, ProgCell
from tests.support.worlds import START, Stage, isolated_home, quiet
from xenbump.demo import world as worlds
from xenbump.demo.xen_project import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CELLS", "NETWORK", "PROGRAMS", "Row", "judged", "rows", "sample", "tried"]

CELLS: tuple[NetCell | ProgCell, ...] = (*NETWORK, *PROGRAMS)
ALL = os.environ.get("XENBUMP_FAULTS") == "all"
_STATUSES = frozenset({0, 1, 2, 10, 20, 30})
_STATUS_OF = {"failed": 1, "usage": 2, "refused": 20}
# What a run may have in memory beyond what it had when it began; without a fault that is about 30.
_MOST_MEBIBYTES = 90.0
_LIMIT_SECONDS = 45.0
_STOPPED = re.compile(r"^(failed|usage|refused): E-", re.MULTILINE)
_NEVER = {"Traceback": "a traceback", worlds.TOKEN: "the token", "\x1b": "an escape of a terminal"}


@dataclass(frozen=True)
class Row:
    """A cell, and what came of it.

    Attributes:
        what: the fault.
        where: the server or program, and the request or call.
        code: of the error; empty when the run went on to its end.
        status: the exit status; None when the run did not end.
        recovered: a run without the fault came to the state of a run that never met one, and one more did nothing.
        problems: whatever is not as it should be; empty when all is well.
        seconds: how long the run with the fault took.
        said: the first line of the error.
    """

    what: str
    where: str
    code: str
    status: int | None
    recovered: bool
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    said: str = ""


def sample(cells: Iterable[NetCell | ProgCell]) -> list[NetCell | ProgCell]:
    """The cells of a usual test run: those that are marked, or all when all are asked for."""
    return [cell for cell in cells if ALL or cell.usual]


def rows(cells: Iterable[NetCell | ProgCell] = CELLS) -> Iterator[Row]:
    """Make a world, and try cells in it, one after the other."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name, isolated_home(Path(name)):
        folder = Path(name)
        with worlds.stand(folder / "world", version=START, releases=DEFAULT, advisories=quiet) as world:
            (folder / "house").mkdir()
            with stood(Stage(world), folder / "house") as house:
                for cell in cells:
                    yield tried(house, cell)


def tried(house: House, cell: NetCell | ProgCell) -> Row:
    """Run the program with a fault, then without, and once more."""
    goal, asked = house.goal(cell.start, cell.command)
    problems: list[str] = []
    if isinstance(cell, NetCell):
        ran = _with_server(house, cell, asked, problems)
    else:
        ran = _with_program(house, cell, problems)
    problems += judged(cell, ran, goal)
    house.configure()
    again = house.run(*cell.command)
    recovered = again.status == goal.status and _is_reached(cell, again, goal)
    if not recovered:
        problems.append(f"the run after it: status {again.status} {again.code}; {_difference(again, goal)}")
    problems += [f"left behind by the run after it: {left}" for left in again.leftovers]
    once_more = house.run(*cell.command)
    if (once_more.status, once_more.state, house.writes()) != (goal.status, again.state, (0, 0)):
        recovered = False
        problems.append(
            f"one more run: status {once_more.status}, {house.writes()} writes; {_difference(once_more, goal)}"
        )
    first = next((line for line in ran.stderr.splitlines() if _STOPPED.match(line)), "")
    return Row(cell.what, cell.where, ran.code, ran.status, recovered, tuple(problems), ran.seconds, first)


def _is_reached(cell: NetCell | ProgCell, ran: Ran, goal: Ran) -> bool:
    """Whether all is as without a fault, or it is said in the pull request what a person must do about it."""
    if ran.state == goal.state:
        return True
    same = (ran.state.branches, ran.state.checkout) == (goal.state.branches, goal.state.checkout)
    return same and bool(cell.warns) and cell.warns in str(ran.state.pulls)


def _with_server(house: House, cell: NetCell, asked: dict[str, tuple[str, ...]], problems: list[str]) -> Ran:
    if cell.fault is None:
        return _elsewhere(house, cell)
    gate = house.gates[cell.server]
    found = [number for number, one in enumerate(asked[cell.server], 1) if re.search(cell.request, one)]
    number = found[cell.nth - 1]
    with Gate(f"http://127.0.0.1:{gate.behind[1]}") as other:
        house.begin(cell.start)
        gate.order(cell.fault.to(other.url), number, lasting=cell.lasting)
        ran = house.run(*cell.command, entry="impatient" if cell.fault.kind.startswith("silent") else "quick")
        if not gate.met and (cell.fault.kind, number) != ("refused", 1):
            problems.append("the fault befell no request")
        gate.pass_on()
        problems += [f"a redirect was followed: {one}" for one in other.asked]
    return ran


def _elsewhere(house: House, cell: NetCell) -> Ran:
    """The server has an address where nobody should be believed, or nobody is."""
    gate = house.gates[cell.server]
    with Gate(f"http://127.0.0.1:{gate.behind[1]}", house.certificate) as other:
        path = gate.url.split("/", 3)[3]
        address = f"{other.url}/{path}" if cell.what.startswith("TLS") else f"https://host.invalid/{path}"
        house.begin(cell.start, {cell.server: address})
        return house.run(*cell.command)


def _with_program(house: House, cell: ProgCell, problems: list[str]) -> Ran:
    folder = house.programs(name="faulty")
    house.begin(cell.start, {"xen": cell.address} if cell.address else {})
    met = prog_bench.lay(folder, cell.program, cell.fault, cell.calls)
    try:
        ran = house.run(*cell.command, entry=cell.fault.entry, programs=folder)
        if not met.read_text():
            problems.append("the fault befell no call")
        problems += [f"process {pid} is still there" for pid in prog_bench.left_running(folder)]
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            (folder.parent / f"{folder.name}.pids").unlink()
    return ran


def judged(cell: NetCell | ProgCell, ran: Ran, goal: Ran) -> Iterator[str]:
    """What is wrong with a run that met a fault."""
    if ran.status is None:
        yield "it did not end"
        return
    yield from _told(cell, ran, goal)
    if ran.state.checkout != goal.state.checkout:
        yield f"the checkout is not as it was: {ran.state.checkout}"
    yield from (f"left behind: {left}" for left in ran.leftovers)
    if ran.seconds > _LIMIT_SECONDS:
        yield f"it took {ran.seconds:.0f} seconds"
    if ran.mebibytes > _MOST_MEBIBYTES:
        yield f"it took {ran.mebibytes:.0f} MiB of memory"


def _told(cell: NetCell | ProgCell, ran: Ran, goal: Ran) -> Iterator[str]:
    """What is wrong with what such a run says of itself."""
    text = ran.stdout + ran.stderr
    if ran.status not in _STATUSES:
        yield f"exit status {ran.status} is not documented"
    if ran.code not in cell.codes:
        yield f"code {ran.code or 'none'} in place of {', '.join(sorted(cell.codes)) or 'none'}"
    for sign, what in _NEVER.items():
        if sign in text:
            yield f"it shows {what}"
    said = _STOPPED.search(ran.stderr)
    if said is not None and ran.status != _STATUS_OF[said[1]]:
        yield f"status {ran.status} with an error that is {said[1]}"
    if said is None and ran.status != goal.status:
        yield f"status {ran.status} without an error"
    less = (ran.state, ran.stdout) != (goal.state, goal.stdout)
    if said is None and cell.warns and cell.warns not in text + str(ran.state.pulls):
        yield f"it does not say: {cell.warns}"
    if said is None and less and not cell.warns:
        yield f"it says nothing of what is missing: {_difference(ran, goal)}; {_lines(ran.stdout, goal.stdout)}"


def _difference(one: Ran, other: Ran) -> str:
    """In what two states differ."""
    if one.state == other.state:
        return "the same state"
    names = [
        name for name in ("branches", "pulls", "checkout") if getattr(one.state, name) != getattr(other.state, name)
    ]
    return f"{', '.join(names)} differ"


def _lines(one: str, other: str) -> str:
    """The lines that only one of two texts has."""
    mine, theirs = one.splitlines(), other.splitlines()
    return "; ".join(
        [f"+{line}" for line in mine if line not in theirs] + [f"-{line}" for line in theirs if line not in mine]
    )
