"""What is tried, what it is built as, and what came out: the frozen values that the rest of this room hands on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult

if TYPE_CHECKING:
    from pathlib import Path

Tools = Literal["auto", "source", "image"]
Answer = Literal["good", "bad", "skip"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried.

    Attributes:
        rev: a tag, a branch, a commit or anything else that names one in the repository.
        patches: files of a series (mbox, or one patch each), in the order in which they are applied.
        options: of the hypervisor, by name without `CONFIG_`, such as `("DEBUG", "y")`.
        tools: where dom0's tools come from: built from the source; those of the image; `auto`: those of the image where
            there is one of the same minor version, else from the source.
    """

    rev: str
    patches: tuple[Path, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    tools: Tools = "auto"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source tree that is ready to be built.

    Attributes:
        trial: what it was made of.
        commit: the revision's commit, in 40 hexadecimal digits.
        described: its name for people, such as `RELEASE-4.20.2-17-g0123456789`.
        tree: git's identifier of the tree with the patches applied.
        version: what the tree calls itself, such as `4.22-rc` or `4.20.3-pre`.
        folder: the work tree.
        applied: the subjects of the patches, in order.
    """

    trial: Trial
    commit: str
    described: str
    tree: str
    version: str
    folder: Path
    applied: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The release line, such as `4.22`."""
        return ".".join(self.version.split("-")[0].split(".")[:2])


class Phase(StrEnum):
    """What a trial goes through, in this order; each leans on those before it."""

    PATCHES = "patches"
    CONFIG = "config"
    BUILD = "build"
    DOM0 = "dom0"
    GUESTS = "guests"
    XTF = "xtf"


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One phase.

    Attributes:
        phase: which.
        result: `passed`, `failed` or `skipped`.
        reason: one sentence where it did not pass, or where there is something to tell all the same.
        checks: what it consists of.
        seconds: how long it took.
        log: the file with all that was said; empty where there is none.
        tail: the last lines that matter, of a failure.
    """

    phase: Phase
    result: str
    reason: str = ""
    checks: tuple[CheckResult, ...] = ()
    seconds: float = 0.0
    log: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out of a trial.

    Attributes:
        rev: as it was asked for.
        commit: in 40 hexadecimal digits.
        described: the commit's name for people.
        tree: git's identifier of what was built; empty where a patch did not apply.
        version: what the tree calls itself; empty where that was not found out.
        booted: what the hypervisor called itself on the console; empty where it did not come to that.
        applied: the subjects of the patches.
        options: of the hypervisor.
        tools: dom0's tools, in words, such as `built from the source` or `xen-utils-4.20 …`.
        engine: such as `QEMU 7.2.22, tcg`; empty where none was started.
        phases: those that were asked for, each once, in order.
        tests: the results of XTF, each by the test's full name.
        when: the time at which it ended, in UTC as ISO 8601 has it.
        kept: whether it was found among earlier results and not made now.
    """

    rev: str
    commit: str
    described: str
    tree: str
    version: str
    booted: str
    applied: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    tools: str
    engine: str
    phases: tuple[PhaseResult, ...]
    tests: tuple[tuple[str, str], ...] = ()
    when: str = ""
    kept: bool = False

    @property
    def failed(self) -> PhaseResult | None:
        """The first phase that failed; None where none did."""
        return next((one for one in self.phases if one.result == FAILED), None)

    @property
    def passed(self) -> bool:
        """Whether something was run and nothing failed."""
        return self.failed is None and any(one.result == PASSED for one in self.phases)

    @property
    def builds(self) -> bool:
        """Whether there was something to boot."""
        built = [one for one in self.phases if one.phase in {Phase.PATCHES, Phase.CONFIG, Phase.BUILD}]
        return all(one.result in {PASSED, SKIPPED} for one in built) and any(one.phase is Phase.BUILD for one in built)


def key(tree: str, options: tuple[tuple[str, str], ...], conditions: str) -> str:
    """By what a result is kept: the tree, the options in the order of their names, and what else it depends on."""
    said = "\n".join([tree, *(f"{name}={value}" for name, value in sorted(options)), conditions])
    return hashlib.sha256(said.encode()).hexdigest()
