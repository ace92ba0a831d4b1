"""What is forgiven of the hypervisor's log, and that nothing else is."""

from __future__ import annotations

import pytest

from tests.trying.verdicts import check
from xenbump.dom0.checks_log import xen_errors
from xenbump.dom0.report import FAILED, PASSED
from xenbump.trying.gaps import forgiven

WARNING = "(XEN) Xen WARN at arch/x86/xstate.c:777"
TRACE = "(XEN) Xen call trace:"
SELFTEST = "(XEN) Selftest 2 failed: Opc f3 0f 1e fa 02 04 04 expected #SS[0000], got #GP[0000]"


def log(*lines: str, name: str = "xl-dmesg") -> str:
    return forgiven(check(name, FAILED, "lines", *lines), "tcg").result


def test_what_the_emulation_lacks_is_forgiven() -> None:
    assert log(WARNING, TRACE, SELFTEST) == PASSED
    assert log("(XEN) [    1.02] Xen WARN at arch/x86/xstate.c:790", "(XEN) [    1.02] Xen call trace:") == PASSED
    # The check takes them for errors: else there would be nothing to forgive.
    assert len(xen_errors(f"{WARNING}\n{TRACE}\n{SELFTEST}")) == 3


@pytest.mark.parametrize(
    "lines",
    [
        (WARNING, TRACE, TRACE),
        (TRACE,),
        (WARNING, TRACE, "(XEN) Xen WARN at arch/x86/traps.c:1"),
        ("(XEN) Xen BUG at arch/x86/xstate.c:777", TRACE),
        (SELFTEST.replace("#GP", "#UD"),),
        (WARNING, "(3 lines are left out)"),
        (),
    ],
)
def test_nothing_else_is(lines: tuple[str, ...]) -> None:
    assert log(*lines) == FAILED


def test_hardware_and_other_checks_are_taken_at_their_word() -> None:
    assert forgiven(check("xl-dmesg", FAILED, "", WARNING), "kvm").result == FAILED
    assert log(WARNING, name="dmesg") == FAILED
    good = check("xl-dmesg", PASSED, "", WARNING)
    assert forgiven(good, "tcg") is good
