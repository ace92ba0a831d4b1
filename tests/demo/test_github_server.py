"""How the GitHub stand-in serves: tokens, limits, faults, its log and its end; each exchange is checked too."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests
from github import (
    BadCredentialsException,
    GithubException,
    RateLimitExceededException,
)

from tests.support import contract
from tests.support.github_world import PULLS, REPO, WRITER, World, inhabited
from xenbump.demo.github_server import Exchange, Fault, GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def test_wrong_and_missing_tokens(world: World) -> None:
    world.pull()
    with pytest.raises(BadCredentialsException, match="Bad credentials"):
        world.repository("wrong")
    assert world.ask("GET", PULLS, headers={"Authorization": "Basic d3JpdGVyLXRva2Vu"}).status_code == 401
    assert world.ask("GET", PULLS, None).status_code == 200
    assert "permissions" not in world.ask("GET", f"/repos/{REPO}", None).json()
    for method, path in (("GET", "/user"), ("POST", f"{PULLS}/1/requested_reviewers")):
        reply = world.ask(method, path, None)
        assert (reply.status_code, reply.json()["message"]) == (401, "Requires authentication")
        assert reply.json()["documentation_url"].startswith("https://docs.github.com/rest/")


def test_headers_of_a_reply(world: World) -> None:
    reply = world.ask("GET", "/user")
    again = world.ask("GET", "/user")
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.headers["x-github-request-id"] != again.headers["x-github-request-id"]
    assert (reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-resource"]) == ("5000", "core")
    assert int(again.headers["x-ratelimit-remaining"]) == int(reply.headers["x-ratelimit-remaining"]) - 1 == 4998
    assert abs(int(reply.headers["x-ratelimit-reset"]) - time.time() - 3600) < 60


def test_the_rate_limit_runs_out_and_starts_anew() -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    with contract.checked(GitHubServer(clock=lambda: now[0], rate_limit=2)) as server, inhabited(server) as world:
        repository = world.repository()
        assert repository.get_branch("master").name == "master"
        with pytest.raises(RateLimitExceededException):
            repository.get_branch("master")
        assert world.ask("GET", "/user").headers["x-ratelimit-remaining"] == "0"
        client = world.clients[WRITER]
        client.get_rate_limit()
        assert client.rate_limiting == (0, 2)
        assert world.ask("GET", "/rate_limit").json()["rate"]["remaining"] == 0
        now[0] += timedelta(hours=1)
        assert repository.get_branch("master").name == "master"


def test_limits_that_a_test_orders() -> None:
    now = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    with contract.checked(GitHubServer(clock=lambda: now)) as server, inhabited(server) as world:
        server.fail_next("GET", "/user", Fault.spent(now.timestamp() + 90))
        server.fail_next("GET", "/user", Fault.hurried(7))
        server.fail_next("GET", "/user", Fault.hurried(status=429))
        spent, hurried, mute = (world.ask("GET", "/user") for _ in range(3))
        assert (spent.status_code, spent.headers["x-ratelimit-remaining"]) == (403, "0")
        assert spent.headers["x-ratelimit-reset"] == str(int(now.timestamp()) + 90)
        assert spent.headers["date"] == "Thu, 01 Jan 2026 12:30:00 GMT"
        assert (hurried.status_code, hurried.headers["retry-after"]) == (403, "7")
        assert (mute.status_code, mute.headers.get("retry-after")) == (429, None)
        assert "secondary rate limit" in mute.json()["message"]
        assert world.ask("GET", "/user").headers["x-ratelimit-remaining"] == "4999"


def test_an_operation_that_is_not_there(rude: World) -> None:
    assert rude.ask("GET", "/emojis").status_code == 404
    assert rude.ask("DELETE", f"/repos/{REPO}").status_code == 404
    assert requests.get(rude.server.url.removesuffix("/api/v3") + "/user", timeout=10).status_code == 401


def test_a_fault_in_place_of_the_reply(world: World) -> None:
    world.pull()
    world.server.fail_next("GET", f"{PULLS}/1", Fault.reply(502), times=2)
    seen = [world.ask("GET", f"{PULLS}/1").status_code for _ in range(3)]
    assert seen == [502, 502, 200]
    limited = Fault.reply(403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "1"})
    world.server.fail_next("POST", ".*/comments", limited)
    reply = world.ask("POST", f"/repos/{REPO}/issues/1/comments", json={"body": "x"})
    assert (reply.status_code, reply.headers["retry-after"]) == (403, "1")
    assert world.repository().get_pull(1).comments == 0


def test_a_page_of_a_proxy_is_not_held_against_github(world: World) -> None:
    page = Fault.reply(503, b"<html>no</html>", {"Content-Type": "text/html"})
    world.server.fail_next("GET", "/user", page)
    reply = world.ask("GET", "/user")
    assert (reply.status_code, reply.text, reply.headers["content-type"]) == (503, "<html>no</html>", "text/html")


@pytest.mark.parametrize("fault", [Fault.reply(500, after_write=True), Fault.reset(after_write=True)])
def test_a_write_that_took_effect_although_the_client_was_told_otherwise(world: World, fault: Fault) -> None:
    world.server.fail_next("POST", PULLS, fault)
    with pytest.raises((GithubException, requests.ConnectionError)):
        world.pull()
    assert [pull.number for pull in world.repository().get_pulls(head="NixOS:xen-4.20")] == [1]


def test_a_reset_connection(world: World) -> None:
    world.server.fail_next("POST", PULLS, Fault.reset())
    with pytest.raises(requests.ConnectionError):
        world.pull()
    assert [exchange.status for exchange in world.server.exchanges][-1] == 0
    assert list(world.repository().get_pulls()) == []


def test_a_truncated_reply(world: World) -> None:
    world.server.fail_next("GET", f"/repos/{REPO}", Fault.truncated())
    # requests before 2.32 hands half a reply out as a whole one; then it is no JSON.
    with pytest.raises(requests.RequestException):
        world.ask("GET", f"/repos/{REPO}").json()
    assert world.ask("GET", f"/repos/{REPO}").json()["full_name"] == REPO


def test_a_slow_reply_whose_request_is_carried_out(world: World) -> None:
    world.pull()
    world.server.fail_next("POST", ".*/comments", Fault.slow(0.3))
    with pytest.raises(requests.ReadTimeout):
        world.ask("POST", f"/repos/{REPO}/issues/1/comments", json={"body": "late"}, timeout=0.05)
    assert world.repository().get_pull(1).comments == 0
    end = time.monotonic() + 5
    while world.repository().get_pull(1).comments == 0 and time.monotonic() < end:
        time.sleep(0.02)
    assert world.repository().get_pull(1).comments == 1


def test_leaving_does_not_wait_for_a_slow_reply() -> None:
    with GitHubServer() as server, inhabited(server) as world:
        server.fail_next("GET", "/user", Fault.slow(60))
        with pytest.raises(requests.ReadTimeout):
            world.ask("GET", "/user", timeout=0.05)
        start = time.monotonic()
    assert time.monotonic() - start < 5


def test_leaving_does_not_wait_for_an_idle_connection() -> None:
    with requests.Session() as session:
        with GitHubServer() as server:
            assert session.get(server.url + "/rate_limit", timeout=10).status_code == 200
            start = time.monotonic()
        assert time.monotonic() - start < 5


def test_a_redirect_to_another_host(world: World) -> None:
    world.server.fail_next("GET", "/user", Fault.redirect("http://127.0.0.2:1/api/v3/user"))
    reply = world.ask("GET", "/user")
    assert (reply.status_code, reply.headers["location"]) == (302, "http://127.0.0.2:1/api/v3/user")


def test_a_fault_waits_for_its_own_request(world: World) -> None:
    world.server.fail_next("GET", "/user", Fault.reply(500))
    assert world.ask("GET", f"/repos/{REPO}").status_code == 200
    assert world.ask("GET", "/user").status_code == 500


def test_the_log_of_exchanges() -> None:
    seen: list[Exchange] = []
    with contract.checked(GitHubServer(observer=seen.append)) as server, inhabited(server) as world:
        world.ask("GET", PULLS, params={"head": "NixOS:a b", "state": "all"})
        world.ask("GET", f"/repos/{REPO}/labels/6.topic%3A%20xen-project")
        listing, label = server.exchanges
        assert listing.query == (("head", "NixOS:a b"), ("state", "all"))
        assert (listing.method, listing.path, listing.status, listing.response_body) == ("GET", PULLS, 200, b"[]")
        assert listing.request_headers["authorization"] == f"Bearer {WRITER}"
        assert label.path.endswith("/labels/6.topic%3A%20xen-project")
        assert seen == [listing, label]


def test_an_observer_that_fails_is_heard_when_the_server_is_left() -> None:
    def refuse(exchange: Exchange) -> None:
        raise LookupError(exchange.path)

    def run() -> None:
        with GitHubServer(observer=refuse) as server, pytest.raises(requests.ConnectionError):
            requests.get(server.url + "/rate_limit", timeout=10)

    with pytest.raises(LookupError, match="/rate_limit"):
        run()


def test_there_is_no_address_without_serving() -> None:
    server = GitHubServer()
    with pytest.raises(RuntimeError):
        _ = server.url


def test_many_clients_at_once(world: World) -> None:
    world.pull()
    with ThreadPoolExecutor(8) as pool:
        comments = pool.map(
            lambda number: world.ask("POST", f"/repos/{REPO}/issues/1/comments", json={"body": f"{number}"}).json(),
            range(40),
        )
        assert len({comment["id"] for comment in comments}) == 40
        body = {"title": "x", "head": "xen/4.19", "base": "master"}
        opened = list(pool.map(lambda _: world.ask("POST", PULLS, json=body).status_code, range(16)))
    assert sorted(opened) == [201] + [422] * 15
    assert world.repository().get_pull(1).comments == 40
