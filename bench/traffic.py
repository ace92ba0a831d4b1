"""How many bytes a bump moves, against a full clone of the repository.

A git server on the loopback interface serves the repository over HTTP, and counts what comes and goes, headers and
bodies; the replies of the advisories' server are added. The clone is a bare one of all branches and tags, which is what
people have before they look at anything. The first bump starts with nothing kept, and the package moves from the last
release but one of a branch to the last; the second one has what the first left, and a new release was not needed for
that: it is the same bump once more from an unchanged file.

Run it with `python bench/traffic.py`; `--json FILE` hands the figures over. `XENBUMP_REAL_XEN` may name a repository;
the generated one has about the proportions of Xen's: a tree is some hundredth of the history.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support import place, project
from support.measured import GENERATED, Accepted, Measured, main
from support.stopwatch import elapsed

from xenbump.demo.git_server import isolated_git
from xenbump.outcomes import Written
from xenbump.process import environment

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.xenbits import Shelf

TARGET = 0.1
WHOLE_HISTORY = Accepted(
    0.25,
    "what was fixed before a branch was cut is written down for Xen's own repository only; of a generated one the"
    " messages of the whole history are fetched, and they are most of these bytes (measure with XENBUMP_REAL_XEN)",
)
BRANCH = "4.20"
SIZE = project.Size(("4.19", BRANCH), 3, 5000, 25, 300, place.NUMBERS[-40:])


def publish(xen: place.Xen, shelf: Shelf) -> None:
    """Publish advisories of which the newest release of the branch lacks none."""
    place.publish(shelf, xen.fixed(f"RELEASE-{xen.of(BRANCH)[-1]}"))


def bump(here: place.Place) -> None:
    """Move the package file to the newest release of its branch."""
    *_, old, new = here.xen.of(BRANCH)
    here.package(old)
    outcome = here.once("bump", lambda pipeline, package: pipeline.bump(package, "", commit=False))
    assert isinstance(outcome, Written), outcome
    assert outcome.plan.target.version == new


def clone(address: str, folder: Path) -> None:
    """Clone everything."""
    argv = ["git", "clone", "--quiet", "--bare", address, str(folder)]
    subprocess.run(argv, check=True, env=environment(isolated_git()))


def measure() -> list[Measured]:
    """Measure and print."""
    with place.stand(SIZE, publish) as here:
        here.moved()
        seconds = [elapsed(lambda: clone(here.git.url("xen.git"), here.folder / "clone.git"))]
        full = here.moved()
        seconds.append(elapsed(lambda: bump(here)))
        of_git = here.git.bytes_out + here.git.bytes_in
        cold = here.moved()
        seconds.append(elapsed(lambda: bump(here)))
        warm = here.moved()
        print(f"the repository is {here.xen.given}; {len(place.NUMBERS)} advisories")
        for name, count, took in zip(
            ("full clone", "first bump", "second bump"), (full, cold, warm), seconds, strict=True
        ):
            print(f"{name:<12} {count / 1e6:9.3f} MB {took:7.2f} s")
        print(f"of the first bump {(cold - of_git) / 1e6:.3f} MB are advisories")
        given = here.xen.given
    return [
        Measured(
            "Bytes of a first bump", "a full clone", cold / full, TARGET, given=given,
            accepted=WHOLE_HISTORY if given == GENERATED else None,
            told=f"{cold / 1e6:.1f} MB of {full / 1e6:.1f} MB",
        ),
        Measured(
            "Bytes of a bump with what an earlier run kept", "a full clone", warm / full, TARGET, given=given,
            told=f"{warm / 1e3:.1f} kB of {full / 1e6:.1f} MB",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
