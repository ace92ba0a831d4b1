r"""Nix text as a sequence of tokens that gives back the text, character for character.

The language is the one of the Nix manual (section "Nix Language"), with the token rules of Nix 2.8 as its lexer
applies them: the longest token wins, so that `a/b` is one path, `a:b` one URI and `a-b` one identifier. The two pipe
operators of later versions are tokens too.

One compiled expression per machine does the scanning. There are four: ordinary text, `"…"`, `''…''`, and the inside of
a path that has an interpolation in it. A stack holds what is open.
"""

from __future__ import annotations

import re
from enum import Enum, unique
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple, NoReturn

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

    # Members are the same if they are one object. Enum's own method is in Python and many times slower.
    __hash__ = object.__hash__


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
    """What can be open, and so what the next token is read as."""

    BRACE = 0  # after `{`
    HOLE = 1  # after `${`
    STRING = 2
    INDENTED = 3
    PATH = 4

    __hash__ = object.__hash__


@unique
class _Change(Enum):
    LEAVE = 0  # the token ends the mode that it stands in
    CLOSING_BRACE = 1
    WHOLE_STRING = 2  # the match is a string with its quotes
    NO_COMMENT_END = 3
    TRAILING_SLASH = 4
    NO_TOKEN = 5
    LONG_RUN = 6


_Next = _Mode | _Change | None
_Rule = tuple[str, Kind, _Next]

# `or` is here for the parser, which allows it where a name of an attribute may stand.
_KEYWORDS = "assert|else|if|in|inherit|let|or|rec|then|with"
_NAME_CHAR = r"[a-zA-Z0-9_'\-]"
_PATH_CHAR = r"[a-zA-Z0-9._+\-]"
_PATH_MORE = r"[a-zA-Z0-9._+\-/]"
# A path begins with any number of path characters and a slash that has a path character or an interpolation after it.
# Possessive repeats keep the scan of ordinary identifiers, which fails here at its first other character, linear.
_STEPS = rf"(?:/{_PATH_CHAR}++)++/?+"
# Two slashes in a row can stand only where an interpolation follows, and before the first one only once.
_DOUBLE_SLASH = rf"(?:(?<=/)(?:{_STEPS}|/)(?=\$\{{))?+"
_PATH = rf"(?:{_PATH_CHAR}*+|~)(?:{_STEPS}{_DOUBLE_SLASH}|/(?=\$\{{))"
# What a name can have after it if the name is only the beginning of a path or of a URI.
_GOES_ON = r"[.+/:]"
_URI_CHAR = r"[a-zA-Z0-9%/?:@&=+$,\-_.!~*']"
# Many path characters and no path: none and no URI begins in all of them, as `a.a.a.a` has it. To look for one at each
# name would take quadratic time.
_LONG_RUN = rf"({_PATH_CHAR}{{100,}}+)(?!/{_PATH_CHAR}|/\$\{{|:{_URI_CHAR})"
# A dollar takes the next character with it, so `$${` is text; only a quote, a brace and a backslash it must leave.
_STRING_TEXT = r'(?:[^$"\\]++|\$[^{"\\]|\$(?=["\\]))++'

_NOTHING_ELSE: tuple[_Rule, ...] = ((r"([\s\S])", Kind.TEXT, _Change.NO_TOKEN),)
_STRING_RULES: tuple[_Rule, ...] = (
    (rf"({_STRING_TEXT})", Kind.TEXT, None),
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
# They are joined with `|`, and the first that fits is taken, so they stand in an order in which that is the longest;
# among those that cannot fit both, the frequent ones come first.
_FREQUENT_RULES: tuple[_Rule, ...] = (
    (r"([ \t\r\n]+)", Kind.WHITESPACE, None),
    # Keywords and names that cannot be the beginning of anything longer.
    (rf"((?:{_KEYWORDS})(?!{_NAME_CHAR}|{_GOES_ON}))", Kind.KEYWORD, None),
    (rf"([a-zA-Z_]{_NAME_CHAR}*+(?!{_GOES_ON}))", Kind.IDENTIFIER, None),
    (r"(=(?!=)|[,;:@()\[\]])", Kind.OPERATOR, None),
    # A string without escapes and interpolations, in one go; the three groups are its three tokens.
    (rf'(")({_STRING_TEXT})?+(")', Kind.STRING_CLOSE, _Change.WHOLE_STRING),
    (r"(\{)", Kind.OPERATOR, _Mode.BRACE),
    (r"(\})", Kind.OPERATOR, _Change.CLOSING_BRACE),
)
_PATH_AND_URI_RULES: tuple[_Rule, ...] = (
    (_LONG_RUN, Kind.TEXT, _Change.LONG_RUN),
    # One alternative in three fragments: the empty groups after the path say which of its three endings it has.
    (rf"{_PATH}(?:((?=\$\{{))", Kind.PATH, _Mode.PATH),
    (r"((?<!/))", Kind.PATH, None),
    (r"())", Kind.PATH, _Change.TRAILING_SLASH),
    (rf"([a-zA-Z][a-zA-Z0-9+\-.]*+:{_URI_CHAR}+)", Kind.URI, None),
)
_OTHER_RULES: tuple[_Rule, ...] = (
    (rf"((?:{_KEYWORDS})(?!{_NAME_CHAR}))", Kind.KEYWORD, None),
    (rf"([a-zA-Z_]{_NAME_CHAR}*+)", Kind.IDENTIFIER, None),
    (r'(")', Kind.STRING_OPEN, _Mode.STRING),
    (r"((?:[1-9][0-9]*\.[0-9]*|0?\.[0-9]+)(?:[Ee][+\-]?[0-9]+)?)", Kind.FLOAT, None),
    (rf"(<{_PATH_CHAR}++(?:/{_PATH_CHAR}++)*+>)", Kind.SEARCH_PATH, None),
    (r"(\.\.\.|==|!=|<=|>=|&&|\|\||->|//|\+\+|<\||\|>)", Kind.OPERATOR, None),
    (r"(#[^\r\n]*|/\*(?:[^*]++|\*(?!/))*+\*/)", Kind.COMMENT, None),
    (r"(/\*)", Kind.COMMENT, _Change.NO_COMMENT_END),
    (r"([.?!<>+\-*/])", Kind.OPERATOR, None),
    # The spaces and the line break after the quotes are not part of the value.
    (r"(''(?: *\n)?)", Kind.INDENTED_OPEN, _Mode.INDENTED),
    (r"(\$\{)", Kind.INTERPOLATION_OPEN, _Mode.HOLE),
    (r"([0-9]+)", Kind.INTEGER, None),
)


class _Machine(NamedTuple):
    """A compiled expression that fits everywhere, and what its matches mean.

    Attributes:
        pattern: the expression.
        meanings: for the number of the last group of a match, the kind of the token and what changes with it.
    """

    pattern: re.Pattern[str]
    meanings: tuple[tuple[Kind, _Next], ...]


def _machine(rules: tuple[_Rule, ...]) -> _Machine:
    rules += _NOTHING_ELSE
    meanings: list[tuple[Kind, _Next]] = [(Kind.TEXT, None)]  # groups are numbered from 1
    for _, kind, change in rules:
        meanings += [(kind, change)] * (3 if change is _Change.WHOLE_STRING else 1)
    return _Machine(re.compile("|".join(fragment for fragment, _, _ in rules)), tuple(meanings))


_ORDINARY: Final = _machine(_FREQUENT_RULES + _PATH_AND_URI_RULES + _OTHER_RULES)
_LONG_RUN_PARTS: Final = _machine(_FREQUENT_RULES + _OTHER_RULES)
_MACHINES: Final = {
    _Mode.BRACE: _ORDINARY,
    _Mode.HOLE: _ORDINARY,
    _Mode.STRING: _machine(_STRING_RULES),
    _Mode.INDENTED: _machine(_INDENTED_RULES),
    _Mode.PATH: _machine(_PATH_RULES),
}
# What is looked at often; to look a member up in its class takes as long as some ten other steps.
_LEAVE: Final = _Change.LEAVE
_CLOSING_BRACE: Final = _Change.CLOSING_BRACE
_WHOLE_STRING: Final = _Change.WHOLE_STRING
_HOLE: Final = _Mode.HOLE
_IN_PATH: Final = _Mode.PATH
_HOLE_END: Final = Kind.INTERPOLATION_CLOSE
_STRING: Final = (Kind.STRING_OPEN, Kind.TEXT, Kind.STRING_CLOSE)
_EMPTY_STRING: Final = (Kind.STRING_OPEN, Kind.STRING_CLOSE)
_PATH_GOES_ON: Final = re.compile(rf"{_PATH_MORE}|\$\{{")


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
    scan = _Scan(source)
    machine: _Machine | None = _ORDINARY
    while machine is not None:
        machine = scan.run(machine)
    scan.refuse_open_string()
    starts = accumulate(map(len, scan.texts), initial=0)
    # As `map(Token, …)` does, without a call in Python for each.
    return tuple(map(partial(tuple.__new__, Token), zip(scan.kinds, scan.texts, starts, strict=False)))


class _Scan:
    """One text on its way to tokens.

    Attributes:
        kinds: the kinds of the tokens so far.
        texts: their texts.
    """

    def __init__(self, source: str) -> None:
        self.kinds: list[Kind] = []
        self.texts: list[str] = []
        self._source = source
        self._position = 0
        self._modes: list[tuple[_Mode, int]] = []  # what is open, and where it begins

    def run(self, machine: _Machine) -> _Machine | None:
        """Read tokens with a machine until another one is needed, and return that; None at the end of the text."""
        meanings, add_kind, add_text = machine.meanings, self.kinds.append, self.texts.append
        for match in machine.pattern.finditer(self._source, self._position):
            kind, change = meanings[match.lastindex or 0]
            if change is None:
                add_kind(kind)
                add_text(match[0])
            elif change is _WHOLE_STRING:
                self._add_string(match)
            elif change is _Change.LONG_RUN:
                self._add_run(match)
                return machine
            else:
                add_kind(self._change(match, kind, change))
                add_text(match[0])
                following = _MACHINES[self._modes[-1][0]] if self._modes else _ORDINARY
                if following is not machine:
                    self._position = match.end()
                    return following
        return None

    def refuse_open_string(self) -> None:
        """Raise for the innermost string that is still open, if there is one."""
        for mode, start in reversed(self._modes):
            if mode in {_Mode.STRING, _Mode.INDENTED}:
                raise NixSyntaxError(self._source, start, "the string that begins here has no end")

    def _add_string(self, match: re.Match[str]) -> None:
        text = match[(match.lastindex or 0) - 1]
        self.kinds += _STRING if text else _EMPTY_STRING
        self.texts += ('"', text, '"') if text else ('"', '"')

    def _add_run(self, match: re.Match[str]) -> None:
        """Take a long run apart; the last token of it may end behind it."""
        pattern, meanings = _LONG_RUN_PARTS
        for part in pattern.finditer(self._source, match.start()):
            self.kinds.append(meanings[part.lastindex or 0][0])
            self.texts.append(part[0])
            self._position = part.end()
            if self._position >= match.end():
                break

    def _change(self, match: re.Match[str], kind: Kind, change: _Mode | _Change) -> Kind:
        """Open or close what a token opens or closes, and return the kind of the token."""
        modes = self._modes
        if isinstance(change, _Mode):
            modes.append((change, match.start()))
        elif change is _CLOSING_BRACE:
            # One too many is the parser's matter.
            if modes and modes.pop()[0] is _HOLE:
                kind = _HOLE_END
        elif change is _LEAVE:
            modes.pop()
        else:
            self._refuse(match, change)
        # If an interpolation inside of a path has ended, what follows may or may not belong to the path.
        if modes and modes[-1][0] is _IN_PATH and not _PATH_GOES_ON.match(self._source, match.end()):
            modes.pop()
        return kind

    def _refuse(self, match: re.Match[str], change: _Change) -> NoReturn:
        if change is _Change.NO_COMMENT_END:
            raise NixSyntaxError(self._source, match.start(), "the comment that begins here has no end")
        if change is _Change.TRAILING_SLASH:
            raise NixSyntaxError(self._source, match.end() - 1, "a path must not end with a slash or have two in a row")
        if self._modes and self._modes[-1][0] in {_Mode.STRING, _Mode.INDENTED}:
            self.refuse_open_string()
        raise NixSyntaxError(self._source, match.start(), f"unexpected character {match[0]!r}")
