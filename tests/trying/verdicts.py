"""Verdicts, boots and results to make tests of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult, Report, XtfReport, XtfResult
from xenbump.trying.model import Phase, PhaseResult, Verdict
from xenbump.verify.qemu import Booted

TEST = "test-pv64-example"
OTHER = "test-hvm64-example"


def check(name: str, result: str = PASSED, reason: str = "", *evidence: str) -> CheckResult:
    return CheckResult(name, "It is so.", result, reason, evidence, 1.5)


GOOD = (
    PhaseResult(Phase.BUILD, PASSED, seconds=30.0, log="/logs/build.log"),
    PhaseResult(Phase.DOM0, PASSED, "", (check("tools"), check("dmesg")), 20.0, "/logs/console.log"),
    PhaseResult(Phase.GUESTS, PASSED, "", (check("guest-pv"), check("guest-pvh")), 12.0, "/logs/console.log"),
    PhaseResult(Phase.XTF, PASSED, "", (check("baseline"),), 60.0, "/logs/console.log"),
)


def verdict(*phases: PhaseResult, **changes: Any) -> Verdict:
    """A good verdict, unless something else is said."""
    values: dict[str, Any] = {
        "rev": "RELEASE-4.20.2",
        "commit": "0123456789" * 4,
        "described": "RELEASE-4.20.2",
        "tree": "ab" * 20,
        "version": "4.20.2",
        "booted": "4.20.2",
        "applied": (),
        "options": (),
        "tools": "built from the source",
        "engine": "QEMU 10.0.2, tcg",
        "phases": phases or GOOD,
        "tests": ((TEST, "SUCCESS"), (OTHER, "SKIP")),
        "when": "2026-01-02T03:04:05+00:00",
    }
    return Verdict(**{**values, **changes})


def failing(phase: Phase, reason: str = "it is broken", **changes: Any) -> PhaseResult:
    return PhaseResult(phase, FAILED, reason, **changes)


def skipped(phase: Phase, reason: str = "it did not come to that") -> PhaseResult:
    return PhaseResult(phase, SKIPPED, reason)


def report(*checks: CheckResult, tests: dict[str, str] | None = None, **changes: Any) -> Report:
    """What a dom0 answered."""
    xtf = None if tests is None else XtfReport(tuple(XtfResult(*one) for one in tests.items()), "", 7.0)
    return Report(**{"checks": checks, "xtf": xtf, "started": True, "finished": True, **changes})


def booted(answer: Report | None, **changes: Any) -> Booted:
    """A boot that ended in the regular way, unless something else is said."""
    values: dict[str, Any] = {
        "kind": "off",
        "detail": "",
        "report": answer,
        "version": "4.20.2",
        "lacks": (),
        "ready": 9.0,
        "seconds": 40.0,
        "console": Path("/logs/console.log"),
        "tail": ("(XEN) the last line",),
    }
    return Booted(**{**values, **changes})
