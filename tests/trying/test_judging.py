"""What a boot comes to: the phase in which it broke off, checks, guests, XTF."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.trying.verdicts import OTHER, TEST, booted, check, report
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying import judging
from xenbump.trying.model import Phase
from xenbump.verify.tested import Known

if TYPE_CHECKING:
    from xenbump.trying.model import PhaseResult
    from xenbump.verify.qemu import Booted

ALL = tuple(Phase)
CHECKS = (check("tools"), check("guest-pv"), check("guest-hvm", SKIPPED, "no HVM guest was asked for"), check("dmesg"))
KNOWN = Known("QEMU 10.0.2, tcg", {TEST: "SUCCESS", OTHER: "SKIP"})


def judged(boot: Booted, *wanted: Phase, xtf: bool = False) -> dict[Phase, PhaseResult]:
    found, _ = judging.phases(boot, wanted or ALL, KNOWN, accelerator="tcg", with_xtf=xtf)
    assert len({one.phase for one in found}) == len(found)
    return {one.phase: one for one in found}


def test_a_good_boot_has_its_checks_and_times() -> None:
    found = judged(booted(report(*CHECKS)))
    assert [one.result for one in found.values()] == [PASSED, PASSED, SKIPPED]
    assert found[Phase.DOM0].seconds == 12.0  # up, and two checks
    assert [one.name for one in found[Phase.GUESTS].checks] == ["guest-pv", "guest-hvm"]
    assert "XENBUMP_XTF" in found[Phase.XTF].reason


def test_only_what_was_asked_for_is_told() -> None:
    assert list(judged(booted(report(*CHECKS)), Phase.BUILD, Phase.DOM0)) == [Phase.DOM0]


def test_a_failed_check_fails_its_phase_and_shows_what_it_rests_on() -> None:
    found = judged(booted(report(check("tools", FAILED, "they do not fit", "evidence"), *CHECKS[1:])))
    assert found[Phase.DOM0].reason == "tools: they do not fit"
    assert found[Phase.DOM0].tail == ("evidence",)
    assert found[Phase.GUESTS].result == PASSED


CRASHED = ("(XEN) domain_crash called from common/event_channel.c:1352", "(XEN) Domain 1 (vcpu#0) crashed on cpu#0:")


@pytest.mark.parametrize(
    ("evidence", "guest", "phase"),
    [
        (CRASHED, FAILED, Phase.GUESTS),
        (("(XEN) [    9.10] d2v0 Unhandled page fault fault/trap [#14, ec=0000]",), FAILED, Phase.GUESTS),
        ((*CRASHED, "(XEN) Xen WARN at arch/x86/traps.c:1"), FAILED, Phase.DOM0),
        (("(XEN) Domain 0 (vcpu#0) crashed on cpu#0:",), FAILED, Phase.DOM0),
        (("(XEN) d0v0 Unhandled page fault",), FAILED, Phase.DOM0),
        ((), FAILED, Phase.DOM0),
        (CRASHED, PASSED, Phase.DOM0),
    ],
)
def test_what_the_log_says_of_a_guest_that_failed_is_the_guests(
    evidence: tuple[str, ...], guest: str, phase: Phase
) -> None:
    log = check("xl-dmesg", FAILED, "lines", *evidence)
    found = judged(booted(report(check("tools"), check("guest-pv", guest, "mute"), log)))
    assert [one for one in found if "xl-dmesg" in {check.name for check in found[one].checks}] == [phase]
    assert found[phase].result == FAILED
    assert found[Phase.DOM0].result == (FAILED if phase is Phase.DOM0 else PASSED)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("panic", "it panics: why"), ("hang", "it hangs: why"), ("reboot", "it starts again by itself: why")],
)
def test_a_boot_that_breaks_off_before_dom0_is_up(kind: str, said: str) -> None:
    found = judged(booted(None, kind=kind, detail="why", ready=None), xtf=True)
    assert found[Phase.DOM0].result == FAILED
    assert found[Phase.DOM0].reason == said
    assert found[Phase.DOM0].tail == ("(XEN) the last line",)
    assert {found[phase].result for phase in (Phase.GUESTS, Phase.XTF)} == {SKIPPED}


def test_a_panic_while_a_guest_runs_is_the_guests() -> None:
    lost = report(check("tools"), check("guest-pv", FAILED, "lost"), check("dmesg", FAILED, "lost"), finished=False)
    found = judged(booted(replace(lost, missing=("guest-pv", "dmesg")), kind="panic", detail="why"), xtf=True)
    assert found[Phase.DOM0].result == PASSED
    assert [one.name for one in found[Phase.DOM0].checks] == ["tools"]
    assert found[Phase.GUESTS].reason == "it panics: why"
    assert found[Phase.XTF].result == SKIPPED


def test_a_panic_in_xtf_is_xtfs() -> None:
    lost = report(*CHECKS, tests={TEST: "SUCCESS"}, finished=False, missing=("xtf",))
    found = judged(booted(lost, kind="panic", detail="why"), xtf=True)
    assert [found[one].result for one in judging.BOOTED] == [PASSED, PASSED, FAILED]
    # With what was asked for alone, the boot fails all the same.
    assert list(judged(booted(lost, kind="panic", detail="why"), Phase.DOM0, xtf=True)) == [Phase.XTF, Phase.DOM0]


def test_what_init_misses_and_an_agent_that_fails_are_dom0s() -> None:
    assert (
        judged(booted(report(*CHECKS), lacks=("xenstored: none",)))[Phase.DOM0].reason == "dom0 lacks xenstored: none"
    )
    assert judged(booted(report(*CHECKS, error="a bug")))[Phase.DOM0].reason == "the checks broke off: a bug"


def test_xtf_is_judged_by_the_baseline() -> None:
    answer = report(*CHECKS, tests={TEST: "SUCCESS", OTHER: "SKIP"})
    found, tests = judging.phases(booted(answer), ALL, KNOWN, accelerator="tcg", with_xtf=True)
    assert found[-1].result == PASSED
    assert dict(tests) == {TEST: "SUCCESS", OTHER: "SKIP"}
    assert answer.xtf is not None
    said = replace(answer.xtf.results[0], result="CRASH", output=("what it said",))
    worse = replace(answer, xtf=replace(answer.xtf, results=(said, answer.xtf.results[1])))
    last = judged(booted(worse), xtf=True)[Phase.XTF]
    assert last.result == FAILED
    assert "1 of 2" in last.reason
    assert last.tail == ("what it said",)
