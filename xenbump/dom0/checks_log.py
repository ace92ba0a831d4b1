"""Whether kernel and hypervisor logged errors that a good boot does not log.

A line is an error by its level (the kernel's 0 to 3) or by what it says; what is known of good boots is allowed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .check import Check, failed, passed, refused

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine

SECONDS = 15.0
_ERROR_LEVEL = 3
_RAW = re.compile(r"<(\d+)>(.*)")
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
KERNEL_ERRORS = re.compile(
    r"\bBUG:|\bOops\b|Kernel panic|Call Trace|general protection|\bWARNING: CPU|unable to handle|"
    r"Out of memory|blocked for more than|soft lockup|hard LOCKUP|segfault at|unchecked MSR access|"
    r"\bxen[a-z_-]*:.*\b(fail(ed|ure)?|error|timed out)\b",
    re.IGNORECASE,
)
XEN_ERRORS = re.compile(
    r"\bpanic\b|\bFATAL\b|Xen (BUG|WARN|call trace)|Assertion .* failed|general protection|\bGPF\b|Unhandled|"
    r"page[- ]fault|domain_crash|\bcrashed\b|\bd\d+v\d+ .*(fault|error)|\berror\b|\bfailed\b|Out of memory|"
    r"watchdog.*stuck|Machine check exception",
    re.IGNORECASE,
)
# What machines and their firmware bring about, whatever Xen and kernel do. Debian's Xen 4.17 and 4.20 under QEMU log no
# other error than the one about E820.
KERNEL_ALLOWED = (
    r"^\[Firmware (Bug|Warn|Info)\]",
    r"^ACPI (BIOS )?(Error|Warning)",
    r"^RETBleed: WARNING",
    r"^i8042: (No controller found|Can't read CTR)",
    r"firmware: failed to load|Direct firmware load",
)
XEN_ALLOWED = (r"Failed to convert E820 RAM [0-9a-f]+-[0-9a-f]+ to RESERVED", r"ACPI (BIOS )?(Error|Warning)")


def kernel_errors(text: str) -> tuple[str, ...]:
    """The lines of `dmesg`, raw or not, that are errors and not known, without level and time."""
    allowed = re.compile("|".join(KERNEL_ALLOWED), re.IGNORECASE)
    found = []
    for whole in text.splitlines():
        raw = _RAW.match(whole)
        # Above 7 stands what programs wrote into the kernel's log, with levels of their own.
        error = raw is not None and int(raw[1]) <= _ERROR_LEVEL
        line = _STAMP.sub("", (raw[2] if raw else whole).strip())
        if line and (error or KERNEL_ERRORS.search(line)) and not allowed.search(line):
            found.append(line)
    return tuple(found)


def xen_errors(text: str) -> tuple[str, ...]:
    """The lines of `xl dmesg` that are the hypervisor's, say that something is wrong, and are not known."""
    allowed = re.compile("|".join(XEN_ALLOWED), re.IGNORECASE)
    lines = (line.strip() for line in text.splitlines())
    return tuple(
        line for line in lines if line.startswith("(XEN)") and XEN_ERRORS.search(line) and not allowed.search(line)
    )


def _dmesg(machine: Machine, _job: Job) -> Found:
    result = machine.run("dmesg -r", timeout=SECONDS)
    if not result.ok:
        # Without levels, the words decide alone.
        result = machine.run("dmesg", timeout=SECONDS)
    if not result.ok or not result.lines:
        return refused("dmesg", result)
    return _judge("dmesg", kernel_errors(result.output), len(result.lines))


def _xl_dmesg(machine: Machine, _job: Job) -> Found:
    result = machine.run("xl dmesg", timeout=SECONDS)
    if not result.ok or not result.lines:
        return refused("xl dmesg", result)
    return _judge("xl dmesg", xen_errors(result.output), len(result.lines))


def _judge(what: str, errors: tuple[str, ...], lines: int) -> Found:
    if errors:
        return failed(f"`{what}` has {len(errors)} lines that good boots do not have, first: {errors[0]}", *errors)
    return passed(f"`{what}` has {lines} lines and no unknown error")


DMESG = Check("dmesg", "The kernel logged no error that is not known.", _dmesg)
XL_DMESG = Check("xl-dmesg", "The hypervisor logged no error that is not known.", _xl_dmesg)
