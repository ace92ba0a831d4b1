"""The cache of the repository: killed fetches, damage, two at once, and what is read from it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.upstream.releases import all_of_it, newest, source_hash, store_of, verified
from tests.upstream.support import trust_in
from xenbump.demo.git_server import GitServer, Stall
from xenbump.errors import Failure, Refusal
from xenbump.hashes import sri
from xenbump.locks import locked
from xenbump.process import run
from xenbump.upstream import git
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.demo.signing import SigningKey
    from xenbump.demo.xen_project import XenProject
    from xenbump.upstream.signature import Trust


@pytest.fixture
def trust(key: SigningKey) -> Trust:
    return trust_in(key)


@pytest.fixture
def repository(server: GitServer, tmp_path: Path) -> Repository:
    return Repository([server.url("xen.git")], tmp_path / "cache")


def kill_soon(argv: list[str], cwd: Path, reached: Callable[[], bool]) -> None:
    """Start a program and kill it, but not what it started, as soon as it has come so far."""
    with subprocess.Popen(argv, cwd=cwd) as process:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


FETCH = """
import sys
from pathlib import Path
from xenbump.upstream.repository import Repository
repository = Repository([sys.argv[1]], Path(sys.argv[2]))
repository.source_hash(sys.argv[3], sys.argv[3], sys.argv[1], "fetchgit")
"""


def fetching(server: GitServer, cache: Path, commit: str) -> list[str]:
    return [sys.executable, "-c", FETCH, server.url("xen.git"), str(cache), commit]


@pytest.mark.parametrize("request_number", [1, 2])
def test_a_fetch_that_was_killed_does_not_stop_the_next(
    request_number: int, server: GitServer, repository: Repository, xen: XenProject, tmp_path: Path
) -> None:
    """Only xenbump is killed: its git goes on in the cache for a while, and the next fetch waits for it."""
    commit = xen.commits["RELEASE-4.20.1"]
    server.fail_next("xen.git", Stall(0), times=request_number - 1)
    server.fail_next("xen.git", Stall(2.0))
    argv = fetching(server, tmp_path / "cache", commit)
    kill_soon(argv, tmp_path, lambda: server.faults_left == 0)
    # Its git waits for an answer now, and holds the lock.
    with pytest.raises(Failure), locked(repository._stores.folder / "lock", seconds=0):
        pass
    assert sri.decode(repository.source_hash(commit, commit, server.url("xen.git"), "fetchgit"))
    git.call(["fsck", "--strict"], repository=store_of(tmp_path / "cache", "trees.git"))


def test_what_a_killed_git_leaves_does_not_block(
    repository: Repository, trust: Trust, xen: XenProject, tmp_path: Path
) -> None:
    listing = repository.listing()
    old = repository.verify(listing.releases[0], trust, listing.source)
    expected = source_hash(repository, old)
    commit, ref = listing.find("stable-4.20")
    by_id = xen.commits["RELEASE-4.20.1"]
    for name in ("tags.git", "trees.git"):
        store = store_of(tmp_path / "cache", name)
        for left in (
            *("shallow.lock", "config.lock", "packed-refs.lock", "HEAD.lock", "objects/pack/tmp_pack_x"),
            *("refs/tags/RELEASE-4.20.1.lock", "refs/heads/stable-4.20.lock", f"refs/xenbump/{by_id}.lock"),
        ):
            (store / left).parent.mkdir(exist_ok=True)
            (store / left).write_text("half")
    found = repository.verify(listing.releases[1], trust, listing.source)
    assert source_hash(repository, found) != expected
    store = store_of(tmp_path / "cache", "trees.git")
    (store / f"refs/xenbump/{by_id}.lock").parent.mkdir(exist_ok=True)
    (store / f"refs/xenbump/{by_id}.lock").write_text("half")
    (store / "refs/heads").mkdir(exist_ok=True)
    (store / "refs/heads/stable-4.20.lock").write_text("half")
    assert repository.source_hash(commit, ref, listing.source, "fetchgit")
    assert not list(store.glob("**/*.lock"))
    assert not list(store.glob("objects/pack/tmp_*"))


def test_a_store_that_was_half_made_is_made_anew(repository: Repository, trust: Trust, tmp_path: Path) -> None:
    wanted, source = newest(repository)
    (folder,) = [Repository([source], tmp_path / "cache")._stores.folder]
    for half in ("tags.git/objects", "tags.git.new/refs", "trees.git.new"):
        (folder / half).mkdir(parents=True)
    found = repository.verify(wanted, trust, source)
    assert source_hash(repository, found)


def test_two_processes_fetch_at_once(server: GitServer, xen: XenProject, tmp_path: Path) -> None:
    commit = xen.commits["RELEASE-4.20.1"]
    argv = fetching(server, tmp_path / "cache", commit)
    both = [subprocess.Popen(argv, cwd=tmp_path) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]


def test_another_process_holds_the_cache(
    repository: Repository, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, source = newest(repository)
    monkeypatch.setattr(git, "FETCH_SECONDS", 0.2)
    with repository._stores.locked(), pytest.raises(Failure) as caught:
        Repository([source], tmp_path / "cache").verify(wanted, trust, source)
    assert caught.value.code == "E-LOCKED"


def packs(store: Path) -> list[Path]:
    found = sorted((store / "objects" / "pack").glob("*.pack"))
    assert found
    for path in found:
        path.chmod(0o644)
    return found


def flip_at(fraction: float) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        for path in packs(store):
            content = bytearray(path.read_bytes())
            content[int(len(content) * fraction)] ^= 0xFF
            path.write_bytes(content)

    return damage


def cut(store: Path) -> None:
    for path in packs(store):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write(name: str, text: str) -> Callable[[Path], None]:
    def damage(store: Path) -> None:
        (store / name).write_text(text)

    return damage


DAMAGES = {
    "flipped early": flip_at(0.1),
    "flipped": flip_at(0.5),
    "flipped late": flip_at(0.9),
    "cut": cut,
    "head": write("HEAD", "nonsense"),
    "configuration": write("config", "[["),
    "shallow": write("shallow", "nonsense\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("store", ["tags.git", "trees.git"])
def test_a_damaged_cache_is_fetched_anew_and_that_is_said(
    damage: str, store: str, server: GitServer, trust: Trust, tmp_path: Path
) -> None:
    told: list[str] = []
    repository = Repository([server.url("xen.git")], tmp_path / "cache", told.append)
    expected = all_of_it(repository, trust)
    place = store_of(tmp_path / "cache", store)
    DAMAGES[damage](place)
    told.clear()
    assert all_of_it(repository, trust) == expected
    words = [one for one in told if "thrown away" in one]
    # Some damage is not met by what is asked here.
    assert words in ([], [f"the cache {place} is damaged; it is thrown away and fetched anew"])
    told.clear()
    assert all_of_it(repository, trust) == expected
    assert [one for one in told if "fetching" in one or "thrown away" in one] == []


def test_a_damaged_history_is_fetched_anew(server: GitServer, xen: XenProject, tmp_path: Path) -> None:
    told: list[str] = []
    repository = Repository([server.url("xen.git")], tmp_path / "cache", told.append)

    def messages() -> list[tuple[str, str]]:
        tip = xen.tip("stable-4.20")
        return repository.messages(tip, "refs/heads/stable-4.20", server.url("xen.git"), store="some.git", since="")

    expected = messages()
    for place in (0.3, 0.6):
        flip_at(place)(store_of(tmp_path / "cache", "some.git"))
        assert messages() == expected
    assert any("thrown away" in one for one in told)


def test_what_is_not_a_cache_by_its_content_is_not_thrown_away(
    repository: Repository, trust: Trust, tmp_path: Path
) -> None:
    all_of_it(repository, trust)
    place = store_of(tmp_path / "cache", "trees.git")
    DAMAGES["flipped"](place)
    (place / "a person's notes.txt").write_text("keep")
    for _ in range(2):
        with pytest.raises(Failure) as caught:
            all_of_it(repository, trust)
        assert (caught.value.code, caught.value.where) == ("E-OBJECT", str(place))
        assert (place / "a person's notes.txt").read_text() == "keep"
    (place / "HEAD").unlink()
    with pytest.raises(Failure) as caught:
        all_of_it(repository, trust)
    assert (caught.value.code, caught.value.where) == ("E-STATE", str(place))
    assert (place / "a person's notes.txt").read_text() == "keep"


def test_a_git_that_cannot_look_throws_nothing_away(
    repository: Repository, trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_it(repository, trust)
    place = store_of(tmp_path / "cache", "trees.git")
    DAMAGES["flipped"](place)
    real = git.call

    def call(arguments: list[str], **options: Any) -> Any:
        if arguments[0] == "fsck":
            raise Failure("E-TIMEOUT", "git took too long")
        return real(arguments, **options)

    monkeypatch.setattr(git, "call", call)
    with pytest.raises(Failure):
        all_of_it(repository, trust)
    assert (place / "HEAD").exists()


def test_an_object_that_was_exchanged_is_found(repository: Repository, trust: Trust, tmp_path: Path) -> None:
    found = verified(repository, trust)
    expected = source_hash(repository, found)
    with repository.objects(found.commit, f"refs/tags/{found.tag}", found.source) as objects:
        tree = objects.commit(found.commit).tree
        file = next(one for one in objects.tree(tree) if one.name == b"Config.mk")
    store = store_of(tmp_path / "cache", "trees.git")
    # All objects loose, and one of them exchanged: git itself does not notice.
    for path in packs(store):
        content = path.read_bytes()
        for part in path.parent.glob(path.stem + ".*"):
            part.unlink()
        argv = ["git", f"--git-dir={store}", "unpack-objects", "-q"]
        run(argv, stdin=content)
    forged = run(["git", f"--git-dir={store}", "hash-object", "-w", "--stdin"], stdin=b"forged").stdout.decode().strip()
    place = store / "objects" / file.oid[:2] / file.oid[2:]
    place.chmod(0o644)
    shutil.copyfile(store / "objects" / forged[:2] / forged[2:], place)
    assert git.call(["cat-file", "blob", file.oid], repository=store).stdout == b"forged"
    with repository.objects(found.commit, f"refs/tags/{found.tag}", found.source) as objects:
        with pytest.raises(Failure) as caught:
            objects.raw(file.oid, "blob")
        assert (caught.value.code, caught.value.where) == ("E-OBJECT", str(store))
        assert file.oid in caught.value.what
    # What is asked for the hash is done once more with a new cache.
    assert source_hash(repository, found) == expected
    assert git.call(["cat-file", "blob", file.oid], repository=store).stdout != b"forged"


def test_a_malformed_object_is_not_taken_in(xen: XenProject, tmp_path: Path) -> None:
    path = tmp_path / "xen.git"
    shutil.copytree(xen.path, path)
    blob = run(["git", f"--git-dir={path}", "hash-object", "-w", "--stdin"], stdin=b"x").stdout.strip()
    raw = b"100644 .git\0" + bytes.fromhex(blob.decode())
    making = ["git", f"--git-dir={path}", "hash-object", "-w", "--stdin", "--literally", "-t"]
    tree = run([*making, "tree"], stdin=raw).stdout.strip()
    person = b"x <x@localhost> 1767614400 +0000\n"
    text = b"tree " + tree + b"\nauthor " + person + b"committer " + person + b"\nx\n"
    commit = run([*making, "commit"], stdin=text).stdout.decode().strip()
    run(["git", f"--git-dir={path}", "update-ref", "refs/heads/stable-4.21", commit])
    with pytest.raises(Refusal) as caught:
        Repository([str(path)], tmp_path / "cache").source_hash(commit, "refs/heads/stable-4.21", str(path), "fetchgit")
    assert caught.value.code == "E-GIT-FSCK"


def test_a_cache_that_cannot_be_made(server: GitServer, trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    repository = Repository([server.url("xen.git")], tmp_path / "file" / "cache")
    wanted, source = newest(repository)
    with pytest.raises(Failure) as caught:
        repository.verify(wanted, trust, source)
    assert caught.value.code == "E-STATE"


def test_reading_files_of_a_tree(repository: Repository, trust: Trust) -> None:
    found = verified(repository, trust)
    with repository.objects(found.commit, f"refs/tags/{found.tag}", found.source) as objects:
        tree = objects.commit(found.commit).tree
        makefile = objects.file(tree, "xen/Makefile")
        assert makefile is not None
        assert b"XEN_SUBVERSION" in makefile
        for path in ("xen", "xen/none", "none/Makefile", "COPYING/x", ""):
            assert objects.file(tree, path) is None
        assert objects.tree(tree) is objects.tree(tree)
        for oid, kind in ((tree, "blob"), (found.commit, "tree"), ("0" * 40, "blob"), ("HEAD", "commit")):
            with pytest.raises(Failure) as caught:
                objects.raw(oid, kind)
            assert caught.value.code == "E-OBJECT"
        # The conversation goes on after each of them.
        assert objects.file(tree, "xen/Makefile") == makefile


def test_reading_after_git_has_gone(repository: Repository, trust: Trust) -> None:
    found = verified(repository, trust)
    with repository.objects(found.commit, f"refs/tags/{found.tag}", found.source) as objects:
        objects._process.kill()
        objects._process.wait()
        for _ in range(2):
            with pytest.raises(Failure) as caught:
                objects.raw(found.commit, "commit")
            assert caught.value.code == "E-OBJECT"
