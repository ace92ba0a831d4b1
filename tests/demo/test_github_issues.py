"""Plain issues in the stand-in, asked by PyGithub and plainly; each exchange is checked by `contract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github import GithubException

from tests.support import contract
from tests.support.github_world import OUTSIDER, READER, REPO, WRITER, World, inhabited
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ISSUES = f"/repos/{REPO}/issues"


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as made:
        yield made


def test_an_issue_is_opened_listed_and_edited(world: World) -> None:
    repository = world.repository(OUTSIDER)
    made = repository.create_issue("4.22.0-rc3: passed", "text")
    assert (made.number, made.state, made.body) == (1, "open", "text")
    assert made.user.login == "octo-operator"
    made.edit(title="4.22.0-rc3: FAILED", body="more", state="closed")
    assert [(one.title, one.state) for one in repository.get_issues(state="all")] == [("4.22.0-rc3: FAILED", "closed")]
    assert list(repository.get_issues()) == []
    made.edit(body="again")
    assert made.state == "closed"
    made.edit(state="open")
    assert [one.body for one in repository.get_issues()] == ["again"]


def test_pull_requests_are_issues_and_share_their_numbers(world: World) -> None:
    repository = world.repository()
    first = repository.create_issue("one")
    pull = world.pull()
    last = repository.create_issue("two")
    assert [first.number, pull.number, last.number] == [1, 2, 3]
    found = list(repository.get_issues(state="open"))
    assert [(one.number, one.pull_request is not None) for one in found] == [(3, False), (2, True), (1, False)]
    assert [one["number"] for one in world.ask("GET", ISSUES, params={"direction": "asc"}).json()] == [1, 2, 3]


def test_issues_are_listed_by_who_opened_them(world: World) -> None:
    world.repository(OUTSIDER).create_issue("theirs")
    world.repository(WRITER).create_issue("ours")
    found = world.ask("GET", ISSUES, params={"state": "all", "creator": "Octo-Operator"}).json()
    assert [one["title"] for one in found] == ["theirs"]


def test_issues_are_listed_by_when_they_changed(world: World) -> None:
    made = world.repository().create_issue("ours")
    day, later = made.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"), "2099-01-01T00:00:00Z"
    found = [len(world.ask("GET", ISSUES, params={"since": since}).json()) for since in (day, later)]
    assert found == [1, 0]


def test_who_may_not_write_is_refused(world: World) -> None:
    made = world.repository(WRITER).create_issue("ours")
    body = {"title": "x"}
    for token, status in ((None, 401), (READER, 403)):
        assert world.ask("POST", ISSUES, token, json=body).status_code == status
        assert world.ask("PATCH", f"{ISSUES}/{made.number}", token, json=body).status_code == status
    assert world.ask("PATCH", f"{ISSUES}/{made.number}", OUTSIDER, json=body).status_code == 403
    assert world.ask("PATCH", f"{ISSUES}/99", json=body).status_code == 404


def test_an_issue_needs_a_title_of_some_length(world: World) -> None:
    repository = world.repository()
    for title, body in (("", ""), ("x" * 257, ""), ("x", "x" * 65537)):
        with pytest.raises(GithubException) as caught:
            repository.create_issue(title, body)
        assert caught.value.status == 422


def test_a_state_that_is_none_is_refused() -> None:
    with GitHubServer() as server, inhabited(server) as world:
        made = world.repository().create_issue("x")
        assert world.ask("GET", ISSUES, params={"state": "merged"}).status_code == 422
        assert world.ask("PATCH", f"{ISSUES}/{made.number}", json={"state": "merged"}).status_code == 422
