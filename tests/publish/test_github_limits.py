"""Limits: what a refusal says of them, how long is waited, what is said meanwhile, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish.github_hub import NOON, Hub, quick, standing
from tests.support import contract
from tests.support.github_world import PULLS
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.errors import Failure
from xenbump.publish import github_limits
from xenbump.publish.github_limits import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

DATE = "Thu, 01 Jan 2026 12:00:00 GMT"
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    quick(monkeypatch)
    with contract.checked(GitHubServer()) as server, standing(server) as made:
        made.opened()
        made.forget()
        yield made


@pytest.mark.parametrize(
    ("status", "headers", "message", "found"),
    [
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON) + 90)}, "", Limit(91, secondary=False)),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON) + 90)}, "", Limit(91, secondary=False)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON) - 90)}, "", Limit(1, secondary=False)),
        (403, {"x-ratelimit-remaining": "0"}, "", Limit(60, secondary=True)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "", Limit(60, secondary=True)),
        (403, {"retry-after": "30"}, "", Limit(30, secondary=True)),
        (429, {"retry-after": "Thu, 01 Jan 2026 12:02:00 GMT"}, "", Limit(121, secondary=True)),
        (429, {"retry-after": "presently"}, "", Limit(61, secondary=True)),
        (429, {"retry-after": "9" * 400}, "", Limit(86400, secondary=True)),
        (429, {}, "", Limit(60, secondary=True)),
        (403, {"x-ratelimit-remaining": "4000"}, SECONDARY, Limit(60, secondary=True)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, SECONDARY, Limit(60, secondary=True)),
        (403, {"x-ratelimit-remaining": "4000"}, "Forbidden", None),
        (403, {}, "Must have admin rights to Repository.", None),
        (404, {"x-ratelimit-remaining": "0"}, "Not Found", None),
        (500, {"retry-after": "30"}, "", None),
        (200, {"x-ratelimit-remaining": "0"}, "", None),
    ],
)
def test_what_a_reply_says_of_limits(status: int, headers: dict[str, str], message: str, found: Limit | None) -> None:
    assert github_limits.read(status, {"date": DATE, **headers}, message, NOON + 5000, 0) == found


def test_the_clock_here_is_asked_where_the_reply_has_no_date() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON) + 90)}
    assert github_limits.read(403, headers, "", NOON, 0) == Limit(91, secondary=False)


def test_a_limit_that_says_nothing_takes_longer_each_time() -> None:
    waits = [github_limits.read(429, {}, "", NOON, before) for before in range(4)]
    assert [wait.seconds for wait in waits if wait is not None] == [60, 120, 240, 480]


@given(
    st.sampled_from([200, 403, 429]),
    st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "date"]), st.text()),
    st.text(),
)
def test_any_header_gives_a_wait_that_can_be_waited(status: int, headers: dict[str, str], message: str) -> None:
    limit = github_limits.read(status, headers, message, NOON, 0)
    assert limit is None or 0 <= limit.seconds <= 86400
    assert limit is None or "UTC" in github_limits.said(limit, NOON)


def test_a_used_up_limit_is_waited_for_and_said(hub: Hub) -> None:
    hub.world.server.state.clock = lambda: datetime.fromtimestamp(hub.time, UTC)
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.spent(NOON + 420))
    assert hub.client().update(1, title="changed").title == "changed"
    assert hub.slept == [421.0]
    assert hub.said == ["GitHub's limit is used up; going on at 12:07 UTC (in 7 min)"]
    # The limit refused the first one: it had no effect, so it is written once.
    assert hub.writes == ["PATCH /pulls/1"] * 2


def test_a_limit_that_lasts_too_long_ends_the_run_with_the_time(hub: Hub) -> None:
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(901))
    with pytest.raises(Failure, match=r"E-GITHUB-LIMIT: .*could not read pull request 1: .* until 12:15 UTC"):
        hub.client().get(1)
    assert (hub.slept, hub.said, len(hub.requests)) == ([], [], 1)


def test_the_patience_is_for_all_requests_together(hub: Hub) -> None:
    client = hub.client()
    for _ in range(2):
        hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(400))
        client.get(1)
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(400))
    with pytest.raises(Failure, match="E-GITHUB-LIMIT"):
        client.get(1)
    assert hub.slept == [400.0, 400.0]


def test_a_secondary_limit_without_a_word_is_waited_for_longer_each_time(hub: Hub) -> None:
    client = hub.client()
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(), 3)
    assert client.get(1).number == 1
    assert hub.slept == [60.0, 120.0, 240.0]
    assert [text.rpartition("(")[2] for text in hub.said] == ["in 60 s)", "in 2 min)", "in 4 min)"]
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(), 9)
    with pytest.raises(Failure, match="E-GITHUB-LIMIT"):
        client.get(1)
    assert sum(hub.slept) <= 900


def test_a_limit_that_ends_at_once_and_never_is_given_up(hub: Hub) -> None:
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.hurried(0), 99)
    with pytest.raises(Failure, match="E-GITHUB-LIMIT"):
        hub.client().get(1)
    assert len(hub.requests) == 6


def test_a_limit_is_no_reason_to_look_for_what_was_written(hub: Hub) -> None:
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.hurried(901))
    with pytest.raises(Failure, match="E-GITHUB-LIMIT"):
        hub.client().close(1)
    assert hub.requests == ["PATCH /pulls/1"]


def test_an_interrupt_ends_the_wait(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Hub, "sleep", lambda _, seconds: interrupted(seconds))
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.hurried(30))
    with pytest.raises(KeyboardInterrupt):
        hub.client().close(1)
    assert hub.requests == ["PATCH /pulls/1"]


def test_a_limit_on_the_label_s_look_up_is_none_on_the_right(hub: Hub) -> None:
    """GitHub says 403 for both; a lack of rights is told at once, a limit is waited for."""
    client = hub.client()
    hub.world.server.fail_next("POST", ".*/labels", Fault.reply(403, {"message": "Must have admin rights."}))
    assert client.add_labels(1, ("6.topic: xen-project",)) == ("6.topic: xen-project",)
    assert hub.slept == []
    hub.world.server.fail_next("POST", ".*/labels", Fault.hurried(5))
    assert client.add_labels(1, ("6.topic: xen-project",)) == ()
    assert hub.slept == [5.0]
