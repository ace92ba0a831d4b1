"""What reports are made of, to make tests of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.trying.verdicts import GOOD, OTHER, TEST, check, failing, verdict
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying import compare
from xenbump.trying.host import Machine
from xenbump.trying.model import Phase
from xenbump.trying.report import Told
from xenbump.trying.signed import Signed

MACHINE = Machine("A processor", 2, 24 << 30, "Linux 6.1.0 x86_64", "A system 12", "gcc 12.2.0")
SIGNED = Signed("good", "4.22.0-rc3", "good, of 2026-06-29, by the pinned key ABCD")
ADDRESS = "https://xen.example/xen.git"
REPEAT = ("xenbump", "try", "4.22.0-rc3", "--again")
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


def told(**changes: Any) -> Told:
    """A report of a candidate that is good, unless something else is said."""
    values: dict[str, Any] = {
        "verdict": verdict(rev="4.22.0-rc3", described="4.22.0-rc3"),
        "machine": MACHINE,
        "signed": SIGNED,
        "repository": ADDRESS,
        "repeat": REPEAT,
    }
    return Told(**{**values, **changes})


def bad(**changes: Any) -> Told:
    """A report of one that fails in two phases and was compared with a good one."""
    guest = check("guest-pv", FAILED, "it printed nothing", f"(XEN) d1 crashed {HOSTILE}")
    phases = (
        GOOD[0],
        replace(GOOD[1], checks=(check("tools"), check("dmesg", PASSED, "2 lines"), check("vif", SKIPPED, "none"))),
        failing(
            Phase.GUESTS, "guest-pv: it printed nothing", checks=(guest, check("guest-pvh")), seconds=80.0,
            log="/home/somebody/logs/console.log", tail=("(XEN) one", "    at ^ here", "(XEN) " + "long " * 40),
        ),
        failing(
            Phase.XTF, "1 of 3 are worse or missing", seconds=61.0, tail=("its last words",),
            checks=(
                check("baseline", FAILED, "1 of 3 are worse or missing"),
                check("test-hvm64-new", SKIPPED, "not in the baseline: SUCCESS"),
                check(TEST, FAILED, "SUCCESS before, FAILURE now"),
            ),
        ),
    )  # fmt: skip
    before = verdict(rev="RELEASE-4.21.0")
    after = verdict(
        *phases,
        rev="4.22.0-rc3",
        described="4.22.0-rc3",
        applied=("x86: the first", f"x86: {HOSTILE}"),
        options=(("DEBUG", "y"),),
        tests=((TEST, "FAILURE"), (OTHER, "SKIP"), ("test-hvm32-known", "ERROR"), ("test-hvm64-new", "SUCCESS")),
    )
    values = {"verdict": after, "before": before, "comparison": compare.compared(before, after)}
    return told(**{**values, **changes})
