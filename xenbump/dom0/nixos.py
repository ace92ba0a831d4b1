"""What this repository's NixOS tests do with the driver's machine, so that the Nix side of each is a few lines.

A test's script calls `run` with the driver's machine, its `subtest`, and a file that Nix wrote, which says as JSON what
is to be looked at. Each check is a subtest, and so the log of a failed test tells of it. What was found is written into
the test's output: `xenbump-report.json` (`report.Report`), `junit.xml`, and the results of XTF as `xtf.xml`. A test
that fails has no output: it ends with the last lines of the machine's console, and so does one whose time is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from xml.etree import ElementTree as ET

from . import baseline, checks, values, xtf
from . import job as jobs
from .check import clipped
from .machine import Driver
from .report import FAILED, PASSED, SKIPPED, CheckResult, Report, XtfReport

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from .job import Job
    from .values import Document

REPORT, JUNIT, XTF_JUNIT = "xenbump-report.json", "junit.xml", "xtf.xml"
OFF = "Entering ACPI S5 state"  # what Xen says last when dom0 has turned the machine off
CONSOLE_LINES = 60
_KVM = "/dev/kvm"
_GOOD = frozenset({"SUCCESS", "SKIP"})
_NAMED = 8  # tests that a reason names
_PAUSE_SECONDS = 1.0
_CONSOLE_SECONDS = 5.0
_SIGNALLED = 128
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NixosMachine(Protocol):
    """What is used of a driver's machine (`QemuMachine` in nixpkgs' nixos/lib/test-driver)."""

    @property
    def out_dir(self) -> Path:
        """The test's output, `$out` of its derivation."""

    def start(self) -> None:
        """Start the machine, and do not wait."""

    def execute(self, command: str, *, timeout: int) -> tuple[int, str]:
        """Run a command, its boot being waited for; its status and stdout."""

    def wait_for_unit(self, unit: str, *, timeout: int) -> None:
        """Wait until a unit is active; raises when it failed or did not become so within so many seconds."""

    def get_console_log(self) -> str:
        """All that the console has said."""

    def shutdown(self) -> None:
        """Turn the machine off, and wait until it is."""


if TYPE_CHECKING:
    Subtest = Callable[[str], AbstractContextManager[object]]


class NotAsRequiredError(Exception):
    """A check, or the whole test, has failed: why."""


@dataclass(frozen=True)
class Command:
    """A command whose output is waited for.

    Attributes:
        name: of the check that it is.
        requirement: what has to be so, as a sentence.
        command: of `sh`; it is run again until it ends with status 0 and its output has the pattern.
        pattern: a regular expression.
        seconds: for how long.
    """

    name: str
    requirement: str
    command: str
    pattern: str = ""
    seconds: float = 60.0


@dataclass(frozen=True)
class Wanted:
    """What a test looks at.

    Attributes:
        job: what is checked in dom0; None: the machine is none.
        units: the units that are waited for before anything is looked at.
        boot_seconds: how long each of them may take.
        commands: what is looked at besides, after dom0's checks.
        may_skip: checks that may be skipped; else a skipped one fails.
        baseline: the file of XTF's expected results; empty: the known ones of the engine, and where there are none,
            every test has to succeed or to be skipped.
    """

    job: Job | None = None
    units: tuple[str, ...] = ("multi-user.target",)
    boot_seconds: float = 900.0
    commands: tuple[Command, ...] = ()
    may_skip: tuple[str, ...] = ()
    baseline: str = ""


def wanted_from(data: str | bytes) -> Wanted:
    """What a test looks at, out of the text of the file that Nix wrote; a job in it gets its nonce here.

    Raises:
        ValueError: it is no JSON, or something in it is missing, unknown or of another type.
    """
    source = values.document(json.loads(data), "what is wanted")
    known = frozenset({"job", "units", "boot_seconds", "commands", "may_skip", "baseline"})
    values.known(source, "what is wanted", known)
    base = Wanted()
    job = source.get("job")
    if job is not None:
        job = jobs.from_document({**values.document(job, "`job`"), "nonce": secrets.token_hex(16)})
        checks.select(job.checks)
    return Wanted(
        job=job,
        units=values.texts(source, "units", base.units),
        boot_seconds=values.number(source, "boot_seconds", base.boot_seconds),
        commands=tuple(_command(values.document(one, "a command")) for one in values.items(source, "commands", ())),
        may_skip=values.texts(source, "may_skip", ()),
        baseline=values.text(source, "baseline", ""),
    )


def _command(source: Document) -> Command:
    values.known(source, "a command", frozenset({"name", "requirement", "command", "pattern", "seconds"}))
    pattern = values.text(source, "pattern", "")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`pattern`: it is no regular expression: {error}") from error
    return Command(
        name=values.text(source, "name"),
        requirement=values.text(source, "requirement"),
        command=values.text(source, "command"),
        pattern=pattern,
        seconds=values.number(source, "seconds", Command.seconds),
    )


def run(machine: NixosMachine, subtest: Subtest, file: str) -> None:
    """Boot the machine, look at all that is wanted, turn it off, and write what was found.

    Args:
        machine: the driver's.
        subtest: the driver's.
        file: what is wanted, as Nix wrote it.

    Raises:
        NotAsRequiredError: something is not as required; the console's end has been printed.
    """
    start = time.monotonic()
    wanted = wanted_from(Path(file).read_bytes())
    test = _Run(machine, subtest, wanted)
    with _telling(machine):
        tests = test.perform()
    report = Report(
        checks=tuple(test.found), xtf=tests, started=True, finished=True, seconds=round(time.monotonic() - start, 3)
    )
    _write(machine.out_dir, report)
    bad = [one for one in report.checks if one.result == FAILED]
    if bad:
        _print_console(machine)
        first = f"{bad[0].name}: {bad[0].reason}"
        _say(f"!!! {len(bad)} of {len(report.checks)} checks failed, first {first}")
        raise NotAsRequiredError(first)


class _Run:
    """One test while it runs, and what was found by now."""

    def __init__(self, machine: NixosMachine, subtest: Subtest, wanted: Wanted) -> None:
        self.found: list[CheckResult] = []
        self._machine = machine
        self._subtest = subtest
        self._wanted = wanted
        self._driver = Driver(machine)

    def perform(self) -> XtfReport | None:
        """Do all of it; the XTF run when there was one. A machine that does not boot is looked at no further."""
        wanted = self._wanted
        self._do("boot", "the machine boots", self._boot)
        if self.found[-1].result != PASSED:
            return None
        if wanted.job is not None:
            results = checks.run(self._driver, wanted.job)
            for check in checks.select(wanted.job.checks):
                self._do(check.name, check.requirement, lambda: next(results))
        for command in wanted.commands:
            self._do(command.name, command.requirement, lambda one=command: self._command(one))  # type: ignore[misc]
        tests = self._xtf(wanted.job) if wanted.job is not None and wanted.job.xtf is not None else None
        self._do("shutdown", "the machine turns itself off", self._shutdown)
        return tests

    def _do(self, name: str, requirement: str, look: Callable[[], CheckResult | None]) -> None:
        """Look at one thing within a subtest, which fails with it; what `look` raises is a failure too."""
        start = time.monotonic()
        found = CheckResult(name, requirement, PASSED)
        try:
            with self._subtest(name):
                found = look() or found
                if found.result == SKIPPED and name not in self._wanted.may_skip:
                    found = replace(found, result=FAILED, reason=f"it was not looked at: {found.reason}")
                _require(found)
        except NotAsRequiredError as error:
            found = replace(found, result=FAILED, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the driver's own errors, which later checks need not share
            found = replace(found, result=FAILED, reason=clipped((f"{type(error).__name__}: {error}",))[0])
        if not found.seconds:
            found = replace(found, seconds=round(time.monotonic() - start, 3))
        self.found.append(found)

    def _boot(self) -> None:
        self._machine.start()
        for unit in self._wanted.units:
            self._machine.wait_for_unit(unit, timeout=int(self._wanted.boot_seconds))

    def _command(self, one: Command) -> CheckResult:
        deadline = time.monotonic() + one.seconds
        while True:
            left = deadline - time.monotonic()
            result = self._driver.run(one.command, timeout=max(left, _PAUSE_SECONDS))
            evidence = clipped(result.lines)
            if result.ok and re.search(one.pattern, result.output, re.MULTILINE):
                return CheckResult(one.name, one.requirement, PASSED, "", evidence)
            if time.monotonic() + _PAUSE_SECONDS >= deadline:
                said = result.lines[-1] if result.lines else "it said nothing"
                how = f"without `{one.pattern}`" if result.ok else f"with status {result.status}"
                reason = clipped((f"the command ended {how}: {said}",))[0]
                return CheckResult(one.name, one.requirement, FAILED, reason, evidence)
            time.sleep(_PAUSE_SECONDS)

    def _xtf(self, job: Job) -> XtfReport:
        choice, known = _choice(job, self._wanted.baseline)
        requirement = "no test of XTF is worse than expected, and none is missing"
        reports: list[XtfReport] = []

        def look() -> CheckResult:
            reports.append(xtf.run(self._driver, job, choice, lambda test: _say(f"{test.name:<40} {test.result}")))
            return _judged(CheckResult("xtf", requirement, PASSED), reports[0], known)

        self._do("xtf", requirement, look)
        return reports[0] if reports else XtfReport(error=self.found[-1].reason)

    def _shutdown(self) -> None:
        self._machine.shutdown()
        if self._wanted.job is None:
            return
        # A thread of the driver's reads the console, and may be behind.
        deadline = time.monotonic() + _CONSOLE_SECONDS
        while OFF not in self._machine.get_console_log():
            if time.monotonic() >= deadline:
                raise NotAsRequiredError(f"the machine is off, and Xen did not say `{OFF}`")
            time.sleep(_CONSOLE_SECONDS / 20)


@contextlib.contextmanager
def _telling(machine: NixosMachine) -> Iterator[None]:
    """Print the console's end when the test is ended from outside: the driver does that when its time is over."""

    def ended(number: int, _: types.FrameType | None) -> None:
        _print_console(machine)
        _say("!!! the test was ended: its time was over")
        raise SystemExit(_SIGNALLED + number)

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _require(found: CheckResult) -> None:
    if found.result == FAILED:
        raise NotAsRequiredError(found.reason)


def _choice(job: Job, file: str) -> tuple[jobs.Xtf, dict[str, str] | None]:
    """What of XTF is run, and which results are expected; None: every test is to succeed or to be skipped."""
    choice = job.xtf or jobs.Xtf("")
    accelerated = os.access(_KVM, os.R_OK | os.W_OK)
    if not accelerated and not choice.environments:
        choice = replace(choice, environments=xtf.TCG_ENVIRONMENTS)
    if file:
        known: dict[str, str] | None = baseline.parse(Path(file).read_text("utf-8"))
    else:
        known = None if accelerated else baseline.known("qemu-tcg")
    return choice, None if known is None else baseline.within(known, choice)


def _judged(check: CheckResult, tests: XtfReport, known: dict[str, str] | None) -> CheckResult:
    results = tests.outcomes
    if tests.error:
        return replace(check, result=FAILED, reason=tests.error)
    if known is None:
        bad = [f"{name}: {result}" for name, result in results.items() if result not in _GOOD]
    else:
        compared = baseline.compare(known, results)
        bad = [f"{one.name}: {one.before} before, {one.after} now" for one in compared.worse]
        bad += [f"{name} has no result" for name in compared.missing]
    if bad:
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        reason = f"{len(bad)} of {len(results)} tests: {'; '.join(bad[:_NAMED])}{more}"
        return replace(check, result=FAILED, reason=reason, evidence=clipped(tuple(bad)))
    return replace(check, reason=f"{len(results)} tests are as expected")


def _write(folder: Path, report: Report) -> None:
    (folder / REPORT).write_text(json.dumps(report.to_document(), indent=2) + "\n", "utf-8")
    cases = [(one.name, one.result, one.reason, one.evidence, one.seconds) for one in report.checks]
    (folder / JUNIT).write_bytes(_junit("dom0", cases))
    if report.xtf is not None:
        results = {"SUCCESS": PASSED, "SKIP": SKIPPED}
        tests = report.xtf.results
        cases = [(one.name, results.get(one.result, FAILED), one.result, one.output, one.seconds) for one in tests]
        (folder / XTF_JUNIT).write_bytes(_junit("xtf", cases))


def _junit(suite: str, cases: Iterable[tuple[str, str, str, tuple[str, ...], float]]) -> bytes:
    """JUnit's XML (the Ant form) of cases: name, result, reason, lines, seconds."""
    cases = tuple(cases)
    results = [result for _, result, _, _, _ in cases]
    counts = {"tests": len(cases), "failures": results.count(FAILED), "skipped": results.count(SKIPPED)}
    top = ET.Element("testsuite", {"name": suite} | {key: str(count) for key, count in counts.items()})
    for name, result, reason, lines, seconds in cases:
        case = ET.SubElement(top, "testcase", {"name": _fit(name), "classname": suite, "time": f"{seconds:.3f}"})
        if result != PASSED:
            kind = "failure" if result == FAILED else "skipped"
            ET.SubElement(case, kind, {"message": _fit(reason)})
        if lines:
            ET.SubElement(case, "system-out").text = _fit("\n".join(lines))
    text: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _fit(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _print_console(machine: NixosMachine) -> None:
    lines = [line for line in machine.get_console_log().splitlines() if line.strip()]
    _say(f"The last {min(len(lines), CONSOLE_LINES)} lines of the console:")
    for line in clipped(tuple(lines[-CONSOLE_LINES:]), CONSOLE_LINES):
        _say(f"console | {line}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
