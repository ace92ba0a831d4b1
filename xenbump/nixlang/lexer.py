r"""Nix text as a sequence of tokens that gives back the text, character for character.

The language is the one of the Nix manual (section "Nix Language"), with the token rules of Nix 2.8 as its lexer
applies them: the longest token wins, so that `a/b` is one path, `a:b` one URI and `a-b` one identifier. The two pipe
operators of later versions are tokens too.

One compiled expression per mode does the scanning. There are four: ordinary text, `"…"`, `''…''`, and the inside of a
path that has an interpolation in it. A stack holds the modes that are open.
"""

from __future__ import annotations

import re
from enum import Enum, unique
from typing import NamedTuple, NoReturn

from xenbump.nixlang.errors import NixSyntaxError


@unique
class Kind(Enum):
    """What a token is; the value is the name that messages use."""

    WHITESPACE = "white space"
    COMMENT = "comment"
    IDENTIFIER = "identifier"
    KEYWORD = "keyword"
    OPERATOR = "operator"
    INTEGER = "integer"
    FLOAT = "floating-point number"
    PATH = "path"
    PATH_TEXT = "part of a path"
    SEARCH_PATH = "search path"
    URI = "URI"
    STRING_OPEN = "string"
    STRING_CLOSE = "end of a string"
    INDENTED_OPEN = "indented string"
    INDENTED_CLOSE = "end of an indented string"
    TEXT = "text of a string"
    ESCAPE = "escape in a string"
    INTERPOLATION_OPEN = "interpolation"
    INTERPOLATION_CLOSE = "end of an interpolation"


class Token(NamedTuple):
    """One token.

    A tuple and not a dataclass because a package file has thousands of them, and a tuple takes a third of the time.

    Attributes:
        kind: what it is. `or` is a keyword here, although it may also be an attribute's name. Brackets and punctuation
            are operators; `${` and its `}` are not.
        text: the characters of the source, unchanged.
        start: offset of the first character, in code points.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Offset after the last character, in code points."""
        return self.start + len(self.text)

    @property
    def is_trivia(self) -> bool:
        """Whether the token is white space or a comment."""
        return self.kind is Kind.WHITESPACE or self.kind is Kind.COMMENT


@unique
class _Mode(Enum):
    TOP = 0  # outside every brace
    BRACE = 1  # after `{`
    HOLE = 2  # after `${`
    STRING = 3
    INDENTED = 4
    PATH = 5


@unique
class _Change(Enum):
    LEAVE = 0  # the token ends the mode that it stands in
    NO_COMMENT_END = 1
    TRAILING_SLASH = 2


_Next = _Mode | _Change | None
_Rule = tuple[str, Kind, _Next]

# `or` is here for the parser, which allows it where a name of an attribute may stand.
_KEYWORDS = "assert|else|if|in|inherit|let|or|rec|then|with"
_PATH_CHAR = r"[a-zA-Z0-9._+\-]"
_PATH_MORE = r"[a-zA-Z0-9._+\-/]"
# A path begins with any number of path characters and a slash that has a path character or an interpolation after it.
# Possessive repeats keep the scan of ordinary identifiers, which fails here at its first other character, linear.
_STEPS = rf"(?:/{_PATH_CHAR}++)++/?+"
# Two slashes in a row can stand only where an interpolation follows, and before the first one only once.
_DOUBLE_SLASH = rf"(?:(?<=/)(?:{_STEPS}|/)(?=\$\{{))?+"
_PATH = rf"(?:{_PATH_CHAR}*+|~)(?:{_STEPS}{_DOUBLE_SLASH}|/(?=\$\{{))"

_STRING_RULES: tuple[_Rule, ...] = (
    # A dollar takes the next character with it, so `$${` is text; only a quote, a brace and a backslash it must leave.
    (r'((?:[^$"\\]++|\$[^{"\\]|\$(?=["\\]))++)', Kind.TEXT, None),
    (r'(")', Kind.STRING_CLOSE, _Change.LEAVE),
    (r"(\$\{)", Kind.INTERPOLATION_OPEN, _Mode.HOLE),
    (r"(\\[\s\S])", Kind.ESCAPE, None),
)
_INDENTED_RULES: tuple[_Rule, ...] = (
    (r"((?:[^$']++|\$[^{']|'[^'$])++)", Kind.TEXT, None),
    (r"(''\$|'''|''\\[\s\S])", Kind.ESCAPE, None),
    (r"('')", Kind.INDENTED_CLOSE, _Change.LEAVE),
    (r"(\$\{)", Kind.INTERPOLATION_OPEN, _Mode.HOLE),
    # A lone dollar or quote is a token of its own. `String.literal` relies on that, see there.
    (r"([$'])", Kind.TEXT, None),
)
_PATH_RULES: tuple[_Rule, ...] = (
    (r"(\$\{)", Kind.INTERPOLATION_OPEN, _Mode.HOLE),
    (rf"{_PATH_MORE}++(?:((?=\$\{{))", Kind.PATH_TEXT, None),
    (r"((?<!/))", Kind.PATH_TEXT, _Change.LEAVE),
    (r"())", Kind.PATH_TEXT, _Change.TRAILING_SLASH),
)


def _ordinary_rules(brace: tuple[Kind, _Next]) -> tuple[_Rule, ...]:
    """Return the rules of ordinary text; `brace` says what a closing brace is.

    They are joined with `|`, and the first that fits is taken, so they stand in an order in which that is the longest.
    """
    return (
        (r"([ \t\r\n]+)", Kind.WHITESPACE, None),
        # One alternative in three fragments: the empty groups after the path say which of its three endings it has.
        (rf"{_PATH}(?:((?=\$\{{))", Kind.PATH, _Mode.PATH),
        (r"((?<!/))", Kind.PATH, None),
        (r"())", Kind.PATH, _Change.TRAILING_SLASH),
        (r"([a-zA-Z][a-zA-Z0-9+\-.]*+:[a-zA-Z0-9%/?:@&=+$,\-_.!~*']+)", Kind.URI, None),
        (rf"((?:{_KEYWORDS})(?![a-zA-Z0-9_'\-]))", Kind.KEYWORD, None),
        (r"([a-zA-Z_][a-zA-Z0-9_'\-]*)", Kind.IDENTIFIER, None),
        (r'(")', Kind.STRING_OPEN, _Mode.STRING),
        (r"((?:[1-9][0-9]*\.[0-9]*|0?\.[0-9]+)(?:[Ee][+\-]?[0-9]+)?)", Kind.FLOAT, None),
        (rf"(<{_PATH_CHAR}++(?:/{_PATH_CHAR}++)*+>)", Kind.SEARCH_PATH, None),
        (r"(\.\.\.|==|!=|<=|>=|&&|\|\||->|//|\+\+|<\||\|>)", Kind.OPERATOR, None),
        (r"(#[^\r\n]*|/\*(?:[^*]++|\*(?!/))*+\*/)", Kind.COMMENT, None),
        (r"(/\*)", Kind.COMMENT, _Change.NO_COMMENT_END),
        (r"([=.,;:@?!<>+\-*/()\[\]])", Kind.OPERATOR, None),
        (r"(\{)", Kind.OPERATOR, _Mode.BRACE),
        (r"(\})", *brace),
        # The spaces and the line break after the quotes are not part of the value.
        (r"(''(?: *\n)?)", Kind.INDENTED_OPEN, _Mode.INDENTED),
        (r"(\$\{)", Kind.INTERPOLATION_OPEN, _Mode.HOLE),
        (r"([0-9]+)", Kind.INTEGER, None),
    )


_Machine = tuple[re.Pattern[str], tuple[tuple[Kind, _Next], ...]]


def _machine(rules: tuple[_Rule, ...]) -> _Machine:
    pattern = re.compile("|".join(fragment for fragment, _, _ in rules))
    # A match says by number which group it ended with; groups are numbered from 1.
    return pattern, ((Kind.TEXT, None), *((kind, change) for _, kind, change in rules))


_MACHINES: dict[_Mode, _Machine] = {
    _Mode.TOP: _machine(_ordinary_rules((Kind.OPERATOR, None))),
    _Mode.BRACE: _machine(_ordinary_rules((Kind.OPERATOR, _Change.LEAVE))),
    _Mode.HOLE: _machine(_ordinary_rules((Kind.INTERPOLATION_CLOSE, _Change.LEAVE))),
    _Mode.STRING: _machine(_STRING_RULES),
    _Mode.INDENTED: _machine(_INDENTED_RULES),
    _Mode.PATH: _machine(_PATH_RULES),
}
_PATH_GOES_ON = re.compile(rf"{_PATH_MORE}|\$\{{")


def tokenize(source: str) -> tuple[Token, ...]:
    """Split a text into tokens.

    Braces need not be balanced: that is the parser's matter.

    Args:
        source: the text of a Nix file.

    Returns:
        The tokens, white space and comments among them; their texts joined are `source`.

    Raises:
        NixSyntaxError: no token fits somewhere, or a string or comment has no end.
    """
    if (nul := source.find("\0")) >= 0:
        # Versions of Nix differ in what they make of it: some cut the string off there.
        raise NixSyntaxError(source, nul, "a NUL character cannot stand in a Nix file")
    tokens: list[Token] = []
    append = tokens.append
    modes = [(_Mode.TOP, 0)]
    pattern, rules = _MACHINES[_Mode.TOP]
    position, size = 0, len(source)
    while position < size:
        match = pattern.match(source, position)
        if match is None:
            _refuse(source, position, modes)
        kind, change = rules[match.lastindex or 0]
        append(Token(kind, match.group(), position))
        if change is not None:
            _change_mode(source, match, change, modes)
            pattern, rules = _MACHINES[modes[-1][0]]
        position = match.end()
    if len(modes) > 1:
        _refuse_open_string(source, modes)
    return tuple(tokens)


def _change_mode(source: str, match: re.Match[str], change: _Mode | _Change, modes: list[tuple[_Mode, int]]) -> None:
    if isinstance(change, _Mode):
        modes.append((change, match.start()))
    elif change is _Change.LEAVE:
        modes.pop()
        # An interpolation inside of a path has ended; what follows may or may not belong to the path.
        if modes[-1][0] is _Mode.PATH and not _PATH_GOES_ON.match(source, match.end()):
            modes.pop()
    elif change is _Change.NO_COMMENT_END:
        raise NixSyntaxError(source, match.start(), "the comment that begins here has no end")
    else:
        raise NixSyntaxError(source, match.end() - 1, "a path must not end with a slash or have two in a row")


def _refuse(source: str, position: int, modes: list[tuple[_Mode, int]]) -> NoReturn:
    if modes[-1][0] in {_Mode.STRING, _Mode.INDENTED}:
        _refuse_open_string(source, modes)
    raise NixSyntaxError(source, position, f"unexpected character {source[position]!r}")


def _refuse_open_string(source: str, modes: list[tuple[_Mode, int]]) -> None:
    """Raise for the innermost string that is still open, if there is one."""
    for mode, start in reversed(modes):
        if mode in {_Mode.STRING, _Mode.INDENTED}:
            raise NixSyntaxError(source, start, "the string that begins here has no end")
