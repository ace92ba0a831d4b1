"""The table that a terminal shows while a command runs: the steps, their state and time, and what each is at.

It is drawn in place by a thread that looks a few times a second whether a line has changed, and writes those that have:
nothing is erased before it is written again, so nothing flickers, on a slow line neither. The cursor is hidden only
within one write, so that no end of the program, however sudden, leaves it hidden. When the run is over, the table
stays, as it was last.
"""

from __future__ import annotations

import os
import textwrap
import threading
import time
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from xenbump.cli.board import RUNNING, WAITING, Board, Row, duration, plain
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.progress import DONE, REFUSED, STOPPED, RunBegan, RunEnded, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.progress import Event

_TICK_SECONDS = 0.1
_JOIN_SECONDS = 2.0
_WIDEST, _SMALLEST, _ENDLESS = 200, 20, 1 << 20
_STYLES = {
    WAITING: "dim",
    RUNNING: "bold cyan",
    DONE: "green",
    PASSED: "green",
    SKIPPED: "yellow",
    REFUSED: "bold red",
    FAILED: "bold red",
    STOPPED: "yellow",
    "good": "green",
    "bad": "bold red",
    "skip": "yellow",
}
_STEP, _STATE, _TIME = 11, 8, 7
_NARROW = 71  # with fewer columns, what matters has a line of its own
_MATTERS = frozenset({RUNNING, FAILED, REFUSED})
_UP, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"


def lines(board: Board, now: float, width: int, height: int) -> list[Text]:
    """The table.

    Args:
        board: what is known.
        now: the time, on the board's clock.
        width: columns; no line is longer.
        height: lines; where they do not suffice, the steps of packages that are over become one line each, then what
            is below a step goes, then what came first.
    """
    if not board.command:
        return []
    head = _line(f"xenbump {board.command}", duration(now - board.began, whole=True), width)
    for brief in range(3):
        body = _body(board, now, width, brief)
        if len(body) < height:
            return [head, *body]
    return [head, *body[len(body) - height + 1 :]] if height > 1 else [head]


def _body(board: Board, now: float, width: int, brief: int) -> list[Text]:
    found = []
    for package in board.packages():
        rows = [row for row in board.rows if row.package == package]
        if brief and all(row.ended for row in rows):
            found.append(_row(_whole(rows), "", now, width, indent=""))
            continue
        found.append(_cut(Text(plain(package), "bold"), width))
        for row in rows:
            if row.state == WAITING:
                continue
            at = board.at(row)
            apart = width < _NARROW and row.state in _MATTERS
            found.append(_row(row, "" if apart else at, now, width))
            found += [_cut(Text(f"    {at}"), width)] if apart and at else []
            found += [] if brief > 1 else [_cut(Text(f"    | {one}", "dim"), width) for one in board.under(row)]
        ahead = ", ".join(row.name for row in rows if row.state == WAITING)
        found += [_cut(Text(f"  {'then':<{_STEP}} {ahead}", "dim"), width)] if ahead else []
    return found


def _whole(rows: list[Row]) -> Row:
    """The steps of a package that is over, as one."""
    worst = next((row.state for row in rows if row.state in {FAILED, REFUSED, STOPPED}), DONE)
    return Row(rows[0].package, plain(rows[0].package), worst, seconds=sum(row.seconds for row in rows))


def _row(row: Row, at: str, now: float, width: int, indent: str = "  ") -> Text:
    name = set_cell_size(row.name, _STEP) if cell_len(row.name) < _STEP else row.name
    text = Text(f"{indent}{name} ", "dim" if row.state == WAITING else "")
    text.append(f"{row.state:<{_STATE}}", _STYLES.get(row.state, ""))
    text.append(f" {row.time(now):>{_TIME}}")
    if at:
        text.append(f"  {at}", "dim" if row.ended and row.state in {DONE, PASSED} else "")
    text.rstrip()
    return _cut(text, width)


def _line(left: str, right: str, width: int) -> Text:
    room = width - cell_len(left) - cell_len(right)
    return _cut(Text(f"{left}{' ' * max(room, 1)}{right}", "bold"), width)


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text


class Terminal:
    """Draws the table of one run after the other.

    Args:
        stream: the terminal.
        colour: whether there may be colours and the like.
        verbose: whether sentences stay, above the table.
        clock: gives the time in seconds.
    """

    def __init__(
        self, stream: TextIO, *, colour: bool, verbose: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._board = Board()
        # rich finds out which colours the terminal has; without any it is to write no styles either.
        self._console = Console(
            file=stream, force_terminal=True, highlight=False, color_system="auto" if colour else None
        )
        self._lock = threading.Lock()  # what is known
        self._pen = threading.Lock()  # what is written
        self._above: list[str] = []
        self._drawn: list[str] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, event: Event) -> None:
        """Take what is told. It is drawn a little later, but for the beginning and the end."""
        with self._lock:
            self._board.take(event, self._clock())
            running = bool(self._board.command)
            if isinstance(event, Said) and (self._verbose or not running):
                self._above.append(f"… {plain(event.sentence)}")
        if isinstance(event, RunBegan):
            self._begin()
        elif isinstance(event, RunEnded):
            self.close()
        elif not running:
            self._draw()

    def close(self) -> None:
        """Draw for the last time, and let the table stand; what is told next begins a new one."""
        self._halt()
        with self._lock:
            if self._board.command:
                self._board.take(RunEnded(), self._clock())
        self._draw(last=True)
        with self._lock:
            self._board = Board()
            self._drawn = []

    def _begin(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="xenbump-table", daemon=True)
        self._thread.start()

    def _halt(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
            self._thread = None

    def _watch(self) -> None:
        try:
            while not self._stop.wait(_TICK_SECONDS):
                self._draw()
        except Exception:  # noqa: BLE001, S110 - a table that cannot be drawn is none; the last draw tells the rest
            pass

    def _draw(self, *, last: bool = False) -> None:
        """Write what has changed, in one go; with `last` an empty line, too, that sets the table apart."""
        # A terminal that was halted lets nobody write; the work does not wait for it.
        if not self._pen.acquire(timeout=_JOIN_SECONDS):
            return
        try:
            width, height = self._size()
            height = _ENDLESS if last else height  # nothing is drawn over any more
            with self._lock:
                above, self._above = self._above, []
                found = lines(self._board, self._clock(), width, height)
            drawn = [self._rendered(line) for line in found]
            text = painted(self._drawn, drawn, [part for one in above for part in textwrap.wrap(one, width)])
            self._drawn = drawn
            if last and drawn:
                text += "\r\n"
            if text:
                self._stream.write(text)
                self._stream.flush()
        finally:
            self._pen.release()

    def _rendered(self, text: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(text, end="", soft_wrap=True)
        return capture.get()

    def _size(self) -> tuple[int, int]:
        """Columns and lines that may be used: the last column is left free, since some terminals go on behind it."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        return max(min(columns or 80, _WIDEST) - 1, _SMALLEST), max((rows or 24) - 1, 2)


def painted(before: list[str], after: list[str], above: list[str]) -> str:
    """What brings a terminal from one table to the next; empty where nothing changes.

    The cursor stands at the beginning of the line below the table, before and afterwards.

    Args:
        before: the lines that are there.
        after: those that are to be there.
        above: lines that are to stay above the table.
    """
    if before == after and not above:
        return ""
    parts = [_HIDE, "\r", _UP.format(len(before)) if before else ""]
    parts += [f"{line}{_CLEAR_LINE}\r\n" for line in above]
    # What stands there after lines were put above is something else.
    there = before[len(above) :] if above else before
    for number, line in enumerate(after):
        known = not above and number < len(there) and there[number] == line
        parts.append("\r\n" if known else f"{line}{_CLEAR_LINE}\r\n")
    return "".join([*parts, _CLEAR_BELOW, _SHOW])
