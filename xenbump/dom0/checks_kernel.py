"""Whether dom0's kernel was built with what Xen needs of it, as a control domain and as a guest.

The options are those that the Xen project's guide to kernel options and the distributions' guides name. Those that are
required are ones without which dom0 or a guest does not work; the others add a feature, and are named when absent.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from .check import Check, failed, passed, skipped

if TYPE_CHECKING:
    from .check import Found
    from .job import Job
    from .machine import Machine

SECONDS = 20.0
DOM0_REQUIRED = (
    "XEN",
    "XEN_PV",
    "XEN_DOM0",
    "PCI_XEN",
    "XENFS",
    "XEN_PRIVCMD",
    "XEN_DEV_EVTCHN",
    "XEN_GNTDEV",
    "XEN_GRANT_DEV_ALLOC",
    "XEN_SYS_HYPERVISOR",
    "XEN_BACKEND",
    "XEN_NETDEV_BACKEND",
    "XEN_BLKDEV_BACKEND",
    "XEN_BALLOON",
    "SWIOTLB_XEN",
    "HVC_XEN",
    "TUN",
    "BRIDGE",
)
DOM0_OPTIONAL = (
    "XEN_COMPAT_XENFS",
    "XEN_PCIDEV_BACKEND",
    "XEN_SCSI_BACKEND",
    "XEN_ACPI_PROCESSOR",
    "XEN_MCE_LOG",
    "XEN_WDT",
    "XEN_PVCALLS_BACKEND",
    "XEN_SCRUB_PAGES_DEFAULT",
)
DOMU_REQUIRED = (
    "HYPERVISOR_GUEST",
    "PARAVIRT",
    "XEN",
    "XEN_PV",
    "XEN_PVHVM",
    "XEN_PVH",
    "HVC_XEN",
    "XEN_NETDEV_FRONTEND",
    "XEN_BLKDEV_FRONTEND",
    "XEN_XENBUS_FRONTEND",
)
DOMU_OPTIONAL = (
    "XEN_PCIDEV_FRONTEND",
    "XEN_SCSI_FRONTEND",
    "XEN_FBDEV_FRONTEND",
    "INPUT_XEN_KBDDEV_FRONTEND",
    "XEN_SAVE_RESTORE",
    "DRM_XEN_FRONTEND",
    "SND_XEN_FRONTEND",
)
# What an option was called in other releases of Linux.
_OTHER_NAMES = {"XEN_PVHVM": ("XEN_PVHVM_GUEST",), "XEN_PV": ("XEN_PV_DOM0",)}
_SET = re.compile(r"^CONFIG_([A-Za-z0-9_]+)=([ym])$", re.MULTILINE)
_OFF = re.compile(r"^# CONFIG_[A-Za-z0-9_]+ is not set$", re.MULTILINE)
_HERE = "/proc/config.gz /proc/config /boot/config-$(uname -r)"


def options(text: str) -> dict[str, str]:
    """The options that are on, without `CONFIG_`, and how (`y`, `m`), out of a kernel's `.config`."""
    return dict(_SET.findall(text))


def _text(machine: Machine, job: Job) -> str:
    """The kernel's `.config`; empty when it is not at hand."""
    files = shlex.quote(job.kernel_config) if job.kernel_config else _HERE
    command = (
        f"for f in {files}; do if [ -r $f ]; then case $f in *.gz) zcat < $f ;; *) cat $f ;; esac; exit; fi; done; "
        "exit 1"
    )
    result = machine.run(command, timeout=SECONDS)
    return result.output if result.ok else ""


def _judge(machine: Machine, job: Job, required: tuple[str, ...], optional: tuple[str, ...]) -> Found:
    text = _text(machine, job)
    on = options(text)
    if not on and not _OFF.search(text):
        where = job.kernel_config or "/proc/config.gz or /boot"
        return skipped(f"the options of dom0's kernel are not in {where}")
    absent = [name for name in required if not any(other in on for other in (name, *_OTHER_NAMES.get(name, ())))]
    without = [name for name in optional if name not in on]
    evidence = [f"CONFIG_{name}={on[name]}" for name in (*required, *optional) if name in on]
    evidence += [f"CONFIG_{name} is not set, which is allowed" for name in without]
    if absent:
        names = ", ".join(f"CONFIG_{name}" for name in absent)
        return failed(f"the kernel lacks {names}", *evidence)
    return passed(
        f"all {len(required)} required options are on, {len(optional) - len(without)} optional ones", *evidence
    )


KERNEL_DOM0 = Check(
    "kernel-dom0",
    "The kernel has the options that a control domain needs.",
    lambda machine, job: _judge(machine, job, DOM0_REQUIRED, DOM0_OPTIONAL),
)
KERNEL_DOMU = Check(
    "kernel-domu",
    "The kernel has the options that a guest needs.",
    lambda machine, job: _judge(machine, job, DOMU_REQUIRED, DOMU_OPTIONAL),
)
