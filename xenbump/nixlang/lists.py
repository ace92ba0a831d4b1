"""The elements of a list with the comments that belong to them.

What belongs where, in the order in which it is decided:

* a comment after an element on the same line, with nothing but comments after it there, belongs to that element;
* a comment on the line of the opening bracket belongs to nobody;
* a comment on the same line before an element, and comments on the lines directly above it, belong to that element;
* a comment with an empty line after it, or with the closing bracket, belongs to nobody.

So of two adjacent elements under one comment, the first has it; `groups` keeps the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.lexer import Kind, Token

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Expression, List

_BLANKS = " \t"


@dataclass(frozen=True, slots=True, eq=False)
class ListElement:
    """An element and its surroundings.

    Attributes:
        node: the element.
        comments: the comments before it that belong to it, in order.
        trailing: the comments after it on its last line.
        start: where the outer span begins: what must go for the element to go, its comments with it.
        end: where the outer span ends. If the element and its comments have their lines to themselves, the span is
            those lines with indentation and line break; otherwise it takes the blanks on one side along.
            The spans of neighbours on one line can have blanks in common; `removal` takes care of that.
        whole_lines: whether the outer span is whole lines.
        blank_before: whether an empty line stands directly before the element and its comments.
    """

    node: Expression
    comments: tuple[Token, ...]
    trailing: tuple[Token, ...]
    start: int
    end: int
    whole_lines: bool
    blank_before: bool


@dataclass(frozen=True, slots=True, eq=False)
class ListLayout:
    """A list as it is laid out.

    Attributes:
        node: the list.
        elements: in order.
        free_comments: the comments of the list that belong to no element, in order.
    """

    node: List
    elements: tuple[ListElement, ...]
    free_comments: tuple[Token, ...]


@dataclass(slots=True)
class _Gap:
    """What stands between two elements, or between an element and a bracket."""

    trailing: list[Token]  # of the element before
    free: list[Token]
    leading: list[Token]  # of the element after
    blank_before: bool  # before the leading comments, or before the element if there are none


# Whoever takes elements out of a list looks at it several times.
@lru_cache(maxsize=4)
def layout(document: Document, node: List) -> ListLayout:
    """Assign the comments of a list of the document to its elements."""
    gaps: list[_Gap] = []
    index = document.token_index(node.start) + 1
    places = [*((element.start, element.end) for element in node.elements), (node.end - 1, node.end)]
    for number, (start, end) in enumerate(places):
        trivia: list[Token] = []
        while document.tokens[index].start < start:
            trivia.append(document.tokens[index])
            index += 1
        gaps.append(_gap(trivia, is_first=number == 0, is_last=number == len(places) - 1))
        index = document.token_index(end - 1) + 1
    elements = tuple(
        _element(document, element, before, after)
        for element, before, after in zip(node.elements, gaps, gaps[1:], strict=False)
    )
    return ListLayout(node, elements, tuple(comment for gap in gaps for comment in gap.free))


def elements(document: Document, node: List) -> tuple[ListElement, ...]:
    """Return the elements of a list of the document with their comments."""
    return layout(document, node).elements


def free_comments(document: Document, node: List) -> tuple[Token, ...]:
    """Return the comments directly in a list of the document that belong to no element."""
    return layout(document, node).free_comments


def groups(document: Document, node: List) -> tuple[tuple[ListElement, ...], ...]:
    """Return the elements of a list in groups.

    A group begins after an empty line and with each element that has comments before it; this is how lists of patches
    keep the parts of one advisory together.
    """
    found: list[list[ListElement]] = []
    for element in elements(document, node):
        if not found or element.blank_before or element.comments:
            found.append([])
        found[-1].append(element)
    return tuple(tuple(group) for group in found)


def removal(document: Document, node: List, unwanted: Collection[Expression]) -> list[Replacement]:
    """Say how to take elements out of a list.

    Args:
        document: the file.
        node: a list in it.
        unwanted: the elements to take out; the comments that belong to them go too.

    Returns:
        The edits. Where the elements had empty lines on both sides, or stood between one and a bracket, the ones on one
        side go as well, so that the list is spaced as before.
    """
    source = document.source
    merged: list[tuple[int, int]] = []
    going = set(unwanted)
    for element in elements(document, node):
        if element.node not in going:
            continue
        if merged and not source[merged[-1][1] : element.start].strip():
            merged[-1] = merged[-1][0], max(merged[-1][1], element.end)
        else:
            merged.append((element.start, element.end))
    return [Replacement(*_widened(source, start, end), "") for start, end in merged]


def _widened(source: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span by what would be too much without it: the rest of its lines, and empty lines on one side."""
    line_start = _line_start(source, start)
    line_end = end if end == _line_start(source, end) else _line_end(source, end)
    if source[line_start:start].strip() or source[end:line_end].strip():
        return start, end
    # If several elements go, they can leave a line empty that none of them had to itself.
    start, end = line_start, line_end
    before, after = _before_space(source, start), _after_space(source, end)
    above = _line_end(source, before)
    below = _line_start(source, after)
    if above < start and (below > end or source.startswith("]", after)):
        return above, end
    return (start, below) if below > end and source.endswith("[", 0, before) else (start, end)


def _before_space(source: str, offset: int) -> int:
    """Return where the white space before an offset begins."""
    while offset > 0 and source[offset - 1].isspace():
        offset -= 1
    return offset


def _after_space(source: str, offset: int) -> int:
    """Return where the white space behind an offset ends."""
    while offset < len(source) and source[offset].isspace():
        offset += 1
    return offset


def _line_end(source: str, offset: int) -> int:
    """Return where the line of an offset ends, its line break included."""
    match = LINE_BREAK.search(source, offset)
    return len(source) if match is None else match.end()


def _line_start(source: str, offset: int) -> int:
    """Return where the line of an offset begins."""
    after = source.rfind("\n", 0, offset) + 1
    return max(source.rfind("\r", after, offset) + 1, after)


def _gap(trivia: Sequence[Token], *, is_first: bool, is_last: bool) -> _Gap:
    gap = _Gap([], [], [], blank_before=False)
    on_line_before = True
    same_line: list[Token] = []
    for token in trivia:
        if token.kind is Kind.COMMENT:
            (same_line if on_line_before else gap.leading).append(token)
            continue
        breaks = len(LINE_BREAK.findall(token.text))
        if breaks and on_line_before:
            on_line_before = False
            (gap.free if is_first else gap.trailing).extend(same_line)
            same_line = []
        if breaks > 1:
            # An empty line cuts what stands above it off from the element below.
            gap.free += gap.leading
            gap.leading = []
            gap.blank_before = True
    gap.leading = same_line + gap.leading
    if is_last:
        if on_line_before and not is_first:
            gap.trailing, gap.leading = gap.leading, []
        gap.free += gap.leading
        gap.leading = []
    return gap


def _element(document: Document, node: Expression, before: _Gap, after: _Gap) -> ListElement:
    source = document.source
    first = before.leading[0].start if before.leading else node.start
    last = after.trailing[-1].end if after.trailing else node.end
    start = first
    while start > 0 and source[start - 1] in _BLANKS:
        start -= 1
    end = last
    while end < len(source) and source[end] in _BLANKS:
        end += 1
    begins_line = start == 0 or source[start - 1] in "\r\n"
    line_break = LINE_BREAK.match(source, end) if begins_line else None
    if line_break is not None:
        end = line_break.end()
    elif begins_line:
        # What follows on the line moves to the place of the element.
        start = first
    else:
        end = last
    return ListElement(
        node, tuple(before.leading), tuple(after.trailing), start, end, line_break is not None, before.blank_before
    )
