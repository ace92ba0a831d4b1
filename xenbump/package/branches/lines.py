"""Entries of a file put beside others, or taken out, in the style of what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.lists import removal
from xenbump.nixlang.tree import Expression, Inherit, List
from xenbump.package.lines import BLANKS, after_blanks, indent, line_end, line_start, newline, starts_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Node
    from xenbump.package.branches.entries import Entry


def runs(found: Sequence[Entry]) -> list[list[Entry]]:
    """Entries in groups of neighbours, in their order."""
    grouped: list[list[Entry]] = []
    for one in found:
        last = grouped[-1][-1] if grouped else None
        if last is not None and last.around is one.around and _index(one) == _index(last) + 1:
            grouped[-1].append(one)
        else:
            grouped.append([one])
    return grouped


def added(
    document: Document, run: Sequence[Entry], texts: Sequence[str], *, peers: Collection[Node], before: bool
) -> Replacement:
    """Say how to put entries beside neighbouring ones.

    Args:
        document: the file.
        run: the neighbours.
        texts: the new entries, one for each of them.
        peers: the entries of all branches; where an empty line parts the neighbours from such a one, one parts the new
            ones from them.
        before: whether they come before them, above their comments; else behind.
    """
    source = document.source
    items = run[0].siblings
    first, last = _index(run[0]), _index(run[-1])
    start, end = run[0].node.start, run[-1].node.end
    below = items[last + 1] if last + 1 < len(items) else None
    shares = below is not None and LINE_BREAK.search(source, end, below.start) is None
    above = _leading(document, start)
    if shares or not starts_line(source, above):
        joined = " ".join(texts)
        return Replacement(start, start, joined + " ") if before else Replacement(end, end, " " + joined)
    next_line = newline(source) + indent(source, start)
    text = texts[0]
    for one, another, entry in zip(run, run[1:], texts[1:], strict=False):
        text += _gap(document, one.node, another.node, next_line) + entry
    beside = items[first - 1] if first else below
    apart = next_line
    if beside is not None and beside in peers:
        upper, lower = sorted((beside, run[0].node if first else run[-1].node), key=lambda node: node.start)
        apart = _gap(document, upper, lower, next_line)
    if before:
        return Replacement(above, above, text + apart)
    line = line_end(document, end)
    behind = end if line is None else line
    return Replacement(behind, behind, apart + text)


def removed(document: Document, found: Sequence[Entry]) -> list[Replacement]:
    """Say how to take entries out, with the comments that belong to them.

    Those are the comments behind one on its line, and the lines of comments directly above it. Where an entry has its
    lines to itself, they go as a whole, and empty lines on one side where there were some on both.
    """
    edits: list[Replacement] = []
    spans: list[_Span] = []
    for node in dict.fromkeys(entry.around for entry in found):
        inside = [entry.node for entry in found if entry.around is node]
        items = next(entry.siblings for entry in found if entry.around is node)
        if isinstance(node, List):
            edits += removal(document, node, [one for one in inside if isinstance(one, Expression)])
        elif isinstance(node, Inherit) and len(inside) == len(node.names):
            spans.append(_Span(*_extent(document, node), is_first=False, is_last=False))
        else:
            spans += [
                _Span(*_extent(document, one), is_first=one is items[0], is_last=one is items[-1]) for one in inside
            ]
    merged: list[_Span] = []
    for span in sorted(spans):
        last = merged[-1] if merged else None
        if last is None or document.source[last.end : span.start].strip():
            merged.append(span)
        else:
            merged[-1] = _Span(last.start, max(last.end, span.end), last.is_first, span.is_last)
    return edits + [Replacement(*_widened(document.source, span), "") for span in merged]


class _Span(NamedTuple):
    """What goes, and whether the first or the last of what stands there goes with it."""

    start: int
    end: int
    is_first: bool
    is_last: bool


def _index(entry: Entry) -> int:
    return entry.siblings.index(entry.node)


def _gap(document: Document, one: Node, another: Node, next_line: str) -> str:
    """What is to stand between two entries on lines of their own: an empty line where one stands between these."""
    between = [token for token in document.tokens if one.end <= token.start < another.start]
    is_apart = any(token.kind is Kind.WHITESPACE and len(LINE_BREAK.findall(token.text)) > 1 for token in between)
    return newline(document.source) + next_line if is_apart else next_line


def _leading(document: Document, start: int) -> int:
    """Where the lines of comments begin that stand directly above a node; its start where there are none."""
    index = document.token_index(start) - 1
    while index >= 0 and document.tokens[index].is_trivia:
        token = document.tokens[index]
        if token.kind is Kind.COMMENT:
            if not starts_line(document.source, token.start):
                break
            start = token.start
        elif len(LINE_BREAK.findall(token.text)) > 1:
            break
        index -= 1
    return start


def _extent(document: Document, node: Node) -> tuple[int, int]:
    source = document.source
    start, end = _leading(document, node.start), line_end(document, node.end)
    if not starts_line(source, start):
        begin = line_start(source, node.start) + len(source[line_start(source, node.start) : node.start].rstrip(BLANKS))
        return begin, node.end if end is None else end
    if end is None:
        # What follows on the line moves to the place of the entry.
        return node.start, after_blanks(source, node.end)
    below = LINE_BREAK.match(source, end)
    return line_start(source, start), end if below is None else below.end()


def _widened(source: str, span: _Span) -> tuple[int, int]:
    """Widen a span by what would be too much without it: the rest of its lines, and empty lines on one side."""
    start, end = span.start, span.end
    first = line_start(source, start)
    below = LINE_BREAK.search(source, end)
    last = end if end == line_start(source, end) else len(source) if below is None else below.end()
    if source[first:start].strip() or source[end:last].strip():
        return start, end
    above, under = source[:first].rstrip(), source[last:].lstrip()
    upper = LINE_BREAK.search(source, len(above))
    top = first if upper is None else min(upper.end(), first)
    bottom = max(line_start(source, len(source) - len(under)), last)
    if top < first and (bottom > last or span.is_last):
        return top, last
    return (first, bottom) if span.is_first else (first, last)
