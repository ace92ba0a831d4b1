"""The decisions on a tree, kept for the next run that asks the same of it.

To read some hundred texts and to decide on each takes longer than to ask whether any of them has changed. So the
decisions of a tree are kept in the journal with a digest of all that they rest on, the ground: they count only while
that is the same to the byte. What the ground must have in it is said where it is laid, in `judge.py`. Only decisions
for which nothing was missing may be kept; one that came from an error, or that the clock can change, must not.

There is one entry for each branch, in the place of the one before, so that the journal does not grow by them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import msgspec

from xenbump import __version__
from xenbump.plan.model import Decision  # noqa: TC001 - msgspec reads the types at run time
from xenbump.upstream.advisory import PatchFile  # noqa: TC001
from xenbump.upstream.library import Memory

_KIND = "decisions"


class Facts(Memory, Protocol):
    """Where facts are kept for later runs as well as results: it fits `xenbump.journal.Run`."""

    def recall(self, kind: str, key: str) -> str | None:
        """A fact that an earlier run kept; None where none did."""

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep a fact for later runs, in the place of the one that had the same kind and key."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Decisions, and what they rest on.

    Attributes:
        ground: as `ground` gives it.
        decisions: lowest number first.
        patches: that were tried on the tree; without one of them the decisions might be others.
    """

    ground: str
    decisions: tuple[Decision, ...]
    patches: tuple[PatchFile, ...] = ()


def ground(*given: object) -> str:
    """A digest of values that msgspec can encode, and of the program's version: another one may decide otherwise."""
    return hashlib.sha256(msgspec.json.encode((__version__, given))).hexdigest()


def recall(memory: Facts, branch: str, wanted: str) -> Verdicts | None:
    """What was kept of a branch; None where that is nothing, or rests on another ground than the one wanted."""
    found = memory.recall(_KIND, branch)
    if found is None:
        return None
    try:
        kept = msgspec.json.decode(found, type=Verdicts)
    except msgspec.MsgspecError:
        return None  # another program's
    return kept if kept.ground == wanted else None


def remember(memory: Facts, branch: str, verdicts: Verdicts) -> None:
    """Keep decisions, in the place of those that were kept of the branch."""
    memory.remember(_KIND, branch, msgspec.json.encode(verdicts).decode())
