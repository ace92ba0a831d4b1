"""A small world in the GitHub stand-in, and a PyGithub client and a plain one for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from github import Auth, Github

if TYPE_CHECKING:
    from collections.abc import Iterator

    from github.PullRequest import PullRequest
    from github.Repository import Repository

    from xenbump.demo.github_server import GitHubServer
    from xenbump.demo.github_state import App

REPO = "NixOS/nixpkgs"
PULLS = f"/repos/{REPO}/pulls"
APP_ID, APP_SLUG = 4711, "octo-app"
APP_LOGIN = f"{APP_SLUG}[bot]"
TEAM = "xen-project"
MASTER, TOPIC, FORKED = "a" * 40, "b" * 40, "c" * 40
WRITER, OUTSIDER, READER = "writer-token", "outsider-token", "reader-token"


@cache
def app_keys() -> tuple[str, str]:
    """A private key and its public one, in PEM; made once a process, since that takes a while."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode("ascii"), public.decode("ascii")


def claim(number: int = APP_ID) -> str:
    """What an App shows when it asks in its own name."""
    return Auth.AppAuth(number, app_keys()[0]).create_jwt()


@dataclass
class World:
    """A stand-in with a repository and a fork of it, and a client for each token."""

    server: GitHubServer
    refs: dict[str, str]
    clients: dict[str, Github]

    def repository(self, token: str = WRITER, name: str = REPO) -> Repository:
        if token not in self.clients:
            self.clients[token] = Github(
                base_url=self.server.url,
                auth=Auth.Token(token),
                retry=None,
                seconds_between_requests=None,
                seconds_between_writes=None,
            )
        return self.clients[token].get_repo(name)

    def pull(self, token: str = WRITER, head: str = "xen-4.20", *, draft: bool = True) -> PullRequest:
        return self.repository(token).create_pull(
            base="master", head=head, title="xen: 4.20.1", body="text", draft=draft
        )

    def app(self, *repositories: str, permissions: tuple[str, ...] = ("contents", "pull_requests")) -> App:
        """Register the App and install it; on the repository itself where none is named."""
        return self.server.add_app(APP_ID, APP_SLUG, app_keys()[1], repositories or (REPO,), permissions)

    def graphql(
        self, query: str, variables: dict[str, Any] | None = None, token: str | None = WRITER
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        body = {"query": query, "variables": variables or {}}
        address = self.server.url.removesuffix("/v3") + "/graphql"
        return requests.post(address, json=body, headers=headers, timeout=10)

    def ask(self, method: str, path: str, token: str | None = WRITER, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        options = {"headers": headers, "allow_redirects": False, **more}
        timeout = options.pop("timeout", 10)
        return requests.request(method, self.server.url + path, timeout=timeout, **options)


def populate(server: GitHubServer) -> dict[str, str]:
    """Fill a stand-in; return the references of the repository, which a test may change."""
    refs = {f"refs/heads/{name}": MASTER for name in ("master", "release-25.11", "empty")}
    refs |= {"refs/heads/xen-4.20": TOPIC, "refs/heads/xen/4.19": TOPIC, "refs/tags/25.11": MASTER}
    server.add_repository(REPO, refs.get, writers=["octo-maintainer"], collaborators=["octo-reviewer"])
    fork = {"refs/heads/master": MASTER, "refs/heads/xen-4.20": FORKED}
    server.add_repository("octo-operator/nixpkgs", fork.get, fork_of=REPO)
    server.add_label(REPO, "6.topic: xen-project", "5ae0ff", "Xen and its tools")
    server.add_label(REPO, "1.severity: security", "ff0000", "Issues that raise a security risk")
    server.add_team(REPO, TEAM)
    server.add_token(WRITER, "octo-maintainer")
    server.add_token(OUTSIDER, "octo-operator")
    server.add_token(READER, "octo-maintainer", permissions=[])
    return refs


@contextmanager
def inhabited(server: GitHubServer) -> Iterator[World]:
    """Fill a stand-in that serves, hand the world out, and close its clients."""
    world = World(server, populate(server), {})
    try:
        yield world
    finally:
        for client in world.clients.values():
            client.close()
