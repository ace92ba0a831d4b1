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
INDENTED: Final = Kind.INDENTED_OPEN.value
INDENTED_END: Final = Kind.INDENTED_CLOSE.value
STRING_END: Final = Kind.STRING_CLOSE.value
ESCAPE: Final = Kind.ESCAPE.value
PATH: Final = Kind.PATH.value
PATH_TEXT: Final = Kind.PATH_TEXT.value
END: Final = "end of the file"
_INTEGER_LIMIT: Final = 2**63
_SMALLEST_FLOAT: Final = 2.2250738585072014e-308
_TRIVIA: Final = frozenset({Kind.WHITESPACE, Kind.COMMENT})
_TAGS: Final = {kind: None if kind in {Kind.OPERATOR, Kind.KEYWORD} else kind.value for kind in Kind}


class Cursor:
    """The tokens that the grammar sees, and the current one.

    Tokens without white space and comments are kept as lists of what the parser asks for, with some empty tokens at the
    end, so that it may look beyond it.

    Attributes:
        source: the text.
        tags: what the grammar decides on, a tag a token: the text of keywords and operators, the name of the kind of
            all others. No kind's name is the text of an operator.
        texts: the texts of the tokens.
        starts: where they begin.
        ends: where they end.
        index: the index of the current token.
        depth: how many brackets are open.
    """

    def __init__(self, source: str, tokens: tuple[Token, ...]) -> None:
        self.source = source
        seen = [token for token in tokens if token[0] not in _TRIVIA]
        self.texts = [text for _, text, _ in seen]
        self.starts = [start for _, _, start in seen]
        self.ends = [start + len(text) for _, text, start in seen]
        self.tags = [_TAGS[kind] or text for kind, text, _ in seen]
        self.texts += [""] * 3
        self.starts += [len(source)] * 3
        self.ends += [len(source)] * 3
        self.tags += [END] * 3
        self.index = 0
        self.depth = 0

    def error(self, what: str, offset: int | None = None) -> NixSyntaxError:
        """Make the error for a place, by default the current token."""
        return NixSyntaxError(self.source, self.starts[self.index] if offset is None else offset, what)

    def unexpected(self, wanted: str) -> NixSyntaxError:
        """Make the error for a current token that should be something else."""
        tag = self.tags[self.index]
        found = tag if tag == END else f"`{self.texts[self.index]}`"
        return self.error(f"unexpected {found}; {wanted} should stand here")

    def take(self, tag: str) -> int:
        """Go past the current token, which must be this one, and return where it begins."""
        index = self.index
        if self.tags[index] != tag:
            raise self.unexpected("the end of `${`" if tag == HOLE_END else f"`{tag}`")
        self.index = index + 1
        return self.starts[index]

    def close(self, tag: str) -> int:
        """Go past the current token, which must be this one, and return where it ends."""
        index = self.index
        if self.tags[index] != tag:
            self.take(tag)
        self.index = index + 1
        return self.ends[index]

    def end(self) -> int:
        """Return where the last token that was read ends."""
        return self.ends[self.index - 1]

    def deeper(self) -> None:
        """Count one more open bracket."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"brackets nest deeper than {MAX_DEPTH} levels here")

    def identifier(self) -> Identifier:
        """Read a name, which the current token is."""
        index = self.index
        self.index = index + 1
        return Identifier(self.starts[index], self.ends[index], self.texts[index])

    def number(self) -> Number:
        """Read an integer or a floating-point number, which the current token is."""
        index = self.index
        node = Number(self.starts[index], self.ends[index], self.texts[index])
        value = node.value
        too_small = isinstance(value, float) and value < _SMALLEST_FLOAT and node.text.strip("0.")[:1] not in "eE"
        if value == float("inf") or too_small or (isinstance(value, int) and value >= _INTEGER_LIMIT):
            raise self.error("the number is out of the range of Nix's numbers")
        self.index = index + 1
        return node

    def search_path(self) -> SearchPath:
        """Read a path in angle brackets, which the current token is."""
        index = self.index
        self.index = index + 1
        return SearchPath(self.starts[index], self.ends[index], self.texts[index])

    def uri(self) -> Uri:
        """Read a URI without quotes, which the current token is."""
        index = self.index
        self.index = index + 1
        return Uri(self.starts[index], self.ends[index], self.texts[index])
