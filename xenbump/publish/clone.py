"""A checkout of the repository of packages that xenbump keeps for itself, below the state folder; never a full clone.

It is one commit deep (`--depth=1`), without the contents of files (`--filter=blob:none`; a server that cannot filter
sends those of the one commit), and has the files of one folder in its working tree, with those that lie directly in the
folders above (`git sparse-checkout`, cone mode). It belongs to xenbump: whatever is changed in it is put back. Each
run fetches the base branch and checks it out from an empty index, which reads every tree: one that was damaged, or left
half-way by a run that was killed, is thrown away and made anew, and so is one that has gathered many packs.

Git runs with the user's configuration, for proxies and certificates, and without hooks; the token is in its environment
alone.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Failure, UsageError, XenbumpError
from xenbump.locks import locked
from xenbump.publish.access import Access
from xenbump.publish.git_calls import authorisation
from xenbump.publish.git_identity import persons_environment
from xenbump.publish.paths import in_repository
from xenbump.upstream.git import check_address, explained, is_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.config import Config
    from xenbump.settings import Package

_FETCH_SECONDS = 1800.0
_LOCK_SECONDS = 1800.0
# Each fetch adds a pack or two, and nothing ever leaves one.
_MOST_PACKS = 64
_MEGABYTE = 1_000_000
# These say nothing against what is here.
_NOT_OURS = frozenset({
    "E-BASE", "E-DISK", "E-GIT-ACCESS", "E-GIT-REPOSITORY", "E-HTTP-STATUS", "E-NETWORK", "E-PROGRAM-MISSING",
    "E-REDIRECT", "E-STATE", "E-TIMEOUT", "E-TLS",
})  # fmt: skip
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.autocrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Everything that is received stays a pack, so that its size is what was received.
    "fetch.unpackLimit": "1",
    "transfer.unpackLimit": "1",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run cost: the bytes of the packs that were received, and how many files the working tree has."""

    received: int
    files: int

    def __str__(self) -> str:
        size = f"{self.received / _MEGABYTE:.1f} MB" if self.received >= _MEGABYTE else f"{self.received:,} bytes"
        return f"{size} received, {self.files} file{'' if self.files == 1 else 's'} checked out"


def managed(config: Config, package: Package, progress: Callable[[str], None], *, base_branch: str = "") -> Path:
    """Have the managed checkout of the repository at the base branch as it is now.

    Runs wait for each other while it is made or fetched, not while it is used.

    Args:
        config: the configuration; `github.git` is where to clone from, without it the API's host.
        package: the package; its file is named from the repository's root.
        progress: told in a sentence what is done and, measured, what it cost.
        base_branch: the branch to have; empty: the configured one.

    Returns:
        The root of the checkout. Its remotes are `origin` and, where a fork is configured, `fork`; its HEAD and
        `refs/remotes/origin/<branch>` are the base branch's commit.

    Raises:
        UsageError: E-BASE: there is no such branch; E-NOT-CHECKOUT: the file's path leads out of the repository;
            E-CONFIG: no repository is configured; E-GIT-ADDRESS, E-REMOTE: of `github.git`.
        Failure: E-LOCKED, E-STATE, and what a fetch can raise (`upstream.git.explained`).
    """
    settings = config.github
    remotes = addresses(config)
    folder = posixpath.dirname(in_repository(package.file))
    home = config.state / "clones"
    key = hashlib.sha256(f"{remotes['origin']}\n{folder}".encode()).hexdigest()[:12]
    name = f"{settings.repository.replace('/', '-')}-{key}"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(home, error) from error
    token = _token(config)
    with locked(home / f"{name}.lock", seconds=_LOCK_SECONDS, progress=progress) as lock:
        clone = _Clone(home / name, remotes, folder, base_branch or settings.base, token, lock)
        cost = clone.brought(progress)
    progress(f"{settings.repository}: {cost}")
    return clone.root


def addresses(config: Config) -> dict[str, str]:
    """The addresses of the remotes `origin` and, where a fork is configured, `fork`.

    Raises:
        UsageError: E-CONFIG without a repository; E-GIT-ADDRESS; E-REMOTE when the fork's cannot be told from the
            other.
    """
    settings = config.github
    if not settings.repository:
        raise UsageError(
            "E-CONFIG", "github.repository is not set, so there is nothing to clone", where=str(config.path)
        )
    origin = _address(config, settings.repository)
    if settings.git:
        origin = check_address(settings.git, "[github] git")
        origin = str(config.folder / Path(origin).expanduser()) if is_path(origin) else origin
    found = {"origin": origin}
    if settings.fork:
        found["fork"] = _address(config, settings.fork)
        if settings.git:
            start = origin.removesuffix("/").removesuffix(".git").removesuffix(settings.repository)
            if not start.endswith(("/", ":")):
                raise UsageError(
                    "E-REMOTE",
                    f"[github] git does not end in {settings.repository}, so where the fork lies cannot be told",
                    where=origin,
                    remedy="name an address that ends so, or none",
                )
            found["fork"] = f"{start}{settings.fork}{'.git' if origin.endswith('.git') else ''}"
    return found


def _address(config: Config, repository: str) -> str:
    """A repository's address on the host that the API belongs to: `api.HOST`, or `HOST/api/v3`."""
    parts = urlsplit(config.github_url)
    path = parts.path.removesuffix("/api/v3")
    host = parts.netloc if path != parts.path else parts.netloc.removeprefix("api.")
    return f"{parts.scheme}://{host}{path}/{repository}.git"


def _token(config: Config) -> str:
    """The token for looking up; none where nothing is configured, as a public repository needs none."""
    try:
        return Access.of(config).read()
    except UsageError as error:
        if error.code != "E-TOKEN-MISSING":
            raise
        return config.lookup_token


@dataclass(frozen=True)
class _Clone:
    """The checkout at `root`; see `managed`. `lock` is held by every git that is started, too."""

    root: Path
    remotes: Mapping[str, str]
    folder: str
    branch: str
    token: str
    lock: int

    def __repr__(self) -> str:
        return f"_Clone({str(self.root)!r})"

    def brought(self, progress: Callable[[str], None]) -> Cost:
        """Fetch, or make anew; what it cost."""
        self._sweep()
        if self.root.exists():
            before = self._packs(self.root)
            why = "has gathered many packs"
            if len(before) <= _MOST_PACKS:
                try:
                    return self._fetched(self.root, before)
                except XenbumpError as error:
                    if error.code in _NOT_OURS:
                        raise
                    why = f"cannot be used ({error.what[:100]})"
            progress(f"the clone {self.root.name} {why} and is made anew")
            self._remove(self.root)
        else:
            progress(f"cloning {self.folder or 'the root'} of {self.remotes['origin']}")
        return self._made()

    def _made(self) -> Cost:
        """Make it beside its place, and put it there when it is whole."""
        try:
            new = Path(tempfile.mkdtemp(prefix=f"{self.root.name}.new-", dir=self.root.parent))
        except OSError as error:
            raise _unusable(self.root.parent, error) from error
        try:
            self._git(new, "init", "--quiet", "--template=")
            cost = self._fetched(new, {})
            new.rename(self.root)
        except OSError as error:
            raise _unusable(self.root, error) from error
        finally:
            if new.exists():
                self._remove(new)
        return cost

    def _fetched(self, root: Path, before: Mapping[str, int]) -> Cost:
        """Fetch the branch and check it out; what it cost beyond the packs that were there before."""
        for remote, address in self.remotes.items():
            self._git(root, "config", "--replace-all", f"remote.{remote}.url", address)
        tracking = f"refs/remotes/origin/{self.branch}"
        try:
            self._git(
                root, "fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "--no-write-fetch-head",
                "--no-recurse-submodules", "origin", f"+refs/heads/{self.branch}:{tracking}",
            )  # fmt: skip
        except XenbumpError as error:
            if error.code != "E-TAG-MISSING":
                raise
            raise UsageError(
                "E-BASE", f"the repository has no branch {self.branch!r}", where=self.remotes["origin"],
                remedy="set [github] base",
            ) from error  # fmt: skip
        self._git(root, "read-tree", "--empty")
        self._git(root, "sparse-checkout", "set", "--cone", "--stdin", stdin=self.folder.encode())
        self._git(root, "checkout", "--quiet", "--force", "--detach", tracking)
        self._git(root, "clean", "--quiet", "-ffdx")
        received = sum(size for name, size in self._packs(root).items() if name not in before)
        files = self._git(root, "ls-files", "-t", "-z").split(b"\0")
        return Cost(received, sum(one.startswith(b"H ") for one in files))

    @staticmethod
    def _packs(root: Path) -> dict[str, int]:
        """The packs of a repository and their sizes."""
        return {pack.name: pack.stat().st_size for pack in (root / ".git" / "objects" / "pack").glob("*.pack")}

    def _sweep(self) -> None:
        """Remove what runs that were killed have left."""
        for left in self.root.parent.glob(f"{self.root.name}.*-*"):
            self._remove(left)

    def _remove(self, root: Path) -> None:
        """Remove a checkout, so that a half of one never stands in its place."""
        try:
            if root == self.root:
                root = root.rename(Path(tempfile.mkdtemp(prefix=f"{root.name}.old-", dir=root.parent)) / "clone").parent
            shutil.rmtree(root)
        except OSError as error:
            raise _unusable(root, error) from error

    def _git(self, root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git in a checkout; its output."""
        origin = self.remotes["origin"]
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        quiet = {"LC_ALL": "C.UTF-8", "LANGUAGE": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
        # Where its own is damaged, no repository further up is taken.
        here = {"GIT_CEILING_DIRECTORIES": str(root.parent)}
        done = process.run(
            ["git", *settings, *arguments],
            cwd=root,
            env={**persons_environment(), **quiet, **here, **authorisation(origin, self.token)},
            stdin=stdin,
            timeout=_FETCH_SECONDS,
            check=False,
            keep=(self.lock,),
        )
        if done.status != 0:
            raise explained(done, origin if arguments[0] in {"fetch", "checkout"} else str(root))
        return done.stdout


def _unusable(path: Path, error: OSError) -> Failure:
    return Failure("E-STATE", f"the clone cannot be kept there: {error.strerror}", where=str(path))
