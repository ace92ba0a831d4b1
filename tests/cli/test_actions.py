"""What a job on GitHub Actions finds after a command: outputs, a summary, annotations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.worlds import START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worlds import Stage


def told(path: Path) -> dict[str, str]:
    """The outputs as the runner reads them."""
    return dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())


def environment(folder: Path) -> dict[str, str]:
    names = {"GITHUB_OUTPUT": folder / "output", "GITHUB_STEP_SUMMARY": folder / "summary"}
    return {"GITHUB_ACTIONS": "true", **{name: str(path) for name, path in names.items()}}


def test_a_run_tells_the_job(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("run", "--json", **environment(tmp_path))
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    found = told(tmp_path / "output")
    (entry,) = json.loads(found["packages"])
    assert (found["status"], found["changed"], found["pull-requests"]) == ("0", "true", entry["url"])
    assert (entry["outcome"], entry["action"], entry["version"]) == ("published", "opened", "4.20.4")
    assert f"[pull request {stage.pull.number}]" in (tmp_path / "summary").read_text("utf-8")
    assert f"::notice title=xen%3A pull request {stage.pull.number} opened::" in done.stderr


def test_a_refusal_is_an_annotation(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("plan", "--to", "9.9.9", **environment(tmp_path))
    assert done.returncode == 20, done.stderr
    assert "::error title=xen%3A E-" in done.stderr
    assert told(tmp_path / "output")["status"] == "20"
    assert "| refused |" in (tmp_path / "summary").read_text("utf-8")


def test_a_run_that_cannot_begin_is_an_annotation_too(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("check", "--config", str(tmp_path / "none.toml"), **environment(tmp_path))
    assert done.returncode == 2
    assert "::error title=xenbump%3A E-CONFIG-MISSING::" in done.stderr
    assert told(tmp_path / "output") == {"status": "2"}


def test_a_file_that_cannot_be_written_does_not_undo_the_work(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("plan", GITHUB_OUTPUT=str(tmp_path / "none" / "output"))
    assert done.returncode == 10
    assert f"{START} -> 4.20.4" in done.stdout
    assert "warning: the file of GITHUB_OUTPUT cannot be written" in done.stderr


def test_without_actions_nothing_is_told(stage: Stage, tmp_path: Path) -> None:
    done = stage.call("plan", "--to", "9.9.9")
    assert "::error" not in done.stderr
    assert list(tmp_path.iterdir()) == []
