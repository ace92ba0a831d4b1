"""What is known after some events of Nix' log: what runs, how far it is, and a failure in the lines that matter.

The words of errors are specified nowhere and differ between releases of Nix: known here are those of 2.8, which the
tests have recorded, and how newer releases word the same. Any other error is shown as it is, with the derivation
that it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from xenbump.verify.nixlog import Activity, Event, Line, Message, Phase, Plain, Progress, Start, Stop

TAIL = 30  # lines of a build's log that are kept
_KEPT_BUILDS = 50
_KEPT_PROBLEMS = 100
_PATH = re.compile(r"/[^\s'\"]++")
_DERIVATION = re.compile(r"/.+\.drv(?![\w.-])", re.DOTALL)
# Two expressions and not one, which would look for the second part once more behind each place that fits the first.
_MISMATCH = re.compile(r"hash mismatch in fixed-output derivation '(?P<derivation>[^']+)'")
_HASHES = re.compile(r"(?:specified|wanted|expected):\s+(?P<specified>\S+)\s+got:\s+(?P<got>\S+)")
_DEPENDENCY = re.compile(r"\bdependenc(?:y|ies)\b")
_FAILED = re.compile(r"\bfailed\b")
_INTERRUPTED = re.compile(r"^interrupted by the user\b")
_REASON = re.compile(r"^(?P<what>Cannot build [^\n]*)\n+\s*(?P<why>Reason: [^\n]*)")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A source that is not what its hash says: the derivation, the hash in the package, the hash that Nix found."""

    derivation: str
    specified: str
    got: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of Nix in the lines that matter.

    Attributes:
        message: one line.
        derivation: the path of what failed; empty where the error is not about one.
        place: of an error in Nix code, `file:line:column`.
        lines: the last ones of the derivation's log, at most TAIL.
        mismatch: set where a hash is wrong.
        consequence: it failed only because of another one.
        interrupted: Nix was told to stop.
    """

    message: str
    derivation: str = ""
    place: str = ""
    lines: tuple[str, ...] = ()
    mismatch: Mismatch | None = None
    consequence: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """Numbers of builds or of copies, as Nix says them."""

    done: int = 0
    expected: int = 0
    running: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """A build that runs or ran: its derivation's path, the phase, the last lines of its log, the machine it runs on."""

    id: int
    derivation: str
    phase: str = ""
    lines: tuple[str, ...] = ()
    builder: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What is known after some events; `advance` makes the next one.

    Attributes:
        builds: how many.
        copies: how many paths are copied from or to another store.
        running: the builds that run, the one that was heard of last at the end.
        ended: the last ones that ended.
        problems: the errors so far.
        doing: what Nix said last about something else than a build, such as a download.
    """

    builds: Count = Count()
    copies: Count = Count()
    running: tuple[Build, ...] = ()
    ended: tuple[Build, ...] = ()
    problems: tuple[Problem, ...] = ()
    doing: str = ""

    @property
    def current(self) -> Build | None:
        """The build that was heard of last among those that run."""
        return self.running[-1] if self.running else None

    @property
    def interrupted(self) -> bool:
        """Whether Nix says that it was told to stop."""
        return any(problem.interrupted for problem in self.problems)

    def cause(self) -> Problem | None:
        """The error that the others come from: a wrong hash, else the first that is no consequence."""
        order = sorted(self.problems, key=lambda one: (one.mismatch is None, one.interrupted, one.consequence))
        return order[0] if order else None


def advance(state: State, event: Event) -> State:
    """The state after one more event."""
    match event:
        case Start() | Stop():
            return _activity(state, event)
        case Line() | Phase():
            heard = [_heard(build, event) for build in state.running if build.id == event.id]
            return replace(state, running=(*_without(state.running, event.id), *heard))
        case Progress():
            return _counted(state, event)
        case Message(error=error) if error:
            return _failing(state, error, event.place)
        case Plain(text=text) if text.startswith("error: "):
            return _failing(state, text.removeprefix("error: "), "")
    return state


def _activity(state: State, event: Start | Stop) -> State:
    """The state after an activity has started or stopped."""
    others = _without(state.running, event.id)
    if isinstance(event, Start):
        if event.kind == Activity.BUILD:
            return replace(state, running=(*others, Build(event.id, event.derivation, builder=event.builder)))
        return replace(state, doing=event.text or state.doing)
    ended = tuple(build for build in state.running if build.id == event.id)
    return replace(state, running=others, ended=(*state.ended, *ended)[-_KEPT_BUILDS:])


def _counted(state: State, event: Progress) -> State:
    count = Count(event.done, event.expected, event.running, event.failed)
    if event.kind == Activity.BUILDS:
        return replace(state, builds=count)
    return replace(state, copies=count) if event.kind == Activity.COPY_PATHS else state


def _failing(state: State, error: str, place: str) -> State:
    """The state after an error; the log of the derivation that it is about is taken along."""
    wrong = _MISMATCH.search(error)
    hashes = wrong and _HASHES.search(error, wrong.end())
    mismatch = Mismatch(wrong["derivation"], hashes["specified"], hashes["got"]) if wrong and hashes else None
    derivation = mismatch.derivation if mismatch else _derivation(error)
    logs = [build.lines for build in (*state.ended, *state.running) if derivation and build.derivation == derivation]
    message = _line_that_matters(error)
    problem = Problem(
        message=message,
        derivation=derivation,
        place=place,
        lines=logs[-1] if logs else (),
        mismatch=mismatch,
        consequence=mismatch is None and all(word.search(message) for word in (_DEPENDENCY, _FAILED)),
        interrupted=_INTERRUPTED.search(error) is not None,
    )
    if problem in state.problems or len(state.problems) >= _KEPT_PROBLEMS:
        return state
    return replace(state, problems=(*state.problems, problem))


def _derivation(error: str) -> str:
    """The first derivation that an error names; empty where it names none."""
    named = (_DERIVATION.match(path[0]) for path in _PATH.finditer(error))
    return next((match[0] for match in named if match), "")


def _line_that_matters(error: str) -> str:
    """The first line, which has the message; what follows are excerpts, the log again and advice."""
    reason = _REASON.match(error.strip())
    if reason:
        return f"{reason['what']} {reason['why']}"
    lines = (line.strip() for line in error.splitlines())
    return next((line.rstrip(";:") for line in lines if line), "")


def _heard(build: Build, event: Line | Phase) -> Build:
    if isinstance(event, Phase):
        return replace(build, phase=event.name)
    return replace(build, lines=(*build.lines, event.text)[-TAIL:])


def _without(builds: tuple[Build, ...], number: int) -> tuple[Build, ...]:
    return tuple(build for build in builds if build.id != number)
