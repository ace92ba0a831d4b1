"""`xenbump bisect` as a function: what its options mean, what is said, the exit status, and the document."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import schemas
from tests.trying import histories
from tests.trying.histories import Trials
from xenbump.cli import bisect
from xenbump.errors import Refusal, UsageError
from xenbump.trying import bisect_document as documents
from xenbump.trying import verdict as verdicts
from xenbump.trying.model import Phase, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.trying.setting import Setting


class Program:
    """The command alone, with trials that are given."""

    def __init__(self, repository: Path, trials: Trials) -> None:
        self.repository = repository
        self.trials = trials
        self.asked: list[tuple[Trial, Setting]] = []
        self._app = typer.Typer()
        self._app.command("bisect")(bisect.bisect)

    def tried(self, trial: Trial, setting: Setting, progress: Any) -> Any:
        self.asked.append((trial, setting))
        return self.trials.tried(trial, setting.again, progress)

    def call(self, *arguments: str, ends: tuple[str, str] = ("c0", "main")) -> Result:
        return CliRunner().invoke(self._app, [*ends, "--repo", str(self.repository), *arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return histories.repository(tmp_path_factory.mktemp("bisect") / "xen.git")


@pytest.fixture
def program(made: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program(made[0], Trials(made[1], 20))
    monkeypatch.setattr(verdicts, "tried", program.tried)
    monkeypatch.chdir(tmp_path)
    for name in ("XENBUMP_CONFIG", "XENBUMP_XTF", "XENBUMP_IMAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XENBUMP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("sys.argv", ["xenbump", "bisect", "c0", "main", "--again-last"])
    return program


def test_it_says_which_commit_it_is_and_how_to_go_on(program: Program, made: tuple[Path, list[str]]) -> None:
    done = program.call()
    assert done.exit_code == 0, done.output
    sha = made[1][20]
    lines = done.stdout.splitlines()
    assert lines[0] == f"{sha[:12]} is the first bad commit: c20: a change"
    assert lines[-2] == "  to try the last one once more: xenbump bisect c0 main --again-last"
    alone = f"xenbump try {sha} --repo {made[0]} --only dom0 --again"
    assert lines[-1] == f"  to try this commit alone: {alone}"
    assert {setting.phases for _, setting in program.asked} == {(Phase.DOM0,)}
    assert "GOOD good" in done.stderr
    # All is known now.
    count = len(program.asked)
    again = program.call("--quiet")
    assert (again.exit_code, again.stdout) == (0, f"{lines[0]}\n")
    assert len(program.asked) == count


def test_skipped_ones_hide_it(program: Program) -> None:
    program.trials.broken = {19, 20}
    done = program.call("--json")
    assert done.exit_code == 30
    value = json.loads(done.stdout)
    schemas.validate(value, msgspec.json.schema(documents.BisectDocument))
    assert (value["outcome"], value["first_bad"]) == ("hidden", None)
    assert len(value["suspects"]) == 3


def test_the_document_fits_its_schema(program: Program, made: tuple[Path, list[str]]) -> None:
    program.trials.broken = {16}
    done = program.call("--json")
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    schemas.validate(value, msgspec.json.schema(documents.BisectDocument))
    assert value["schema"] == "xenbump.bisect/1"
    assert value["first_bad"]["commit"] == made[1][20]
    assert value["first_bad"]["message"] == "c20: a change\n\nWith a reason."
    assert (value["commits"], value["at_most"], value["skipped"]) == (32, 5, 1)
    assert value["taken"] == sum(step["role"] == "step" for step in value["steps"])
    assert value["log"][0] == "git bisect start"


def test_options_reach_the_trials(program: Program, tmp_path: Path) -> None:
    patch = tmp_path / "a b.patch"
    patch.write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    built = tmp_path / "xtf" / "tests" / "example"
    built.mkdir(parents=True)
    (tmp_path / "xtf" / "xtf-runner").write_text("")
    (built / "info.json").write_text(
        '{"name": "example", "category": "special", "environments": ["pv64"], "variations": []}'
    )
    options = ("--patch", "a b.patch", "--config", "debug=y", "--tools", "source", "--jobs", "3", "--keep-logs")
    done = program.call(*options, "--on", "xtf:pv64-example", "--xtf", "xtf", "--again", "--repeat", "0")
    assert done.exit_code == 20 or isinstance(done.exception, Refusal)
    (trial, setting) = program.asked[0]
    assert trial == Trial(trial.rev, (patch,), (("DEBUG", "y"),), "source")
    assert (setting.jobs, setting.again, setting.keep_logs, setting.xtf) == (3, True, True, tmp_path / "xtf")
    assert (setting.phases, setting.tests) == ((Phase.XTF,), ("test-pv64-example",))
    found = program.call(*options, "--repeat", "0")
    assert found.exit_code == 0, found.output
    alone = shlex.split(found.stdout.splitlines()[-1].partition(": ")[2])
    assert alone[5:] == [
        *("--patch", str(patch), "--config", "DEBUG=y", "--tools", "source", "--only", "dom0", "--again")
    ]
    assert len({trial.rev for trial, _ in program.asked[1:]}) == len(program.asked) - 1


def test_the_log_and_how_to_forget(program: Program, made: tuple[Path, list[str]]) -> None:
    empty = program.call("--log")
    assert empty.exit_code == 0
    assert [line for line in empty.stdout.splitlines() if not line.startswith("#")] == ["git bisect start"]
    program.call()
    count = len(program.asked)
    log = program.call("--log").stdout.splitlines()
    assert log[:3] == ["git bisect start", f"# good: [{made[1][0]}] c0: a change", f"git bisect good {made[1][0]}"]
    tried = len({trial.rev for trial, _ in program.asked})
    assert program.call("--reset").stdout == f"{tried} answers are forgotten\n"
    assert len(program.asked) == count
    assert program.call("--log").stdout == empty.stdout


def test_the_last_one_is_tried_once_more(program: Program) -> None:
    program.call("--repeat", "0")
    count = len(program.asked)
    assert program.call("--repeat", "0", "--again-last").exit_code == 0
    ((trial, setting),) = program.asked[count:]
    assert trial.rev == program.asked[count - 1][0].rev
    assert setting.again


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["--on", "nothing"], UsageError, "E-BISECT-ON"),
        (["--on", "xtf"], Refusal, "E-TRY-XTF"),
        (["--patch", "nowhere"], Refusal, "E-TRY-PATCH"),
    ],
)
def test_what_cannot_be_asked(program: Program, arguments: list[str], kind: type[Exception], code: str) -> None:
    done = program.call(*arguments)
    assert isinstance(done.exception, kind)
    assert code in str(done.exception)
    assert program.asked == []
