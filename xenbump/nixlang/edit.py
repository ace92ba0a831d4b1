"""Edits of a text as a list of replaced spans: what no span covers stays as it is, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """One edit: the characters from `start` to before `end` become `text`.

    Attributes:
        start: offset in code points; an insertion has `start == end`.
        end: offset in code points, exclusive.
        text: what stands there afterwards; empty for a deletion.
    """

    start: int
    end: int
    text: str


def apply(source: str, replacements: Iterable[Replacement]) -> str:
    """Carry out edits.

    Args:
        source: the text that the offsets are meant for.
        replacements: in any order. Equal ones count once. Spans may touch; an insertion at the edge of a replaced span
            stays on its side of it.

    Returns:
        The edited text.

    Raises:
        Refusal: `E-EDIT-OVERLAP`: two edits overlap or insert different texts at one place, so that the result would
            depend on their order; or a span does not lie in the text.
    """
    done: list[str] = []
    position = 0
    last: Replacement | None = None
    for edit in sorted(replacements, key=attrgetter("start", "end", "text")):
        if edit == last:
            continue
        if not 0 <= edit.start <= edit.end <= len(source):
            raise Refusal(
                "E-EDIT-OVERLAP",
                f"the edit of {edit.start} to {edit.end} does not lie in the text of {len(source)} characters",
            )
        same_place = last is not None and (last.start, last.end) == (edit.start, edit.end)
        if edit.start < position or same_place:
            raise Refusal(
                "E-EDIT-OVERLAP",
                f"two different edits touch the characters from {edit.start} to {edit.end}",
                where=f"offset {edit.start}",
            )
        done += source[position : edit.start], edit.text
        position = edit.end
        last = edit
    return "".join(done) + source[position:]
