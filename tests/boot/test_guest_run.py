"""A root file system in a folder, a qcow2 and a container image, each run as a guest in a real dom0; and bad ones."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.boot.conftest import needed
from tests.boot.machines import qemu_processes
from tests.boot.xtf_kernels import PROGRAMS, framework
from tests.verify import guest_sources as sources
from xenbump.verify import guest_ready, guest_run
from xenbump.verify.guest_ready import Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

pytestmark = pytest.mark.xdist_group("boot")
# What each says of itself, and the numbers of the user that the image names.
SCRIPT = b'#!/bin/sh\necho "$GREETING from $(pwd) as $(busybox id -u):$(busybox id -g)"\nexit 3\n'


def wanted(folder: Path, busybox: bytes) -> tuple[Wanted, ...]:
    root = sources.root(folder / "root", busybox, "said by the folder")
    inner = sources.root(folder / "inner", busybox, "said by the qcow2")
    disk = sources.qcow2(sources.ext4(inner, folder / "disk.raw"), folder / "disk.qcow2")
    layers = [
        sources.layer(
            sources.member("bin/busybox", busybox),
            sources.member("bin/sh", type=b"2", linkname="busybox"),
            sources.member("bin/hello", b"#!/bin/sh\necho a lower layer\n"),
        ),
        sources.layer(sources.member("bin/hello", SCRIPT), sources.folder_member("srv")),
    ]
    config = {
        "Entrypoint": ["hello"],
        "Env": ["PATH=/bin", "GREETING=a 'greeting'"],
        "WorkingDir": "/srv",
        "User": "7:8",
    }
    image = sources.archive(folder / "image.tar", sources.layout(layers, config))
    tests = framework(folder / "kernels", {way: way for way in ("crash", "hang", "mute")}) / "tests"
    return (
        # PV guests take less of an emulated processor than PVH ones, one of which boots in another test (guest-pvh).
        Wanted("folder", str(root), type="pv", seconds=240),
        Wanted("disk", str(disk), type="pv", expect="^said by the qcow2$", seconds=240),
        Wanted("image", str(image), type="pv", seconds=240),
        *(
            Wanted(way, kernel=f"{tests}/{way}/test-pv64-{way}", type="pv", memory=32, expect=expect, seconds=seconds)
            for way, expect, seconds in (("crash", "", 60), ("hang", "", 5), ("mute", "a word", 60))
        ),
        Wanted("later", str(root), type="pv", autostart=False),
    )


def test_guests_from_files(image_420: Image, emulation: Accelerator, consoles: Path) -> None:
    # Where people's PATH does not lead.
    mkfs = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin") or "mkfs.ext4"
    needed([mkfs, "qemu-img", *PROGRAMS])
    before = qemu_processes()
    folder = consoles / "guests"
    work = folder / "work"
    work.mkdir(parents=True)
    told: list[tuple[str, str]] = []
    ready = guest_ready.prepare(wanted(folder, guest_ready.busybox(image_420)), image_420, work, print)
    outcome = guest_run.run(
        ready,
        image_420,
        accelerator=emulation,
        console=folder / "console",
        tell=lambda name, line: told.append((name, line)),
    )
    assert qemu_processes() <= before
    assert (outcome.booted.kind, outcome.booted.lacks) == ("off", ()), outcome.booted.tail
    assert outcome.report is not None
    found = {check.name: (check.result, check.reason) for check in outcome.report.checks}
    assert found == {
        "guest:folder": ("passed", "it went down by itself"),
        "guest:disk": ("passed", "it printed: said by the qcow2"),
        # The program's status is what counts, and 3 is what it ends with.
        "guest:image": ("failed", "its program ended with status 3"),
        "guest:crash": ("failed", "it ended by a crash"),
        "guest:hang": ("failed", "it did not go down within 5 seconds"),
        "guest:mute": ("failed", "it did not print what is expected, and ended by itself"),
        "guest:later": ("skipped", "it is not to be started; `xl` takes its file"),
    }, outcome.report.checks
    assert not outcome.passed
    for line in (
        ("folder", "said by the folder"),
        ("disk", "said by the qcow2"),
        ("image", "a 'greeting' from /srv as 7:8"),
    ):
        assert line in told
