"""Tries a revision: prepared, configured, built, booted, checked. Whatever is wrong with it is a verdict, no error.

An error is only what is wrong with the question or with this machine: there is no such revision, no compiler, no room
on the disk.
"""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xenbump import durable
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.errors import Failure, Refusal
from xenbump.progress import Building, StepBegan, StepEnded, StepsAhead, emit
from xenbump.trying import build, by_nix, judging, kept, machine, making, options, series, toolset
from xenbump.trying.model import Phase, PhaseResult, Prepared, Verdict
from xenbump.trying.source import Workshop
from xenbump.verify import logs, tested

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.trying.model import Trial
    from xenbump.trying.setting import Setting
    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

_BEFORE: Final = (Phase.PATCHES, Phase.CONFIG, Phase.BUILD)
_COMPILES: Final = "building: "
# What a build says that was stopped by this machine, and not by the tree.
_OF_THE_MACHINE = re.compile(
    r"this machine lacks|it may lack|did not end within|No space left|Cannot allocate memory|Disk quota|\bKilled\b"
    r"|out of memory",
    re.IGNORECASE,
)
_OF_TIME = re.compile(r"within [\d.]+ seconds|in time\b|\b(?:HANG|UNRUN)\b")


def tried(trial: Trial, setting: Setting, progress: Callable[[str], None]) -> Verdict:
    """Try a revision, or find what came out when the same was tried before.

    Args:
        trial: what.
        setting: with what, and how.
        progress: told what is done, as facts too; the revision stands for the package there.

    Raises:
        Refusal: E-TRY-REV, E-TRY-REPOSITORY, E-TRY-OBJECTS; E-TRY-PATCH for a file that is no patch, E-TRY-TOOLS where
            no image has the tools that are wanted; E-TRY-NIX; as `verify.image` has it.
        Failure: a program is missing, the disk is full, something cannot be fetched.
        UsageError: E-CONFIG for a baseline that is none, E-GIT-ADDRESS.
    """
    return _Attempt(trial, setting, progress).made()


def of_this_machine(one: PhaseResult) -> bool:
    """Whether a build was stopped by this machine (a full disk, no memory, something missing) and not by the tree."""
    said = [one.reason, *one.tail]
    return one.phase is Phase.BUILD and one.result == FAILED and any(map(_OF_THE_MACHINE.search, said))


@dataclass(frozen=True, slots=True)
class _Ran:
    """What a tree was booted with, and what that showed; all empty where it did not come to that."""

    tools: str = ""
    engine: str = ""
    version: str = ""
    tests: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Ground:
    """On what a tree is booted: the image as it comes, accelerator, and whether its tools have to be built."""

    image: Image
    accelerator: Accelerator
    own_tools: bool


class _Attempt:
    """One trial while it goes on."""

    def __init__(self, trial: Trial, setting: Setting, progress: Callable[[str], None]) -> None:
        self._trial = trial
        self._setting = setting
        self._progress = progress
        self._phases: list[PhaseResult] = []
        self._logs: Path | None = None
        self._bases: dict[str, tuple[_Ground | None, str]] = {}
        last = max((tuple(Phase).index(phase) for phase in setting.phases), default=0)
        # Of those before the boot, all that lead to what is wanted; of the boot's, just what is wanted.
        self._wanted = tuple(
            phase
            for number, phase in enumerate(Phase)
            if number <= last and (phase in _BEFORE or phase in setting.phases) and self._has(phase)
        )

    def _has(self, phase: Phase) -> bool:
        """Whether there is anything for a phase to do."""
        trial = self._trial
        return (phase is not Phase.PATCHES or bool(trial.patches)) and (
            phase is not Phase.CONFIG or bool(trial.options) or self._setting.phases == (Phase.CONFIG,)
        )

    def made(self) -> Verdict:
        """The verdict."""
        setting, trial = self._setting, self._trial
        series.read(trial.patches)
        if setting.baseline is not None:
            tested.read_baseline(setting.baseline)
        emit(self._progress, StepsAhead(trial.rev, tuple(phase.value for phase in self._wanted)))
        workshop = Workshop(setting.repository, setting.folder, self._progress, mirrors=setting.mirrors)
        if not trial.patches and not setting.nix:
            found = self._kept(workshop.named(trial))
            if found is not None:
                return found
        with workshop.held():
            prepared = self._prepared(workshop)
            if not isinstance(prepared, Prepared):
                return prepared
            if setting.nix:
                return self._by_nix(prepared)
            # With patches the tree is known only now; without, it may have been tried while this one waited.
            found = self._kept(prepared)
            if found is not None:
                return found
            ground, conditions = self._basis(prepared)
            verdict, counts = self._worked(prepared, ground)
        if counts:
            kept.keep(setting.results, verdict, conditions)
        return verdict

    def _kept(self, prepared: Prepared) -> Verdict | None:
        """The verdict of another time."""
        if self._setting.again:
            return None
        _, conditions = self._basis(prepared)
        found = kept.find(self._setting.results, prepared, conditions)
        return None if found is None else self._found(found)

    def _prepared(self, workshop: Workshop) -> Prepared | Verdict:
        """The tree; the verdict where a patch does not apply."""
        trial = self._trial
        began = self._began(Phase.PATCHES)
        try:
            prepared = workshop.prepared(trial)
        except Refusal as error:
            if error.code != "E-TRY-PATCH":
                raise
            reason = f"{error.where}: {error.what}" if error.where else error.what
            self._ended(PhaseResult(Phase.PATCHES, FAILED, reason, seconds=time.monotonic() - began))
            commit = workshop.resolved(trial.rev)
            described, version = workshop.described(commit), workshop.version(commit)
            return self._verdict(Prepared(trial, commit, described, "", version, self._setting.folder))
        self._ended(PhaseResult(Phase.PATCHES, PASSED, seconds=time.monotonic() - began))
        return prepared

    def _basis(self, prepared: Prepared) -> tuple[_Ground | None, str]:
        """On what it is booted (None where it is not to be), and what the result depends on: as it was at first."""
        if prepared.line not in self._bases:
            ground = self._ground(prepared)
            self._bases[prepared.line] = ground, self._conditions(ground)
        return self._bases[prepared.line]

    def _ground(self, prepared: Prepared) -> _Ground | None:
        setting, line = self._setting, prepared.line
        if not set(judging.BOOTED) & set(self._wanted):
            return None
        wanted = self._trial.tools
        if wanted == "image" and not machine.has_tools(line):
            raise Refusal(
                "E-TRY-TOOLS",
                f"it is Xen {prepared.version}, and no image has tools of {line}",
                where=prepared.described,
                remedy="leave out --tools, or say --tools source",
            )
        image = machine.base(line, setting.cache, setting.folder, self._progress)
        accelerator = machine.accelerator(image, setting.accelerator, setting.folder)
        return _Ground(image, accelerator, wanted == "source" or not machine.has_tools(line))

    def _conditions(self, ground: _Ground | None) -> str:
        """What the result depends on besides tree and options."""
        setting = self._setting
        parts = [making.compiler(), *(phase.value for phase in self._wanted)]
        if ground is not None:
            parts += [machine.engine(ground.accelerator), f"own tools: {ground.own_tools}", repr(setting.limits)]
            parts += machine.conditions(ground.image)
        if ground is not None and Phase.XTF in self._wanted and setting.xtf is not None:
            parts += [machine.digest(setting.xtf), repr(machine.expected(ground.accelerator, setting.baseline))]
            parts += setting.tests
        return kept.under(parts)

    def _found(self, verdict: Verdict) -> Verdict:
        """A verdict of before, told as if it was made now."""
        reason = f"tried before, {verdict.when}"
        self._progress(f"{verdict.rev}: {reason}")
        for one in verdict.phases:
            said = f"{reason}: {one.reason}" if one.reason else reason
            emit(self._progress, StepEnded(verdict.rev, one.phase.value, one.result, 0.0, said))
        return verdict

    def _worked(self, prepared: Prepared, ground: _Ground | None) -> tuple[Verdict, bool]:
        """Configure, build and boot; the verdict, and whether it counts for another time."""
        if not set(self._wanted) - {Phase.PATCHES}:
            return self._verdict(prepared), True
        if not self._configured(prepared) or Phase.BUILD not in self._wanted:
            return self._verdict(prepared), True
        built = self._built(prepared, ground)
        if built is None:
            return self._verdict(prepared), not of_this_machine(self._phases[-1])
        hypervisor, image = built
        if ground is None or image is None:
            return self._verdict(prepared), True
        return self._booted(prepared, ground, image, hypervisor)

    def _configured(self, prepared: Prepared) -> bool:
        began = self._began(Phase.CONFIG)
        log = self._log("config.log")
        try:
            options.configured(prepared, log, self._progress)
        except (Refusal, Failure) as error:
            if error.code not in {"E-TRY-CONFIG", "E-TRY-BUILD"}:
                raise
            reason = f"{error.where}: {error.what}" if isinstance(error, Refusal) and error.where else error.what
            self._ended(_of_config(FAILED, began, log, reason), always=True)
            return False
        self._ended(_of_config(PASSED, began, log))
        return True

    def _built(self, prepared: Prepared, ground: _Ground | None) -> tuple[Path, Image | None] | None:
        """The hypervisor, and the image with tools that fit; None where one of them does not build."""
        began = self._began(Phase.BUILD)
        setting = self._setting
        told = _compiling(self._progress)
        made = build.hypervisor(prepared, setting.jobs, self._log("build.log"), told)
        if isinstance(made, PhaseResult):
            self._ended(made)
            return None
        image = None if ground is None else ground.image
        if ground is not None and ground.own_tools:
            log = self._log("tools.log")
            tools = toolset.tools(prepared, setting.jobs, setting.folder / "tools", log, told)
            if isinstance(tools, PhaseResult):
                self._ended(replace(tools, seconds=time.monotonic() - began))
                return None
            image = machine.with_tools(ground.image, tools.archive.read_bytes(), tools.line, setting.cache)
        seconds = time.monotonic() - began
        self._ended(PhaseResult(Phase.BUILD, PASSED, made.note, seconds=seconds, log=str(made.log)))
        return made.hypervisor, image

    def _booted(self, prepared: Prepared, ground: _Ground, image: Image, hypervisor: Path) -> tuple[Verdict, bool]:
        setting, accelerator = self._setting, ground.accelerator
        xtf = setting.xtf if Phase.XTF in self._wanted else None
        engine = machine.engine(accelerator)
        known = tested.Known(engine, machine.expected(accelerator, setting.baseline, setting.tests))
        asked = machine.Asked(
            prepared.version,
            accelerator,
            Phase.GUESTS in self._wanted,
            xtf,
            self._log("console.log"),
            setting.limits,
            setting.tests,
        )
        first = next(phase for phase in self._wanted if phase in judging.BOOTED)
        self._began(first)
        self._progress(f"{prepared.trial.rev}: booting dom0 on {engine}")
        booted = machine.boot(image, hypervisor, asked, setting.cache, self._progress)
        found, tests = judging.phases(
            booted, self._wanted, known, accelerator=accelerator.name, with_xtf=xtf is not None
        )
        for one in found:
            self._ended(one, always=True)
        # What takes too long may have been kept waiting by this machine.
        slow = any(_OF_TIME.search(check.reason) for one in found for check in one.checks if check.result == FAILED)
        counts = booted.kind not in {"hang", "timeout", "ended"} and not slow
        return self._verdict(prepared, _Ran(_tools(ground), engine, booted.version, tests)), counts

    def _by_nix(self, prepared: Prepared) -> Verdict:
        """Have Nix build it and boot it; what it built is in its store, and is not kept here."""
        log, began = self._log("config.log"), self._began(Phase.CONFIG)
        try:
            values = options.values(prepared)
        except Refusal as error:
            self._ended(_of_config(FAILED, began, log, f"{error.where}: {error.what}"), always=True)
            return self._verdict(prepared)
        self._ended(_of_config(PASSED, began, log, "whether the options take, the build will say"))
        if Phase.BUILD not in self._wanted:
            return self._verdict(prepared)
        with by_nix.ByNix(prepared, values, self._setting, log.parent, self._progress) as nix:
            self._began(Phase.BUILD)
            self._ended(nix.built())
            return self._verdict(prepared, self._booted_by(nix))

    def _booted_by(self, nix: by_nix.ByNix) -> _Ran | None:
        """Boot what Nix has built, as far as nothing has failed: a test takes minutes."""
        ran = None
        for test, tells in by_nix.TESTS.items():
            phases = tuple(phase for phase in tells if phase in self._wanted)
            if not phases or any(one.result == FAILED for one in self._phases):
                continue
            self._began(phases[0])
            booted = nix.booted(test, phases)
            for one in booted.phases:
                self._ended(one)
            ran = ran or _Ran(by_nix.TOOLS, booted.engine, booted.version, booted.tests)
        return ran

    def _verdict(self, prepared: Prepared, ran: _Ran | None = None) -> Verdict:
        there = {one.phase for one in self._phases}
        left = [phase for phase in self._wanted if phase not in there]
        rest = [PhaseResult(phase, SKIPPED, "it did not come to that") for phase in left]
        order = list(Phase)
        ran = ran or _Ran()
        return Verdict(
            rev=prepared.trial.rev,
            commit=prepared.commit,
            described=prepared.described,
            tree=prepared.tree,
            version=prepared.version,
            booted=ran.version,
            applied=prepared.applied,
            options=prepared.trial.options,
            tools=ran.tools,
            engine=ran.engine,
            phases=tuple(sorted((*self._phases, *rest), key=lambda one: order.index(one.phase))),
            tests=ran.tests,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _began(self, phase: Phase) -> float:
        if phase in self._wanted:
            emit(self._progress, StepBegan(self._trial.rev, phase.value))
            self._progress(f"{self._trial.rev}: {phase.value}")
        return time.monotonic()

    def _ended(self, one: PhaseResult, *, always: bool = False) -> None:
        """Take a result; of a phase that is not wanted only where it has something to say."""
        if one.phase not in self._wanted and not (always or one.result == FAILED):
            return
        self._phases.append(one)
        emit(self._progress, StepEnded(self._trial.rev, one.phase.value, one.result, one.seconds, one.reason))

    def _log(self, name: str) -> Path:
        """The path of a log in the folder of this trial, which is made with the first of them."""
        if self._logs is None:
            self._logs = _folder(self._setting, self._trial.rev)
        return self._logs / name


def _of_config(result: str, began: float, log: Path, reason: str = "") -> PhaseResult:
    # What is refused before make is asked has no log.
    said = str(log) if log.is_file() else ""
    return PhaseResult(Phase.CONFIG, result, reason, seconds=time.monotonic() - began, log=said)


def _compiling(progress: Callable[[str], None]) -> Callable[[str], None]:
    """Tells what is being compiled as a fact, since it is something else every second, and all else as it is."""

    def tell(sentence: str) -> None:
        _, sign, line = sentence.partition(_COMPILES)
        if sign:
            emit(progress, Building(running=1, name=line, line=line))
        else:
            progress(sentence)

    return tell


def _folder(setting: Setting, rev: str) -> Path:
    """A new folder for the logs of one trial."""
    now = datetime.now(UTC)
    if not setting.keep_logs:
        return logs.fresh(setting.folder / "logs", rev, now)
    # Beside those of which the oldest go.
    place = setting.folder / "kept-logs"
    what = "the folder of logs cannot be made"
    durable.make(place, what=what)
    try:
        return type(place)(tempfile.mkdtemp(prefix=f"{logs.named(rev, now)}-", dir=place))
    except OSError as error:
        raise durable.failure(error, place, what=what) from error


def _tools(ground: _Ground) -> str:
    described = ground.image.manifest
    packages = f"xen-utils-{described.xen} {described.tools} of {described.origin}"
    return machine.FROM_SOURCE if ground.own_tools else packages
