"""Boots that must not pass: each fault is found, named, and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.boot.machines import NONCE, changed, qemu_processes, silent_hypervisor, without
from xenbump.dom0.job import Job
from xenbump.verify import image, manifest, qemu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator
    from xenbump.verify.qemu import Booted

    Boot = Callable[..., Booted]

pytestmark = pytest.mark.xdist_group("boot")
LIMITS = qemu.Limits(ready=60, silence=20, total=90)


@pytest.fixture
def boot(emulation: Accelerator, consoles: Path) -> Iterator[Boot]:
    def run(booted: Image, *checks: str, memory: int = 0, limits: qemu.Limits = LIMITS) -> Booted:
        job = Job(nonce=NONCE, version="4.20.0", checks=checks, guests=())
        return qemu.boot(booted, job, accelerator=emulation, console=consoles / "fault", memory=memory, limits=limits)

    before = qemu_processes()
    yield run
    assert qemu_processes() <= before


def results(booted: Booted) -> dict[str, str]:
    assert booted.report is not None, booted
    return {check.name: check.result for check in booted.report.checks}


def test_a_hypervisor_that_panics(boot: Boot, image_420: Image, consoles: Path) -> None:
    # What is handed over as the dom0's kernel is none.
    broken = changed(image_420, consoles / "no-kernel", manifest.KERNEL, lambda kernel: kernel[:4096])
    booted = boot(broken)
    assert (booted.kind, booted.passed, booted.report) == ("panic", False, None)
    assert booted.detail == "Could not construct domain 0"
    assert booted.version
    assert booted.seconds < 20


def test_a_hypervisor_that_hangs(boot: Boot, image_420: Image, consoles: Path) -> None:
    (consoles / "silent").write_bytes(silent_hypervisor())
    silent = image.with_hypervisor(image_420, consoles / "silent", consoles)
    booted = boot(silent, limits=qemu.Limits(silence=2))
    assert (booted.kind, booted.version, booted.report) == ("hang", "", None)
    assert booted.detail == "the console was silent for 2 seconds; it never said anything"
    assert booted.seconds < 4


def test_too_little_memory(boot: Boot, image_420: Image) -> None:
    booted = boot(image_420, memory=512)
    assert (booted.kind, booted.passed) == ("panic", False)
    assert booted.detail.endswith("; of 512 MiB of memory, dom0 is to get 768 MiB")


def test_tools_of_another_minor_version(boot: Boot, image_417: Image, image_420: Image, consoles: Path) -> None:
    mixed = image.with_hypervisor(image_417, image_420.hypervisor, consoles)
    booted = boot(mixed, "control", "xenstored")
    assert booted.lacks == (f"tools of the hypervisor, which is Xen {booted.version}: the image's are of 4.17",)
    assert booted.version.startswith("4.20.")
    # All else may look good, and still no guest could be started.
    assert (booted.kind, results(booted)) == ("off", {"control": "passed", "xenstored": "passed"})
    assert not booted.passed


def test_an_image_without_xenstored(boot: Boot, image_420: Image, consoles: Path) -> None:
    change = without("oxenstored", "xenstored")
    lacking = changed(image_420, consoles / "no-store", manifest.INITRD, change)
    booted = boot(lacking, "control", "xenstored")
    assert booted.lacks == ("xenstored: the image has none",)
    assert not booted.passed
    assert results(booted) == {"control": "passed", "xenstored": "failed"}
