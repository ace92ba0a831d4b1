"""The JSON document of `xenbump try`, `xenbump.try/1`; `docs/interface.md` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump.dom0.report import CheckResult  # noqa: TC001 - msgspec reads the types at run time

if TYPE_CHECKING:
    from xenbump.trying.compare import Comparison
    from xenbump.trying.model import PhaseResult, Verdict


class PhaseEntry(msgspec.Struct, frozen=True):
    """A phase of a trial: its checks, the file with its log, and the last lines of a failure."""

    phase: Literal["patches", "config", "build", "dom0", "guests", "xtf"]
    result: Literal["passed", "failed", "skipped"]
    reason: str
    seconds: float
    log: str
    checks: tuple[CheckResult, ...]
    tail: tuple[str, ...]


class TrialEntry(msgspec.Struct, frozen=True):
    """What came out of a trial.

    `outcome` is `passed` where something was run and nothing failed; `failed_in` is the first phase that failed. `tree`
    is git's identifier of what was built, with the patches; `booted` what the hypervisor called itself; `kept`: it is a
    result of before. `tests` has XTF's results, `when` the time in UTC as ISO 8601 has it.
    """

    rev: str
    commit: str
    described: str
    tree: str
    version: str
    booted: str
    outcome: Literal["passed", "failed", "skipped"]
    failed_in: str | None
    patches: tuple[str, ...]
    options: dict[str, str]
    tools: str
    engine: str
    phases: tuple[PhaseEntry, ...]
    tests: dict[str, str]
    when: str
    kept: bool


class DifferenceEntry(msgspec.Struct, frozen=True):
    """One thing that is not the same; `before` or `after` is empty where it is not there."""

    kind: Literal["phase", "check", "guest", "test", "time"]
    name: str
    before: str
    after: str
    turn: Literal["worse", "better", "other"]
    reason: str


class ComparisonEntry(msgspec.Struct, frozen=True):
    """What differs from the trial that `against` has, and how many results are the same."""

    same: int
    worse: bool
    differences: tuple[DifferenceEntry, ...]


class TryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`xenbump try --json`; `against` and `comparison` are there with `--against`."""

    schema: Literal["xenbump.try/1"] = "xenbump.try/1"
    trial: TrialEntry
    against: TrialEntry | None = None
    comparison: ComparisonEntry | None = None


def document(verdict: Verdict, against: Verdict | None = None, comparison: Comparison | None = None) -> TryDocument:
    """The document of a trial, or of two that were compared."""
    return TryDocument(
        trial=_trial(verdict),
        against=None if against is None else _trial(against),
        comparison=None if comparison is None else _comparison(comparison),
    )


def _trial(verdict: Verdict) -> TrialEntry:
    failed = verdict.failed
    return TrialEntry(
        rev=verdict.rev,
        commit=verdict.commit,
        described=verdict.described,
        tree=verdict.tree,
        version=verdict.version,
        booted=verdict.booted,
        outcome="failed" if failed is not None else "passed" if verdict.passed else "skipped",
        failed_in=None if failed is None else failed.phase.value,
        patches=verdict.applied,
        options=dict(verdict.options),
        tools=verdict.tools,
        engine=verdict.engine,
        phases=tuple(map(_phase, verdict.phases)),
        tests=dict(verdict.tests),
        when=verdict.when,
        kept=verdict.kept,
    )


def _phase(one: PhaseResult) -> PhaseEntry:
    return PhaseEntry(one.phase.value, one.result, one.reason, one.seconds, one.log, one.checks, one.tail)  # type: ignore[arg-type]


def _comparison(found: Comparison) -> ComparisonEntry:
    return ComparisonEntry(
        found.same,
        bool(found.worse),
        tuple(
            DifferenceEntry(one.kind, one.name, one.before, one.after, one.turn, one.reason)
            for one in found.differences
        ),
    )
