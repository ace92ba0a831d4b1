"""The scripts behind `make demo` and `make test`, on a machine where programs are missing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_script(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts with this environment and nothing else of ours."""
    return subprocess.run(
        ["/bin/sh", f"tools/{script}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with git and gpgv at most, and without apt-get: there root cannot install either."""
    for name in ("git", "gpgv", "id", "tail"):
        program = shutil.which(name)
        if program is not None:
            (tmp_path / name).symlink_to(program)
    return str(tmp_path)


def test_missing_tools_are_told_in_one_line_and_the_run_goes_on(bare_path: str) -> None:
    done = run_script("prepare.sh", "test", PATH=bare_path, PYTHON=sys.executable)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert re.search(r"nix-instantiate.*\(Debian:.* nix-bin .*\); left out: .*Nix", done.stderr)


def test_the_demo_does_not_ask_for_what_only_the_tests_use(bare_path: str) -> None:
    done = run_script("prepare.sh", "demo", PATH=bare_path, PYTHON=sys.executable)
    assert done.returncode == 0
    assert "gnupg" in done.stderr
    assert "nix-bin" not in done.stderr


def test_ci_does_not_go_on_without_a_tool(bare_path: str) -> None:
    done = run_script("prepare.sh", "test", PATH=bare_path, PYTHON=sys.executable, CI="true")
    assert done.returncode == 1
    assert "CI=true" in done.stderr


def test_without_a_usable_python_there_is_no_going_on(bare_path: str) -> None:
    done = run_script("prepare.sh", "demo", PATH=bare_path, PYTHON="no-such-python")
    assert done.returncode == 1
    assert "no-such-python" in done.stderr
    assert "python3-venv" in done.stderr


def test_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^make (\w+)", told, re.MULTILINE) == phony[1].removesuffix(" ready").split()
