"""Tests of NixOS, built by a real Nix: what they leave, how they fail, and what is not believed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.verify.test_build import none_left
from tests.verify.test_evidence import EVIDENCE
from xenbump.dom0.report import CheckResult, Report, XtfReport, XtfResult
from xenbump.errors import UsageError
from xenbump.verify import nixos, outputs
from xenbump.verify.evidence import Step
from xenbump.verify.nix import Buildable
from xenbump.verify.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.engine import Ran

    Run = Callable[..., Ran]

HERE = Path(__file__).parent
STEPS = (Step.DOM0, Step.GUESTS, Step.XTF)
VERSION = CheckResult("version", "R.", "passed", "", ("xen_major: 4", "xen_version: 4.20.2"))
REPORT = Report(
    checks=(VERSION, CheckResult("guest-pv", "R.", "passed"), CheckResult("guest-hvm", "R.", "skipped", "no")),
    xtf=XtfReport((XtfResult("test-pv64-xsa-1", "SUCCESS"),), "", 3.0),
    started=True,
    finished=True,
    seconds=9.0,
)


@pytest.fixture(scope="module")
def folder(nix_folder: Path) -> Path:
    """The flake with what its tests leave; beside the other one, since a flake is copied with all of its folder."""
    made = nix_folder / "nixos"
    shutil.copytree(HERE / "nixos_tests", made)
    (made / "report.json").write_text(json.dumps(REPORT.to_document()))
    (made / "junit.xml").write_bytes((HERE / "driver" / "junit-2024.xml").read_bytes())
    failed = '<testsuite><testcase name="dom0 boots"/><testcase name="guest-pv"><failure message="no"/></testcase>'
    (made / "failed.xml").write_text(f"{failed}<testcase name='version'/></testsuite>")
    (made / "driver.log").write_bytes((HERE / "driver" / "failed.txt").read_bytes())
    return made


@pytest.fixture
def run(folder: Path, nix_machine: Path, tmp_path: Path) -> Run:
    def verify(test: str, *options: str, steps: tuple[Step, ...] = STEPS, flake: bool = False, **more: Any) -> Ran:
        name = f"checks.{os.uname().machine}-linux.{test}" if flake else test
        wanted = Wanted(
            package="xen",
            version="4.20.2",
            upstream_version=more.pop("upstream_version", "4.20.2"),
            efi=None,
            buildable=Buildable("xen", folder, nixpkgs=not flake, options=options),
            steps=steps,
            computed={},
            image=None,
            cache=tmp_path / "cache",
            xtf=None,
            logs=tmp_path / "logs",
            engine="nixos",
            nixos_test=name,
            **({"baseline": None, "limit": 60.0} | more),
        )
        ran = nixos.NixosTest(wanted, lambda _: None).run(steps)
        assert none_left(nix_machine)
        return ran

    return verify


def results(ran: Ran) -> list[tuple[str, str]]:
    return [(one.step.value, one.result) for one in ran.steps]


def checks(ran: Ran) -> dict[str, str]:
    return {check.name: check.result for step in ran.steps for check in step.checks}


def test_our_own_report(run: Run, tmp_path: Path) -> None:
    (tmp_path / "baseline").write_text("test-pv64-xsa-1 SUCCESS\n")
    ran = run("report", flake=True, baseline=tmp_path / "baseline")
    assert results(ran) == [("dom0", "passed"), ("guests", "passed"), ("xtf", "passed")]
    assert checks(ran) == {
        "version": "passed",
        "same-version": "passed",
        "guest-pv": "passed",
        "guest-hvm": "skipped",
        "baseline": "passed",
    }
    assert ran.engine == f"NixOS test checks.{os.uname().machine}-linux.report"
    assert ran.tests == (("test-pv64-xsa-1", "SUCCESS"),)
    assert Path(ran.steps[0].log).parent == tmp_path / "logs"


def test_the_older_version_stands_for_a_baseline(run: Run) -> None:
    ran = run("report")
    assert ran.steps[2].result == "skipped"
    assert "no baseline" in ran.steps[2].reason
    before = replace(EVIDENCE, engine="NixOS test report", version="4.20.1", tests=ran.tests)
    ran = run("report", before=before)
    assert (ran.steps[2].result, ran.compared) == ("passed", "4.20.1")


def test_junit(run: Run) -> None:
    ran = run("junit")
    assert results(ran) == [("dom0", "passed"), ("guests", "failed"), ("xtf", "skipped")]
    assert list(checks(ran)) == ["main", "dom0 boots", "xl info names the version", "guest-pv"]
    assert ran.steps[2].reason == "the report of the test has no results of XTF"
    assert ran.tests == ()


def test_what_failed_in_one_of_two_reports_has_failed(run: Run) -> None:
    ran = run("both")
    assert results(ran)[:2] == [("dom0", "passed"), ("guests", "failed")]
    assert [one.name for one in ran.steps[0].checks] == ["version", "same-version", "dom0 boots"]
    assert ran.steps[1].reason == "guest-pv: no"


def test_a_test_of_another_version(run: Run) -> None:
    ran = run("report", upstream_version="4.20.3")
    assert ran.steps[0].result == "failed"
    assert ran.steps[0].reason == "same-version: the test ran Xen 4.20.2, and the package is 4.20.3"


def test_without_a_report_nothing_has_passed(run: Run) -> None:
    ran = run("nothing")
    assert results(ran) == [("dom0", "skipped"), ("guests", "skipped"), ("xtf", "skipped")]
    assert ran.steps[0].reason == (
        "the test succeeded, and left neither xenbump-report.json nor junit.xml that would say what it looked at"
    )
    assert ran.engine == "NixOS test nothing"


def test_damaged_reports(run: Run) -> None:
    ran = run("damaged", steps=(Step.XTF,))
    assert (ran.steps[0].result, ran.steps[0].step) == ("failed", Step.XTF)
    assert ran.steps[0].reason == "junit.xml cannot be read: it has a DOCTYPE, which no report needs"
    linked = run("linked")
    assert linked.steps[0].result == "failed"
    assert linked.steps[0].reason.startswith("junit.xml cannot be read: ")


def test_a_test_that_fails_is_read_from_its_log(run: Run) -> None:
    ran = run("failing")
    assert results(ran) == [("dom0", "failed"), ("guests", "failed"), ("xtf", "skipped")]
    dom0, guests, xtf = ran.steps
    assert [(one.name, one.result) for one in dom0.checks] == [("dom0 boots", "passed"), ("test", "failed")]
    assert [(one.name, one.result) for one in guests.checks] == [("guest-pv", "passed"), ("guest-pvh", "failed")]
    assert guests.reason.startswith("guest-pvh: command `xl create -F")
    assert "failed with exit code 1: test_driver.errors.RequestError: command" in dom0.reason
    assert dom0.tail[-1] == "(finished: cleanup, in 0.05 seconds)"
    assert xtf.reason == "the test failed before anything was known of it"
    assert "vm-test-run-failing> " in Path(dom0.log).read_text()
    only = run("failing", steps=(Step.XTF,))
    assert results(only) == [("xtf", "failed")]


def test_what_the_test_needs_cannot_be_built(run: Run) -> None:
    ran = run("behind")
    assert results(ran) == [("dom0", "failed"), ("guests", "skipped"), ("xtf", "skipped")]
    assert "vm-test-run-dependency" in ran.steps[0].reason


def test_a_machine_that_nix_has_not(run: Run) -> None:
    ran = run("elsewhere")
    assert results(ran) == [("dom0", "skipped"), ("guests", "skipped"), ("xtf", "skipped")]
    assert ran.steps[0].reason.startswith("Nix has no machine that can run the test: ")
    assert "no-such-machine" in ran.steps[0].reason


def test_the_time_limit_ends_it(run: Run) -> None:
    ran = run("sleeping", limit=0.8)
    assert ran.steps[0].result == "failed"
    assert {one.name: one.reason for one in ran.steps[0].checks} == {
        "boot": "it did not end",
        "test": "it was not built within 0.8 seconds, and Nix was ended",
    }


def test_an_attribute_that_is_not_there(run: Run) -> None:
    ran = run("none")
    assert (ran.steps[0].result, ran.steps[1].result) == ("failed", "skipped")
    assert "'none'" in ran.steps[0].reason
    with pytest.raises(UsageError):
        run("no attribute")


def test_no_test_is_configured(run: Run) -> None:
    ran = run("")
    assert results(ran) == [("dom0", "skipped"), ("guests", "skipped"), ("xtf", "skipped")]
    assert ran.steps[0].reason == "no test of NixOS is configured ([verify] nixos-test)"


def test_a_store_on_another_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "store_root", lambda _: None)
    ran = run("report")
    assert results(ran)[0] == ("dom0", "skipped")
    assert "is not on this machine" in ran.steps[0].reason


def written(folder: Path, *documents: object) -> Path:
    for number, document in enumerate(documents):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / nixos.REPORT).write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (replace(REPORT, finished=False, missing=("guest-pv", "xtf")), "answers are missing: guest-pv, xtf"),
        (replace(REPORT, finished=False), "answers are missing: the last one"),
        (replace(REPORT, error="the job cannot be read"), "the job cannot be read"),
    ],
)
def test_a_report_that_is_not_whole(report: Report, reason: str, tmp_path: Path) -> None:
    left = nixos.read([written(tmp_path, report.to_document())])
    assert left.report == report
    assert nixos._wrong(left).endswith(reason)


def test_reports_that_are_none(tmp_path: Path) -> None:
    for number, document in enumerate(([], {"checks": 1}, {"checks": [{"name": "a"}]}, "[" * 9)):
        left = nixos.read([written(tmp_path / str(number), document)])
        assert (left.report, len(left.damaged)) == (None, 1), document
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / nixos.REPORT).write_text("[" * 100_000)
    assert "cannot be read" in nixos.read([tmp_path / "deep"]).damaged[0]


def test_two_reports_are_one_too_many(tmp_path: Path) -> None:
    left = nixos.read([written(tmp_path, REPORT.to_document(), REPORT.to_document())])
    assert left.damaged == ("there are 2 of xenbump-report.json, and it is not known which one counts",)


def test_what_is_no_plain_file_and_what_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / nixos.JUNIT)
    assert nixos.read([tmp_path]).damaged == ("junit.xml cannot be read: it is no plain file",)
    monkeypatch.setattr(nixos, "_LARGEST", 1 << 20)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / nixos.REPORT).write_bytes(b" " * ((1 << 20) + 1))
    assert nixos.read([tmp_path / "large"]).damaged == ("xenbump-report.json cannot be read: it has more than 1 MiB",)
    assert nixos.read([tmp_path / "none"]) == nixos.Left()


def test_a_version_that_the_report_does_not_tell() -> None:
    assert nixos._of_this((), "4.20.2").result == "skipped"
    named = replace(VERSION, evidence=("/sys/hypervisor/version: 4.20.2",))
    assert nixos._of_this((named,), "4.20.2").result == "passed"
