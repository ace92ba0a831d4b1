"""What a dom0 is asked to do: one frozen value, written by the engine, read inside the dom0 from a JSON file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from . import values

if TYPE_CHECKING:
    from .values import Document

GUESTS = ("pv", "pvh", "hvm")
_NONCE = re.compile(r"[A-Za-z0-9]{16,128}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+[A-Za-z0-9.+~-]*")


@dataclass(frozen=True)
class Xtf:
    """The Xen Test Framework, built, in a folder of the dom0.

    Attributes:
        folder: the folder that has `xtf-runner` and `tests/`.
        environments: those that are run, such as `pv64`; empty: all that the folder has. Under QEMU's TCG give
            `dom0.xtf.TCG_ENVIRONMENTS`, since `hvm32pae` hangs there.
        tests: the tests that are run (`xsa-122` or `test-pv64-xsa-122`); empty: all.
        pvh: run the HVM tests as PVH guests; without a device model that is done anyway.
        test_seconds: the time limit of one test.
        seconds: the time limit of all of them together.
    """

    folder: str
    environments: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    pvh: bool = False
    test_seconds: float = 30.0
    seconds: float = 1800.0


@dataclass(frozen=True)
class Job:
    """What is to be checked, with what, and within which time.

    Attributes:
        nonce: 16 to 128 letters and digits, new for each boot: the key of the frames, and part of the line that a guest
            has to print.
        version: the package's `upstreamVersion`, such as `4.20.2`: what the booted hypervisor has to call itself.
        checks: the names of the checks to run; empty: all.
        guests: the kinds of guest to start: `pv`, `pvh`, `hvm`.
        xtf: the XTF run; None: none.
        memory: the memory that dom0 was given, in MiB (`dom0_mem=`); 0: not capped, and then that check is skipped.
        guest_kernel: the kernel of guests, in the dom0; an ELF `vmlinux` or a bzImage. Empty: none is at hand.
        guest_initrd: their initrd, whose init prints `xenbump.line=…` of its command line; empty: none is at hand.
        hvm_kernel: another kernel for HVM guests, which need a bzImage; empty: `guest_kernel`.
        guest_memory: the memory of a guest, in MiB.
        device_model: the device model's path in the dom0; empty: it is looked for.
        kernel_config: the file with the dom0 kernel's options; empty: `/proc/config.gz`, then `/boot/config-*`.
        engine: what dom0 runs on: `tcg` (emulated, with its known gaps) or `hardware`.
        check_seconds: the time limit of one check.
        guest_seconds: the time limit of one guest's whole life.
        seconds: the time limit of everything but XTF, which has its own.
        heartbeat_seconds: how often a frame says that the dom0 still lives.
    """

    nonce: str
    version: str
    checks: tuple[str, ...] = ()
    guests: tuple[str, ...] = GUESTS
    xtf: Xtf | None = None
    memory: int = 0
    guest_kernel: str = ""
    guest_initrd: str = ""
    hvm_kernel: str = ""
    guest_memory: int = 128
    device_model: str = ""
    kernel_config: str = ""
    engine: str = "tcg"
    check_seconds: float = 30.0
    guest_seconds: float = 60.0
    seconds: float = 300.0
    heartbeat_seconds: float = 5.0

    def to_document(self) -> dict[str, Any]:
        """The job as a JSON object."""
        return asdict(self)

    def to_json(self) -> str:
        """The job as the text of the file that the agent reads."""
        return json.dumps(self.to_document(), indent=2, sort_keys=True) + "\n"


def from_json(data: str | bytes) -> Job:
    """The job out of a file's text.

    Raises:
        ValueError: the text is no JSON, or not a job; the message says where.
    """
    try:
        parsed = json.loads(data)
    except RecursionError as error:
        raise ValueError("the job is nested too deeply") from error
    return from_document(values.document(parsed, "the job"))


def from_document(source: Document) -> Job:
    """The job out of a JSON object.

    Raises:
        ValueError: something is missing, of another type, unknown or out of its range.
    """
    values.known(source, "the job", frozenset(field.name for field in fields(Job)))
    base = Job(nonce="", version="")
    job = Job(
        nonce=values.text(source, "nonce"),
        version=values.text(source, "version"),
        checks=values.texts(source, "checks", base.checks),
        guests=values.texts(source, "guests", base.guests),
        xtf=None if source.get("xtf") is None else _xtf(values.document(source["xtf"], "`xtf`")),
        memory=values.whole(source, "memory", base.memory),
        guest_kernel=values.text(source, "guest_kernel", base.guest_kernel),
        guest_initrd=values.text(source, "guest_initrd", base.guest_initrd),
        hvm_kernel=values.text(source, "hvm_kernel", base.hvm_kernel),
        guest_memory=values.whole(source, "guest_memory", base.guest_memory),
        device_model=values.text(source, "device_model", base.device_model),
        kernel_config=values.text(source, "kernel_config", base.kernel_config),
        engine=values.text(source, "engine", base.engine),
        check_seconds=values.number(source, "check_seconds", base.check_seconds),
        guest_seconds=values.number(source, "guest_seconds", base.guest_seconds),
        seconds=values.number(source, "seconds", base.seconds),
        heartbeat_seconds=values.number(source, "heartbeat_seconds", base.heartbeat_seconds),
    )
    _judge(job)
    return job


def _xtf(source: Document) -> Xtf:
    values.known(source, "`xtf`", frozenset(field.name for field in fields(Xtf)))
    base = Xtf(folder="")
    return Xtf(
        folder=values.text(source, "folder"),
        environments=values.texts(source, "environments", base.environments),
        tests=values.texts(source, "tests", base.tests),
        pvh=values.truth(source, "pvh", default=base.pvh),
        test_seconds=values.number(source, "test_seconds", base.test_seconds),
        seconds=values.number(source, "seconds", base.seconds),
    )


def _judge(job: Job) -> None:
    if not _NONCE.fullmatch(job.nonce):
        raise ValueError("`nonce`: 16 to 128 letters and digits were expected")
    if not _VERSION.fullmatch(job.version):
        raise ValueError(f"`version`: `{job.version[:40]}` is no version of Xen")
    for guest in job.guests:
        if guest not in GUESTS:
            raise ValueError(f"`guests`: `{guest[:40]}` is none of {', '.join(GUESTS)}")
    limits = {"check_seconds": job.check_seconds, "guest_seconds": job.guest_seconds, "seconds": job.seconds}
    limits["heartbeat_seconds"] = job.heartbeat_seconds
    if job.xtf is not None:
        limits |= {"xtf.test_seconds": job.xtf.test_seconds, "xtf.seconds": job.xtf.seconds}
    for name, seconds in limits.items():
        if seconds <= 0:
            raise ValueError(f"`{name}`: more than 0 seconds were expected")
