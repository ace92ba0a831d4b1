"""Listing, verifying and reading releases: from our own Xen project, over HTTP and by path, well formed and not."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.upstream.releases import all_of_it, fetches, newest, source_hash, store_of, verified
from tests.upstream.support import trust_in
from xenbump.demo.git_server import GitServer, Status
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.errors import Failure, Refusal
from xenbump.hashes import sri
from xenbump.upstream import git
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.signing import SigningKey
    from xenbump.upstream.signature import Trust

CLOSED = "http://127.0.0.1:1/xen.git"


@pytest.fixture
def trust(key: SigningKey) -> Trust:
    return trust_in(key)


@pytest.fixture
def repository(server: GitServer, tmp_path: Path) -> Repository:
    return Repository([server.url("xen.git")], tmp_path / "cache")


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


@pytest.mark.parametrize("fetcher", ["", "fetchGit", "fetchgit ", "fetchFromGitLab", "fetchurl"])
def test_a_fetcher_that_is_not_known_has_no_hash(
    fetcher: str, repository: Repository, xen: XenProject, server: GitServer
) -> None:
    commit = xen.commits["RELEASE-4.20.1"]
    with pytest.raises(ValueError, match=f"{fetcher!r}$"):
        repository.source_hash(commit, commit, server.url("xen.git"), fetcher)
    assert server.requests == ()


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


@pytest.mark.parametrize("mirror", ["path", "without filters"])
@pytest.mark.parametrize("step", [1, -1])
def test_mirrors_that_leave_out_less_take_turns(
    step: int, mirror: str, key: SigningKey, trust: Trust, tmp_path: Path
) -> None:
    """One of them is told of tags whose trees another one left out, which is away by then."""
    xen = build(tmp_path / "root" / "xen.git", key, [Release("4.20.0")])
    for point, kind in enumerate(["with filters", mirror][::step] * 2, start=1):
        with GitServer(xen.path.parent, allow_filter=kind == "with filters") as server:
            repository = Repository([str(xen.path) if kind == "path" else server.url("xen.git")], tmp_path / "cache")
            repository._stores.folder = tmp_path / "cache" / "one"  # whatever is the first address
            xen.add_release(f"4.20.{point}")
            found = verified(repository, trust)
            assert found.version == f"4.20.{point}"
            assert source_hash(repository, found) == all_of_it(Repository([str(xen.path)], tmp_path / "other"), trust)


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
