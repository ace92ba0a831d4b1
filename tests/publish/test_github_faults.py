"""Each request answered once in each wrong way: no duplicate, no lost update, and a clear word with a stable code."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.publish.github_hub import HEAD, LABEL, Hub, quick, standing
from tests.support.github_world import PULLS, REPO, TEAM, WRITER
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.publish.github import GitHub

ISSUE = f"/repos/{REPO}/issues/1"
GRAPHQL = "/api/graphql"
OFTEN = 4  # a request that reads is tried so often
INVALID = {
    "message": "Validation Failed",
    "errors": [{"resource": "PullRequest", "code": "custom", "message": "No commits between\nmaster and x"}],
    "documentation_url": "https://docs.github.com/rest",
}


@pytest.fixture(scope="module")
def server() -> Iterator[GitHubServer]:
    """One stand-in for all; its exchanges are checked where the answers are good ones."""
    with GitHubServer() as made:
        yield made


@pytest.fixture
def hub(server: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    quick(monkeypatch)
    server._faults.clear()
    server.state.repositories.clear()
    with standing(server) as made:
        made.forget()
        yield made


@dataclass(frozen=True)
class Act:
    """Something to do, the request that does it, and whether it is done, and once."""

    do: Callable[[GitHub], Any]
    method: str
    path: str
    done: Callable[[Hub], bool]
    # What a reply of this status comes to, where it is not an error.
    gentle: frozenset[int] = frozenset()


def _texts(hub: Hub) -> list[str]:
    return [one.body for one in hub.world.server.state.repositories[REPO.lower()].comments]


WRITING = {
    "open": Act(
        lambda hub: hub.open(title="new", body="", head="NixOS:xen/4.19", base="master", draft=True),
        "POST",
        PULLS,
        lambda hub: [pull.title for pull in hub.pulls].count("new") == 1,
    ),
    "update": Act(
        lambda hub: hub.update(1, title="changed", body="anew"),
        "PATCH",
        f"{PULLS}/1",
        lambda hub: (hub.pulls[0].title, hub.pulls[0].body) == ("changed", "anew"),
    ),
    "close": Act(lambda hub: hub.close(1), "PATCH", f"{PULLS}/1", lambda hub: hub.pulls[0].state == "closed"),
    "comment": Act(
        lambda hub: hub.comment(1, "a word"), "POST", f"{ISSUE}/comments", lambda hub: _texts(hub) == ["a word"]
    ),
    "labels": Act(
        lambda hub: hub.add_labels(1, (LABEL,)),
        "POST",
        f"{ISSUE}/labels",
        lambda hub: hub.pulls[0].labels == (LABEL,),
        frozenset({403, 404}),
    ),
    "reviewers": Act(
        lambda hub: hub.request_reviewers(1, ("octo-reviewer",), (f"NixOS/{TEAM}",)),
        "POST",
        f"{PULLS}/1/requested_reviewers",
        lambda hub: (hub.pulls[0].reviewers, hub.pulls[0].teams) == (("octo-reviewer",), (TEAM,)),
        frozenset({403, 404, 422}),
    ),
    "assign": Act(
        lambda hub: hub.assign(1, ("octo-reviewer",)),
        "POST",
        f"{ISSUE}/assignees",
        lambda hub: hub.pulls[0].assignees == ("octo-reviewer",),
        frozenset({403, 404, 422}),
    ),
    "ready": Act(lambda hub: hub.mark_ready(1), "POST", GRAPHQL, lambda hub: not hub.pulls[0].draft, frozenset({403})),
}
READING = {
    "find": Act(lambda hub: hub.find(HEAD), "GET", PULLS, bool),
    "get": Act(lambda hub: hub.get(1), "GET", f"{PULLS}/1", bool),
    "search": Act(lambda hub: hub.search(("xen",)), "GET", "/search/issues", bool),
    "comments": Act(lambda hub: hub.comments(1), "GET", f"{ISSUE}/comments", bool),
    "viewer": Act(lambda hub: hub.viewer(), "POST", GRAPHQL, bool),
    "label": Act(lambda hub: hub.add_labels(1, (LABEL,)), "GET", f"/repos/{REPO}/labels/.*", bool),
    "asked": Act(
        lambda hub: hub.request_reviewers(1, ("octo-reviewer",), ()), "GET", f"{PULLS}/1/requested_reviewers", bool
    ),
}
# A refusal that had no effect: the status, and what it means.
REFUSED: dict[int, tuple[Any, str, type[XenbumpError]]] = {
    401: ({"message": "Bad credentials"}, "E-TOKEN-REJECTED", UsageError),
    403: ({"message": "Forbidden"}, "E-TOKEN-RIGHTS", UsageError),
    404: ({"message": "Not Found"}, "E-GITHUB-NOT-FOUND", UsageError),
    409: ({"message": "Conflict"}, "E-GITHUB", Failure),
    422: (INVALID, "E-GITHUB-INVALID", Refusal),
    500: (None, "E-GITHUB", Failure),
}
LOST = {
    "502": Fault.reply(502, after_write=True),
    "reset": Fault.reset(after_write=True),
    "truncated": Fault.truncated(),
    "page": Fault.reply(503, b"<html>Unicorn!</html>", {"content-type": "text/html"}, after_write=True),
    "nonsense": Fault(status=200, body=b'"nonsense"', takes_effect=True),
    "list": Fault(status=200, body=b"[]", takes_effect=True),
}


def failing(act: Act, client: GitHub) -> XenbumpError:
    with pytest.raises(XenbumpError) as caught:
        act.do(client)
    error = caught.value
    assert error.what.startswith("could not "), error
    assert "\n" not in str(error)
    assert WRITER not in f"{error!r} {error}"
    assert (error.__cause__, error.__context__) == (None, None)
    return error


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("status", REFUSED)
def test_a_write_that_is_refused_was_not_done(hub: Hub, name: str, status: int) -> None:
    act, (body, code, kind) = WRITING[name], REFUSED[status]
    hub.opened()
    client = hub.client()
    hub.forget()
    hub.world.server.fail_next(act.method, act.path, Fault.reply(status, body), 9)
    if status in act.gentle:
        assert act.do(client) != ()
    else:
        error = failing(act, client)
        assert (error.code, type(error)) == (code, kind)
    assert not act.done(hub)
    alone = 3 if (name, status) == ("reviewers", 422) else 1  # all, and then each for itself
    assert len(hub.writes) == alone
    hub.world.server._faults.clear()
    # The next run does it.
    act.do(client)
    assert act.done(hub)


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("fault", LOST)
def test_a_write_whose_answer_is_lost_is_looked_for(hub: Hub, name: str, fault: str) -> None:
    act = WRITING[name]
    hub.opened()
    client = hub.client()
    hub.forget()
    hub.world.server.fail_next(act.method, act.path, LOST[fault])
    act.do(client)
    assert act.done(hub)
    assert len(hub.writes) == 1


@pytest.mark.parametrize("name", WRITING)
def test_a_write_that_never_arrived_is_not_repeated(hub: Hub, name: str) -> None:
    act = WRITING[name]
    hub.opened()
    client = hub.client()
    hub.forget()
    hub.world.server.fail_next(act.method, act.path, Fault.reset(), 9)
    error = failing(act, client)
    assert (error.code, type(error), len(hub.writes)) == ("E-NETWORK", Failure, 1)
    assert "cannot be reached (ConnectionError)" in error.what
    assert not act.done(hub)


@pytest.mark.parametrize("name", WRITING)
def test_a_write_that_is_late_is_not_repeated(hub: Hub, name: str) -> None:
    act = WRITING[name]
    hub.opened()
    client = impatient(hub)
    hub.forget()
    hub.world.server.fail_next(act.method, act.path, Fault.slow(0.25))
    error = failing(act, client)
    assert (error.code, len(hub.writes)) == ("E-NETWORK", 0)  # it is in the log once it was answered
    assert "no answer in" in error.what
    for _ in range(100):
        if act.done(hub):
            break
        threading.Event().wait(0.01)
    assert len(hub.writes) == 1
    # A second try finds it, or says the same once more; a second comment is the caller's to avoid.
    if name != "comment":
        act.do(hub.client())
    assert act.done(hub)


def impatient(hub: Hub) -> GitHub:
    """A client that waits for an answer for the twentieth part of a second."""
    client = hub.client()
    for side in (client.requests._reader, client.requests._writer):
        side.requester._Requester__timeout = 0.05  # type: ignore[attr-defined]
    return client


@pytest.mark.parametrize("name", [*WRITING, *READING])
@pytest.mark.parametrize("fault", [Fault.hurried(7), Fault.hurried(7, status=429)], ids=["403", "429"])
def test_a_request_that_a_limit_refused_is_made_anew(hub: Hub, name: str, fault: Fault) -> None:
    act = {**WRITING, **READING}[name]
    hub.opened()
    client = hub.client()
    hub.world.server.fail_next(act.method, act.path, fault)
    act.do(client)
    assert hub.slept == [7.0]
    assert hub.said == ["GitHub wants fewer requests; going on at 12:00 UTC (in 7 s)"]
    if name in WRITING:
        assert act.done(hub)


@pytest.mark.parametrize("name", WRITING)
def test_a_redirect_is_not_followed(hub: Hub, name: str) -> None:
    act = WRITING[name]
    hub.opened()
    client = hub.client()
    with GitHubServer() as other:
        location = other.url.replace("127.0.0.1", "localhost") + act.path
        for status in (301, 302, 307, 308):
            hub.world.server.fail_next(act.method, act.path, Fault.redirect(location, status))
            error = failing(act, client)
            assert (error.code, type(error)) == ("E-REDIRECT", Refusal)
            assert location in error.what
        assert other.exchanges == []


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("status", REFUSED)
def test_what_cannot_be_read_is_told(hub: Hub, name: str, status: int) -> None:
    act, (body, code, kind) = READING[name], REFUSED[status]
    hub.opened()
    client = hub.client()
    hub.world.server.fail_next(act.method, act.path, Fault.reply(status, body), OFTEN)
    if (name, status) == ("label", 404):
        assert act.do(client) == (LABEL,)
        return
    error = failing(act, client)
    assert (error.code, type(error)) == (code, kind)


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("fault", [Fault.reply(502), Fault.reset(), Fault.truncated()], ids=["502", "reset", "cut"])
def test_what_reads_is_repeated(hub: Hub, name: str, fault: Fault) -> None:
    act = READING[name]
    hub.opened()
    client = hub.client()
    hub.forget()
    hub.world.server.fail_next(act.method, act.path, fault, 2)
    act.do(client)
    assert len([one for one in hub.exchanges if one.fault is fault]) == 2
    hub.world.server.fail_next(act.method, act.path, fault, OFTEN)
    hub.forget()
    # Before requests 2.32, what broke off is only seen to be no JSON.
    codes = {"E-GITHUB"} if fault.status else {"E-NETWORK", "E-GITHUB"} if fault.truncate else {"E-NETWORK"}
    assert failing(act, client).code in codes
    assert len([one for one in hub.exchanges if one.fault is fault]) == OFTEN


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("body", [b'"nonsense"', b"[1]", b"{}", b"null", b"", b'{"data": {}}', b"\xff\xfe", b"[[]]"])
def test_a_reply_of_another_form_is_an_error_and_no_crash(hub: Hub, name: str, body: bytes) -> None:
    act = READING[name]
    hub.opened()
    client = hub.client()
    hub.world.server.fail_next(act.method, act.path, Fault(status=200, body=body), OFTEN)
    if name == "label":  # that there is one is all that is asked
        act.do(client)
        return
    error = failing(act, client)
    assert (error.code, "has not the form of GitHub's API" in error.what) == ("E-GITHUB", True)


def test_a_slow_read_is_tried_again(hub: Hub) -> None:
    hub.opened()
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.slow(0.2))
    assert impatient(hub).get(1).number == 1


def test_one_error_of_graphql_is_told_by_its_kind(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    kinds = {
        "NOT_FOUND": "E-GITHUB-NOT-FOUND",
        "UNPROCESSABLE": "E-GITHUB-INVALID",
        "SOMETHING": "E-GITHUB",
        "INSUFFICIENT_SCOPES": "",
        "FORBIDDEN": "",
    }
    for kind, code in kinds.items():
        body = {"data": {"markPullRequestReadyForReview": None}, "errors": [{"type": kind, "message": "No."}]}
        hub.world.server.fail_next("POST", GRAPHQL, Fault.reply(200, body))
        if code:
            error = failing(WRITING["ready"], client)
            assert (error.code, "No." in error.what) == (code, True)
        else:
            assert not client.mark_ready(1)
    limited = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}
    hub.world.server.fail_next("POST", GRAPHQL, Fault.reply(200, limited, reset))
    assert client.mark_ready(1)
    assert len(hub.slept) == 1


def test_what_github_says_is_told_in_one_line(hub: Hub) -> None:
    hub.opened()
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.reply(422, INVALID))
    error = failing(WRITING["update"], hub.client())
    assert "Validation Failed; No commits between\\nmaster and x" in error.what
    plain: dict[str, Any] = json.loads(json.dumps(INVALID))
    plain["errors"] = ["Could not resolve to a node", {"code": "custom"}, 7]
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.reply(422, plain))
    assert "Validation Failed; Could not resolve to a node'" in failing(WRITING["update"], hub.client()).what


def test_an_update_that_was_lost_in_part_is_not_taken_for_done(hub: Hub) -> None:
    """Somebody else's text is there: that is no sign of ours."""
    hub.opened()
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.reply(502))
    hub.world.repository().get_pull(1)
    assert failing(WRITING["update"], hub.client()).code == "E-GITHUB"
    assert hub.pulls[0].title == "xen: 4.20.1 -> 4.20.2"


def test_looking_for_it_can_fail_too(hub: Hub) -> None:
    hub.opened()
    hub.world.server.fail_next("PATCH", f"{PULLS}/1", Fault.reply(502))
    hub.world.server.fail_next("GET", f"{PULLS}/1", Fault.reply(401, {"message": "Bad credentials"}))
    error = failing(WRITING["update"], hub.client())
    assert (error.code, "update" in error.what) == ("E-GITHUB", True)
