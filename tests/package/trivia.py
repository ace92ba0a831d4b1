"""Nix text as pieces that are known again wherever they are moved, and the same file laid out in any other way.

A piece is a token with what it is to the plan. So after the bindings have changed places, and white space and comments
have come between the tokens, it is still known which text an edit has to replace, without asking what finds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.nixlang import parse, tokenize, walk
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Let, List

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from xenbump.nixlang.tree import Node

_OPENS = frozenset({Kind.STRING_OPEN, Kind.INDENTED_OPEN, Kind.INTERPOLATION_OPEN})
_CLOSES = frozenset({Kind.STRING_CLOSE, Kind.INDENTED_CLOSE, Kind.INTERPOLATION_CLOSE})
_GOES_ON = frozenset({Kind.INTERPOLATION_OPEN, Kind.PATH_TEXT})
_OF_PATHS = frozenset({Kind.PATH, Kind.PATH_TEXT, Kind.INTERPOLATION_CLOSE})
# A comment that follows one of these without a space could not become part of it.
_TIGHT = frozenset({"{", "}", "[", "]", "(", ")", ";", "=", ","})

LINE_COMMENTS = (
    "#",
    "# plain words",
    '# version = "9.9.9";',
    '# hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";',
    "# XSA #480",
    "# XSA 12: prose",
    "# it's \"quoted\" and ''more",
    "# }]) {[( ;",
    "# ${version} \\",
    "# /* not a comment",
    "# é 😀",
    "#!/bin/sh",
)
BLOCK_COMMENTS = (
    "/**/",
    "/***/",
    '/* version = "9.9.9"; */',
    '/* src = fetchFromGitHub { tag = "RELEASE-9.9.9"; }; */',
    "/* patches = [ ]; # */",
    "/* '' \" ''${ ]})\n  { */",
    "/*\r\n * XSA #480\r\n */",
    "/* é 😀 */",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A token.

    Attributes:
        text: its characters.
        kind: what it is.
        mark: the name of the planned value that it is the text of; empty for any other.
        place: where it stands in the list of patches, the number of the element or -1 between them; None outside.
        revises: whether it is part of the name or the value of what says the tag or commit.
    """

    text: str
    kind: Kind
    mark: str = ""
    place: int | None = None
    revises: bool = False

    @property
    def is_trivia(self) -> bool:
        """Whether it is white space or a comment."""
        return self.kind in {Kind.WHITESPACE, Kind.COMMENT}


def joined(pieces: Iterable[Piece]) -> str:
    """The text of pieces."""
    return "".join(piece.text for piece in pieces)


def replaced(pieces: Iterable[Piece], values: Mapping[str, str]) -> list[Piece]:
    """The pieces with new texts for those whose marks have one."""
    return [replace(piece, text=values.get(piece.mark, piece.text)) for piece in pieces]


def marked(text: str, spots: Mapping[str, str], *, patches: str = "", revision: str = "") -> list[Piece]:
    """The pieces of a text.

    Args:
        text: of a file.
        spots: the marks, by what stands once in the file and just before the marked text.
        patches: what stands once in the file and just before the value of `patches`; empty where there is none.
        revision: the same of the tag or commit, with the name.
    """
    marks = {_behind(text, before): mark for before, mark in spots.items()}
    places = _places(text, _behind(text, patches)) if patches else {}
    start = _behind(text, revision) if revision else -1
    end = text.find(";", start)
    tokens = tokenize(text)
    name = max((one.start for one in tokens if one.kind is Kind.IDENTIFIER and one.start < start), default=-1)
    found = []
    for token in tokens:
        revises = token.start == name or start <= token.start < end
        found.append(Piece(token.text, token.kind, marks.pop(token.start, ""), places.get(token.start), revises))
    assert not marks, marks
    return found


def _behind(text: str, before: str) -> int:
    assert text.count(before) == 1, before
    return text.index(before) + len(before)


def _places(text: str, start: int) -> dict[int, int]:
    """The place in the list of each token in the value of `patches`, by its offset."""
    document = parse(text)
    # The outermost expression that begins there.
    value = max((node for node in walk(document) if node.start == start), key=lambda node: node.end)
    found = {token.start: -1 for token in document.tokens if value.start <= token.start < value.end}
    number = 0
    for listed in _lists(value):
        for element in listed.elements:
            found |= {offset: number for offset in found if element.start <= offset < element.end}
            number += 1
    return found


def _lists(value: Node) -> list[List]:
    """The outermost lists in an expression, in order."""
    if isinstance(value, List):
        return [value]
    children = sorted(value.children(), key=lambda node: node.start)
    return [found for child in children for found in _lists(child)]


# --- order -----------------------------------------------------------------------------------------------------------


def shuffled(pieces: Sequence[Piece], random: Random) -> list[Piece]:
    """The pieces with the bindings of each set and each `let` in another order.

    Args:
        pieces: of a whole file.
        random: the source of chance.
    """
    document = parse(joined(pieces))
    numbers = _numbers(pieces)
    sets = {numbers[node.start]: node for node in walk(document) if isinstance(node, AttrSet | Let) and node.bindings}

    def rendered(first: int, last: int) -> list[Piece]:
        found: list[Piece] = []
        at = first
        while at < last:
            node = sets.get(at)
            if node is None:
                found.append(pieces[at])
                at += 1
                continue
            spans = [(numbers[one.start], numbers[one.end]) for one in node.bindings]
            for (start, end), taken in zip(spans, random.sample(spans, len(spans)), strict=True):
                # What stands between two bindings stays at its place.
                found += [*pieces[at:start], *rendered(*taken)]
                at = end
        return found

    return rendered(0, len(pieces))


def dressed(pieces: Sequence[Piece], random: Random, share: int) -> list[Piece]:
    """The pieces with some values in parentheses and some names in quotes, which means the same.

    Args:
        pieces: of a whole file.
        random: the source of chance.
        share: how many of both, of a hundred.
    """
    document = parse(joined(pieces))
    numbers = _numbers(pieces)
    new: dict[int, list[Piece]] = {}
    opening: dict[int, list[Piece]] = {}
    closing: dict[int, list[Piece]] = {}
    for node in walk(document):
        if not isinstance(node, Binding):
            continue
        for step in node.path:
            if isinstance(step.written, Identifier) and random.randrange(100) < share:
                number = numbers[step.start]
                quotes = (
                    replace(pieces[number], text='"', kind=kind) for kind in (Kind.STRING_OPEN, Kind.STRING_CLOSE)
                )
                start, end = quotes
                new[number] = [start, replace(pieces[number], kind=Kind.TEXT), end]
        if random.randrange(100) < share:
            first, last = numbers[node.value.start], numbers[node.value.end]
            brackets = (replace(pieces[first], text=text, kind=Kind.OPERATOR, mark="") for text in "()")
            start, end = brackets
            opening.setdefault(first, []).append(start)
            closing.setdefault(last, []).append(end)
    found: list[Piece] = []
    for number, piece in enumerate(pieces):
        found += [*closing.get(number, []), *opening.get(number, []), *new.get(number, [piece])]
    return found


def _numbers(pieces: Sequence[Piece]) -> dict[int, int]:
    """The number of the piece that begins at an offset."""
    numbers = {}
    offset = 0
    for number, piece in enumerate(pieces):
        numbers[offset] = number
        offset += len(piece.text)
    return {**numbers, offset: len(pieces)}


# --- trivia ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taste:
    """What comes between tokens.

    Attributes:
        density: how many of the places where nothing needs to stand get something, of a hundred.
        kept: how much of the white space and the comments that are there stays, of a hundred.
        breaks: the line breaks in use.
        comments: whether comments come.
        ending: what the file ends with.
    """

    density: int = 10
    kept: int = 70
    breaks: tuple[str, ...] = ("\n",)
    comments: bool = True
    ending: str = "\n"


def scattered(pieces: Sequence[Piece], random: Random, taste: Taste) -> list[Piece]:
    """The pieces with other white space and other comments between them; all others stay, in their order."""
    solid = [piece for piece in pieces if not piece.is_trivia]
    between: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.is_trivia:
            between[-1].append(piece)
        else:
            between.append([])
    free = _free(solid)
    found: list[Piece] = []
    for number, old in enumerate(between):
        before = solid[number - 1] if number else None
        after = solid[number] if number < len(solid) else None
        place = _place(before, after)
        revises = before is not None and after is not None and before.revises and after.revises
        gap = joined(old)
        if number not in free:
            assert not gap
        elif after is None:
            gap = _ended(_gap(random, taste, before), taste) if random.randrange(100) >= taste.kept else taste.ending
        elif (not gap and random.randrange(100) < taste.density) or (gap and random.randrange(100) >= taste.kept):
            gap = _gap(random, taste, None if gap else before)
        if gap:
            # One piece: what is in it does not matter, nothing of it may change.
            found.append(Piece(gap, Kind.WHITESPACE, place=place, revises=revises))
        if after is not None:
            found.append(after)
    texts = [token.text for token in tokenize(joined(found)) if not token.is_trivia]
    assert texts == [piece.text for piece in solid]
    return found


def _place(before: Piece | None, after: Piece | None) -> int | None:
    """The place of what stands between two pieces."""
    if before is None or after is None or before.place is None or after.place is None:
        return None
    return before.place if before.place == after.place else -1


def _free(solid: Sequence[Piece]) -> set[int]:
    """The numbers of the pieces before which something can come; not in strings and paths."""
    found = {0, len(solid)}
    depth: list[bool] = []  # whether each open thing is a string or path, where everything is text
    for number, piece in enumerate(solid):
        if number and not (depth and depth[-1]) and not _one_path(solid[number - 1], piece):
            found.add(number)
        if piece.kind in _OPENS:
            depth.append(piece.kind is not Kind.INTERPOLATION_OPEN)
        elif piece.kind in _CLOSES:
            depth.pop()
    return found


def _one_path(before: Piece, after: Piece) -> bool:
    return before.kind in _OF_PATHS and after.kind in _GOES_ON


def _gap(random: Random, taste: Taste, tight: Piece | None) -> str:
    """White space and comments; they begin with white space unless they may follow a piece at once."""

    def line_break() -> str:
        return random.choice(taste.breaks) + random.choice(("", " ", "  ", "    ", "\t", " \t"))

    def unit() -> str:
        kind = random.randrange(8 if taste.comments else 5)
        if kind < 3:
            return random.choice((" ", "  ", "\t", " \t "))
        if kind < 5:
            return random.choice(("", " ", "\t")) + line_break()
        if kind == 5:
            return random.choice(BLOCK_COMMENTS)
        return random.choice(LINE_COMMENTS) + random.choice(("", " ", "\t")) + line_break()

    text = "".join(unit() for _ in range(random.randint(1, 3)))
    if text[0] in "#/" and not (tight is not None and tight.text in _TIGHT):
        text = " " + text
    return text


def _ended(gap: str, taste: Taste) -> str:
    """What stands at the end of a file, perhaps without a line break."""
    return gap.rstrip("\r\n") if not taste.ending else gap + taste.ending
