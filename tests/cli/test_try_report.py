"""`xenbump try --report`: the mail on stdout, three files beside the logs, and where they are on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.trying import fake_tree
from tests.trying.verdicts import failing, verdict
from xenbump.cli import try_
from xenbump.trying import verdict as verdicts
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.trying.model import Trial


class Program:
    """The command alone, with verdicts that are given, on a repository that is there."""

    def __init__(self, folder: Path) -> None:
        self.repository = fake_tree.repository(folder / "xen")
        self._commit = fake_tree.git(self.repository, "rev-parse", "4.22.0-rc3^{commit}")
        self._app = typer.Typer()
        self._app.command("try")(try_.try_)

    def tried(self, trial: Trial, _setting: object, _progress: object) -> Any:
        phases = (failing(Phase.BUILD),) if trial.rev == "staging" else ()
        return verdict(*phases, rev=trial.rev, described=trial.rev, commit=self._commit)

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(self._app, [*arguments, "--repo", str(self.repository)])


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    made = Program(tmp_path)
    monkeypatch.setattr(verdicts, "tried", made.tried)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XENBUMP_CONFIG", raising=False)
    monkeypatch.setenv("XENBUMP_STATE_DIR", str(tmp_path / "state"))
    return made


def test_the_mail_is_printed_and_files_are_written(program: Program, tmp_path: Path) -> None:
    done = program.call("4.22.0-rc3", "--report")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Subject: [TESTDAY] Test report: Xen 4.22.0-rc3: passed\n")
    assert "  Signature:   the tag object carries no signature\n" in done.stdout
    (folder,) = (tmp_path / "state" / "try" / "logs").iterdir()
    names = ["report.txt", "report.html", "report.json"]
    assert [line for line in done.stderr.splitlines() if line.startswith("written: ")] == [
        f"written: {folder / name}" for name in names
    ]
    assert (folder / "report.txt").read_text("utf-8") == done.stdout
    assert json.loads((folder / "report.json").read_text())["schema"] == "xenbump.try/1"


def test_with_json_the_document_is_printed_and_the_same_files_are_written(program: Program, tmp_path: Path) -> None:
    done = program.call("staging", "--against", "4.22.0-rc3", "--report", "--json", "--quiet")
    assert done.exit_code == 30
    (folder,) = (tmp_path / "state" / "try" / "logs").iterdir()
    assert done.stdout == (folder / "report.json").read_text()
    assert "Against 4.22.0-rc3" in (folder / "report.txt").read_text("utf-8")
    assert "written" not in done.stderr
