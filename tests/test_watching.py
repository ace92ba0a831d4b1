"""The watch itself, on the demo's world, with a clock of the test's: when it looks, what it does, what it tells."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import schemas
from tests.support.worlds import shared, staged
from xenbump import config as configuration
from xenbump.alive import Notifier
from xenbump.demo import story
from xenbump.demo.git_server import Status
from xenbump.demo.github_server import Fault
from xenbump.errors import Failure, UsageError
from xenbump.journal import Journal
from xenbump.schedule import Moment
from xenbump.signals import Ended
from xenbump.watching import Watch, alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage
    from xenbump.errors import XenbumpError
    from xenbump.report.values import Event

__all__ = ["shared"]

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
START = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes when somebody sleeps."""

    moment: Moment = field(default_factory=lambda: Moment(START, 0.0))
    naps: list[float] = field(default_factory=list)

    def now(self) -> Moment:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.move(seconds)

    def move(self, seconds: float, wall: float | None = None) -> None:
        by = seconds if wall is None else wall
        self.moment = Moment(self.moment.wall + timedelta(seconds=by), self.moment.steady + seconds)


@dataclass
class Told:
    """What was told."""

    events: list[Event] = field(default_factory=list)
    errors: list[XenbumpError] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def error(self, error: XenbumpError) -> None:
        self.errors.append(error)

    def progress(self, sentence: str) -> None:
        self.said.append(sentence)

    def kinds(self) -> list[str]:
        """The kinds of the events since the last question."""
        kinds: list[str] = [event.event for event in self.events]
        self.events.clear()
        return kinds


@dataclass
class Post:
    """A watch, and everything around it."""

    stage: Stage
    clock: Clock = field(default_factory=Clock)
    told: Told = field(default_factory=Told)
    asked: bool = False

    def watch(self, *, check_only: bool = False) -> Watch:
        config = self.stage.config()
        return Watch(
            config,
            config.packages,
            check_only=check_only,
            clock=self.clock,
            chance=Random(4),  # noqa: S311 - nothing secret
            asked=self._asked,
            tell=self.told,
            notifier=Notifier(),
        )

    def _asked(self) -> bool:
        found, self.asked = self.asked, False
        return found

    def heart(self) -> Any:
        value = json.loads((self.stage.world.folder / "state" / "watch.json").read_text("utf-8"))
        schemas.validate(value, json.loads((SCHEMAS / "heartbeat.json").read_text("utf-8")))
        return value


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A world whose package file is at the newest release of its branch."""
    with staged(tmp_path_factory.mktemp("world"), version="4.20.4") as made:
        yield made


@pytest.fixture
def post(current: Stage) -> Post:
    current.reset()
    return Post(current)


def test_looks_that_find_nothing_ask_two_questions_and_count_as_checks(post: Post) -> None:
    watch, stage = post.watch(), post.stage
    watch.look()
    assert (watch.heart.last_outcome, post.told.kinds()) == ("nothing", ["announced"])
    with Journal(stage.config().state).run("test") as run:
        run.checked("xen", "before")
    before = Journal(stage.config().state).last_checked("xen")
    stage.forget()
    post.told.said.clear()
    watch.look()
    assert [one.path for one in stage.world.git.requests if "info/refs" in one.path] == [
        "/xen.git/info/refs?service=git-upload-pack"
    ]
    assert [(one.name, one.status) for one in stage.world.xenbits_server.requests] == [("xsa.json", 304)]
    assert post.told.said[-1] == "nothing is new"
    after = Journal(stage.config().state).last_checked("xen")
    assert before is not None
    assert after is not None
    assert after > before
    # A day later everything is looked at, and whenever it is asked for.
    post.clock.move(0.0, wall=86_400.0)
    watch.look()
    assert post.told.said[-1] != "nothing is new"
    post.asked = True
    watch.wait()
    assert "a look was asked for" in post.told.said
    stage.world.git.fail_next("xen.git/info/refs", Status(503))
    watch.look()
    assert watch.heart.last_outcome == "failed"
    watch.look()  # it is still to be done
    assert post.told.said[-1] != "nothing is new"
    assert (post.told.kinds(), len(post.told.errors)) == ([], 1)


def test_a_changed_package_file_is_worked_on(post: Post) -> None:
    watch, package = post.watch(check_only=True), post.stage.world.package
    watch.look()
    package.write_bytes(package.read_bytes().replace(b'"4.20.4"', b'"4.20.3"'))
    watch.look()
    assert (watch.heart.last_outcome, post.told.kinds()) == ("done", ["announced", "plan"])
    assert (post.stage.exchanges(), post.stage.pulls) == ([], [])


def test_what_is_known_outlives_the_watch(post: Post) -> None:
    post.watch().look()
    assert post.told.kinds() == ["announced"]
    story.publish_at_noon(post.stage.world.xenbits)
    post.watch().look()
    assert post.told.kinds() == ["advisory", "plan", "pull-request"]
    assert len(post.stage.pulls) == 1
    post.watch().look()
    assert post.told.kinds() == []
    with Journal(post.stage.config().state).run("test") as run:
        (key,) = [row[0] for row in run._db.execute("SELECT key FROM memory WHERE kind = 'watch'")]
        assert "xen.git" in key
        run.remember("watch", key, '{"begun": "another program wrote it"}')
    # All of it is seen for the first time then: what was published before is no news.
    post.watch().look()
    assert post.told.kinds() == ["announced", "plan"]


@pytest.mark.parametrize("passing", [True, False])
def test_what_cannot_be_published_is_tried_again_at_each_look(post: Post, *, passing: bool) -> None:
    """What may pass is told when it lasts; what a person must mend, at once."""
    watch, stage, told = post.watch(), post.stage, post.told
    story.publish_at_noon(stage.world.xenbits)
    if passing:
        stage.world.git.fail_next("packages.git/info/refs.*receive-pack", Status(503), times=2)
    else:
        stage.world.github.fail_next("GET", ".*/pulls", Fault.reply(404), times=2)
    watch.look()
    assert (watch.heart.last_outcome, watch.heart.failures) == (("failed", 1) if passing else ("refused", 0))
    assert told.kinds() == (["announced"] if passing else ["announced", "failure"])
    watch.look()
    assert told.kinds() == (["failure"] if passing else [])
    assert [one.startswith("xen: ") for one in watch.heart.troubles] == [True]
    watch.look()
    assert (told.kinds(), list(watch.heart.troubles)) == (["plan", "pull-request", "recovered"], [])
    assert (len(stage.pulls), len(told.errors)) == (1, 1)


def test_a_fault_of_the_upstream_that_lasts_is_told_and_so_is_its_end(post: Post) -> None:
    watch, told = post.watch(), post.told
    watch.look()
    assert told.kinds() == ["announced"]
    post.stage.world.git.fail_next("xen.git/info/refs", Status(503), times=2)
    watch.look()
    assert (watch.heart.last_outcome, watch.heart.failures, told.kinds()) == ("failed", 1, [])
    post.clock.move(60.0)
    watch.look()
    (event,) = told.events
    assert (event.event, event.since, event.at) == ("failure", "2026-03-24T09:00:00Z", "2026-03-24T09:01:00Z")
    assert event.error is not None
    assert "503" in event.error.what
    assert watch.heart.troubles == (event.summary,)
    assert (watch.heart.failures, watch.heart.last_success) == (2, "2026-03-24T09:00:00Z")
    told.events.clear()
    watch.look()
    assert (watch.heart.failures, list(watch.heart.troubles), told.kinds()) == (0, [], ["recovered"])
    # Once, not for every look.
    assert len(told.errors) == 1


def test_a_forged_advisory_is_refused_and_told_and_the_rest_goes_on(post: Post) -> None:
    watch, told, shelf = post.watch(), post.told, post.stage.world.xenbits
    watch.look()
    told.kinds()
    story.publish_at_noon(shelf)
    good = (shelf.folder / "advisory-486.txt").read_bytes()
    shelf.put(486, good.replace(b"deadline", b"headline"))
    watch.look()
    assert watch.heart.last_outcome == "refused"
    found = [(event.event, event.id.split()[1], event.error and event.error.code) for event in told.events]
    assert ("failure", "XSA-486", "E-SIGNATURE-BAD") in found
    assert "advisory" not in told.kinds()
    shelf.put(486, good)
    watch.look()
    assert told.kinds()[:2] == ["advisory", "recovered"]


def test_a_day_round_a_publication(post: Post) -> None:
    """It looks hourly, then every minute; the advisory comes eleven minutes late and is a pull request then."""
    stage, clock = post.stage, post.clock
    stage.world.xenbits.listed(486, public_time="2026-03-24 12:00")
    watch = post.watch()
    looks: list[datetime] = []
    work, late = watch.look, START + timedelta(hours=3, minutes=11)

    def look() -> None:
        now = clock.moment.wall
        looks.append(now)
        if now > START + timedelta(hours=5):
            raise Ended
        if now >= late and len(stage.world.xenbits.entries[486]) == 2:
            story.publish_at_noon(stage.world.xenbits)
        # Time is saved where nothing is to be seen.
        if len(looks) == 1 or abs(now - late) < timedelta(minutes=2):
            work()

    watch.look = look  # type: ignore[method-assign]
    with pytest.raises(Ended):
        watch.run()
    noon = START + timedelta(hours=3)
    close = [one for one in looks if noon - timedelta(minutes=3) < one < noon + timedelta(minutes=28)]
    assert 26 <= len(close) <= 34
    assert len(looks) - len(close) <= 8
    at = {event.event: event.at for event in post.told.events}
    assert at["announced"] < "2026-03-24T12:00:00Z"
    assert "2026-03-24T12:11:00Z" <= at["advisory"] <= at["pull-request"] < "2026-03-24T12:13:00Z"
    assert max(clock.naps) <= 30.0
    heart = post.heart()
    assert (heart["state"], heart["next_check"], heart["last_outcome"]) == ("stopped", None, "nothing")


def test_a_clock_that_is_set_is_said(post: Post) -> None:
    watch, clock = post.watch(), post.clock
    sleep = clock.sleep

    def nap(seconds: float) -> None:
        sleep(seconds)
        if len(clock.naps) == 3:
            clock.move(0.0, wall=-7200.0)

    clock.sleep = nap  # type: ignore[method-assign]
    watch.wait()
    assert [one for one in post.told.said if "the clock was set" in one] == [
        "the clock was set, or the machine suspended"
    ]
    # The pause went on by the steady clock.
    assert 3200 < clock.moment.steady < 4000


def test_a_journal_that_cannot_be_used_stops_nothing(post: Post) -> None:
    watch, state = post.watch(), post.stage.config().state
    state.mkdir(exist_ok=True)
    (state / "journal.sqlite3").mkdir()
    watch.look()
    watch.look()
    assert ([error.code for error in post.told.errors], post.told.kinds()) == (["E-STATE"], ["failure"])
    assert watch.heart.failures == 2
    (state / "journal.sqlite3").rmdir()
    watch.look()
    assert (watch.heart.failures, sorted(post.told.kinds())) == (0, ["announced", "recovered"])


def test_one_watch_for_a_state_folder(tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    with alone(state):
        with pytest.raises(Failure) as caught, alone(state):
            pass
        assert (caught.value.code, caught.value.where) == ("E-WATCH-RUNNING", str(state))
        with alone(tmp_path / "other"):
            pass
    with alone(state):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as other, alone(tmp_path / "file"):
        pass
    assert other.value.code == "E-STATE"


@pytest.mark.parametrize(
    ("written", "line", "word"),
    [
        ("hook = 'notify'", 5, "array"),
        ("hook = ['']", 5, "the first is the program"),
        ("hook-seconds = 0", 5, "at least 1"),
        ("hooks = ['notify']", 5, "hooks"),
    ],
)
def test_a_wrong_table(tmp_path: Path, written: str, line: int, word: str) -> None:
    path = tmp_path / "xenbump.toml"
    path.write_text(f"[[package]]\nname = 'xen'\nfile = 'a.nix'\n[watch]\n{written}\n")
    with pytest.raises(UsageError) as caught:
        configuration.load(path, {})
    assert caught.value.code == "E-CONFIG"
    assert word in caught.value.what
    assert caught.value.where.endswith(f", line {line}")


def test_a_right_table(tmp_path: Path) -> None:
    path = tmp_path / "xenbump.toml"
    path.write_text("[[package]]\nname = 'xen'\nfile = 'a.nix'\n[watch]\nhook = ['a', 'b']\nhook-seconds = 9\n")
    settings = configuration.load(path, {}).watch
    assert (settings.hook, settings.hook_seconds) == (("a", "b"), 9)
