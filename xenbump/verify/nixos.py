"""The engine that has Nix build a test of NixOS, and reads what the test left: its report, JUnit's XML, or its log.

A test says what it found in one of its outputs: `xenbump-report.json`, which is `dom0.report.Report` as JSON, or
`junit.xml`, which the driver writes when it is asked to; both may be anywhere in there, and where both are, both count.
A test of which there is only that it was built is not taken for one that has looked at anything. One that failed has no
output; what it did is in its log.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.dom0 import report as reports
from xenbump.dom0 import values
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.verify import build as building
from xenbump.verify import driver_log, junit, nixlog, outputs, tested
from xenbump.verify.engine import Ran, Told, checks_of, skipped
from xenbump.verify.evidence import Step, StepResult, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from xenbump.dom0.report import Report
    from xenbump.verify.wanted import Wanted

REPORT, JUNIT = "xenbump-report.json", "junit.xml"
_LARGEST = 16 << 20
_MOST_FILES = 20_000
# Nix finds no machine that can run the test, often for want of KVM: in the words of 2.8, and since 2.28.
_NO_MACHINE = re.compile(r"\bis required to build\b.*\bbut I am a\b|[Rr]equired system or feature not available")
_OWN_VERSION = re.compile(r"(?:xen_version|/sys/hypervisor/version)\s*: (?P<version>\S+)")


@dataclass(frozen=True, slots=True)
class Left:
    """What a test left in its outputs: the report, the cases of JUnit, and why files of them cannot be read."""

    report: Report | None = None
    cases: tuple[CheckResult, ...] = ()
    damaged: tuple[str, ...] = ()


class NixosTest:
    """Has Nix build one test.

    Args:
        wanted: what is verified, and how; `nixos_test` names the test.
        progress: told in a sentence what is being done.
    """

    def __init__(self, wanted: Wanted, progress: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._progress = progress

    def run(self, steps: tuple[Step, ...]) -> Ran:
        """Build the test and read what it left; see `engine.Engine`.

        Raises:
            Failure: as `build.build` has it.
            UsageError: E-CONFIG for an attribute or a baseline that is none.
        """
        wanted, name = self._wanted, self._wanted.nixos_test
        if not name:
            return skipped(steps, "no test of NixOS is configured ([verify] nixos-test)")
        expected = None if wanted.baseline is None else tested.read_baseline(wanted.baseline)
        wanted.logs.mkdir(parents=True, exist_ok=True)
        self._progress(f"{wanted.package}: building the test {name}")
        test = replace(wanted.buildable, attribute=name)
        built = building.build(test, wanted.logs, limit=wanted.limit, progress=Told(self._progress).tell)
        engine = f"NixOS test {name}"
        if built.outcome is not building.Outcome.BUILT:
            return _failed(steps, built, engine)
        root = outputs.store_root(test)
        if root is None:
            reason = "the test was built in a store that is not on this machine, and its report cannot be read"
            return replace(skipped(steps, reason), engine=engine)
        left = read([root / path.lstrip("/") for path in built.outputs.values()])
        known = tested.Known(engine, expected, wanted.before)
        return _passed(steps, left, known, _Run(wanted.upstream_version, built.seconds, str(built.log or "")))


@dataclass(frozen=True, slots=True)
class _Run:
    """A test that was built: the version that it was to look at, the time of the build, and its log."""

    version: str
    seconds: float
    log: str


def read(folders: Iterable[Path]) -> Left:
    """What a test left in its outputs. Links are not followed: they may lead to anywhere.

    Args:
        folders: the outputs, as they are on this machine.
    """
    found: list[Report] = []
    cases: list[CheckResult] = []
    damaged: list[str] = []
    for path in _files(folders):
        try:
            data = _content(path)
            if path.name == JUNIT:
                cases += junit.read(data)
            else:
                found.append(reports.from_document(values.document(json.loads(data), "the report")))
        except OSError as error:
            damaged.append(f"{path.name} cannot be read: {error.strerror}")
        except (ValueError, RecursionError) as error:
            damaged.append(f"{path.name} cannot be read: {error}")
    if len(found) > 1:
        damaged.append(f"there are {len(found)} of {REPORT}, and it is not known which one counts")
    return Left(found[0] if found else None, tuple(cases), tuple(damaged))


def _files(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    seen = 0
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner.sort()
            seen += len(names)
            found += [Path(folder) / name for name in sorted(names) if name in {REPORT, JUNIT}]
            if seen > _MOST_FILES:
                return found
    return found


def _content(path: Path) -> bytes:
    with contextlib.closing(os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no plain file")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST >> 20} MiB")
    return data


def _passed(steps: tuple[Step, ...], left: Left, known: tested.Known, run: _Run) -> Ran:
    """The steps by what a test left that Nix has built, so the test itself succeeded."""
    if left.report is None and not left.cases and not left.damaged:
        reason = f"the test succeeded, and left neither {REPORT} nor {JUNIT} that would say what it looked at"
        return replace(skipped(steps, reason), engine=known.engine)
    checks = _checks(left, run.version)
    tests = None if left.report is None else left.report.xtf
    found, version = [], ""
    for step in steps:
        if step is not Step.XTF:
            found.append(_judged(step, checks_of(step, checks), run))
        elif tests is None:
            found.append(StepResult(step, SKIPPED, "the report of the test has no results of XTF", (), 0.0, run.log))
        else:
            judged_tests, version = tested.judge(tests, known, log=run.log)
            found.append(judged_tests)
    # What is wrong with the whole counts whichever steps were asked for.
    wrong = _wrong(left)
    if wrong:
        found[0] = replace(found[0], result=FAILED, reason=wrong)
    return Ran(tuple(found), known.engine, () if tests is None else tuple(tests.outcomes.items()), version)


def _wrong(left: Left) -> str:
    """Why the whole cannot be believed; empty when it can."""
    if left.damaged:
        return left.damaged[0]
    report = left.report
    if report is None or (report.finished and not report.error):
        return ""
    missing = ", ".join(report.missing) or "the last one"
    return report.error or f"of the dom0's answers are missing: {missing}"


def _checks(left: Left, version: str) -> tuple[CheckResult, ...]:
    """All checks: those of the report first, and of JUnit's cases those that it has not, or that failed."""
    own: tuple[CheckResult, ...] = ()
    if left.report is not None:
        own = (*left.report.checks, _of_this(left.report.checks, version))
    names = {one.name for one in own}
    return (*own, *(one for one in left.cases if one.result == FAILED or one.name not in names))


def _of_this(checks: tuple[CheckResult, ...], version: str) -> CheckResult:
    """Whether the test ran the version that is verified: a flake may well test another of its packages."""
    lines = [line for one in checks if one.name == "version" for line in one.evidence]
    found = [match["version"] for line in lines if (match := _OWN_VERSION.fullmatch(line)) is not None]
    name, requirement = "same-version", f"the test ran Xen {version}"
    if not found:
        return CheckResult(name, requirement, SKIPPED, "the report does not say which version the hypervisor was")
    if found[0] != version:
        return CheckResult(name, requirement, FAILED, f"the test ran Xen {found[0]}, and the package is {version}")
    return CheckResult(name, requirement, PASSED, "", (f"xen_version: {found[0]}",))


def _judged(step: Step, checks: tuple[CheckResult, ...], run: _Run) -> StepResult:
    if checks:
        return judged(step, checks, seconds=run.seconds, log=run.log)
    what = "guest" if step is Step.GUESTS else "dom0"
    return StepResult(step, SKIPPED, f"the report of the test says nothing of a {what}", (), 0.0, run.log)


def _failed(steps: tuple[Step, ...], built: building.Built, engine: str) -> Ran:
    """The steps of a test that Nix did not build: the first one carries the failure, the others what the log says."""
    log = "" if built.log is None else str(built.log)
    if _NO_MACHINE.search(built.reason):
        return replace(skipped(steps, f"Nix has no machine that can run the test: {built.reason}"), engine=engine)
    told = driver_log.Told() if built.log is None else _told(built.log, nixlog.name_of(built.derivation))
    reason = f"{built.reason}: {told.complaint}" if told.complaint else built.reason
    where = tuple(line for line in (built.derivation, built.place) if line)
    whole = CheckResult("test", "Nix builds the test, which runs it", FAILED, reason, where, built.seconds)
    found = []
    for number, step in enumerate(steps):
        checks = () if step is Step.XTF else checks_of(step, told.checks)
        if number == 0:
            first = judged(step, (*checks, whole), seconds=built.seconds, log=log)
            found.append(replace(first, tail=built.lines))
        elif checks:
            found.append(judged(step, checks, seconds=built.seconds, log=log))
        else:
            found.append(StepResult(step, SKIPPED, "the test failed before anything was known of it", (), 0.0, log))
    return Ran(tuple(found), engine)


def _told(log: Path, derivation: str) -> driver_log.Told:
    if not derivation:
        return driver_log.Told()
    with contextlib.suppress(OSError), log.open(encoding="utf-8", errors="replace") as lines:
        return driver_log.read((line.rstrip("\n") for line in lines), derivation)
    return driver_log.Told()
