"""Trials of Xen's real source: a series that shows in the boot log, three that are wrong, and the command `bisect`."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.boot import xen_source
from tests.boot.conftest import needed
from tests.boot.xtf_kernels import PROGRAMS, framework
from tests.support.worlds import PROGRAM
from xenbump.demo.git_server import isolated_git
from xenbump.dom0.report import FAILED, PASSED
from xenbump.process import run
from xenbump.trying import verdict as verdicts
from xenbump.trying.compare import compared
from xenbump.trying.model import Phase, Trial
from xenbump.trying.setting import Setting
from xenbump.verify import image, probe

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.trying.model import PhaseResult, Verdict

pytestmark = pytest.mark.xdist_group("boot")
_BUILDERS = (probe.QEMU, "apt-get", "zstd", "make", "gcc", "flex", "bison", "tar", *PROGRAMS)
_SOMEBODY = {"user.name": "xenbump tests", "user.email": "tests@localhost", "core.autocrlf": "false", "gc.auto": "0"}
TEST = "test-pv64-success"
SETUP, CALLS = "xen/arch/x86/setup.c", "xen/common/domctl.c"
BOOTS = '    printk("Command line: %s\\n", bi->cmdline);\n'
STARTS = "    case XEN_DOMCTL_unpausedomain:\n"
FIRST, SECOND = "a series was here", "and its second patch, too"
# Half of the hypervisor, which does what is looked at here and is compiled in half of the time; none of it for EFI.
FOR_EFI = "$(TARGET): $(TARGET)-syms $(efi-y)"
NOT_NEEDED = ("HVM", "SHADOW_PAGING", "LIVEPATCH", "KEXEC", "HYPFS", "DEBUG_INFO")
OPTIONS = tuple((name, "n") for name in NOT_NEEDED)
# What each series changes, patch by patch: the file, and what comes behind which line.
SERIES = {
    "good": [(SETUP, BOOTS, f'    printk("{FIRST}\\n");\n'), (SETUP, BOOTS, f'    printk("{SECOND}\\n");\n')],
    "broken": [(SETUP, BOOTS, "    this_is_nowhere(bi);\n")],
    "panics": [(SETUP, BOOTS, '    panic("a series did this\\n");\n')],
    # Before its first instruction: of what a guest has said, the console may still tell when it is dead.
    "guests": [(CALLS, STARTS, "        domain_crash(d);\n")],
}
# Commits on top of the source, in their order; of those that do not build it cannot be told whether they are good.
HISTORY = {
    "panics": SERIES["panics"],
    "broken": SERIES["broken"],
    "still broken": [(CALLS, STARTS, "        /* a comment */\n")],
    "mended": [(SETUP, "    this_is_nowhere(bi);\n", "")],
}


@dataclass(frozen=True)
class Bench:
    """The repository, with what is tried on it, and the series by name."""

    setting: Setting
    folder: Path
    rev: str = "master"

    def tried(self, name: str, *phases: Phase) -> Verdict:
        setting = replace(self.setting, phases=phases or self.setting.phases)
        return verdicts.tried(Trial(self.rev, (self.folder / name,) if name else (), OPTIONS), setting, print)


def git(tree: Path, *arguments: str) -> None:
    run(["git", *arguments], cwd=tree, env=isolated_git(_SOMEBODY), timeout=120)


def changed(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def history(tree: Path, rev: str, branch: str) -> None:
    """Make a branch of HISTORY; what a change puts behind nothing takes the line away."""
    git(tree, "checkout", "--quiet", "-b", branch, rev)
    for name, changes in HISTORY.items():
        for file, behind, added in changes:
            changed(tree / file, behind, behind + added if added else "")
        git(tree, "commit", "--quiet", "--all", "--message", name)
    git(tree, "checkout", "--quiet", rev)


def mails(tree: Path, rev: str, folder: Path) -> None:
    """Make the patches of each series against a revision, each series in a folder of its name."""
    for name, changes in SERIES.items():
        git(tree, "checkout", "--quiet", "--detach", rev)
        for file, behind, added in changes:
            changed(tree / file, behind, behind + added)
            git(tree, "commit", "--quiet", "--all", "--message", f"{file}: {name}")
        git(tree, "format-patch", "--quiet", f"--output-directory={folder / name}", rev)
    git(tree, "checkout", "--quiet", rev)


@pytest.fixture(scope="module")
def bench(consoles: Path) -> Bench:
    needed(_BUILDERS)
    folder, cache = consoles / "try", image.cache_folder(os.environ)
    tree = folder / "xen"
    tree.mkdir(parents=True)
    xen_source.unpack(cache, tree)
    changed(tree / "xen/arch/x86/Makefile", FOR_EFI, FOR_EFI.removesuffix(" $(efi-y)"))
    git(tree, "init", "--quiet", "--initial-branch=master")
    git(tree, "add", "--force", "--all")
    git(tree, "commit", "--quiet", "--message", "Xen")
    mails(tree, "master", folder)
    history(tree, "master", "faulty")
    baseline = folder / "baseline"
    baseline.write_text(f"{TEST} SUCCESS\n")
    return Bench(
        Setting(
            str(tree),
            folder / "state" / "try",
            cache,
            phases=(Phase.DOM0, Phase.XTF),
            xtf=framework(folder / "kernels", {"success": "success"}),
            baseline=baseline,
            accelerator="tcg",
        ),
        folder,
    )


@pytest.fixture(scope="module")
def good(bench: Bench) -> Verdict:
    """The series of two, which is fine: built from nothing, and booted."""
    return bench.tried("good")


def of(verdict: Verdict, phase: Phase) -> PhaseResult:
    return next(one for one in verdict.phases if one.phase is phase)


def test_a_series_shows_in_the_boot_log(good: Verdict) -> None:
    assert good.failed is None, good.failed
    assert good.applied == (f"{SETUP}: good",) * 2
    with open(of(good, Phase.DOM0).log, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a text
        console = file.read()
    assert console.index(FIRST) > 0
    assert console.index(SECOND) > 0
    assert good.booted == good.version
    assert good.tests == ((TEST, "SUCCESS"),)
    tools = next(one for one in of(good, Phase.DOM0).checks if one.name == "tools")
    assert tools.result == PASSED


def test_the_same_is_found_again(bench: Bench, good: Verdict) -> None:
    assert bench.tried("good") == replace(good, kept=True)


def test_one_that_breaks_the_build(bench: Bench, good: Verdict) -> None:
    found = bench.tried("broken")
    assert found.tree != good.tree
    assert found.failed is not None
    assert found.failed.phase is Phase.BUILD
    assert "this_is_nowhere" in " ".join([found.failed.reason, *found.failed.tail])
    assert not found.booted


def test_one_that_panics_at_boot(bench: Bench, good: Verdict) -> None:
    found = bench.tried("panics")
    assert found.booted == good.booted
    assert found.failed is not None
    assert (found.failed.phase, found.failed.reason) == (Phase.DOM0, "it panics: a series did this")
    assert any("Panic on CPU 0" in line for line in found.failed.tail)


def test_one_that_breaks_a_guest(bench: Bench, good: Verdict) -> None:
    found = bench.tried("guests")
    assert of(found, Phase.DOM0).result == PASSED, of(found, Phase.DOM0)
    assert of(found, Phase.XTF).result == FAILED
    assert found.tests == ((TEST, "CRASH"),)
    differences = compared(good, found)
    assert [(one.kind, one.name) for one in differences.worse] == [("phase", "xtf"), ("test", TEST)]


def test_a_bisection_finds_the_commit_that_panics(bench: Bench) -> None:
    options = [f"--config={name}={value}" for name, value in OPTIONS]
    command = [PROGRAM, "bisect", bench.rev, "faulty", "--on", "dom0", "--repeat=0", "--json", *options]
    env = {**os.environ, "XENBUMP_STATE_DIR": str(bench.folder / "state"), "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, "--repo", bench.setting.repository],
        cwd=bench.folder,
        env=env,
        check=False,
        stdout=subprocess.PIPE,
        timeout=1500,
    )
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["first_bad"]["message"] == "panics"
    assert [one["path"] for one in found["first_bad"]["files"]] == [SETUP]
    answers = {one["subject"]: one["answer"] for one in found["steps"]}
    assert [answers.pop(name) for name in ("Xen", "mended", "panics")] == ["good", "bad", "bad"]
    assert set(answers) <= {"broken", "still broken"}
    assert set(answers.values()) == {"skip"}
