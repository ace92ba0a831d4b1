"""Tokens and the App's key appear nowhere: in no value, error, traceback with local variables, or log."""

from __future__ import annotations

import logging
import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from github import Auth, Github
from requests.adapters import HTTPAdapter
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from tests.publish.github_hub import LABEL, Hub, quick, standing
from tests.support.github_world import APP_ID, PULLS, REPO, app_keys
from xenbump.config import App
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.publish import github_app
from xenbump.publish.access import Access
from xenbump.publish.github_app import Installations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.publish.github import GitHub

SESAME, SIMSIM = "sesame-that-writes", "simsim-that-reads"
FAULTS = {
    "401": Fault.reply(401, {"message": "Bad credentials"}),
    "404": Fault.reply(404, {"message": "Not Found"}),
    "500": Fault.reply(500),
    "reset": Fault.reset(),
    "truncated": Fault.truncated(),
    "nonsense": Fault(status=200, body=b'{"nonsense": 1}'),
    "text": Fault(status=200, body=b"[["),
    "redirect": Fault.redirect("http://localhost:9/"),
    "limit": Fault.hurried(9999),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    quick(monkeypatch)
    monkeypatch.setattr(github_app, "_RETRY", github_app._RETRY.new(backoff_factor=0))
    with GitHubServer() as server, standing(server) as made:
        made.world.app()
        server.add_token(SESAME, "octo-maintainer")
        server.add_token(SIMSIM, "octo-maintainer", permissions=[])
        made.opened()
        yield made


def by_tokens(hub: Hub) -> GitHub:
    return hub.client(Access(SESAME, lookup=SIMSIM, repository=REPO))


def by_app(hub: Hub) -> GitHub:
    app = App(str(APP_ID), app_keys()[0])
    return hub.client(Access(lookup=SIMSIM, app=Installations(hub.world.server.url, app), repository=REPO))


def everything(client: GitHub) -> None:
    """What a run does, with tokens of each kind."""
    client.find("NixOS:xen-4.20")
    client.update(1, title="changed")
    client.add_labels(1, (LABEL,))
    client.comment(1, "a word")
    client.mark_ready(1)
    client.viewer()


def found(hub: Hub, text: str) -> list[str]:
    """The secrets in a text, broken over lines or not."""
    plain = re.sub(r"[\s│]+", "", text)
    private = [line for line in app_keys()[0].splitlines() if "-" not in line]
    granted = [value for value in hub.world.server.state.tokens if value.startswith("ghs_")]
    claims = [
        one.request_headers["authorization"].partition(" ")[2]
        for one in hub.world.server.exchanges
        if "installation" in one.path
    ]
    secrets = [SESAME, SIMSIM, private[1], *granted, *claims, "PRIVATEKEY"]
    return [secret for secret in secrets if secret in plain]


def shown(error: BaseException) -> str:
    """All that an error tells, and tracebacks with the local variables of every frame but the test's own."""
    assert error.__traceback__ is not None
    frames = error.__traceback__.tb_next
    # What rich would print, without the printing, which takes most of the time.
    trace = Traceback.extract(
        type(error), error, frames, show_locals=True, locals_max_length=9999, locals_max_string=99999
    )
    nodes = [node for stack in trace.stacks for frame in stack.frames for node in (frame.locals or {}).values()]
    told = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    return "".join([*map(str, nodes), *told.format(), repr(error), str(error), repr(vars(error))])


def raised(act: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        act()
    return caught.value


def test_a_traceback_with_local_variables_would_show_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test below can fail: this is what PyGithub's own error shows."""
    monkeypatch.setattr(HTTPAdapter, "send", interrupted)
    client = Github(base_url=hub.world.server.url, auth=Auth.Token(SESAME), retry=None)
    error = raised(lambda: client.get_repo(REPO))
    assert found(hub, shown(error)) == [SESAME]


def interrupted(_: object, request: Any, **__: object) -> None:
    headers = dict(request.headers)  # as the frames further down have them
    raise KeyboardInterrupt(len(headers))


@pytest.mark.parametrize("make", [by_tokens, by_app])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_shows_a_secret(hub: Hub, make: Callable[[Hub], GitHub], fault: str) -> None:
    client = make(hub)
    places = [("GET", PULLS), ("PATCH", f"{PULLS}/1"), ("POST", "/api/graphql")]
    acts: list[Callable[[], Any]] = [lambda: client.find("NixOS:xen-4.20"), lambda: client.close(1), client.viewer]
    for (method, path), act in zip(places, acts, strict=True):
        hub.world.server.fail_next(method, path, FAULTS[fault], 9)
        if (fault, method) != ("truncated", "PATCH"):  # it is closed all the same, and that is found out
            assert found(hub, shown(raised(act))) == [], (method, fault)
        hub.world.server._faults.clear()


@pytest.mark.parametrize("place", [("GET", ".*/installation"), ("POST", ".*/access_tokens")])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_on_the_way_to_a_token_shows_one(hub: Hub, place: tuple[str, str], fault: str) -> None:
    client = by_app(hub)
    hub.world.server.fail_next(*place, FAULTS[fault], 9)
    error = raised(lambda: client.close(1))
    assert found(hub, shown(error)) == []
    assert hub.pulls[0].state == "open"


@pytest.mark.parametrize("make", [by_tokens, by_app])
def test_an_interrupt_shows_none_either(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, make: Callable[[Hub], GitHub]
) -> None:
    client = make(hub)
    client.viewer()  # so that an App's token is there
    monkeypatch.setattr(HTTPAdapter, "send", interrupted)
    error = raised(lambda: client.close(1))
    assert isinstance(error, KeyboardInterrupt)
    assert found(hub, shown(error)) == []


def test_an_interrupt_on_the_way_to_a_token_shows_no_claim(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPAdapter, "send", interrupted)
    app = Installations(hub.world.server.url, App(str(APP_ID), app_keys()[0]))
    for act in (lambda: by_app(hub).close(1), lambda: app.token(REPO)):
        error = raised(act)
        assert isinstance(error, KeyboardInterrupt)
        assert (found(hub, shown(error)), "Bearer" in shown(error)) == ([], False)


def test_a_token_that_the_libraries_would_not_send_is_not_shown(hub: Hub) -> None:
    for value in ("sesame\nthat-writes", "sesame-öffne-dich"):
        error = raised(lambda value=value: hub.client(Access(value)))  # type: ignore[misc]
        assert "sesame" not in str(error) + repr(error)


@pytest.mark.parametrize("make", [by_tokens, by_app])
def test_no_log_has_a_secret(hub: Hub, make: Callable[[Hub], GitHub], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="github"):
        everything(make(hub))
        hub.world.server.fail_next("GET", PULLS, Fault.reset(), 2)
        make(hub).find("NixOS:xen-4.20")
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert {"github", "urllib3"} <= loggers
    text = "\n".join(f"{record.getMessage()} {record.args!r} {record.exc_text}" for record in caplog.records)
    assert PULLS in text
    assert found(hub, text) == []


@pytest.mark.parametrize("make", [by_tokens, by_app])
def test_no_value_shows_a_secret(hub: Hub, make: Callable[[Hub], GitHub]) -> None:
    client = make(hub)
    everything(client)
    values = [client, client.requests, vars(client), vars(client.requests), client.get(1), client.comments(1)]
    parts = [client.requests._reader, client.requests._writer, client.requests._reader.requester]
    text = "".join(f"{value!r} {value} {pretty_repr(value)}" for value in [*values, *parts])
    assert found(hub, text) == []
