"""Files from xenbits: kept, asked for again, and from nowhere else but a copy on disk."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from tests.upstream.shops import NAME, WHEN, Shop, asked, serve, shop, small
from xenbump import __version__
from xenbump.errors import Failure, Refusal
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

__all__ = ["shop", "small"]


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
