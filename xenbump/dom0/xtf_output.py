"""What `xtf-runner` prints, read as it comes.

In logfile mode and without `-q` it prints, for each test that it starts, `Using logfile '…'` and
`Executing 'xl create -F …/NAME.cfg'`, then the guest's own output up to its line `Test result: …`. A test whose guest
died has no such line. At the end stands `Combined test results:` and a line for each test, those that were not started
(since Xen cannot run them) among them. The exit status is that of the worst result; 1 is a failure of the runner
itself, and then there is no summary.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

RESULTS = ("SUCCESS", "SKIP", "ERROR", "FAILURE", "CRASH")
STATUSES = {"SUCCESS": 0, "SKIP": 3, "ERROR": 4, "FAILURE": 5, "CRASH": 6}
RUNNER_FAILED = 1
HEADING = "Combined test results:"
_STARTS = re.compile(r"Executing 'xl create .*?(?:^|/| )(?P<name>test-[^/' ]+)\.cfg'")
_SAYS = re.compile(r"Test result: (?P<result>[A-Z]+)")
_SUMMARY = re.compile(r"(?P<name>test-\S+) +(?P<result>[A-Z]+)")
_NEXT = "Using logfile '"  # the next test is about to start
_ERROR = re.compile(r"^Error: (?P<what>.+)")
LINES = 20  # of a test's output, half of them its first, half its last


@dataclass
class Segment:
    """One test that the runner started: its name, what its guest said came out (None by now), and its output."""

    name: str
    result: str | None = None
    _first: list[str] = field(default_factory=list)
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=LINES // 2))
    _between: int = 0

    def add(self, line: str) -> None:
        """Take a line of its output; one without text is passed over."""
        if not line.strip():
            return
        if len(self._first) < LINES // 2:
            self._first.append(line)
            return
        self._between += len(self._last) == self._last.maxlen
        self._last.append(line)

    @property
    def lines(self) -> tuple[str, ...]:
        """Its output, which may be long: the first lines, how many are left out, and the last ones."""
        between = (f"({self._between} lines are left out)",) if self._between else ()
        return (*self._first, *between, *self._last)


class Output:
    """The runner's output, fed in pieces of any size.

    Attributes:
        segments: the tests that were started, in order; the last may still run.
        summary: the results of the summary by name; None before its heading.
        error: what the runner complained of at its end; empty when nothing.
    """

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.summary: dict[str, str] | None = None
        self.error = ""
        self._rest = ""

    def feed(self, text: str) -> None:
        """Take what the runner printed since the last time."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line.rstrip("\r"))

    def end(self) -> None:
        """Take the last line too, which no line feed ended."""
        rest, self._rest = self._rest, ""
        if rest:
            self._line(rest)

    @property
    def running(self) -> Segment | None:
        """The test that was started last, unless the summary has begun."""
        return self.segments[-1] if self.segments and self.summary is None else None

    def _line(self, line: str) -> None:
        if self.summary is not None:
            match = _SUMMARY.fullmatch(line.strip())
            if match is not None and match["result"] in RESULTS:
                self.summary.setdefault(match["name"], match["result"])
            return
        complaint = _ERROR.match(line)
        if complaint is not None:
            self.error = complaint["what"].strip()
        start = _STARTS.search(line)
        if start is not None:
            self.segments.append(Segment(start["name"]))
            self.error = ""  # what a guest before said, in the same words
        elif line.strip() == HEADING:
            self.summary = {}
        elif self.segments and not line.startswith(_NEXT):
            self._of_test(self.segments[-1], line)

    @staticmethod
    def _of_test(segment: Segment, line: str) -> None:
        segment.add(line)
        says = _SAYS.search(line)
        if says is not None and says["result"] in RESULTS:
            segment.result = says["result"]


def worst(results: tuple[str, ...]) -> int:
    """The exit status that the runner has for these results."""
    return max((STATUSES[result] for result in results), default=0)
