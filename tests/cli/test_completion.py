"""Completion, in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_man import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARE = Path(__file__).parents[2] / "xenbump" / "share"
BASH = """\
source "$1"; shift
complete -p xenbump >/dev/null || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_xenbump xenbump "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "source $argv[1]; complete -C $argv[2]"
ZSH = """\
fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; print -r -- $_comps[xenbump]
"""


def bash(words: Sequence[str], folder: Path) -> list[str]:
    """What bash offers for the last of the words."""
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", str(SHARE / "xenbump.bash"), *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [line for line in done.stdout.splitlines() if line]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    text = '[upstream]\ngit = "x"\n[[package]]\nname = "xen"\nfile = "a"\n[[package]]\nfile = "b"\nname = "xen-4.20"\n'
    (tmp_path / "xenbump.toml").write_text(text + '[github]\nname = "nothing"\n')
    (tmp_path / "below").mkdir()
    return tmp_path


def test_bash_offers_commands(project: Path) -> None:
    assert bash(["xenbump", ""], project) == list(commands())
    assert bash(["xenbump", "ver"], project) == ["verify"]
    assert bash(["xenbump", "--v"], project) == ["--version"]


def test_bash_offers_options_of_each_command(project: Path) -> None:
    for name, command in commands().items():
        wanted = {word for one in command.params if one.param_type_name == "option" for word in one.opts}
        assert set(bash(["xenbump", name, "-"], project)) - {"-h", "--help"} == wanted, name
    assert bash(["xenbump", "check", ""], project) == []


def test_bash_offers_values(project: Path) -> None:
    assert bash(["xenbump", "hash", "--fetcher", "fetchp"], project) == ["fetchpatch", "fetchpatch2"]
    assert bash(["xenbump", "check", "--config", "xen"], project) == ["xenbump.toml"]
    assert bash(["xenbump", "plan", "--to", ""], project) == []
    for folder in (project, project / "below"):
        assert bash(["xenbump", "check", "--package", ""], folder) == ["xen", "xen-4.20"]
    assert bash(["xenbump", "check", "--package", ""], Path("/")) == []


def test_bash_finds_it_where_it_is_installed(project: Path) -> None:
    """Without our calling the function: as readline does, through `complete`."""
    script = f"source {SHARE / 'xenbump.bash'}; complete -p xenbump"
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "complete -F _xenbump xenbump\n", "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(project: Path) -> None:
    def offered(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", FISH, str(SHARE / "xenbump.fish"), line],
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return [one.partition("\t")[0] for one in done.stdout.splitlines()]

    assert sorted(offered("xenbump ")) == sorted(commands())
    assert "--security-only" in offered("xenbump run --")
    assert offered("xenbump hash --fetcher fetchp") == ["fetchpatch", "fetchpatch2"]
    assert offered("xenbump check --package ") == ["xen", "xen-4.20"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_it_for_the_completion_of_xenbump(project: Path) -> None:
    for arguments, said in ((["-n", str(SHARE / "_xenbump")], ""), (["-c", ZSH, "zsh", str(SHARE)], "_xenbump\n")):
        command = ["zsh", "-f", *arguments]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_what_the_wheel_installs_is_there() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    for name in ("xenbump.1", "xenbump.bash", "_xenbump", "xenbump.fish"):
        assert f'"xenbump/share/{name}" = "share/' in text
        assert (SHARE / name).is_file()
