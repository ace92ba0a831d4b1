"""Files from xenbits: kept, asked for again, tried again, and refused when they are not whole or not small."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from xenbump import __version__
from xenbump.errors import Failure, Refusal, XenbumpError
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


def kept_file(root: Path, name: str = NAME) -> Path:
    (found,) = root.rglob(name)
    return found


# --- asked for again -------------------------------------------------------------------------------------------------


def test_a_kept_file_is_asked_for_by_a_condition(httpserver: HTTPServer, shop: Shop) -> None:
    head = {"ETag": '"one"', "Last-Modified": WHEN}
    serve(httpserver, Response(b"first", headers=head), Response(status=304), Response(b"second"))
    assert [shop.client.get(NAME) for _ in range(3)] == [b"first", b"first", b"second"]
    first, second, third = asked(httpserver)
    assert not {"If-None-Match", "If-Modified-Since"} & set(dict(first.headers))
    for later in (second, third):
        assert (later.headers["If-None-Match"], later.headers["If-Modified-Since"]) == ('"one"', WHEN)
    assert first.headers["User-Agent"] == f"xenbump/{__version__}"
    assert first.headers["Accept-Encoding"] == "identity"
    assert shop.client.kept(NAME) == b"second"


def test_one_header_alone_is_enough_for_a_condition(httpserver: HTTPServer, shop: Shop) -> None:
    serve(httpserver, Response(b"text", headers={"Last-Modified": WHEN}), Response(status=304))
    assert [shop.client.get(NAME), shop.client.get(NAME)] == [b"text", b"text"]
    second = asked(httpserver)[1]
    assert second.headers["If-Modified-Since"] == WHEN
    assert "If-None-Match" not in second.headers


def test_what_another_run_kept_is_used(httpserver: HTTPServer, shop: Shop, tmp_path: Path) -> None:
    serve(httpserver, Response(b"text", headers={"ETag": '"one"'}), Response(status=304))
    shop.client.get(NAME)
    other = Shop(httpserver.url_for("/xsa/"), tmp_path / "cache")
    assert other.client.kept(NAME) == b"text"
    assert other.client.get(NAME) == b"text"
    other.client.close()


@pytest.mark.parametrize("damage", ["content", "meta", "no meta", "empty"])
def test_a_damaged_kept_file_is_fetched_anew(httpserver: HTTPServer, shop: Shop, tmp_path: Path, damage: str) -> None:
    serve(httpserver, *[Response(b"text", headers={"ETag": '"one"'})] * 2)
    shop.client.get(NAME)
    path = kept_file(tmp_path)
    meta = path.with_name(path.name + ".meta")
    match damage:
        case "content":
            path.write_bytes(b"tex_")
        case "meta":
            meta.write_bytes(b'{"sha256": 1}')
        case "no meta":
            meta.unlink()
        case _:
            path.write_bytes(b"")
    assert shop.client.kept(NAME) is None
    assert shop.client.get(NAME) == b"text"
    assert "If-None-Match" not in asked(httpserver)[1].headers


def test_not_modified_without_anything_kept_is_an_error(httpserver: HTTPServer, shop: Shop) -> None:
    serve(httpserver, Response(status=304))
    shop.fails("E-REDIRECT")


def test_a_cache_that_cannot_be_written(httpserver: HTTPServer, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    serve(httpserver, Response(b"text"))
    assert isinstance(shop.fails("E-STATE"), Failure)


def test_nothing_unfinished_is_left(httpserver: HTTPServer, shop: Shop, tmp_path: Path) -> None:
    serve(httpserver, Response(b"text"), name="xsa7/xsa7-01.patch")
    shop.client.get("xsa7/xsa7-01.patch")
    assert {path.name for path in tmp_path.rglob("*.*")} == {"xsa7-01.patch", "xsa7-01.patch.meta"}


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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xenbits, "_LIMITS", {"xsa.json": 30, "advisory": 20, "patch": 10})


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


# --- nowhere else ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("to", "words"),
    [("/xsa/other", "another path"), ("http://localhost:9/", "localhost")],
)
def test_a_redirect_is_not_followed(httpserver: HTTPServer, shop: Shop, status: int, to: str, words: str) -> None:
    def away(_: Request) -> Response:
        reply = Response(status=status, headers={"Location": to})
        reply.autocorrect_location_header = False
        return reply

    serve(httpserver, away)
    error = shop.fails("E-REDIRECT")
    assert isinstance(error, Refusal)
    assert f"({words})" in error.what
    assert len(asked(httpserver)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "", "..", "../xsa.json", "xsa.json/..", "/etc/passwd", "/xsa480.patch", "xsa.json\n", "xsa.json\0", "XSA.JSON",
        "advisory-0.txt", "advisory-01.txt", "advisory-480.html", "advisory-123456.txt", "advisory-.txt",
        "xsa1/xsa2-1.patch", "xsa1/../xsa1.patch", "xsa1//xsa1.patch", "xsa1/xsa1-../x.patch", "xsa1-..patch",
        "xsa1.patch?x", "xsa1.patch#x", "xsa1-%2e%2e.patch", "xsa1-a b.patch", "xsa1-\\x.patch", "xsa.patch",
        "xsa\u0661.patch", "xsa1.txt", "http://localhost/xsa.json", "xsa1/xsa1/xsa1.patch", "xsa1-é.patch",
    ],
)  # fmt: skip
def test_other_names_are_refused_before_anything_is_asked(httpserver: HTTPServer, shop: Shop, name: str) -> None:
    assert isinstance(shop.fails("E-XSA-NAME", name), Refusal)
    with pytest.raises(Refusal):
        shop.client.kept(name)
    assert httpserver.log == []


@pytest.mark.parametrize(
    "name",
    ["xsa.json", "advisory-1.txt", "xsa1.patch", "xsa480-4.20-1.patch", "xsa7/xsa7-01.patch"],
)
def test_names_that_are_asked_for(httpserver: HTTPServer, shop: Shop, name: str) -> None:
    serve(httpserver, Response(b"text"), name=name)
    assert shop.client.get(name) == b"text"


def test_no_proxy_for_this_machine(httpserver: HTTPServer, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    serve(httpserver, Response(b"text"))
    assert shop.client.get(NAME) == b"text"


# --- a copy on disk --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://{}/"])
def test_a_copy_on_disk(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a copy"
    (folder / "xsa7").mkdir(parents=True)
    (folder / "xsa.json").write_bytes(b"[]")
    (folder / "xsa7" / "xsa7-1.patch").write_bytes(b"patch")
    written = str(folder) if not form.startswith("file:") else str(folder).replace(" ", "%20")
    shop = Shop(form.format(written), tmp_path / "cache")
    assert shop.client.get("xsa.json") == b"[]"
    assert shop.client.get("xsa7/xsa7-1.patch") == b"patch"
    assert not (tmp_path / "cache").exists()
    assert isinstance(shop.fails("E-XSA-MISSING"), Failure)
    shop.fails("E-XSA-NAME", "../a copy/xsa.json")


@pytest.mark.usefixtures("small")
def test_a_copy_has_the_same_limits(tmp_path: Path) -> None:
    (tmp_path / "xsa480.patch").write_bytes(b"x" * 11)
    shop = Shop(str(tmp_path), tmp_path / "cache")
    assert isinstance(shop.fails("E-XSA-SIZE", "xsa480.patch"), Refusal)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert "cannot be read" in Shop(str(tmp_path), tmp_path / "cache").fails("E-XSA-MISSING").what


def test_what_is_kept_is_told_from_what_only_looks_so(tmp_path: Path) -> None:
    root = "https://localhost/xsa/"
    folder = tmp_path / hashlib.sha256(root.encode()).hexdigest()[:16]
    folder.mkdir()
    (folder / NAME).write_bytes(b"text")
    client = Xenbits(root, tmp_path)
    assert client.kept(NAME) is None
    meta = folder / f"{NAME}.meta"
    meta.write_text(json.dumps({"sha256": hashlib.sha256(b"text").hexdigest()}))
    assert client.kept(NAME) == b"text"


@pytest.mark.parametrize("damage", ["", "altered", "without-meta", "strange-meta", "gone"])
def test_the_digests_of_what_is_kept(httpserver: HTTPServer, shop: Shop, tmp_path: Path, damage: str) -> None:
    names = ("advisory-480.txt", "advisory-481.txt")
    for name in names:
        httpserver.expect_request(f"/xsa/{name}").respond_with_data(name.encode())
        shop.client.get(name)
    (place,) = [path.parent for path in tmp_path.rglob("advisory-480.txt")]
    if damage == "altered":
        (place / names[0]).write_bytes(b"advisory-48O.txt")
    elif damage == "strange-meta":
        (place / f"{names[0]}.meta").write_bytes(b"{")
    elif damage:
        (place / (names[0] + (".meta" if damage == "without-meta" else ""))).unlink()
    whole = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    assert shop.client.digests(names) == (None if damage else whole)
    assert shop.client.digests(names[1:]) == {names[1]: whole[names[1]]}
    assert shop.client.digests([]) == {}
