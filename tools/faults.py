"""Kill a run after every effect, let the disk, the network and programs fail, and count what differs afterwards.

`tools/faults.py` tries every effect of every scenario, which takes long; `--jobs 2` shares it between two processes,
`--every 10` tries a tenth, `--scenario` and `--part` some. It prints how many effects, kills and differences there
were, the table of the disk's errors and that of network and programs, and ends with 1 where anything differed.
`--write` writes the figures as a page as well.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults import table, trials, world
from tests.faults.effects import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.table import Row
    from tests.faults.trials import Trial

PARTS = ("kills", "disk", "table")
# What is left when a run gets over an error has no code.
WENT_ON = "went on"
_TELL_EVERY = 25


@dataclass
class Figures:
    """What came of the trials.

    Attributes:
        kills: for each scenario the command, its effects, how often a run was killed, the differences, and how many
            temporary files were left at most.
        disk: for each error and kind of effect how often which code came of it.
        rows: the table of network and programs.
        wrong: what is not as it should be.
        seconds: how long it took.
        every: of so many effects one was tried.
    """

    kills: dict[str, tuple[str, int, int, int, int]] = field(default_factory=dict)
    disk: defaultdict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter[str]))
    rows: list[Row] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    every: int = 1

    def add(self, others: Figures) -> None:
        """Add what another process has tried."""
        for name, (command, effects, *counts, left) in others.kills.items():
            before = self.kills.get(name, (command, effects, 0, 0, 0))
            sums = (before[2] + counts[0], before[3] + counts[1])
            self.kills[name] = (command, max(before[1], effects), *sums, max(before[4], left))
        for cell, codes in others.disk.items():
            self.disk[cell] += codes
        self.rows += others.rows
        self.wrong += others.wrong


@dataclass(frozen=True)
class Share:
    """What one of several processes tries: of these scenarios and parts the effects from `at` on, one of `of`."""

    scenarios: tuple[str, ...]
    parts: tuple[str, ...]
    every: int
    at: int
    of: int


def main() -> int:
    """Try, print, and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, metavar="K", help="try one of so many effects")
    parser.add_argument("--scenario", action="append", choices=world.SCENARIOS, help="this one, and no other")
    parser.add_argument("--part", action="append", choices=PARTS, help="this one, and no other")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as a page")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many processes, each with own worlds")
    given = parser.parse_args()
    os.nice(10)
    figures, began = Figures(every=given.every), time.monotonic()
    names, parts = tuple(given.scenario or world.SCENARIOS), tuple(given.part or PARTS)
    shares = [Share(names, parts, given.every, at, given.jobs) for at in range(given.jobs)]
    if given.jobs == 1:
        figures.add(_tried(shares[0]))
    else:
        with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
            for found in pool.map(_tried, shares):
                figures.add(found)
    figures.seconds = time.monotonic() - began
    text = "\n".join(_told(figures))
    print(text)
    if given.write:
        given.write.write_text(_page(figures), "utf-8")
    return int(bool(figures.wrong))


def _tried(share: Share) -> Figures:
    """Try what a process is to try."""
    figures = Figures(every=share.every)
    for name in share.scenarios:
        if {"kills", "disk"} & set(share.parts):
            _scenario(name, figures, share)
    if "table" in share.parts:
        for row in table.rows(table.CELLS[share.at :: share.of]):
            figures.rows.append(row)
            figures.wrong += [f"{row.what} at {row.where}: {problem}" for problem in row.problems]
            print(f"  {row.where}: {row.what}: {row.code or WENT_ON}", flush=True)
    return figures


def _scenario(name: str, figures: Figures, share: Share) -> None:
    """Try what there is to be tried in a scenario's world."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, world.stood(name, Path(folder)) as place:
        effects = place.whole.effects
        print(f"{name}: {len(effects)} effects", flush=True)
        if "kills" in share.parts:
            chosen = trials.kills(effects)[:: share.every][share.at :: share.of]
            done = list(_noted((trials.killed(place, effect, torn=torn) for effect, torn in chosen), figures))
            figures.kills[name] = (
                " ".join(("xenbump", *place.scenario.arguments)),
                len(effects),
                sum(trial.kills for trial in done),
                sum(bool(trial.problems) for trial in done),
                max((trial.temporary for trial in done), default=0),
            )
        if "disk" in share.parts:
            faults = list(trials.faults(place.reading))[:: share.every][share.at :: share.of]
            for trial in _noted((trials.failed(place, fault) for fault in faults), figures):
                figures.disk[trial.fault, trial.kind.name.lower()][trial.code or WENT_ON] += 1


def _noted(done: Iterator[Trial], figures: Figures) -> Iterator[Trial]:
    for number, trial in enumerate(done, 1):
        if number % _TELL_EVERY == 0:
            print(f"  {number} tried", flush=True)
        for problem in trial.problems:
            print(f"  {trial.what}: {problem}", flush=True)
            figures.wrong.append(f"{trial.what}: {problem}")
        yield trial


def _kills(figures: Figures) -> list[tuple[str, ...]]:
    rows = [
        (name, command, str(effects), str(kills), str(differences), str(left))
        for name, (command, effects, kills, differences, left) in figures.kills.items()
    ]
    sums = [str(sum(one[at] for one in figures.kills.values())) for at in (1, 2, 3)]  # type: ignore[misc]
    head = ("scenario", "command", "effects", "kills", "differences", "temporary files left, at most")
    return [head, *rows, ("all", "", *sums, "")]


def _disk(figures: Figures) -> list[tuple[str, ...]]:
    kinds = [kind.name.lower() for kind in Kind if any(kind.name.lower() == one for _, one in figures.disk)]
    errors = sorted({error for error, _ in figures.disk})
    rows = [(error, *(_codes(figures.disk.get((error, kind), Counter())) for kind in kinds)) for error in errors]
    return [("error", *kinds), *rows]


def _codes(found: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in sorted(found.items()))


def _table(figures: Figures) -> list[tuple[str, ...]]:
    rows = [
        (row.where, row.what, row.code or WENT_ON, "yes" if row.recovered and not row.problems else "NO")
        for row in figures.rows
    ]
    return [("where", "fault", "what was said", "the next run came to the same"), *rows]


def _told(figures: Figures) -> Iterator[str]:
    yield ""
    for title, rows in _parts(figures):
        yield title
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        yield from ("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        yield ""
    yield f"{len(figures.wrong)} differences in {figures.seconds:.0f} s; one of {figures.every} effects was tried"


def _parts(figures: Figures) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    if figures.kills:
        yield "Killed at every effect", _kills(figures)
    if figures.disk:
        yield "Errors of the disk", _disk(figures)
    if figures.rows:
        yield "Errors of network and programs", _table(figures)


_BEGINNING = """\
# Faults

What becomes of a run of xenbump that is killed, or whose disk, network or programs fail. `make faults` tries it all
again and writes this page with `ARGS='--write docs/faults.md'`.

An effect is what the process does to the world: a file opened to write, written, brought to the disk, renamed, removed,
a folder made, a lock taken, a program started, its end collected, a request sent, a reply received. The process is
ended with `kill -9` before each effect, and in the middle of each write; programs that it started go on, as they would.
Then the same command runs again, and the world must be as it is after a run that nothing happened to: branches, trees,
messages, pull requests, comments, labels, files, what git says of its repositories, the journal, and no lock or half
file left. One more run must write nothing. For an error the run must end with a documented code, too, or get over it.
Temporary files in the system's folder for them are named `xenbump-…`, and stay there when the program is killed.
"""


def _page(figures: Figures) -> str:
    lines = [_BEGINNING]
    for title, rows in _parts(figures):
        lines.append(f"## {title}\n")
        head, *others = ([re.sub(r"\|", r"\\|", cell) for cell in row] for row in rows)
        lines += [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others)]
        lines.append("")
    tried = "Every effect was tried." if figures.every == 1 else f"One of {figures.every} effects was tried."
    lines.append(f"{tried} What differed: {len(figures.wrong)}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
