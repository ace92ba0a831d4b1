"""A client of xenbits with the pauses that it makes, and the replies that a server gives to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from xenbump.errors import XenbumpError
from xenbump.upstream import xenbits
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

NAME = "advisory-480.txt"
WHEN = "Tue, 17 Mar 2026 12:00:00 GMT"


class Shop:
    """A client, and the pauses that it made."""

    def __init__(self, root: str, cache: Path) -> None:
        self.pauses: list[float] = []
        self.client = Xenbits(root, cache, sleep=self.pauses.append)

    def fails(self, code: str, name: str = NAME) -> XenbumpError:
        with pytest.raises(XenbumpError) as caught:
            self.client.get(name)
        assert caught.value.code == code
        return caught.value


@pytest.fixture
def shop(httpserver: HTTPServer, tmp_path: Path) -> Iterator[Shop]:
    one = Shop(httpserver.url_for("/xsa/"), tmp_path / "cache")
    yield one
    one.client.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xenbits, "_LIMITS", {"xsa.json": 30, "advisory": 20, "patch": 10})


def serve(server: HTTPServer, *replies: Response | Callable[[Request], Response], name: str = NAME) -> None:
    """One reply for each request; a request too many is an error."""
    for reply in replies:
        handler = server.expect_ordered_request(f"/xsa/{name}")
        if isinstance(reply, Response):
            handler.respond_with_response(reply)
        else:
            handler.respond_with_handler(reply)


def asked(server: HTTPServer) -> list[Request]:
    server.check()
    return [request for request, _ in server.log]
