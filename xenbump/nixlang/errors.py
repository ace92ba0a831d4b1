"""The error for Nix text that cannot be read, and how a place in a text is named."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

from xenbump.errors import Refusal

# Nix counts a carriage return, a line feed and the pair of both as one line break each.
LINE_BREAK = re.compile(r"\r\n|\r|\n")


def line_column(source: str, offset: int) -> tuple[int, int]:
    """Say where an offset lies.

    Args:
        source: the whole text.
        offset: code points from the beginning of the text; `len(source)` is the place after the last one.

    Returns:
        Line and column, both counted from 1, the column in code points.
    """
    starts = _line_starts(source)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


# Whoever asks for one place in a file asks for others too.
@lru_cache(maxsize=4)
def _line_starts(source: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in LINE_BREAK.finditer(source)))


class NixSyntaxError(Refusal):
    """A text that is not a Nix expression (code `E-NIX-SYNTAX`).

    Attributes:
        line: the line, counted from 1.
        column: the column in code points, counted from 1.
        offset: the place in code points from the beginning of the text.
    """

    def __init__(self, source: str, offset: int, what: str) -> None:
        self.line, self.column = line_column(source, offset)
        self.offset = offset
        super().__init__("E-NIX-SYNTAX", what, where=f"line {self.line}, column {self.column}")
