"""Targets with deliberate faults, by which the runner and the search for growing time are tested."""

from __future__ import annotations

import re

from xenbump.errors import Refusal
from xenbump.upstream import ranges

_QUADRATIC = re.compile(r" +x")


def one(data: bytes) -> bool:
    """Fail for bytes that chance alone does not hit upon soon: a word that a comparison has to tell."""
    if data.startswith(b"Xen 4.20.x"):
        raise ZeroDivisionError("the deliberate fault")
    if data.decode("latin-1").startswith("Xen 4."):
        raise KeyError("the deliberate fault")
    try:
        ranges.parse(data.decode("utf-8", "replace"))
    except Refusal:
        return False
    return True


def slow(data: bytes) -> bool:
    """Take time that grows with the square of the length."""
    return _QUADRATIC.search(data.decode("latin-1")) is not None
