"""Text from outside in places where it could be more than text: Markdown on GitHub, commit messages, terminals.

GitHub looks for mentions and references in what Markdown has made of a text, so that entities (`&#64;`) do not help
against them; inside of code it does not look. What comes from outside stands in code spans for that reason.
"""

from __future__ import annotations

import re

# What GitHub would make of a commit message, and what stands there instead of it.
_TAMED = (
    (re.compile(r"@"), "(at)"),
    (re.compile(r"#"), "(no.)"),
    (re.compile(r"\b(gh)-(?=\d)", re.IGNORECASE), r"\1 "),
    (re.compile(r"://"), ": "),
    (re.compile(r"\b(www)\.", re.IGNORECASE), r"\1 "),
)
_LINE = 200


def plain(text: str) -> str:
    """A text on one line; a character without a glyph, which could steer a terminal or turn text round, is replaced."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def clipped(text: str, most: int) -> str:
    """A text of at most `most` characters, with an ellipsis where it was longer."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def code(text: str) -> str:
    """A code span that nothing in `text` can end or disguise: GitHub's Markdown, section 6.3."""
    flat = plain(text) or " "
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


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
