"""One trial each: a run that is killed before an effect, or in the middle of it, or that has it fail; then a run again.

What comes of a trial is a list of sentences about what is not as it should be: empty when all is well.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.effects import DISK, Effect, Kind, Order, Way
from tests.faults.world import differences, told
from xenbump import refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.world import Place

_FULL, _BROKEN, _READ_ONLY, _DENIED, _QUOTA, _NO_LOCKS = (
    errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.ENOLCK,
)  # fmt: skip
_NEW = (_FULL, _BROKEN, _READ_ONLY, _DENIED, _QUOTA)
# The errors that the kernel has for a kind of effect (the manual's pages in section 2).
ERRORS = {
    Kind.OPEN: _NEW,
    Kind.WRITE: (_FULL, _BROKEN, _QUOTA),
    Kind.SYNC: (_BROKEN, _FULL, _QUOTA),
    Kind.TRUNCATE: (_FULL, _BROKEN),
    Kind.RENAME: _NEW,
    Kind.LINK: _NEW,
    Kind.REMOVE: (_BROKEN, _READ_ONLY, _DENIED),
    Kind.FOLDER: _NEW,
    Kind.MODE: (_BROKEN, _READ_ONLY, _DENIED),
    Kind.LOCK: (_BROKEN, _NO_LOCKS),
    Kind.READ: (_BROKEN, _DENIED),
}
_GROWS = frozenset({Kind.OPEN, Kind.WRITE, Kind.TRUNCATE, Kind.RENAME, Kind.LINK, Kind.FOLDER})
_CHANGES = DISK - {Kind.READ, Kind.LOCK}
# What else fails from then on where an error stays.
_STAYS = {
    _FULL: _GROWS,
    _QUOTA: _GROWS,
    _READ_ONLY: _CHANGES - {Kind.SYNC},
    _DENIED: frozenset({Kind.OPEN, Kind.RENAME, Kind.LINK, Kind.REMOVE, Kind.FOLDER, Kind.MODE}),
    _BROKEN: DISK,
    _NO_LOCKS: frozenset({Kind.LOCK}),
}
# What a run may leave that got over an error: SQLite's log, which whoever opens the journal next takes in, and a cache
# that has less. Neither stands after the next run.
_HARMLESS = re.compile(r"left: with /state/journal\.sqlite3-(?:wal|shm)|left: without /state/git/\S+")
_TRACE = re.compile(r"^Traceback \(most recent call last\)|^\w*(Error|Exception)\b", re.MULTILINE)
# One, or what the commands are documented with; 0 where the run got over it.
_STATUSES = frozenset({0, 1, 2, 20, 30})


@dataclass(frozen=True)
class Fault:
    """An error of the disk.

    Attributes:
        effect: what it befalls.
        error: the number of the error.
        stays: whether it befalls what comes after as well.
        short: whether half of the write is done first.
    """

    effect: Effect
    error: int
    stays: bool = False
    short: bool = False

    @property
    def name(self) -> str:
        """The error, as people call it."""
        more = " after half" if self.short else ""
        return f"{errno.errorcode[self.error]}{more}{', and stays' if self.stays else ''}"

    @property
    def order(self) -> Order:
        """What the run is to be told, but for where reading counts."""
        way = Way.SHORT if self.short else Way.FAIL
        return Order(way, self.effect.number, self.error, _STAYS[self.error] if self.stays else frozenset())


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Attributes:
        what: the effect, and what befell it.
        problems: what is not as it should be.
        code: the code of the error that the run ended with; empty when it got over it, or was killed.
        kind: of the effect.
        fault: the error's name; empty for a kill.
        temporary: how many temporary files of ours were left.
        kills: how many processes were killed.
    """

    what: str
    problems: tuple[str, ...]
    kind: Kind
    code: str = ""
    fault: str = ""
    temporary: int = 0
    kills: int = 0


def killed(place: Place, effect: Effect, *, torn: bool = False) -> Trial:
    """Kill a run before an effect, or in the middle of a write; then run again, and once more."""
    place.put_back()
    what = f"killed {'in the middle of' if torn else 'before'} {effect}"
    ended = place.ran(Order(Way.TEAR if torn else Way.KILL, effect.number))
    # A run that does not come to so many effects is one that nothing happened to.
    problems = [] if ended.status in {-signal.SIGKILL, 0} else [f"it ended with {ended.status}: {told(ended)}"]
    problems += _again(place)
    left = len(place.temporary())
    return Trial(what, tuple(problems), effect.kind, temporary=left, kills=int(ended.status == -signal.SIGKILL))


def failed(place: Place, fault: Fault) -> Trial:
    """Let an effect fail; then run again without that, and once more."""
    place.put_back()
    what = f"{fault.name} at {fault.effect}"
    order = fault.order
    try:
        ended = place.ran(Order(order.way, order.number, order.error, order.after, below=place.folder))
    except subprocess.TimeoutExpired:
        return Trial(what, ("it hung", *_again(place)), fault.effect.kind, "hung", fault.name)
    code = told(ended) if ended.status not in {0, place.again} else ""
    problems = []
    if not ended.hits:
        problems.append("it did not come to that effect")
    if _TRACE.search(ended.stderr) or _TRACE.search(ended.stdout):
        problems.append(f"a traceback: {ended.stderr.strip().splitlines()[-1:]}")
    if ended.status not in _STATUSES:
        problems.append(f"exit status {ended.status}")
    elif code and code not in refusals.pages():
        problems.append(f"exit status {ended.status} without a code: {code!r}")
        code = "no code"
    if ended.status == 0:
        found = differences(place.state, place.found())
        problems += [f"exit status 0, and yet {one}" for one in found if not _HARMLESS.fullmatch(one)]
    problems += _again(place)
    return Trial(what, tuple(problems), fault.effect.kind, code, fault.name, temporary=len(place.temporary()))


def _again(place: Place) -> list[str]:
    """Run again without a fault, and compare; and once more, which must do nothing."""
    try:
        again = place.ran()
    except subprocess.TimeoutExpired:
        return ["the next run hung"]
    problems = []
    if again.status not in {0, place.again}:
        problems.append(f"the next run ended with {again.status}: {told(again)}")
    problems += differences(place.state, place.found())
    return problems + [f"one more wrote: {one}" for one in place.idle()]


def kills(effects: Sequence[Effect]) -> list[tuple[Effect, bool]]:
    """All kills that there are to be tried: before each effect, and in the middle of each that writes."""
    return [(effect, torn) for effect in effects for torn in (False, True) if not torn or effect.kind is Kind.WRITE]


def faults(effects: Sequence[Effect]) -> Iterator[Fault]:
    """For each effect of the disk one of its errors in turn, once passing and once staying, a write by half as well.

    What is read again and again counts twice only.
    """
    turns = {kind: itertools.cycle(_turns(kind)) for kind in ERRORS}
    read: Counter[str] = Counter()
    for effect in effects:
        if effect.kind is Kind.READ:
            read[effect.place] += 1
        if effect.kind in DISK and read[effect.place] <= 2:
            yield next(turns[effect.kind])(effect)


def _turns(kind: Kind) -> list[Callable[[Effect], Fault]]:
    ways: list[Callable[[Effect], Fault]] = [
        lambda effect, error=error, stays=stays: Fault(effect, error, stays)  # type: ignore[misc]
        for stays in (False, True)
        for error in ERRORS[kind]
    ]
    if kind is Kind.WRITE:
        ways.append(lambda effect: Fault(effect, _FULL, short=True))
    return ways


def thinned(effects: Sequence[Effect], most: int) -> list[Effect]:
    """So many of the effects: of each kind and place the first, and of these as many as are wanted, evenly."""
    first: dict[tuple[Kind, str], Effect] = {}
    for effect in effects:
        first.setdefault((effect.kind, os.path.dirname(effect.place) or effect.place), effect)  # noqa: PTH120 - a word
    chosen = list(first.values())
    return chosen if len(chosen) <= most else [chosen[at * len(chosen) // most] for at in range(most)]
