"""Where in the tokens of a file the parser stands, the errors that it raises there, and expressions of one token."""

from __future__ import annotations

from typing import Final

from xenbump.nixlang.errors import NixSyntaxError
from xenbump.nixlang.lexer import Kind, Token
from xenbump.nixlang.tree import Identifier, Number, SearchPath, Uri

# A level costs up to six calls in Python, whose own limit is 1000 together with the callers'. Of
# 1026 public files that were measured, nixpkgs' library among them, the deepest has 14 levels.
MAX_DEPTH: Final = 100

IDENTIFIER: Final = Kind.IDENTIFIER.value
STRING: Final = Kind.STRING_OPEN.value
HOLE: Final = Kind.INTERPOLATION_OPEN.value
HOLE_END: Final = Kind.INTERPOLATION_CLOSE.value
END: Final = "end of the file"
_INTEGER_LIMIT: Final = 2**63
_SMALLEST_FLOAT: Final = 2.2250738585072014e-308


class Cursor:
    """The tokens that the grammar sees, and the current one.

    Attributes:
        source: the text.
        tokens: the tokens without white space and comments, and some empty ones at the end, so that the parser may look
            beyond it.
        tags: what the grammar decides on, a tag a token: the text of keywords and operators, the name of the kind of
            all others. No kind's name is the text of an operator.
        index: the index of the current token.
        depth: how many brackets are open.
    """

    def __init__(self, source: str, tokens: tuple[Token, ...]) -> None:
        self.source = source
        self.tokens = [token for token in tokens if not token.is_trivia]
        self.tags = [
            token.text if token.kind is Kind.OPERATOR or token.kind is Kind.KEYWORD else token.kind.value
            for token in self.tokens
        ]
        self.tokens += [Token(Kind.WHITESPACE, "", len(source))] * 3
        self.tags += [END] * 3
        self.index = 0
        self.depth = 0

    def error(self, what: str, offset: int | None = None) -> NixSyntaxError:
        """Make the error for a place, by default the current token."""
        return NixSyntaxError(self.source, self.tokens[self.index].start if offset is None else offset, what)

    def unexpected(self, wanted: str) -> NixSyntaxError:
        """Make the error for a current token that should be something else."""
        token, tag = self.tokens[self.index], self.tags[self.index]
        found = tag if tag == END else f"`{token.text}`"
        return self.error(f"unexpected {found}; {wanted} should stand here")

    def take(self, tag: str) -> Token:
        """Go past the current token, which must be this one, and return it."""
        if self.tags[self.index] != tag:
            raise self.unexpected("the end of `${`" if tag == HOLE_END else f"`{tag}`")
        self.index += 1
        return self.tokens[self.index - 1]

    def end(self) -> int:
        """Return where the last token that was read ends."""
        return self.tokens[self.index - 1].end

    def deeper(self) -> None:
        """Count one more open bracket."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"brackets nest deeper than {MAX_DEPTH} levels here")

    def identifier(self) -> Identifier:
        """Read a name, which the current token is."""
        token = self.tokens[self.index]
        self.index += 1
        return Identifier(token.start, token.end, token.text)

    def number(self) -> Number:
        """Read an integer or a floating-point number, which the current token is."""
        token = self.tokens[self.index]
        node = Number(token.start, token.end, token.text)
        value = node.value
        too_small = isinstance(value, float) and value < _SMALLEST_FLOAT and token.text.strip("0.")[:1] not in "eE"
        if value == float("inf") or too_small or (isinstance(value, int) and value >= _INTEGER_LIMIT):
            raise self.error("the number is out of the range of Nix's numbers")
        self.index += 1
        return node

    def search_path(self) -> SearchPath:
        """Read a path in angle brackets, which the current token is."""
        token = self.tokens[self.index]
        self.index += 1
        return SearchPath(token.start, token.end, token.text)

    def uri(self) -> Uri:
        """Read a URI without quotes, which the current token is."""
        token = self.tokens[self.index]
        self.index += 1
        return Uri(token.start, token.end, token.text)
