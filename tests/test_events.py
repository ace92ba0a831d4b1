"""From what was seen to what is told: every kind of event, once; troubles that begin, last and end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish import plans
from tests.report.outcomes import EDITS, FILE, OUTCOMES, PULL, RELEASE, SUBJECT, WORDS
from tests.support import schemas
from xenbump import events
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.events import UPSTREAM, Seen, State
from xenbump.outcomes import Planned, Published, Rejected, Stopped, UpToDate
from xenbump.package.rewrite import Edit
from xenbump.upstream.index import Entry
from xenbump.upstream.library import Text
from xenbump.verify.evidence import Evidence, Step, StepResult

if TYPE_CHECKING:
    from xenbump.outcomes import Outcome
    from xenbump.report.values import Event

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "schemas" / "event.json").read_text("utf-8"))
NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)
PUBLIC = datetime(2026, 3, 3, 12, tzinfo=UTC)
SOON = NOW + timedelta(days=7)
OLD = Entry(480, version=2, public_time=PUBLIC, title="an old one")
BEGUN = State(begun=True, advisories=(480,), releases=("4.20.2",))
TEXT = Text("a new\none", ("CVE-2097-1",), 3, None, "E-ADVISORY-TABLE", "line 3", "A" * 40, 1_767_225_600)
NETWORK = Failure("E-NETWORK", "no network", where="https://example.org")
REFUSED = Refusal("E-PATCH-CONFLICT", "xsa480.patch does not apply")
FAILED = Rejected(plans.full(), EDITS, Evidence("xen", "4.20.3", "4.20.3", "qemu", (StepResult(Step.BUILD, "failed"),)))


def told(before: State, after: State) -> list[Event]:
    """The events that came with a state, each valid by the schema."""
    fresh = list(after.outbox[len(before.outbox) :])
    for one in fresh:
        schemas.validate(json.loads(msgspec.json.encode(one)), SCHEMA)
    return fresh


def kinds(before: State, after: State) -> list[str]:
    return [one.event for one in told(before, after)]


def taken(state: State) -> State:
    """The state when the hook has taken everything."""
    return msgspec.structs.replace(state, outbox=())


# --- the upstream ----------------------------------------------------------------------------------------------------


def test_what_there_was_before_is_no_news_but_what_is_announced() -> None:
    entries = (OLD, Entry(484), Entry(485, public_time=SOON))
    assert events.unknown(State(), entries, ("4.20.2",)) == ((), ())
    state = events.saw(State(), Seen(entries, ("4.20.2", "4.21.0")), NOW)
    (event,) = told(State(), state)
    assert (event.event, event.id) == ("announced", "announced XSA-485 2026-03-31 12:00")
    assert event.summary == "XSA-485 is announced for 2026-03-31 12:00 UTC"
    assert (state.begun, state.advisories, state.releases) == (True, (480,), ("4.20.2", "4.21.0"))
    assert state.times() == (SOON,)
    assert events.saw(taken(state), Seen(entries, ("4.20.2", "4.21.0")), NOW) == taken(state)


def test_a_new_advisory_and_a_new_release() -> None:
    new = Entry(486, version=3, public_time=PUBLIC, title="by the index")
    assert events.unknown(BEGUN, (OLD, new, Entry(487)), ("4.20.2", "4.20.3")) == ((new,), ("4.20.3",))
    state = events.saw(BEGUN, Seen((OLD, new), ("4.20.2", "4.20.3"), {486: TEXT}, {"4.20.3": RELEASE}), NOW)
    advisory, release = told(BEGUN, state)
    assert advisory.summary == "XSA-486 is public: a new one (CVE-2097-1)"
    assert advisory.advisory is not None
    assert (advisory.advisory.version, advisory.advisory.signed_by) == (3, "A" * 40)
    assert advisory.advisory.unread == "E-ADVISORY-TABLE: line 3"
    assert release.summary == f"Xen 4.20.3 is released: tag RELEASE-4.20.3, signed by {'A' * 40}"
    assert (state.advisories, state.releases) == ((480, 486), ("4.20.2", "4.20.3"))
    assert events.unknown(state, (OLD, new), ("4.20.2", "4.20.3")) == ((), ())


def test_what_is_refused_stays_unknown_until_it_is_good() -> None:
    new = Entry(486, version=1, public_time=PUBLIC, title="t")
    seen = Seen((OLD, new), ("4.20.2", "4.20.3"), refused={"XSA-486": REFUSED, "RELEASE-4.20.3": REFUSED})
    state = events.saw(BEGUN, seen, NOW)
    assert [(one.event, one.package) for one in told(BEGUN, state)] == [("failure", None), ("failure", None)]
    assert events.unknown(state, seen.entries, seen.releases) == ((new,), ("4.20.3",))
    assert kinds(state, events.saw(state, seen, NOW)) == []
    good = replace(seen, texts={486: TEXT}, verified={"4.20.3": RELEASE}, refused={})
    assert kinds(state, events.saw(state, good, NOW)) == ["advisory", "release", "recovered", "recovered"]
    # A tag that is gone again is no trouble, either.
    gone = Seen((OLD, new), ("4.20.2",), {486: TEXT})
    assert events.saw(state, gone, NOW).troubles == {}


def test_an_announcement_that_moves_is_told_again_and_one_that_passed_is_kept_a_day() -> None:
    first = events.saw(BEGUN, Seen((OLD, Entry(485, public_time=SOON)), ()), NOW)
    later = SOON + timedelta(days=1)
    moved = events.saw(first, Seen((OLD, Entry(485, public_time=later)), ()), NOW)
    assert [one.id for one in told(first, moved)] == ["announced XSA-485 2026-04-01 12:00"]
    assert moved.times() == (later,)
    public = Entry(485, version=1, public_time=later, title="t")
    known = events.saw(moved, Seen((OLD, public), (), {485: TEXT}), later + timedelta(minutes=1))
    # One that is late is looked for as one that is ahead; one that is very late was given up.
    late = events.saw(BEGUN, Seen((OLD, Entry(485, public_time=later)), ()), later + timedelta(minutes=20))
    assert (kinds(BEGUN, late), late.times()) == (["announced"], (later,))
    assert events.saw(BEGUN, Seen((OLD, Entry(485, public_time=later)), ()), later + timedelta(days=1)) == BEGUN
    # Looks round it go on, since more may come.
    assert (kinds(moved, known), known.times()) == (["advisory"], (later,))
    assert events.saw(known, Seen((OLD, public), ()), later + timedelta(days=1)).times() == ()


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6))), max_size=8)
)
def test_nothing_is_told_twice_and_nothing_is_lost(looks: list[tuple[set[int], set[int], set[int]]]) -> None:
    """Advisories and releases come, are refused and go as they like; of each that was ever read, there is one event."""
    state, expected, ids = State(), set[str](), list[str]()
    for place, (public, announced, refused) in enumerate(looks):
        now = NOW + timedelta(hours=place)
        entries = [
            Entry(number, version=1, title="t", public_time=PUBLIC)
            if number in public
            else Entry(number, public_time=SOON if number in announced else None)
            for number in range(1, 7)
        ]
        versions = [f"4.20.{number}" for number in sorted(public)]
        fresh, new = events.unknown(state, entries, versions)
        texts = {entry.number: TEXT for entry in fresh if entry.number not in refused}
        verified = {one: replace(RELEASE, version=one) for one in new if int(one[5:]) not in refused}
        bad: dict[str, Any] = {f"XSA-{entry.number}": REFUSED for entry in fresh if entry.number in refused}
        expected |= {f"advisory XSA-{number}" for number in texts} | {f"release {version}" for version in verified}
        after = events.saw(state, Seen(entries, versions, texts, verified, bad), now)
        assert after.begun
        ids += [one.id for one in told(state, after) if one.event in {"advisory", "release", "announced"}]
        # The hook takes some of them.
        state = msgspec.structs.replace(after, outbox=after.outbox[place % 3 :])
        assert msgspec.json.decode(msgspec.json.encode(state), type=State) == state
    assert len(ids) == len(set(ids))
    assert {one for one in ids if not one.startswith("announced")} == expected


# --- packages --------------------------------------------------------------------------------------------------------


def settled(state: State, outcome: Outcome, now: datetime = NOW) -> State:
    return events.settled(state, "xen", outcome, now)


def published(action: str, commit: str = "c" * 40, number: int = 7) -> Published:
    pull = replace(PULL, number=number)
    return Published(plans.full(), EDITS, WORDS, "xenbump/xen-4.20", commit, pull, action, reason="because")


def test_a_plan_is_told_when_it_is_another_one() -> None:
    state = settled(State(), Planned(plans.full(), EDITS))
    (event,) = told(State(), state)
    assert (event.event, event.package, event.summary) == ("plan", "xen", "xen: 4.20.2 -> 4.20.3 is planned")
    assert event.plan is not None
    assert event.plan.to is not None
    assert event.plan.to.version == "4.20.3"
    assert settled(state, Planned(plans.full(), EDITS)) == state
    other = settled(state, Planned(plans.full(), (Edit(FILE, b"a", b"b"),)))
    assert kinds(state, other) == ["plan"]
    removed = settled(other, Planned(plans.full(), (Edit(FILE, b"a", None),)))
    assert kinds(other, removed) == ["plan"]
    # Once it is done it is forgotten.
    done = settled(other, UpToDate(SUBJECT))
    assert (kinds(other, done), done.told) == ([], {})


def test_a_pull_request_is_told_when_something_is_done_to_it() -> None:
    state = settled(State(), published("opened"))
    plan, pull = told(State(), state)
    assert (plan.event, pull.event, pull.id) == ("plan", "pull-request", f"pull-request xen 7 {'c' * 40}")
    assert pull.pull_request is not None
    assert (pull.pull_request.number, pull.pull_request.action) == (7, "opened")
    assert pull.summary.endswith("draft pull request 7 opened: because: https://example.org/7")
    for action, commit, expected in (
        ("unchanged", "c", []),
        ("updated", "d", ["pull-request"]),
        ("unchanged", "d", []),
        ("hands-off", "e", ["pull-request"]),
        ("hands-off", "e", []),
        ("deferred", "e", ["pull-request"]),
    ):
        before, state = state, settled(state, published(action, commit * 40))
        assert (action, kinds(before, state)) == (action, expected)


def test_a_pull_request_that_was_there_before_is_no_news() -> None:
    assert kinds(State(), settled(State(), published("unchanged"))) == ["plan"]


def test_a_change_that_fails_its_verification_is_a_failure_with_what_came_out() -> None:
    state = settled(State(), FAILED)
    plan, failure = told(State(), state)
    assert (plan.event, failure.event) == ("plan", "failure")
    assert failure.summary == "xen: 4.20.2 -> 4.20.3 failed its verification"
    assert failure.verification is not None
    assert failure.verification.outcome == "rejected"
    assert settled(state, FAILED).outbox == state.outbox
    assert kinds(state, settled(state, published("opened"))) == ["pull-request", "recovered"]


# --- troubles --------------------------------------------------------------------------------------------------------


def test_what_may_pass_is_told_the_second_time_and_once() -> None:
    first = events.failed(State(), UPSTREAM, NETWORK, NOW)
    second = events.failed(first, UPSTREAM, NETWORK, NOW + timedelta(minutes=1))
    assert kinds(State(), first) == []
    (event,) = told(first, second)
    assert (event.id, event.since, event.at) == (
        "failure upstream E-NETWORK 2026-03-24T12:00:00Z",
        "2026-03-24T12:00:00Z",
        "2026-03-24T12:01:00Z",
    )
    assert event.summary == "the upstream: failed: E-NETWORK: https://example.org: no network"
    third = events.failed(second, UPSTREAM, Failure("E-NETWORK", "another word"), NOW)
    # One that passes over into another one of its kind is the same to whoever waits for the end.
    fourth = events.failed(third, UPSTREAM, Failure("E-HTTP-STATUS", "503"), NOW)
    assert (kinds(second, fourth), fourth.troubles[""].times) == ([], 4)
    (end,) = told(fourth, events.works(fourth, UPSTREAM, NOW + timedelta(hours=1)))
    assert (end.event, end.since) == ("recovered", event.since)


def test_what_passes_at_once_is_not_told() -> None:
    first = events.failed(State(), "xen", NETWORK, NOW)
    assert events.works(first, "xen", NOW) == State()
    again = events.failed(events.works(first, "xen", NOW), "xen", NETWORK, NOW)
    assert again.outbox == ()


@pytest.mark.parametrize("error", [REFUSED, UsageError("E-TOKEN-REJECTED", "no")])
def test_what_a_person_must_mend_is_told_at_once_and_anew_when_it_is_another_thing(error: Any) -> None:
    state = settled(State(), Stopped("xen", FILE, error))
    (event,) = told(State(), state)
    assert (event.event, event.package, event.error and event.error.code) == ("failure", "xen", error.code)
    assert settled(state, Stopped("xen", FILE, error)).outbox == state.outbox
    other = settled(state, Stopped("xen", FILE, Refusal(error.code, "another patch")))
    assert kinds(state, other) == ["failure"]
    assert other.outbox[-1].id != event.id
    assert kinds(other, settled(other, OUTCOMES["up-to-date"])) == ["recovered"]


def test_a_refusal_that_becomes_a_failure_is_told_when_it_lasts() -> None:
    refused = settled(State(), Stopped("xen", FILE, REFUSED))
    once = settled(refused, Stopped("xen", FILE, NETWORK))
    twice = settled(once, Stopped("xen", FILE, NETWORK))
    assert (kinds(refused, once), kinds(once, twice)) == ([], ["failure"])


def test_troubles_of_packages_that_are_not_looked_after_any_more_go() -> None:
    state = State()
    for name in ("xen", "old", UPSTREAM, "XSA-480", "RELEASE-4.20.5"):
        state = events.failed(state, name, NETWORK, NOW)
    assert sorted(events.forget(state, ["xen"]).troubles) == ["", "RELEASE-4.20.5", "XSA-480", "xen"]
    assert events.forget(state, ["xen", "old"]) is state


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["ok", "network", "status", "refused", "usage"]), max_size=30))
def test_failures_and_their_ends_take_turns(steps: list[str]) -> None:
    errors = {
        "network": NETWORK,
        "status": Failure("E-HTTP-STATUS", "503"),
        "refused": REFUSED,
        "usage": UsageError("E-TOKEN-REJECTED", "no"),
    }
    state, open_ = State(), False
    for place, step in enumerate(steps):
        now = NOW + timedelta(minutes=place)
        after = events.works(state, "xen", now) if step == "ok" else events.failed(state, "xen", errors[step], now)
        for event in told(state, after):
            assert event.event == ("recovered" if step == "ok" else "failure")
            assert open_ or event.event == "failure"
            open_ = event.event == "failure"
        if step in {"refused", "usage"}:
            assert open_
        if step == "ok":
            assert after.troubles == {}
            assert not open_
        state = after


def test_words_from_outside_are_one_short_line() -> None:
    error = Refusal("E-XSA-INDEX", "a\x1b[31m\n" + "long " * 100)
    (event,) = told(State(), events.failed(State(), "xen", error, NOW))
    assert len(event.summary) <= 240
    assert "\x1b" not in event.summary
    assert "\n" not in event.summary
