"""How the time grows with tags, advisories, packages and the size of a file; drawn to `docs/pictures/growth.png`.

Four series, each doubled from step to step; the time is this process's own, so that what others do meanwhile counts
little, and the quickest of some rounds is taken. Through the larger half, where what is done once no longer shows, a
line is fitted to the logarithms; its slope is the exponent, 1 where the time is in proportion.

tags        a listing of so many tags read, its releases sorted, the newest chosen
advisories  so many texts read (their signatures checked before) and decided on for one release
packages    `check` for so many package files, with 20 advisories each
file size   a package file read, edited, written and read again

Run it with `python bench/growth.py`; `--json FILE` hands the figures over, XENBUMP_BENCH_PICTURE draws elsewhere.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import nixlang
from support import place, project
from support.measured import Accepted, Measured, main
from support.stopwatch import best

from xenbump.demo.advisory_text import build, render
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import FIRST_COMMIT
from xenbump.journal import Journal
from xenbump.judge import Judge, Tree
from xenbump.outcomes import UpToDate
from xenbump.pipeline import opened
from xenbump.upstream import advisory as grammar
from xenbump.upstream import release
from xenbump.upstream.library import Library, Text
from xenbump.upstream.repository import Repository
from xenbump.upstream.signature import Trust
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xenbump.demo.xenbits import Shelf

T = TypeVar("T")
LIMIT = 1.15
CACHES = Accepted(
    1.3,
    "no step is worse than sorting; a line of a listing costs 1.3 microseconds among 2,000 and 2.2 among 32,000, with"
    " the same instructions, since what is read then is more than the processor's caches hold",
)
ROUNDS = 4
SIZE = project.Size(("4.19", "4.20"), 3, 60, 10, 20, place.NUMBERS[-20:])
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "growth.png"
VARIABLE = "XENBUMP_BENCH_PICTURE"
_TICKS = [step * 10**power for power in range(5) for step in (1, 2, 5)]
_TITLES = {
    "tags": "Tags: a listing read and sorted",
    "advisories": "Advisories: read and decided on",
    "packages": "Packages: checked",
    "file size": "Size of a file: edited, read again",
}
_INK, _LINE, _GRID = "#1f2328", "#0969da", "#d0d7de"


@dataclass(frozen=True, slots=True)
class Series:
    """One series: what grows, in which unit, and the milliseconds at each step."""

    name: str
    unit: str
    steps: tuple[int, ...]
    times: tuple[float, ...]

    @property
    def span(self) -> str:
        """From where to where, in words."""
        return f"{self.steps[0]:,} to {self.steps[-1]:,} {self.unit}: {self.times[0]:.1f} to {self.times[-1]:,.0f} ms"

    @property
    def fitted(self) -> tuple[float, float]:
        """The slope and the height of a line through the logarithms of the larger half."""
        half = len(self.steps) // 2
        points = [(math.log(n), math.log(t)) for n, t in zip(self.steps[half:], self.times[half:], strict=True)]
        middle = [sum(values) / len(points) for values in zip(*points, strict=True)]
        above = sum((x - middle[0]) * (y - middle[1]) for x, y in points)
        slope = above / sum((x - middle[0]) ** 2 for x, _ in points)
        return slope, middle[1] - slope * middle[0]


class Remembered:
    """What the journal does for the judge, in memory."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], object] = {}

    def step(self, package: str, name: str, given: object, kind: type[T], work: Callable[[], T]) -> T:
        """The result of `work`, or what it gave for the same input before."""
        key = (f"{package} {name}", repr(given))
        if key not in self._known:
            self._known[key] = work()
        del kind
        return cast("T", self._known[key])

    def recall(self, kind: str, key: str) -> str | None:
        """Nothing: how long deciding takes is to be measured, not how long remembering it."""
        del kind, key
        return None

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep nothing."""
        del kind, key, value


class Unsigned(Library):
    """Takes texts without a signature: what `gpgv` takes is in proportion to their number."""

    def _judged(self, content: bytes, number: int) -> Text:
        outline = grammar.outline(content, number)
        return Text(outline.title, outline.cves, outline.version, grammar.parse(content, number), "", "", "A" * 40, 0)


def doubled(first: int, count: int) -> tuple[int, ...]:
    """So many numbers, each twice the one before."""
    return tuple(first << step for step in range(count))


def series(name: str, unit: str, steps: Sequence[int], prepare: Callable[[int], Callable[[], object]]) -> Series:
    """Measure a series, and print it."""
    times = []
    for step in steps:
        work = prepare(step)
        # As timeit does: how much the collector has to do depends on what else the process has in memory.
        gc.collect()
        gc.disable()
        times.append(best(ROUNDS, work)[0])
        gc.enable()
    for step, taken in zip(steps, times, strict=True):
        print(f"{name:<11} {step:8} {taken:10.2f} ms")
    return Series(name, unit, tuple(steps), tuple(times))


def tags(count: int) -> Callable[[], object]:
    """Read a listing of so many tags, half of them of releases."""
    lines = []
    for number in range(count // 2):
        oid, major, minor = f"{number:040x}", number // 400 + 4, number % 400
        lines += [f"{oid}\trefs/tags/RELEASE-{major}.{minor // 20}.{minor % 20}"]
        lines += [f"{oid}\trefs/tags/RELEASE-{major}.{minor // 20}.{minor % 20}^{{}}", f"{oid}\trefs/tags/{number}-rc"]
    text = "\n".join(lines) + "\n"
    return lambda: release.newest(release.releases(release.parse_refs(text, "here")), branch=None, where="here")


def advisories(folder: Path, xen: place.Xen) -> Callable[[int], Callable[[], object]]:
    """Decide on so many advisories for the newest release; all texts are kept and known, as in a second run."""
    repository = Repository([str(xen.path)], folder / "cache")
    listing = repository.listing()
    newest = listing.releases[-1]
    tree = Tree(newest.version, newest.branch, newest.commit or "", f"refs/tags/{newest.tag}")
    now = datetime(2026, 11, 1, tzinfo=UTC)

    def prepare(count: int) -> Callable[[], object]:
        shelf = folder / f"xsa-{count}"
        shelf.mkdir()
        entries = []
        for number in range(1, count + 1):
            made = build(number, [(f"xsa{number}.patch", "xen-unstable - Xen 4.21.x")])
            (shelf / f"advisory-{number}.txt").write_bytes(render(made))
            entries.append({"xsa": str(number), "version": 2, "title": made.title, "public_time": "2026-01-04 12:00"})
        (shelf / "xsa.json").write_text(json.dumps([{"xsas": entries}]))
        memory = Remembered()

        def work() -> None:
            library = Unsigned(Xenbits(str(shelf), folder / "none"), Trust(b"", frozenset()), memory)
            judge = Judge(repository, listing, library, memory=memory, now=now, progress=lambda _: None)
            assert len(judge.decisions(tree)) == count

        work()
        return work

    return prepare


def packages(here: place.Place) -> Callable[[int], Callable[[], object]]:
    """Check so many package files, all with a name of their own."""
    text = (here.folder / "xenbump.toml").read_text("utf-8")
    head, _, tail = text.partition('[[package]]\nname = "xen"\nfile = "package.nix"\n')
    content = (here.folder / "package.nix").read_text("utf-8")

    def prepare(count: int) -> Callable[[], object]:
        tables = ""
        for number in range(count):
            (here.folder / f"package-{number}.nix").write_text(f"{content}# {number}\n")
            tables += f'[[package]]\nname = "xen-{number}"\nfile = "package-{number}.nix"\n'
        (here.folder / "xenbump.toml").write_text(f"{head}{tables}{tail}")

        def work() -> None:
            config = here.config()
            with Journal(config.state).run("check") as run, opened(config, run, lambda _: None) as pipeline:
                for one in config.packages:
                    outcome = pipeline.check(one)
                    assert isinstance(outcome, UpToDate), outcome
                run.end(0)

        work()
        return work

    return prepare


def sizes(count: int) -> Callable[[], object]:
    """Edit a package file of so many characters."""
    text = nixlang.package(count)
    return lambda: nixlang.edit(text)


def publish(xen: place.Xen, shelf: Shelf) -> None:
    """Publish some advisories, all of them fixed."""
    place.publish(shelf, xen.fixed(f"RELEASE-{xen.releases[-1]}"), place.NUMBERS[-20:])


def measure() -> list[Measured]:
    """Measure, print and draw."""
    found = [series("tags", "tags", doubled(1000, 6), tags)]
    with place.folder() as folder, SigningKey(made_at=FIRST_COMMIT) as key:
        path = folder / "growth.git"
        project.build(path, key, SIZE)
        xen = place.Xen(path, (), "generated")
        found.append(series("advisories", "advisories", doubled(64, 6), advisories(folder, xen)))
    with place.stand(SIZE, publish, remote=False, generated=True) as here:
        here.package(here.xen.releases[-1])
        found.append(series("packages", "packages", doubled(4, 5), packages(here)))
    found.append(series("file size", "characters", doubled(10_000, 6), sizes))
    for one in found:
        print(f"{one.name:<11} grows with the exponent {one.fitted[0]:.2f}")
    draw(found, Path(os.environ.get(VARIABLE) or PICTURE))
    return [
        Measured(
            f"Growth with {one.name}", "", one.fitted[0], LIMIT, unit="as exponent", told=one.span, accepted=CACHES
        )
        for one in found
    ]


def draw(found: Sequence[Series], path: Path) -> None:
    """Draw the series, each in a field of its own, both axes logarithmic."""
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError:
        print("matplotlib is not installed (the extra `bench`), so nothing is drawn")
        return
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    ticker = importlib.import_module("matplotlib.ticker")
    style = {"font.size": 11, "text.color": _INK, "axes.edgecolor": _GRID, "axes.labelcolor": _INK,
             "xtick.color": _INK, "ytick.color": _INK}  # fmt: skip
    with pyplot.rc_context(style):
        figure, fields = pyplot.subplots(2, 2, figsize=(9, 6.6), layout="constrained")
        for field, one in zip(fields.flat, found, strict=True):
            slope, height = one.fitted
            half = len(one.steps) // 2
            line = [math.exp(height) * step**slope for step in one.steps[half:]]
            field.loglog(one.steps[half:], line, color=_LINE, linewidth=2, label=f"fitted: exponent {slope:.2f}")
            start = one.times[half] / one.steps[half]
            field.loglog(
                one.steps[half:], [start * step for step in one.steps[half:]], color=_INK, linestyle=(0, (2, 3)),
                linewidth=1.2, label="in proportion: 1",
            )  # fmt: skip
            field.loglog(
                one.steps, one.times, "o", color=_LINE, markersize=6, markeredgecolor="white", label="measured"
            )
            field.set_title(_TITLES[one.name], loc="left", fontweight="bold", fontsize=12)
            field.set_xlabel(one.unit)
            field.set_ylabel("milliseconds")
            field.set_xticks(one.steps[1::2])
            heights = [tick for tick in _TICKS if min(one.times) * 0.9 <= tick <= max(one.times) * 1.3]
            field.set_yticks(heights)
            field.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
            field.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
            field.minorticks_off()
            field.grid(color=_GRID, linewidth=0.6)
            field.spines[["top", "right"]].set_visible(False)
            field.legend(frameon=False, loc="upper left", fontsize=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=90, facecolor="white", metadata={"Software": None})
        pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main(measure))
