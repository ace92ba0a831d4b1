"""Guests that print a line of their own and go down: PV, PVH, HVM, and one that xendomains starts.

`xl` exits with 0 for a guest that crashed, so a guest is believed only by the line that its own init printed, in the
log that xenconsoled keeps, `/var/log/xen/console/guest-NAME.log`. Init takes it from the kernel's command line, which
the kernel prints too; only a line that is this and nothing else counts.

A guest has a label, which is its kind (`pv`, `pvh`, `hvm`) or, for the one that xendomains starts, `auto`.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import TYPE_CHECKING

from .check import Check, failed, passed, skipped
from .checks_xen import domains, virtual

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine, Result

SECONDS = 15.0
FOLDER = "/run/xenbump"
LOGS = "/var/log/xen/console"
ARGUMENT = "xenbump.line="
KINDS = ("pv", "pvh", "hvm")
_DEVICE_MODELS = (
    "for f in $(command -v qemu-system-i386) $(command -v qemu-system-x86_64) /usr/lib/xen*/bin/qemu-system-i386 "
    "/usr/libexec/xen*/bin/qemu-system-i386 /usr/lib/xen*/bin/qemu-system-x86_64 /usr/libexec/xen-qemu-system-i386 "
    "/usr/lib/qemu/qemu-system-i386; do "
    'if [ -x "$f" ]; then echo "$f"; break; fi; done'
)
_ENDED = re.compile(r"Domain [0-9]+ has shut down, reason code ([0-9]+)")
_REASONS = {"1": "a reboot", "2": "a suspension", "3": "a crash", "4": "a watchdog", "5": "a soft reset"}
_LOG_SECONDS = 5.0
_LAST = 12  # lines of a guest's log that are shown


def line(job: Job, label: str) -> str:
    """The line that the guest of this label has to print; made of the nonce, which itself must not be seen."""
    return f"xenbump-guest-{label}-{_token(job, label)}"


def name(job: Job, label: str) -> str:
    """The name of the guest of this label, which no other run has."""
    return f"xb-{label}-{_token(job, label)[-8:]}"


def device_model(machine: Machine, job: Job) -> str:
    """The path of the device model; empty when there is none."""
    if job.device_model:
        return job.device_model if machine.run(f"test -x {shlex.quote(job.device_model)}", timeout=SECONDS).ok else ""
    lines = machine.run(_DEVICE_MODELS, timeout=SECONDS).lines
    return lines[0] if lines and lines[0].startswith("/") else ""


def config(job: Job, kind: str, label: str, model: str = "") -> str:
    """The text of a guest's file for `xl create` (xl.cfg(5)).

    Args:
        job: has kernel, initrd and memory.
        kind: one of KINDS.
        label: whose name and line the guest gets.
        model: the device model of an HVM guest; empty: the one that the tools know.

    Raises:
        ValueError: a path has a character that would end the text in the file.
    """
    kernel = job.hvm_kernel if kind == "hvm" and job.hvm_kernel else job.guest_kernel
    values = {
        "name": name(job, label),
        "type": kind,
        "kernel": kernel,
        "ramdisk": job.guest_initrd,
        "cmdline": f"console=hvc0 quiet panic=-1 {ARGUMENT}{line(job, label)}",
    }
    if kind == "hvm" and model:
        values["device_model_override"] = model
    for value in values.values():
        if any(letter in value for letter in "\"'\\\n"):
            raise ValueError(f"`{value[:60]}` cannot be written into a guest's file")
    lines = [f'{key} = "{value}"' for key, value in values.items()]
    lines += [f"memory = {job.guest_memory}", "vcpus = 1", "vif = []", "disk = []"]
    lines += [f'on_{event} = "destroy"' for event in ("poweroff", "reboot", "watchdog", "crash")]
    if kind != "pv":
        # Without this, under QEMU's TCG, a PVH Linux waits for ever for its clock, and an HVM one starts over and over.
        lines.append('tsc_mode = "native"')
    if kind == "hvm":
        lines += ['vga = "none"', "vnc = 0", "sdl = 0", "usb = 0", "xen_platform_pci = 1"]
    return "\n".join(lines) + "\n"


def lacking(machine: Machine, job: Job, kind: str) -> str:
    """Why a guest of this kind cannot be started here; empty when nothing is in its way."""
    if kind not in job.guests:
        return f"no {kind.upper()} guest was asked for"
    if not job.guest_kernel or not job.guest_initrd:
        return "no guest kernel and initrd are at hand"
    able = virtual(machine)
    if able and ("pv" if kind == "pv" else "hvm") not in able:
        return f"the hypervisor cannot run {kind.upper()} guests on this machine (virt_caps: {' '.join(sorted(able))})"
    if kind == "hvm" and not device_model(machine, job):
        return "there is no device model"
    return ""


def _guest(machine: Machine, job: Job, kind: str) -> Found:
    why = lacking(machine, job, kind)
    if why:
        return skipped(why)
    model = device_model(machine, job) if kind == "hvm" else ""
    path = f"{FOLDER}/{name(job, kind)}.cfg"
    written = write(machine, path, config(job, kind, kind, model))
    if not written.ok:
        return failed(f"the guest's file could not be written: {' '.join(written.lines)}")
    created = machine.run(f"xl create -F {shlex.quote(path)}", timeout=job.guest_seconds)
    return judge(machine, job, kind, created)


def judge(machine: Machine, job: Job, label: str, created: Result) -> Found:
    """What came of a guest whose `xl create -F` ended or was ended: its line, its end, whether any of it is left."""
    guest = name(job, label)
    ended = created.status >= 0
    printed = wait_for_guest(machine, job, label, _LOG_SECONDS if ended else 0.1)
    log = machine.run(f"tail -n {_LAST} {shlex.quote(log_of(guest))}", timeout=SECONDS).lines
    evidence = (f"xl create -F: status {created.status}, {created.seconds:.1f} s", *created.lines[-6:], *log)
    left = exists(machine, guest)
    if left:
        machine.run(f"xl destroy {shlex.quote(guest)}", timeout=SECONDS)
    said = "printed its line" if printed else "did not print its line"
    if not ended:
        return failed(f"the guest {said} and did not go down within {created.seconds:.0f} seconds", *evidence)
    if not printed:
        return failed(f"the guest {said} (`xl` ended with status {created.status})", *evidence)
    code = _ENDED.search(created.output)
    if code is not None and code[1] != "0":
        return failed(f"the guest {said} and ended by {_REASONS.get(code[1], f'reason {code[1]}')}", *evidence)
    if left:
        return failed(f"the guest {said} and is still in `xl list`", *evidence)
    if not created.ok:
        return failed(f"the guest {said}, and `xl create` ended with status {created.status}", *evidence)
    return passed("the guest printed its line and went down", *evidence)


def wait_for_guest(machine: Machine, job: Job, label: str, seconds: float) -> bool:
    """Whether the guest's line stands in its log within so many seconds."""
    return machine.wait_for_line(log_of(name(job, label)), rf"^\s*{line(job, label)}\s*$", seconds) is not None


def exists(machine: Machine, guest: str) -> bool:
    """Whether a domain of this name is in `xl list`."""
    return guest in {there for there, _, _ in domains(machine.run("xl list", timeout=SECONDS).output)}


def log_of(guest: str) -> str:
    """The file that xenconsoled writes a guest's console to."""
    return f"{LOGS}/guest-{guest}.log"


def write(machine: Machine, path: str, text: str) -> Result:
    """Write a small file on the machine; its folder is made."""
    folder = path.rpartition("/")[0]
    command = f"mkdir -p {shlex.quote(folder)} && printf %s {shlex.quote(text)} > {shlex.quote(path)}"
    return machine.run(command, timeout=SECONDS)


def _token(job: Job, label: str) -> str:
    return hashlib.sha256(f"xenbump guest {label} {job.nonce}".encode()).hexdigest()[:20]


def _of(kind: str) -> Check:
    return Check(
        f"guest-{kind}",
        f"A {kind.upper()} guest boots, prints a line of its own and goes down cleanly.",
        lambda machine, job: _guest(machine, job, kind),
        guest=True,
    )


GUESTS = tuple(_of(kind) for kind in KINDS)
