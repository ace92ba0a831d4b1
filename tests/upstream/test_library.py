"""Texts that are verified and remembered, patches that have the signed digest, and everything that is refused."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from werkzeug import Response

from tests.upstream.support import trust_in
from xenbump.demo.advisory_text import build, content_of, render
from xenbump.demo.xenbits import Shelf, XenbitsServer
from xenbump.errors import Failure, Refusal
from xenbump.journal import Journal
from xenbump.upstream import index
from xenbump.upstream.library import Library
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_httpserver import HTTPServer
    from werkzeug import Request

    from xenbump.demo.signing import SigningKey
    from xenbump.journal import Run
    from xenbump.upstream.index import Entry
    from xenbump.upstream.library import Text

TABLE = [("xsa480-?.patch", "xen-unstable - Xen 4.17.x")]


@pytest.fixture
def shelf(key: SigningKey, tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "xsa", key)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Journal(tmp_path / "state").run("test") as one:
        yield one


@pytest.fixture
def library(shelf: Shelf, run: Run, tmp_path: Path) -> Library:
    return Library(Xenbits(str(shelf.folder), tmp_path / "cache"), trust_in(shelf.key), run)


def text_of(library: Library, number: int = 480) -> Text:
    text = library.read(library.entry(number)).text
    assert text is not None
    return text


def refused(library: Library, number: int = 480) -> Refusal:
    with pytest.raises(Refusal) as caught:
        library.read(library.entry(number))
    return caught.value


def test_a_verified_text(shelf: Shelf, library: Library) -> None:
    advisory = shelf.add(480, TABLE, cves=["CVE-2026-12345"], title="x86: a title")
    text = text_of(library)
    assert text.advisory == advisory
    assert (text.title, text.cves, text.version, text.code) == ("x86: a title", ("CVE-2026-12345",), 2, "")
    assert text.signed_by == shelf.key.fingerprint
    assert text.signed_at > 1_700_000_000


def test_a_number_without_content_has_no_text_and_is_not_asked_for(shelf: Shelf, library: Library) -> None:
    shelf.listed(480, public_time="2099-01-01 12:00")
    shelf.put(480, b"not looked at")
    assert library.read(library.entry(480)).text is None


def test_a_number_that_is_not_listed(shelf: Shelf, library: Library) -> None:
    shelf.add(480, TABLE)
    with pytest.raises(Refusal) as caught:
        library.entry(481)
    assert caught.value.code == "E-XSA-UNKNOWN"


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b"[]", b'[{"xsas": []}]', b'[{"xsas": [{"n": 1}]}]'])
def test_an_index_of_another_form(shelf: Shelf, library: Library, content: bytes) -> None:
    (shelf.folder / "xsa.json").write_bytes(content)
    with pytest.raises(Refusal) as caught:
        library.index()
    assert caught.value.code == "E-XSA-INDEX"


def test_an_embargoed_number_that_gets_a_state_is_refused(shelf: Shelf, tmp_path: Path, run: Run) -> None:
    shelf.listed(480, public_time="2099-01-01 12:00")

    def make() -> Library:
        return Library(Xenbits(str(shelf.folder), tmp_path / "cache"), trust_in(shelf.key), run)

    assert make().entry(480).public_time is not None
    shelf.listed(480, public_time="2099-01-01 12:00", status="withdrawn")
    with pytest.raises(Refusal) as caught:
        make().entry(480)
    assert caught.value.code == "E-XSA-INDEX"
    assert "XSA-480" in caught.value.where


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "E-SIGNATURE-BAD": lambda signed: signed.replace(b"Xen 4.17.x", b"Xen 4.19.x"),
    "E-SIGNATURE-BAD 2": lambda signed: signed.replace(b"xen-unstable - ", b""),
    "no signature": lambda signed: signed.split(b"\n\n", 1)[1].split(b"-----BEGIN PGP SIGNATURE")[0],
    "cut off": lambda signed: signed[: len(signed) // 2],
    "before": lambda signed: b"XSA-480 is withdrawn.\n\n" + signed,
    "behind": lambda signed: signed + b"\nXSA-480 is withdrawn.\n",
    "empty": lambda _: b"",
    "a page": lambda _: b"<html>503</html>",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_text_that_is_not_what_was_signed(shelf: Shelf, library: Library, kind: str) -> None:
    signed = shelf.key.clearsign(render(build(480, TABLE)))
    changed = BROKEN[kind](signed)
    assert changed != signed
    shelf.put(480, changed)
    shelf.listed(480, version=2, title="x")
    assert refused(library).code == ("E-ADVISORY-OUTSIDE" if kind in {"before", "behind"} else "E-SIGNATURE-BAD")


def test_a_text_that_came_damaged_is_asked_for_again(shelf: Shelf, run: Run, tmp_path: Path) -> None:
    shelf.add(480, TABLE)
    path = shelf.folder / "advisory-480.txt"
    good = path.read_bytes()
    with XenbitsServer(shelf.folder) as server:
        path.write_bytes(good.replace(b"4.17.x", b"4.16.x"))
        library = Library(Xenbits(server.url + "/", tmp_path / "cache"), trust_in(shelf.key), run)
        assert refused(library).code == "E-SIGNATURE-BAD"
        path.write_bytes(good)
        assert text_of(library).code == ""
        server.reset_counters()
        assert text_of(library).code == ""
        assert server.requests == ()


def test_a_foreign_signature(shelf: Shelf, library: Library, other_key: SigningKey) -> None:
    shelf.put(480, other_key.clearsign(render(build(480, TABLE))))
    shelf.listed(480, version=2, title="x")
    assert refused(library).code == "E-SIGNATURE-KEY"


def test_another_advisory_under_this_number(shelf: Shelf, library: Library) -> None:
    shelf.add(481, [("xsa481.patch", "Linux")])
    shelf.put(480, (shelf.folder / "advisory-481.txt").read_bytes())
    shelf.listed(480, version=2, title="x")
    assert refused(library).code == "E-ADVISORY-NUMBER"


def test_a_text_that_is_older_than_the_index_says(shelf: Shelf, library: Library) -> None:
    shelf.add(480, TABLE)
    shelf.listed(480, version=3, title="x")
    error = refused(library)
    assert error.code == "E-XSA-OLD"
    assert "version 3 of the advisory, its text is version 2" in error.what


def test_a_text_that_is_newer_than_the_index_is_taken(shelf: Shelf, library: Library) -> None:
    shelf.add(480, TABLE, version=3)
    shelf.listed(480, version=2, title="x")
    assert text_of(library).version == 3


def test_a_table_that_is_not_understood_leaves_the_title(shelf: Shelf, library: Library) -> None:
    shelf.add(480, TABLE, title="x86: a title")
    text = render(build(480, TABLE, title="x86: a title")).replace(b"xen-unstable - Xen 4.17.x", b"Xen, all of it")
    shelf.put(480, shelf.key.clearsign(text))
    found = text_of(library)
    assert (found.title, found.advisory, found.code) == ("x86: a title", None, "E-ADVISORY-RANGE")
    assert "'Xen, all of it' is not understood" in found.what


# --- patches ---------------------------------------------------------------------------------------------------------


def test_a_patch_has_the_signed_digest(shelf: Shelf, library: Library) -> None:
    (line,) = shelf.add(480, TABLE).lines
    assert [library.patch(file) for file in line.files] == [content_of(file.name) for file in line.files]
    (shelf.folder / "xsa480-2.patch").write_bytes(b"another\n")
    (shelf.folder / "xsa480-1.patch").unlink()
    with pytest.raises(Refusal) as caught:
        library.patch(line.files[1])
    assert caught.value.code == "E-PATCH-SHA256"
    assert caught.value.where == f"{shelf.folder}, xsa480-2.patch"
    with pytest.raises(Failure) as missing:
        library.patch(line.files[0])
    assert missing.value.code == "E-XSA-MISSING"


def test_an_index_that_was_read_once_is_not_read_again(
    shelf: Shelf, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    real = index.parse

    def noted(content: bytes) -> tuple[Entry, ...]:
        read.append(content)
        return real(content)

    monkeypatch.setattr(index, "parse", noted)

    def make() -> Library:
        return Library(Xenbits(str(shelf.folder), tmp_path / "cache"), trust_in(shelf.key), run)

    shelf.add(480, TABLE)
    assert make().index() == make().index()
    assert len(read) == 1
    before = make().index_digest
    shelf.listed(480, version=2, title="another")
    assert make().entry(480).title == "another"
    assert len(read) == 2
    assert make().index_digest != before
    (shelf.folder / "xsa.json").write_bytes(b"{}")
    for _ in range(2):  # what is refused is not remembered
        with pytest.raises(Refusal):
            make().index()
    assert len(read) == 4


# --- over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(shelf: Shelf, httpserver: HTTPServer) -> HTTPServer:
    def respond(request: Request) -> Response:
        path = shelf.folder / request.path.removeprefix("/xsa/")
        return Response(path.read_bytes() if path.is_file() else b"", 200 if path.is_file() else 404)

    httpserver.expect_request(re.compile("/xsa/.*")).respond_with_handler(respond)
    return httpserver


def damaged_at_first(shelf: Shelf, httpserver: HTTPServer) -> list[str]:
    """Serve a folder with entity tags that never change, and something else in the first reply for each file."""
    asked: list[str] = []

    def respond(request: Request) -> Response:
        name = request.path.removeprefix("/xsa/")
        asked.append(name)
        if request.if_none_match.contains("tag"):
            return Response(status=304)
        content = (shelf.folder / name).read_bytes() if asked.count(name) > 1 else b"{}"
        return Response(content, headers={"ETag": '"tag"'})

    httpserver.expect_request(re.compile("/xsa/.*")).respond_with_handler(respond)
    return asked


def test_what_came_damaged_with_the_tag_of_the_whole_is_asked_for_without_a_condition(
    shelf: Shelf, run: Run, tmp_path: Path, httpserver: HTTPServer
) -> None:
    """Or it would be refused until the file is another one: the server has nothing newer."""
    (line,) = shelf.add(480, TABLE).lines
    asked = damaged_at_first(shelf, httpserver)
    client = Xenbits(httpserver.url_for("/xsa/"), tmp_path / "cache")
    library = Library(client, trust_in(shelf.key), run)
    assert [entry.number for entry in library.index()] == [480]
    assert text_of(library).code == ""
    with pytest.raises(Refusal) as caught:
        library.patch(line.files[0])
    assert caught.value.code == "E-PATCH-SHA256"
    assert library.patch(line.files[0]) == content_of(line.files[0].name)
    client.close()
    assert asked == ["xsa.json"] * 2 + ["advisory-480.txt"] * 2 + [line.files[0].name] * 2


def test_an_index_that_is_damaged_twice_is_had_in_the_next_run(
    shelf: Shelf, run: Run, tmp_path: Path, httpserver: HTTPServer
) -> None:
    shelf.add(480, TABLE)
    bad = [b"{}", b""]

    def respond(request: Request) -> Response:
        if request.if_none_match.contains("tag"):
            return Response(status=304)
        content = bad.pop() if bad else (shelf.folder / "xsa.json").read_bytes()
        return Response(content, headers={"ETag": '"tag"'})

    httpserver.expect_request("/xsa/xsa.json").respond_with_handler(respond)
    client = Xenbits(httpserver.url_for("/xsa/"), tmp_path / "cache")
    with pytest.raises(Refusal) as caught:
        Library(client, trust_in(shelf.key), run).index()
    assert caught.value.code == "E-XSA-INDEX"
    assert [entry.number for entry in Library(client, trust_in(shelf.key), run).index()] == [480]
    client.close()


def test_which_texts_are_kept_and_need_not_be_asked_for(
    shelf: Shelf, served: HTTPServer, run: Run, tmp_path: Path
) -> None:
    (line,) = shelf.add(480, TABLE).lines
    shelf.add(481, TABLE)
    client = Xenbits(served.url_for("/xsa/"), tmp_path / "cache")
    library = Library(client, trust_in(shelf.key), run)
    assert library.digests([480]) is None
    contents = {number: (shelf.folder / f"advisory-{number}.txt").read_bytes() for number in (480, 481)}
    wanted = {number: hashlib.sha256(content).hexdigest() for number, content in contents.items()}
    assert {number: library.read(library.entry(number)).digest for number in wanted} == wanted
    assert library.digests([480, 481]) == wanted
    assert library.digests([480, 482]) is None
    assert not library.has_kept(line.files[0])
    library.patch(line.files[0])
    assert library.has_kept(line.files[0])
    assert not library.has_kept(replace(line.files[0], sha256="0" * 64))
    # One that is newer than the index says is asked for in every run.
    shelf.listed(480, version=1, title="x")
    later = Library(client, trust_in(shelf.key), run)
    assert later.read(later.entry(480)).digest == ""
    (path,) = (tmp_path / "cache").glob("*/advisory-481.txt")
    path.write_bytes(contents[480])
    assert later.digests([481]) is None
    client.close()


def test_of_a_copy_on_disk_nothing_is_kept(shelf: Shelf, library: Library) -> None:
    shelf.add(480, TABLE)
    assert library.read(library.entry(480)).digest == ""
    assert library.digests([480]) is None


def gpgv_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Put a gpgv first on PATH that notes each call; the result counts them."""
    wrapper = folder / "bin" / "gpgv"
    wrapper.parent.mkdir()
    before, calls = os.environ["PATH"], folder / "calls"
    wrapper.write_text(f'#!/bin/sh\necho call >> "{calls}"\nPATH="{before}" exec gpgv "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{before}")
    return lambda: len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.mark.parametrize("version", [1, 2])
def test_a_warm_run_asks_for_the_index_only_and_starts_no_gpgv(
    shelf: Shelf, served: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    count = gpgv_counted(tmp_path, monkeypatch)
    shelf.add(480, TABLE, version=version)
    shelf.add(481, [("xsa481.patch", "Linux")], version=version)

    def look() -> list[str]:
        served.clear_log()
        client = Xenbits(served.url_for("/xsa/"), tmp_path / "cache")
        with Journal(tmp_path / "state").run("test") as run:
            library = Library(client, trust_in(shelf.key), run)
            for entry in (*library.index(), *library.index()):
                library.read(entry)
            text = text_of(library)
            assert text.advisory is not None
            for file in text.advisory.lines[0].files:
                library.patch(file)
        client.close()
        served.check()
        return [request.path.removeprefix("/xsa/") for request, _ in served.log]

    everything = ["xsa.json", "advisory-480.txt", "advisory-481.txt", "xsa480-1.patch", "xsa480-2.patch"]
    assert sorted(set(look())) == sorted(everything)
    first = count()
    assert first == 2
    assert look() == ["xsa.json"]
    assert count() == first
    # A new version of one is asked for, and judged; the other is not.
    shelf.add(480, TABLE, version=version + 1)
    assert look() == ["xsa.json", "advisory-480.txt"]
    assert count() == first + 1


def test_another_keyring_trusts_nothing_that_is_remembered(
    shelf: Shelf, run: Run, tmp_path: Path, other_key: SigningKey
) -> None:
    shelf.add(480, TABLE)
    client = Xenbits(str(shelf.folder), tmp_path / "cache")
    assert text_of(Library(client, trust_in(shelf.key), run)).version == 2
    assert refused(Library(client, trust_in(other_key), run)).code == "E-SIGNATURE-KEY"
    both = trust_in(shelf.key, other_key, pinned=other_key)
    assert refused(Library(client, both, run)).code == "E-SIGNATURE-KEY"
