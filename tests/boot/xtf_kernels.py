"""A framework of tests as XTF's, whose kernels are our own and do what a test is to show (see pv_kernel.s)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WAYS = ("success", "skip", "error", "failure", "crash", "fault", "hang", "mute")
PROGRAMS = ("as", "ld")
BROKEN = "broken"  # no kernel at all: `xl` cannot start it
_HERE = Path(__file__).parent
_ADDRESS = "0x100000"
_CONFIGURATION = """\
name="{name}"
vcpus=1
type="pv"
memory=32
kernel="/where/it/was/built/tests/{short}/{name}"
"""


def framework(folder: Path, tests: Mapping[str, str], runner: Path | None = None) -> Path:
    """Make a built framework, and give its folder.

    Args:
        folder: where, and beside it what it is made of.
        tests: one of WAYS, or BROKEN, by the names of the tests.
        runner: the `xtf-runner` to put into it; None: ours.
    """
    built = folder / "xtf"
    built.mkdir(parents=True)
    shutil.copyfile(runner or _HERE / "xtf_runner.py", built / "xtf-runner")
    compiled = folder / "pv_kernel.o"
    _done("as", "--64", "-o", str(compiled), str(_HERE / "pv_kernel.s"))
    for short, way in tests.items():
        name, place = f"test-pv64-{short}", built / "tests" / short
        place.mkdir(parents=True)
        described = {"name": short, "category": "functional", "environments": ["pv64"], "variations": []}
        (place / "info.json").write_text(json.dumps(described))
        (place / f"{name}.cfg").write_text(_CONFIGURATION.format(name=name, short=short))
        kernel = place / name
        if way == BROKEN:
            kernel.write_bytes(b"no kernel")
            continue
        assert way in WAYS
        # The page of hypercalls is written to, so it is one segment for all; ld may warn of that.
        _done("ld", "-N", f"-Ttext={_ADDRESS}", "-e", way, "-o", str(kernel), str(compiled))
    return built


def _done(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
