"""What is being done, as facts: steps that begin and end, what Nix builds, what a booting dom0 says, XTF as it counts.

Everything that takes time has a `progress`, which is called with a sentence. A `Progress` is called so, too, and takes
facts besides; `emit` gives them to it, and nothing to any other function. So whoever only wants sentences passes a
function, and whoever draws a table a `Progress`.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How a step ended; a step of a verification ends in the words of `dom0.report`: passed, failed, skipped.
DONE, FAILED, REFUSED, STOPPED = "done", "failed", "refused", "stopped"


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of a command begins."""

    command: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over; what is written from now on is not for the renderer."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence on what is being done."""

    sentence: str


@dataclass(frozen=True, slots=True)
class StepsAhead:
    """The steps that the work on a package may have, in their order; some of them may turn out to be needless."""

    package: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins.

    Attributes:
        package: the package that it is for; empty for a detail that is for none.
        name: what it is called.
        detail: it is a part of another step, such as one that the journal remembers.
    """

    package: str
    name: str
    detail: bool = False


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step is over.

    Attributes:
        package: the package that it was for; empty for a detail that was for none.
        name: what it is called.
        result: one of the words above.
        seconds: how long it took; 0 for what was not done now.
        reason: why it ended so, in a sentence; may be empty.
        detail: it was a part of another step.
    """

    package: str
    name: str
    result: str
    seconds: float
    reason: str = ""
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Building:
    """How far Nix is.

    Attributes:
        done: builds that ended.
        expected: builds in all.
        running: builds that run.
        failed: builds that failed.
        name: of the derivation that was heard of last among those that run; empty: none runs.
        phase: of its build.
        builder: the machine that builds it; empty: this one.
        line: the last one of its log.
        doing: what Nix said last about something else than a build, such as a download.
    """

    done: int = 0
    expected: int = 0
    running: int = 0
    failed: int = 0
    name: str = ""
    phase: str = ""
    builder: str = ""
    line: str = ""
    doing: str = ""


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """A line that the console of a booted machine said."""

    text: str


@dataclass(frozen=True, slots=True)
class Dom0Up:
    """A dom0 is up, so many seconds after its machine was started."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A check in a dom0 has its result."""

    name: str
    result: str


@dataclass(frozen=True, slots=True)
class XtfTest:
    """A test of XTF has its result, in XTF's own word."""

    name: str
    result: str


Event = (
    RunBegan
    | RunEnded
    | Said
    | StepsAhead
    | StepBegan
    | StepEnded
    | Building
    | ConsoleLine
    | Dom0Up
    | Checked
    | XtfTest
)


class Progress:
    """Passes on what is told. A listener that fails is not told again: showing the work never stops it.

    Args:
        listener: takes the events; None: nobody does.
    """

    def __init__(self, listener: Callable[[Event], object] | None = None) -> None:
        self._listener = listener

    def __call__(self, sentence: str) -> None:
        """Tell a sentence on what is being done."""
        self.tell(Said(sentence))

    def tell(self, event: Event) -> None:
        """Tell a fact."""
        if self._listener is None:
            return
        try:
            self._listener(event)
        except Exception:  # noqa: BLE001 - whatever it is, it is the renderer's
            self._listener = None


def emit(progress: Callable[[str], None], event: Event) -> None:
    """Tell a fact to whoever takes facts; a function that takes sentences only is not called."""
    if isinstance(progress, Progress):
        progress.tell(event)


@contextlib.contextmanager
def step(progress: Callable[[str], None], package: str, name: str, *, detail: bool = False) -> Iterator[None]:
    """Tell that a step begins, and how it ended: `done`, `refused`, `failed`, or `stopped` by something else."""
    began = time.monotonic()
    emit(progress, StepBegan(package, name, detail))

    def ended(result: str, reason: str = "") -> None:
        emit(progress, StepEnded(package, name, result, time.monotonic() - began, reason, detail))

    try:
        yield
    except XenbumpError as error:
        ended(REFUSED if isinstance(error, Refusal) else FAILED, f"{error.code}: {error.what}")
        raise
    except BaseException:
        ended(STOPPED)
        raise
    ended(DONE)
