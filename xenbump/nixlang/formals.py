"""Adding a formal argument to a function and taking one away, in the style that the file has.

Three styles are known: all on one line (`{ a, b }:`), a line each with the comma after (`a,`), and a line each with
the comma before (`, a`).
"""

from __future__ import annotations

import re
from enum import Enum, unique
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.lexer import Kind

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Formal, Formals

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_'\-]*")
_BLANKS = " \t"


@unique
class _Style(Enum):
    ONE_LINE = 0
    COMMA_AFTER = 1
    COMMA_BEFORE = 2


def find_formal(formals: Formals, name: str) -> Formal | None:
    """Return the formal argument of a name, or None."""
    return next((formal for formal in formals.formals if formal.name.name == name), None)


def add_formal(document: Document, formals: Formals, name: str) -> list[Replacement]:
    """Say how to add a formal argument without a default.

    Of the arguments that sort before it, it comes after the one that sorts last, so that in an unsorted file
    `fetchpatch` comes after `fetchgit`. If there is none it comes first, or last if the arguments are unsorted anyhow.
    The case of letters does not count.

    Args:
        document: the file.
        formals: the parameter of a function in it.
        name: a bare identifier.

    Returns:
        The edits; none if the argument is there already.

    Raises:
        Refusal: `E-NIX-SYNTAX`: the name is not an identifier, or it is the name of the whole argument (`@`).
    """
    if find_formal(formals, name) is not None:
        return []
    if not _NAME.fullmatch(name) or (formals.alias is not None and formals.alias.name == name):
        raise Refusal(
            "E-NIX-SYNTAX",
            f"`{name}` cannot be added to the arguments of the function",
            where=document.where(formals),
        )
    if not formals.formals:
        return [_add_only(document, formals, name)]
    before = _predecessor(formals, name)
    style = _style(document, formals)
    if before is None:
        return [_add_first(document, formals.formals[0], name, style)]
    if style is _Style.COMMA_AFTER:
        return _add_line_with_comma(document, before, name)
    if style is _Style.COMMA_BEFORE:
        line_end = _line_end(document, before.end)
        if line_end is not None:
            indent = _indent(document, before.start if before.start != formals.formals[0].start else formals.start)
            return [_insert(line_end, f"{_newline(document)}{indent}, {name}")]
    return [_insert(before.end, f", {name}")]


def remove_formal(document: Document, formals: Formals, name: str) -> list[Replacement]:
    """Say how to take a formal argument away, its default and a comment behind it on its line included.

    A comment above it stays, because it may stand for several arguments.

    Args:
        document: the file.
        formals: the parameter of a function in it.
        name: the name of the argument.

    Returns:
        The edits; none if there is no such argument.
    """
    formal = find_formal(formals, name)
    if formal is None:
        return []
    number = formals.formals.index(formal)
    comma_before = formals.formals[number - 1].comma if number else None
    last = formal.end if formal.comma is None else formal.comma + 1
    lines = _whole_lines(document, formal.start, last)
    if lines is not None and (formal.comma is None or _line_start(document, formal.comma) <= formal.end):
        return _remove_lines(formal, comma_before, lines)
    if comma_before is not None:
        lines = _whole_lines(document, comma_before, formal.end)
        if lines is not None:
            return [Replacement(*lines, "")]
    return _remove_inline(document, formals, formal, comma_before)


def _insert(offset: int, text: str) -> Replacement:
    return Replacement(offset, offset, text)


def _predecessor(formals: Formals, name: str) -> Formal | None:
    """Return the argument that a new one comes after: of those that sort before it, the one that sorts last."""
    keys = [formal.name.name.casefold() for formal in formals.formals]
    smaller = [number for number, key in enumerate(keys) if key < name.casefold()]
    if smaller:
        return formals.formals[max(smaller, key=lambda number: (keys[number], number))]
    return None if keys == sorted(keys) else formals.formals[-1]


def _style(document: Document, formals: Formals) -> _Style:
    """Return the style; one argument alone on its line shows nothing but that the next one goes on a line too."""
    first, last = formals.formals[0], formals.formals[-1]
    text = document.source[formals.opening : formals.closing]
    if not LINE_BREAK.search(text):
        return _Style.ONE_LINE
    if any(_starts_line(document, formal.comma) for formal in formals.formals if formal.comma is not None):
        return _Style.COMMA_BEFORE
    if _starts_line(document, first.start) and _starts_line(document, last.start):
        return _Style.COMMA_AFTER
    # `{ lib` with the brace of the end on a line of its own begins a list with commas before.
    if first is last and _starts_line(document, formals.closing) and formals.ellipsis is None:
        return _Style.COMMA_BEFORE
    return _Style.ONE_LINE


def _add_only(document: Document, formals: Formals, name: str) -> Replacement:
    """Add to `{ }` or `{ ... }`."""
    if formals.ellipsis is None:
        return Replacement(formals.opening + 1, formals.closing, f" {name} ")
    if _starts_line(document, formals.ellipsis):
        indent = _indent(document, formals.ellipsis)
        return _insert(formals.ellipsis, f"{name},{_newline(document)}{indent}")
    return _insert(formals.ellipsis, f"{name}, ")


def _add_first(document: Document, first: Formal, name: str, style: _Style) -> Replacement:
    if style is _Style.ONE_LINE:
        return _insert(first.start, f"{name}, ")
    newline = _newline(document)
    if style is _Style.COMMA_AFTER:
        return _insert(first.start, f"{name},{newline}{_indent(document, first.start)}")
    return _insert(first.start, f"{name}{newline}{_indent(document, first.start)}, ")


def _add_line_with_comma(document: Document, before: Formal, name: str) -> list[Replacement]:
    """Add a line after the one of an argument that has its comma, if any, behind it."""
    line_end = _line_end(document, before.end if before.comma is None else before.comma + 1)
    if line_end is None:
        return [_insert(before.end, f", {name}")]
    line = f"{_newline(document)}{_indent(document, before.start)}{name}"
    if before.comma is not None:
        return [_insert(line_end, line + ",")]
    # Without a comma after the last one, the new last one has none either.
    if line_end == before.end:
        return [_insert(line_end, "," + line)]
    return [_insert(before.end, ","), _insert(line_end, line)]


def _remove_lines(formal: Formal, comma_before: int | None, lines: tuple[int, int]) -> list[Replacement]:
    edits = [Replacement(*lines, "")]
    if formal.comma is None and comma_before is not None:
        # The one before is the last now and follows the style, which has no comma there.
        edits.append(Replacement(comma_before, comma_before + 1, ""))
    return edits


def _remove_inline(document: Document, formals: Formals, formal: Formal, comma_before: int | None) -> list[Replacement]:
    if formal.comma is None:
        if comma_before is not None:
            return _cut(document, comma_before, formal.end, formal)
        return [Replacement(_before_blanks(document, formal.start), formal.end, "")]
    gap = document.source[formal.comma + 1 : _next_start(formals, formal)]
    if LINE_BREAK.search(gap) and not _starts_line(document, formal.start):
        return [Replacement(_before_blanks(document, formal.start), formal.comma + 1, "")]
    # Up to what comes next: another argument, the ellipsis or the brace.
    return _cut(document, formal.start, formal.comma + 1, formal, until=_next_start(formals, formal))


def _next_start(formals: Formals, formal: Formal) -> int:
    starts = [other.start for other in formals.formals if other.start > formal.start]
    if starts:
        return starts[0]
    return formals.closing if formals.ellipsis is None else formals.ellipsis


def _cut(document: Document, start: int, end: int, formal: Formal, *, until: int | None = None) -> list[Replacement]:
    """Remove a span with the white space after it, but no comment that lies in it: that is not ours to drop."""
    stop = end if until is None else until
    index = document.token_index(start)
    comments = False
    while index < len(document.tokens) and document.tokens[index].start < stop:
        token = document.tokens[index]
        comments |= token.kind is Kind.COMMENT and not formal.start <= token.start < formal.end
        index += 1
    if not comments:
        return [Replacement(start, stop, "")]
    comma = start if start < formal.start else end - 1
    return sorted([Replacement(formal.start, formal.end, ""), Replacement(comma, comma + 1, "")])


def _before_blanks(document: Document, offset: int) -> int:
    while offset > 0 and document.source[offset - 1] in _BLANKS:
        offset -= 1
    return offset


def _line_start(document: Document, offset: int) -> int:
    source = document.source
    after = source.rfind("\n", 0, offset) + 1
    return max(source.rfind("\r", after, offset) + 1, after)


def _indent(document: Document, offset: int) -> str:
    """Return the white space at the beginning of the line of an offset."""
    source = document.source
    start = end = _line_start(document, offset)
    while source[end : end + 1] in {" ", "\t"}:
        end += 1
    return source[start:end]


def _starts_line(document: Document, offset: int) -> bool:
    start = _line_start(document, offset)
    return start > 0 and not document.source[start:offset].strip(_BLANKS)


def _line_end(document: Document, offset: int) -> int | None:
    """Return where the line ends if nothing but blanks and comments follows on it, without the blanks at its end."""
    index = document.token_index(offset)
    end = offset
    while (token := document.tokens[index]).is_trivia:
        if token.kind is Kind.COMMENT:
            end = token.end
        elif LINE_BREAK.search(token.text):
            return end
        index += 1
    return None


def _whole_lines(document: Document, start: int, end: int) -> tuple[int, int] | None:
    """Return the span of whole lines if what lies between the offsets has them to itself, comments after it aside."""
    line_end = _line_end(document, end) if _starts_line(document, start) else None
    if line_end is None:
        return None
    line_break = LINE_BREAK.search(document.source, line_end)
    return None if line_break is None else (_line_start(document, start), line_break.end())


def _newline(document: Document) -> str:
    """Return the line break that the file uses, judged by its first one."""
    match = LINE_BREAK.search(document.source)
    return "\n" if match is None else match.group()
