"""Progress in lines, for CI, pipes, and whoever has lines read out: nothing is drawn over, and silence has an end.

A step has a line when it is first heard of and one when it ends; on GitHub Actions it is a group that can be folded.
When nothing was written for half a minute, a line says what the step is at, and from five minutes on what it waits for.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from xenbump.cli.board import Board, Row, duration, plain
from xenbump.dom0.report import PASSED
from xenbump.progress import DONE, RunBegan, RunEnded, Said, StepBegan, StepEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.progress import Event

BEAT_SECONDS = 30.0
LATE_SECONDS = 300.0
_JOIN_SECONDS = 2.0
# A step that is quicker, says nothing and goes well has no line.
_WORTH_SECONDS = 1.0


class Plain:
    """Writes lines.

    Args:
        stream: where to.
        groups: whether each step is a group of GitHub Actions.
        clock: gives the time in seconds.
        beat: seconds of silence after which a line says what is being done.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        groups: bool = False,
        clock: Callable[[], float] = time.monotonic,
        beat: float = BEAT_SECONDS,
    ) -> None:
        self._stream = stream
        self._groups = groups
        self._clock = clock
        self._beat = beat
        self._board = Board()
        self._lock = threading.RLock()
        self._wrote = clock()
        self._head = ""  # the step that the last lines belong to
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, event: Event) -> None:
        """Take what is told, and write what of it is worth a line."""
        with self._lock:
            now = self._clock()
            self._board.take(event, now)
            if isinstance(event, Said):
                self._said(event.sentence)
            elif isinstance(event, StepBegan) and not event.detail:
                self._close_group()
            elif isinstance(event, StepEnded) and not event.detail:
                self._ended(event)
        if isinstance(event, RunBegan):
            self._wrote = now
            self._begin()
        elif isinstance(event, RunEnded):
            self.close()

    def close(self) -> None:
        """End; what is told next begins anew."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
            self._thread = None
        with self._lock:
            self._close_group()
            self._board = Board()

    def beat(self) -> None:
        """Say what is being done, where nothing was said for long enough."""
        with self._lock:
            now = self._clock()
            if now - self._wrote >= self._beat and self._board.command:
                self._line(still(self._board, now))

    def _begin(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="xenbump-beat", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        try:
            while not self._stop.wait(min(self._beat, 1.0)):
                self.beat()
        except Exception:  # noqa: BLE001, S110 - there is nobody left to tell
            pass

    def _said(self, sentence: str) -> None:
        row = self._board.current
        if row is not None:
            self._open(_name(row))
        # A sentence that only names the step has been said by its head.
        if row is None or plain(sentence) != _name(row):
            self._line(plain(sentence))

    def _ended(self, event: StepEnded) -> None:
        name = f"{event.package}: {event.name}"
        good = event.result in {DONE, PASSED}
        if self._head != name and good and event.seconds < _WORTH_SECONDS:
            return
        row = next(row for row in self._board.rows if (row.package, row.name) == (event.package, event.name))
        took = f" after {duration(event.seconds)}" if event.seconds else ""
        why = f": {plain(row.reason)}" if row.reason else ""
        if self._groups and good:
            self._open(name)
        elif self._groups:
            self._close_group()  # bad news is not folded away
        self._line(f"{name} {event.result}{took}{why}")
        self._close_group()

    def _open(self, name: str) -> None:
        """Head the lines of a step."""
        if self._head == name:
            return
        self._close_group()
        self._head = name
        if self._groups:
            self._write(f"::group::{_harmless(name)}")
        else:
            self._line(name)

    def _close_group(self) -> None:
        if self._head and self._groups:
            self._write("::endgroup::")
        self._head = ""

    def _line(self, text: str) -> None:
        self._write(f"… {_harmless(text) if self._groups else text}")

    def _write(self, line: str) -> None:
        self._wrote = self._clock()
        self._stream.write(f"{line}\n")
        self._stream.flush()


def still(board: Board, now: float) -> str:
    """A sentence on what has been going on for a while: what it is at, from five minutes on what it waits for."""
    row = board.current
    since = now - (board.began if row is None else row.began)
    name = f"xenbump {board.command}" if row is None else _name(row)
    silent = now - board.heard
    quiet = f", nothing new for {duration(silent, whole=True)}" if silent >= BEAT_SECONDS else ""
    head = f"still at {name} after {duration(since, whole=True)}{quiet}"
    if since >= LATE_SECONDS:
        return f"{head}; it waits for: {board.waits_for()}"
    at = "" if row is None else board.at(row)
    return f"{head}: {at}" if at else head


def _name(row: Row) -> str:
    return f"{row.package}: {row.name}"


def _harmless(text: str) -> str:
    """A text in which the runner finds no command of its older form, which counts anywhere in a line."""
    return text.replace("##[", "## [")
