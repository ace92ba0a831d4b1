"""A machine that answers from transcripts, and the transcripts of a dom0 in which all is well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xenbump.dom0.job import Job
from xenbump.dom0.machine import NOT_STARTED, Result, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

NONCE = "0123456789abcdef0123456789abcdef"

XL_INFO = """\
host                   : dom0
release                : 6.12.48+deb13-amd64
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)
machine                : x86_64
nr_cpus                : 1
max_cpu_id             : 0
nr_nodes               : 1
cores_per_socket       : 1
threads_per_core       : 1
cpu_mhz                : 2419.200
hw_caps                : 079bfbff:fffa3203:2fd3fbff:000001f7:0000000f:219c47ab:0040077c:00000100
virt_caps              : pv hvm hvm_directio pv_directio hap vmtrace gnttab-v1
total_memory           : 2047
free_memory            : 1208
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
xen_major              : 4
xen_minor              : 20
xen_extra              : .2
xen_version            : 4.20.2
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          :
xen_commandline        : console=com1 com1=115200,8n1 dom0_mem=768M,max:768M
cc_compiler            : x86_64-linux-gnu-gcc (Debian 14.2.0-19) 14.2.0
cc_compile_date        : Thu Oct 23 11:10:30 UTC 2025
build_id               : 5c1d0c9a1e9e1d7c6f0b3d4a2f5e6d7c8b9a0f1e
xend_config_format     : 4
"""
XL_INFO_DENIED = """\
xc: error: Could not obtain handle on privileged command interface (13 = Permission denied): Internal error
libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: Permission denied
cannot init xl context
"""
XL_LIST = """\
Name                                        ID   Mem VCPUs	State	Time(s)
Domain-0                                     0   768     1     r-----       4.1
"""
PROCESSES = """\
==> /proc/1/cmdline <==
/bin/sh\0/init\0
==> /proc/2/cmdline <==

==> /proc/98/cmdline <==
/usr/sbin/oxenstored\0--pid-file\0/run/xen/xenstored.pid\0
==> /proc/104/cmdline <==
/usr/sbin/xenconsoled\0--log=guest\0--log-dir=/var/log/xen/console\0
==> /proc/110/cmdline <==
python3\0-m\0dom0.agent\0/job.json\0
"""
CONFIG = """\
#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.12.48 Kernel Configuration
#
CONFIG_HYPERVISOR_GUEST=y
CONFIG_PARAVIRT=y
CONFIG_XEN=y
CONFIG_XEN_PV=y
CONFIG_XEN_512GB=y
CONFIG_XEN_DOM0=y
CONFIG_XEN_PVHVM=y
CONFIG_XEN_PVH=y
CONFIG_XEN_SAVE_RESTORE=y
# CONFIG_XEN_DEBUG_FS is not set
CONFIG_PCI_XEN=y
CONFIG_BRIDGE=m
CONFIG_TUN=m
CONFIG_HVC_XEN=y
CONFIG_XEN_NETDEV_FRONTEND=m
CONFIG_XEN_NETDEV_BACKEND=m
CONFIG_XEN_BLKDEV_FRONTEND=m
CONFIG_XEN_BLKDEV_BACKEND=m
CONFIG_XEN_XENBUS_FRONTEND=y
CONFIG_XEN_BALLOON=y
CONFIG_XEN_DEV_EVTCHN=m
CONFIG_XEN_BACKEND=y
CONFIG_XENFS=m
CONFIG_XEN_COMPAT_XENFS=y
CONFIG_XEN_SYS_HYPERVISOR=y
CONFIG_XEN_GNTDEV=m
CONFIG_XEN_GRANT_DEV_ALLOC=m
CONFIG_SWIOTLB_XEN=y
CONFIG_XEN_PRIVCMD=m
"""
DMESG = """\
<5>[    0.000000] Linux version 6.12.48+deb13-amd64 (debian-kernel@lists.debian.org)
<6>[    0.000000] Command line: placeholder root=/dev/ram0 console=hvc0
<6>[    0.000000] Xen: [mem 0x0000000000000000-0x000000000009efff] usable
<6>[    0.411000] xen:grant_table: Grant tables using version 1 layout
<30>[    2.100000] init: error: this is what a program says
"""
XL_DMESG = """\
(XEN) Xen version 4.20.2 (Debian 4.20.2-1) (pkg-xen-devel@lists.alioth.debian.org) debug=n
(XEN) Latest ChangeSet:
(XEN) [    1.201] Brought up 1 CPUs
(XEN) [    2.915] *** Serial input to DOM0 (type 'CTRL-a' three times to switch input)
mapping kernel into physical memory
"""

Answer = tuple[int, str]


def job(**changes: object) -> Job:
    """A job with a guest's kernel and initrd."""
    values: dict[str, object] = {
        "nonce": NONCE,
        "version": "4.20.2",
        "memory": 768,
        "guest_kernel": "/opt/guest/kernel",
        "guest_initrd": "/opt/guest/initrd",
    }
    return Job(**(values | changes))  # type: ignore[arg-type]


class Fake(Waiting):
    """Answers a command by the first pattern that its text has; what no pattern knows is not found.

    Attributes:
        commands: what was asked, in order.
    """

    def __init__(self, *answers: tuple[str, int, str] | tuple[str, Callable[[str], Answer]]) -> None:
        self.answers = list(answers)
        self.commands: list[str] = []

    def run(self, command: str, *, timeout: float) -> Result:
        assert timeout > 0
        self.commands.append(command)
        for answer in self.answers:
            if re.search(answer[0], command):
                status, output = answer[1](command) if callable(answer[1]) else (answer[1], answer[2])
                return Result(status, output, 0.01)
        return Result(NOT_STARTED, f"sh: 1: {command.split(maxsplit=1)[0]}: not found\n", 0.01)

    def asked(self, pattern: str) -> int:
        """How many commands have this pattern."""
        return sum(1 for command in self.commands if re.search(pattern, command))


def healthy(*first: tuple[str, int, str] | tuple[str, Callable[[str], Answer]]) -> Fake:
    """A dom0 in which all is well, without systemd and without a device model; `first` answers before it does."""
    return Fake(
        *first,
        ("xl info", 0, XL_INFO),
        ("xl list", 0, XL_LIST),
        ("proc/xen/capabilities", 0, "control_d\n"),
        ("/proc/.*cmdline", 0, PROCESSES),
        ("xenstore-read domid", 0, "0\n"),
        ("run/systemd", 1, ""),
        ("config", 0, CONFIG),
        ("xl dmesg", 0, XL_DMESG),
        ("dmesg -r", 0, DMESG),
        ("qemu-system", 0, ""),
        ("mkdir -p", 0, ""),
    )
