"""What the GitHub stand-in answers, asked by PyGithub and plainly; each exchange is checked by `contract`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from github import (
    GithubException,
    UnknownObjectException,
)

from tests.support import contract
from tests.support.github_world import (
    FORKED,
    MASTER,
    OUTSIDER,
    PULLS,
    READER,
    REPO,
    TEAM,
    TOPIC,
    WRITER,
    World,
    inhabited,
)
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MERGED = "d" * 40


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as made:
        yield made


@pytest.fixture
def rude() -> Iterator[World]:
    """A world whose client breaks GitHub's rules on purpose: only the replies must be right."""
    with GitHubServer() as server, inhabited(server) as made:
        yield made
    told = [text for exchange in server.exchanges for text in contract.violations(exchange)]
    assert told, "nothing broke a rule: use the fixture `world`"
    assert [text for text in told if not text.startswith(("request:", "query:"))] == []


def errors_of(caught: pytest.ExceptionInfo[GithubException]) -> list[dict[str, str]]:
    data = caught.value.data
    assert isinstance(data, dict)
    errors: list[dict[str, str]] = data["errors"]
    return errors


def test_reads_the_user_and_the_repositories(world: World) -> None:
    upstream, fork = world.repository(), world.repository(OUTSIDER, "octo-operator/nixpkgs")
    assert world.clients[WRITER].get_user().login == "octo-maintainer"
    assert (upstream.full_name, upstream.default_branch, upstream.fork) == (REPO, "master", False)
    assert upstream.permissions is not None
    assert (upstream.permissions.push, upstream.permissions.admin) == (True, False)
    assert fork.permissions is not None
    assert (fork.fork, fork.parent.full_name, fork.permissions.admin) == (True, REPO, True)
    assert world.repository(OUTSIDER, "nixos/NIXPKGS").full_name == REPO


def test_reads_branches_and_references(world: World) -> None:
    repository = world.repository()
    assert repository.get_branch("xen-4.20").commit.sha == TOPIC
    assert repository.get_branch("xen/4.19").commit.sha == TOPIC
    # Asked plainly: PyGithub 2.1 asks `git/refs/…`, which GitHub does not document.
    reference = world.ask("GET", f"/repos/{REPO}/git/ref/heads/xen/4.19").json()
    assert (reference["object"]["sha"], reference["ref"]) == (TOPIC, "refs/heads/xen/4.19")
    assert world.ask("GET", f"/repos/{REPO}/git/ref/tags/25.11").json()["object"]["sha"] == MASTER
    with pytest.raises(GithubException, match="Branch not found") as caught:
        repository.get_branch("gone")
    assert caught.value.status == 404
    assert world.ask("GET", f"/repos/{REPO}/git/ref/heads/gone").status_code == 404


def test_opens_a_draft_pull_request_and_finds_it_again(world: World) -> None:
    pull = world.pull()
    assert (pull.number, pull.draft, pull.state, pull.merged) == (1, True, "open", False)
    assert (pull.head.label, pull.head.sha, pull.base.sha) == ("NixOS:xen-4.20", TOPIC, MASTER)
    assert pull.html_url == world.server.url.removesuffix("/api/v3") + f"/{REPO}/pull/1"
    found = list(world.repository().get_pulls(state="open", head="NixOS:xen-4.20", base="master"))
    assert [(one.number, one.body, one.user.login) for one in found] == [(1, "text", "octo-maintainer")]
    assert list(world.repository().get_pulls(head="octo-operator:xen-4.20")) == []
    assert list(world.repository().get_pulls(base="release-25.11")) == []
    # The first look starts the examination whether it can be merged, the second tells its outcome.
    assert [world.repository().get_pull(1).mergeable for _ in range(2)] == [None, True]
    issue = world.repository().get_issue(1)
    assert (issue.title, issue.pull_request is not None) == ("xen: 4.20.1", True)


def test_opens_a_pull_request_from_a_fork(world: World) -> None:
    pull = world.pull(OUTSIDER, "octo-operator:xen-4.20", draft=False)
    assert (pull.head.repo.full_name, pull.head.sha, pull.maintainer_can_modify) == (
        "octo-operator/nixpkgs",
        FORKED,
        True,
    )
    assert (pull.draft, pull.raw_data["author_association"]) == (False, "NONE")


def test_an_open_pull_request_follows_its_branch_and_a_closed_one_does_not(world: World) -> None:
    pull = world.pull()
    world.refs["refs/heads/xen-4.20"] = "d" * 40
    assert world.repository().get_pull(1).head.sha == "d" * 40
    pull.edit(state="closed")
    world.refs["refs/heads/xen-4.20"] = "e" * 40
    closed = world.repository().get_pull(1)
    assert (closed.state, closed.head.sha, closed.closed_at is not None) == ("closed", "d" * 40, True)
    closed.edit(state="open")
    assert (closed.state, closed.head.sha, closed.closed_at) == ("open", "e" * 40, None)


def test_refuses_a_second_open_pull_request_for_the_same_branches(world: World) -> None:
    first = world.pull()
    with pytest.raises(GithubException) as caught:
        world.pull()
    assert caught.value.status == 422
    assert [error["message"] for error in errors_of(caught)] == ["A pull request already exists for NixOS:xen-4.20."]
    first.edit(state="closed")
    second = world.pull()
    assert second.number == 2
    with pytest.raises(GithubException, match="already exists"):
        first.edit(state="open")


@pytest.mark.parametrize(
    ("head", "base", "told"),
    [
        ("gone", "master", {"resource": "PullRequest", "field": "head", "code": "invalid"}),
        ("octo-nobody:xen-4.20", "master", {"resource": "PullRequest", "field": "head", "code": "invalid"}),
        ("xen-4.20", "gone", {"resource": "PullRequest", "field": "base", "code": "invalid"}),
        (
            "empty",
            "master",
            {"resource": "PullRequest", "code": "custom", "message": "No commits between master and empty"},
        ),
        (
            "octo-operator:master",
            "master",
            {
                "resource": "PullRequest",
                "code": "custom",
                "message": "No commits between NixOS:master and octo-operator:master",
            },
        ),
    ],
)
def test_refuses_a_pull_request_without_ends_or_commits(
    world: World, head: str, base: str, told: dict[str, str]
) -> None:
    with pytest.raises(GithubException) as caught:
        world.repository().create_pull(base=base, head=head, title="xen", body="")
    assert (caught.value.status, errors_of(caught)) == (422, [told])


@pytest.mark.parametrize(
    ("title", "body", "code"), [("", "", "missing_field"), ("x" * 257, "", "custom"), ("x", "y" * 65537, "custom")]
)
def test_refuses_texts_that_are_missing_or_too_long(world: World, title: str, body: str, code: str) -> None:
    with pytest.raises(GithubException) as caught:
        world.repository().create_pull(base="master", head="xen-4.20", title=title, body=body)
    assert (caught.value.status, errors_of(caught)[0]["code"]) == (422, code)


def test_edits_a_pull_request(world: World) -> None:
    pull = world.pull()
    pull.edit(title="xen: 4.20.2", body="other", base="release-25.11")
    again = world.repository().get_pull(1)
    assert (again.title, again.body, again.base.ref) == ("xen: 4.20.2", "other", "release-25.11")
    with pytest.raises(GithubException) as caught:
        pull.edit(base="gone")
    assert errors_of(caught) == [{"resource": "PullRequest", "field": "base", "code": "invalid"}]
    with pytest.raises(GithubException, match="admin rights"):
        world.repository(OUTSIDER).get_pull(1).edit(title="mine")
    pull.edit(state="closed")
    pull.edit(state="open")
    assert world.repository().get_pull(1).state == "open"


def test_labels(world: World) -> None:
    assert [label.name for label in world.repository().get_labels()] == ["1.severity: security", "6.topic: xen-project"]
    label = world.repository().get_label("6.topic: xen-project")
    assert (label.color, label.description) == ("5ae0ff", "Xen and its tools")
    pull = world.pull()
    pull.add_to_labels("6.TOPIC: xen-project")
    pull.add_to_labels("1.severity: security")
    assert [label.name for label in pull.get_labels()] == ["6.topic: xen-project", "1.severity: security"]
    pull.set_labels("new")
    assert [label.name for label in world.repository().get_issue(1).labels] == ["new"]
    assert world.ask("GET", f"/repos/{REPO}/labels/new").json()["color"] == "ededed"
    reply = world.ask("POST", f"/repos/{REPO}/issues/1/labels", json={"labels": ["1.severity: security"]})
    assert [label["name"] for label in reply.json()] == ["new", "1.severity: security"]
    pull.set_labels()
    assert world.repository().get_pull(1).labels == []
    missing = world.ask("GET", f"/repos/{REPO}/labels/no%20such")
    assert (missing.status_code, missing.json()["message"]) == (404, "Not Found")


def test_comments(world: World) -> None:
    pull = world.pull()
    made = pull.create_issue_comment("first")
    world.repository(OUTSIDER).get_pull(1).create_issue_comment("second")
    assert [(one.body, one.user.login) for one in pull.get_issue_comments()] == [
        ("first", "octo-maintainer"),
        ("second", "octo-operator"),
    ]
    assert made.html_url.endswith(f"/{REPO}/pull/1#issuecomment-{made.id}")
    assert world.repository().get_pull(1).comments == 2
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(world.repository().get_issue(1).get_comments(since=tomorrow)) == []
    with pytest.raises(GithubException) as caught:
        pull.create_issue_comment(" ")
    assert errors_of(caught) == [{"resource": "IssueComment", "field": "body", "code": "missing_field"}]
    assert world.ask("GET", f"/repos/{REPO}/issues/9/comments").status_code == 404


def test_reviewers(world: World) -> None:
    pull = world.pull()
    pull.create_review_request(reviewers=["octo-reviewer"])
    assert [user.login for user in pull.get_review_requests()[0]] == ["octo-reviewer"]
    with pytest.raises(GithubException, match="Review cannot be requested from pull request author"):
        pull.create_review_request(reviewers=["octo-maintainer"])
    for stranger in ({"reviewers": ["octo-operator"]}, {"reviewers": ["nobody"]}, {"team_reviewers": ["nobodies"]}):
        with pytest.raises(GithubException, match="may only be requested from collaborators"):
            pull.create_review_request(**stranger)
    with pytest.raises(GithubException) as caught:
        world.repository(OUTSIDER).get_pull(1).create_review_request(reviewers=["octo-reviewer"])
    assert caught.value.status == 403
    reviewers = world.repository().get_pull(1).requested_reviewers
    assert [user.login for user in reviewers] == ["octo-reviewer"]
    pull.create_review_request(team_reviewers=["Xen-Project"])
    assert [team.slug for team in world.repository().get_pull(1).requested_teams] == [TEAM]
    assert [team.slug for team in pull.get_review_requests()[1]] == [TEAM]


def test_a_merged_pull_request(world: World) -> None:
    world.pull()
    world.server.merge_pull(REPO, 1, MERGED, "octo-maintainer")
    pull = world.repository().get_pull(1)
    assert (pull.state, pull.merged, pull.merge_commit_sha, pull.draft) == ("closed", True, MERGED, False)
    assert pull.merged_at is not None
    assert (pull.merged_at, pull.merged_by.login) == (pull.closed_at, "octo-maintainer")
    (listed,) = world.repository().get_pulls(state="closed")
    assert (listed.merged_at, listed.merge_commit_sha) == (pull.merged_at, MERGED)
    with pytest.raises(GithubException) as caught:
        pull.edit(state="open")
    assert errors_of(caught) == [{"resource": "PullRequest", "field": "state", "code": "invalid"}]
    assert world.pull().number == 2


def test_assignees_that_cannot_be_are_left_out_silently(world: World) -> None:
    pull = world.pull()
    pull.add_to_assignees("octo-reviewer", "octo-operator", "nobody")
    assert [user.login for user in pull.assignees] == ["octo-reviewer"]
    world.repository(OUTSIDER).get_pull(1).add_to_assignees("octo-maintainer")
    assert [user.login for user in world.repository().get_pull(1).assignees] == ["octo-reviewer"]


def test_an_outsider_may_open_a_pull_request_and_not_label_it(world: World) -> None:
    pull = world.pull(OUTSIDER, "octo-operator:xen-4.20")
    for label in (pull.add_to_labels, pull.set_labels):
        with pytest.raises(GithubException, match=r"Must have admin rights to Repository\.") as caught:
            label("6.topic: xen-project")
        assert caught.value.status == 403
    assert world.repository().get_pull(1).labels == []


def test_a_token_without_the_permission_reads_and_does_not_write(world: World) -> None:
    world.pull()
    pull = world.repository(READER).get_pull(1)
    refused: list[Callable[[], object]] = [
        lambda: world.pull(READER, "xen/4.19"),
        lambda: pull.edit(title="x"),
        lambda: pull.add_to_labels("x"),
        lambda: pull.create_issue_comment("x"),
        lambda: pull.create_review_request(["octo-reviewer"]),
        lambda: pull.add_to_assignees("octo-reviewer"),
    ]
    for write in refused:
        with pytest.raises(GithubException, match="Resource not accessible by personal access token") as caught:
            write()
        assert caught.value.status == 403
    server = world.server
    server.add_token("narrow", "octo-maintainer", permissions=["pull_requests"])
    assert world.pull("narrow", "xen/4.19").number == 2


def test_what_does_not_exist(world: World) -> None:
    with pytest.raises(UnknownObjectException):
        world.repository(name="NixOS/nothing")
    for path in (f"{PULLS}/7", f"/repos/{REPO}/issues/7", f"/repos/{REPO}/issues/7/labels"):
        reply = world.ask("GET", path)
        assert (reply.status_code, reply.json()["status"]) == (404, "404")


def test_pages_and_their_links(world: World) -> None:
    repository = world.server.state.repositories[REPO.lower()]
    for number in range(1, 36):
        world.refs[f"refs/heads/topic-{number}"] = f"{number:040x}"
        world.pull(head=f"topic-{number}")
    assert len(repository.pulls) == 35
    assert [pull.number for pull in world.repository().get_pulls()] == list(range(35, 0, -1))
    assert [pull.number for pull in world.repository().get_pulls(direction="asc")][:2] == [1, 2]
    middle = world.ask("GET", PULLS, params={"per_page": 10, "page": 2, "state": "all"})
    assert [pull["number"] for pull in middle.json()] == list(range(25, 15, -1))
    queries = {relation: parse_qs(urlsplit(link["url"]).query) for relation, link in middle.links.items()}
    assert {relation: query["page"] for relation, query in queries.items()} == {
        "prev": ["1"],
        "next": ["3"],
        "last": ["4"],
        "first": ["1"],
    }
    assert all((query["per_page"], query["state"]) == (["10"], ["all"]) for query in queries.values())
    last = requests.get(middle.links["last"]["url"], timeout=10)
    assert (len(last.json()), sorted(last.links)) == (5, ["first", "prev"])
    whole = world.ask("GET", PULLS, params={"per_page": 1000})
    assert (len(whole.json()), whole.links) == (35, {})
    assert world.ask("GET", PULLS, params={"page": 9}).json() == []
    for number in range(100):
        world.server.add_label(REPO, f"label {number}")
    labels = world.ask("GET", f"/repos/{REPO}/labels", params={"per_page": 1000})
    assert (len(labels.json()), sorted(labels.links)) == (100, ["last", "next"])


def test_orders_of_a_list() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    with contract.checked(GitHubServer(clock=lambda: now[0])) as server, inhabited(server) as world:
        first = world.pull()
        now[0] += timedelta(days=31)
        world.pull(head="xen/4.19")
        first.create_issue_comment("still open")

        def order(**query: str) -> list[int]:
            return [pull.number for pull in world.repository().get_pulls(**query)]

        assert order() == [2, 1]
        assert order(sort="updated", direction="desc") == [2, 1]
        now[0] += timedelta(days=1)
        first.edit(title="xen")
        assert order(sort="updated", direction="desc") == [1, 2]
        assert order(sort="popularity") == [2, 1]
        assert order(sort="long-running") == [1]
        assert order(state="closed") == []


def test_a_head_without_an_owner_is_disregarded(world: World) -> None:
    world.pull()
    assert len(world.ask("GET", PULLS, params={"head": "other"}).json()) == 1


@pytest.mark.parametrize(
    ("request_line", "body", "status", "message"),
    [
        (f"POST {PULLS}", b"{", 400, "Problems parsing JSON"),
        (f"POST {PULLS}", b"[]", 400, "Body should be a JSON object"),
        (f"POST {PULLS}", b'{"title": "x", "head": "xen-4.20"}', 422, 'Invalid request.\n\n"base" wasn\'t supplied.'),
        (f"POST {PULLS}", b'{"title": 1, "head": "a", "base": "b"}', 422, "Invalid request."),
        (f"PATCH {PULLS}/1", b'{"state": "merged"}', 422, "Validation Failed"),
        (f"PUT /repos/{REPO}/issues/1/labels", b'{"labels": "x"}', 422, "Invalid request."),
        (f"GET {PULLS}?state=bogus", b"", 422, "Validation Failed"),
    ],
)
def test_requests_that_break_the_rules(rude: World, request_line: str, body: bytes, status: int, message: str) -> None:
    rude.pull()
    method, path = request_line.split()
    headers = {"Authorization": f"token {WRITER}", "Content-Type": "application/json"}
    reply = rude.ask(method, path, data=body, headers=headers)
    assert (reply.status_code, reply.json()["message"][: len(message)]) == (status, message)
