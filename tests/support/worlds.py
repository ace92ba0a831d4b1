"""The world of the demo for tests: made once for a module, put back to its beginning for each test."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support import contract
from xenbump.demo import story
from xenbump.demo import world as worlds
from xenbump.demo.github_state import Label
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
    from xenbump.outcomes import Outcome

START = "4.20.2"
BRANCH = "xenbump/xen-4.20"
PROGRAM = str(Path(sys.executable).with_name("xenbump"))
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
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


class _Kept:
    """The folder of advisories as it was."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._entries = dict(shelf.entries)
        self._files = self._now()

    def put_back(self) -> bool:
        """Put the folder back; whether anything was changed in it."""
        shelf, now = self._shelf, self._now()
        for path in now.keys() - self._files.keys():
            path.unlink()
        for path, content in self._files.items():
            if now.get(path) != content:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
        shelf.entries.clear()
        shelf.entries.update(self._entries)
        return now != self._files

    def _now(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self._shelf.folder.rglob("*") if path.is_file()}


class Stage:
    """A world, what it was at the beginning, and the usual questions."""

    def __init__(self, world: worlds.World) -> None:
        self.world = world
        self.config_text = (world.checkout / "xenbump.toml").read_text("utf-8")
        self.start = world.in_checkout("rev-parse", "HEAD")
        self._mark = 0
        self._git_config = (world.checkout / ".git" / "config").read_bytes()
        self._access = world.git._service.access
        self._xenbits = _Kept(world.xenbits)

    def reset(self) -> None:
        """Put everything back, but for the cache of the upstream, which saves time.

        What a test published at `world.xenbits` is gone then, too.
        """
        world = self.world
        packages = world.folder / "packages.git"
        for ref in world.in_packages("for-each-ref", "--format=%(refname)").splitlines():
            if ref != "refs/heads/master":
                world.in_packages("update-ref", "-d", ref)
        world.in_packages("update-ref", "refs/heads/master", self.start)
        shutil.rmtree(packages / "hooks", ignore_errors=True)
        (world.checkout / ".git" / "config").write_bytes(self._git_config)
        shutil.rmtree(world.checkout / ".git" / "hooks", ignore_errors=True)
        world.in_checkout("checkout", "--quiet", "--force", "-B", "master", self.start)
        world.in_checkout("clean", "--quiet", "-ffdx")
        for ref in world.in_checkout("for-each-ref", "--format=%(refname)").splitlines():
            if ref not in {"refs/heads/master", "refs/remotes/origin/master"}:
                world.in_checkout("update-ref", "-d", ref)
        world.in_checkout("update-ref", "refs/remotes/origin/master", self.start)
        world.git._service.access = self._access
        world.git._service._faults.clear()
        world.github._faults.clear()
        repository = self.repository
        repository.pulls.clear()
        repository.comments.clear()
        repository.writers = frozenset({worlds.LOGIN})
        repository.labels.clear()
        repository.labels[worlds.LABEL.lower()] = Label(1, worlds.LABEL, "ededed", "")
        for name in ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm"):
            (world.folder / "state" / name).unlink(missing_ok=True)
        if self._xenbits.put_back():
            # A kept text of the index' version is not asked for again.
            shutil.rmtree(world.folder / "state" / "xsa", ignore_errors=True)
        self._mark = len(world.github.exchanges)
        world.git.reset_counters()
        world.xenbits_server.reset_counters()

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
        return self.world.in_packages("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

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
        head = world.in_checkout("rev-parse", "HEAD")
        world.in_checkout("push", "--quiet", "--force", str(world.folder / "packages.git"), "HEAD:master")
        world.in_checkout("update-ref", "refs/remotes/origin/master", head)
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
        home = self.world.folder.parent / "home"
        path = more.pop("PATH", os.environ["PATH"])
        return {"PATH": path, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", **self.world.env, **more}

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

    def call(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the program in the checkout to its end."""
        with self.launch(*arguments, **env) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The world of a module, as the test before left it."""
    with staged(tmp_path_factory.mktemp("world")) as made:
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
