"""What a machine can boot Xen with: QEMU's release, an accelerator that was seen to work, and room for it.

A `/dev/kvm` that can be opened says nothing: where the machine is itself a guest, Xen may hang on it without a word. So
KVM is used only after a bare hypervisor, without any dom0, has printed its version with it.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from xenbump import durable
from xenbump.errors import Failure
from xenbump.process import run, start
from xenbump.verify.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

QEMU: Final = "qemu-system-x86_64"
KVM_SECONDS: Final = 5.0
_VERSION = re.compile(r"version (?P<version>(?P<major>\d+)\.\d+(?:\.\d+)?)")
# With SMAP, dom0 dies at once under the emulation of 7.2; 10.0 is good. It is of no use to what is checked here.
_GOOD_SMAP = 10
_SECONDS = 20.0
# What QEMU itself takes besides the machine's memory; 110 MiB were measured under TCG.
_OWN_MEMORY = 200
_CHUNK = 65536


@dataclass(frozen=True)
class Accelerator:
    """How QEMU is to run: accelerator, processor model, QEMU's release, and why this accelerator."""

    name: Literal["kvm", "tcg"]
    cpu: str
    version: str
    why: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """QEMU's arguments for them."""
        return ("-accel", self.name, "-cpu", self.cpu)


def probe(hypervisor: Path, *, wanted: Literal["", "kvm", "tcg"] = "", kvm: str = "/dev/kvm") -> Accelerator:
    """The accelerator to boot with.

    Args:
        hypervisor: Xen as a bare ELF32 file, started with KVM for up to five seconds.
        wanted: `tcg`: KVM is not tried; `kvm`: nothing else will do; empty: KVM where it works.
        kvm: the device's path.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED for QEMU; E-ACCELERATOR when KVM is wanted and does not work.
    """
    text = run([QEMU, "--version"], timeout=_SECONDS).stdout.decode("utf-8", "replace")
    match = _VERSION.search(text)
    if match is None:
        raise Failure("E-PROGRAM-FAILED", f"it does not say its version: {text[:80]!r}", where=QEMU)
    version, major = match["version"], int(match["major"])
    emulation = "max" if major >= _GOOD_SMAP else "max,-smap"
    if wanted == "tcg":
        return Accelerator("tcg", emulation, version, "it was asked for")
    trouble = _kvm_trouble(hypervisor, kvm)
    if not trouble:
        return Accelerator("kvm", "host", version, "a bare hypervisor printed its version with it")
    if wanted == "kvm":
        raise Failure("E-ACCELERATOR", f"KVM was asked for: {trouble}", where=kvm)
    return Accelerator("tcg", emulation, version, trouble)


def _kvm_trouble(hypervisor: Path, kvm: str) -> str:
    """Why KVM is of no use here; empty when it is."""
    if not Path(kvm).exists():
        return f"there is no {kvm}"
    if not os.access(kvm, os.R_OK | os.W_OK):
        return f"{kvm} may not be opened"
    version, complaint = said_version(hypervisor, Accelerator("kvm", "host", "", ""), KVM_SECONDS)
    if version:
        return ""
    return f"with KVM a bare hypervisor does not print its version: {complaint}"


def said_version(hypervisor: Path, accelerator: Accelerator, seconds: float) -> tuple[str, str]:
    """The version that a hypervisor prints when it is started without a dom0, or why it printed none in that time."""
    argv = [QEMU, *accelerator.arguments, *MACHINE, "-m", "256", "-kernel", str(hypervisor), "-append", _OPTIONS]
    watch = Watch(time.monotonic())
    with durable.nameless() as errors, start(argv, dies_with_parent=signal.SIGKILL, errors=errors) as qemu:
        try:
            open_still = listen(
                qemu.stdout.fileno() if qemu.stdout else -1, watch, lambda: bool(watch.version), seconds
            )
        finally:
            qemu.kill()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().partition("\n")[0]
    silent = f"it was silent for {seconds:g} seconds" if open_still else "QEMU ended"
    return watch.version, said or silent


_OPTIONS: Final = "console=com1 com1=115200,8n1"
MACHINE: Final = (
    *("-smp", "1", "-display", "none", "-no-reboot", "-nodefaults"),
    *("-no-user-config", "-monitor", "none", "-serial", "stdio"),
)


def listen(console: int, watch: Watch, enough: Callable[[], bool], seconds: float) -> bool:
    """Read a console until it is closed, enough was said, or the time is over; whether it is still open."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(console, selectors.EVENT_READ)
        while not enough() and (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(console, _CHUNK)
                if not data:
                    return False
                watch.feed(data, time.monotonic())
    return True


def preflight(memory: int, *, meminfo: str | None = None) -> None:
    """See to it that there is room for a machine before it is started.

    Args:
        memory: the machine's, in MiB.
        meminfo: the content of /proc/meminfo; None: this machine's.

    Raises:
        Failure: E-VERIFY-MEMORY when less is free than the machine and QEMU need.
    """
    if meminfo is None:
        meminfo = Path("/proc/meminfo").read_text("ascii")
    match = re.search(r"^MemAvailable: +(\d+) kB$", meminfo, re.MULTILINE)
    if match is None:
        return
    free, needed = int(match[1]) >> 10, memory + _OWN_MEMORY
    if free < needed:
        raise Failure(
            "E-VERIFY-MEMORY",
            f"{free} MiB of memory are free, and a machine of {memory} MiB takes {needed} MiB with QEMU",
            remedy="end other programs, or give the machine less memory",
        )
