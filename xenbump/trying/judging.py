"""What a boot comes to, phase by phase. Pure: what `qemu.boot` found goes in, results come out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.trying.gaps import LOG, forgiven
from xenbump.trying.model import Phase, PhaseResult
from xenbump.verify import tested
from xenbump.verify.engine import checks_of
from xenbump.verify.evidence import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.verify.qemu import Booted

BOOTED: Final = (Phase.DOM0, Phase.GUESTS, Phase.XTF)
NO_XTF: Final = "no built XTF is at hand (--xtf, [verify] xtf or XENBUMP_XTF)"
_OF_A_GUEST: Final = re.compile(
    r"\(XEN\)(?: \[[^\]]*\])? (?:domain_crash called from .*|Domain [1-9]\d* .*|d[1-9]\d*v\d+ .*)"
)
# How a boot ended that did not end in the regular way; what `qemu.Booted` tells follows.
_ENDS: Final = {
    "panic": "it panics",
    "hang": "it hangs",
    "timeout": "it takes too long",
    "reboot": "it starts again by itself",
    "no-agent": "dom0 is up and does nothing",
    "lost": "results are missing",
    "ended": "the machine broke off",
}


def phases(
    booted: Booted,
    wanted: Sequence[Phase],
    known: tested.Known,
    *,
    accelerator: str,
    with_xtf: bool,
) -> tuple[tuple[PhaseResult, ...], tuple[tuple[str, str], ...]]:
    """The phases of a boot, and the results of XTF, each by the test's full name.

    Args:
        booted: how it ended, and what the dom0 answered.
        wanted: the phases that were asked for; those before the boot are passed over.
        known: what XTF's results are compared with.
        accelerator: `tcg` or `kvm`.
        with_xtf: whether XTF was run; where it was not, that is told.
    """
    at_fault = culprit(booted, with_xtf=with_xtf)
    found = []
    for phase in BOOTED:
        if phase not in wanted:
            continue
        if phase is Phase.XTF and not with_xtf:
            found.append(PhaseResult(phase, SKIPPED, NO_XTF))
        elif phase is at_fault:
            found.append(_broken(phase, booted, accelerator))
        elif at_fault is not None and BOOTED.index(phase) > BOOTED.index(at_fault):
            found.append(PhaseResult(phase, SKIPPED, "it did not come to that"))
        else:
            found.append(_xtf(booted, known) if phase is Phase.XTF else _checked(phase, booted, accelerator))
    # A boot that was asked for one phase only still fails as a whole.
    if at_fault is not None and at_fault not in wanted:
        found.insert(0, _broken(at_fault, booted, accelerator))
    report = None if booted.report is None else booted.report.xtf
    return tuple(found), () if report is None else tuple(report.outcomes.items())


def culprit(booted: Booted, *, with_xtf: bool) -> Phase | None:
    """The phase in which a boot broke off; None where it did not.

    That is where the first result is missing: checks in dom0 are run in their order, and XTF last.
    """
    report = booted.report
    if booted.kind == "off":
        return Phase.DOM0 if booted.lacks or report is None or report.error else None
    if booted.ready is None or report is None or not report.started:
        return Phase.DOM0
    lost = [check for check in report.checks if check.name in report.missing]
    if lost:
        guests = checks_of(Step.GUESTS, tuple(lost[:1]))
        return Phase.GUESTS if guests else Phase.DOM0
    return Phase.XTF if with_xtf and "xtf" in report.missing else Phase.DOM0


def broke_off(one: PhaseResult) -> bool:
    """Whether a phase failed since the boot broke off in it, not by a result that it had."""
    return one.result == FAILED and one.reason.startswith(tuple(f"{end}: " for end in _ENDS.values()))


def _broken(phase: Phase, booted: Booted, accelerator: str) -> PhaseResult:
    """The phase in which the boot broke off."""
    said = "" if booted.report is None else booted.report.error
    reason = f"dom0 lacks {', '.join(booted.lacks)}" if booted.lacks else f"the checks broke off: {said}"
    if booted.kind != "off":
        reason = f"{_ENDS[booted.kind]}: {booted.detail}"
    checks = () if phase is Phase.XTF else _checks(phase, booted, accelerator)
    return PhaseResult(phase, FAILED, reason, checks, booted.seconds, str(booted.console), booted.tail)


def _checked(phase: Phase, booted: Booted, accelerator: str) -> PhaseResult:
    checks = _checks(phase, booted, accelerator)
    seconds = sum(check.seconds for check in checks)
    if phase is Phase.DOM0:
        seconds += booted.ready or 0.0
    bad = [check for check in checks if check.result == FAILED]
    log = str(booted.console)
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        tail = bad[0].evidence
        return PhaseResult(phase, FAILED, f"{bad[0].name}: {bad[0].reason}{more}", checks, seconds, log, tail)
    if any(check.result == PASSED for check in checks):
        return PhaseResult(phase, PASSED, "", checks, seconds, log)
    reason = checks[0].reason if checks else "there was nothing to check"
    return PhaseResult(phase, SKIPPED, reason, checks, seconds, log)


def _checks(phase: Phase, booted: Booted, accelerator: str) -> tuple[CheckResult, ...]:
    """The checks of a phase that have a result of their own."""
    report = booted.report
    if report is None:
        return ()
    there = tuple(forgiven(one, accelerator) for one in report.checks if one.name not in report.missing)
    guests = checks_of(Step.GUESTS, there)
    told = tuple(one for one in there if _tells_of(guests, one))
    if phase is Phase.GUESTS:
        return (*guests, *told)
    return tuple(one for one in checks_of(Step.DOM0, there) if one not in told)


def _tells_of(guests: Sequence[CheckResult], check: CheckResult) -> bool:
    """Whether all that the hypervisor's log complains of is a guest that failed: then it is no fault of dom0's."""
    return (
        check.name == LOG
        and check.result == FAILED
        and any(one.result == FAILED for one in guests)
        and bool(check.evidence)
        and all(map(_OF_A_GUEST.fullmatch, check.evidence))
    )


def _xtf(booted: Booted, known: tested.Known) -> PhaseResult:
    report, log = booted.report, str(booted.console)
    if report is None or report.xtf is None:
        return PhaseResult(Phase.XTF, FAILED, "dom0 said nothing of XTF", (), 0.0, log, booted.tail)
    step, _ = tested.judge(report.xtf, known, log=log)
    said = {one.name: one.output for one in report.xtf.results}
    tail = tuple(line for check in step.checks if check.result == FAILED for line in said.get(check.name, ()))
    return PhaseResult(Phase.XTF, step.result, step.reason, step.checks, step.seconds, log, tail)
