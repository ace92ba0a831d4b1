"""One more commit, tried: `xenbump try` against checkout, `make` and QEMU by hand.

The commits touch one source file of the hypervisor each, and both sides have built the one before, by hand in a copy of
our work tree. By hand that is `git checkout`, `make -C xen` and QEMU, with image and job lying there, which boots the
same dom0 up to the same point: the checks are done, and the machine turns itself off. Both are run turn and turn about,
and the best of the rounds counts. It takes some minutes, most of them for the first build.

Run it with `python bench/try_.py`; `--json FILE` hands the figures over. `XENBUMP_REAL_XEN` names a repository of Xen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.measured import REAL, Measured, Missing, main, real_xen

from xenbump.demo.git_server import isolated_git
from xenbump.dom0.job import Job
from xenbump.trying import making
from xenbump.verify import image, manifest, payload, probe, qemu

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS = 3
LIMIT_RATIO = 1.2
BASE, LINE = "RELEASE-4.20.2", "4.20"
FILE = "xen/common/event_channel.c"
JOBS = len(os.sched_getaffinity(0))
_SOMEBODY = {"user.name": "xenbump bench", "user.email": "bench@localhost"}


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody with nobody's settings; what it says."""
    env = {**os.environ, **isolated_git(_SOMEBODY)}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True).stdout.decode()


def history(real: Path, folder: Path, count: int) -> Path:
    """A repository with some commits upon the base, on a branch `more`, each of which changes a line of the file."""
    git(folder.parent, "clone", "--quiet", "--shared", "--no-checkout", "--template=", str(real), str(folder))
    git(folder, "checkout", "--quiet", "-b", "more", BASE)
    path = folder / FILE
    text = path.read_text()
    for number in range(count):
        path.write_text(f"{text}\nconst unsigned int xenbump_bench = {number};\n")
        git(folder, "commit", "--quiet", "--all", "--message", f"Commit {number}")
    return folder


class Ours:
    """`xenbump try`, as it is called."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.state = folder / "state"
        self._env = {**os.environ, "XENBUMP_STATE_DIR": str(self.state), "NO_COLOR": "1"}
        self._argv = [str(Path(sys.executable).with_name("xenbump")), "try", "--repo", str(repository)]
        self._folder = folder

    def tried(self, rev: str, *options: str) -> tuple[float, dict[str, Any]]:
        """Try a revision; the seconds, and what came out."""
        argv = [*self._argv, rev, "--only", "dom0", "--no-progress", "--json", *options]
        begin = time.perf_counter()
        done = subprocess.run(argv, cwd=self._folder, env=self._env, check=False, stdout=subprocess.PIPE)
        seconds = time.perf_counter() - begin
        trial = json.loads(done.stdout)["trial"]
        assert trial["outcome"] == "passed", trial
        return seconds, trial

    def tree(self) -> Path:
        """Its work tree."""
        (found,) = self.state.glob(f"try/*/{LINE}/tree")
        return found


class ByHand:
    """The same with a tree of one's own."""

    def __init__(self, tree: Path, folder: Path, booted: image.Image) -> None:
        # A copy's files have other numbers, and git would look at each of them anew.
        git(tree, "update-index", "-q", "--refresh")
        self._tree = tree
        self._image = booted
        self._accelerator = probe.probe(booted.hypervisor, wanted="tcg")
        self._initrd = folder / "initrd"
        self._console = folder / "console"
        # What is tried is dom0 alone, and so it is here: no guest is started.
        plain = Job(nonce="0" * 32, version=BASE.removeprefix("RELEASE-"), guests=())
        job = payload.fitted(plain, booted, "tcg")
        parts = [booted.initrd.read_bytes(), (booted.folder / manifest.AGENT).read_bytes()]
        self._initrd.write_bytes(b"".join([*parts, payload.archive(job, booted, {})]))

    def tried(self, rev: str) -> tuple[float, float]:
        """Build and boot a revision; the seconds of each."""
        begin = time.perf_counter()
        git(self._tree, "checkout", "--quiet", "--detach", rev)
        with tempfile.TemporaryFile() as log:
            env = {**os.environ, **making.fixed()}
            subprocess.run(["make", "-C", "xen", f"-j{JOBS}"], cwd=self._tree, env=env, check=True, stdout=log)
        built = time.perf_counter()
        self._boot()
        return built - begin, time.perf_counter() - built

    def _boot(self) -> None:
        with (
            self._image.kernel.open("rb") as kernel,
            self._initrd.open("rb") as initrd,
            self._console.open("wb") as console,
        ):
            files = (kernel.fileno(), initrd.fileno())
            memory = self._image.manifest.memory
            argv = qemu.command(self._image, *files, accelerator=self._accelerator, memory=memory)
            argv[argv.index(str(self._image.hypervisor))] = str(self._tree / "xen" / "xen")
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=console, pass_fds=files)


def rounds(ours: Ours, by_hand: ByHand, revs: Sequence[str]) -> tuple[float, float, str]:
    """Try each pair of revisions, one on each side; the best seconds of both, and what ours were spent on."""
    mine, theirs = [], []
    for rev in revs:
        seconds, trial = ours.tried(rev)
        made, booted = by_hand.tried(rev)
        phases = {one["phase"]: one["seconds"] for one in trial["phases"]}
        print(f"xenbump try {seconds:7.2f} s   of which {phases}")
        print(f"by hand     {made + booted:7.2f} s   of which make {made:.2f} s, QEMU {booted:.2f} s")
        mine.append(seconds)
        theirs.append(made + booted)
    kept = min(ours.tried(revs[-1])[0] for _ in range(ROUNDS))
    return min(mine), min(theirs), f"found again in {kept:.2f} s"


def measure() -> list[Measured]:
    """Measure and print."""
    real = real_xen()
    if real is None:
        raise Missing("XENBUMP_REAL_XEN names no repository of Xen")
    missing = [name for name in ("make", "gcc", "flex", "bison", probe.QEMU) if shutil.which(name) is None]
    if missing:
        raise Missing(f"not installed: {', '.join(missing)}")
    booted = image.from_debian(LINE, image.cache_folder(os.environ), print)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = history(real, folder / "xen", ROUNDS + 1)
        revs = git(repository, "rev-list", "--reverse", f"{BASE}..more").split()
        ours = Ours(repository, folder)
        cold, _ = ours.tried(revs[0])
        print(f"the first one {cold:.0f} s")
        shutil.copytree(ours.tree(), folder / "by-hand", symlinks=True)
        best, theirs, told = rounds(ours, ByHand(folder / "by-hand", folder, booted), revs[1:])
    against = "`make` and QEMU by hand"
    return [Measured("`xenbump try` of one more commit", against, best / theirs, LIMIT_RATIO, given=REAL, told=told)]


if __name__ == "__main__":
    sys.exit(main(measure))
