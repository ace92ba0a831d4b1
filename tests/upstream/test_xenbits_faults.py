"""Files from xenbits: tried again where that may help, and refused when they are not whole or not small."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from tests.upstream.shops import NAME, WHEN, Shop, asked, serve, shop, small
from xenbump.errors import Failure, Refusal
from xenbump.upstream import xenbits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_httpserver import HTTPServer

__all__ = ["shop", "small"]


# --- tried again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_it_is_tried_again(httpserver: HTTPServer, shop: Shop, status: int) -> None:
    serve(httpserver, *[Response(status=status)] * 3, Response(b"text"))
    assert shop.client.get(NAME) == b"text"
    assert shop.pauses == [0.5, 1.0, 2.0]
    assert len(asked(httpserver)) == 4


def test_it_is_given_up_after_four_tries(httpserver: HTTPServer, shop: Shop) -> None:
    serve(httpserver, *[Response(status=503)] * 4)
    error = shop.fails("E-HTTP-STATUS")
    assert isinstance(error, Failure)
    assert error.what == "the server answers 503 (tried 4 times)"
    assert error.where == httpserver.url_for(f"/xsa/{NAME}")
    assert len(asked(httpserver)) == 4
    assert shop.client.kept(NAME) is None


@pytest.mark.parametrize(
    ("wanted", "pause"), [("7", 7.0), ("0", 0.5), ("86400", 30.0), (WHEN, 0.5), ("\xb2", 0.5), ("9" * 5000, 0.5)]
)
def test_the_server_may_ask_for_a_pause(httpserver: HTTPServer, shop: Shop, wanted: str, pause: float) -> None:
    serve(httpserver, Response(status=429, headers={"Retry-After": wanted}), Response(b"text"))
    assert shop.client.get(NAME) == b"text"
    assert shop.pauses == [pause]


@pytest.mark.parametrize(("status", "code"), [(404, "E-XSA-MISSING"), (403, "E-HTTP-STATUS"), (410, "E-HTTP-STATUS")])
def test_what_another_try_will_not_mend(httpserver: HTTPServer, shop: Shop, status: int, code: str) -> None:
    serve(httpserver, Response(status=status))
    assert isinstance(shop.fails(code), Failure)
    assert shop.pauses == []
    assert len(asked(httpserver)) == 1


@contextlib.contextmanager
def raw(*replies: bytes | None) -> Iterator[str]:
    """A server that sends these bytes, one for each connection, and hangs up; None: with a reset, without a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            for reply in replies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    if reply is None:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.sendall(reply)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/xsa/"
        thread.join(10)
        assert not thread.is_alive(), "fewer requests came than were expected"


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntext"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntext"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext"


@pytest.mark.parametrize("first", [BROKEN, CHUNKED, None, b""])
def test_a_connection_that_breaks_off_is_tried_again(tmp_path: Path, first: bytes | None) -> None:
    with raw(first, WHOLE) as root:
        shop = Shop(root, tmp_path)
        assert shop.client.get(NAME) == b"text"
        shop.client.close()
    assert shop.pauses == [0.5]


@pytest.mark.parametrize(
    ("reply", "code"), [(BROKEN, "E-TRUNCATED"), (CHUNKED, "E-TRUNCATED"), (None, "E-NETWORK"), (b"", "E-NETWORK")]
)
def test_what_breaks_off_is_never_taken_for_whole(tmp_path: Path, reply: bytes | None, code: str) -> None:
    with raw(*[reply] * 4) as root:
        shop = Shop(root, tmp_path)
        assert isinstance(shop.fails(code), Failure)
        shop.client.close()
    assert shop.pauses == [0.5, 1.0, 2.0]
    assert shop.client.kept(NAME) is None


def test_odd_numbers_in_headers_are_no_numbers(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: "
    with raw(head + b"\xb2\r\n\r\ntext", head + b"9" * 5000 + b"\r\n\r\ntext") as root:
        shop = Shop(root, tmp_path)
        assert [shop.client.get(NAME), shop.client.get(NAME)] == [b"text", b"text"]
        shop.client.close()


@pytest.mark.parametrize("to", [b"http://[", b"//["])
def test_a_redirect_to_no_address(tmp_path: Path, to: bytes) -> None:
    with raw(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + b"\r\n\r\n") as root:
        shop = Shop(root, tmp_path)
        assert "cannot be read" in shop.fails("E-NETWORK").what
        assert shop.pauses == []
        shop.client.close()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    shop = Shop("http://127.0.0.1:9/", tmp_path)  # the discard service; nothing listens
    assert isinstance(shop.fails("E-NETWORK"), Failure)
    assert shop.pauses == [0.5, 1.0, 2.0]
    shop.client.close()


def test_an_error_leaves_what_is_kept(httpserver: HTTPServer, shop: Shop) -> None:
    serve(httpserver, Response(b"text", headers={"ETag": '"one"'}), Response(status=403), Response(status=304))
    assert shop.client.get(NAME) == b"text"
    shop.fails("E-HTTP-STATUS")
    assert shop.client.get(NAME) == b"text"


# --- limits ----------------------------------------------------------------------------------------------------------


SIZES = pytest.mark.parametrize(("name", "limit"), [("xsa.json", 30), (NAME, 20), ("xsa480.patch", 10)])


@SIZES
@pytest.mark.usefixtures("small")
def test_what_is_announced_as_too_large_is_not_read(httpserver: HTTPServer, shop: Shop, name: str, limit: int) -> None:
    serve(httpserver, Response(b"x" * limit), Response(b"x" * (limit + 1)), name=name)
    assert shop.client.get(name) == b"x" * limit
    error = shop.fails("E-XSA-SIZE", name)
    assert isinstance(error, Refusal)
    assert error.what == f"the server announces {limit + 1} bytes; the limit is {limit}"
    assert shop.pauses == []


@SIZES
@pytest.mark.usefixtures("small")
def test_what_comes_too_large_without_notice_is_refused(
    httpserver: HTTPServer, shop: Shop, name: str, limit: int
) -> None:
    serve(httpserver, lambda _: Response(iter([b"x" * limit, b"y"])), name=name)
    assert shop.fails("E-XSA-SIZE", name).what == f"the reply has more than {limit} bytes"
    assert shop.client.kept(name) is None


def test_a_run_takes_only_so_much(httpserver: HTTPServer, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.client, "_left", 9)
    serve(httpserver, Response(b"12345"), Response(b"12345"))
    assert shop.client.get(NAME) == b"12345"
    assert "this run has taken more than" in shop.fails("E-XSA-SIZE").what


def test_a_reply_that_trickles_is_given_up(httpserver: HTTPServer, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xenbits, "_DEADLINE_SECONDS", -1.0)
    serve(httpserver, *[Response(b"text")] * 4)
    assert "took more than" in shop.fails("E-NETWORK").what
