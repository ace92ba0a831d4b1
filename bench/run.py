"""Run the benchmarks, each as a program of its own, one after the other, and write `docs/benchmarks.md`.

`python bench/run.py [NAME …]` runs some of them only, and then writes nothing unless `--write FILE` says where. The
exit status is 1 where a target is missed for no reason that stands beside it, or a benchmark broke off. `boot` and
`try_` take minutes and an image, and run where `XENBUMP_IMAGES` names a folder for it. With `XENBUMP_REAL_XEN` those
that need a repository of Xen use that one.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from support.measured import Handed, Measured

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
# Each with what it is about, as the page has it.
BENCHMARKS = {
    "hashes": "Hashes of releases",
    "traffic": "Bytes over the network",
    "nixlang": "Nix files, read and edited",
    "rewrite": "Package files",
    "patch": "Patches",
    "check": "A look for news",
    "audit": "Audits",
    "startup": "The start of the program",
    "growth": "Growth",
    "report": "The report",
    "boot": "Boots",
    "try_": "Trials",
}
_HEAD = """\
# Benchmarks

Made by `make bench`, which runs the programs in `bench/` and writes this page. Every ratio comes from one run on one
machine: both sides in turn, the best of several rounds. A target is what the ratio, or the figure, is held to; the
command fails where one is missed without a reason on this page. The comparison is with what people would use instead.
"""
_MISSED = "**missed**"


@dataclass(frozen=True, slots=True)
class Ran:
    """A benchmark that has run: its name, what it handed over (None where it broke off), and its seconds."""

    name: str
    handed: Handed | None
    seconds: float

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong with it; one that lacks a program is left out and said to be."""
        return self.handed is not None and all(one.passes for one in self.handed.figures)


def run(name: str, folder: Path) -> Ran:
    """Run one benchmark; its figures go to where ours go."""
    print(f"== {name}", flush=True)
    result = folder / f"{name}.json"
    begin = time.perf_counter()
    subprocess.run([sys.executable, str(HERE / f"{name}.py"), "--json", str(result)], check=False)
    seconds = time.perf_counter() - begin
    print(f"   {seconds:.0f} s\n", flush=True)
    handed = msgspec.json.decode(result.read_bytes(), type=Handed) if result.exists() else None
    return Ran(name, handed, seconds)


def chosen(names: list[str]) -> list[str]:
    """The benchmarks to run: those that are named, else all that can be run."""
    if names:
        return names
    return [name for name in BENCHMARKS if name not in {"boot", "try_"} or os.environ.get("XENBUMP_IMAGES")]


def said(*argv: str) -> str:
    """The first line that a program says; that it is missing where it is."""
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return f"no {argv[0]}"
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.machine())


def machine(loads: tuple[float, float]) -> list[str]:
    """The facts of the machine that the figures depend on."""
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}",
        f"- {processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}",
        f"- Python {platform.python_version()}, {said('git', '--version')}, {said('nix', '--version')}",
        f"- load of the machine before and after: {loads[0]:.1f} and {loads[1]:.1f}; ours alone comes to about 1",
    ]


def row(one: Measured) -> str:
    """A line of the table."""
    state = "" if one.target is None else "yes" if one.met else f"{_MISSED}{', see below' if one.passes else ''}"
    measured = f"{one.shown}{f' ({one.told})' if one.told else ''}"
    return f"| {one.name} | {one.against or '–'} | {one.given} | {measured} | {one.wanted} | {state} |"  # noqa: RUF001


def page(ran: list[Ran], loads: tuple[float, float]) -> str:
    """The page."""
    lines = [_HEAD, *machine(loads), ""]
    reasons: list[str] = []
    for one in ran:
        lines += [f"## {BENCHMARKS[one.name]}", "", f"`bench/{one.name}.py`, {one.seconds:.0f} s", ""]
        if one.handed is None:
            lines += ["It broke off.", ""]
            continue
        if one.handed.lacked:
            lines += [f"Not measured: {one.handed.lacked}.", ""]
            continue
        lines += ["| what | against | on | measured | target | met |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [*map(row, one.handed.figures), ""]
        if one.name == "growth":
            lines += ["![Time against number, both logarithmic, with the fitted exponents](pictures/growth.png)", ""]
        reasons += [
            f"- {figure.name}: {figure.accepted.reason}"
            for figure in one.handed.figures
            if not figure.met and figure.passes and figure.accepted is not None
        ]
    left = [name for name in BENCHMARKS if name not in {one.name for one in ran}]
    if left:
        lines += [f"Not run: {', '.join(f'`bench/{name}.py`' for name in left)}.", ""]
    if reasons:
        lines += ["## Why a target is missed", "", *reasons, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    """Run, print, write; return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the page goes")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        ran = [run(name, Path(folder)) for name in chosen(options.names)]
    write = options.write or (None if options.names else PAGE)
    if write is not None:
        write.write_text(page(ran, (before, os.getloadavg()[0])), "utf-8")
    for one in ran:
        for figure in one.handed.figures if one.handed is not None else ():
            print(figure.line())
        if one.handed is None:
            print(f"{one.name} broke off")
        elif one.handed.lacked:
            print(f"{one.name}: not measured: {one.handed.lacked}")
    return int(not all(one.passes for one in ran))


if __name__ == "__main__":
    sys.exit(main())
