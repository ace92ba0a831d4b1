"""GraphQL in the stand-in, asked as clients ask; each exchange is checked by `graphql_contract`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import contract
from tests.support.github_world import OUTSIDER, READER, World, inhabited
from xenbump.demo.github_server import Exchange, GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEWER = "query { viewer { login databaseId } }"
READY = (
    "mutation Ready($input: MarkPullRequestReadyForReviewInput!) "
    "{ markPullRequestReadyForReview(input: $input) { pullRequest { isDraft number } } }"
)

# As `mark_ready_for_review` of PyGithub's newer releases asks.
AS_PYGITHUB = (
    "mutation Mutation($mutationInput: MarkPullRequestReadyForReviewInput!) "
    "{ markPullRequestReadyForReview(input: $mutationInput) { clientMutationId pullRequest { isDraft } } }"
)


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as made:
        yield made


def test_who_asks(world: World) -> None:
    reply = world.graphql(VIEWER).json()
    assert reply["data"]["viewer"]["login"] == "octo-maintainer"
    assert reply["data"]["viewer"]["databaseId"] == world.ask("GET", "/user").json()["id"]
    assert world.graphql(VIEWER, token=None).status_code == 401
    assert world.graphql(VIEWER, token="wrong").status_code == 401


def test_a_draft_becomes_ready(world: World) -> None:
    pull = world.pull()
    world.graphql(AS_PYGITHUB, {"mutationInput": {"pullRequestId": pull.node_id}})
    assert not world.repository().get_pull(1).draft
    again = world.pull(OUTSIDER, "octo-operator:xen-4.20")
    answer = world.graphql(READY, {"input": {"pullRequestId": again.node_id}}).json()
    assert answer == {"data": {"markPullRequestReadyForReview": {"pullRequest": {"isDraft": False, "number": 2}}}}


@pytest.mark.parametrize(("token", "kind"), [(OUTSIDER, "FORBIDDEN"), (READER, "FORBIDDEN"), ("", "NOT_FOUND")])
def test_who_may_not_and_what_is_not_there(world: World, token: str, kind: str) -> None:
    pull = world.pull()
    given = {"input": {"pullRequestId": pull.node_id if token else "PR_nothing"}}
    answer = world.graphql(READY, given, **({"token": token} if token else {})).json()
    assert answer["data"] == {"markPullRequestReadyForReview": None}
    assert [(error["type"], error["path"]) for error in answer["errors"]] == [(kind, ["markPullRequestReadyForReview"])]
    assert world.repository().get_pull(1).draft


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ viewer { login } ", {}),
        ("query { viewer { shoeSize } }", {}),
        ("query { rateLimit { cost } }", {}),
        (READY, {"input": {}}),
        (READY, {"input": {"pullRequestId": 1}}),
        (READY, {"input": {"pullRequestId": "x", "draft": False}}),
        (READY, {}),
    ],
)
def test_a_wrong_request_is_told_and_changes_nothing(query: str, variables: dict[str, Any]) -> None:
    with GitHubServer() as server, inhabited(server) as world:
        world.pull()
        answer = world.graphql(query, variables).json()
        assert (list(answer), len(answer["errors"])) == (["errors"], 1)
        assert world.repository().get_pull(1).draft
    (exchange,) = [one for one in server.exchanges if one.path == "/api/graphql"]
    assert any(text.startswith("request: ") for text in contract.violations(exchange))


@pytest.fixture(scope="module")
def asked() -> Exchange:
    """An exchange that is right: who asks."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as world:
        world.graphql(VIEWER)
        return server.exchanges[-1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"data": {"viewer": {"login": "x"}}}, "not just the fields"),
        ({"data": {"viewer": {"login": 1, "databaseId": 1}}}, "User.login is 1"),
        ({"data": {"viewer": None}}, "null without an error"),
        ({"data": {"viewer": None}, "errors": []}, "neither data nor errors"),
        ({"data": {"viewer": None}, "errors": [{"type": "FORBIDDEN"}]}, "without a message"),
        ({"viewer": {}}, "neither data nor errors"),
        ([], "no JSON object"),
    ],
)
def test_a_wrong_reply_is_told(asked: Exchange, body: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=f"reply: .*{told}"):
        contract.check(replace(asked, response_body=json.dumps(body).encode()))


def test_a_wrong_status_or_address_is_told(asked: Exchange) -> None:
    contract.check(asked)
    for change in ({"status": 201}, {"method": "GET"}, {"query": (("q", "x"),)}, {"request_body": b"{"}):
        with pytest.raises(AssertionError, match=r"re(quest|ply): "):
            contract.check(replace(asked, **change))
