"""GitHub Apps in the stand-in: claims, installations and their tokens; each exchange is checked by `contract`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import contract
from tests.support.github_world import APP_ID, APP_LOGIN, PULLS, REPO, WRITER, World, app_keys, claim, inhabited
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLATION = f"/repos/{REPO}/installation"


@pytest.fixture
def now() -> list[datetime]:
    """The stand-in's time."""
    return [datetime.now(UTC).replace(microsecond=0)]


@pytest.fixture
def world(now: list[datetime]) -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer(clock=lambda: now[0])) as server, inhabited(server) as made:
        yield made


def grant(world: World) -> str:
    number = world.ask("GET", INSTALLATION, claim()).json()["id"]
    reply = world.ask("POST", f"/app/installations/{number}/access_tokens", claim())
    assert reply.status_code == 201
    return str(reply.json()["token"])


def test_an_app_gets_a_token_for_its_installation_and_acts_with_it(world: World) -> None:
    app = world.app()
    found = world.ask("GET", INSTALLATION, claim())
    assert (found.json()["id"], found.json()["app_slug"]) == (app.installation, app.slug)
    token = grant(world)
    assert world.pull(token).user.login == APP_LOGIN
    author = world.ask("GET", f"{PULLS}/1", token).json()["user"]
    assert (author["login"], author["type"]) == (APP_LOGIN, "Bot")
    reply = world.ask("GET", "/user", token)
    assert (reply.status_code, reply.json()["message"]) == (403, "Resource not accessible by integration")


def test_a_token_ends_after_an_hour(world: World, now: list[datetime]) -> None:
    world.app()
    token = grant(world)
    assert world.ask("GET", PULLS, token).status_code == 200
    now[0] += timedelta(minutes=59)
    assert world.ask("GET", PULLS, token).status_code == 200
    now[0] += timedelta(minutes=1)
    assert (world.ask("GET", PULLS, token).status_code, grant(world) != token) == (401, True)


def test_what_an_installation_is_not_granted_it_may_not_write(world: World) -> None:
    world.app(permissions=("contents",))
    body = {"title": "x", "head": "xen-4.20", "base": "master"}
    reply = world.ask("POST", PULLS, grant(world), json=body)
    assert (reply.status_code, reply.json()["message"]) == (403, "Resource not accessible by integration")


def test_an_app_is_not_installed_everywhere(world: World) -> None:
    world.app()
    assert world.ask("GET", "/repos/octo-operator/nixpkgs/installation", claim()).status_code == 404
    assert world.ask("POST", "/app/installations/1/access_tokens", claim()).status_code == 404


def test_a_wrong_claim_is_refused(world: World) -> None:
    world.app()
    moment = int(datetime.now(UTC).timestamp())
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    facts = {"iat": moment - 60, "exp": moment + 300, "iss": str(APP_ID)}
    key = app_keys()[0]
    wrong = {
        "no claim": WRITER,
        "another App": claim(APP_ID + 1),
        "another key": jwt.encode(facts, other, algorithm="RS256"),
        "another algorithm": jwt.encode(facts, "k" * 64, algorithm="HS256"),
        "over": jwt.encode({**facts, "exp": moment - 1}, key, algorithm="RS256"),
        "too long": jwt.encode({**facts, "exp": moment + 3600}, key, algorithm="RS256"),
        "no end": jwt.encode({key: value for key, value in facts.items() if key != "exp"}, key, algorithm="RS256"),
    }
    for why, value in wrong.items():
        reply = world.ask("GET", INSTALLATION, value)
        assert reply.status_code == 401, why
    assert world.ask("GET", INSTALLATION, None).status_code == 401
    # A claim is for an App's own business and nothing else.
    assert world.ask("GET", PULLS, claim()).status_code == 401
