"""Xen's real source on this machine as the Xen Project publishes it, and packages that are built of it.

The source is Debian's, as it is but for the number of the point release: of one tree two releases are made.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.boot import xen_source
from tests.support import contract
from tests.support.worlds import PROGRAM
from tests.verify.conftest import CONFIG
from xenbump.demo import world as worlds
from xenbump.demo.git_server import GitServer, isolated_git
from xenbump.demo.git_service import Access
from xenbump.demo.github_server import GitHubServer
from xenbump.demo.signing import SigningKey
from xenbump.demo.world import World
from xenbump.demo.xen_project import XenProject
from xenbump.demo.xenbits import Shelf, XenbitsServer
from xenbump.pipeline import hash_of
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINE = "4.20"
OLD, NEW = f"{LINE}.1", f"{LINE}.2"
FILE = f"pkgs/xen/{LINE}/default.nix"
LABEL = "6.topic: xen-project"
PACKAGES = Path(__file__).parent / "packages"
_SOMEBODY = {"user.name": "xenbump tests", "user.email": "tests@localhost"}
# Of the first commit, in seconds since 1970; commits have the same names in each run then.
_TIME = 1_767_614_400
_DAY = 86_400
# A build and a boot, on a machine that has other things to do as well.
_SECONDS = 900
_EXTRAVERSION = re.compile(r"^(export XEN_EXTRAVERSION \?= )\.\S+(?=\$\(XEN_VENDORVERSION\)$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Chain:
    """The world with the real Xen in it.

    Attributes:
        world: Xen's repository, xenbits, GitHub and a checkout of the packages.
        commits: the commits of the releases, by version.
        env: the environment of the program.
    """

    world: World
    commits: Mapping[str, str]
    env: Mapping[str, str]

    @property
    def package(self) -> Path:
        """The package file."""
        return self.world.checkout / FILE

    def call(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the program in the checkout to its end."""
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.world.checkout,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def configure(self, line: str) -> None:
        """Add a line to the configuration's table of the verification."""
        path = self.world.checkout / "xenbump.toml"
        path.write_text(path.read_text().replace("[verify]\n", f"[verify]\n{line}\n"))

    def put_back(self) -> None:
        """Make the checkout what it was at the beginning."""
        self.world.in_checkout("checkout", "--quiet", "--force", "-B", "master", "refs/remotes/origin/master")
        self.world.in_checkout("clean", "--quiet", "-ffdx")


@contextlib.contextmanager
def stand(folder: Path, cache: Path) -> Iterator[Chain]:
    """Build the world in an empty folder and let it stand for the time of a `with` block.

    Args:
        folder: where everything lies but what is kept.
        cache: the folder of images. The source and the store of Nix, where the hypervisor is built, are kept below.
    """
    with contextlib.ExitStack() as stack:
        key = stack.enter_context(SigningKey())
        commits = _publish(folder, cache, key)
        shelf = Shelf(folder / "xenbits", key)
        shelf.add(482, [("xsa482-linux.patch", "Linux")], public="2026-01-04 12:00")
        shelf.listed(485, public_time="2097-01-14 12:00")
        xenbits = stack.enter_context(XenbitsServer(shelf.folder))
        access = Access(push=True, login=("x-access-token", worlds.TOKEN))
        git = stack.enter_context(GitServer(folder, access=access))
        github = stack.enter_context(contract.checked(GitHubServer()))
        ours = {
            "XENBUMP_STATE_DIR": str(folder / "state"),
            "XENBUMP_GITHUB_URL": github.url,
            "XENBUMP_GITHUB_TOKEN": worlds.TOKEN,
        }
        project = XenProject(folder / "xen.git", key)
        world = World(folder, project, shelf, xenbits, git, github, folder / "checkout", ours)
        _populate(world, commits[OLD])
        yield Chain(world, commits, {**ours, **_environment(folder, cache)})


def hash_at(world: World, version: str) -> str:
    """The true hash of a release's source."""
    return hash_of(world.config(), f"RELEASE-{version}", "fetchgit", lambda _: None).hash


def _environment(folder: Path, cache: Path) -> dict[str, str]:
    """What the program has besides: a Nix with a store of its own, and nothing of whoever runs the tests."""
    nix = cache / "nix"
    names = {name: str(nix / name.lower()) for name in ("STORE", "STATE", "LOG", "CONF")}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "no_proxy": "127.0.0.1",
        "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"],
        "XENBUMP_IMAGES": str(cache),
        "NIX_CONFIG": CONFIG,
        **{f"NIX_{name}_DIR": path for name, path in names.items()},
    }


def _publish(folder: Path, cache: Path, key: SigningKey) -> dict[str, str]:
    """Make the Xen Project's repository, with two releases and what is to become the third; the releases' commits."""
    tree, repository = folder / "tree", folder / "xen.git"
    tree.mkdir()
    xen_source.unpack(cache, tree)

    def git(*arguments: str, time: int = _TIME) -> str:
        dates = {f"GIT_{who}_DATE": f"{time} +0000" for who in ("AUTHOR", "COMMITTER")}
        env = isolated_git({**_SOMEBODY, **key.git_config(), "core.autocrlf": "false", "gc.auto": "0"})
        argv = ["git", f"--git-dir={repository}", f"--work-tree={tree}", *arguments]
        return run(argv, cwd=tree, env={**env, "GNUPGHOME": str(key.home), **dates}).stdout.decode().strip()

    run(["git", "init", "--quiet", "--bare", f"--initial-branch=stable-{LINE}", str(repository)], env=isolated_git())
    makefile = tree / "xen" / "Makefile"
    commits = {}
    opened = f"{LINE}.3-pre"
    for number, version in enumerate((OLD, f"{NEW}-pre", NEW, opened)):
        extra = version.removeprefix(LINE)
        text, count = _EXTRAVERSION.subn(rf"\g<1>{extra}", makefile.read_text())
        assert count == 1
        makefile.write_text(text)
        git("add", "--force", "--all")
        git("commit", "--quiet", "--message", f"Xen {version}", time=_TIME + number * _DAY)
        if not version.endswith("-pre"):
            git("tag", "--sign", "--message", f"Xen {version}", f"RELEASE-{version}")
            commits[version] = git("rev-parse", "HEAD")
    git("branch", "master")
    return commits


def _populate(world: World, commit: str) -> None:
    """Write the repository of packages and its checkout, and tell GitHub of it."""
    (world.folder / "home").mkdir()
    (world.folder / "key.asc").write_bytes(world.xen.key.public_key())
    packages = world.folder / "packages.git"
    for where in (["--bare", str(packages)], [str(world.checkout)]):
        run(["git", "init", "--quiet", "--initial-branch=master", *where], env=isolated_git())
    for key, value in _SOMEBODY.items():
        world.in_checkout("config", key, value)
    world.in_checkout("remote", "add", "origin", world.git.url("packages.git"))
    (world.checkout / "xenbump.toml").write_text(_configuration(world))
    facts = {"version": OLD, "rev": commit, "hash": hash_at(world, OLD), "mirror": world.git.url("").rstrip("/")}
    for path in PACKAGES.rglob("*.nix"):
        copy = world.checkout / path.relative_to(PACKAGES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(re.sub(r"@(\w+)@", lambda found: facts[found[1]], path.read_text("utf-8")))
    world.in_checkout("add", "--all")
    world.in_checkout("commit", "--quiet", "--message", "xen: init")
    world.in_checkout("push", "--quiet", str(packages), "master")
    world.in_checkout("update-ref", "refs/remotes/origin/master", "HEAD")

    def git(*arguments: str) -> str:
        argv = ["git", f"--git-dir={packages}", *arguments]
        return run(argv, env=isolated_git(), check=False).stdout.decode().strip()

    world.github.add_repository(
        worlds.REPOSITORY,
        lambda ref: git("rev-parse", "--verify", "--quiet", ref) or None,
        count_commits=lambda base, head: int(git("rev-list", "--count", f"{base}..{head}") or 0),
        writers=[worlds.LOGIN],
    )
    world.github.add_label(worlds.REPOSITORY, LABEL)
    world.github.add_token(worlds.TOKEN, worlds.LOGIN)


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
steps = ["build", "outputs", "meta", "dom0", "guests"]

[github]
repository = "{worlds.REPOSITORY}"
operator = "{worlds.LOGIN}"
labels = {{ always = ["{LABEL}"] }}
"""
