"""What was verified, and what was not and why: one frozen value, from which text, JSON, JUnit and Markdown are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult


class Step(StrEnum):
    """The steps, in their order; the names are fixed by `docs/interface.md`."""

    BUILD = "build"
    OUTPUTS = "outputs"
    META = "meta"
    DOM0 = "dom0"
    GUESTS = "guests"
    XTF = "xtf"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step.

    Attributes:
        step: which.
        result: `passed`, `failed` or `skipped`.
        reason: one sentence where it did not pass, or where there is something to tell all the same.
        checks: what it consists of.
        seconds: how long it took.
        log: the file with all that was said; empty where there is none.
        tail: the last lines that matter, of a failure.
    """

    step: Step
    result: str
    reason: str = ""
    checks: tuple[CheckResult, ...] = ()
    seconds: float = 0.0
    log: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it, for one package.

    Attributes:
        package: its configured name.
        version: of the package file.
        upstream_version: what its tree calls itself.
        engine: what dom0 ran on, such as `QEMU 7.2.22, tcg`; empty where none was started.
        steps: those that were asked for, each once, in order.
        tests: the results of XTF, each by the test's full name.
        compared: the version with whose results those were compared; empty: with none.
        when: the time at which it ended, in UTC as ISO 8601 has it.
        of: what was verified, in the caller's words, such as a commit.
        under: a digest of the conditions under which it came about; empty: it does not count for another run.
    """

    package: str
    version: str
    upstream_version: str
    engine: str
    steps: tuple[StepResult, ...]
    tests: tuple[tuple[str, str], ...] = ()
    compared: str = ""
    when: str = ""
    of: str = ""
    under: str = ""

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return any(one.result == FAILED for one in self.steps)

    @property
    def complete(self) -> bool:
        """Whether every step that was asked for passed, and there was one: what a pull request needs to be ready."""
        return bool(self.steps) and all(one.result == PASSED for one in self.steps)

    @property
    def not_run(self) -> tuple[tuple[str, str], ...]:
        """The steps that were skipped, by name, each with the reason."""
        return tuple((one.step.value, one.reason) for one in self.steps if one.result == SKIPPED)


def judged(step: Step, checks: tuple[CheckResult, ...], *, seconds: float = 0.0, log: str = "") -> StepResult:
    """A step by its checks: failed by one that failed, skipped where none passed."""
    bad = [one for one in checks if one.result == FAILED]
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        return StepResult(step, FAILED, f"{bad[0].name}: {bad[0].reason}{more}", checks, seconds, log)
    if any(one.result == PASSED for one in checks):
        return StepResult(step, PASSED, "", checks, seconds, log)
    reason = checks[0].reason if checks else "there was nothing to check"
    return StepResult(step, SKIPPED, reason, checks, seconds, log)
