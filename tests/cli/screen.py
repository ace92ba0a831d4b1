"""A terminal of so many columns and lines, as far as xenbump uses one; whatever else is written to it is an error."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.worlds import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.worlds import Stage

_PARTS = re.compile(r"\x1b\[(?P<code>[?0-9;]*)(?P<end>[A-Za-z])|(?P<plain>[^\x1b])", re.DOTALL)


@dataclass
class Screen:
    """What stands on it.

    Attributes:
        columns: its width.
        rows: its height.
        lines: all lines since the beginning, those that went out at the top, too.
        cursor: whether it is shown.
        styled: whether colours or the like were asked for.
    """

    columns: int = 80
    rows: int = 24
    lines: list[str] = field(default_factory=lambda: [""])
    cursor: bool = True
    styled: bool = False
    _row: int = 0
    _column: int = 0

    def write(self, text: str) -> None:
        """Take what a program writes."""
        where = 0
        while where < len(text):
            part = _PARTS.match(text, where)
            assert part is not None, text[where : where + 20]
            where = part.end()
            if part["plain"] is not None:
                self._put(part["plain"])
            else:
                self._control(part["end"], part["code"])

    @property
    def text(self) -> str:
        """All lines, without blanks at their ends, and without empty ones at the end."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def _control(self, end: str, code: str) -> None:
        line = self.lines[self._row]
        match end, code:
            case "A", _:
                self._row -= int(code or 1)
                # Nothing that went out at the top can be reached.
                assert self._row >= max(len(self.lines) - self.rows, 0), "above the screen"
            case "K", "":
                self.lines[self._row] = line[: self._column]
            case "J", "":
                self.lines[self._row :] = [line[: self._column]]
            case (("h" | "l"), "?25"):
                self.cursor = end == "h"
            case "m", _:
                self.styled = True
            case _:
                raise AssertionError(f"{end} {code}")

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self._column = 0
        elif letter == "\n":
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append("")
        else:
            assert letter.isprintable(), repr(letter)
            if self._column == self.columns:
                self._put("\r")
                self._put("\n")
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + letter + line[self._column + 1 :]
            self._column += 1


@dataclass(frozen=True)
class Shown:
    """A program that has ended: its status, stdout, what stderr wrote to a terminal, and what stood there then."""

    status: int
    stdout: str
    written: str
    screen: Screen


def on_a_terminal(
    stage: Stage,
    *arguments: str,
    size: tuple[int, int] = (80, 24),
    meanwhile: Callable[[subprocess.Popen[bytes], str], object] = lambda *_: None,
    env: Mapping[str, str] | None = None,
) -> Shown:
    """Run the program in the checkout with stderr on a terminal, and stdout on a pipe.

    Args:
        stage: the world.
        arguments: of the program.
        size: columns and lines.
        meanwhile: called with the process and all that was written, whenever something was.
        env: of the program.
    """
    ours, theirs = pty.openpty()
    columns, rows = size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen, written = Screen(columns, rows), ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=stage.world.checkout,
        env=stage.env(**{"TERM": "xterm-256color", **(env or {})}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        while True:
            try:
                part = decoder.decode(os.read(ours, 65536))
            except OSError:  # the other end is closed
                break
            screen.write(part)
            written += part
            meanwhile(process, written)
        os.close(ours)
        stdout = b"" if process.stdout is None else process.stdout.read()
    return Shown(process.returncode, stdout.decode(), written, screen)
