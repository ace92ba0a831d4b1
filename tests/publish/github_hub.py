"""The client of GitHub for tests: in the world of the stand-in, with a clock that only its own sleep moves."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.github_world import REPO, WRITER, inhabited
from xenbump.publish import github as room
from xenbump.publish.access import Access
from xenbump.publish.github import GitHub, PullRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.support.github_world import World
    from xenbump.demo.github_server import Exchange, GitHubServer
    from xenbump.demo.github_state import PullRequest as Kept

HEAD = "NixOS:xen-4.20"
LABEL, SECURITY = "6.topic: xen-project", "1.severity: security"
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
# 2026-01-01 12:00 UTC.
NOON = 1767268800.0


@dataclass
class Hub:
    """A world, a client, and what it said and slept."""

    world: World
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    time: float = NOON
    mark: int = 0
    clients: list[GitHub] = field(default_factory=list)

    def client(self, access: Access | str = WRITER, repository: str = REPO) -> GitHub:
        """A client that waits without waiting."""
        if isinstance(access, str):
            access = Access(access, repository=repository)
        made = GitHub(
            self.world.server.url, access, repository, self.said.append, sleep=self.sleep, now=lambda: self.time
        )
        self.clients.append(made)
        return made

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def opened(self, *, draft: bool = True, client: GitHub | None = None) -> PullRequest:
        return (client or self.client()).open(
            title="xen: 4.20.1 -> 4.20.2", body="text", head=HEAD, base="master", draft=draft
        )

    def forget(self) -> None:
        """Let `requests` begin here."""
        self.mark = len(self.world.server.exchanges)

    @property
    def exchanges(self) -> list[Exchange]:
        return self.world.server.exchanges[self.mark :]

    @property
    def requests(self) -> list[str]:
        """What was asked since then, each as `METHOD path`, without the repository's part of the path."""
        return [f"{one.method} {one.path.removeprefix(f'/repos/{REPO}')}" for one in self.exchanges]

    @property
    def writes(self) -> list[str]:
        """What of it writes; a query of GraphQL does not."""
        return [
            f"{one.method} {one.path.removeprefix(f'/repos/{REPO}')}"
            for one in self.exchanges
            if one.method in WRITES and not _is_query(one)
        ]

    @property
    def pulls(self) -> list[Kept]:
        return list(self.world.server.state.repositories[REPO.lower()].pulls.values())


def _is_query(exchange: Exchange) -> bool:
    if not exchange.path.endswith("/graphql"):
        return False
    body: dict[str, Any] = json.loads(exchange.request_body)
    return str(body["query"]).startswith("query")


@contextmanager
def standing(server: GitHubServer) -> Iterator[Hub]:
    """A hub on a stand-in that serves."""
    with inhabited(server) as world:
        hub = Hub(world)
        try:
            yield hub
        finally:
            for client in hub.clients:
                client.disconnect()


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests that read be repeated without pauses."""
    monkeypatch.setattr(room, "_RETRY", room._RETRY.new(backoff_factor=0))
