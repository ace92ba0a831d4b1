"""What is told, when, and how often: the hook as a real program, and one that fails in every way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.demo import none_left_with
from tests.support import schemas
from xenbump.errors import Failure
from xenbump.events import State, Trouble
from xenbump.journal import Journal
from xenbump.ledger import Ledger, call
from xenbump.report.values import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.journal import Run

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "schemas" / "event.json").read_text("utf-8"))
NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)
STATUS = Failure("E-PROGRAM-FAILED", "exit status 1")
TIMEOUT = Failure("E-TIMEOUT", "did not end")


def event(name: str, at: datetime = NOW) -> Event:
    return Event(event="release", id=f"release {name}", at=f"{at:%Y-%m-%dT%H:%M:%SZ}", summary=f"{name} is there")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Journal(tmp_path / "state").run("test") as opened:
        yield opened


class Hook:
    """A hook that fails as it is told to."""

    def __init__(self, *fates: Failure | None) -> None:
        self.fates = list(fates)
        self.calls: list[str] = []

    def __call__(self, told: Event) -> Failure | None:
        self.calls.append(told.id.split()[1])
        return self.fates.pop(0) if self.fates else None


def ledger(hook: Hook | None, said: list[str] | None = None, told: list[Event] | None = None) -> Ledger:
    return Ledger("a", hook, (told if told is not None else []).append, (said if said is not None else []).append)


def waiting(book: Ledger) -> list[str]:
    return [one.id.split()[1] for one in book.state.outbox]


def test_the_hook_gets_one_line_and_neither_shell_nor_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENBUMP_GITHUB_TOKEN", "secret")
    monkeypatch.setenv("NOTIFY_SOCKET", "/somewhere")
    script = tmp_path / "tell"
    script.write_text('#!/bin/sh\ncat > "$1"\nprintf %s "$2" > word\nenv > env\n')
    script.chmod(0o755)
    one = event("4.20.5")
    assert call(["./tell", "got", "$(touch no) * ;"], one, folder=tmp_path, seconds=20) is None
    line = (tmp_path / "got").read_text("utf-8")
    assert line.count("\n") == 1
    schemas.validate(json.loads(line), SCHEMA)
    assert msgspec.json.decode(line, type=Event) == one
    assert (tmp_path / "word").read_text() == "$(touch no) * ;"
    assert not (tmp_path / "no").exists()
    env = (tmp_path / "env").read_text()
    assert "secret" not in env
    assert "NOTIFY_SOCKET" not in env


@pytest.mark.parametrize(
    ("hook", "seconds", "code"),
    [
        (["sh", "-c", "echo what is wrong >&2; exit 3"], 20.0, "E-PROGRAM-FAILED"),
        (["sh", "-c", "sleep 64 & sleep 64"], 0.2, "E-TIMEOUT"),
        (["no-such-program"], 20.0, "E-PROGRAM-MISSING"),
        (["./tell"], 20.0, "E-PROGRAM-MISSING"),
        (["/"], 20.0, "E-PROGRAM-FAILED"),
    ],
)
def test_a_hook_that_fails_is_an_answer(tmp_path: Path, hook: list[str], seconds: float, code: str) -> None:
    error = call(hook, event("x"), folder=tmp_path, seconds=seconds)
    assert error is not None
    assert error.code == code
    assert none_left_with("sleep 64")


def test_a_hook_that_does_not_read_is_none_that_fails(tmp_path: Path) -> None:
    large = msgspec.structs.replace(event("x"), summary="x" * 1_000_000)
    assert call(["true"], large, folder=tmp_path, seconds=20) is None


def test_each_event_is_told_once(run: Run) -> None:
    hook, told = Hook(), list[Event]()
    book = ledger(hook, told=told)
    book.recall(run)
    state = State(outbox=(event("a"), event("b")))
    book.advance(run, state)
    assert [one.id for one in told] == ["release a", "release b"]
    book.deliver(run, NOW)
    book.deliver(run, NOW)
    assert (hook.calls, waiting(book), len(told)) == (["a", "b"], [], 2)


def test_what_the_hook_does_not_take_is_told_again_in_order_and_outlives_the_watch(run: Run) -> None:
    said: list[str] = []
    book = ledger(Hook(STATUS, None, STATUS), said)
    book.recall(run)
    book.advance(run, State(releases=("1",), outbox=(event("a"), event("b"), event("c"))))
    book.deliver(run, NOW)
    # One that makes the hook fail holds nobody up.
    assert waiting(book) == ["a", "c"]
    assert [one.partition(" (")[0] for one in said] == ["the hook failed; it is told again at the next look"] * 2
    assert book.error == str(STATUS)
    hook, told = Hook(), list[Event]()
    again = ledger(hook, told=told)
    again.recall(run)
    assert again.state.releases == ("1",)
    again.deliver(run, NOW)
    assert (hook.calls, waiting(again), told, again.error) == (["a", "c"], [], [], "")


@pytest.mark.parametrize("error", [TIMEOUT, Failure("E-PROGRAM-MISSING", "there is none")])
def test_a_hook_that_is_not_well_costs_one_call_a_look(run: Run, error: Failure) -> None:
    hook = Hook(error)
    book = ledger(hook)
    book.advance(run, State(outbox=(event("a"), event("b"))))
    book.deliver(run, NOW)
    assert (hook.calls, waiting(book)) == (["a"], ["a", "b"])


def test_after_a_day_it_is_given_up(run: Run) -> None:
    said: list[str] = []
    hook = Hook(STATUS, STATUS)
    book = ledger(hook, said)
    book.advance(run, State(outbox=(event("old", NOW - timedelta(days=1)), event("new", NOW - timedelta(hours=23)))))
    book.deliver(run, NOW)
    assert (hook.calls, waiting(book)) == (["old", "new"], ["new"])
    assert said[0].startswith("the hook failed for a day and is not told any more (release old): ")


def test_without_a_hook_nothing_waits(run: Run) -> None:
    book = ledger(None)
    book.advance(run, State(outbox=(event("a"),)))
    book.deliver(run, NOW)
    assert waiting(book) == []


def test_what_was_noticed_without_the_journal_is_added_when_it_is_there(run: Run) -> None:
    first = ledger(None)
    first.recall(run)
    first.advance(run, State(begun=True, releases=("1",), outbox=(event("kept"),)))
    told: list[Event] = []
    book = ledger(Hook(), told=told)
    trouble = Trouble("E-JOURNAL", "2026-03-24T12:00:00Z", "it cannot be used", 1, passing=True, told=False)
    book.advance(None, State(troubles={"": trouble}, outbox=(event("early"),)))
    assert [one.id for one in told] == ["release early"]
    book.recall(run)
    book.recall(run)
    assert (book.state.begun, book.state.releases, book.state.troubles) == (True, ("1",), {"": trouble})
    assert waiting(book) == ["kept", "early"]


def test_another_upstream_has_a_state_of_its_own(run: Run) -> None:
    book = ledger(None)
    book.advance(run, State(begun=True))
    other = Ledger("b", None, lambda _: None, lambda _: None)
    other.recall(run)
    assert other.state == State()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"begun": 3}', '{"outbox": [{}]}'])
def test_a_state_of_another_program_is_none(run: Run, content: str) -> None:
    run.remember("watch", "a", content)
    book = ledger(None)
    book.recall(run)
    assert book.state == State()
