"""Time that grows faster than the input: a part of an input of the corpus is repeated until it has 100 kB.

Most of what the fuzzer makes is short, and a regular expression that takes quadratic time is quick there. Here a piece
of an input, a word of the target's dictionary or a blank is repeated; where that takes more than a second of the
processor, a quarter of it tells whether the time grows with the length or faster.
"""

from __future__ import annotations

import contextlib
import random
import re
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz import targets
from tests.fuzz.runner import CORPUS, DICTIONARIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIZE = 100_000  # bytes
SLOW = 1.0  # seconds of the processor
_LIMIT = 8.0  # after so many seconds it is known
_LINEAR = 8.0  # four times the length may take so many times as long; quadratic time takes sixteen times as long
_BLANKS = (b" ", b"\t", b"\n", b"\r\n", b"a", b"1", b"/", b"\\n", b"[", b"(", b"{", b'"', b"'", b"`", b"<", b".", b"-")
_WORD = re.compile(r'^"(?P<word>(?:[^"\\]|\\.)+)"$', re.MULTILINE)
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Stretched:
    """An input with a part that is repeated."""

    head: bytes
    unit: bytes
    tail: bytes

    def made(self, size: int) -> bytes:
        """The input, of about so many bytes."""
        return self.head + self.unit * max(1, (size - len(self.head) - len(self.tail)) // len(self.unit)) + self.tail

    def told(self) -> str:
        """It in words."""
        return f"{self.head[-_LONGEST:]!r} + {self.unit!r} * n + {self.tail[:_LONGEST]!r}"


@dataclass(frozen=True, slots=True)
class Search:
    """How many inputs were tried, the slowest and its time, and whether that grows too fast."""

    tried: int
    seconds: float
    slowest: Stretched | None = None
    fault: bool = False


def took(name: str, data: bytes) -> float:
    """Seconds of the processor that a target takes for an input; `_LIMIT` where it was stopped then."""
    one = targets.load(name)
    began = time.process_time()
    with contextlib.suppress(_StoppedError), _stopping():
        one(data)
    return time.process_time() - began


def grows(name: str, stretched: Stretched) -> tuple[float, bool]:
    """The time of the long input, and whether it is more than a second and grows faster than the length."""
    seconds = took(name, stretched.made(SIZE))
    if seconds < SLOW:
        return seconds, False
    return seconds, seconds > _LINEAR * took(name, stretched.made(SIZE // 4)) or seconds >= _LIMIT


def search(name: str, seconds: float, seed: int = 1) -> Search:
    """Try stretched inputs for so long, until one grows too fast."""
    chance = random.Random(seed)  # noqa: S311 - the same inputs each time
    until = time.monotonic() + seconds
    found = Search(0, 0.0)
    for stretched in _stretched(name, chance):
        taken, fast = grows(name, stretched)
        if fast:
            return Search(found.tried + 1, taken, stretched, fault=True)
        slower = taken > found.seconds
        found = Search(found.tried + 1, max(taken, found.seconds), stretched if slower else found.slowest)
        if time.monotonic() > until:
            break
    return found


def words(name: str) -> tuple[bytes, ...]:
    """The words of a target's dictionary."""
    path = DICTIONARIES / f"{name}.txt"
    text = path.read_text("ascii") if path.is_file() else ""
    return tuple(match["word"].encode().decode("unicode_escape").encode("latin-1") for match in _WORD.finditer(text))


def _stretched(name: str, chance: random.Random) -> Iterator[Stretched]:
    inputs = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    units = (*_BLANKS, *words(name))
    while True:
        data = chance.choice(inputs)
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.randint(1, _LONGEST))
        kept = chance.choice((start, end, len(data)))
        unit = chance.choice((data[start:end], chance.choice(units), chance.choice(units) + chance.choice(units)))
        if unit:
            yield Stretched(data[:start], unit, data[kept:])


class _StoppedError(BaseException):
    """The time is over; nothing that is tested catches it."""


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _StoppedError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
