"""Everything that the main job touches, on this machine: Xen's repository, xenbits, a package repository, GitHub.

The servers are the ones of this package; the programs between them (git, gpg, gpgv) are the real ones. The demo and the
tests use the same world.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from xenbump import config as configuration
from xenbump.demo import story
from xenbump.demo.git_server import GitServer, isolated_git
from xenbump.demo.git_service import Access
from xenbump.demo.github_git_disk import OnDisk
from xenbump.demo.github_server import GitHubServer
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import FIRST_COMMIT, XenProject, build
from xenbump.demo.xenbits import Shelf, XenbitsServer
from xenbump.hashes import patch
from xenbump.pipeline import hash_of
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.demo.xen_project import Release

TOKEN = "demo-token"  # noqa: S105 - it opens nothing but the stand-in
LOGIN = "demo-bot"
REPOSITORY = "demo/packages"
FILE = "pkgs/xen/package.nix"
LOCAL_PATCH = "pkgs/xen/paths.patch"
LABEL = "6.topic: xen-project"
_PATCH_HASH = re.compile(r"@(xsa\d+)@", re.ASCII)
_IDENTITY = {"user.name": "xenbump demo", "user.email": "demo@localhost"}
# What is here for minutes needs no tidying up.
_SETTINGS = {**_IDENTITY, "maintenance.auto": "false", "receive.autogc": "false"}


@dataclass(frozen=True, slots=True)
class World:
    """The world, while it stands.

    Attributes:
        folder: all of it lies below.
        xen: the Xen project.
        xenbits: its advisories; what is published there is seen at once.
        xenbits_server: serves them.
        git: serves `xen.git` and, for pushing too, `packages.git`.
        github: the stand-in of GitHub, with the repository `demo/packages`.
        checkout: a checkout of `packages.git`, with the package file, its local patch and `xenbump.toml`.
        env: the environment that tells xenbump where state, GitHub and token are.
    """

    folder: Path
    xen: XenProject
    xenbits: Shelf
    xenbits_server: XenbitsServer
    git: GitServer
    github: GitHubServer
    checkout: Path
    env: Mapping[str, str]

    @property
    def package(self) -> Path:
        """The package file."""
        return self.checkout / FILE

    def config(self) -> Config:
        """The configuration, as a command in the checkout would find it."""
        return configuration.load(self.checkout / configuration.FILE_NAME, self.env)

    def in_checkout(self, *arguments: str) -> str:
        """Run git in the checkout; its output without the last line break."""
        done = run(["git", "-C", str(self.checkout), *arguments], env=isolated_git(_SETTINGS))
        return done.stdout.decode().removesuffix("\n")

    def in_packages(self, *arguments: str) -> str:
        """Run git in the repository behind the checkout; its output without the last line break."""
        done = run(["git", "-C", str(self.folder / "packages.git"), *arguments], env=isolated_git(_SETTINGS))
        return done.stdout.decode().removesuffix("\n")


@contextlib.contextmanager
def stand(
    folder: Path,
    *,
    version: str = story.START,
    releases: Sequence[Release] = story.RELEASES,
    advisories: Callable[[XenProject, Shelf], None] = story.publish,
    template: str | None = None,
    allow_filter: bool = True,
    observed: Callable[[GitHubServer], contextlib.AbstractContextManager[GitHubServer]] = lambda server: server,
) -> Iterator[World]:
    """Build the world in an empty folder and let it stand for the time of a `with` block.

    Args:
        folder: where everything lies.
        version: the release that the package file has.
        releases: the releases of the Xen project.
        advisories: publishes the advisories that there are at the beginning.
        template: the package file, with `@version@`, `@hash@`, and `@xsaN@` for what `fetchpatch` hashes of
            `xsaN.patch`; None: that of the demo.
        allow_filter: whether the git server offers partial clones.
        observed: starts the stand-in of GitHub; a test checks its exchanges there.
    """
    with contextlib.ExitStack() as stack:
        key = stack.enter_context(SigningKey(made_at=FIRST_COMMIT))
        project = build(folder / "xen.git", key, releases)
        xenbits = Shelf(folder / "xenbits", key)
        advisories(project, xenbits)
        xenbits_server = stack.enter_context(XenbitsServer(xenbits.folder))
        access = Access(push=True, login=("x-access-token", TOKEN))
        git = stack.enter_context(GitServer(folder, access=access, allow_filter=allow_filter))
        github = stack.enter_context(observed(GitHubServer()))
        env = {
            "XENBUMP_STATE_DIR": str(folder / "state"),
            "XENBUMP_GITHUB_URL": github.url,
            "XENBUMP_GITHUB_TOKEN": TOKEN,
        }
        world = World(folder, project, xenbits, xenbits_server, git, github, folder / "checkout", env)
        _populate(world, version, template)
        yield world


def _populate(world: World, version: str, template: str | None) -> None:
    """Write the package repository and its checkout, and tell GitHub of it."""
    (world.folder / "key.asc").write_bytes(world.xen.key.public_key())
    git_env = isolated_git(_SETTINGS)
    packages = world.folder / "packages.git"
    run(["git", "init", "--quiet", "--bare", "--initial-branch=master", str(packages)], env=git_env)
    run(["git", "init", "--quiet", "--initial-branch=master", str(world.checkout)], env=git_env)
    for key, value in _IDENTITY.items():
        world.in_checkout("config", key, value)
    world.in_checkout("remote", "add", "origin", world.git.url("packages.git"))
    (world.checkout / configuration.FILE_NAME).write_text(_configuration(world))
    world.package.parent.mkdir(parents=True)
    ours = resources.files("xenbump.demo")
    text = (template or (ours / "package.nix").read_text("utf-8")).replace("@version@", version)
    text = _PATCH_HASH.sub(lambda found: _patch_hash(world, found[1]), text)
    world.package.write_text(text.replace("@hash@", _hash(world, version)))
    (world.checkout / LOCAL_PATCH).write_bytes((ours / "paths.patch").read_bytes())
    world.in_checkout("add", "--all")
    world.in_checkout("commit", "--quiet", "--message", "xen: init")
    # Straight into the repository: the first push is not what is being shown.
    world.in_checkout("push", "--quiet", str(packages), "master")
    world.in_checkout("update-ref", "refs/remotes/origin/master", "HEAD")
    # A repository on disk, and not only its refs: so it is written to by the API, too.
    disk = OnDisk(packages)
    world.github.add_repository(REPOSITORY, disk, count_commits=disk.count, writers=[LOGIN])
    world.github.add_label(REPOSITORY, LABEL)
    world.github.add_token(TOKEN, LOGIN)


def _configuration(world: World) -> str:
    return f"""\
[upstream]
git = "{world.git.url("xen.git")}"
keyring = "{world.folder / "key.asc"}"
fingerprints = ["{world.xen.key.fingerprint}"]
xsa = "{world.xenbits_server.url}/"

[[package]]
name = "xen"
file = "{FILE}"

[verify]
steps = []

[github]
repository = "{REPOSITORY}"
operator = "{LOGIN}"
labels = {{ always = ["{LABEL}"] }}
"""


def _hash(world: World, version: str) -> str:
    """The true source hash of a release, so that the file is right before it is bumped."""
    return hash_of(world.config(), f"RELEASE-{version}", "fetchFromGitHub", lambda _: None).hash


def _patch_hash(world: World, name: str) -> str:
    """The true hash of an advisory's patch, for the same reason."""
    return patch.fetchpatch((world.xenbits.folder / f"{name}.patch").read_bytes())
