"""The workflows, the action and the page on them, as the tests read them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import typer
import yaml

from xenbump.cli import app

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
FILES = (*WORKFLOWS, ACTION)
PAGE = (ROOT / "docs" / "schedule.md").read_text("utf-8")


def read(path: Path) -> dict[Any, Any]:
    data = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(data, dict)
    return data


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return dict(read(path)["jobs"])


def steps(path: Path) -> list[dict[str, Any]]:
    """The steps of the action, or of all jobs of a workflow."""
    data = read(path)
    if path == ACTION:
        return list(data["runs"]["steps"])
    return [step for job in data["jobs"].values() for step in job["steps"]]


def script(path: Path, name: str) -> str:
    """The text of the step of that name."""
    (found,) = (step["run"] for step in steps(path) if step.get("name") == name)
    return str(found)


def workflow(name: str) -> Path:
    return ROOT / ".github" / "workflows" / f"{name}.yml"


def bash(text: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script as the runner does, in a folder, with this environment and PATH."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def options(command: str) -> set[str]:
    group: Any = typer.main.get_command(app.build())
    assert command in group.commands, f"xenbump has no command {command}"
    return {name for parameter in group.commands[command].params for name in parameter.opts}


def fenced(kind: str) -> str:
    """The code of that kind on the page, all of it."""
    return "\n".join(re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
