"""The limits of a reply, seen from the one who asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.hostile import servers as s
from xenbump import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Talk = Callable[[s.Line], None]


@pytest.fixture
def server() -> Iterator[s.Server]:
    with s.Server(lambda line: line.send(s.reply(b"hello"))) as made:
        yield made


def get(server: s.Server, *, seconds: float = 20.0, most: int = 100_000, stream: bool = False) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", wire.Adapter(seconds=seconds, most=most))
        return session.get(server.url, timeout=10, stream=stream)


def test_a_reply_within_them(server: s.Server) -> None:
    assert get(server).content == b"hello"
    assert get(server).text == "hello"
    server.talk = lambda line: line.send(
        s.head("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
        *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in s.deflated(1, piece=b"x")),
        b"0\r\n\r\n",
    )
    assert get(server, most=1 << 20).content == b"x" * (1 << 20)


def test_the_limit_itself(server: s.Server) -> None:
    assert get(server, most=5).content == b"hello"
    with pytest.raises(wire.TooLargeError, match=r"^the reply has more than 4 bytes$"):
        get(server, most=4)


def test_one_who_counts_himself_reads_as_it_comes(server: s.Server) -> None:
    reply = get(server, most=0, stream=True)
    assert b"".join(reply.iter_content(1)) == b"hello"


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (lambda line: line.trickle(b"HTTP/1.1 200 OK\r\nA: b\r\n"), requests.Timeout),
        # Whichever limit it meets first, that of time or that of what may stand beside a body.
        (
            lambda line: line.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 9),
            (requests.Timeout, requests.ConnectionError),
        ),
        (lambda line: (line.send(s.head("Content-Length: 999\r\n")), line.trickle(b"x")), requests.ConnectionError),
        (lambda line: (line.send(s.head()), line.trickle(b"x")), requests.ConnectionError),
    ],
    ids=["headers", "continue", "body", "body-without-length"],
)
def test_a_reply_that_takes_its_time(
    talk: Talk, kind: type[Exception] | tuple[type[Exception], ...], server: s.Server
) -> None:
    server.talk = talk
    began = time.monotonic()
    with pytest.raises(kind):
        get(server, seconds=0.3)
    assert time.monotonic() - began < 5


def test_a_connection_serves_again(server: s.Server) -> None:
    def twice(line: s.Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server.talk = twice
    assert [get(server).content for _ in range(3)] == [b"ok"] * 3
