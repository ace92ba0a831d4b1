"""A real Xen 4.17 and a real Xen 4.20 boot as dom0 under emulation, and everything that is checked in them passes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.boot.machines import NONCE, qemu_processes
from xenbump.dom0.job import Job
from xenbump.verify import probe, qemu

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator
    from xenbump.verify.qemu import Booted

pytestmark = pytest.mark.xdist_group("boot")
LIMITS = qemu.Limits(ready=60, silence=30, total=180)


def version_of(image: Image, accelerator: Accelerator) -> str:
    """The version that an image's hypervisor prints when it is started without a dom0: only itself knows for certain.

    Between two point releases it calls itself `-pre` of the next one, and which one that is Debian's does not say.
    """
    version, why = probe.said_version(image.hypervisor, accelerator, 30)
    assert re.fullmatch(rf"{re.escape(image.manifest.xen)}\.\d+(-pre)?", version), why or version
    return version


def booted(image: Image, guests: tuple[str, ...], accelerator: Accelerator, folder: Path) -> tuple[Booted, list[str]]:
    before = qemu_processes()
    told: list[str] = []
    job = Job(nonce=NONCE, version=version_of(image, accelerator), guests=guests)
    console = folder / f"console-{image.manifest.xen}"
    result = qemu.boot(image, job, accelerator=accelerator, console=console, limits=LIMITS, progress=told.append)
    assert qemu_processes() <= before
    return result, told


@pytest.fixture(scope="module")
def dom0_417(image_417: Image, emulation: Accelerator, consoles: Path) -> tuple[Booted, list[str]]:
    return booted(image_417, ("pv",), emulation, consoles)


@pytest.fixture(scope="module")
def dom0_420(image_420: Image, emulation: Accelerator, consoles: Path) -> tuple[Booted, list[str]]:
    return booted(image_420, ("pv", "pvh"), emulation, consoles)


@pytest.fixture(params=["4.17", "4.20"])
def dom0(request: pytest.FixtureRequest) -> tuple[Booted, list[str]]:
    name = f"dom0_{request.param.replace('.', '')}"
    found: tuple[Booted, list[str]] = request.getfixturevalue(name)
    return found


def test_every_check_passes_but_what_the_image_has_not(dom0: tuple[Booted, list[str]]) -> None:
    result, told = dom0
    assert (result.kind, result.detail, result.lacks) == ("off", "", ()), result.tail
    assert result.report is not None
    assert [check for check in result.report.checks if check.result == "failed"] == []
    assert result.report.finished
    assert result.passed
    skipped = {check.name for check in result.report.checks if check.result == "skipped"}
    # No systemd and no device model; a PVH guest takes a quarter of a minute, and one release shows it.
    assert skipped - {"guest-pvh"} == {"units", "autostart", "guest-hvm"}
    assert "guest-pv: passed" in told
    assert told[0].startswith("dom0 is up after ")


def test_dom0_is_up_within_30_seconds(dom0: tuple[Booted, list[str]]) -> None:
    result, _ = dom0
    assert result.ready is not None
    assert result.ready < 30


def test_the_console_is_kept_with_what_the_hypervisor_and_the_guests_said(dom0: tuple[Booted, list[str]]) -> None:
    result, _ = dom0
    text = result.console.read_text("utf-8", "replace")
    assert f"Xen version {result.version} " in text
    assert "Run /init as init process" in text
    assert result.tail[-1] == "(XEN) Entering ACPI S5 state."
    assert not any(line.startswith("<xb ") for line in result.tail)
    # The job's nonce is what frames are believed by: nothing may print it.
    assert NONCE not in text


def test_a_pvh_guest_prints_its_line_on_4_20(dom0_420: tuple[Booted, list[str]]) -> None:
    assert "guest-pvh: passed" in dom0_420[1]
