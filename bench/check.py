"""`xenbump check` with nothing new, against the two questions that tell the same.

These are a bare `git ls-remote`, and one conditional GET that asks whether the index of advisories has changed.
Everything was asked once before. The first comparison leaves out how programs start: the check inside this process,
journal and all, against git and requests called from this process. The second one is of whole programs, each started
anew; the other is the shortest Python program that does the two. The servers are on the loopback interface, where
asking costs next to nothing: over a network both sides wait for the same two replies, and the ratio comes nearer to 1.
All are run turn and turn about, and the best of the rounds counts.

Run it with `python bench/check.py`; `--json FILE` hands the figures over. `XENBUMP_REAL_XEN` may name a repository.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from support import place, project
from support.measured import Accepted, Measured, main
from support.stopwatch import best_elapsed, elapsed

from xenbump.demo.git_server import isolated_git
from xenbump.outcomes import UpToDate

if TYPE_CHECKING:
    from xenbump.demo.xenbits import Shelf

ROUNDS = 25
TARGET = 1.5
OWN_WORK = Accepted(
    2.6,
    "on the loopback interface the two questions take next to nothing. The decisions come from the journal; what is"
    " left is to read and hash each of the 206 kept texts, by which one that was damaged or exchanged is noticed (a"
    " third of the time of its own), the seven commits of the journal, which wait for the disk, and the package file",
)
IMPORTS = Accepted(
    3.8,
    "as above, and the imports: typer, which since 0.29 brings pydantic along for every option (a quarter of them), the"
    " shapes of package files, the report",
)
SIZE = project.Size(place.BRANCHES[-3:], 6, 300, 10, 60, place.NUMBERS)
BY_HAND = """
import subprocess, sys, requests
subprocess.run(["git", "ls-remote", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
assert requests.get(sys.argv[2], headers={"If-None-Match": sys.argv[3]}).status_code == 304
"""
_PROFILED = 12


def publish(xen: place.Xen, shelf: Shelf) -> None:
    """Publish advisories of which the newest release lacks none."""
    place.publish(shelf, xen.fixed(f"RELEASE-{xen.releases[-1]}"))


def check(here: place.Place) -> None:
    """Check."""
    outcome = here.once("check", lambda pipeline, package: pipeline.check(package))
    assert isinstance(outcome, UpToDate), outcome


def by_hand(git: str, index: str, tag: str) -> None:
    """Ask both from this process."""
    subprocess.run(["git", "ls-remote", git], check=True, capture_output=True, env={**os.environ, **isolated_git()})
    assert requests.get(index, headers={"If-None-Match": tag}, timeout=10).status_code == requests.codes.not_modified


def start(*argv: str, folder: Path) -> None:
    """Run a program to its end, and let it write into nothing.

    Python's bytecode is kept from one start to the next, as it is of what is installed, and beside the checkout.
    """
    env = {**os.environ, **isolated_git(), "NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(argv, check=True, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure() -> list[Measured]:
    """Measure and print."""
    with place.stand(SIZE, publish) as here:
        here.package(here.xen.releases[-1])
        check(here)
        git, index = here.git.url("xen.git"), f"{here.xenbits.url}/xsa.json"
        tag = requests.get(index, timeout=10).headers["ETag"]
        program = str(Path(sys.executable).with_name("xenbump"))
        script, kept = here.folder / "by-hand.py", here.shelf.folder / "xsa.json"
        script.write_text(BY_HAND)
        ours, theirs, listed = best_elapsed(
            ROUNDS,
            lambda: check(here),
            lambda: by_hand(git, index, tag),
            lambda: subprocess.run(["git", "ls-remote", git], check=True, capture_output=True),
        )
        called = [
            lambda: start(program, "check", "--quiet", folder=here.folder),
            lambda: start(sys.executable, str(script), git, index, tag, folder=here.folder),
            lambda: start(sys.executable, "-c", "import requests", folder=here.folder),
        ]
        if shutil.which("curl"):
            line = 'git ls-remote "$0" && curl -sSf -z "$1" "$2"'
            called.append(lambda: start("sh", "-c", line, git, str(kept), index, folder=here.folder))
        whole, python, bare, *shell = best_elapsed(ROUNDS, *called)
        print(f"the repository is {here.xen.given}; {len(place.NUMBERS)} advisories, all fixed or for others")
        print(f"check, in this process           {ours * 1000:7.1f} ms")
        print(f"git ls-remote and a GET, in it   {theirs * 1000:7.1f} ms   (ls-remote alone {listed * 1000:.1f} ms)")
        print(f"xenbump check, started           {whole * 1000:7.1f} ms")
        print(f"the same in Python, started      {python * 1000:7.1f} ms   (import requests {bare * 1000:.1f} ms)")
        for seconds in shell:
            print(f"git ls-remote && curl            {seconds * 1000:7.1f} ms")
        profile(here)
        given = here.xen.given
    return [
        Measured(
            "`check` with nothing new",
            "`git ls-remote` and a conditional GET",
            ours / theirs,
            TARGET,
            given=given,
            accepted=OWN_WORK,
        ),
        Measured(
            "`xenbump check` with nothing new, started anew",
            "a Python program that does the two",
            whole / python,
            TARGET,
            given=given,
            accepted=IMPORTS,
        ),
    ]


def profile(here: place.Place) -> None:
    """Print where the time of one check goes, waiting included."""
    watched = cProfile.Profile(time.perf_counter)
    took = elapsed(lambda: watched.runcall(check, here))
    print(f"where a check goes ({took * 1000:.1f} ms with the profiler's own share):")
    stats = pstats.Stats(watched)
    rows = sorted(stats.stats.items(), key=lambda row: -row[1][2])  # type: ignore[attr-defined]
    for (file, _, name), (_, calls, own, *_) in rows[:_PROFILED]:
        print(f"  {own * 1000:6.1f} ms in {calls:6} calls of {Path(file).name}:{name}")


if __name__ == "__main__":
    sys.exit(main(measure))
