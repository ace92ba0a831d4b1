r"""The values of string literals: escapes, line ends and the indentation of `''…''`, as Nix 2.8 resolves them.

Specified in the Nix manual, section "String literal"; where the manual is silent, by what the evaluator does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The characters of the source, and whether they are one escape.
Piece = tuple[str, bool]

_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
_TO_ESCAPE = re.compile(r'[\\"\n\r\t]|\$(?=\{)')
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def quote(value: str) -> str:
    r"""Write a string as a `"…"` literal.

    Args:
        value: the value; anything but NUL.

    Returns:
        The literal, on one line, quotes included; Nix reads `value` from it.

    Raises:
        Refusal: `E-NIX-SYNTAX`: there is a NUL character, which no Nix string can have.
    """
    if "\0" in value:
        raise Refusal("E-NIX-SYNTAX", "a Nix string cannot have a NUL character in it")
    return '"' + _TO_ESCAPE.sub(lambda match: _ESCAPES.get(match.group(), "\\" + match.group()), value) + '"'


def quoted_value(pieces: Iterable[Piece]) -> str:
    r"""Return the value of a `"…"` literal from its parts.

    Line breaks that are written out become `\n`, however the file writes them.
    """
    return "".join(
        _escaped(raw) if is_escape else raw.replace("\r\n", "\n").replace("\r", "\n") for raw, is_escape in pieces
    )


def indented_value(pieces: Sequence[Piece]) -> str:
    """Return the value of a `''…''` literal from its parts.

    The smallest indentation of all lines is taken off each line. Only spaces indent: a tab is text. Lines of spaces
    only do not count, and the last line is dropped if it is one of them.
    """
    texts = [
        # A lone dollar or quote, which is a token of its own, counts as an escape here: Nix's lexer marks only the
        # long runs of text as places where indentation can be.
        (_escaped_indented(raw), False) if is_escape else (raw, raw not in {"$", "'"})
        for raw, is_escape in pieces
    ]
    width = _indentation(texts)
    lines = _Lines(width)
    stripped = [lines.strip(text) for text, _ in texts]
    if stripped:
        head, break_, tail = stripped[-1].rpartition("\n")
        if break_ and not tail.strip(" "):
            stripped[-1] = head + break_
    return "".join(stripped)


def _escaped(raw: str) -> str:
    return _CONTROL.get(raw[1], raw[1])


def _escaped_indented(raw: str) -> str:
    if raw == "'''":
        return "''"
    return "$" if raw == "''$" else _escaped(raw[2:])


def _indentation(texts: Sequence[Piece]) -> int:
    """Return the smallest indentation; a large number if no line has text."""
    smallest = 1_000_000
    current = 0
    at_line_start = True
    for text, can_indent in texts:
        if not can_indent:
            if at_line_start:
                smallest = min(smallest, current)
            at_line_start = False
            continue
        for character in text:
            if character == "\n":
                at_line_start, current = True, 0
            elif at_line_start and character == " ":
                current += 1
            elif at_line_start:
                at_line_start = False
                smallest = min(smallest, current)
    return smallest


class _Lines:
    """Takes indentation off; keeps where in a line it is from one part of the string to the next."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._at_line_start = True
        self._dropped = 0

    def strip(self, text: str) -> str:
        kept: list[str] = []
        for character in text:
            if character == "\n":
                self._at_line_start, self._dropped = True, 0
            elif self._at_line_start and character == " ":
                self._dropped += 1
                if self._dropped <= self._width:
                    continue
            else:
                self._at_line_start = False
            kept.append(character)
        return "".join(kept)
