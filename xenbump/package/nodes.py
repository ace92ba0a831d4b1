"""The calls and sets of a file, gathered once: every shape looks through them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.nixlang.find import bare, call, walk
from xenbump.nixlang.tree import Apply, AttrSet

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.nixlang.tree import Node

# Of a function with more arguments, which no package file has, each call once more would take quadratic time.
_MOST_ARGUMENTS = 20


# A rewrite has two files in hand: as it was, and as it is read again.
@lru_cache(maxsize=2)
def calls(document: Document) -> tuple[Call, ...]:
    """Every application in a file, a function of several arguments once for each of them.

    Where one has more than 20, those with 20 and less of them and the one with all of them are there.
    """
    found: list[Call] = []
    counts: dict[Node, int] = {}
    for node in walk(document):
        if not isinstance(node, Apply) or counts.get(node, 0) > _MOST_ARGUMENTS:
            continue
        made = call(node)
        if made is None:
            continue
        found.append(made)
        if node not in counts:
            inner, count = bare(node.function), len(made.arguments)
            while isinstance(inner, Apply):
                count -= 1
                counts[inner] = count
                inner = bare(inner.function)
    return tuple(found)


@lru_cache(maxsize=2)
def sets(document: Document) -> tuple[AttrSet, ...]:
    """Every attribute set in a file."""
    return tuple(node for node in walk(document) if isinstance(node, AttrSet))
