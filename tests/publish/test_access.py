"""Which token is used for what, and how one of a GitHub App's installation is got, kept and renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.pretty import pretty_repr

from tests.support import contract
from tests.support.github_world import APP_ID, PULLS, REPO, World, app_keys, inhabited
from xenbump.config import App, Config
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.doctor import token
from xenbump.doctor.model import Result
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.publish import github_app, github_rights
from xenbump.publish.access import Access
from xenbump.publish.github_app import Installations
from xenbump.publish.github_rights import Rights
from xenbump.settings import GitHub, Upstream, Verify

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK = "octo-operator/nixpkgs"
INSTALLATION = f"/repos/{REPO}/installation"
GRANT = r"/app/installations/\d+/access_tokens"


def config(url: str = "https://api.github.com", **more: object) -> Config:
    given = {"token": "", "lookup_token": "", "app": None, **more}
    return Config(
        path=Path("xenbump.toml"),
        packages=(),
        upstream=Upstream(),
        verify=Verify(),
        github=GitHub(repository=REPO),
        state=Path("state"),
        github_url=url,
        **given,  # type: ignore[arg-type]
    )


@pytest.fixture
def now() -> list[datetime]:
    """The stand-in's time, an hour behind the true one: nothing may depend on that."""
    return [datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)]


@pytest.fixture
def world(now: list[datetime], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides; its App is installed on the repository."""
    monkeypatch.setattr(github_app, "_RETRY", github_app._RETRY.new(backoff_factor=0))
    with contract.checked(GitHubServer(clock=lambda: now[0])) as server, inhabited(server) as made:
        made.app()
        yield made


@pytest.fixture(scope="module")
def unchecked() -> Iterator[World]:
    """One world for what GitHub's description has no room for."""
    with GitHubServer() as server, inhabited(server) as made:
        made.app()
        yield made


@pytest.fixture
def rude(unchecked: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(github_app, "_RETRY", github_app._RETRY.new(backoff_factor=0))
    unchecked.server._faults.clear()
    unchecked.server.exchanges.clear()
    return unchecked


def by_app(world: World, installation: str = "", key: str = "", clock: list[float] | None = None) -> Access:
    app = App(str(APP_ID), key or app_keys()[0], installation)
    time = clock if clock is not None else [0.0]
    return Access(app=Installations(world.server.url, app, lambda: time[0]), repository=REPO)


def failing(access: Access) -> XenbumpError:
    with pytest.raises(XenbumpError) as caught:
        access.write()
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "PRIVATE" not in f"{error} {error!r}"
    return error


def grants(world: World) -> list[str]:
    return [one.method for one in world.server.exchanges if one.path.endswith("/access_tokens")]


def test_one_token_does_everything() -> None:
    access = Access.of(config(token="one"))
    assert (access.read(), access.write(), access.write(FORK)) == ("one", "one", "one")


def test_a_token_for_look_ups_only_looks_up() -> None:
    access = Access.of(config(token="one", lookup_token="two"))
    assert (access.read(), access.write()) == ("two", "one")


def test_without_a_token_to_write_by_nothing_begins() -> None:
    for lookup in ("", "two"):
        with pytest.raises(UsageError, match=f"E-TOKEN-MISSING: a pull request in {REPO} needs a token"):
            Access.of(config(lookup_token=lookup))


@pytest.mark.parametrize("value", ["one two", "one\n", "\tone", "one\x00", "öne", "one\u2026", "one\x7f"])
def test_what_is_no_token_is_told_without_showing_it(value: str) -> None:
    for given in ({"token": value}, {"token": "one", "lookup_token": value}):
        with pytest.raises(UsageError) as caught:
            Access.of(config(**given))
        assert caught.value.code == "E-TOKEN-FORM"
        assert value not in f"{caught.value} {caught.value!r} {caught.value.remedy}"


def test_no_value_shows_a_token() -> None:
    key = app_keys()[0]
    for access in (
        Access.of(config(token="sesame", lookup_token="simsim")),
        Access.of(config(lookup_token="simsim", app=App("1", key))),
    ):
        shown = f"{access} {access!r} {pretty_repr(access)} {access.app!r} {pretty_repr(access.app)}"
        assert REPO in shown
        for secret in ("sesame", "simsim", "PRIVATE", key.splitlines()[2]):
            assert secret not in shown


def test_the_app_comes_before_the_token_and_after_the_one_for_look_ups(world: World) -> None:
    app = App(str(APP_ID), app_keys()[0])
    access = Access.of(config(world.server.url, token="one", lookup_token="two", app=app))
    assert access.read() == "two"
    assert access.write().startswith("ghs_")
    without = Access.of(config(world.server.url, token="one", app=app))
    assert without.read() == without.write() != "one"


def test_the_installation_is_looked_up_once_and_its_token_kept(world: World) -> None:
    access = by_app(world)
    token = access.write()
    assert world.ask("GET", PULLS, token).status_code == 200
    assert access.read() == access.write() == token
    asked = [(one.method, one.path) for one in world.server.exchanges if one.path != PULLS]
    number = world.server.state.apps[str(APP_ID)].installation
    assert asked == [("GET", INSTALLATION), ("POST", f"/app/installations/{number}/access_tokens")]


def test_a_configured_installation_is_not_looked_up(world: World) -> None:
    access = by_app(world, str(world.server.state.apps[str(APP_ID)].installation))
    assert access.write() == access.write(FORK)
    assert [one.method for one in world.server.exchanges] == ["POST"]


def test_a_fork_can_have_an_installation_of_its_own(world: World) -> None:
    access = by_app(world)
    world.app(REPO, FORK)
    assert access.write() != access.write(FORK)
    assert access.write(FORK) == access.write(FORK)
    assert len(grants(world)) == 2


def test_a_token_is_renewed_before_it_ends(world: World, now: list[datetime]) -> None:
    clock = [0.0]
    access = by_app(world, clock=clock)
    first = access.write()
    clock[0], now[0] = 2999.0, now[0] + timedelta(seconds=2999)
    assert access.write() == first
    clock[0], now[0] = 3000.0, now[0] + timedelta(seconds=1)
    second = access.write()
    assert second != first
    # The first is good for ten more minutes: whatever was begun with it can be finished.
    assert world.ask("GET", PULLS, first).status_code == 200
    assert len(grants(world)) == 2


@pytest.mark.parametrize("moment", ["presently", "2026-01-01T00:00:00", ""])
def test_a_token_whose_end_cannot_be_read_lives_for_an_hour(rude: World, moment: str) -> None:
    clock = [0.0]
    rude.server.fail_next("POST", GRANT, Fault(status=201, body={"token": "ghs_x", "expires_at": moment}))
    access = by_app(rude, clock=clock)
    assert access.write() == "ghs_x"
    clock[0] = 2999.0
    assert access.write() == "ghs_x"
    clock[0] = 3000.0
    assert access.write() != "ghs_x"


@pytest.mark.parametrize("path", [("GET", INSTALLATION), ("POST", GRANT)])
@pytest.mark.parametrize(
    ("fault", "code"), [(Fault.reply(502), "E-GITHUB"), (Fault.reset(), "E-NETWORK")], ids=["502", "reset"]
)
def test_a_server_that_stumbles_is_asked_again(rude: World, path: tuple[str, str], fault: Fault, code: str) -> None:
    access = by_app(rude)
    rude.server.fail_next(*path, fault, 4)
    error = failing(access)
    assert (error.code, type(error)) == (code, Failure)
    # What failed once is tried anew.
    rude.server.fail_next(*path, fault, 2)
    assert access.write().startswith("ghs_")


@pytest.mark.parametrize("path", [("GET", INSTALLATION), ("POST", GRANT)])
@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        (Fault.reply(401, {"message": "A JSON web token could not be decoded"}), "E-TOKEN-REJECTED", UsageError),
        (Fault.reply(403, {"message": "Suspended"}), "E-TOKEN-RIGHTS", UsageError),
        (Fault.reply(404, {"message": "Not Found"}), "E-APP-INSTALLATION", UsageError),
        (Fault.reply(409, {"message": "Conflict"}), "E-GITHUB", Failure),
        (Fault.hurried(60), "E-GITHUB-LIMIT", Failure),
        (Fault.redirect("http://localhost:9/", 307), "E-REDIRECT", Refusal),
        (Fault(status=201, body=b'"nonsense"'), "E-GITHUB", Failure),
        (Fault(status=201, body=b'{"token": "a b", "expires_at": "x"}'), "E-GITHUB", Failure),
        (Fault(status=201, body=b'{"token": "", "expires_at": "x"}'), "E-GITHUB", Failure),
        (Fault(status=201, body=b"\xff"), "E-GITHUB", Failure),
    ],
)
def test_what_is_answered_otherwise(
    rude: World, path: tuple[str, str], fault: Fault, code: str, kind: type[XenbumpError]
) -> None:
    rude.server.fail_next(*path, fault)
    error = failing(by_app(rude))
    assert (error.code, type(error)) == (code, kind)
    assert error.what.startswith("could not ")
    assert (rude.server.url in error.where, "\n" in str(error)) == (True, False)


def test_an_app_that_is_not_installed(rude: World) -> None:
    for access in (Access(app=by_app(rude).app, repository=FORK), by_app(rude, "1"), by_app(rude, "../1")):
        error = failing(access)
        assert error.code == "E-APP-INSTALLATION"
        assert "XENBUMP_GITHUB_APP_INSTALLATION" in error.remedy


@pytest.mark.parametrize("key", ["public", "nonsense", "cut", "elliptic"])
def test_a_key_that_signs_nothing(rude: World, key: str) -> None:
    private, public = app_keys()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    wrong = {
        "public": public,
        "nonsense": "-----BEGIN RSA PRIVATE KEY-----\nno\n-----END RSA PRIVATE KEY-----\n",
        "cut": private[: len(private) // 2],
        "elliptic": elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
    }
    error = failing(by_app(rude, key=wrong[key]))
    assert error.code == "E-APP-KEY"
    assert rude.server.exchanges == []


def test_another_app_s_key_is_not_accepted(world: World) -> None:
    app = App("12", app_keys()[0])
    error = failing(Access(app=Installations(world.server.url, app), repository=REPO))
    assert error.code == "E-TOKEN-REJECTED"


# --- more than is needed ---------------------------------------------------------------------------------------------

RIGHTS = Rights("demo/packages", push=True, scopes=None, private=False, clock=None)


@pytest.mark.parametrize(
    ("scopes", "private", "excess"),
    [
        (None, False, ()),
        ("public_repo", False, ()),
        ("public_repo read:org gist notifications", False, ()),
        ("repo", True, ()),
        ("repo", False, ("repo",)),
        ("repo admin:org delete_repo workflow", True, ("admin:org", "delete_repo", "workflow")),
        ("public_repo write:packages delete:packages user", False, ("delete:packages", "user", "write:packages")),
    ],
)
def test_a_token_that_may_far_more_is_told_of(
    scopes: str | None,
    private: bool,  # noqa: FBT001
    excess: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rights = replace(RIGHTS, scopes=None if scopes is None else frozenset(scopes.split()), private=private)
    assert rights.excess == excess
    monkeypatch.setattr(github_rights, "of", lambda *_, **__: rights)
    check = token._rights(config(token="a-token"))
    assert check.result == (Result.LACKING if excess else Result.OK), check
    assert all(scope in check.what for scope in excess)
