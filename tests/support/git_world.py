"""A package repository and a fork of it, as real git repositories, in the GitHub stand-in and in a client's eyes."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from tests.support import contract
from xenbump import config as configuration
from xenbump.demo.git_server import isolated_git
from xenbump.demo.github_git_operations import OnDisk
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.demo.github_server import Exchange

REPO, FORK = "demo/packages", "demo-bot/packages"
BOT, TOKEN, STRANGER = "demo-bot", "bot-token", "stranger-token"
FILE = "pkgs/xen/package.nix"
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
PERSON = {"user.name": "A Person", "user.email": "person@localhost"}
FILES: dict[str, bytes] = {
    FILE: b'{ version = "4.20.2"; }\n',
    "pkgs/xen/crlf.txt": b"one\r\ntwo\r\n",
    "pkgs/xen/data.bin": bytes(range(256)),
    "pkgs/xen/old.patch": b"--- a\n+++ b\n",
    "pkgs/xen/run.sh": b"#!/bin/sh\n",
    "pkgs/xen/sub/only.patch": b"only\n",
    # Before and behind `xen` in git's order, in which a folder's name ends in a slash.
    "pkgs/xen-a": b"a\n",
    "pkgs/xen.nix": b"nix\n",
    "pkgs/xen0/default.nix": b"0\n",
    "README": b"Packages\n",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """Run git as a person would; its output without the last line break."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **isolated_git({**PERSON, "protocol.file.allow": "always"}), **(env or {})},
        input=stdin,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().removesuffix("\n")


@dataclass
class GitWorld:
    """The stand-in, the two repositories, and a checkout in which a person works."""

    folder: Path
    server: GitHubServer
    upstream: OnDisk
    fork: OnDisk
    work: Path
    start: str
    seen: int = 0

    def reset(self) -> None:
        """Put the branches back, and forget what was asked."""
        master = f"refs/heads/master {self.start}"
        for disk in (self.upstream, self.fork):
            refs = disk.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
            if refs != [master]:
                gone = [f"delete {ref.split()[0]}" for ref in refs if not ref.startswith("refs/heads/master ")]
                lines = [*gone, f"update {master}", ""]
                disk.git("update-ref", "--stdin", stdin="\n".join(lines).encode())
            (disk.folder / "hooks" / "update").unlink(missing_ok=True)
        self.server._faults.clear()
        self.forget()

    def forget(self) -> None:
        self.seen = len(self.server.exchanges)

    def exchanges(self) -> list[Exchange]:
        return self.server.exchanges[self.seen :]

    def writes(self) -> list[str]:
        """What was written since the last `forget`, without the first part of the paths."""
        return [
            f"{one.method} {one.path.removeprefix('/repos/')}"
            for one in self.exchanges()
            if one.method in WRITES and "graphql" not in one.path
        ]

    def commit(self, files: Mapping[str, bytes | None], text: str, *, on: str = "", author: str = "") -> str:
        """Write a commit of a person's into the fork, on another one; no branch is moved."""
        disk, on = self.fork, on or self.start
        git(self.work, "fetch", "--quiet", str(disk.folder), on)
        git(self.work, "checkout", "--quiet", "--force", "--detach", on)
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        git(self.work, "add", "--all")
        env = {}
        if author:
            name, email = author.removesuffix(">").split(" <")
            env = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email}
        git(self.work, "commit", "--quiet", "--allow-empty", "--message", text, env=env)
        made = git(self.work, "rev-parse", "HEAD")
        git(self.work, "push", "--quiet", str(disk.folder), f"{made}:refs/heads/put")
        disk.git("update-ref", "-d", "refs/heads/put")
        return made

    def advance(self, commit: str) -> str:
        """Let the repository's base branch be a commit of a person's."""
        git(self.work, "push", "--quiet", "--force", str(self.upstream.folder), f"{commit}:refs/heads/master")
        return commit

    def ask(self, method: str, path: str, body: object = None, token: str | None = TOKEN) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return requests.request(method, self.server.url + path, json=body, headers=headers, timeout=10)

    def config(self, *, fork: bool = True, more: str = "", **env: str) -> Config:
        """A configuration for this world; `more` goes into the table of GitHub."""
        path = self.folder / "job" / "xenbump.toml"
        path.parent.mkdir(exist_ok=True)
        forked = f'fork = "{FORK}"\n' if fork else ""
        path.write_text(
            f'[[package]]\nname = "xen"\nfile = "{FILE}"\n\n[github]\nrepository = "{REPO}"\n{forked}{more}\n'
        )
        given: dict[str, Any] = {
            "XENBUMP_STATE_DIR": str(self.folder / "state"),
            "XENBUMP_GITHUB_URL": self.server.url,
            "XENBUMP_GITHUB_TOKEN": TOKEN,
            **env,
        }
        return configuration.load(path, given)


@contextmanager
def standing(folder: Path, *, shares: bool = True, check: bool = True) -> Iterator[GitWorld]:
    """Build the world in a folder and let it stand.

    Args:
        folder: where it lies.
        shares: whether the fork sees the objects of the repository.
        check: whether every exchange with GitHub is checked against its description, at the end.
    """
    work, bare = folder / "work", folder / "packages.git"
    work.mkdir(parents=True)
    git(work, "init", "--quiet", "--initial-branch=master")
    for name, content in FILES.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (work / "pkgs/xen/run.sh").chmod(0o755)
    (work / "pkgs/xen/link").symlink_to("package.nix")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "init")
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    upstream = OnDisk(bare)
    fork = upstream.fork(folder / "fork.git", shares=shares)
    with contract.checked(GitHubServer()) if check else GitHubServer() as server:
        server.add_repository(REPO, upstream, count_commits=upstream.count, writers=[BOT])
        server.add_repository(FORK, fork, count_commits=fork.count, fork_of=REPO)
        server.add_token(TOKEN, BOT)
        server.add_token(STRANGER, "stranger")
        yield GitWorld(folder, server, upstream, fork, work, git(work, "rev-parse", "HEAD"))
