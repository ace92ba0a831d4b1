"""The world of the demo for tests: made once, and put back to its beginning for each test."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support import contract, kept
from tests.support.forked import Forked
from xenbump.demo import story
from xenbump.demo import world as worlds
from xenbump.demo.xen_project import DEFAULT
from xenbump.journal import Journal
from xenbump.pipeline import Pipeline, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xenbump.config import Config
    from xenbump.demo.github_server import Exchange
    from xenbump.demo.github_state import PullRequest, Repository
    from xenbump.demo.xen_project import Release, XenProject
    from xenbump.demo.xenbits import Shelf
    from xenbump.outcomes import Outcome, Planned

START = "4.20.2"
BRANCH = "xenbump/xen-4.20"
PROGRAM = str(Path(sys.executable).with_name("xenbump"))
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
# Of the state folder: what was fetched from upstream, and stays true.
_CACHES = frozenset({"git", "xsa"})
# A day before the first release.
_BEFORE = "2026-01-04 12:00"


def quiet(_: XenProject, shelf: Shelf) -> None:
    """Advisories that leave nothing to do: the one that the package lists is in no release, and concerns them all."""
    shelf.add(
        480,
        [("xsa480.patch", "xen-unstable - Xen 4.9.x")],
        contents={"xsa480.patch": story.grant_patch()},
        public=_BEFORE,
    )
    shelf.add(482, [("xsa482-linux.patch", "Linux")], public=_BEFORE)
    shelf.listed(485, public_time="2097-01-14 12:00")


class Stage:
    """A world, what it was at the beginning, and the usual questions."""

    def __init__(self, world: worlds.World) -> None:
        self.world = world
        self.home = world.folder.parent / "home"
        self.settle()

    def settle(self) -> None:
        """Let the world's beginning be what it is now."""
        world = self.world
        self.config_text = (world.checkout / "xenbump.toml").read_text("utf-8")
        self.start = world.in_checkout("rev-parse", "HEAD")
        self._mark = len(world.github.exchanges)
        self._env = dict(world.env)
        # What several modules begin with.
        self.plans: dict[str, Planned] = {}
        self.points: dict[str, tuple[Any, Any]] = {}
        self._names = {path.name for path in world.folder.iterdir()} | {"state"}
        self._xenbits = kept.Advisories(world.xenbits)
        self._others = (
            kept.Bare(world.folder / "packages.git"),
            kept.Checkout(world.checkout),
            kept.Project(world.xen),
            kept.GitHub(world.github),
            kept.Git(world.git),
            kept.Files(self.home),
        )

    def reset(self) -> None:
        """Put everything back, but for the cache of the upstream, which saves time.

        What a test published at `world.xenbits` or `world.xen` is gone then, too.
        """
        world, state = self.world, self.world.folder / "state"
        env: dict[str, str] = world.env  # type: ignore[assignment]
        env.clear()
        env.update(self._env)
        for other in self._others:
            other.put_back()
        if self._xenbits.put_back():
            # A kept text of the index' version is not asked for again.
            shutil.rmtree(state / "xsa", ignore_errors=True)
        left = [path for path in world.folder.iterdir() if path.name not in self._names]
        left += [path for path in state.glob("*") if path.name not in _CACHES]
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        world.xenbits_server.reset_counters()
        self._mark = len(world.github.exchanges)

    @property
    def repository(self) -> Repository:
        """The repository in the stand-in of GitHub."""
        return self.world.github.state.repositories[worlds.REPOSITORY]

    @property
    def pulls(self) -> list[PullRequest]:
        return list(self.repository.pulls.values())

    @property
    def pull(self) -> PullRequest:
        """The one pull request that there is."""
        (found,) = self.pulls
        return found

    def close_pull(self, *, merged: bool) -> None:
        """Close the pull request; one whose commits are in the base is merged."""
        pull = self.pull
        if merged:
            self.world.in_packages("update-ref", "refs/heads/master", pull.head.sha)
        path = f"/repos/{worlds.REPOSITORY}/pulls/{pull.number}"
        self.ask("PATCH", path, {"state": "closed"})

    def ask(self, method: str, path: str, body: object) -> None:
        """Do something on GitHub as a person would."""
        done = requests.request(
            method,
            self.world.github.url + path,
            json=body,
            headers={"Authorization": f"Bearer {worlds.TOKEN}"},
            timeout=10,
        )
        done.raise_for_status()
        self._mark = len(self.world.github.exchanges)

    def exchanges(self) -> list[Exchange]:
        """The exchanges with GitHub since the last `forget` or reset."""
        return self.world.github.exchanges[self._mark :]

    def writes(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.exchanges() if one.method in WRITES]

    def forget(self) -> None:
        self._mark = len(self.world.github.exchanges)
        self.world.git.reset_counters()
        self.world.xenbits_server.reset_counters()

    @property
    def pushes(self) -> int:
        """How often somebody pushed over HTTP since the last `forget` or reset."""
        return sum(one.method == "POST" and one.path.endswith("git-receive-pack") for one in self.world.git.requests)

    def tip(self, branch: str = BRANCH) -> str:
        """Where a branch of the repository is; empty when there is none."""
        return kept.commit_at(self.world.folder / "packages.git", f"refs/heads/{branch}")

    def configure(self, pattern: str, replacement: str) -> None:
        """Change the configuration; the change is committed, so that the checkout stays clean."""
        path = self.world.checkout / "xenbump.toml"
        text, count = re.subn(pattern, lambda _: replacement, path.read_text("utf-8"))
        assert count == 1, pattern
        path.write_text(text)
        self.commit("config: change")

    def commit(self, message: str) -> str:
        """Commit what is in the checkout, and let the base branch be that."""
        world = self.world
        world.in_checkout("add", "--all")
        world.in_checkout("commit", "--quiet", "--message", message)
        world.in_checkout("push", "--quiet", "--force", str(world.folder / "packages.git"), "HEAD:master")
        head = self.tip("master")
        (world.checkout / ".git" / "refs" / "remotes" / "origin" / "master").write_text(f"{head}\n")
        return head

    def config(self) -> Config:
        return self.world.config()

    def publish(
        self, to: str = "", *, dry_run: bool = False, again: bool = False, said: list[str] | None = None
    ) -> Outcome:
        """What `xenbump pr` does for the first package."""
        config = self.config()
        with Journal(config.state).run("pr") as run:
            pipeline = Pipeline(config, run, (said if said is not None else []).append)
            return pipeline.publish(config.packages[0], Wish(to, dry_run=dry_run, again=again))

    def env(self, **more: str) -> dict[str, str]:
        """The environment of the program as a scheduled job has it: nothing of whoever runs the tests but PATH."""
        path = more.pop("PATH", os.environ["PATH"])
        return {"PATH": path, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", **self.world.env, **more}

    def launch(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start the program in the checkout."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.world.checkout,
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def execute(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the program in the checkout to its end."""
        with self.launch(*arguments, **env) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def fork(self, *arguments: str, **env: str) -> Forked:
        """Start what the program does in the checkout, forked; `forked` says what is not seen like this."""
        return Forked(arguments, self.world.checkout, self.env(**env))

    def call(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Let what the program does in the checkout come to its end, forked."""
        return self.call_in(self.world.checkout, *arguments, **env)

    def call_in(self, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The same in another folder."""
        with Forked(arguments, folder, self.env(**env)) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode or 0, stdout, stderr)


_SHARED: pytest.StashKey[Stage] = pytest.StashKey()


@contextlib.contextmanager
def _standing(session: pytest.Session, folders: pytest.TempPathFactory) -> Iterator[Stage]:
    """The world that a session has, made when it is first wanted, for the time of a module."""
    if _SHARED not in session.stash:
        stack, folder = contextlib.ExitStack(), folders.mktemp("shared")
        session.addfinalizer(stack.close)
        with isolated_home(folder):
            made = worlds.stand(folder / "world", version=START, releases=DEFAULT, advisories=quiet)
            session.stash[_SHARED] = Stage(stack.enter_context(made))
    stage = session.stash[_SHARED]
    with isolated_home(stage.home.parent):
        stage.reset()
        yield stage
        stage.world.github.exchanges.clear()


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The one world of all modules, as the test before left it; every exchange with GitHub is checked at the end."""
    with _standing(request.session, tmp_path_factory) as made:
        yield made
        contract.verify(made.world.github.exchanges)


@pytest.fixture(scope="module")
def unwatched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same world for what makes hundreds of requests, of kinds that are checked where `shared` is used."""
    with _standing(request.session, tmp_path_factory) as made:
        yield made


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """A world at its beginning: the file is at 4.20.2, and 4.20.3 and 4.20.4 are released."""
    shared.reset()
    return shared


@contextlib.contextmanager
def staged(
    folder: Path, *, version: str = START, template: str | None = None, releases: Sequence[Release] = DEFAULT
) -> Iterator[Stage]:
    """A world whose every exchange with GitHub is checked against its description."""
    with (
        isolated_home(folder),
        worlds.stand(
            folder / "world",
            version=version,
            releases=releases,
            advisories=quiet,
            template=template,
            observed=contract.checked,
        ) as world,
    ):
        yield Stage(world)


@contextlib.contextmanager
def isolated_home(folder: Path) -> Iterator[None]:
    """No configuration of the user's or the machine's, and no proxy, while this lasts."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    (folder / "world").mkdir(exist_ok=True)
    names = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "no_proxy": "127.0.0.1"}
    gone = [name for name in os.environ if name.startswith(("GIT_", "XENBUMP_")) or name == "GITHUB_TOKEN"]
    before = {name: os.environ.get(name) for name in [*names, *gone]}
    for name in gone:
        del os.environ[name]
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
