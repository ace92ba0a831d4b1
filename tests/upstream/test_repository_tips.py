"""One file of several tips: from servers that can send little and from others, and from tips that move."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.upstream.releases import store_of
from xenbump.demo.git_server import GitServer, Stall, Status
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.errors import Failure, Refusal
from xenbump.process import run
from xenbump.upstream import git
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.demo.signing import SigningKey

NAME = "SUPPORT.md"
LARGE = 300_000
LINES = ("4.9", "4.20", "4.21")
REFS = tuple(f"refs/heads/stable-{line}" for line in LINES)
DEEP = "xen/arch/x86/boot/start.c"


@pytest.fixture
def xen(key: SigningKey, tmp_path: Path) -> XenProject:
    large = {"large": File(os.urandom(LARGE)), "folder/large": File(os.urandom(LARGE)), DEEP: File.text("start\n")}
    return build(tmp_path / "root" / "xen.git", key, [Release(f"{line}.0", files=large) for line in LINES])


@pytest.fixture
def server(xen: XenProject) -> Iterator[GitServer]:
    with GitServer(xen.path.parent) as running:
        yield running


@pytest.fixture
def url(server: GitServer) -> str:
    return server.url("xen.git")


@pytest.fixture
def repository(url: str, tmp_path: Path) -> Repository:
    return Repository([url], tmp_path / "cache")


def tips(xen: XenProject) -> dict[str, str]:
    return {ref: xen.tip(ref.rpartition("/")[2]) for ref in REFS}


def expected(xen: XenProject) -> dict[str, bytes | None]:
    def content(ref: str) -> bytes | None:
        done = run(["git", f"--git-dir={xen.path}", "cat-file", "blob", f"{ref}:{NAME}"], check=False)
        return done.stdout if done.status == 0 else None

    found = {ref: content(ref) for ref in REFS}
    assert [one is None for one in found.values()] == [True, False, False]
    return found


def move(xen: XenProject, text: str, line: str = "4.20") -> None:
    xen.add_commit(line, {DEEP: File.text(text)}, f"start: {text}")


def conversations(server: GitServer) -> int:
    return sum("info/refs" in one.path for one in server.requests)


def test_little_else_is_fetched(xen: XenProject, server: GitServer, url: str, repository: Repository) -> None:
    listed = tips(xen)
    assert repository.root_files(NAME, listed, url) == expected(xen)
    assert server.bytes_out < 20_000
    assert conversations(server) == 2
    server.reset_counters()
    assert repository.root_files(NAME, listed, url) == expected(xen)
    assert server.requests == ()
    # Another file of the same tips: only that one comes.
    found = repository.root_files("README", listed, url)
    assert set(found) == set(REFS)
    assert len(set(found.values())) == 1
    assert conversations(server) == 1


def test_what_is_no_file_of_the_root_folder(xen: XenProject, url: str, repository: Repository) -> None:
    for name in ("none", "xen", ""):
        assert repository.root_files(name, tips(xen), url) == dict.fromkeys(REFS)
    assert repository.root_files(NAME, {}, url) == {}


def test_nothing_is_asked_for_when_there_are_no_tips(url: str, repository: Repository, tmp_path: Path) -> None:
    assert repository.root_files(NAME, {}, url) == {}
    assert not (tmp_path / "cache").exists()


def test_a_tip_that_moved_costs_little(xen: XenProject, server: GitServer, url: str, repository: Repository) -> None:
    repository.root_files(NAME, tips(xen), url)
    for number in range(3):
        move(xen, f"number {number}\n")
        server.reset_counters()
        assert repository.root_files(NAME, tips(xen), url) == expected(xen)
        assert server.bytes_out < 4_000
    server.reset_counters()
    xen.add_commit("4.21", {NAME: File.text("another\n")}, "Support it longer")
    found = repository.root_files(NAME, tips(xen), url)
    assert found == expected(xen)
    assert found[REFS[2]] == b"another\n"
    assert server.bytes_out < 6_000


@pytest.mark.parametrize("form", ["path", "url"])
def test_who_cannot_leave_anything_out_sends_it_once(form: str, xen: XenProject, tmp_path: Path) -> None:
    with GitServer(xen.path.parent, allow_filter=False) as server:
        address = str(xen.path) if form == "path" else server.url("xen.git")
        repository = Repository([address], tmp_path / "cache")
        assert repository.root_files(NAME, tips(xen), address) == expected(xen)
        assert (server.bytes_out > LARGE) == (form == "url")
        server.reset_counters()
        assert repository.root_files(NAME, tips(xen), address) == expected(xen)
        assert server.requests == ()
        move(xen, "moved\n")
        assert repository.root_files(NAME, tips(xen), address) == expected(xen)
        assert server.bytes_out < LARGE / 10
    assert not store_of(tmp_path / "cache", "trees.git").exists()


def test_a_tip_that_moves_after_it_was_listed_comes_by_its_identifier(
    xen: XenProject, server: GitServer, url: str, repository: Repository
) -> None:
    listed, content = tips(xen), expected(xen)
    xen.add_commit("4.20", {NAME: File.text("later\n")}, "Support it longer")
    assert repository.root_files(NAME, listed, url) == content
    assert server.bytes_out < 20_000
    found = repository.root_files(NAME, tips(xen), url)
    assert found == expected(xen)
    assert found[REFS[1]] == b"later\n"


def test_a_tip_that_never_was_is_refused(xen: XenProject, url: str, repository: Repository) -> None:
    listed = {**tips(xen), REFS[1]: "1" * 40}
    gone = {**tips(xen), "refs/heads/stable-4.8": "1" * 40}
    for wrong in (listed, gone):
        with pytest.raises(Refusal) as caught:
            repository.root_files(NAME, wrong, url)
        assert caught.value.code == "E-TAG-MISSING"
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)


@pytest.mark.parametrize("first", ["server", "path"])
def test_mirrors_of_both_kinds_take_turns(first: str, xen: XenProject, url: str, tmp_path: Path) -> None:
    addresses = [url, str(xen.path)] if first == "server" else [str(xen.path), url]
    cache = tmp_path / "cache"
    for number, source in enumerate([*addresses, *addresses]):
        move(xen, f"number {number}\n")
        repository = Repository(addresses, cache)
        repository._stores.addresses = (source,)  # the other one is away
        assert repository.root_files(NAME, tips(xen), source) == expected(xen)
    assert not store_of(cache, "trees.git").exists()


def test_a_server_that_gives_no_files_by_themselves(
    xen: XenProject, server: GitServer, url: str, tmp_path: Path
) -> None:
    told: list[str] = []
    repository = Repository([url], tmp_path / "cache", told.append)
    server.fail_next("info/refs", Stall(0))
    server.fail_next("info/refs", Status(500))
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)
    assert any("not to be had by itself" in one for one in told)
    assert server.bytes_out > LARGE
    server.reset_counters()
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)
    assert server.bytes_out < LARGE / 10


def test_a_server_that_stops_serving(xen: XenProject, server: GitServer, url: str, repository: Repository) -> None:
    for working in (0, 1):
        for _ in range(working):
            server.fail_next("info/refs", Stall(0))
        server.fail_next("info/refs", Status(500), times=2)
        with pytest.raises(Failure) as caught:
            repository.root_files(NAME, tips(xen), url)
        assert caught.value.code == "E-HTTP-STATUS"
    # What was left half done is brought to its end.
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)


def packs(store: Path) -> list[Path]:
    return list((store / "objects" / "pack").glob("*.pack"))


def content_or_code(repository: Repository, xen: XenProject, url: str) -> object:
    try:
        return repository.root_files(NAME, tips(xen), url)
    except Failure as error:
        return f"{error.code} {error.where}"


@pytest.mark.parametrize("damage", ["objects", "shallow", "configuration"])
def test_a_damaged_store_says_so_or_heals(
    damage: str, xen: XenProject, url: str, repository: Repository, tmp_path: Path
) -> None:
    repository.root_files(NAME, tips(xen), url)
    store = store_of(tmp_path / "cache", "tips.git")
    for path in packs(store) if damage == "objects" else [store / {"configuration": "config"}.get(damage, damage)]:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"[[")
    move(xen, "moved\n")
    assert content_or_code(repository, xen, url) in (expected(xen), f"E-OBJECT {store}")
    shutil.rmtree(store)
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)


def test_a_file_that_was_exchanged_is_not_believed(
    xen: XenProject, url: str, repository: Repository, tmp_path: Path
) -> None:
    repository.root_files(NAME, tips(xen), url)
    store = store_of(tmp_path / "cache", "tips.git")
    for path in packs(store):
        content = path.read_bytes()
        for part in path.parent.glob(path.stem + ".*"):
            part.unlink()
        run(["git", f"--git-dir={store}", "unpack-objects", "-q"], stdin=content)
    forged = git.call(["hash-object", "-w", str(xen.path / "HEAD")], repository=store).stdout.decode().strip()
    oid = run(["git", f"--git-dir={xen.path}", "rev-parse", f"{REFS[1]}:{NAME}"]).stdout.decode().strip()
    place = store / "objects" / oid[:2] / oid[2:]
    place.chmod(0o644)
    shutil.copyfile(store / "objects" / forged[:2] / forged[2:], place)
    assert git.call(["cat-file", "blob", oid], repository=store).stdout == (xen.path / "HEAD").read_bytes()
    assert repository.root_files(NAME, tips(xen), url) == expected(xen)
