"""xenbump against the real Xen repository.

XENBUMP_REAL_XEN names a bare repository that has Xen's tags and branches as of August 2026 or later. It is served over
HTTP on the loopback interface, as the public one is, and not changed.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.plan.support import subject
from tests.upstream.support import DATA
from xenbump.errors import Refusal
from xenbump.plan.target import choose
from xenbump.settings import PROJECT_KEY
from xenbump.upstream import release, tree
from xenbump.upstream.repository import Repository
from xenbump.upstream.signature import Trust, load_trust

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.git_server import GitServer
    from xenbump.upstream.model import Listing

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN is not set")

HASHES: dict[str, dict[str, str]] = json.loads((DATA / "source-hashes.json").read_text())
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def trust() -> Trust:
    return load_trust(None, (PROJECT_KEY,))


@pytest.mark.parametrize("tag", HASHES)
def test_the_hashes_that_nixpkgs_has(tag: str, repository: Repository, listing: Listing, trust: Trust) -> None:
    wanted = release.named(listing.releases, tag.removeprefix("RELEASE-"), where="x")
    found = repository.verify(wanted, trust, listing.source)
    assert found.commit == HASHES[tag]["commit"]
    ref = f"refs/tags/{tag}"
    assert repository.source_hash(found.commit, ref, found.source, "fetchgit") == HASHES[tag]["fetchgit"]
    assert repository.source_hash(found.commit, ref, found.source, "fetchFromGitHub") == HASHES[tag]["archive"]
    with repository.objects(found.commit, ref, found.source) as objects:
        makefile = objects.file(objects.commit(found.commit).tree, tree.MAKEFILE)
    assert tree.version(makefile, tag) == found.version


def test_every_signed_release_verifies(repository: Repository, listing: Listing, trust: Trust) -> None:
    signed = [one for one in listing.releases if one.commit is not None]
    assert len(signed) >= 121
    refused = []
    for one in signed:
        try:
            found = repository.verify(one, trust, listing.source)
        except Refusal as error:
            refused.append((one.version, error.code))
        else:
            assert (found.signed_by, found.commit) == (PROJECT_KEY, one.commit)
    # This one, of 2015, is a tag of a tag.
    assert refused == [("4.5.0", "E-TAG-MISMATCH")]
    lightweight = [one for one in listing.releases if one.commit is None]
    assert len(lightweight) == 20
    assert all(release.order(one.version) < release.order("4.2.2") for one in lightweight)


@pytest.mark.parametrize(
    ("version", "target"),
    [("4.20.3", "4.20.4"), ("4.17.6", "4.17.7"), ("4.19.5", "4.19.6"), ("4.21.0", "4.21.2"), ("4.22.0", None)],
)
def test_where_each_branch_leads(version: str, target: str | None, listing: Listing) -> None:
    chosen = choose(subject(version), listing, track="branch")
    assert (chosen.version if chosen else None) == target


def test_what_a_first_run_and_a_second_one_transfer(server: GitServer, trust: Trust, tmp_path: Path) -> None:
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    server.reset_counters()
    listing = repository.listing()
    wanted = release.named(listing.releases, "4.20.4", where="x")
    found = repository.verify(wanted, trust, listing.source)
    before_the_tree = server.bytes_out
    repository.source_hash(found.commit, f"refs/tags/{found.tag}", found.source, "fetchFromGitHub")
    first = server.bytes_out
    server.reset_counters()
    listing = repository.listing()
    repository.verify(wanted, trust, listing.source)
    repository.source_hash(found.commit, f"refs/tags/{found.tag}", found.source, "fetchFromGitHub")
    second = server.bytes_out
    print(f"first {first} bytes ({before_the_tree} up to the signature), second {second} bytes")  # noqa: T201
    assert before_the_tree < 0.15 * MEGABYTE
    assert first < 9 * MEGABYTE
    assert second < 0.1 * MEGABYTE
