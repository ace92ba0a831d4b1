"""Where the whole program can be measured: a repository behind a git server, advisories, a package file.

The servers count what they send. The repository is the real Xen, or one that is generated; the advisories are of our
own in both cases, their numbers 304 to 509, and those that the history says it fixes are listed as Xen's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from support import project
from support.measured import GENERATED, REAL, real_xen
from xenbump import config as configuration
from xenbump.demo.git_server import GitServer, isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import FIRST_COMMIT
from xenbump.demo.xenbits import Shelf, XenbitsServer
from xenbump.journal import Journal
from xenbump.pipeline import opened
from xenbump.process import run
from xenbump.upstream import release, signature
from xenbump.upstream.markers import fixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from http import HTTPStatus

    from xenbump.config import Config
    from xenbump.outcomes import Outcome
    from xenbump.pipeline import Pipeline
    from xenbump.settings import Package

PROJECT_KEY = "23E3222C145F4475FA8060A783FE14C957E82BD9"
NUMBERS = tuple(range(304, 510))
BRANCHES = tuple(f"4.{minor}" for minor in range(13, 23))
FILE = """\
{
  stdenv,
  fetchFromGitHub,
}:

stdenv.mkDerivation (finalAttrs: {
  pname = "xen";
  version = "@version@";

  src = fetchFromGitHub {
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-${finalAttrs.version}";
    hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };
})
"""


class Counting(XenbitsServer):
    """A server of advisories that counts the bytes of the bodies that it sends."""

    bytes_out = 0

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, str], bytes]:
        """Answer, and count."""
        status, fields, body = super().answer(path, headers)
        self.bytes_out += len(body)
        return status, fields, body


@dataclass(frozen=True, slots=True)
class Xen:
    """A repository of Xen: where it lies, its signed releases from 4.13 on (oldest first), and what it is."""

    path: Path
    releases: tuple[str, ...]
    given: str
    keys: tuple[str, ...] = ()

    def fixed(self, tag: str) -> frozenset[int]:
        """The advisories that some commit up to a tag says it fixes."""
        return _fixed(self.path, tag)

    @property
    def newest(self) -> tuple[str, ...]:
        """The newest release of each branch, oldest branch first."""
        return tuple({release.branch_of(one): one for one in self.releases}.values())

    def of(self, branch: str) -> tuple[str, ...]:
        """The releases of a branch."""
        return tuple(one for one in self.releases if release.branch_of(one) == branch)


@cache
def _fixed(path: Path, tag: str) -> frozenset[int]:
    argv = ["git", f"--git-dir={path}", "log", "-z", "--format=%B", "--regexp-ignore-case", "--grep=xsa", tag]
    log = run(argv, env=isolated_git(), timeout=300).stdout.decode("utf-8", "replace")
    return frozenset().union(*map(fixes, log.split("\0")))


@dataclass(frozen=True)
class Place:
    """A configured package and its servers, while they stand.

    Attributes:
        folder: everything lies below; the configuration is there, the state in `state`.
        xen: the repository.
        git: serves it as `xen.git`.
        xenbits: serves the advisories.
        shelf: where they lie.
    """

    folder: Path
    xen: Xen
    git: GitServer
    xenbits: Counting
    shelf: Shelf
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state folder: what is there makes a run a warm one."""
        return self.folder / "state"

    def package(self, version: str) -> None:
        """Write the package file at a version."""
        (self.folder / "package.nix").write_text(FILE.replace("@version@", version))

    def config(self) -> Config:
        """The configuration, as a command would find it."""
        return configuration.load(self.folder / configuration.FILE_NAME, self.env)

    def once(self, command: str, work: Callable[[Pipeline, Package], Outcome]) -> Outcome:
        """What a command does for the package, from the reading of the configuration on."""
        config = self.config()
        with Journal(config.state).run(command) as journal, opened(config, journal, lambda _: None) as pipeline:
            outcome = work(pipeline, config.packages[0])
            journal.end(0)
        return outcome

    def forget(self) -> None:
        """Be as on the first day."""
        shutil.rmtree(self.state, ignore_errors=True)

    def moved(self) -> int:
        """The bytes that the servers have sent and received since they were asked the last time."""
        count = self.git.bytes_out + self.git.bytes_in + self.xenbits.bytes_out
        self.git.reset_counters()
        self.xenbits.bytes_out = 0
        return count


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, and an environment that sends nobody to a proxy or to the user's configuration."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "home").mkdir()
        names = {"HOME": str(place / "home"), "GIT_CONFIG_NOSYSTEM": "1", "no_proxy": "127.0.0.1"}
        before = {key: os.environ.get(key) for key in names}
        os.environ.update(names)
        try:
            yield place
        finally:
            for key, value in before.items():
                os.environ.pop(key, None)
                if value is not None:
                    os.environ[key] = value


def xen(place: Path, key: SigningKey, size: project.Size, real: Path | None) -> Xen:
    """The real repository where there is one, else one of a size."""
    path = real or place / "xen.git"
    if real is None:
        project.build(path, key, size)
    tags = run(["git", f"--git-dir={path}", "tag", "--list", "RELEASE-*"], env=isolated_git()).stdout.decode().split()
    versions = [one.removeprefix("RELEASE-") for one in tags if release.version_of(one) is not None]
    found = [one for one in versions if release.branch_of(one) in BRANCHES]
    keys = (PROJECT_KEY,) if real else ()
    return Xen(path, tuple(sorted(found, key=release.order)), REAL if real else GENERATED, keys)


def publish(shelf: Shelf, fixed: frozenset[int], numbers: Sequence[int] = NUMBERS) -> None:
    """Publish the advisories; those that are fixed somewhere concern Xen, the others Linux.

    Their patches are not there, so that no tree is asked: who greps a history asks none.
    """
    for number in numbers:
        if number in fixed:
            shelf.add(number, [(f"xsa{number}.patch", "xen-unstable - Xen 4.13.x")], public="2026-01-04 12:00")
            (shelf.folder / f"xsa{number}.patch").unlink()
        else:
            shelf.add(number, [(f"xsa{number}-linux.patch", "Linux")], public="2026-01-04 12:00")


@contextlib.contextmanager
def stand(
    size: project.Size,
    advisories: Callable[[Xen, Shelf], None],
    *,
    remote: bool = True,
    generated: bool = False,
) -> Iterator[Place]:
    """Let everything stand for the time of a `with` block.

    Args:
        size: of the repository, where it is generated.
        advisories: publishes them.
        remote: whether repository and advisories come from the servers, and not from their folders.
        generated: whether the repository is generated although a real one is named.
    """
    with folder() as place, SigningKey(made_at=FIRST_COMMIT) as key, contextlib.ExitStack() as stack:
        found = xen(place, key, size, None if generated else real_xen())
        shelf = Shelf(place / "xsa", key)
        advisories(found, shelf)
        xenbits = stack.enter_context(Counting(shelf.folder))
        git = stack.enter_context(GitServer())
        mounted = git.mount("xen.git", found.path)
        address = mounted if remote else found.path.absolute()
        keyring = key.public_key(armored=False)
        if found.keys:
            keyring += signature.load_trust(None, found.keys).keyring
        (place / "keys.gpg").write_bytes(keyring)
        trusted = ", ".join(f'"{one}"' for one in (key.fingerprint, *found.keys))
        (place / configuration.FILE_NAME).write_text(
            f'[upstream]\ngit = "{address}"\nxsa = "{f"{xenbits.url}/" if remote else "xsa"}"\n'
            f'keyring = "keys.gpg"\nfingerprints = [{trusted}]\n'
            f'[[package]]\nname = "xen"\nfile = "package.nix"\n'
            f'[verify]\nsteps = []\n[state]\ndirectory = "{place / "state"}"\n'
        )
        yield Place(place, found, git, xenbits, shelf)
