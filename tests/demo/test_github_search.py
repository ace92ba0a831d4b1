"""The search of the stand-in, asked by PyGithub and plainly; each exchange is checked by `contract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import contract
from tests.support.github_world import OUTSIDER, REPO, World, inhabited
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    """A world whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as made:
        yield made


def test_pull_requests_are_found_by_the_words_of_their_titles(world: World) -> None:
    world.pull()
    world.pull(OUTSIDER, "octo-operator:xen-4.20").edit(title="xen_4_19: 4.19.3 -> 4.19.4")
    client = world.clients[OUTSIDER]

    def found(query: str) -> list[int]:
        return [issue.number for issue in client.search_issues(query)]

    assert found(f"repo:{REPO} is:pr is:open in:title xen") == [2, 1]
    assert found(f'repo:{REPO} is:pr is:open in:title "4.19.4"') == [2]
    assert found(f'repo:{REPO} is:pr in:title "4.19.3 -> 4.19.4"') == [2]
    assert found(f"repo:{REPO} is:pr is:open in:title xen 4.21") == []
    assert found("repo:octo-operator/nixpkgs is:pr xen") == []
    world.repository().get_pull(1).edit(state="closed")
    assert found(f"repo:{REPO} is:pr is:open in:title xen") == [2]
    assert found(f"repo:{REPO} is:pr is:closed in:title xen") == [1]


def test_a_search_without_words_or_place_is_refused(world: World) -> None:
    queries = ("xen", f"repo:{REPO} xen", "repo:NixOS/nothing is:pr xen", f"repo:{REPO} is:pr {'x' * 257}")
    for query in queries:
        assert world.ask("GET", "/search/issues", params={"q": query}).status_code == 422, query
    limits = world.ask("GET", "/search/issues", params={"q": f"repo:{REPO} is:pr xen"}).headers
    assert limits["x-ratelimit-resource"] == "search"
