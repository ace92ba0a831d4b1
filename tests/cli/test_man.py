"""The man page: as the program has it, whole, and without complaints of what renders it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from xenbump import __version__
from xenbump.cli import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "xenbump" / "share" / "xenbump.1"


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app.build())
    return dict(group.commands)


def test_page_and_completions_are_as_the_program_has_them() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "man.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_page_that_is_not_is_named(tmp_path: Path) -> None:
    for name in ("tools", "docs", "xenbump"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "demo", "keys"))
    (tmp_path / "xenbump" / "share" / "xenbump.1").write_text("old\n")
    (tmp_path / "xenbump" / "share" / "xenbump.fish").unlink()

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "tools" / "man.py"), *arguments]
        env = {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    done = call("--check")
    assert done.returncode == 1
    assert re.findall(r"share/\S+", done.stderr) == ["share/xenbump.1", "share/xenbump.fish"]
    assert call("--wrong").returncode == 2
    assert call().returncode == 0
    assert call("--check").returncode == 0


def test_the_page_has_every_command_and_option() -> None:
    text = PAGE.read_text("utf-8")
    assert f'"xenbump {__version__}"' in text
    sections = dict(re.findall(r"^\.SS xenbump (\w+)[^\n]*\n(.*?)(?=^\.S[SH] )", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(commands())
    for name, command in commands().items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                for option in parameter.opts:
                    assert rf"\fB{option.replace('-', chr(92) + '-')}\fR" in sections[name], (name, option)
    for number in (0, 1, 2, 10, 20, 30):
        assert f".TP\n\\fB{number}\\fR" in text
    assert r"\fBXENBUMP_STATE_DIR\fR" in text


def test_no_line_begins_a_request_by_accident() -> None:
    known = {".TH", ".SH", ".SS", ".B", ".I", ".BR", ".IR", ".PP", ".TP"}
    for line in PAGE.read_text("utf-8").splitlines():
        assert not line.startswith("'"), line
        assert not line.startswith(".") or line.partition(" ")[0] in known, line


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say() -> None:
    command = ["groff", "-man", "-Tutf8", "-ww", "-rLL=80n", "-Kutf8", "-P-cbou", str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SEE ALSO" in done.stdout


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_has_nothing_to_say() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(PAGE)], capture_output=True, text=True,
                          check=False)  # fmt: skip
    # It has no date: it is as old as the version that it names.
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []
