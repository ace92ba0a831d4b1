"""A Nix file that has been read: its text, its tokens and its tree."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.nixlang.errors import line_column
from xenbump.nixlang.lexer import Token, tokenize
from xenbump.nixlang.parser import Parser

if TYPE_CHECKING:
    from xenbump.nixlang.tree import Expression, Node


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A Nix file that has been read.

    Attributes:
        source: the text.
        tokens: all tokens of it, white space and comments among them.
        root: the expression that the file is.
    """

    source: str
    tokens: tuple[Token, ...]
    root: Expression

    def text(self, node: Node) -> str:
        """Return the source of a node."""
        return self.source[node.start : node.end]

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1, the column in code points."""
        return line_column(self.source, offset)

    def where(self, place: Node | int) -> str:
        """Return `line L, column C` of a node's first character or of an offset."""
        line, column = self.line_column(place if isinstance(place, int) else place.start)
        return f"line {line}, column {column}"

    def token_index(self, offset: int) -> int:
        """Return the index of the token that holds the character at an offset; -1 if the file has no tokens."""
        return bisect_right(self.tokens, offset, key=lambda token: token.start) - 1


def parse(source: str) -> Document:
    """Read a Nix file.

    Args:
        source: the text of the file.

    Returns:
        The text, its tokens and its syntax tree.

    Raises:
        NixSyntaxError: the text is not a Nix expression, or its brackets nest deeper than `cursor.MAX_DEPTH`.
    """
    tokens = tokenize(source)
    parser = Parser(source, tokens)
    try:
        return Document(source, tokens, parser.file())
    except RecursionError:
        # The caller itself stands so deep that less than the limit is left.
        raise parser.error("the expression nests too deep to be read from here") from None
