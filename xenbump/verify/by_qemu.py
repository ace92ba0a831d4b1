"""The engine that boots what was built in QEMU here, as the hypervisor of an image of ours."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from xenbump.dom0 import baseline
from xenbump.dom0.job import Job, Xtf
from xenbump.dom0.report import FAILED, SKIPPED
from xenbump.dom0.xtf import TCG_ENVIRONMENTS
from xenbump.errors import Refusal
from xenbump.verify import image as images
from xenbump.verify import probe, qemu, recipe, tested
from xenbump.verify.engine import Ran, checks_of, skipped
from xenbump.verify.evidence import Step, StepResult, judged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.verify.image import Image
    from xenbump.verify.wanted import Wanted

_XTF_PLACE = "opt/xtf"
# A BIOS and a device model are emulated too: 50 and 106 seconds were measured on two processors with two and with six
# other programs on them.
_HVM_SECONDS = 240.0


class Qemu:
    """Boots one hypervisor.

    Args:
        wanted: what is verified, and how.
        hypervisor: the file that was built; a text where there is none: why.
        progress: told in a sentence what is being done.
    """

    def __init__(self, wanted: Wanted, hypervisor: Path | str, progress: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._hypervisor = hypervisor
        self._progress = progress

    def run(self, steps: tuple[Step, ...]) -> Ran:
        """Do the steps in one boot; see `engine.Engine`.

        Raises:
            Failure: as `image`, `probe` and `qemu` have it; E-ACCELERATOR where the one that is wanted does not work.
            UsageError: E-CONFIG for a baseline that is none.
        """
        wanted = self._wanted
        if isinstance(self._hypervisor, str):
            return skipped(steps, self._hypervisor)
        try:
            image = self._image(self._hypervisor)
        except Refusal as error:
            return skipped(steps, str(error))
        accelerator = probe.probe(image.hypervisor, wanted="" if wanted.accelerator == "auto" else wanted.accelerator)
        engine = f"QEMU {accelerator.version}, {accelerator.name}"
        choice = self._choice(accelerator.name) if Step.XTF in steps else None
        known = None if choice is None else self._known(engine, choice)
        booted = self._boot(steps, image, accelerator, choice, engine)
        if known is None:
            return Ran(tuple(_result(step, booted) for step in steps), engine)
        tests, version = _tested(booted, known)
        found = tuple(tests if step is Step.XTF else _result(step, booted) for step in steps)
        report = None if booted.report is None else booted.report.xtf
        return Ran(found, engine, () if report is None else tuple(report.outcomes.items()), version)

    def _image(self, hypervisor: Path) -> Image:
        wanted = self._wanted
        if wanted.image is not None:
            wanted.cache.mkdir(parents=True, exist_ok=True)
            return images.with_hypervisor(images.load(wanted.image), hypervisor, wanted.cache)
        line = ".".join(wanted.upstream_version.split(".")[:2])
        return images.from_debian(line, wanted.cache, self._progress, hypervisor, device_model=wanted.hvm)

    def _choice(self, accelerator: str) -> Xtf | None:
        if self._wanted.xtf is None:
            return None
        return Xtf(f"/{_XTF_PLACE}", environments=TCG_ENVIRONMENTS if accelerator == "tcg" else (), pvh=True)

    def _known(self, engine: str, choice: Xtf) -> tested.Known:
        """What XTF's results are compared with; read before anything is booted, since a baseline may be none."""
        path = self._wanted.baseline
        if path is None:
            # Gaps of the emulation differ by its release.
            program, _, accelerator = engine.partition(", ")
            major = program.removeprefix("QEMU ").partition(".")[0]
            found = baseline.known(f"qemu-{major}-{accelerator}") or baseline.known(f"qemu-{accelerator}")
        else:
            found = tested.read_baseline(path)
        return tested.Known(engine, None if found is None else baseline.within(found, choice), self._wanted.before)

    def _boot(
        self, steps: tuple[Step, ...], image: Image, accelerator: probe.Accelerator, choice: Xtf | None, engine: str
    ) -> qemu.Booted:
        wanted = self._wanted
        job = Job(
            nonce=secrets.token_hex(16),
            version=wanted.upstream_version,
            guests=("pv", "pvh", "hvm") if Step.GUESTS in steps else (),
            xtf=choice,
            **_for_hvm(image),
        )
        folders = {} if choice is None or wanted.xtf is None else {_XTF_PLACE: wanted.xtf}
        wanted.logs.mkdir(parents=True, exist_ok=True)
        console = wanted.logs / f"{wanted.package}.console.log"
        self._progress(f"{wanted.package}: booting dom0 on {engine}")
        return qemu.boot(image, job, accelerator=accelerator, console=console, progress=self._progress, folders=folders)


def _for_hvm(image: Image) -> dict[str, Any]:
    """What a job says so that an HVM guest can be started: nothing for an image without a device model."""
    if not image.manifest.device_model:
        return {}
    seconds = {"guest_seconds": _HVM_SECONDS, "seconds": Job.seconds + _HVM_SECONDS}
    return {"hvm_kernel": f"/{recipe.HVM_KERNEL}", **seconds}


def _result(step: Step, booted: qemu.Booted) -> StepResult:
    """One step out of a boot, which several share."""
    log = str(booted.console)
    if step is Step.XTF:
        return StepResult(step, SKIPPED, "no built XTF is at hand ([verify] xtf, or XENBUMP_XTF)")
    checks = checks_of(step, () if booted.report is None else booted.report.checks)
    if booted.kind != "off" or booted.lacks:
        said = booted.detail or f"its init missed {', '.join(booted.lacks)}"
        reason = f"the boot ended as {booted.kind}: {said}" if booted.kind != "off" else said
        return StepResult(step, FAILED, reason, checks, booted.seconds, log, booted.tail)
    return judged(step, checks, seconds=booted.seconds, log=log)


def _tested(booted: qemu.Booted, known: tested.Known) -> tuple[StepResult, str]:
    """The step `xtf` out of a boot in which it was to run, and the version with whose results they were compared."""
    report, log = booted.report, str(booted.console)
    if report is None or report.xtf is None:
        reason = booted.detail or "dom0 said nothing of XTF"
        return StepResult(Step.XTF, FAILED, reason, (), 0.0, log, booted.tail), ""
    return tested.judge(report.xtf, known, log=log)
