"""From the list of a repository to a hash, in a few steps, for the tests of the repository and its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.demo.git_server import GitServer
    from xenbump.upstream import release
    from xenbump.upstream.model import VerifiedRelease
    from xenbump.upstream.repository import Repository
    from xenbump.upstream.signature import Trust


def newest(repository: Repository) -> tuple[release.Release, str]:
    """The newest release that it lists, and the address."""
    listing = repository.listing()
    return listing.releases[-1], listing.source


def verified(repository: Repository, trust: Trust) -> VerifiedRelease:
    """That release, verified."""
    wanted, source = newest(repository)
    return repository.verify(wanted, trust, source)


def source_hash(repository: Repository, wanted: VerifiedRelease, fetcher: str = "fetchgit") -> str:
    """The hash of a release's tree."""
    return repository.source_hash(wanted.commit, f"refs/tags/{wanted.tag}", wanted.source, fetcher)


def all_of_it(repository: Repository, trust: Trust) -> str:
    """All of that, one after the other."""
    return source_hash(repository, verified(repository, trust))


def fetches(server: GitServer) -> int:
    """How often something was fetched: by each fetch, protocol 2 posts once for refs and then for objects."""
    return sum(request.method == "POST" for request in server.requests) // 2


def store_of(cache: Path, name: str) -> Path:
    """A store in the cache of the only repository."""
    (folder,) = cache.iterdir()
    return folder / name
