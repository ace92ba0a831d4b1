"""JUnit's XML as checks: what the driver of NixOS tests writes, and the Ant form of others.

The driver's has one `testsuite`, `NixOS integration test`, with a `testcase` for each `subtest`; the case `main` is
what is outside of them, and later drivers have it only where there is no subtest. With those since 2024 a `failure`
says nothing in its `message`, the error stands in `system-err`, and there are no times; later ones have the error in
the message.

The file comes out of a build and is not trusted: no DOCTYPE, so no entities but XML's own, and a limit to everything.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from xenbump.dom0.check import clipped
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult

LARGEST = 16 << 20  # bytes; a driver puts the consoles of all machines into it
_MOST_CASES = 5000
_DEEPEST = 50
_LONGEST_NAME = 200
_LINES = 20  # of what a case said
_MAIN = "main"
_BAD = frozenset({"failure", "error"})
_TEXTS = frozenset({*_BAD, "skipped", "system-out", "system-err"})
# As the driver words it (`Driver.subtest` in nixpkgs' nixos/lib/test-driver).
_SUBTEST_ERROR = re.compile(r'^Test ".*" failed with error: "(?P<why>.*?)"?$', re.MULTILINE)


def read(data: bytes) -> tuple[CheckResult, ...]:
    """The cases in a file, in its order.

    Raises:
        ValueError: it is not XML or not JUnit's, has a DOCTYPE or no case, or is too large.
    """
    if len(data) > LARGEST:
        raise ValueError(f"it has more than {LARGEST >> 20} MiB")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)  # noqa: FBT003 - it takes no keyword
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"it is not XML: {error}") from error
    if not reader.checks:
        raise ValueError("it has no test case")
    return tuple(reader.checks)


def _refuse(*_: object) -> None:
    raise ValueError("it has a DOCTYPE, which no report needs")


@dataclass(slots=True)
class _Case:
    """A case while it is read: its attributes, what it has, and the texts of that."""

    attributes: dict[str, str]
    messages: dict[str, str] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def said(self, name: str) -> str:
        return "".join(self.texts.get(name, ())).strip()


class _Reader:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.checks: list[CheckResult] = []
        self._open: list[str] = []
        self._case: _Case | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name not in {"testsuites", "testsuite"}:
            raise ValueError(f"it begins with `{name[:40]}`, not with `testsuites` or `testsuite`")
        if len(self._open) >= _DEEPEST:
            raise ValueError(f"it is more than {_DEEPEST} elements deep")
        self._open.append(name)
        if name == "testcase":
            if len(self.checks) >= _MOST_CASES:
                raise ValueError(f"it has more than {_MOST_CASES} test cases")
            self._case = _Case(attributes)
        elif self._case is not None and name in _TEXTS:
            self._case.messages.setdefault(name, attributes.get("message", ""))

    def end(self, name: str) -> None:
        self._open.pop()
        if name == "testcase" and self._case is not None:
            self.checks.append(_check(self._case))
            self._case = None

    def text(self, data: str) -> None:
        if self._case is not None and self._open[-1] in _TEXTS:
            self._case.texts.setdefault(self._open[-1], []).append(data)


def _check(case: _Case) -> CheckResult:
    name = clipped((case.attributes.get("name", "")[:_LONGEST_NAME],))[0] or "a test without a name"
    bad = next((one for one in ("failure", "error") if one in case.messages), "")
    result = FAILED if bad else SKIPPED if "skipped" in case.messages else PASSED
    said = (*case.said("system-out").splitlines(), *case.said("system-err").splitlines())
    reason = "" if result == PASSED else _reason(case, bad or "skipped")
    requirement = "what is outside of the subtests succeeds" if name == _MAIN else f"the subtest `{name}` succeeds"
    evidence = clipped(said[-_LINES:]) if bad else ()
    return CheckResult(name, requirement, result, clipped((reason,))[0], evidence, _seconds(case.attributes))


def _reason(case: _Case, name: str) -> str:
    """Why a case did not pass, in one line: the driver's own words, which stand in what it said; else the report's."""
    error = _SUBTEST_ERROR.search(case.said("system-err"))
    if error is not None:
        return error["why"]
    texts = (case.said("system-err") if name in _BAD else "", case.said(name), case.messages[name])
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "the report says no more"


def _seconds(attributes: dict[str, str]) -> float:
    try:
        seconds = float(attributes.get("time", "0"))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
