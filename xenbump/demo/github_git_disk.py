"""The git repositories behind the GitHub stand-in: real ones on disk; a fork sees the objects of its parent.

GitHub keeps the objects of a repository and of its forks together, so that a commit of one can be named through the
other (the comparison of two commits says so: https://docs.github.com/rest/commits/commits#compare-two-commits). Clients
of GitHub have also met forks that did not know their parent's newest commits: those are the forks that share nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.demo.git_server import isolated_git
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OID = re.compile(r"[0-9a-f]{40}")
_PERSON = re.compile(r"(?P<name>.*) <(?P<email>[^>]*)> (?P<seconds>\d+) (?P<zone>[+-]\d{4})")


class GitFailedError(Exception):
    """Git ended with an error status; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote or committed, and when: `seconds` since 1970 UTC."""

    name: str
    email: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as it lies on disk."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a tree; `size` is None for what is no blob."""

    path: str
    mode: str
    kind: str
    sha: str
    size: int | None


class OnDisk:
    """A bare repository on disk; as the stand-in's `resolve_ref` it tells where a reference is.

    Args:
        folder: the repository.
        network: the repository that this one was forked from, and its other forks; itself is added.
        shares: whether it sees the objects of those. They see its own in either case.
    """

    def __init__(self, folder: Path, network: list[Path] | None = None, *, shares: bool = True) -> None:
        self.folder = folder
        self._network = network if network is not None else []
        self._network.append(folder)
        self._shares = shares
        # An object that was seen once does not change.
        self._settled: dict[tuple[str, ...], str] = {}
        self._kinds: dict[str, str] = {}
        self._trees: dict[tuple[str, bool], list[Entry]] = {}
        self._commits: dict[str, Commit] = {}

    def __call__(self, ref: str) -> str | None:
        """The hash that a full reference such as `refs/heads/master` points to, or None."""
        with contextlib.suppress(OSError):
            loose = (self.folder / ref).read_text("utf-8").strip()
            if OID.fullmatch(loose):
                return loose
        done = self._run("rev-parse", "--verify", "--quiet", ref, check=False)
        return done.decode().strip() or None

    def count(self, base: str, head: str) -> int:
        """How many commits `head` has that `base` lacks."""
        try:
            return int(self.settled("rev-list", "--count", f"{base}..{head}"))
        except GitFailedError:
            return 0

    def fork(self, folder: Path, *, shares: bool = True) -> OnDisk:
        """Make a fork with the same branches; `shares`: its objects are kept together with this repository's."""
        more = ["--shared"] if shares else ["--no-hardlinks"]
        run(["git", "clone", "--quiet", "--bare", *more, str(self.folder), str(folder)], env=isolated_git())
        return OnDisk(folder, self._network, shares=shares)

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Run git; its output without the last line break, or `GitFailedError`."""
        return self._run(*arguments, stdin=stdin, env=env).decode("utf-8", "replace").removesuffix("\n")

    def settled(self, *arguments: str) -> str:
        """As `git`, for arguments that name objects by their hashes alone: the output is remembered."""
        if arguments not in self._settled:
            self._settled[arguments] = self.git(*arguments)
        return self._settled[arguments]

    def kind(self, sha: str) -> str | None:
        """The type of an object, or None where the repository does not see it."""
        if OID.fullmatch(sha) is None:
            return None
        if sha not in self._kinds:
            found = self._run("cat-file", "-t", sha, check=False).decode().strip()
            if not found:
                return None
            self._kinds[sha] = found
        return self._kinds[sha]

    def blob(self, sha: str) -> bytes:
        """The content of a blob."""
        return self._run("cat-file", "blob", sha)

    def tree(self, sha: str, *, recursive: bool = False) -> list[Entry]:
        """The entries of a tree, by its hash or a commit's, also those in folders if `recursive`."""
        if (sha, recursive) not in self._trees:
            deep = ["-r", "-t"] if recursive else []
            lines = self.git("ls-tree", "-z", "-l", *deep, sha).split("\0")
            self._trees[sha, recursive] = [_entry(line) for line in lines if line]
        return self._trees[sha, recursive]

    def commits(self, shas: Sequence[str]) -> list[Commit]:
        """Read commits, with at most one run of git."""
        new = [sha for sha in shas if sha not in self._commits]
        raw = self._run("cat-file", "--batch", stdin="".join(f"{sha}\n" for sha in new).encode()) if new else b""
        for sha in new:
            header, _, rest = raw.partition(b"\n")
            size = int(header.split()[2])
            self._commits[sha] = _commit(sha, rest[:size])
            raw = rest[size + 1 :]
        return [self._commits[sha] for sha in shas]

    def hooked(self, ref: str, old: str, new: str) -> str | None:
        """Ask the repository's `update` hook, which stands for GitHub's rules; what it says when it refuses."""
        hook = self.folder / "hooks" / "update"
        if not os.access(hook, os.X_OK):
            return None
        done = run([str(hook), ref, old, new], cwd=self.folder, env={"GIT_DIR": str(self.folder)}, check=False)
        return None if done.status == 0 else (done.error_text or "no reason is given")

    def _run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, check: bool = True
    ) -> bytes:
        others = [str(one / "objects") for one in self._network if one != self.folder] if self._shares else []
        sight = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(others), **isolated_git({"safe.directory": "*"})}
        done = run(
            ["git", f"--git-dir={self.folder}", *arguments], env={**sight, **(env or {})}, stdin=stdin, check=False
        )
        if check and done.status != 0:
            raise GitFailedError(done.error_text)
        return done.stdout if done.status == 0 else b""


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    mode, kind, oid, size = facts.split()
    return Entry(path, mode, kind, oid, int(size) if size.isdigit() else None)


def _commit(sha: str, raw: bytes) -> Commit:
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    facts: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value)
    return Commit(
        sha=sha,
        tree=facts["tree"][0],
        parents=tuple(facts.get("parent", ())),
        author=_person(facts["author"][0]),
        committer=_person(facts["committer"][0]),
        message=message,
    )


def _person(line: str) -> Person:
    match = _PERSON.fullmatch(line)
    if match is None:
        raise GitFailedError(f"a commit has the person {line!r}")
    return Person(match["name"], match["email"], int(match["seconds"]))
