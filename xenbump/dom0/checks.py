"""All checks in the order in which they are run, the choice among them, and the run.

What looks at the untouched dom0 comes first, then what starts guests, and last the logs, so that they have what the
guests brought about.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .autostart import AUTOSTART
from .check import Check, perform
from .checks_kernel import KERNEL_DOM0, KERNEL_DOMU
from .checks_log import DMESG, XL_DMESG
from .checks_services import UNITS_ACTIVE, XENCONSOLED, XENSTORED
from .checks_xen import ALONE, CONTROL, FREE, MEMORY, TOOLS, VERSION
from .guests import GUESTS
from .report import FAILED, CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .job import Job
    from .machine import Machine

CHECKS: tuple[Check, ...] = (
    CONTROL,
    XENSTORED,
    XENCONSOLED,
    UNITS_ACTIVE,
    TOOLS,
    VERSION,
    ALONE,
    MEMORY,
    FREE,
    KERNEL_DOM0,
    KERNEL_DOMU,
    *GUESTS,
    AUTOSTART,
    DMESG,
    XL_DMESG,
)
_AROUND_GUEST_SECONDS = 15.0  # what is asked before and after a guest's life


def select(names: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks of these names, in their own order; all when no name is given.

    Raises:
        ValueError: there is no check of a name.
    """
    known = {check.name for check in CHECKS}
    for name in names:
        if name not in known:
            raise ValueError(f"`{name[:40]}` is no check; there are {', '.join(check.name for check in CHECKS)}")
    return tuple(check for check in CHECKS if not names or check.name in names)


def run(machine: Machine, job: Job) -> Iterator[CheckResult]:
    """Run the job's checks one after the other, and give each result as soon as it is there.

    No check goes past its limit, nor all together past the job's; one whose time has gone before it began is failed.

    Raises:
        ValueError: there is no check of a name in the job; before any is run.
    """
    deadline = time.monotonic() + job.seconds
    for check in select(job.checks):
        limit = job.guest_seconds + _AROUND_GUEST_SECONDS if check.guest else job.check_seconds
        left = deadline - time.monotonic()
        if left <= 0:
            reason = f"it was not begun: the {job.seconds:g} seconds of all checks were over"
            yield CheckResult(check.name, check.requirement, FAILED, reason)
            continue
        yield perform(check, machine, job, seconds=min(limit, left))
