"""The change of one commit, from servers that can send little and from others; and when a commit was made."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.shelf import SOURCE, source
from tests.upstream.releases import store_of
from xenbump.demo.git_server import GitServer, Stall, Status, isolated_git
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.errors import Failure, Refusal
from xenbump.process import run
from xenbump.upstream import changes
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.demo.signing import SigningKey

LARGE = 300_000
PERSON = "x <x@localhost> {} +0000\n"


class Stand:
    """The project, and four commits on 4.20, each on top of the one before."""

    def __init__(self, xen: XenProject) -> None:
        self.xen = xen
        steps = [
            {**source(), "large": File(os.urandom(LARGE))},
            source("one"),
            {**source("one", "two"), "new/file": File.text("new\n"), "tool": File(b"#!/bin/sh\n", "100755")},
            {"tool": File(b"#!/bin/sh\nexit\n")},
        ]
        self.commits = [xen.add_commit("4.20", files, f"step {place}") for place, files in enumerate(steps)]
        self.side: dict[str, str] = {}

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return run(["git", f"--git-dir={self.xen.path}", *arguments], env=isolated_git(), stdin=stdin).stdout

    def expected(self, commit: str) -> bytes:
        return self.git("diff", "--full-index", "--no-renames", f"{commit}^", commit)

    def made(self, *parents: str, seconds: int = 1_767_614_400) -> str:
        """A commit with these parents that no ref has."""
        tree = self.git("rev-parse", f"{self.commits[0]}^{{tree}}").decode().strip()
        lines = [f"tree {tree}\n", *(f"parent {one}\n" for one in parents)]
        person = PERSON.format(seconds)
        text = "".join([*lines, "author ", person, "committer ", person, "\nx\n"])
        return self.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=text.encode()).decode().strip()


@pytest.fixture(scope="module")
def stand(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    return Stand(build(tmp_path_factory.mktemp("change") / "xen.git", key, [Release("4.20.0")]))


@pytest.fixture
def server(stand: Stand) -> Iterator[GitServer]:
    with GitServer(stand.xen.path.parent) as running:
        yield running


@pytest.fixture
def url(server: GitServer) -> str:
    return server.url("xen.git")


@pytest.fixture
def repository(url: str, tmp_path: Path) -> Repository:
    return Repository([url], tmp_path / "cache")


def test_a_change_is_fetched_without_the_rest(
    stand: Stand, server: GitServer, url: str, repository: Repository
) -> None:
    commit = stand.commits[2]
    found = repository.patch_of(commit, url)
    assert found == stand.expected(commit)
    assert f"diff --git a/{SOURCE} b/{SOURCE}".encode() in found
    assert b"new file mode 100755" in found
    assert server.bytes_out < LARGE / 10
    server.reset_counters()
    assert repository.patch_of(commit, url) == found
    assert server.requests == ()


def test_a_server_without_partial_clones(stand: Stand, tmp_path: Path) -> None:
    commit = stand.commits[2]
    with GitServer(stand.xen.path.parent, allow_filter=False) as server:
        url = server.url("xen.git")
        repository = Repository([url], tmp_path / "cache")
        assert repository.patch_of(commit, url) == stand.expected(commit)
        assert not store_of(tmp_path / "cache", "commits-whole.git").exists()
        assert len([request for request in server.requests if "info/refs" in request.path]) == 1


def test_a_repository_on_this_machine(stand: Stand, tmp_path: Path) -> None:
    path = str(stand.xen.path)
    assert Repository([path], tmp_path / "cache").patch_of(stand.commits[1], path) == stand.expected(stand.commits[1])


def test_a_server_that_gives_no_files_by_themselves(stand: Stand, server: GitServer, url: str, tmp_path: Path) -> None:
    told: list[str] = []
    repository = Repository([url], tmp_path / "cache", told.append)
    server.fail_next("info/refs", Stall(0))
    server.fail_next("info/refs", Status(500))
    commit = stand.commits[1]
    assert repository.patch_of(commit, url) == stand.expected(commit)
    assert store_of(tmp_path / "cache", "commits-whole.git").is_dir()
    assert any("not to be had by themselves" in one for one in told)
    assert server.bytes_out > LARGE
    # The next time they are to be had, and the whole trees are not asked for again.
    server.reset_counters()
    assert repository.patch_of(commit, url) == stand.expected(commit)
    assert server.bytes_out < LARGE / 10


def test_a_server_that_stops_serving(stand: Stand, server: GitServer, url: str, repository: Repository) -> None:
    server.fail_next("info/refs", Stall(0))
    server.fail_next("info/refs", Status(500), times=9)
    with pytest.raises(Failure) as caught:
        repository.patch_of(stand.commits[1], url)
    assert caught.value.code == "E-HTTP-STATUS"


def test_a_change_of_very_many_files_is_fetched_with_everything(
    stand: Stand, url: str, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_MOST_FILES", 1)
    assert repository.patch_of(stand.commits[1], url) == stand.expected(stand.commits[1])
    assert store_of(tmp_path / "cache", "commits-whole.git").is_dir()


@pytest.fixture(scope="module")
def filtering(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that leaves out what is asked to be left out, without a server."""
    path = tmp_path_factory.mktemp("filtering") / "xen.git"
    shutil.copytree(stand.xen.path, path)
    run(["git", f"--git-dir={path}", "config", "uploadpack.allowFilter", "true"], env=isolated_git())
    return path


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize(("form", "most"), [("{}", 1000), ("file://{}", 1000), ("file://{}", 0)])
def test_commits_on_top_of_each_other_share_a_store(
    *,
    form: str,
    order: tuple[int, ...],
    most: int,
    stand: Stand,
    filtering: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "_MOST_FILES", most)
    address = form.format(filtering)
    repository = Repository([address], tmp_path / "cache")
    for place in order:
        assert repository.patch_of(stand.commits[place], address) == stand.expected(stand.commits[place])
    whole = store_of(tmp_path / "cache", "commits-whole.git").exists()
    assert whole == (most == 0 and form != "{}")  # from a path, everything comes with the commit


def test_files_from_another_address_than_the_commit(stand: Stand, server: GitServer, url: str, tmp_path: Path) -> None:
    repository = Repository([url, str(stand.xen.path)], tmp_path / "cache")
    server.fail_next("info/refs", Stall(0))
    server.fail_next("info/refs", Status(500), times=99)
    assert repository.patch_of(stand.commits[1], url) == stand.expected(stand.commits[1])


def test_commits_whose_change_is_not_one(stand: Stand, url: str, repository: Repository) -> None:
    for parents in ((), (stand.commits[0], stand.commits[1])):
        commit = stand.made(*parents)
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                repository.patch_of(commit, url)
            assert (caught.value.code, caught.value.where) == ("E-COMMIT-FORM", commit)
            assert f"{len(parents)} parents" in caught.value.what


def test_a_commit_that_changes_nothing(stand: Stand, url: str, repository: Repository) -> None:
    assert repository.patch_of(stand.made(stand.commits[0]), url) == b""


def test_a_commit_that_is_not_there(url: str, repository: Repository) -> None:
    with pytest.raises(Refusal) as caught:
        repository.patch_of("1" * 40, url)
    assert caught.value.code == "E-TAG-MISSING"


def test_the_user_has_no_say_in_it(
    stand: Stand, url: str, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "attributes").write_text("* -diff\n")
    (home / ".gitconfig").write_text(
        "[diff]\n noprefix = true\n context = 1\n external = false\n[color]\n ui = always\n[core]\n quotepath = off\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    commit = stand.commits[2]
    assert b"Binary files" in stand.expected(commit)  # what the attributes do where nothing keeps them off
    found = repository.patch_of(commit, url)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert found == stand.expected(commit)


def test_a_store_with_an_exchanged_file_is_thrown_away(
    stand: Stand, url: str, repository: Repository, tmp_path: Path
) -> None:
    commit = stand.commits[1]
    repository.patch_of(commit, url)
    store = store_of(tmp_path / "cache", "commits.git")
    for path in list((store / "objects" / "pack").glob("*.pack")):
        content = path.read_bytes()
        for part in path.parent.glob(path.stem + ".*"):
            part.unlink()
        run(["git", f"--git-dir={store}", "unpack-objects", "-q"], stdin=content)
    making = ["git", f"--git-dir={store}", "hash-object", "-w", "--stdin"]
    forged = run(making, stdin=b"forged").stdout.decode().strip()
    oid = stand.git("rev-parse", f"{commit}:{SOURCE}").decode().strip()
    place = store / "objects" / oid[:2] / oid[2:]
    place.chmod(0o644)
    shutil.copyfile(store / "objects" / forged[:2] / forged[2:], place)
    assert repository.patch_of(commit, url) == stand.expected(commit)
    assert not place.exists()


def test_when_a_commit_was_made(stand: Stand, url: str, repository: Repository) -> None:
    tip = stand.xen.tip("stable-4.20")
    written = int(stand.git("log", "-1", "--format=%ct", tip))
    found = repository.committed(tip, "refs/heads/stable-4.20", url)
    assert found == datetime.fromtimestamp(written, UTC)
    assert found.utcoffset() == datetime.now(UTC).utcoffset()


def test_a_time_that_no_calendar_has(stand: Stand, url: str, repository: Repository) -> None:
    commit = stand.made(stand.commits[0], seconds=10**15)
    with pytest.raises(Refusal) as caught:
        repository.committed(commit, commit, url)
    assert (caught.value.code, caught.value.where) == ("E-COMMIT-FORM", commit)
