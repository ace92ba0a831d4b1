"""Writes the man page and the completions of the three shells from the program: tools/man.py [--check].

With `--check` nothing is written, and the status is 1 where a file is not as it would be written. The page is in the
macros of man(7).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import commands
import completion

from xenbump import __version__

ROOT = Path(__file__).parents[1]
SHARE = ROOT / "xenbump" / "share"
_SECTION = re.compile(r"^## (?P<title>.*?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (?P<left>[^|]+?) \| (?P<right>.+?) \|$", re.MULTILINE)


def page(version: str, program: commands.Command, each: tuple[commands.Command, ...], interface: str) -> str:
    """The man page.

    Args:
        version: of the program.
        program: the program itself.
        each: its commands.
        interface: docs/interface.md, which has the exit statuses and the variables.
    """
    lines = [
        f'.TH XENBUMP 1 "" "xenbump {version}" "User Commands"',
        ".SH NAME",
        rf"xenbump \- {escaped(program.summary[:1].lower() + program.summary[1:])}",
        ".SH SYNOPSIS",
        ".B xenbump",
        r"\fICOMMAND\fR [\fIOPTION\fR]...",
        ".SH DESCRIPTION",
        *paragraphs(program.paragraphs),
        "The commands that work on packages read",
        ".IR xenbump.toml ,",
        "here or in a folder above.",
        ".SH OPTIONS",
        *(line for one in program.options for line in option(one)),
        ".SH COMMANDS",
    ]
    for one in each:
        words = " ".join(rf"\fI{escaped(name)}\fR" for name, _ in one.arguments)
        lines += [f".SS xenbump {one.name}" + (f" {words}" if words else ""), *paragraphs(one.paragraphs)]
        for name, said in one.arguments:
            lines += [".TP", rf"\fI{escaped(name)}\fR", escaped(said)]
        lines += [line for each_option in one.options for line in option(each_option)]
    tables = {match["title"]: match["text"] for match in _SECTION.finditer(interface)}
    lines += [".SH EXIT STATUS", *rows(tables["Exit statuses"], "status")]
    variables = tables["Configuration: `xenbump.toml`"]
    lines += [".SH ENVIRONMENT", *rows(variables[variables.index("| variable |") :], "variable")]
    lines += [
        ".SH FILES",
        ".TP",
        ".I xenbump.toml",
        "The configuration; its keys are described in docs/interface.md.",
        ".SH SEE ALSO",
        ".BR git (1),",
        ".BR gpgv (1),",
        ".BR nix (1),",
        ".BR xl (1)",
    ]
    return "\n".join(lines) + "\n"


def paragraphs(texts: tuple[str, ...]) -> list[str]:
    """Paragraphs of text."""
    lines: list[str] = []
    for text in texts:
        lines += [".PP", escaped(text)]
    return lines[1:]  # a heading begins one by itself


def option(one: commands.Option) -> list[str]:
    """An option as an entry of a list."""
    names = ", ".join(rf"\fB{escaped(name)}\fR" for name in one.names)
    value = rf" \fI{escaped(one.metavar)}\fR" if one.metavar else ""
    return [".TP", names + value, escaped(one.help)]


def rows(text: str, heading: str) -> list[str]:
    """A table of two columns as a list."""
    lines: list[str] = []
    for match in _ROW.finditer(text):
        if match["left"] not in {heading, "---"}:
            lines += [".TP", rf"\fB{escaped(plain(match['left']))}\fR", escaped(plain(match["right"]))]
    return lines


def plain(markdown: str) -> str:
    """A text without the marks of code."""
    return markdown.replace("`", "")


def escaped(text: str) -> str:
    """A text as roff reads it: its escape character, hyphens that are to be copied, and what begins a request."""
    found = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...").replace("`", r"\(ga")
    return rf"\&{found}" if found[:1] in {".", "'"} else found


def made() -> dict[Path, str]:
    """Each file with what is to stand in it."""
    program, each = commands.read()
    interface = (ROOT / "docs" / "interface.md").read_text("utf-8")
    return {
        SHARE / "xenbump.1": page(__version__, program, each, interface),
        SHARE / "xenbump.bash": completion.bash(program, each),
        SHARE / "_xenbump": completion.zsh(program, each),
        SHARE / "xenbump.fish": completion.fish(program, each),
    }


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    stale = [path for path, text in made().items() if not path.is_file() or path.read_text("utf-8") != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not as the program has it: run tools/man.py", file=sys.stderr)
        return 1 if stale else 0
    if arguments:
        print("usage: tools/man.py [--check]", file=sys.stderr)
        return 2
    SHARE.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(made()[path], "utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
