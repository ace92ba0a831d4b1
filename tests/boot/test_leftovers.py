"""No QEMU outlives the process that started it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.boot.machines import qemu_processes, silent_hypervisor
from xenbump.errors import Failure
from xenbump.verify import image, probe, qemu

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

pytestmark = pytest.mark.xdist_group("boot")

# Boots the image in its first argument, which never says a word, for up to a minute.
PROGRAM = """
import sys
from pathlib import Path
from xenbump.verify import image, qemu
from xenbump.verify.probe import Accelerator
booted = image.load(Path(sys.argv[1]))
limits = qemu.Limits(silence=60)
qemu.boot(booted, None, accelerator=Accelerator("tcg", "max", "", ""), console=Path(sys.argv[2]), limits=limits)
"""


@pytest.fixture(scope="module")
def silent(image_420: Image, consoles: Path) -> Image:
    file = consoles / "never-a-word"
    file.write_bytes(silent_hypervisor())
    return image.with_hypervisor(image_420, file, consoles)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_to_the_parent(number: signal.Signals, silent: Image, consoles: Path) -> None:
    before = qemu_processes()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(silent.folder), str(consoles / "ended")], stderr=subprocess.DEVNULL
    ) as parent:
        try:
            deadline = time.monotonic() + 20
            while not (qemu_processes() - before):
                assert time.monotonic() < deadline
                assert parent.poll() is None
                time.sleep(0.02)
            os.kill(parent.pid, number)
            parent.wait(10)
        finally:
            parent.kill()
    deadline = time.monotonic() + 5
    while qemu_processes() - before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert parent.returncode == -number


def test_a_time_limit_and_an_error_in_the_callers_code(
    silent: Image, emulation: Accelerator, consoles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = qemu_processes()
    booted = qemu.boot(
        silent, None, accelerator=emulation, console=consoles / "ended", limits=qemu.Limits(ready=1, silence=9)
    )
    assert (booted.kind, booted.detail) == ("timeout", "dom0 was not up within 1 seconds; it never said anything")
    assert qemu_processes() <= before

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(qemu._Session, "_stopped", fail)
    with pytest.raises(ZeroDivisionError):
        qemu.boot(silent, None, accelerator=emulation, console=consoles / "ended")
    assert qemu_processes() <= before


def test_a_machine_that_qemu_refuses(silent: Image, consoles: Path) -> None:
    wrong = probe.Accelerator("tcg", "no-such-processor", "", "")
    booted = qemu.boot(silent, None, accelerator=wrong, console=consoles / "ended")
    assert booted.kind == "ended"
    assert "no-such-processor" in booted.detail


def test_the_probe_believes_what_was_printed(image_420: Image, silent: Image, emulation: Accelerator) -> None:
    before = qemu_processes()
    version, _ = probe.said_version(image_420.hypervisor, emulation, 20)
    assert version.startswith("4.20.")
    assert probe.said_version(silent.hypervisor, emulation, 1) == ("", "it was silent for 1 seconds")
    assert qemu_processes() <= before


def test_kvm_is_used_only_where_it_works(image_420: Image) -> None:
    found = probe.probe(image_420.hypervisor)
    assert (found.name == "kvm") == found.why.startswith("a bare hypervisor printed its version")
    if found.name == "tcg":
        with pytest.raises(Failure, match="KVM was asked for") as caught:
            probe.probe(image_420.hypervisor, wanted="kvm")
        assert caught.value.code == "E-ACCELERATOR"
    assert probe.probe(image_420.hypervisor, kvm="/dev/no-such-device").why == "there is no /dev/no-such-device"
