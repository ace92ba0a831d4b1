"""What a dom0 answered: the results of checks and of XTF, put together from the messages that the agent sends.

Messages are JSON objects with a `kind`: `start` names what will be done, `check` is one result, `test` one of XTF's,
`tests` the end of the XTF run, `done` the end of all, `beat` a sign of life. They may come out of order, since one that
was damaged on its way comes again later; what was announced and never came is a failed check, never a missing line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from . import values

if TYPE_CHECKING:
    from .values import Document

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"
RESULTS = (PASSED, FAILED, SKIPPED)
# XTF's own words, and what its runner has no word for: a test that was ended by the time limit, one whose runner
# failed, one that was left out since the limit of all tests had passed.
TEST_RESULTS = ("SUCCESS", "SKIP", "ERROR", "FAILURE", "CRASH", "HANG", "RUNNER", "UNRUN")


@dataclass(frozen=True)
class CheckResult:
    """One check: what was required, what came out (`passed`, `failed`, `skipped`), why, and the lines it rests on."""

    name: str
    requirement: str
    result: str
    reason: str = ""
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class XtfResult:
    """One XTF test: its full name (`test-pv64-xsa-122`), one of TEST_RESULTS, for bad ones the end of its output.

    `seconds` is what was seen of it by looks that are a second apart: 0 for one that came and went between two.
    """

    name: str
    result: str
    seconds: float = 0.0
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class XtfReport:
    """An XTF run: its results in order, the reason when it could not run or not to its end, and its time in seconds."""

    results: tuple[XtfResult, ...] = ()
    error: str = ""
    seconds: float = 0.0

    @property
    def outcomes(self) -> dict[str, str]:
        """The result of each test by its name, as `dom0.xtf.compare` takes it."""
        return {test.name: test.result for test in self.results}


@dataclass(frozen=True)
class Report:
    """All that a dom0 answered.

    Attributes:
        checks: the results, in the order in which they were announced.
        xtf: the XTF run; None when none was asked for.
        started: the agent said that it started.
        finished: the agent said that it ended, and each announced result is there.
        missing: what was announced and did not come: names of checks, and `xtf`.
        error: what the agent itself complained of, such as a job that it could not read.
        seconds: how long the agent worked.
    """

    checks: tuple[CheckResult, ...] = ()
    xtf: XtfReport | None = None
    started: bool = False
    finished: bool = False
    missing: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it is finished, a check passed and none failed. XTF is judged against a baseline, not here."""
        results = {check.result for check in self.checks}
        return self.finished and not self.error and PASSED in results and FAILED not in results

    def to_document(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)


def check_from(source: Document) -> CheckResult:
    """A check's result out of a JSON object; ValueError when it is none."""
    return CheckResult(
        name=values.text(source, "name"),
        requirement=values.text(source, "requirement"),
        result=values.one_of(source, "result", RESULTS),
        reason=values.text(source, "reason", ""),
        evidence=values.texts(source, "evidence", ()),
        seconds=values.number(source, "seconds", 0.0),
    )


def xtf_result_from(source: Document) -> XtfResult:
    """An XTF test's result out of a JSON object; ValueError when it is none."""
    return XtfResult(
        name=values.text(source, "name"),
        result=values.one_of(source, "result", TEST_RESULTS),
        seconds=values.number(source, "seconds", 0.0),
        output=values.texts(source, "output", ()),
    )


def from_document(source: Document) -> Report:
    """The report out of a JSON object, as `to_document` made it; ValueError when it is none."""
    xtf = source.get("xtf")
    return Report(
        checks=tuple(check_from(values.document(item, "a check")) for item in values.items(source, "checks", ())),
        xtf=None if xtf is None else _xtf_from(values.document(xtf, "`xtf`")),
        started=values.truth(source, "started", default=False),
        finished=values.truth(source, "finished", default=False),
        missing=values.texts(source, "missing", ()),
        error=values.text(source, "error", ""),
        seconds=values.number(source, "seconds", 0.0),
    )


def _xtf_from(source: Document) -> XtfReport:
    return XtfReport(
        results=tuple(xtf_result_from(values.document(item, "a test")) for item in values.items(source, "results", ())),
        error=values.text(source, "error", ""),
        seconds=values.number(source, "seconds", 0.0),
    )


@dataclass
class Collector:
    """Takes the agent's messages as they come, in any order and also twice, and gives the report at any time."""

    _announced: dict[str, str] = field(default_factory=dict)
    _tests: tuple[str, ...] | None = None
    _checks: dict[str, CheckResult] = field(default_factory=dict)
    _results: dict[str, XtfResult] = field(default_factory=dict)
    _ended: tuple[str, float] | None = None
    _started: bool = False
    _done: bool = False
    _error: str = ""
    _seconds: float = 0.0

    def add(self, message: Document) -> None:
        """Take one message. The first result of a name stands.

        Raises:
            ValueError: it is no message of the agent.
        """
        kind = values.text(message, "kind")
        if kind == "check":
            check = check_from(message)
            self._checks.setdefault(check.name, check)
        elif kind == "test":
            test = xtf_result_from(message)
            self._results.setdefault(test.name, test)
        elif kind == "tests":
            self._tests = values.texts(message, "names", ())
            self._ended = values.text(message, "error", ""), values.number(message, "seconds", 0.0)
        elif kind == "start":
            self._started = True
            for item in values.items(message, "checks", ()):
                announced = values.document(item, "an announced check")
                self._announced[values.text(announced, "name")] = values.text(announced, "requirement")
            if values.truth(message, "xtf", default=False):
                self._tests = self._tests or ()
        elif kind == "done":
            self._done = True
            self._error = values.text(message, "error", "")
            self._seconds = values.number(message, "seconds", 0.0)
        elif kind != "beat":
            raise ValueError(f"`kind`: `{kind[:40]}` is not known here")

    def report(self, lost: str = "no result came from the dom0") -> Report:
        """What is known by now.

        Args:
            lost: the reason given for checks that were announced and have no result.
        """
        missing = [name for name in self._announced if name not in self._checks]
        names = [*self._announced, *(name for name in self._checks if name not in self._announced)]
        checks = tuple(
            self._checks.get(name) or CheckResult(name, self._announced[name], FAILED, lost) for name in names
        )
        xtf = None
        if self._tests is not None:
            error, seconds = self._ended or (lost, 0.0)
            order = [*self._tests, *(name for name in self._results if name not in self._tests)]
            absent = [name for name in order if name not in self._results]
            if absent and not error:
                error = f"{len(absent)} results did not come, the first of {absent[0]}"
            xtf = XtfReport(tuple(self._results[name] for name in order if name in self._results), error, seconds)
            if self._ended is None or absent:
                missing.append("xtf")
        return Report(
            checks=checks,
            xtf=xtf,
            started=self._started,
            finished=self._started and self._done and not missing,
            missing=tuple(missing),
            error=self._error,
            seconds=self._seconds,
        )
