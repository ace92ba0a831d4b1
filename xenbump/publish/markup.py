"""Text from outside in places where it could be more than text: Markdown on GitHub, commit messages, terminals.

GitHub looks for mentions and references in what Markdown has made of a text, so that entities (`&#64;`) do not help
against them; inside of code it does not look. What comes from outside stands in code spans and code blocks for that
reason. A repository may take descriptions over into commit messages, where there is no code: mentions and orders to
close an issue are therefore broken there, too, and so is what would look like a marker of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# What GitHub would make of a commit message, and what stands there instead of it.
_TAMED = (
    (re.compile(r"@"), "(at)"),
    (re.compile(r"#"), "(no.)"),
    (re.compile(r"\b(gh)-(?=\d)", re.IGNORECASE), r"\1 "),
    (re.compile(r"://"), ": "),
    (re.compile(r"\b(www)\.", re.IGNORECASE), r"\1 "),
)
# What would be an order to GitHub where a description ends up in a commit message, and what could end or imitate a
# marker; each with a blank in it.
_QUIET = (
    (re.compile(r"(?<![0-9A-Za-z])@(?=\w)"), "@ "),
    (re.compile(r"#(?=\d)"), "# "),
    (re.compile(r"\b(gh)-(?=\d)", re.IGNORECASE), r"\1 "),
    (re.compile(r"\b((?:close|resolve)[sd]?|fix(?:e[sd])?)(\W{1,5})(https?):(?=//)", re.IGNORECASE), r"\1\2\3: "),
    (re.compile(r"<!(?=--)"), "<! "),
    (re.compile(r"--(?=!?>)"), "-- "),
)
_LINE = 200
# How a terminal is steered: ECMA-48's control sequences (5.4) and strings (5.6), up to where they are cut off.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]?"
)
_PIECE = 1 << 14  # characters of one piece of a log that are looked at


def plain(text: str) -> str:
    """A text on one line; a character without a glyph, which could steer a terminal or turn text round, is replaced."""
    return _printable(" ".join(text.split()))


def clipped(text: str, most: int) -> str:
    """A text of at most `most` characters, with an ellipsis where it was longer."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def code(text: str) -> str:
    """A code span that nothing in `text` can end or disguise: GitHub's Markdown, section 6.3."""
    flat = quiet(plain(text)) or " "
    fence = "`" * (_longest(flat) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def block(lines: Sequence[str], most: int, width: int) -> str:
    """A code block of the last lines of a log, which nothing in them can end: GitHub's Markdown, section 4.5.

    Args:
        lines: of the log, perhaps with line breaks of their own, and colours.
        most: how many lines there is room for.
        width: how many characters of a line.

    Returns:
        The block without a line break at its end; empty where there is no line, or no room for one.
    """
    kept = [one for piece in lines[-most:] for one in _lines(piece[-_PIECE:], most, 4 * width)][-most:] if most else []
    told = [quiet(clipped(one, width)) for one in kept]
    if not any(told):
        return ""
    fence = "`" * max(3, _longest("\n".join(told)) + 1)
    return "\n".join([f"{fence}text", *told, fence])


def _lines(piece: str, most: int, width: int) -> list[str]:
    """The last lines of a piece of a log, as a terminal shows them in the end, with blanks as they are."""
    found = []
    for line in _ESCAPE.sub("", piece).rstrip("\r\n").split("\n")[-most:]:
        last = line.rstrip("\r").rpartition("\r")[2][:width].expandtabs()
        found.append(_printable(last).rstrip())
    return found


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def quiet(text: str) -> str:
    """A text in which nobody is mentioned, no issue is referred to and no comment begins or ends."""
    for pattern, instead in _QUIET:
        text = pattern.sub(instead, text)
    return text


def _longest(text: str) -> int:
    """The length of the longest run of backticks."""
    return max(map(len, re.findall(r"`+", text)), default=0)


def cell(text: str) -> str:
    """A code span in a table, where a bar would end the cell in spite of it; escapes do not help behind a backslash."""
    return code(text.replace("|", "¦"))


def tame(text: str, most: int = _LINE) -> str:
    """A text for a line of a commit message: at most `most` characters, no mention, and no reference to an issue.

    In a commit message GitHub takes `@name` for a mention and `fixes #1`, `GH-1`, `owner/name#1` or an issue's address
    for an order to close it; there are no code spans there.
    """
    flat = plain(clipped(text, 50 * most))
    for pattern, instead in _TAMED:
        flat = pattern.sub(instead, flat)
    return clipped(flat, most)
