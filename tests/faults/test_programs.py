"""Whole runs with programs that fail: what they say, what they leave, and that a run after them makes it good.

The usual run of the tests takes a sample of the table; with `XENBUMP_FAULTS=all` it takes all of it.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.faults import prog_bench
from tests.faults.prog_cells import PROGRAMS, ProgCell
from tests.faults.table import sample, tried

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.net_house import House

CHOSEN = sample(PROGRAMS)


@pytest.mark.parametrize("cell", CHOSEN, ids=[f"{one.where}: {one.what}" for one in CHOSEN])
def test_a_run_that_meets_a_fault_and_those_after_it(house: House, cell: ProgCell) -> None:
    if shutil.which(cell.program) is None:
        pytest.skip(f"{cell.program} is not installed")
    row = tried(house, cell)
    assert (row.problems, row.recovered) == ((), True)


def test_a_faulty_program_fails_in_the_chosen_calls_alone(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "git").symlink_to(shutil.which("git") or "")
    fault = prog_bench.ProgFault("says no", "echo no >&2; exit 7")
    met = prog_bench.lay(folder, "git", fault, "*--exec-path*")

    def call(*arguments: str) -> int:
        return subprocess.run([folder / "git", *arguments], capture_output=True, check=False).returncode

    assert (call("--version"), met.read_text()) == (0, "")
    assert (call("--exec-path"), call("-C", ".", "--exec-path"), met.read_text()) == (7, 7, "met\n" * 2)
