"""What the engine adds to a boot: `verify.qemu.boot` against QEMU alone with the same image, until it is turned off.

Both are started in turn, and the best of the rounds counts. It boots a real Xen under emulation, so a round takes half
a minute; the image comes from the cache or is made of Debian's packages. Run it with `python bench/boot.py`;
`--json FILE` hands the figure over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.measured import Measured, main

from xenbump.verify import image, probe, qemu

ROUNDS = 3
LIMIT_RATIO = 1.10
RELEASE = "4.20"


def bare(booted: image.Image, accelerator: probe.Accelerator) -> float:
    """Return the seconds that QEMU alone takes, with its console in a file."""
    with booted.kernel.open("rb") as kernel, booted.initrd.open("rb") as initrd, tempfile.TemporaryFile() as console:
        files = (kernel.fileno(), initrd.fileno())
        argv = qemu.command(booted, *files, accelerator=accelerator, memory=booted.manifest.memory)
        begin = time.perf_counter()
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=console, pass_fds=files)
        return time.perf_counter() - begin


def ours(booted: image.Image, accelerator: probe.Accelerator, console: Path) -> tuple[float, float]:
    """Return the seconds that the engine takes, and those until dom0 was up."""
    begin = time.perf_counter()
    result = qemu.boot(booted, None, accelerator=accelerator, console=console)
    seconds = time.perf_counter() - begin
    assert result.passed, result.detail
    return seconds, result.ready or 0.0


def measure() -> list[Measured]:
    """Measure and print."""
    booted = image.from_debian(RELEASE, image.cache_folder(os.environ), print)
    accelerator = probe.probe(booted.hypervisor, wanted="tcg")
    alone, engine, ready = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            alone.append(bare(booted, accelerator))
            seconds, up = ours(booted, accelerator, Path(folder) / "console")
            engine.append(seconds)
            ready.append(up)
    print(f"QEMU alone            {min(alone):7.2f} s")
    print(f"verify.qemu.boot      {min(engine):7.2f} s   dom0 up after {min(ready):.2f} s")
    given = f"a dom0 with Xen {RELEASE}"
    return [Measured("A boot by `verify`", "QEMU alone", min(engine) / min(alone), LIMIT_RATIO, given=given)]


if __name__ == "__main__":
    sys.exit(main(measure))
