"""`xenbump watch`: looks at the upstream when it is time to, does what `run` does on news, and tells of it.

A look asks for the list of refs and the index of advisories. Where they, or the package files, differ from the last
look after which nothing failed or was refused, the packages are worked on; at least once a day and when a look is asked
for, too, since the base branch and GitHub may have changed. What is told of it, `events` decides.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from xenbump import events, ledger, schedule, xen
from xenbump.alive import Notifier, Pulse
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.events import UPSTREAM, State
from xenbump.journal import Journal
from xenbump.locks import locked
from xenbump.outcomes import Planned, Published, Rejected, Stopped, Tried, UpToDate
from xenbump.pipeline import Wish, opened
from xenbump.progress import Progress, Said
from xenbump.report.values import Heartbeat
from xenbump.settings import CANDIDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.outcomes import Outcome
    from xenbump.pipeline import Pipeline
    from xenbump.progress import Event as Fact
    from xenbump.report.values import Event
    from xenbump.schedule import Chance, Moment, Next
    from xenbump.settings import Package
    from xenbump.upstream.index import Entry
    from xenbump.upstream.model import Listing, VerifiedRelease

HEARTBEAT = "watch.json"
_LOCK = "watch.lock"
# So often it is looked whether the clock was set or the machine suspended.
_SLICE_SECONDS = 30.0
_DAY_SECONDS = 86400.0
# Beside the longest build: what else may take its time without a word.
_SILENT_SECONDS = 3600.0


class Clock(Protocol):
    """The time, and how it passes."""

    def now(self) -> Moment:
        """Both clocks."""

    def sleep(self, seconds: float) -> None:
        """Wait so long, or less."""


class Tell(Protocol):
    """Who is told."""

    def event(self, event: Event) -> None:
        """Something happened."""

    def error(self, error: XenbumpError) -> None:
        """Something does not work, for the first time or for another reason."""

    def progress(self, sentence: str) -> None:
        """What is being done."""


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only watch with this state folder, for the time of a `with` block; the folder is made where it is missing.

    Raises:
        Failure: E-WATCH-RUNNING when there is another one, E-STATE.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure("E-STATE", f"the state folder cannot be made: {error.strerror}", where=str(state)) from error
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(state / _LOCK, seconds=0))
        except Failure as error:
            if error.code != "E-LOCKED":
                raise
            raise Failure(
                "E-WATCH-RUNNING",
                f"another `xenbump watch` looks after this state folder: {error.what}",
                where=str(state),
                remedy="end that one first, or give this one a state folder of its own (XENBUMP_STATE_DIR)",
            ) from error
        yield


class Watch:
    """A watch over the upstream.

    Args:
        config: the configuration.
        packages: those that are looked after.
        check_only: write and publish nothing: plan, and tell.
        clock: the time.
        chance: spreads the pauses.
        asked: whether a look was asked for since the last question.
        tell: who is told.
        notifier: the service manager's socket.
    """

    def __init__(
        self,
        config: Config,
        packages: Sequence[Package],
        *,
        check_only: bool,
        clock: Clock,
        chance: Chance,
        asked: Callable[[], bool],
        tell: Tell,
        notifier: Notifier,
    ) -> None:
        self._config = config
        self._packages = tuple(packages)
        self._check_only = check_only
        self._clock = clock
        self._chance = chance
        self._asked = asked
        self._tell = tell
        self._notifier = notifier
        self._journal = Journal(config.state)
        self._ledger = ledger.Ledger(
            f"{config.upstream.addresses(config.folder)[0]} {config.upstream.xsa}",
            self._hook if config.watch.hook else None,
            tell.event,
            tell.progress,
        )
        # What the last look after which nothing failed saw, and when that was.
        self._settled: tuple[str, Moment] | None = None
        self._newest: dict[str, str] = {}
        self._again = False
        self._heart = Heartbeat(pid=os.getpid(), time="", state="looking")
        self._pulse = Pulse(
            notifier,
            self._heartbeat,
            config.state / HEARTBEAT,
            limit=config.verify.build_minutes * 60 + config.watch.hook_seconds + _SILENT_SECONDS,
            failed=lambda error: tell.progress(f"{HEARTBEAT} cannot be written: {error.strerror}"),
        )
        self._progress = Progress(self._heard)

    @property
    def state(self) -> State:
        """What is known."""
        return self._ledger.state

    @property
    def heart(self) -> Heartbeat:
        """How the watch is, but for the time."""
        return self._heart

    def run(self) -> None:
        """Look, wait, and so on, until an exception ends it."""
        with self._pulse:
            self._notifier.send(READY="1", STATUS="looking at the upstream for the first time")
            try:
                while True:
                    self.look()
                    self.wait()
            finally:
                self._notifier.send(STOPPING="1", STATUS="ending")
                self._say("stopped", next_check=None, why="")

    def wait(self) -> None:
        """Wait until the next look is due, or one is asked for."""
        before = self._clock.now()
        planned = self._planned(before)
        self._announce(planned)
        while not schedule.is_due(planned, before):
            self._pulse.beat()
            self._clock.sleep(min(_SLICE_SECONDS, schedule.seconds_left(planned, before)))
            if self._asked():
                self._tell.progress("a look was asked for")
                self._again = True
                return
            now = self._clock.now()
            if schedule.jump(before, now) and not schedule.is_due(planned, now):
                self._tell.progress("the clock was set, or the machine suspended")
                planned = schedule.after_jump(planned, now, self.state.times(), self._chance)
                self._announce(planned)
            before = now

    def _planned(self, now: Moment) -> Next:
        return schedule.next_look(now, self.state.times(), self._heart.failures, self._chance)

    def _announce(self, planned: Next) -> None:
        self._tell.progress(f"the next look is at {planned.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({planned.why})")
        self._say("waiting", next_check=events.stamp(planned.at), why=planned.why)

    def look(self) -> None:
        """Look at the upstream once, work on the packages where there is news, and tell of it."""
        self._say("looking", next_check=None, why="")
        outcome: Literal["nothing", "done", "refused", "rejected", "failed"] = "failed"
        try:
            with self._journal.run("watch", self._tell.progress) as run:
                self._ledger.recall(run)
                try:
                    outcomes = self._work(run)
                    outcome = _judged(outcomes)
                except XenbumpError as error:
                    outcome = "failed" if isinstance(error, Failure) else "refused"
                    run.end(error.exit_status)
                    self._trouble(run, error)
                else:
                    run.end(max((one.error.exit_status for one in outcomes if isinstance(one, Stopped)), default=0))
                self._deliver(run)
            checked = {one.name: self._journal.last_checked(one.name) for one in self._packages}
        except XenbumpError as error:  # the journal's
            outcome, checked = "failed", {}
            self._trouble(None, error)
            self._deliver(None)
        self._ended(outcome, checked)

    def _ended(
        self, outcome: Literal["nothing", "done", "refused", "rejected", "failed"], checked: dict[str, float | None]
    ) -> None:
        """Note how a look ended."""
        now = events.stamp(self._clock.now().wall)
        self._heart = msgspec.structs.replace(
            self._heart,
            last_check=now,
            last_success=self._heart.last_success if outcome == "failed" else now,
            last_outcome=outcome,
            failures=self._heart.failures + 1 if outcome == "failed" else 0,
            checked={
                name: None if at is None else events.stamp(datetime.fromtimestamp(at, UTC))
                for name, at in checked.items()
            },
            hook=self._ledger.error,
            troubles=tuple(one.sentence for one in self.state.troubles.values()),
        )

    def _work(self, run: Run) -> list[Outcome]:
        """Look, and work on the packages where that is due; how that ended, nothing where it was not."""
        if self._again:
            self._again, self._settled = False, None
        with xen.opened(self._config, run, self._progress) as upstream:
            listing, entries = upstream.listing(), upstream.library.index()
            seen = self._seen(upstream, listing, entries)
        now = self._clock.now()
        self._ledger.advance(run, events.saw(events.forget(self.state, self._names), seen, now.wall))
        self._deliver(run)
        mark = self._mark(listing, entries)
        if self._is_settled(mark, now):
            for name, newest in self._newest.items():
                run.checked(name, newest)
            self._tell.progress("nothing is new")
            return []
        self._settled = None
        outcomes = self._packages_done(run)
        if not any(isinstance(one, Stopped) for one in outcomes):
            self._settled = (mark, now)
        return outcomes

    @property
    def _names(self) -> list[str]:
        return [one.name for one in self._packages]

    def _seen(self, upstream: xen.Xen, listing: Listing, entries: tuple[Entry, ...]) -> events.Seen:
        """What the upstream has, what is new of it verified."""
        releases = {one.version: one for one in listing.releases}
        fresh, versions = events.unknown(self.state, entries, releases)
        texts = {}
        verified: dict[str, VerifiedRelease] = {}
        refused: dict[str, XenbumpError] = {}
        for entry in fresh:
            try:
                text = upstream.library.read(entry).text
            except Refusal as error:
                refused[f"XSA-{entry.number}"] = error
            else:
                if text is not None:
                    texts[entry.number] = text
        for version in versions:
            try:
                verified[version] = upstream.verified("", releases[version])
            except Refusal as error:
                refused[releases[version].tag] = error
        return events.Seen(entries, tuple(releases), texts, verified, refused)

    def _mark(self, listing: Listing, entries: tuple[Entry, ...]) -> str:
        """What tells one state of upstream and package files from another."""
        digest = hashlib.sha256(msgspec.json.encode((sorted(listing.refs.items()), entries)))
        for package in self._packages:
            content = b""
            with contextlib.suppress(OSError):
                content = self._config.file_of(package).read_bytes()
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def _is_settled(self, mark: str, now: Moment) -> bool:
        """Whether the packages were worked on for the same, not longer ago than a day by either clock."""
        if self._settled is None or self._settled[0] != mark:
            return False
        then = self._settled[1]
        return max(now.steady - then.steady, (now.wall - then.wall).total_seconds()) < _DAY_SECONDS

    def _packages_done(self, run: Run) -> list[Outcome]:
        outcomes = []
        with opened(self._config, run, self._progress) as pipeline:
            for package in self._packages:
                outcome = self._one(pipeline, package)
                outcomes.append(outcome)
                self._note(package, outcome)
                self._ledger.advance(run, events.settled(self.state, package.name, outcome, self._clock.now().wall))
                self._deliver(run)
        return outcomes

    def _one(self, pipeline: Pipeline, package: Package) -> Outcome:
        if not self._check_only:
            return pipeline.publish(package, Wish(prove=True))
        if package.track == CANDIDATE:
            return pipeline.check(package)
        if self._config.github.write == "checkout":
            return pipeline.plan(package)
        # Without a checkout the file is where a publication has it.
        return pipeline.publish(package, Wish(dry_run=True))

    def _note(self, package: Package, outcome: Outcome) -> None:
        """Keep what the newest release is, for looks that find nothing new."""
        self._newest.pop(package.name, None)
        match outcome:
            case Tried(tag=tag):
                self._newest[package.name] = tag
            case UpToDate(subject):
                self._newest[package.name] = subject.version
            case Planned(plan) | Published(plan) | Rejected(plan):
                self._newest[package.name] = plan.target.version
            case Stopped(error=error):
                before = self.state.troubles.get(package.name)
                if before is None or before.sentence != f"{package.name}: {error.kind}: {error}":
                    self._tell.error(error)

    def _trouble(self, run: Run | None, error: XenbumpError) -> None:
        """The look as a whole did not go well."""
        before = self.state.troubles.get(UPSTREAM)
        self._ledger.advance(run, events.failed(self.state, UPSTREAM, error, self._clock.now().wall))
        if before is None or before.mark != self.state.troubles[UPSTREAM].mark:
            self._tell.error(error)

    def _deliver(self, run: Run | None) -> None:
        self._ledger.deliver(run, self._clock.now().wall)

    def _hook(self, event: Event) -> Failure | None:
        self._pulse.beat()
        settings = self._config.watch
        return ledger.call(settings.hook, event, folder=self._config.folder, seconds=settings.hook_seconds)

    def _heard(self, fact: Fact) -> None:
        """The work shows itself."""
        self._pulse.beat()
        if isinstance(fact, Said):
            self._tell.progress(fact.sentence)

    def _say(self, state: Literal["looking", "waiting", "stopped"], *, next_check: str | None, why: str) -> None:
        """Tell how it stands, in the heartbeat and to the service manager."""
        self._heart = msgspec.structs.replace(self._heart, state=state, next_check=next_check, why=why)
        self._pulse.beat()
        self._pulse.show()
        last = f"; last: {self._heart.last_outcome}" if self._heart.last_outcome else ""
        until = f" until {next_check} ({why})" if next_check else ""
        self._notifier.send(STATUS=f"{state}{until}{last}")

    def _heartbeat(self) -> bytes:
        now = events.stamp(self._clock.now().wall)
        return msgspec.json.encode(msgspec.structs.replace(self._heart, time=now)) + b"\n"


def _judged(outcomes: list[Outcome]) -> Literal["nothing", "done", "refused", "rejected", "failed"]:
    """How a look ended, in a word: the worst of what came of its packages."""
    errors = [one.error for one in outcomes if isinstance(one, Stopped)]
    if any(isinstance(error, Failure) for error in errors):
        return "failed"
    if errors:
        return "refused"
    if any(isinstance(one, Rejected) for one in outcomes):
        return "rejected"
    return "done" if any(isinstance(one, Planned | Published) for one in outcomes) else "nothing"
