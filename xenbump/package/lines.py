"""Lines of a Nix file: how they are indented and broken, and a binding on a line of its own behind another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.lexer import Kind

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Binding

BLANKS = " \t"


def line_start(source: str, offset: int) -> int:
    """The offset at which the line of an offset begins."""
    return max(source.rfind("\n", 0, offset), source.rfind("\r", 0, offset)) + 1


def starts_line(source: str, offset: int) -> bool:
    """Whether nothing but blanks stands before an offset on its line."""
    return not source[line_start(source, offset) : offset].strip(BLANKS)


def indent(source: str, offset: int) -> str:
    """The blanks at the beginning of the line of an offset."""
    start = line_start(source, offset)
    return source[start : after_blanks(source, start)]


def after_blanks(source: str, offset: int) -> int:
    """The first offset from one on at which there is no blank."""
    while source[offset : offset + 1] in {" ", "\t"}:
        offset += 1
    return offset


def newline(*texts: str) -> str:
    """The first line break in the first text that has one; a line feed where none has."""
    for text in texts:
        match = LINE_BREAK.search(text)
        if match is not None:
            return match.group()
    return "\n"


def line_end(document: Document, offset: int) -> int | None:
    """The end of the line of an offset, where only blanks and comments of this line are left on it; else None."""
    index = document.token_index(offset)
    while (token := document.tokens[index]).is_trivia:
        match = LINE_BREAK.search(token.text)
        if match is not None:
            return token.start + match.start() if token.kind is Kind.WHITESPACE else None
        index += 1
    return None


def add_binding(document: Document, after: Binding, text: str, *, blank: bool = False) -> Replacement:
    """Say how to add a binding behind another one of the same set.

    Args:
        document: the file.
        after: the binding that it comes after, and whose indentation it has.
        text: the binding with its semicolon.
        blank: whether empty lines are to stand before and after it, as far as it comes on a line of its own.

    Returns:
        The edit. Where the other one shares its line with what stands before and after it, so does the new one.
    """
    source = document.source
    end = line_end(document, after.end)
    if end is None and not starts_line(source, after.start):
        return Replacement(after.end, after.end, " " + text)
    place = after.end if end is None else end
    break_ = newline(source)
    before = break_ * (2 if blank else 1) + indent(source, after.start)
    below = LINE_BREAK.match(source, place)
    is_free = below is not None and source[below.end() :].lstrip(BLANKS)[:1] in {"\r", "\n", "}", ""}
    return Replacement(place, place, before + text + (break_ if blank and not is_free else ""))
