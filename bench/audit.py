"""An audit of 206 advisories for 60 releases, against one `git log --grep` for each pair.

The audit is the whole of it: tags and texts fetched over HTTP from servers on the loopback interface and verified by
`gpgv`, histories fetched and read, a decision with its reasons for each of the 12,360 pairs. It is made with nothing
kept, and once more with what the first one kept. `git log` has the repository on this disk. The patches are not at
hand, so no tree is asked; who greps asks none. The releases are checked to have what `git log` says.

All the pairs by `git log --grep=XSA-N TAG` would take hours, so a random sample of them is measured, turn about with
nothing else, and the mean is multiplied by the number of pairs. One `git log` for each release that prints all
messages, to be searched by a program of one's own, is told as well.

Run it with `python bench/audit.py`; `--json FILE` hands the figures over. `XENBUMP_REAL_XEN` may name a repository;
the generated one has about as many commits.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from support import place, project
from support.measured import Measured, main
from support.stopwatch import elapsed

from xenbump import advisories
from xenbump.demo.git_server import isolated_git
from xenbump.journal import Journal
from xenbump.plan.model import Verdict
from xenbump.process import environment

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.xenbits import Shelf

RELEASES = 60
TARGET = 50.0
SAMPLE = 60
SEED = 206
SIZE = project.Size(place.BRANCHES, 6, 5000, 100, 40, place.NUMBERS, lines=6, tight=False)


def publish(xen: place.Xen, shelf: Shelf) -> None:
    """Publish the advisories; those that any release has are Xen's."""
    place.publish(shelf, frozenset().union(*(xen.fixed(f"RELEASE-{one}") for one in xen.newest)))


def audit(here: place.Place) -> list[advisories.Audit]:
    """Audit the releases, from the reading of the configuration on."""
    config = here.config()
    with (
        Journal(config.state).run("audit") as run,
        advisories.opened(config, run, lambda _: None) as found,
    ):
        audits = [found.of_version(version) for version in here.xen.releases[-RELEASES:]]
        run.end(0)
    return audits


def grep(path: Path, number: int, version: str) -> None:
    """Look for one advisory in the history of one release."""
    argv = ["git", f"--git-dir={path}", "log", "--format=%H", f"--grep=XSA-{number}\\b", f"RELEASE-{version}"]
    subprocess.run(argv, check=True, capture_output=True, env=environment(isolated_git()))


def everything(path: Path, version: str) -> None:
    """Have all messages in the history of one release."""
    argv = ["git", f"--git-dir={path}", "log", "--format=%H%n%B", f"RELEASE-{version}"]
    subprocess.run(argv, check=True, capture_output=True, env=environment(isolated_git()))


def measure() -> list[Measured]:
    """Measure and print."""
    made: list[advisories.Audit] = []
    with place.stand(SIZE, publish) as here:
        here.package(here.xen.releases[-1])
        cold = elapsed(lambda: made.extend(audit(here)))
        print(f"audit with nothing kept           {cold:9.2f} s", flush=True)
        warm = min(elapsed(lambda: audit(here)) for _ in range(2))
        pairs = [(number, one.version) for one in made for number in place.NUMBERS]
        assert len(pairs) == RELEASES * len(place.NUMBERS) == sum(len(one.decisions) for one in made)
        for one in made[::10]:
            has = {found.xsa for found in one.decisions if found.verdict is Verdict.IN_RELEASE}
            assert has == here.xen.fixed(one.tag) & set(place.NUMBERS), one.name
        chosen = random.Random(SEED).sample(pairs, SAMPLE)  # noqa: S311 - nothing here is a secret
        times = [elapsed(lambda pair=pair: grep(here.xen.path, *pair)) for pair in chosen]  # type: ignore[misc]
        logs = [elapsed(lambda one=one: everything(here.xen.path, one.version)) for one in made[::12]]  # type: ignore[misc]
        given = here.xen.given
    all_of_them = statistics.mean(times) * len(pairs)
    print(f"the repository is {given}; {len(made)} releases, {len(place.NUMBERS)} advisories, {len(pairs)} pairs")
    print(f"audit once more                   {warm:9.2f} s")
    print(
        f"git log --grep, {SAMPLE} random pairs    {sum(times):9.2f} s   ({min(times):.3f} to {max(times):.3f} s each)"
    )
    print(f"git log --grep, scaled to all     {all_of_them:9.0f} s")
    print(f"git log of each release, scaled   {statistics.mean(logs) * len(made):9.2f} s")
    told = f"{all_of_them:,.0f} s by {SAMPLE} random pairs of {len(pairs):,}"
    against = "one `git log --grep` for each pair"
    return [
        Measured("Audit of 206 advisories for 60 releases, nothing kept", against, all_of_them / cold, TARGET,
                 faster=True, given=given, told=f"{cold:.1f} s; {told}"),
        Measured("The same audit once more", against, all_of_them / warm, TARGET, faster=True, given=given,
                 told=f"{warm:.1f} s; {told}"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(measure))
