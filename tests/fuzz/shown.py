"""What holds for whatever a target gives: texts can be kept and shown, and refusals are the documented ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenbump.errors import XenbumpError


def check(value: object) -> None:
    """Encode every text in a value, however deep; UnicodeEncodeError for one that has half of a character in it."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            current.encode()
        elif isinstance(current, Mapping):
            pending += (*current.keys(), *current.values())
        elif isinstance(current, list | tuple | set | frozenset):
            pending += current
        elif is_dataclass(current) and not isinstance(current, type):
            pending += (getattr(current, one.name) for one in fields(current))


def refused(error: XenbumpError, *codes: str, where: str = "") -> bool:
    """False, for a target to return.

    Args:
        error: what bytes were refused with.
        codes: those that are documented; none: any.
        where: what its place must begin with.

    Raises:
        AssertionError: it is another one.
    """
    assert not codes or error.code in codes, str(error)
    assert error.where.startswith(where), str(error)
    assert error.what
    str(error).encode()
    return False
