"""Verifies a package as it stands: it builds, has its outputs, says sensible things, boots dom0, passes XTF.

Each step leans on those before it; one that cannot be done is skipped and says why, so that nothing is taken for proven
that was not run.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.progress import StepBegan, StepEnded, StepsAhead, emit
from xenbump.verify import build as building
from xenbump.verify import engine as engines
from xenbump.verify import meta, outputs
from xenbump.verify.by_qemu import Qemu
from xenbump.verify.evidence import Evidence, Step, StepResult, judged
from xenbump.verify.nixos import NixosTest
from xenbump.verify.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.verify.engine import Engine, Ran
    from xenbump.verify.outputs import Promises

__all__ = ["Verifier", "Wanted"]

_EVALUATION_SECONDS = 300.0


class Verifier:
    """Verifies one package.

    Args:
        wanted: what and how.
        progress: told in a sentence what is being done.
    """

    def __init__(self, wanted: Wanted, progress: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._progress = progress
        self._built: Mapping[str, str] | None = None
        self._promises: Promises | None = None

    def verify(self) -> Evidence:
        """Do the steps, in order.

        Raises:
            Failure: a program is missing or could not be started, the disk is full, E-ACCELERATOR.
            UsageError: E-CONFIG for a baseline that is none. What comes out of a step is never an error.
        """
        wanted, found = self._wanted, []
        emit(self._progress, StepsAhead(wanted.package, tuple(step.value for step in Step if step in wanted.steps)))
        for step, work in ((Step.BUILD, self._build), (Step.OUTPUTS, self._outputs), (Step.META, self._meta)):
            if step in wanted.steps:
                self._began(step)
                self._progress(f"{wanted.package}: {step.value}")
                began = time.monotonic()
                result = work()
                self._ended(result, time.monotonic() - began)
                found.append(result)
        booted = tuple(step for step in engines.STEPS if step in wanted.steps)
        ran = self._booted(booted) if booted else engines.Ran(())
        return Evidence(
            wanted.package,
            wanted.version,
            wanted.upstream_version,
            ran.engine,
            (*found, *ran.steps),
            tests=ran.tests,
            compared=ran.compared,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            of=wanted.of,
        )

    def _began(self, step: Step) -> None:
        emit(self._progress, StepBegan(self._wanted.package, step.value))

    def _ended(self, one: StepResult, seconds: float) -> None:
        emit(self._progress, StepEnded(self._wanted.package, one.step.value, one.result, seconds, one.reason))

    def _booted(self, steps: tuple[Step, ...]) -> Ran:
        # One boot for all of them: which one it is at is known from what the machine says.
        self._began(steps[0])
        ran = self._boot(steps)
        for one in ran.steps:
            self._ended(one, one.seconds)
        return ran

    def _build(self) -> StepResult:
        wanted = self._wanted
        wanted.logs.mkdir(parents=True, exist_ok=True)
        built = building.build(
            wanted.buildable,
            wanted.logs,
            limit=wanted.limit,
            computed=wanted.computed,
            progress=engines.Told(self._progress).tell,
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

    def _boot(self, steps: tuple[Step, ...]) -> Ran:
        # A test of NixOS builds what it needs itself, but not once more what has just failed.
        by_test = self._wanted.engine == "nixos" and Step.BUILD not in self._wanted.steps
        if self._built is None and not by_test:
            return engines.skipped(steps, "nothing was built that could be booted")
        return self._engine().run(steps)

    def _engine(self) -> Engine:
        if self._wanted.engine == "nixos":
            return NixosTest(self._wanted, self._progress)
        return Qemu(self._wanted, self._hypervisor(self._built or {}), self._progress)

    def _hypervisor(self, built: Mapping[str, str]) -> Path | str:
        """The hypervisor that was built; why there is none, where there is none."""
        told, root = self._told(), outputs.store_root(self._wanted.buildable)
        folder = built.get("boot") or built.get("out")
        if root is None or told is None or told.multiboot is None or folder is None:
            return "where the hypervisor lies in what was built is not known"
        path = Path(told.multiboot)
        return root / (str(path) if path.is_absolute() else f"{folder}/{path}").lstrip("/")
