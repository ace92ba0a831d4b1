"""NixOS tests: what they look at, what they write and when they fail, over a stand-in of the driver's machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import Fake, healthy
from xenbump.dom0 import nixos, report, xtf
from xenbump.dom0.report import XtfReport, XtfResult
from xenbump.verify import driver_log, junit
from xenbump.verify import nixos as reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.dom0.job import Job, Xtf
    from xenbump.dom0.machine import Machine

JOB: dict[str, Any] = {"version": "4.20.2", "memory": 768, "guests": [], "checks": ["control", "tools", "version"]}
CONSOLE = "(XEN) Xen version 4.20.2\nsomething in between\n(XEN) Hardware Dom0 shutdown: powering off machine"
_COMMAND = re.compile(r"timeout -k \S+ \d+ sh -c (?P<command>.*) 2>&1", re.DOTALL)


class Qemu:
    """A driver's machine with the methods of `QemuMachine`, their arguments as nixpkgs has them.

    That it is taken for a machine here is what mypy checks.

    Attributes:
        fake: answers the commands.
        events: what was done with the machine, in order.
    """

    def __init__(self, out_dir: Path, fake: Fake, *, last: str = f"(XEN) {nixos.OFF}.") -> None:
        self.out_dir = out_dir
        self.fake = fake
        self.last = last
        self.events: list[str] = []
        self.failing = ""

    def start(self, allow_reboot: bool = False) -> None:  # noqa: FBT001, FBT002 - as the driver has it
        assert not allow_reboot
        self.events.append("start")

    def execute(
        self,
        command: str,
        check_return: bool = True,  # noqa: FBT001, FBT002
        check_output: bool = True,  # noqa: FBT001, FBT002
        timeout: int | None = 900,
    ) -> tuple[int, str]:
        assert check_return
        assert check_output
        assert timeout
        match = _COMMAND.fullmatch(command)
        assert match is not None, command
        (inner,) = shlex.split(match["command"])
        result = self.fake.run(inner, timeout=timeout)
        return result.status, result.output

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None:
        assert user is None
        self.events.append(f"wait {unit} {timeout}")
        if unit == self.failing:
            raise RuntimeError(f'unit "{unit}" reached state "failed"')

    def get_console_log(self) -> str:
        return f"{CONSOLE}\n{self.last}" if "shutdown" in self.events else CONSOLE

    def shutdown(self) -> None:
        self.events.append("shutdown")


class Driver:
    """The driver's `subtest`, and the log that it writes."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @contextlib.contextmanager
    def subtest(self, name: str) -> Iterator[None]:
        self.log.append(f"subtest: {name}")
        try:
            yield
        except Exception as error:
            self.log.append(f'!!! Test "{name}" failed with error: "{error}"')
            raise
        self.log.append(f"(finished: subtest: {name}, in 0.10 seconds)")


class Test:
    """One test over stand-ins."""

    __test__ = False

    def __init__(self, folder: Path, fake: Fake | None = None, **more: str) -> None:
        self.machine = Qemu(folder, fake or healthy(), **more)
        self.driver = Driver()
        self.folder = folder

    def run(self, **wanted: Any) -> dict[str, str]:
        """Run it; the results of its checks, as they stand in the report."""
        file = self.folder / "wanted.json"
        file.write_text(json.dumps(wanted))
        nixos.run(self.machine, self.driver.subtest, str(file))
        return self.results()

    def results(self) -> dict[str, str]:
        return {one.name: one.result for one in self.report().checks}

    def report(self) -> report.Report:
        return report.from_document(json.loads((self.folder / nixos.REPORT).read_text()))

    def why(self, name: str) -> str:
        return next(one.reason for one in self.report().checks if one.name == name)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nixos, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(nixos, "_CONSOLE_SECONDS", 0.05)


def test_a_good_dom0(tmp_path: Path) -> None:
    test = Test(tmp_path)
    assert test.run(job=JOB, units=["multi-user.target", "xenstored.service"], boot_seconds=60) == {
        "boot": "passed",
        "control": "passed",
        "tools": "passed",
        "version": "passed",
        "shutdown": "passed",
    }
    assert test.machine.events == ["start", "wait multi-user.target 60", "wait xenstored.service 60", "shutdown"]
    told = driver_log.read(test.driver.log)
    assert [one.name for one in told.checks] == ["boot", "control", "tools", "version", "shutdown"]


def test_the_engine_of_verification_reads_what_was_written(tmp_path: Path) -> None:
    Test(tmp_path).run(job=JOB)
    left = reading.read([tmp_path])
    assert left.damaged == ()
    assert left.report is not None
    assert left.report.passed
    assert any("xen_version: 4.20.2" in one.evidence for one in left.report.checks)
    assert [(one.name, one.result) for one in left.cases] == [(one.name, one.result) for one in left.report.checks]


def test_a_check_that_fails_fails_the_test_and_the_others_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = Test(tmp_path, healthy(("capabilities", 0, "\n")))
    with pytest.raises(nixos.NotAsRequiredError, match="control: /proc/xen/capabilities does not say control_d"):
        test.run(job=JOB)
    assert test.results() == {
        "boot": "passed", "control": "failed", "tools": "passed", "version": "passed", "shutdown": "passed",
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "console | (XEN) Xen version 4.20.2\n" in said
    assert f"console | (XEN) {nixos.OFF}.\n" in said
    told = driver_log.read([*test.driver.log, *said.splitlines()])
    assert {one.name: one.result for one in told.checks} == test.results()
    assert told.complaint.startswith("1 of 5 checks failed, first control: ")


def test_a_machine_that_does_not_boot_is_looked_at_no_further(tmp_path: Path) -> None:
    test = Test(tmp_path)
    test.machine.failing = "xenstored.service"
    with pytest.raises(nixos.NotAsRequiredError, match=r'boot: RuntimeError: unit "xenstored.service" reached'):
        test.run(job=JOB, units=["xenstored.service"])
    assert test.results() == {"boot": "failed"}
    assert test.machine.fake.commands == []


def test_a_check_is_skipped_only_where_that_is_allowed(tmp_path: Path) -> None:
    job = JOB | {"checks": ["control", "guest-hvm"], "guests": ["hvm"]}
    test = Test(tmp_path)
    with pytest.raises(nixos.NotAsRequiredError, match="guest-hvm: it was not looked at: no guest kernel"):
        test.run(job=job)
    assert test.run(job=job, may_skip=["guest-hvm"])["guest-hvm"] == "skipped"


def test_a_machine_that_xen_did_not_turn_off(tmp_path: Path) -> None:
    test = Test(tmp_path, last="[  9.0] reboot: Power down")
    with pytest.raises(nixos.NotAsRequiredError, match="shutdown: the machine is off, and Xen did not say"):
        test.run(job=JOB)
    # One without Xen turns itself off in its own way.
    assert test.run() == {"boot": "passed", "shutdown": "passed"}


def command(**more: Any) -> dict[str, Any]:
    return {"name": "line", "requirement": "It says so.", "command": "cat /log", "pattern": r"^\s*ready\s*$"} | more


def test_a_command_is_run_until_it_says_what_is_waited_for(tmp_path: Path) -> None:
    answers = iter([(1, "no such file"), (0, "not ready\n"), (0, "one\n ready \n")])
    test = Test(tmp_path, Fake(("cat /log", lambda _: next(answers))))
    assert test.run(commands=[command()]) == {"boot": "passed", "line": "passed", "shutdown": "passed"}
    assert test.machine.fake.asked("cat /log") == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((0, "not ready\n"), r"the command ended without `^\s*ready\s*$`: not ready"),
        ((0, ""), r"the command ended without `^\s*ready\s*$`: it said nothing"),
        ((3, "ready\n"), "the command ended with status 3: ready"),
    ],
)
def test_a_command_that_never_says_it(answer: tuple[int, str], why: str, tmp_path: Path) -> None:
    test = Test(tmp_path, Fake(("cat /log", *answer)))
    with pytest.raises(nixos.NotAsRequiredError):
        test.run(commands=[command(seconds=0.05)])
    assert test.why("line") == why


def test_what_a_command_leaves_is_no_trouble_for_xml(tmp_path: Path) -> None:
    test = Test(tmp_path, Fake(("cat /log", 0, "\x1b[1m<&>\ufffe\udcff\nready\n")))
    test.run(commands=[command()])
    assert [one.name for one in junit.read((tmp_path / nixos.JUNIT).read_bytes())] == ["boot", "line", "shutdown"]


GOOD = XtfReport((XtfResult("test-pv64-xsa-1", "SUCCESS"), XtfResult("test-hvm64-fep", "SKIP")), "", 2.0)


def run_xtf(monkeypatch: pytest.MonkeyPatch, tests: XtfReport, *, kvm: bool = True) -> list[Xtf]:
    """Let XTF give these results; what it was asked for."""
    asked: list[Xtf] = []

    def stand_in(_: Machine, __: Job, choice: Xtf, tell: Any) -> XtfReport:
        asked.append(choice)
        for result in tests.results:
            tell(result)
        return tests

    monkeypatch.setattr(xtf, "run", stand_in)
    monkeypatch.setattr(os, "access", lambda *_: kvm)
    return asked


def test_xtf_without_known_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = run_xtf(monkeypatch, GOOD)
    test = Test(tmp_path)
    assert test.run(job=JOB | {"xtf": {"folder": "/xtf"}})["xtf"] == "passed"
    assert asked[0].environments == ()
    assert test.report().xtf == GOOD
    cases = {one.name: one.result for one in junit.read((tmp_path / nixos.XTF_JUNIT).read_bytes())}
    assert cases == {"test-pv64-xsa-1": "passed", "test-hvm64-fep": "skipped"}


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        (XtfReport((*GOOD.results, XtfResult("test-pv64-x", "CRASH"))), "1 of 3 tests: test-pv64-x: CRASH"),
        (XtfReport(GOOD.results, "xtf-runner ended with status 1"), "xtf-runner ended with status 1"),
        (
            XtfReport(tuple(XtfResult(f"test-pv64-{number}", "ERROR") for number in range(10))),
            "; and 2 more",
        ),
    ],
)
def test_xtf_that_fails(tests: XtfReport, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_xtf(monkeypatch, tests)
    test = Test(tmp_path)
    with pytest.raises(nixos.NotAsRequiredError):
        test.run(job=JOB | {"xtf": {"folder": "/xtf"}})
    assert why in test.why("xtf")
    assert test.report().xtf == tests


def test_xtf_against_a_baseline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_xtf(monkeypatch, XtfReport((XtfResult("test-pv64-xsa-1", "FAILURE"),)))
    known = tmp_path / "baseline"
    known.write_text("test-pv64-xsa-1 FAILURE\n")
    wanted = {"job": JOB | {"xtf": {"folder": "/xtf"}}, "baseline": str(known)}
    test = Test(tmp_path)
    assert test.run(**wanted)["xtf"] == "passed"
    known.write_text("test-pv64-xsa-1 SUCCESS\ntest-pv64-xsa-2 SUCCESS\n")
    with pytest.raises(nixos.NotAsRequiredError):
        test.run(**wanted)
    assert "test-pv64-xsa-1: SUCCESS before, FAILURE now; test-pv64-xsa-2 has no result" in test.why("xtf")


def test_xtf_without_kvm_has_the_gaps_of_emulation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = run_xtf(monkeypatch, GOOD, kvm=False)
    test = Test(tmp_path)
    with pytest.raises(nixos.NotAsRequiredError):
        test.run(job=JOB | {"xtf": {"folder": "/xtf"}})
    assert asked[0].environments == xtf.TCG_ENVIRONMENTS
    assert "has no result" in test.why("xtf")


def test_xtf_that_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> XtfReport:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(xtf, "run", broken)
    test = Test(tmp_path)
    with pytest.raises(nixos.NotAsRequiredError, match="xtf: OSError"):
        test.run(job=JOB | {"xtf": {"folder": "/xtf"}})
    found = test.report().xtf
    assert found is not None
    assert "Input/output error" in found.error


def test_the_console_is_told_when_the_time_is_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The driver ends itself by SIGTERM then."""

    def ended(_: str) -> tuple[int, str]:
        signal.raise_signal(signal.SIGTERM)
        return 0, ""

    before = signal.getsignal(signal.SIGTERM)
    test = Test(tmp_path, Fake(("cat /log", ended)))
    with pytest.raises(SystemExit) as caught:
        test.run(commands=[command()])
    assert caught.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    said = capsys.readouterr().err
    assert "console | something in between\n" in said
    assert driver_log.read(said.splitlines()).complaint == "the test was ended: its time was over"


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ([], "an object was expected"),
        ({"jobs": {}}, "`jobs` is not known"),
        ({"job": {"version": "4.20.2", "checks": ["contrl"]}}, "`contrl` is no check"),
        ({"job": {"version": "newest"}}, "no version of Xen"),
        ({"commands": [{"name": "x"}]}, "`requirement` is missing"),
        ({"commands": [command(pattern="(")]}, "no regular expression"),
        ({"units": "multi-user.target"}, "a list was expected"),
    ],
)
def test_what_nix_wrote_wrongly_is_refused_before_a_boot(wanted: Any, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        nixos.wanted_from(json.dumps(wanted))


def test_each_run_has_a_nonce_of_its_own() -> None:
    text = json.dumps({"job": JOB})
    nonces = {job.nonce for job in (nixos.wanted_from(text).job for _ in range(3)) if job is not None}
    assert len(nonces) == 3


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | (
    st.dictionaries(st.sampled_from(["job", "units", "commands", "version", "checks", "xtf", "name"]), inner)
), max_leaves=12))  # fmt: skip
def test_any_json_is_taken_or_refused(document: object) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(nixos.wanted_from(json.dumps(document)), nixos.Wanted)
