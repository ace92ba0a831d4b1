"""What happened, from what was seen: pure. A state goes in with what was found; a state with new events comes out.

The state has what is known already, what does not work, and the events that the hook has not taken yet. It is kept as
one value, so that an event is either known and waits for the hook, or is noticed again: none is lost, and none told
twice but where the program was ended between the hook's success and the note of it. Then its `id` is the same.

What a state folder sees first is what there was before: no event. A failure that may pass by itself is told when it
happens twice in a row; what a person must decide, at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from xenbump.errors import Failure, XenbumpError
from xenbump.outcomes import Outcome, Planned, Published, Rejected, Stopped, Tried, UpToDate
from xenbump.publish import summary
from xenbump.publish.markup import clipped, plain
from xenbump.report import documents, text
from xenbump.report.values import AdvisoryEntry, Error, Event, ReleaseEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xenbump.upstream.index import Entry
    from xenbump.upstream.library import Text
    from xenbump.upstream.model import VerifiedRelease

# The name of what is in trouble where the upstream as a whole cannot be looked at.
UPSTREAM = ""
# A publication that was announced is remembered for this long behind its time, for the looks round it.
_REMEMBERED = timedelta(days=1)
_LINE = 240
_TWICE = 2


class Trouble(msgspec.Struct, frozen=True):
    """What does not work.

    Attributes:
        mark: tells one reason from another.
        since: when it was noticed first.
        sentence: what it is.
        times: how often in a row.
        passing: whether it may pass by itself.
        told: whether there was an event for this reason.
        owed: whether there was one for any since it began, so that its end is told, too.
        error: the error, where it is one.
    """

    mark: str
    since: str
    sentence: str
    times: int
    passing: bool
    told: bool
    owed: bool = False
    error: Error | None = None


class State(msgspec.Struct, frozen=True):
    """What is known.

    Attributes:
        begun: whether the upstream was ever seen.
        advisories: the numbers of those that are public.
        releases: their versions.
        announced: the announced times, by number, as `YYYY-MM-DD HH:MM` (UTC).
        told: of each package the plan and the pull request that were told, by `plan NAME` and `pull NAME`.
        troubles: by the name of a package, an advisory (`XSA-N`), a tag, or `UPSTREAM`.
        outbox: what the hook has not taken yet, oldest first.
    """

    begun: bool = False
    advisories: tuple[int, ...] = ()
    releases: tuple[str, ...] = ()
    announced: dict[str, str] = {}
    told: dict[str, str] = {}
    troubles: dict[str, Trouble] = {}
    outbox: tuple[Event, ...] = ()

    def times(self) -> tuple[datetime, ...]:
        """The announced times."""
        return tuple(datetime.fromisoformat(time).replace(tzinfo=UTC) for time in self.announced.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """What the upstream has.

    Attributes:
        entries: of the index of advisories.
        releases: the versions that the repository lists.
        texts: the verified texts of advisories that were not known, by number.
        verified: the releases that were not known and whose signature is good, by version.
        refused: what was not known and is refused, by `XSA-N` or tag.
    """

    entries: Sequence[Entry]
    releases: Sequence[str]
    texts: Mapping[int, Text] = field(default_factory=dict)
    verified: Mapping[str, VerifiedRelease] = field(default_factory=dict)
    refused: Mapping[str, XenbumpError] = field(default_factory=dict)


def stamp(now: datetime) -> str:
    """A time as documents have it."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def unknown(
    state: State, entries: Iterable[Entry], releases: Iterable[str]
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Which public advisories and releases are new, and so to be verified; none where the upstream is seen first."""
    if not state.begun:
        return (), ()
    numbers, versions = set(state.advisories), set(state.releases)
    return (
        tuple(entry for entry in entries if entry.is_published and entry.number not in numbers),
        tuple(version for version in releases if version not in versions),
    )


def saw(state: State, seen: Seen, now: datetime) -> State:
    """The state after a look at the upstream."""
    public = {entry.number for entry in seen.entries if entry.is_published}
    versions = set(seen.releases)
    if state.begun:
        public = set(state.advisories) | seen.texts.keys()
        versions = set(state.releases) | seen.verified.keys()
    entries = {entry.number: entry for entry in seen.entries}
    events = [_advisory(entries[number], one, now) for number, one in sorted(seen.texts.items())]
    events += [_release(one, now) for one in seen.verified.values()]
    announced, fresh = _announced(state, seen.entries, now)
    state = _with(
        state,
        [*events, *fresh],
        begun=True,
        advisories=tuple(sorted(public)),
        releases=tuple(sorted(versions)),
        announced=announced,
    )
    for name, error in seen.refused.items():
        state = failed(state, name, error, now)
    for name in state.troubles:
        if name.startswith(("XSA-", "RELEASE-")) and name not in seen.refused:
            state = works(state, name, now)
    return works(state, UPSTREAM, now)


def _announced(state: State, entries: Iterable[Entry], now: datetime) -> tuple[dict[str, str], list[Event]]:
    """The announced times, and an event for each that is new; past ones are kept for a while.

    One that is overdue counts, too: it may come at any minute, or the clock may be wrong.
    """
    times = {
        number: time
        for number, time in state.announced.items()
        if datetime.fromisoformat(time).replace(tzinfo=UTC) > now - _REMEMBERED
    }
    events = []
    for entry in entries:
        if entry.public_time is None or entry.is_published or entry.public_time <= now - _REMEMBERED:
            continue
        number, time = str(entry.number), f"{entry.public_time:%Y-%m-%d %H:%M}"
        if times.get(number) != time:
            times[number] = time
            events.append(
                _event(
                    "announced",
                    f"XSA-{number} {time}",
                    f"XSA-{number} is announced for {time} UTC",
                    now,
                    advisory=AdvisoryEntry(entry.number, None, time, None, (), entry.is_embargoed(now)),
                )
            )
    return times, events


def _advisory(entry: Entry, read: Text, now: datetime) -> Event:
    public = None if entry.public_time is None else f"{entry.public_time:%Y-%m-%d %H:%M}"
    cves = f" ({', '.join(read.cves)})" if read.cves else ""
    return _event(
        "advisory",
        f"XSA-{entry.number}",
        f"XSA-{entry.number} is public: {read.title or entry.title or 'without a title'}{cves}",
        now,
        advisory=AdvisoryEntry(
            entry.number,
            read.version or entry.version,
            public,
            read.title or entry.title,
            read.cves,
            embargoed=False,
            signed_by=read.signed_by,
            unread=f"{read.code}: {read.what}" if read.code else None,
        ),
    )


def _release(found: VerifiedRelease, now: datetime) -> Event:
    return _event(
        "release",
        found.version,
        f"Xen {found.version} is released: tag {found.tag}, signed by {found.signed_by}",
        now,
        release=ReleaseEntry(found.version, found.tag, found.commit, found.signed_by),
    )


def settled(state: State, package: str, outcome: Outcome, now: datetime) -> State:
    """The state after the work on a package."""
    match outcome:
        case Stopped(error=error):
            return failed(state, package, error, now)
        case Tried():
            return works(state, package, now)
        case UpToDate():
            told = {
                key: value for key, value in state.told.items() if key not in {f"plan {package}", f"pull {package}"}
            }
            return works(msgspec.structs.replace(state, told=told), package, now)
        case Planned():
            return works(_planned(state, package, outcome, now), package, now)
        case Published():
            return works(_pulled(_planned(state, package, outcome, now), package, outcome, now), package, now)
        case Rejected():
            return _rejected(_planned(state, package, outcome, now), package, outcome, now)
    raise TypeError(type(outcome).__name__)


def _digest(outcome: Planned | Published | Rejected) -> str:
    """What tells one change from another: the files as they are to be."""
    digest = hashlib.sha256()
    for edit in outcome.edits:
        after = b"" if edit.after is None else edit.after
        digest.update(f"{edit.file}\0{edit.after is None}\0{len(after)}\0".encode() + after)
    return digest.hexdigest()[:16]


def _planned(state: State, package: str, outcome: Planned | Published | Rejected, now: datetime) -> State:
    key, digest = f"plan {package}", _digest(outcome)
    if state.told.get(key) == digest:
        return state
    event = _event(
        "plan",
        f"{package} {digest}",
        f"{package}: {summary.change(outcome.plan)} is planned",
        now,
        package=package,
        plan=documents.plan([outcome]).packages[0],
    )
    return _with(state, [event], told={**state.told, key: digest})


def _pulled(state: State, package: str, outcome: Published, now: datetime) -> State:
    key, pull = f"pull {package}", outcome.pull
    mark = f"{pull.number} {outcome.commit}"
    if outcome.action == "unchanged":
        # It may be one that another run opened: nobody waits to be told of it.
        return msgspec.structs.replace(state, told={**state.told, key: mark})
    if outcome.action in {"hands-off", "deferred"}:
        mark += f" {outcome.action}"
    if state.told.get(key) == mark:
        return state
    event = _event(
        "pull-request",
        f"{package} {mark}",
        f"{text.outcome(outcome)[0]}: {pull.url}",
        now,
        package=package,
        pull_request=documents.run([outcome]).packages[0].pull_request,
    )
    return _with(state, [event], told={**state.told, key: mark})


def _rejected(state: State, package: str, outcome: Rejected, now: datetime) -> State:
    change = summary.change(outcome.plan)
    verification = documents.run([outcome]).packages[0].verification
    trouble = Trouble(
        mark=f"rejected {_digest(outcome)}",
        since=stamp(now),
        sentence=f"{package}: {change} failed its verification",
        times=1,
        passing=False,
        told=False,
    )
    return _in_trouble(state, package, trouble, now, verification=verification)


def failed(state: State, name: str, error: XenbumpError, now: datetime) -> State:
    """The state after something failed or was refused.

    Args:
        state: the one before.
        name: of the package, advisory or tag, or `UPSTREAM`.
        error: why.
        now: when.
    """
    passing = isinstance(error, Failure)
    # The words of what may pass differ from one time to the next, by the address that was tried for one.
    mark = error.code if passing else f"{error.code} {error.where} {error.what}"
    told = documents.error(error)
    sentence = f"{name or 'the upstream'}: {error.kind}: {error}"
    trouble = Trouble(mark, stamp(now), sentence, 1, passing=passing, told=False, error=told)
    return _in_trouble(state, name, trouble, now)


def _in_trouble(state: State, name: str, trouble: Trouble, now: datetime, **parts: Any) -> State:
    before = state.troubles.get(name)
    if before is not None:
        same = before.mark == trouble.mark
        trouble = msgspec.structs.replace(
            trouble,
            since=before.since,
            times=before.times + 1 if same or (before.passing and trouble.passing) else 1,
            # Of those that may pass, one is told for all that follow on it.
            told=before.told and (same or (before.passing and trouble.passing)),
            owed=before.owed,
        )
    events = []
    if not trouble.told and (trouble.times >= _TWICE or not trouble.passing):
        trouble = msgspec.structs.replace(trouble, told=True, owed=True)
        events.append(
            _event(
                "failure",
                f"{_named(name)} {_short(trouble.mark)} {trouble.since}",
                trouble.sentence,
                now,
                package=_package(name),
                since=trouble.since,
                error=trouble.error,
                **parts,
            )
        )
    return _with(state, events, troubles={**state.troubles, name: trouble})


def works(state: State, name: str, now: datetime) -> State:
    """The state after something went well: where a failure was told, so is its end."""
    trouble = state.troubles.get(name)
    if trouble is None:
        return state
    events = []
    if trouble.owed:
        what = f"{name or 'the upstream'} is well again, after this since {trouble.since}: {trouble.sentence}"
        events.append(
            _event(
                "recovered",
                f"{_named(name)} {trouble.since}",
                what,
                now,
                package=_package(name),
                since=trouble.since,
                error=trouble.error,
            )
        )
    left = {key: value for key, value in state.troubles.items() if key != name}
    return _with(state, events, troubles=left)


def forget(state: State, packages: Iterable[str]) -> State:
    """The state without the troubles of packages that are not looked at any more."""
    kept = {*packages, UPSTREAM}
    left = {name: one for name, one in state.troubles.items() if name in kept or name.startswith(("XSA-", "RELEASE-"))}
    return state if left == state.troubles else msgspec.structs.replace(state, troubles=left)


def _named(name: str) -> str:
    return name or "upstream"


def _package(name: str) -> str | None:
    return None if name == UPSTREAM or name.startswith(("XSA-", "RELEASE-")) else name


def _short(mark: str) -> str:
    """A mark as it may stand in an identifier: its code, and a digest where it has more."""
    code, _, more = mark.partition(" ")
    return f"{code} {hashlib.sha256(more.encode()).hexdigest()[:12]}" if more else code


def _event(kind: Any, of: str, told: str, now: datetime, **parts: Any) -> Event:
    return Event(event=kind, id=f"{kind} {of}", at=stamp(now), summary=clipped(plain(told), _LINE), **parts)


def _with(state: State, events: Iterable[Event], **changes: Any) -> State:
    known = {event.id for event in state.outbox}
    outbox = (*state.outbox, *(event for event in events if event.id not in known))
    return msgspec.structs.replace(state, outbox=outbox, **changes)
