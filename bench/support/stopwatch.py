"""How long calls take, such that the figures say something on a busy machine too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(work: Callable[[], object]) -> float:
    """Return the milliseconds that one call takes of this process's time: what others do meanwhile does not count."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1000


def best(rounds: int, *works: Callable[[], object]) -> list[float]:
    """Call some functions turn and turn about, and return the milliseconds of each one's quickest call."""
    times = [[measure(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def elapsed(work: Callable[[], object]) -> float:
    """Return the seconds by the clock on the wall that one call takes: what it starts and waits for counts."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def best_elapsed(rounds: int, *works: Callable[[], object]) -> list[float]:
    """Call some functions turn and turn about, and return the seconds by the clock of each one's quickest call."""
    times = [[elapsed(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
