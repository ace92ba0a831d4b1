"""Listing, verifying and reading releases: from our own Xen project, over HTTP and by path, well formed and not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.upstream.support import trust_in
from xenbump.demo.git_server import GitServer, Stall, Status
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.hashes import sri
from xenbump.locks import locked
from xenbump.process import run
from xenbump.upstream import git
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.demo.signing import SigningKey
    from xenbump.upstream import release
    from xenbump.upstream.model import VerifiedRelease
    from xenbump.upstream.signature import Trust

CLOSED = "http://127.0.0.1:1/xen.git"


@pytest.fixture
def trust(key: SigningKey) -> Trust:
    return trust_in(key)


@pytest.fixture
def repository(server: GitServer, tmp_path: Path) -> Repository:
    return Repository([server.url("xen.git")], tmp_path / "cache")


def newest(repository: Repository) -> tuple[release.Release, str]:
    listing = repository.listing()
    return listing.releases[-1], listing.source


def verified(repository: Repository, trust: Trust) -> VerifiedRelease:
    wanted, source = newest(repository)
    return repository.verify(wanted, trust, source)


def source_hash(repository: Repository, wanted: VerifiedRelease, fetcher: str = "fetchgit") -> str:
    return repository.source_hash(wanted.commit, f"refs/tags/{wanted.tag}", wanted.source, fetcher)


def all_of_it(repository: Repository, trust: Trust) -> str:
    return source_hash(repository, verified(repository, trust))


def fetches(server: GitServer) -> int:
    """How often something was fetched: by each fetch, protocol 2 posts once for refs and then for objects."""
    return sum(request.method == "POST" for request in server.requests) // 2


def store_of(cache: Path, name: str) -> Path:
    (folder,) = cache.iterdir()
    return folder / name


def test_a_release_from_the_list_to_the_hash(
    repository: Repository, server: GitServer, xen: XenProject, trust: Trust
) -> None:
    listing = repository.listing()
    assert listing.source == server.url("xen.git")
    assert listing.refs["refs/heads/stable-4.20"] == xen.tip("stable-4.20")
    assert not any(name.startswith("refs/heads/staging") for name in listing.refs)
    assert [one.version for one in listing.releases] == ["4.20.0", "4.20.1"]
    found = verified(repository, trust)
    assert (found.version, found.tag, found.source) == ("4.20.1", "RELEASE-4.20.1", server.url("xen.git"))
    assert found.commit == xen.commits["RELEASE-4.20.1"]
    assert found.tag_object == listing.refs["refs/tags/RELEASE-4.20.1"]
    assert found.signed_by == xen.key.fingerprint
    assert found.signed_at > 1_700_000_000
    one, other = source_hash(repository, found), source_hash(repository, found, "fetchFromGitHub")
    assert one != other
    assert sri.decode(one)
    assert sri.decode(other)


def test_the_tree_is_not_fetched_before_the_signature_is_judged(
    repository: Repository, server: GitServer, trust: Trust, tmp_path: Path
) -> None:
    found = verified(repository, trust)
    tags = store_of(tmp_path / "cache", "tags.git")
    assert not store_of(tmp_path / "cache", "trees.git").exists()
    with pytest.raises(Failure):
        git.call(["cat-file", "-e", f"{found.commit}^{{tree}}"], repository=tags)
    with pytest.raises(Failure):
        git.call(["cat-file", "-e", f"{found.commit}~1"], repository=tags)
    assert server.bytes_out < 10_000


@pytest.mark.parametrize("form", ["path", "relative", "url"])
def test_a_repository_on_this_machine(
    form: str, xen: XenProject, repository: Repository, trust: Trust, tmp_path: Path
) -> None:
    relative = os.path.relpath(xen.path)
    address = {"path": str(xen.path), "relative": relative, "url": f"file://{xen.path}"}[form]
    here, there = Repository([address], tmp_path / "here"), repository
    assert here.listing().refs == there.listing().refs
    assert all_of_it(here, trust) == all_of_it(there, trust)


FAULTY = {
    "lightweight": (Release("4.20.2", lightweight=True), "E-TAG-LIGHTWEIGHT"),
    "unsigned": (Release("4.20.2", signed=False), "E-TAG-UNSIGNED"),
    "tampered": (Release("4.20.2", tampered=True), "E-SIGNATURE-BAD"),
    "other name": (Release("4.20.2", inner_name="RELEASE-4.20.1"), "E-TAG-MISMATCH"),
    "tag of a tag": (Release("4.20.2", points_to="tag"), "E-TAG-MISMATCH"),
    "tag of a tree": (Release("4.20.2", points_to="tree"), "E-TAG-MISMATCH"),
    "tag of a file": (Release("4.20.2", points_to="blob"), "E-TAG-MISMATCH"),
}


@pytest.mark.parametrize("form", FAULTY)
@pytest.mark.parametrize("way", ["http", "path"])
def test_a_faulty_release_is_refused(form: str, way: str, key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    faulty, code = FAULTY[form]
    xen = build(tmp_path / "root" / "xen.git", key, [Release("4.20.1"), faulty])
    with GitServer(tmp_path / "root") as server:
        address = server.url("xen.git") if way == "http" else str(xen.path)
        repository = Repository([address], tmp_path / "cache")
        with pytest.raises(Refusal) as caught:
            verified(repository, trust)
        assert (caught.value.code, caught.value.where.removeprefix("tag ")) == (code, "RELEASE-4.20.2")
        # The good one before it still passes.
        listing = repository.listing()
        assert repository.verify(listing.releases[0], trust, listing.source).version == "4.20.1"
        assert not store_of(tmp_path / "cache", "trees.git").exists()


def test_a_release_signed_with_another_key_is_refused(key: SigningKey, other_key: SigningKey, tmp_path: Path) -> None:
    xen = build(tmp_path / "xen.git", key, [Release("4.20.0", sign_with=other_key)])
    repository = Repository([str(xen.path)], tmp_path / "cache")
    for keyring in (trust_in(key), trust_in(key, other_key)):
        with pytest.raises(Refusal) as caught:
            verified(repository, keyring)
        assert caught.value.code == "E-SIGNATURE-KEY"
    assert verified(repository, trust_in(other_key)).signed_by == other_key.fingerprint


def test_a_tag_that_moves_between_list_and_fetch_is_refused(key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    xen = build(tmp_path / "xen.git", key, [Release("4.20.0")])
    repository = Repository([str(xen.path)], tmp_path / "cache")
    listed, source = newest(repository)
    xen.add_release("4.20.0")
    with pytest.raises(Refusal) as caught:
        repository.verify(listed, trust, source)
    assert caught.value.code == "E-TAG-MISMATCH"
    assert listed.tag_object in caught.value.what
    assert verified(repository, trust).commit == xen.commits["RELEASE-4.20.0"] != listed.commit


def test_a_tag_that_moves_before_its_tree_is_fetched_is_refused(key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    xen = build(tmp_path / "xen.git", key, [Release("4.20.0")])
    repository = Repository([str(xen.path)], tmp_path / "cache")
    with GitServer(tmp_path) as server:
        repository = Repository([server.url("xen.git")], tmp_path / "cache")
        found = verified(repository, trust)
        xen.add_release("4.20.0")
        with pytest.raises(Refusal) as caught:
            source_hash(repository, found)
    assert caught.value.code == "E-TAG-MISMATCH"


def test_a_branch_that_moves_is_asked_for_again(key: SigningKey, tmp_path: Path) -> None:
    xen = build(tmp_path / "xen.git", key, [Release("4.20.0")])
    repository = Repository([str(xen.path)], tmp_path / "cache")
    commit, ref = repository.listing().find("stable-4.20")
    xen.add_commit("4.20", {"new": File.text("new\n")}, "Something new")
    with pytest.raises(Refusal) as caught:
        repository.source_hash(commit, ref, str(xen.path), "fetchgit")
    assert caught.value.code == "E-TAG-MISSING"
    commit, ref = repository.listing().find("stable-4.20")
    assert sri.decode(repository.source_hash(commit, ref, str(xen.path), "fetchgit"))


def test_a_commit_by_its_identifier(xen: XenProject, repository: Repository, trust: Trust) -> None:
    found = verified(repository, trust)
    by_commit = repository.source_hash(found.commit, found.commit, found.source, "fetchgit")
    assert by_commit == source_hash(repository, found)
    assert xen.tip("stable-4.20") != found.commit
    tip = xen.tip("stable-4.20")
    assert repository.source_hash(tip, tip, found.source, "fetchgit") != by_commit


def test_a_tag_that_is_gone_is_missing(repository: Repository, trust: Trust) -> None:
    wanted, source = newest(repository)
    gone = replace(wanted, tag="RELEASE-4.20.7", tag_object="0" * 39 + "1")
    with pytest.raises(Refusal) as caught:
        repository.verify(gone, trust, source)
    assert caught.value.code == "E-TAG-MISSING"


def test_mirrors_are_tried_in_order(server: GitServer, xen: XenProject, trust: Trust, tmp_path: Path) -> None:
    told: list[str] = []
    addresses = [CLOSED, server.url("gone.git"), server.url("xen.git"), str(xen.path)]
    repository = Repository(addresses, tmp_path / "cache", told.append)
    listing = repository.listing()
    assert listing.source == server.url("xen.git")
    assert [line.split(" did not serve (")[1][:10] for line in told] == ["E-NETWORK)", "E-GIT-REPO"]
    found = verified(repository, trust)
    assert found.source == server.url("xen.git")
    assert sri.decode(source_hash(repository, found))


def test_another_address_serves_what_the_listing_one_no_longer_does(
    server: GitServer, xen: XenProject, trust: Trust, tmp_path: Path
) -> None:
    repository = Repository([server.url("xen.git"), str(xen.path)], tmp_path / "cache")
    wanted, source = newest(repository)
    server.fail_next("xen.git", Status(500), times=100)
    found = repository.verify(wanted, trust, source)
    assert found.source == str(xen.path)
    assert source_hash(repository, found)


def test_a_mirror_with_another_tag_is_not_believed(key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    main = build(tmp_path / "main.git", key, [Release("4.20.0")])
    mirror = build(tmp_path / "mirror.git", key, [Release("4.20.0", files={"evil": File.text("x")})])
    with GitServer(tmp_path) as server:
        repository = Repository([server.url("main.git"), str(mirror.path)], tmp_path / "cache")
        wanted, source = newest(repository)
        server.fail_next("main.git", Status(500), times=100)
        with pytest.raises(Refusal) as caught:
            repository.verify(wanted, trust, source)
        assert caught.value.code == "E-TAG-MISMATCH"
        assert caught.value.where == str(mirror.path)
    assert main.commits != mirror.commits


def test_when_no_address_answers_the_first_error_counts(server: GitServer, tmp_path: Path) -> None:
    server.fail_next("xen.git", Status(500), times=100)
    repository = Repository([server.url("xen.git"), CLOSED, str(tmp_path / "none")], tmp_path / "cache")
    with pytest.raises(Failure, match=r"error: 500.*; the other 2 configured address\(es\) failed too") as caught:
        repository.listing()
    assert (caught.value.code, caught.value.where) == ("E-HTTP-STATUS", server.url("xen.git"))
    with pytest.raises(Failure) as caught:
        Repository([CLOSED], tmp_path / "cache").listing()
    assert "other" not in caught.value.what


def test_a_warm_cache_is_not_fetched_into_again(repository: Repository, server: GitServer, trust: Trust) -> None:
    first = all_of_it(repository, trust)
    server.reset_counters()
    assert all_of_it(repository, trust) == first
    assert source_hash(repository, verified(repository, trust), "fetchFromGitHub")
    listings = [request for request in server.requests if "info/refs" in request.path]
    assert len(listings) == 2
    assert len(server.requests) == 4


def test_a_server_without_partial_clones_sends_the_tree_once(xen: XenProject, trust: Trust, tmp_path: Path) -> None:
    with GitServer(xen.path.parent) as server:
        expected = all_of_it(Repository([server.url("xen.git")], tmp_path / "expected"), trust)
        assert fetches(server) == 2
    with GitServer(xen.path.parent, allow_filter=False) as server:
        repository = Repository([server.url("xen.git")], tmp_path / "cache")
        assert all_of_it(repository, trust) == expected
        assert fetches(server) == 1
        assert not store_of(tmp_path / "cache", "trees.git").exists()


def test_each_release_adds_little_to_a_cache(key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    large = File(os.urandom(300_000))
    xen = build(tmp_path / "root" / "xen.git", key, [Release("4.20.0", files={"large": large})])
    with GitServer(tmp_path / "root") as server:
        repository = Repository([server.url("xen.git")], tmp_path / "cache")
        all_of_it(repository, trust)
        assert server.bytes_out > 300_000
        server.reset_counters()
        xen.add_release("4.20.1")
        assert all_of_it(repository, trust) == all_of_it(Repository([str(xen.path)], tmp_path / "fresh"), trust)
        assert server.bytes_out < 30_000


def test_two_projects_do_not_share_a_cache(key: SigningKey, trust: Trust, tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "two"):
        xen = build(tmp_path / f"{name}.git", key, [Release("4.20.0", files={"name": File.text(name)})])
        hashes.add(all_of_it(Repository([str(xen.path)], tmp_path / "cache"), trust))
    assert len(hashes) == 2
    assert len(list((tmp_path / "cache").iterdir())) == 2


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


@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_a_fetch_that_was_killed_does_not_stop_the_next(
    request_number: int, server: GitServer, repository: Repository, xen: XenProject, tmp_path: Path
) -> None:
    """Only xenbump is killed: its git goes on in the cache for a while, and the next fetch waits for it."""
    commit = xen.commits["RELEASE-4.20.1"]
    server.fail_next("xen.git", Stall(0), times=request_number - 1)
    server.fail_next("xen.git", Stall(2.0 if request_number == 3 else 0.5))
    argv = fetching(server, tmp_path / "cache", commit)
    seen = "shallow.lock" if request_number == 3 else "HEAD"
    kill_soon(argv, tmp_path, lambda: (tmp_path / "cache").exists() and any(tmp_path.glob(f"cache/*/trees.git/{seen}")))
    if request_number == 3:
        # Its git waits for the objects now, and holds the lock.
        with pytest.raises(Failure), locked(repository._cache / "lock", seconds=0):
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
    (folder,) = [Repository([source], tmp_path / "cache")._cache]
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
    with repository._locked(), pytest.raises(Failure) as caught:
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


def outcome(repository: Repository, trust: Trust) -> str:
    """The hash, or the code and place of the error."""
    try:
        return all_of_it(repository, trust)
    except XenbumpError as error:
        return f"{error.code} {error.where}"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("store", ["tags.git", "trees.git"])
def test_a_damaged_cache_says_so_or_heals(
    damage: str, store: str, repository: Repository, trust: Trust, tmp_path: Path
) -> None:
    expected = all_of_it(repository, trust)
    place = store_of(tmp_path / "cache", store)
    DAMAGES[damage](place)
    assert outcome(repository, trust) in {expected, f"E-OBJECT {place}"}
    shutil.rmtree(place)
    assert all_of_it(repository, trust) == expected


def test_an_object_that_was_exchanged_is_found(repository: Repository, trust: Trust, tmp_path: Path) -> None:
    found = verified(repository, trust)
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
    with pytest.raises(Failure) as caught:
        source_hash(repository, found)
    assert caught.value.code == "E-OBJECT"
    assert caught.value.where == str(store)
    assert file.oid in caught.value.what


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
