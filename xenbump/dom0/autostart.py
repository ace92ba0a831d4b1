"""Whether xendomains starts the guests of its folder, shown with one that prints its line and goes down."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from .check import Check, failed, passed, skipped
from .checks_services import has_systemd
from .guests import SECONDS, config, exists, lacking, log_of, name, wait_for_guest, write

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine

UNIT = "xendomains.service"
_LABEL = "auto"
_FOLDER = (
    "for f in /etc/sysconfig/xendomains /etc/default/xendomains; do if [ -r $f ]; then . $f; fi; done; "
    'echo "${XENDOMAINS_AUTO:-/etc/xen/auto}"'
)
_PAUSE_SECONDS = 0.25


def _autostart(machine: Machine, job: Job) -> Found:
    if not has_systemd(machine):
        return skipped("this dom0 is not run by systemd, which starts xendomains")
    # The kind does not matter for xendomains: the first that can be started.
    reasons = {kind: lacking(machine, job, kind) for kind in ("pv", "pvh")}
    kind = next((kind for kind, why in reasons.items() if not why), "")
    if not kind:
        return skipped(reasons["pv"])
    folder = machine.run(_FOLDER, timeout=SECONDS).output.strip()
    path = f"{folder}/{name(job, _LABEL)}.cfg"
    written = write(machine, path, config(job, kind, _LABEL))
    if not written.ok:
        return skipped(f"nothing can be written into {folder}: {' '.join(written.lines)}")
    try:
        return _started(machine, job, job.guest_seconds)
    finally:
        machine.run(f"rm -f {shlex.quote(path)}", timeout=SECONDS)


def _started(machine: Machine, job: Job, seconds: float) -> Found:
    guest = name(job, _LABEL)
    deadline = time.monotonic() + seconds
    restarted = machine.run(f"systemctl restart {UNIT}", timeout=seconds)
    if not restarted.ok:
        return failed(f"{UNIT} did not start", *restarted.lines[-12:])
    printed = wait_for_guest(machine, job, _LABEL, max(_PAUSE_SECONDS, deadline - time.monotonic()))
    while (left := exists(machine, guest)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    log = machine.run(f"tail -n 12 {shlex.quote(log_of(guest))}", timeout=SECONDS).lines
    evidence = (*restarted.lines[-6:], *log)
    if left:
        machine.run(f"xl destroy {shlex.quote(guest)}", timeout=SECONDS)
    if not printed:
        return failed("xendomains started, and the guest of its folder did not print its line", *evidence)
    if left:
        return failed("the guest that xendomains started did not go down", *evidence)
    return passed("xendomains started the guest, which printed its line and went down", *evidence)


AUTOSTART = Check("autostart", "xendomains starts the guests of its folder.", _autostart, guest=True)
