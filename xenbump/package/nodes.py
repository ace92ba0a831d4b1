"""The calls and sets of a file, gathered once: every shape looks through them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.nixlang.find import call, walk
from xenbump.nixlang.tree import Apply, AttrSet

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call


# A rewrite has two files in hand: as it was, and as it is read again.
@lru_cache(maxsize=2)
def calls(document: Document) -> tuple[Call, ...]:
    """Every application in a file, a function of several arguments once for each of them."""
    return tuple(made for node in walk(document) if isinstance(node, Apply) and (made := call(node)) is not None)


@lru_cache(maxsize=2)
def sets(document: Document) -> tuple[AttrSet, ...]:
    """Every attribute set in a file."""
    return tuple(node for node in walk(document) if isinstance(node, AttrSet))
