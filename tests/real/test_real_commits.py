"""Commits of the real Xen: changes with published hashes, and backports on its stable branches.

XENBUMP_REAL_XEN names a bare repository that has Xen's tags and branches as of August 2026 or later.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from xenbump.demo.git_server import GitServer, isolated_git
from xenbump.hashes import patch
from xenbump.process import run
from xenbump.upstream import history, release
from xenbump.upstream.commits import origins

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.upstream.model import Listing
    from xenbump.upstream.repository import Repository

T = TypeVar("T")
REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN is not set")

# A fix of libxl that nixpkgs lists for 4.20 by its address on GitHub, with `full_index`.
LIBXL = "f6281291704aa356489f4bd927cc7348a920bd01"
LIBXL_HASH = "sha256-LH+68kxH/gxdyh45kYCPxKwk+9cztLrScpC2pCNQV2M="
BRANCHES = [f"4.{number}" for number in range(13, 23)]


class Forgetful:
    """A memory that remembers nothing."""

    def step(self, package: str, name: str, given: object, kind: type[T], work: Callable[[], T]) -> T:  # noqa: ARG002
        return work()


def git(*arguments: str) -> str:
    argv = ["git", f"--git-dir={REAL}", *arguments]
    return run(argv, env=isolated_git(), timeout=300).stdout.decode("utf-8", "replace")


def test_the_hash_that_nixpkgs_has(repository: Repository, server: GitServer, listing: Listing) -> None:
    server.reset_counters()
    assert patch.fetchpatch(repository.patch_of(LIBXL, listing.source)) == LIBXL_HASH
    assert server.bytes_out < 500_000
    server.reset_counters()
    assert patch.fetchpatch(repository.patch_of(LIBXL, listing.source)) == LIBXL_HASH
    assert server.bytes_out == 0


def has(repository: Repository, listing: Listing, rev: str, branch: str, wanted: str) -> str | None:
    commit, ref = listing.find(rev)
    return history.has_commit(repository, listing, commit, ref, branch=branch, memory=Forgetful(), wanted=wanted)


def test_releases_that_have_it(repository: Repository, listing: Listing) -> None:
    found: dict[str, Any] = {
        version: has(repository, listing, f"RELEASE-{version}", version.rpartition(".")[0], LIBXL)
        for version in ("4.20.3", "4.20.4", "4.21.0")
    }
    assert found == {"4.20.3": None, "4.20.4": None, "4.21.0": LIBXL}


@pytest.mark.parametrize("branch", BRANCHES)
def test_backports_are_found_by_what_they_come_from(branch: str, repository: Repository, listing: Listing) -> None:
    stable = f"stable-{branch}"
    log = git("log", "-z", "--format=%H%n%B", stable, "--not", "master")
    messages = [(oid, message) for oid, _, message in (entry.partition("\n") for entry in log.split("\0"))]
    named = [(oid, one) for oid, message in messages for one in origins(message)]
    assert len(named) >= 30
    for _, origin in named[:: len(named) // 8]:
        found = has(repository, listing, stable, branch, origin)
        assert found is not None
        assert (found, origin) in named


@pytest.mark.parametrize("branch", BRANCHES)
def test_each_stable_branch_descends_from_its_releases(branch: str, repository: Repository, listing: Listing) -> None:
    commit, ref = listing.find(f"stable-{branch}")
    released = [one for one in listing.releases if one.branch == branch]
    assert released
    for one in released:
        assert history.descends(repository, listing, commit, ref, one.commit or "", branch=branch)
    others = [one for one in listing.releases if release.order(one.branch) > release.order(branch)]
    assert not any(
        history.descends(repository, listing, commit, ref, one.commit or "", branch=branch) for one in others[:2]
    )


def test_the_time_of_a_tip(repository: Repository, listing: Listing) -> None:
    commit, ref = listing.find("stable-4.20")
    found = repository.committed(commit, ref, listing.source)
    assert found.timestamp() == int(git("log", "-1", "--format=%ct", commit))
