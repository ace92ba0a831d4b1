"""Verifies a package as it stands: it builds, has its outputs, says sensible things, boots dom0, passes XTF.

Each step leans on those before it; one that cannot be done is skipped and says why, so that nothing is taken for proven
that was not run.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.dom0 import baseline
from xenbump.dom0.job import Job, Xtf
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.dom0.xtf import TCG_ENVIRONMENTS
from xenbump.errors import Refusal, UsageError
from xenbump.verify import build as building
from xenbump.verify import image as images
from xenbump.verify import meta, outputs, probe, qemu
from xenbump.verify.evidence import Evidence, Step, StepResult, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.dom0.report import Report, XtfReport
    from xenbump.verify.image import Image
    from xenbump.verify.nix import Buildable
    from xenbump.verify.nixstate import State
    from xenbump.verify.outputs import Promises

_EVALUATION_SECONDS = 300.0
_XTF_PLACE = "opt/xtf"
_GUEST = "guest-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is verified, and how.

    Attributes:
        package: the configured name.
        version: of the package file.
        upstream_version: what the tree calls itself.
        efi: whether the package is to build `xen.efi`; None where its file has no switch.
        buildable: how Nix is asked for it.
        steps: what is to be done.
        computed: hashes that were computed here, by what they are of.
        image: the folder of an image; None: one of Debian's Xen of the same release line.
        cache: the folder of images.
        xtf: the folder of a built XTF; None: there is none.
        baseline: the file of expected results of XTF; None: those that are shipped for the engine.
        logs: the folder of logs.
        limit: seconds that the build may take.
    """

    package: str
    version: str
    upstream_version: str
    efi: bool | None
    buildable: Buildable
    steps: tuple[Step, ...]
    computed: Mapping[str, str]
    image: Path | None
    cache: Path
    xtf: Path | None
    baseline: Path | None
    logs: Path
    limit: float


class Verifier:
    """Verifies one package.

    Args:
        wanted: what and how.
        progress: told in a sentence what is being done.
    """

    def __init__(self, wanted: Wanted, progress: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._progress = progress
        self._engine = ""
        self._built: Mapping[str, str] | None = None
        self._promises: Promises | None = None

    def verify(self) -> Evidence:
        """Do the steps, in order.

        Raises:
            Failure: a program is missing or could not be started, the disk is full.
        UsageError: E-CONFIG for a baseline that is none. What comes out of a step is never an error.
        """
        wanted, found = self._wanted, []
        for step, work in ((Step.BUILD, self._build), (Step.OUTPUTS, self._outputs), (Step.META, self._meta)):
            if step in wanted.steps:
                self._progress(f"{wanted.package}: {step.value}")
                found.append(work())
        booted = tuple(step for step in (Step.DOM0, Step.GUESTS, Step.XTF) if step in wanted.steps)
        if booted:
            found += self._boot(booted)
        return Evidence(wanted.package, wanted.version, wanted.upstream_version, self._engine, tuple(found))

    def _build(self) -> StepResult:
        wanted = self._wanted
        wanted.logs.mkdir(parents=True, exist_ok=True)
        built = building.build(
            wanted.buildable,
            wanted.logs,
            limit=wanted.limit,
            computed=wanted.computed,
            progress=_Told(self._progress).tell,
        )
        log = "" if built.log is None else str(built.log)
        if built.outcome is building.Outcome.BUILT:
            self._built = built.outputs
            listed = tuple(f"{name} {path}" for name, path in built.outputs.items())
            check = CheckResult("built", "Nix builds every output", PASSED, "", listed, built.seconds)
            return StepResult(Step.BUILD, PASSED, "", (check,), built.seconds, log)
        where = tuple(line for line in (built.derivation, built.place) if line)
        check = CheckResult("built", "Nix builds every output", FAILED, built.reason, where, built.seconds)
        return StepResult(Step.BUILD, FAILED, built.reason, (check,), built.seconds, log, built.lines)

    def _outputs(self) -> StepResult:
        wanted = self._wanted
        if self._built is None:
            return StepResult(Step.OUTPUTS, SKIPPED, "nothing was built")
        told = self._told()
        if told is None:
            return StepResult(Step.OUTPUTS, FAILED, "what the package says of its outputs cannot be evaluated")
        expected = outputs.Expected(wanted.upstream_version, wanted.efi)
        root = outputs.store_root(wanted.buildable)
        return judged(Step.OUTPUTS, outputs.check(self._built, told, expected, root=root))

    def _meta(self) -> StepResult:
        began = time.monotonic()
        checks = meta.check(self._wanted.buildable, self._wanted.version, timeout=_EVALUATION_SECONDS)
        return judged(Step.META, checks, seconds=time.monotonic() - began)

    def _told(self) -> Promises | None:
        if self._promises is None:
            told = outputs.promises(self._wanted.buildable, timeout=_EVALUATION_SECONDS)
            self._promises = told if isinstance(told, outputs.Promises) else None
        return self._promises

    def _boot(self, steps: tuple[Step, ...]) -> list[StepResult]:
        wanted = self._wanted

        def skipped(reason: str) -> list[StepResult]:
            return [StepResult(step, SKIPPED, reason) for step in steps]

        hypervisor = self._hypervisor()
        if isinstance(hypervisor, str):
            return skipped(hypervisor)
        try:
            image = self._image(hypervisor)
        except Refusal as error:
            return skipped(str(error))
        accelerator = probe.probe(image.hypervisor)
        self._engine = f"QEMU {accelerator.version}, {accelerator.name}"
        choice = self._choice(accelerator.name) if Step.XTF in steps else None
        job = Job(
            nonce=secrets.token_hex(16),
            version=wanted.upstream_version,
            guests=("pv", "pvh", "hvm") if Step.GUESTS in steps else (),
            xtf=choice,
        )
        folders = {} if choice is None or wanted.xtf is None else {_XTF_PLACE: wanted.xtf}
        wanted.logs.mkdir(parents=True, exist_ok=True)
        console = wanted.logs / f"{wanted.package}.console.log"
        self._progress(f"{wanted.package}: booting dom0 on {self._engine}")
        booted = qemu.boot(
            image, job, accelerator=accelerator, console=console, progress=self._progress, folders=folders
        )
        return [self._judged(step, booted, choice) for step in steps]

    def _hypervisor(self) -> Path | str:
        """The hypervisor that was built; why there is none, where there is none."""
        wanted = self._wanted
        if self._built is None:
            return "nothing was built that could be booted"
        told, root = self._told(), outputs.store_root(wanted.buildable)
        folder = self._built.get("boot") or self._built.get("out")
        if root is None or told is None or told.multiboot is None or folder is None:
            return "where the hypervisor lies in what was built is not known"
        path = Path(told.multiboot)
        return root / (str(path) if path.is_absolute() else f"{folder}/{path}").lstrip("/")

    def _image(self, hypervisor: Path) -> Image:
        wanted = self._wanted
        if wanted.image is not None:
            wanted.cache.mkdir(parents=True, exist_ok=True)
            return images.with_hypervisor(images.load(wanted.image), hypervisor, wanted.cache)
        line = ".".join(wanted.upstream_version.split(".")[:2])
        return images.from_debian(line, wanted.cache, self._progress, hypervisor)

    def _choice(self, accelerator: str) -> Xtf | None:
        if self._wanted.xtf is None:
            return None
        return Xtf(f"/{_XTF_PLACE}", environments=TCG_ENVIRONMENTS if accelerator == "tcg" else (), pvh=True)

    def _judged(self, step: Step, booted: qemu.Booted, choice: Xtf | None) -> StepResult:
        """One step out of a boot, which several share."""
        report, log = booted.report, str(booted.console)
        if step is Step.XTF:
            return self._tested(booted, None if report is None else report.xtf, choice)
        checks = tuple(one for one in _checks(report) if one.name.startswith(_GUEST) == (step is Step.GUESTS))
        if booted.kind != "off" or booted.lacks:
            said = booted.detail or f"its init missed {', '.join(booted.lacks)}"
            reason = f"the boot ended as {booted.kind}: {said}" if booted.kind != "off" else said
            return StepResult(step, FAILED, reason, checks, booted.seconds, log, booted.tail)
        return judged(step, checks, seconds=booted.seconds, log=log)

    def _tested(self, booted: qemu.Booted, report: XtfReport | None, choice: Xtf | None) -> StepResult:
        log = str(booted.console)
        if choice is None:
            return StepResult(Step.XTF, SKIPPED, "no built XTF is at hand ([verify] xtf, or XENBUMP_XTF)")
        if report is None:
            return StepResult(Step.XTF, FAILED, booted.detail or "dom0 said nothing of XTF", (), 0.0, log, booted.tail)
        if report.error:
            return StepResult(Step.XTF, FAILED, report.error, (), report.seconds, log)
        known = self._baseline()
        if known is None:
            reason = f"there is no baseline for {self._engine} to compare {len(report.results)} results with"
            return StepResult(Step.XTF, SKIPPED, reason, (), report.seconds, log)
        found = baseline.compare(baseline.within(known, choice), report.outcomes)
        return judged(Step.XTF, compared(found), seconds=report.seconds, log=log)

    def _baseline(self) -> dict[str, str] | None:
        path = self._wanted.baseline
        if path is None:
            # Gaps of the emulation differ by its release.
            program, _, accelerator = self._engine.partition(", ")
            major = program.removeprefix("QEMU ").partition(".")[0]
            return baseline.known(f"qemu-{major}-{accelerator}") or baseline.known(f"qemu-{accelerator}")
        try:
            return baseline.parse(path.read_text("utf-8"))
        except OSError as error:
            raise UsageError("E-CONFIG", f"the baseline cannot be read: {error.strerror}", where=str(path)) from error
        except ValueError as error:
            raise UsageError("E-CONFIG", f"the baseline is none: {error}", where=str(path)) from error


def compared(found: baseline.Comparison) -> tuple[CheckResult, ...]:
    """What a comparison of XTF's results with a baseline comes to: the whole, and each test that differs."""
    requirement = "as in the baseline"
    worse = [(one.name, FAILED, f"{one.before} before, {one.after} now") for one in found.worse]
    missing = [(name, FAILED, "it has no result") for name in found.missing]
    better = [(one.name, PASSED, f"better: {one.before} before, {one.after} now") for one in found.better]
    extra = [(name, SKIPPED, f"not in the baseline: {result}") for name, result in found.extra]
    bad = len(worse) + len(missing)
    same = f"{found.same} tests have the result of the baseline"
    whole = CheckResult(
        "baseline",
        "no test is worse than in the baseline, and none is missing",
        PASSED if found.passed else FAILED,
        f"{bad} of {bad + found.same + len(better)} are worse or missing" if bad else "",
        (same,),
    )
    return (
        whole,
        *(CheckResult(name, requirement, result, why) for name, result, why in (*worse, *missing, *better, *extra)),
    )


@dataclass(slots=True)
class _Told:
    """Says a sentence when another derivation is being built."""

    say: Callable[[str], None]
    last: str = ""

    def tell(self, state: State) -> None:
        current = state.current
        name = "" if current is None else current.derivation
        if name and name != self.last:
            self.last = name
            self.say(f"building {Path(name).name}")


def _checks(report: Report | None) -> tuple[CheckResult, ...]:
    return () if report is None else report.checks
