"""The journal: whole, not from the future, and when a check last succeeded. No run is written."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.errors import Failure
from xenbump.journal import Journal
from xenbump.upstream.model import VerifiedRelease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.doctor.model import Check

_SECONDS = 40.0
_BUSY_SECONDS = 5.0
_BESIDE = ("-wal", "-shm", "-journal")
_DAY, _HOUR = 86400.0, 3600.0
# A clock may be put right by so much without anybody noticing.
_SLACK_SECONDS = 120.0

_JOURNAL_COSTS = "no command that works on packages can begin"
_ASIDE_COSTS = "what was published and verified before is asked for again, or done again"
_CLOCK_COSTS = "good signatures are refused as made in the future, and embargoes end too late"
_CHECK_COSTS = "releases and advisories since then are not seen"


def probes(
    state: Path, packages: tuple[str, ...], days: int, now: Callable[[], float] = time.time
) -> tuple[Probe, ...]:
    """The checks of the journal.

    Args:
        state: the state folder.
        packages: the names of the configured packages.
        days: how old the last successful check of each may be.
        now: seconds since 1970.
    """
    path = Journal(state).path
    return (
        Probe("journal", partial(_whole, path), _SECONDS, _JOURNAL_COSTS),
        Probe("damaged journals", partial(_aside, path), _SECONDS, _ASIDE_COSTS),
        Probe("times in the journal", partial(_times, path, now), _SECONDS, _CLOCK_COSTS),
        *(
            Probe(f"last check: {name}", partial(_last, state, name, days, now), _SECONDS, _CHECK_COSTS)
            for name in packages
        ),
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal, open for reading.

    Raises:
        Failure: E-JOURNAL.
    """
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as db:
            yield db
    except sqlite3.Error as error:
        raise Failure(
            "E-JOURNAL", f"the journal cannot be used: {error}", where=str(path), remedy=f"mv {path} {path}.damaged"
        ) from error


def _whole(path: Path) -> Check:
    if not path.exists():
        return skipped("journal", "there is none yet: nothing was run")
    with _reading(path) as db:
        said = [str(line) for (line,) in db.execute("PRAGMA quick_check(3)")]
        runs = 0 if said != ["ok"] else int(db.execute("SELECT count(*) FROM run").fetchone()[0])
    if said != ["ok"]:
        return lack(
            "journal", f"{path} is damaged: {said[0]}", _JOURNAL_COSTS, f"mv {path} {path}.damaged", broken=True
        )
    try:
        # What opens it for writing sees whether it is a newer program's, or another's.
        Journal(path.parent).last_checked("")
    except Failure as error:
        return lack("journal", error.what, _JOURNAL_COSTS, f"xenbump explain {error.code}", broken=True)
    return ok("journal", f"whole, {runs} runs")


def _aside(path: Path) -> Check:
    """Whether runs have put damaged journals aside: a disk that damages one file damages others."""
    name = "damaged journals"
    found = sorted(one.name for one in path.parent.glob(f"{path.name}.damaged-*") if not one.name.endswith(_BESIDE))
    if not found:
        return ok(name, "none was put aside")
    said = f"{len(found)} in {path.parent}, the newest {found[-1]}; look at the disk"
    return lack(name, said, _ASIDE_COSTS, f"rm {path}.damaged-*")


def _times(path: Path, now: Callable[[], float]) -> Check:
    """Whether the clock is behind what is known to have happened: runs of ours, signatures of theirs."""
    name = "times in the journal"
    if not path.exists():
        return skipped(name, "there is no journal yet")
    with _reading(path) as db:
        last = db.execute("SELECT max(began) FROM run").fetchone()[0] or 0.0
        outputs = [text for (text,) in db.execute("SELECT output FROM step WHERE name = 'verify' AND output NOT NULL")]
    signed = 0
    for text in outputs:
        with contextlib.suppress(msgspec.MsgspecError):
            signed = max(signed, msgspec.json.decode(text, type=VerifiedRelease).signed_at)
    today = now()
    for what, at in (("a release was signed", float(signed)), ("a run began", float(last))):
        if at > today + _SLACK_SECONDS:
            said = f"by this machine's clock, {what} {_duration(at - today)} from now"
            return lack(name, said, _CLOCK_COSTS, "timedatectl set-ntp true", broken=True)
    return ok(name, "no run and no signature is from the future")


def _last(state: Path, package: str, days: int, now: Callable[[], float]) -> Check:
    name = f"last check: {package}"
    journal = Journal(state)
    do = f"xenbump check --package {package}"
    if not journal.path.exists():
        return skipped(name, f"nothing was run yet: {do}")
    with _reading(journal.path) as db:
        found = db.execute("SELECT at FROM checked WHERE package = ?", (package,)).fetchone()
    if found is None:
        return skipped(name, f"none has succeeded yet: {do}")
    age = now() - float(found[0])
    if age > days * _DAY:
        return lack(name, f"{_duration(age)} ago; {days} days are allowed", _CHECK_COSTS, do, broken=True)
    return ok(name, f"{_duration(age)} ago" if age >= _HOUR else "within the hour")


def _duration(seconds: float) -> str:
    """A time in the unit that tells most."""
    for unit, size in (("days", _DAY), ("hours", _HOUR), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} seconds"
