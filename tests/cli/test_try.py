"""`xenbump try` as a function: what its options mean, which repository is taken, what is said and the exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import schemas
from tests.trying.verdicts import GOOD, check, failing, verdict
from xenbump.cli import try_
from xenbump.dom0.report import FAILED
from xenbump.errors import Refusal, UsageError
from xenbump.trying import document as documents
from xenbump.trying import setting as settings
from xenbump.trying import verdict as verdicts
from xenbump.trying.model import Phase, Trial

if TYPE_CHECKING:
    from xenbump.trying.setting import Setting


CONFIGURATION = """
[upstream]
git = "xen.git"
[[package]]
name = "xen"
file = "package.nix"
[verify]
accelerator = "tcg"
xtf = "tests"
"""


class Program:
    """The command alone, with verdicts that are given."""

    def __init__(self) -> None:
        self.answers = {"mine": verdict(rev="mine"), "bad": verdict(failing(Phase.BUILD), rev="bad")}
        self.asked: list[tuple[Trial, Setting]] = []
        self.looked_at: list[Trial] = []
        self._app = typer.Typer()
        self._app.command("try")(try_.try_)

    def tried(self, trial: Trial, setting: Setting, _progress: object) -> Any:
        self.asked.append((trial, setting))
        return self.answers[trial.rev]

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(self._app, list(arguments))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    made = Program()
    monkeypatch.setattr(verdicts, "tried", made.tried)
    monkeypatch.setattr(settings, "checked", lambda trials, *_: made.looked_at.extend(trials))
    monkeypatch.chdir(tmp_path)
    for name in ("XENBUMP_CONFIG", "XENBUMP_XTF", "XENBUMP_IMAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XENBUMP_STATE_DIR", str(tmp_path / "state"))
    return made


def test_it_says_what_came_out_and_needs_no_configuration(program: Program, tmp_path: Path) -> None:
    done = program.call("mine")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0,
        "mine: boots, 2 checks passed, 2 guests ran, XTF 2 as expected",
    )
    (trial, setting) = program.asked[0]
    assert trial == Trial("mine")
    assert (setting.folder, setting.phases) == (tmp_path / "state" / "try", tuple(Phase))
    assert setting.repository.startswith("https://")
    assert setting.mirrors
    assert program.call("bad").exit_code == 30


def test_xtf_that_is_asked_for_by_name_has_to_be_there(program: Program) -> None:
    done = program.call("mine", "--only", "xtf")
    assert isinstance(done.exception, Refusal)
    assert (done.exception.code, program.asked) == ("E-TRY-XTF", [])
    assert program.call("mine", "--only", "xtf", "--xtf", "tests").exit_code == 0


def test_options_reach_the_trial(program: Program, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(CONFIGURATION)
    done = program.call(
        *("mine", "--patch", "a", "--patch", "/b", "--config", "debug=y", "--config", "x.toml", "--tools", "source"),
        *("--only", "dom0,build", "--jobs", "3", "--again", "--keep-logs", "--quiet"),
    )
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 1
    (trial, setting) = program.asked[0]
    assert trial == Trial("mine", (tmp_path / "a", Path("/b")), (("DEBUG", "y"),), "source")
    assert (setting.jobs, setting.again, setting.keep_logs) == (3, True, True)
    assert setting.phases == (Phase.BUILD, Phase.DOM0)
    assert (setting.accelerator, setting.xtf) == ("tcg", tmp_path / "tests")
    assert (setting.repository, setting.mirrors) == (str(tmp_path / "xen.git"), ())


def test_nix_has_its_flake_from_anywhere_and_its_own_ways(program: Program, tmp_path: Path) -> None:
    (tmp_path / "flake").mkdir()
    assert program.call("mine", "--nix", "flake", "--only", "xtf").exit_code == 0
    assert program.asked[0][1].nix == f"path:{tmp_path}/flake"
    for more in (["--tools", "source"], ["--xtf", "tests"], ["--jobs", "2"]):
        done = program.call("mine", "--nix", "flake", *more)
        assert isinstance(done.exception, UsageError)
        assert more[0] in done.exception.what
    assert len(program.asked) == 1


def test_the_checkout_of_xen_that_one_stands_in_comes_first(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "xen" / "xen" / "arch"
    inner.mkdir(parents=True)
    (tmp_path / "xen" / ".git").mkdir()
    (tmp_path / "xen" / "SUPPORT.md").write_text("")
    assert try_.checkout(inner) == ""
    (tmp_path / "xen" / "xen" / "Makefile").write_text("")
    monkeypatch.chdir(inner)
    program.call("mine")
    program.call("mine", "--repo", "/other")
    assert [setting.repository for _, setting in program.asked] == [str(tmp_path / "xen"), "/other"]
    assert program.asked[0][1].mirrors == ()


def test_two_are_compared(program: Program) -> None:
    done = program.call("mine", "--against", "bad", "--config", "DEBUG=y", "--patch", "one")
    assert done.exit_code == 0
    assert done.stdout.startswith("mine against bad: nothing is worse")
    assert next(trial for trial, _ in program.asked) == Trial("bad")
    # Both are looked at before one is built.
    assert program.looked_at == [trial for trial, _ in program.asked]
    assert program.call("bad", "--against", "mine").exit_code == 30
    # What fails in both is no worse.
    assert program.call("bad", "--against", "bad").exit_code == 0


def test_the_document_fits_its_schema(program: Program) -> None:
    worse = replace(GOOD[1], result=FAILED, checks=(check("tools", FAILED, "no xl"),))
    program.answers["worse"] = verdict(GOOD[0], worse, rev="worse")
    done = program.call("worse", "--against", "mine", "--json")
    assert done.exit_code == 30
    value = json.loads(done.stdout)
    schemas.validate(value, msgspec.json.schema(documents.TryDocument))
    assert value["trial"]["rev"] == "worse"
    assert value["comparison"]["worse"]


@pytest.mark.parametrize(
    ("given", "options", "file"),
    [
        ([], (), None),
        (["x.toml"], (), Path("x.toml")),
        (["CONFIG_NR_CPUS=8", "debug = n"], (("NR_CPUS", "8"), ("DEBUG", "n")), None),
        (["CMDLINE=a=b c", "DEBUG=y", "DEBUG=y"], (("CMDLINE", "a=b c"), ("DEBUG", "y")), None),
        (["./a=b.toml"], (), Path("a=b.toml")),
        (["/tmp/a=b.toml", "DEBUG=y"], (("DEBUG", "y"),), Path("/tmp/a=b.toml")),  # noqa: S108 - a name, no file
    ],
)
def test_config_names_options_and_a_file(
    given: list[str], options: tuple[tuple[str, str], ...], file: Path | None
) -> None:
    assert try_.split(given) == (options, file)


def test_what_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="two configurations"):
        try_.split(["a.toml", "b.toml"])
    with pytest.raises(UsageError, match="two values"):
        try_.split(["DEBUG=y", "CONFIG_DEBUG=n"])
    with pytest.raises(Refusal, match="E-TRY-CONFIG"):
        try_.split(["=y"])
    with pytest.raises(UsageError, match="knows no 'outputs'"):
        try_.chosen("build,outputs")
