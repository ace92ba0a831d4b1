"""Trials by a real Nix, with a flake that has for them what xenbump's has."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.trying import fake_tree
from tests.verify.conftest import nix_folder, nix_machine  # noqa: F401 - fixtures
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult, Report, XtfReport, XtfResult
from xenbump.errors import Failure, Refusal
from xenbump.progress import Progress, StepBegan, StepEnded
from xenbump.trying import by_nix, verdict
from xenbump.trying.model import Phase, Trial
from xenbump.trying.setting import Setting

if TYPE_CHECKING:
    from xenbump.trying.model import Verdict

FLAKE = Path(__file__).parent / "nix_flake"
CANDIDATE = "4.22.0-rc3"
TESTS = XtfReport((XtfResult("test-pv64-selftest", "SUCCESS"),), "", 3.0)
VERSION = CheckResult("version", "R.", PASSED, "", ("xen_major: 4", "xen_version: VERSION"))
REPORTS = {
    "dom0": Report(checks=(VERSION,), xtf=TESTS, started=True, finished=True, seconds=9.0),
    "guests": Report(checks=(VERSION, CheckResult("guest-pv", "R.", PASSED)), started=True, finished=True, seconds=9.0),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of `fake_tree`, with a tag for each thing that goes wrong."""
    made = fake_tree.repository(tmp_path_factory.mktemp("repository") / "xen")
    for name in ("old-qemu", "panics", "no-machine"):
        fake_tree.git(made, "checkout", "--quiet", "--detach", CANDIDATE)
        fake_tree.commit(made, name, {name: "\n"})
        fake_tree.git(made, "tag", name)
    fake_tree.git(made, "checkout", "--quiet", "staging")
    return made


@dataclass
class Stand:
    """Where revisions are tried."""

    setting: Setting
    said: list[Any]

    def tried(self, rev: str = CANDIDATE, *phases: Phase, **more: Any) -> Verdict:
        setting = replace(self.setting, phases=phases or self.setting.phases)
        return verdict.tried(Trial(rev, **more), setting, Progress(self.said.append))


@pytest.fixture
def stand(tmp_path: Path, repository: Path, nix_machine: Path) -> Stand:  # noqa: F811 - the fixture
    flake = nix_machine / "trials"
    if not flake.exists():
        shutil.copytree(FLAKE, flake)
        for name, report in REPORTS.items():
            (flake / f"{name}.json").write_text(json.dumps(report.to_document()))
    setting = Setting(str(repository), tmp_path / "state", tmp_path, nix=by_nix.address(str(flake), tmp_path))
    return Stand(replace(setting, seconds=120.0), [])


def results(found: Verdict) -> dict[str, str]:
    return {one.phase.value: one.result for one in found.phases}


def test_a_series_with_options_is_built_and_booted(stand: Stand, repository: Path, tmp_path: Path) -> None:
    setup = fake_tree.SETUP.replace("return 1", "return 7")
    mbox = tmp_path / "series.mbox"
    mbox.write_text(fake_tree.mail(repository, CANDIDATE, {"xen/setup.c": setup, "xen/new.c": "\n"}))
    options = (("DEBUG", "n"), ("CMDLINE", 'console=com1 "quoted" \\'))
    found = stand.tried(patches=(mbox,), options=options)
    assert results(found) == {
        "patches": PASSED, "config": PASSED, "build": PASSED, "dom0": PASSED, "guests": PASSED, "xtf": SKIPPED,
    }  # fmt: skip
    assert (found.version, found.booted, found.tools) == (CANDIDATE, CANDIDATE, "built from the source by Nix")
    assert found.engine == "NixOS test dom0"
    assert found.tests == (("test-pv64-selftest", "SUCCESS"),)
    build = next(one for one in found.phases if one.phase is Phase.BUILD)
    said = Path(build.log).read_text()
    settings = json.loads(said.partition("options: ")[2].partition("\n")[0])
    assert settings == {"DEBUG": "n", "CMDLINE": r'"console=com1 \"quoted\" \\"'}
    began = [one.name for one in stand.said if isinstance(one, StepBegan)]
    assert began == ["patches", "config", "build", "dom0", "guests"]
    assert {one.name for one in stand.said if isinstance(one, StepEnded)} == {phase.value for phase in Phase}
    # What was laid out for Nix is gone, and the tree is as it was.
    assert not list(tmp_path.glob("state/*/*/nix"))


def test_the_source_is_that_of_the_revision(stand: Stand) -> None:
    assert results(stand.tried("staging~2", Phase.BUILD)) == {"build": PASSED}
    assert results(stand.tried("staging~2", Phase.PATCHES)) == {}


def test_what_does_not_build_is_a_verdict(stand: Stand) -> None:
    found = stand.tried("staging")
    assert results(found) == {"build": FAILED, "dom0": SKIPPED, "guests": SKIPPED, "xtf": SKIPPED}
    assert found.failed is not None
    assert "setup.c:5: error: x is nowhere" in found.failed.tail
    assert "xen-4.22.0-rc3" in found.failed.reason
    assert (found.tools, found.engine) == ("", "")


def test_an_option_that_the_tree_has_not(stand: Stand) -> None:
    found = stand.tried(options=(("DEBUGG", "y"),))
    assert results(found) == {"config": FAILED, "build": SKIPPED, "dom0": SKIPPED, "guests": SKIPPED, "xtf": SKIPPED}
    assert found.failed is not None
    assert found.failed.reason == "CONFIG_DEBUGG: this tree has no such option; there is DEBUG"
    assert not list(stand.setting.folder.glob("*/*/nix"))


def test_a_dom0_that_fails_gets_no_guests(stand: Stand) -> None:
    found = stand.tried("panics")
    assert results(found) == {"build": PASSED, "dom0": FAILED, "guests": SKIPPED, "xtf": SKIPPED}
    assert found.failed is not None
    assert found.failed.phase is Phase.DOM0
    assert found.engine == "NixOS test dom0"


@pytest.mark.parametrize(
    ("rev", "said", "where"),
    [
        ("old-qemu", "Nix does not build what the test needs", "qemu-10.1"),
        ("no-machine", "Nix has no machine that can run the test", "the test dom0"),
    ],
)
def test_what_is_no_fault_of_the_tree_is_an_error(stand: Stand, rev: str, said: str, where: str) -> None:
    with pytest.raises(Refusal) as caught:
        stand.tried(rev)
    assert (caught.value.code, caught.value.where) == ("E-TRY-NIX", where)
    assert said in caught.value.what
    assert not list(stand.setting.folder.glob("*/*/nix"))
    assert results(stand.tried(rev, Phase.BUILD)) == {"build": PASSED}


def test_another_flake_is_refused(stand: Stand, nix_machine: Path) -> None:  # noqa: F811 - the fixture
    stand.setting = replace(stand.setting, nix=f"path:{nix_machine / 'flake'}")
    with pytest.raises(Refusal) as caught:
        stand.tried()
    assert caught.value.code == "E-TRY-NIX"
    assert "'tried' missing" in caught.value.what or "'legacyPackages' missing" in caught.value.what


def test_a_disk_that_cannot_be_written(stand: Stand) -> None:
    stand.tried(CANDIDATE, Phase.PATCHES)
    (tree,) = stand.setting.folder.glob("*/*/tree")
    tree.with_name("nix").write_text("in the way")
    with pytest.raises(Failure) as caught:
        stand.tried()
    assert caught.value.code == "E-STATE"


def test_an_address_is_one_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "checkout" / ".git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert by_nix.address("plain", tmp_path) == f"path:{tmp_path}/plain"
    assert by_nix.address(".", tmp_path / "checkout") == f"git+file://{tmp_path}/checkout"
    assert by_nix.address("~/plain", Path("/")) == f"path:{tmp_path}/plain"
    assert by_nix.address("github:someone/xenbump", tmp_path) == "github:someone/xenbump"
