"""The action for others: its inputs and outputs, and its step with a stand-in for xenbump."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.workflows import ACTION, PAGE, ROOT, WORKFLOWS, bash, fenced, options, read, script, steps
from xenbump.report import actions

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """#!/bin/sh
printf '%s\\n' call >>"$RECORD/calls"
for argument; do printf '%s\\n' "$argument" >>"$RECORD/arguments"; done
env >"$RECORD/environment"
if [ -n "${XENBUMP_GITHUB_APP_KEY_FILE:-}" ]; then cp -p "$XENBUMP_GITHUB_APP_KEY_FILE" "$RECORD/key"; fi
exit "$STATUS"
"""


def test_the_action_takes_the_commands_that_tell_of_themselves_and_gives_them_their_options() -> None:
    page = (ROOT / "docs" / "interface.md").read_text("utf-8")
    (told,) = re.findall(r"^On GitHub Actions, (.*?) write\s", page, re.MULTILINE | re.DOTALL)
    text = script(ACTION, "Run xenbump")
    (taken,) = re.findall(r"^ *([a-z |]+)\) ;;$", text, re.MULTILINE)
    assert sorted(taken.split(" | ")) == sorted(re.findall(r"`([a-z]+)`", told))
    given = set(re.findall(r"arguments\+=\((--[a-z-]+)", text))
    assert given == {"--config", "--package", "--security-only", "--dry-run"}
    assert given <= options("run")
    for command in taken.split(" | "):
        assert {"--config", "--package"} <= options(command)


def test_the_outputs_of_the_action_are_those_that_xenbump_writes() -> None:
    names = [line.partition("=")[0] for line in actions.outputs([], 0).splitlines()]
    assert {name: one["value"] for name, one in read(ACTION)["outputs"].items()} == {
        name: f"${{{{ steps.xenbump.outputs.{name} }}}}" for name in names
    }


def test_every_input_of_the_action_is_described_and_used_and_on_the_page() -> None:
    inputs = read(ACTION)["inputs"]
    text = ACTION.read_text("utf-8")
    for name, one in inputs.items():
        assert one["description"].endswith("."), name
        assert f"inputs.{name} " in text or f"inputs.{name}\n" in text, name
    table = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \| [^|]* \|$", PAGE, re.MULTILINE))
    assert set(inputs) <= set(table)
    for name, one in inputs.items():
        default = table[name].strip("`")
        assert default == (one["default"] or "empty"), name
    with_ = [step["with"] for path in WORKFLOWS for step in steps(path) if str(step.get("uses", "")).startswith("./")]
    with_ += [
        step["with"] for step in yaml.safe_load(fenced("yaml"))["jobs"]["xen"]["steps"] if "xenbump@" in step["uses"]
    ]
    assert len(with_) >= 2
    assert set().union(*with_) <= set(inputs)


class Started:
    """The step that runs xenbump, with a stand-in for it."""

    def __init__(self, folder: Path, *, status: int = 0, **inputs: str) -> None:
        self.record = folder / "record"
        self.record.mkdir()
        temporary = folder / "temporary"
        program = temporary / "xenbump" / "bin" / "xenbump"
        program.parent.mkdir(parents=True)
        program.write_text(STAND_IN, "utf-8")
        program.chmod(0o755)
        defaults = {"COMMAND": "run", "RETRY_AFTER": "0 0", "AUTHOR_NAME": "A Bot", "AUTHOR_EMAIL": "bot@example.org"}
        empty = dict.fromkeys(("PACKAGES", "CONFIG", "SECURITY_ONLY", "DRY_RUN", "APP_KEY"), "")
        fixed = {"RECORD": str(self.record), "STATUS": str(status), "RUNNER_TEMP": str(temporary), "HOME": str(folder)}
        self.done = bash(script(ACTION, "Run xenbump"), folder, empty | fixed | defaults | inputs)
        self.left = sorted(path.name for path in temporary.iterdir())

    def lines(self, name: str) -> list[str]:
        path = self.record / name
        return path.read_text("utf-8").splitlines() if path.exists() else []


def test_the_action_hands_its_inputs_on_and_nothing_in_them_is_a_command(tmp_path: Path) -> None:
    hostile = '$(touch made); "`touch made`'
    started = Started(tmp_path, PACKAGES=f"xen\n\n{hostile}\n", CONFIG="a b.toml", SECURITY_ONLY="true", DRY_RUN="true")
    assert started.done.returncode == 0, started.done.stderr
    assert started.lines("arguments") == [
        "run", "--config", "a b.toml", "--security-only", "--dry-run", "--package", "xen", "--package", hostile,
    ]  # fmt: skip
    assert not (tmp_path / "made").exists()
    environment = dict(line.split("=", 1) for line in started.lines("environment") if "=" in line)
    assert environment["XENBUMP_STATE_DIR"] == f"{tmp_path}/.local/state/xenbump"
    assert environment["GIT_COMMITTER_EMAIL"] == "bot@example.org"


def test_the_actions_place_of_state_is_what_the_cache_keeps() -> None:
    kept = {step["with"]["path"] for step in steps(ACTION) if "cache" in step.get("uses", "")}
    assert kept == {"~/.local/state/xenbump/*\n!~/.local/state/xenbump/logs\n"}
    assert "XENBUMP_STATE_DIR=$HOME/.local/state/xenbump\n" in script(ACTION, "Run xenbump")


def test_without_an_author_git_is_left_as_it_is(tmp_path: Path) -> None:
    started = Started(tmp_path, AUTHOR_NAME="")
    assert started.lines("calls") == ["call"]
    assert not any(line.startswith("GIT_") for line in started.lines("environment"))


def test_an_apps_key_is_in_a_file_of_its_owner_and_only_while_xenbump_runs(tmp_path: Path) -> None:
    started = Started(tmp_path, APP_KEY="-----BEGIN\nsecret\n-----END")
    key = started.record / "key"
    assert key.read_text("utf-8") == "-----BEGIN\nsecret\n-----END\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert started.left == ["xenbump"]
    assert not any("secret" in line or line.startswith("APP_KEY") for line in started.lines("environment"))
    assert "secret" not in started.done.stdout + started.done.stderr


@pytest.mark.parametrize(
    ("status", "ends", "calls"), [(0, 0, 1), (10, 0, 1), (20, 20, 1), (30, 30, 1), (2, 2, 1), (1, 1, 3)]
)
def test_the_action_ends_as_xenbump_does_and_tries_again_only_what_may_go_away(
    status: int, ends: int, calls: int, tmp_path: Path
) -> None:
    started = Started(tmp_path, status=status)
    assert started.done.returncode == ends
    assert len(started.lines("calls")) == calls


@pytest.mark.parametrize("command", ["", "explain", "run --again", "run;id", "*"])
def test_the_action_starts_nothing_for_another_command(command: str, tmp_path: Path) -> None:
    started = Started(tmp_path, COMMAND=command)
    assert started.done.returncode == 2
    assert started.lines("calls") == []
    assert started.done.stdout.startswith("::error title=xenbump::")
