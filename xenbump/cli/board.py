"""What is known of a run by now, for both renderers: a row a step, and what the one that runs is at.

No clock and no output: times are given with every call, in seconds of any clock that does not go back.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.progress import (
    STOPPED,
    Building,
    Checked,
    ConsoleLine,
    Dom0Up,
    RunBegan,
    RunEnded,
    Said,
    StepBegan,
    StepEnded,
    StepsAhead,
    XtfTest,
)

if TYPE_CHECKING:
    from xenbump.progress import Event

WAITING, RUNNING = "waiting", "running"
CONSOLE = 8  # lines of a booting dom0 that are kept
_DETAILS = {
    "advisory": "reading advisories",
    "commit": "reading commits",
    "components": "looking at components",
    "has-patch": "looking for patches in the tree",
    "history": "reading what commits fix",
    "list": "listing releases",
    "read": "reading the file",
    "series": "trying the patches as a series",
    "source": "computing the hash of the source",
    "support": "reading how long it is supported",
    "together": "trying patches together",
    "trial": "trying patches",
    "verify": "judging the signature",
}
_DOM0, _GUESTS, _XTF, _GUEST = "dom0", "guests", "xtf", "guest-"
_BOOTED = (_DOM0, _GUESTS, _XTF)


@dataclass(slots=True)
class Row:
    """A step.

    Attributes:
        package: the package that it is for.
        name: what it is called.
        state: `waiting`, `running`, or how it ended.
        began: when it did.
        seconds: how long it took, once it has ended.
        reason: why it ended so; may be empty.
    """

    package: str
    name: str
    state: str = WAITING
    began: float = 0.0
    seconds: float = 0.0
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state not in {WAITING, RUNNING}

    def time(self, now: float) -> str:
        """How long it took, or runs by now; empty for what takes no time."""
        if self.state == RUNNING:
            return duration(now - self.began, whole=True)
        return duration(self.seconds) if self.ended and self.seconds else ""


@dataclass(slots=True)
class Board:
    """A run, as far as it has come.

    Attributes:
        command: what is run; empty: nothing.
        began: when.
        heard: when something was told last.
        rows: the steps, in order.
        console: what a dom0 said last while it booted; empty once it is up.
    """

    command: str = ""
    began: float = 0.0
    heard: float = 0.0
    rows: list[Row] = field(default_factory=list)
    console: deque[str] = field(default_factory=lambda: deque(maxlen=CONSOLE))
    _sentence: str = ""
    _detail: str = ""
    _details: Counter[str] = field(default_factory=Counter)
    _building: Building | None = None
    _up: float | None = None
    _checks: dict[str, str] = field(default_factory=dict)
    _tests: dict[str, str] = field(default_factory=dict)
    _last_test: str = ""

    def take(self, event: Event, now: float) -> None:
        """Take what was told."""
        self.heard = now
        match event:
            case RunBegan():
                self.command, self.began = event.command, now
            case RunEnded():
                self._over(now)
            case Said():
                self._sentence = plain(event.sentence)
            case StepsAhead():
                for name in event.names:
                    self._row(event.package, name)
            case StepBegan() | StepEnded() if event.detail:
                self._detail = event.name if isinstance(event, StepBegan) else ""
                self._details[event.name] += isinstance(event, StepBegan)
            case StepBegan():
                self._begin(self._row(event.package, event.name), now)
            case StepEnded():
                self._end(event)
            case Building():
                self._building = event
            case _:
                self._heard_of_dom0(event, now)

    @property
    def current(self) -> Row | None:
        """The step that runs; of several that run at once, the last."""
        return next((row for row in reversed(self.rows) if row.state == RUNNING), None)

    def packages(self) -> list[str]:
        """The packages, in order."""
        return list(dict.fromkeys(row.package for row in self.rows))

    def at(self, row: Row) -> str:
        """What a step is at, or why it ended as it did."""
        if row.state == WAITING:
            return ""
        if row.ended:
            return plain(row.reason)
        return (self._counted(row.name) or self._doing()).removeprefix(f"{plain(row.package)}: ")

    def under(self, row: Row) -> list[str]:
        """The lines that belong below a step that runs: the console of a booting dom0, the last line of a build."""
        if row.state != RUNNING:
            return []
        if row.name == _DOM0 and self.console:
            return list(self.console)
        building = self._building
        return [plain(building.line)] if building is not None and building.line else []

    def waits_for(self) -> str:
        """What the step that runs waits for, in words that can stand alone."""
        row, building = self.current, self._building
        if building is not None and (building.name or building.doing):
            named = f"the build of {_build(building)}" if building.name else plain(building.doing)
            return named + (f"; its last line: {plain(building.line)}" if building.line else "")
        if self.console:
            return f"dom0 to come up; its console's last line: {self.console[-1]}"
        if row is not None and row.name in _BOOTED:
            return f"the dom0 to do its checks; {self.at(row)}"
        return self._doing() or "an answer"

    def _counted(self, name: str, *, ended: bool = False) -> str:
        """The numbers that belong to a step; of one that has ended without what is being done."""
        if name == _XTF and self._tests:
            counts = Counter(self._tests.values())
            results = ", ".join(f"{count} {result}" for result, count in counts.most_common())
            last = "" if ended else f"; last {self._last_test}"
            return f"{_count(sum(counts.values()), 'test')}: {results}{last}"
        building = self._building
        if name in {_DOM0, _GUESTS} and building is None:
            return self._of_dom0(guests=name == _GUESTS)
        if building is None:
            return ""
        total = max(building.expected, building.done)
        # A compiler that says what it is at does not say how much there is to do.
        numbers = f"{building.done} of {total} built" if total else ""
        failed = f", {building.failed} failed" if building.failed else ""
        current = f": {_build(building)}" if building.name else ""
        running = f"{building.running} running{current}" if building.running and not ended else ""
        return ", ".join(filter(None, (numbers + failed, running)))

    def _of_dom0(self, *, guests: bool) -> str:
        results = Counter(result for name, result in self._checks.items() if name.startswith(_GUEST) == guests)
        counts = ", ".join(f"{results[result]} {result}" for result in (PASSED, FAILED, SKIPPED) if results[result])
        if guests:
            return counts
        up = "" if self._up is None else f"up after {self._up:.1f} s"
        return "; ".join(filter(None, (up, counts)))

    def _doing(self) -> str:
        known = _DETAILS.get(self._detail, "")
        times = self._details[self._detail]
        detail = f"{known} ({times})" if known and times > 1 else known
        return ": ".join(filter(None, (detail, self._sentence)))

    def _row(self, package: str, name: str) -> Row:
        for row in self.rows:
            if (row.package, row.name) == (package, name):
                return row
        row = Row(package, name)
        self.rows.append(row)
        return row

    def _begin(self, row: Row, now: float) -> None:
        """A step begins; what was told of those before is no longer of use."""
        row.state, row.began = RUNNING, now
        self._sentence = self._detail = ""
        self._details.clear()
        self._building, self._up, self._last_test = None, None, ""
        self.console.clear()
        self._checks.clear()
        self._tests.clear()

    def _end(self, event: StepEnded) -> None:
        row = self._row(event.package, event.name)
        told = self._counted(row.name, ended=True) if row.state == RUNNING else ""
        row.state, row.seconds = event.result, event.seconds
        row.reason = event.reason or told
        self._building = None
        if row.name == _DOM0:
            self.console.clear()

    def _over(self, now: float) -> None:
        """The run is over: what did not come to an end was stopped, and what did not begin was not needed."""
        for row in self.rows:
            if row.state == RUNNING:
                row.state, row.seconds = STOPPED, now - row.began
        self.rows = [row for row in self.rows if row.state != WAITING]
        self.console.clear()
        self._building = None
        self._checks.clear()
        self._tests.clear()

    def _heard_of_dom0(self, event: Event, now: float) -> None:
        """What a dom0 says; guests and XTF begin with their first result, since they share the boot."""
        match event:
            case ConsoleLine() if self._up is None:
                self.console.append(plain(event.text))
            case Dom0Up():
                self._up = event.seconds
                self.console.clear()
            case Checked():
                self._checks[plain(event.name)] = event.result
                if event.name.startswith(_GUEST):
                    self._also(_GUESTS, now)
            case XtfTest():
                self._last_test = plain(event.name)
                self._tests[self._last_test] = plain(event.result)
                self._also(_XTF, now)
            case _:
                pass

    def _also(self, name: str, now: float) -> None:
        """Let a step of the boot that runs begin."""
        current = self.current
        for row in self.rows:
            if current is not None and (row.package, row.name, row.state) == (current.package, name, WAITING):
                row.state, row.began = RUNNING, now


def plain(text: str) -> str:
    """A text as one line that does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def duration(seconds: float, *, whole: bool = False) -> str:
    """A time for people: `2.3 s`, with `whole` `2 s`; from a minute on `1:05`, from an hour on `1:02:03`."""
    minute = 60
    if seconds < minute:
        return f"{int(seconds)} s" if whole else f"{seconds:.1f} s"
    minutes, left = divmod(int(seconds), minute)
    hours, minutes = divmod(minutes, minute)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _build(building: Building) -> str:
    """The build that is at work: its derivation, phase and machine."""
    phase = f" ({plain(building.phase).removesuffix('Phase')})" if building.phase else ""
    builder = f" on {plain(building.builder)}" if building.builder else ""
    return f"{plain(building.name)}{phase}{builder}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
