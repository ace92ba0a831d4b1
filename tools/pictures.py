"""Makes docs/pictures/ from the real program on the world of the demo: its terminal as SVG, the report as PNG.

    .venv/bin/python -m tools.pictures

Commands run in a terminal of 120 columns, and what stands on it in the end is drawn by rich. The page of `report` is
drawn by a headless Chromium, in light, dark and at a phone's width; where there is none, those pictures stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from dataclasses import dataclass, field
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.support import browser
from xenbump.demo import story
from xenbump.demo import world as worlds

PROGRAM = str(Path(sys.executable).with_name("xenbump"))
FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
COLUMNS, LINES = 120, 60
# The name of the picture, and what is called for it.
TERMINAL = (("run", ("run",)), ("audit", ("audit", "--no-progress")))
# Width, height, whether in the dark.
PAGES = {"report-light": (1200, 900, False), "report-dark": (1200, 900, True), "report-phone": (390, 844, False)}
_PART = re.compile(r"\x1b\[(?P<code>[?0-9;]*)(?P<end>[A-Za-z])|(?P<plain>[^\x1b])", re.DOTALL)
# rich's own form asks a server for fonts.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


@dataclass
class Screen:
    """What stands on a terminal: cells of a character and the colours that it was written with (SGR of ECMA-48)."""

    rows: list[list[tuple[str, str]]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: str = ""

    def write(self, text: str) -> None:
        """Take what a program writes.

        Raises:
            ValueError: it steers the terminal in a way that is not known here.
        """
        where = 0
        while where < len(text):
            part = _PART.match(text, where)
            if part is None:
                raise ValueError(f"a terminal is steered by {text[where : where + 12]!r}")
            where = part.end()
            if part["plain"] is not None:
                self._put(part["plain"])
            else:
                self._control(part["end"], part["code"])

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            self.rows += [[] for _ in range(self.row + 1 - len(self.rows))]
        else:
            line = self.rows[self.row]
            line += [(" ", "")] * (self.column + 1 - len(line))
            line[self.column] = (character, self.style)
            self.column += 1

    def _control(self, end: str, code: str) -> None:
        if end == "m":
            self.style = "" if code in {"", "0"} else f"{self.style}\x1b[{code}m"
        elif end == "A":
            self.row = max(self.row - int(code or 1), 0)
        elif end in "JK":
            del self.rows[self.row][self.column :]
            if end == "J":
                del self.rows[self.row + 1 :]
        elif f"{code}{end}" not in {"?25l", "?25h"}:
            raise ValueError(f"a terminal is steered by {code}{end}")

    def text(self) -> Text:
        """All of it, without empty lines at the end."""
        lines = ["".join(f"{style}{character}\x1b[0m" for character, style in row).rstrip() for row in self.rows]
        return Text.from_ansi("\n".join(lines).rstrip())


def shown(arguments: tuple[str, ...], world: worlds.World) -> Screen:
    """What a command leaves on a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    unwanted = {"NO_COLOR", "CI", "COLUMNS", "LINES"}
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    child = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=world.checkout,
        env={**env, **world.env, "TERM": "xterm-256color", "no_proxy": "127.0.0.1"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    written = b""
    # Reading from the terminal of a program that has ended is an error.
    with contextlib.suppress(OSError):
        while piece := os.read(master, 1 << 16):
            written += piece
    os.close(master)
    child.wait()
    screen = Screen()
    screen.write(written.decode())
    return screen


def drawn(screen: Screen, title: str) -> str:
    """A terminal as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(screen.text(), soft_wrap=False)
    return console.export_svg(title=title, theme=MONOKAI, code_format=_FORMAT, unique_id="terminal")


def photographed(page: Path, program: str, folder: Path) -> None:
    """The page of the report, in each of its looks."""
    with browser.Browser(program, folder) as chromium:
        for name, (width, height, dark) in PAGES.items():
            chromium.look(width=width, height=height, dark=dark)
            chromium.open(page.as_uri())
            chromium.picture(FOLDER / f"{name}.png")


def main() -> None:
    """Make them all."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="xenbump-pictures-") as temporary:
        folder = Path(temporary)
        (folder / "world").mkdir()
        with worlds.stand(folder / "world") as world:
            for name, arguments in TERMINAL:
                picture = drawn(shown(arguments, world), f"xenbump {arguments[0]}")
                (FOLDER / f"{name}.svg").write_text(picture, "utf-8")
                print(f"docs/pictures/{name}.svg")
            story.publish_at_noon(world.xenbits)
            page = folder / "report.html"
            shown(("report", "--format", "html", "--output", str(page), "--quiet"), world)
            program = browser.found()
            if program is None:
                print(f"no Chromium ({', '.join(browser.NAMES)}): the pictures of the report stay as they are")
                return
            photographed(page, program, folder / "profile")
            print("".join(f"docs/pictures/{name}.png\n" for name in PAGES), end="")


if __name__ == "__main__":
    main()
