"""Worlds in which a run has something to do, how they are put back, and what they have come to."""

from __future__ import annotations

import contextlib
import difflib
import re
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.faults import effects
from tests.faults.effects import Ended, Order, stable
from tests.package import folders
from tests.support import kept
from tests.support.worlds import START, Stage, isolated_home, quiet
from tests.test_branches import NAMES, Component, releases
from tests.test_branches import Place as Branches
from xenbump.demo import story
from xenbump.demo import world as worlds
from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_tree import Pins
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Objects are added and stay; of what else is there, the names count.
_OBJECT = re.compile(r"/objects/([0-9a-f]{2}(/[0-9a-f]{38})?|pack/pack-[0-9a-f]{40}\.\w+)$")
# A lock is the kernel's, and its file stays; which there are says nothing.
_LOCK = re.compile(r"/(state/[^/]+|\.git/xenbump)\.lock$")
# A killed program cannot take its temporary files along. That they lie in the system's folder for them is right, as
# long as it can be seen whose they are; the short one is that with which Python looks whether it can write there.
_TEMPORARY = re.compile(r"(xenbump-[^/]*|[a-z0-9_]{8})(/.*)?")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}( |T)\d{2}:\d{2}(:\d{2})?(Z| UTC)?")
_PARTS = ("name", "tree", "subject", "body")


@dataclass(frozen=True)
class Scenario:
    """A run that has something to do.

    Attributes:
        name: what it is called.
        arguments: of the program.
        stands: makes the world in a folder.
        knows: whether the state folder has what a dry run leaves; else it is not there at all.
    """

    name: str
    arguments: tuple[str, ...]
    stands: Callable[[Path], contextlib.AbstractContextManager[Stage]]
    knows: bool = False


class Place:
    """A scenario's world. What it has come to when nothing goes wrong is known from its beginning.

    Args:
        scenario: the scenario.
        stage: its world.

    Attributes:
        whole: a run that nothing happens to.
        reading: the effects of such a run where reading in the world's folder is one.
        state: what the world has come to then.
        again: the exit status of one more.
    """

    def __init__(self, scenario: Scenario, stage: Stage) -> None:
        self.scenario = scenario
        self.stage = stage
        self.folder = stage.world.folder
        self._state: kept.Files | None = None
        self._temporary.mkdir()
        world = stage.world
        self._others = (
            kept.Bare(self.folder / "packages.git", objects=True),
            kept.Checkout(world.checkout, objects=True),
            kept.Project(world.xen),
            kept.GitHub(world.github),
            kept.Git(world.git),
            kept.Files(stage.home),
        )
        if scenario.knows:
            self.put_back()
            self.ran(Order(), "run", "--dry-run")
            self._state = kept.Files(self.folder / "state")
        self.again = 0
        self.put_back()
        self.reading = self.ran(Order(below=self.folder)).effects
        self.put_back()
        self.whole = self.ran()
        assert self.whole.status == 0, self.whole.stderr
        self.state = self.found()
        self.again = self.ran().status
        assert self.idle() == []

    @property
    def _temporary(self) -> Path:
        return self.folder / "temp"

    def put_back(self) -> None:
        """Let everything be as it was at the beginning."""
        for other in self._others:
            other.put_back()
        for left in self._temporary.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if self._state is not None:
            self._state.put_back()
        else:
            shutil.rmtree(self.folder / "state", ignore_errors=True)
        self.stage.world.github.exchanges.clear()
        self.stage.forget()

    def ran(self, order: Order | None = None, *arguments: str) -> Ended:
        """Let the program run; what is ordered for one of its effects becomes of that."""
        env = self.stage.env(TMPDIR=str(self._temporary))
        given = arguments or self.scenario.arguments
        return effects.watched(given, self.stage.world.checkout, env, order or Order(), world=self.folder)

    def idle(self) -> list[str]:
        """Run once more; what that wrote, which is nothing unless something is wrong."""
        self.stage.forget()
        ended = self.ran()
        wrote = [*self.stage.writes(), *["push"] * self.stage.pushes]
        return wrote if ended.status == self.again else [*wrote, f"exit status {ended.status}: {told(ended)}"]

    def found(self) -> dict[str, Any]:
        """What the world has come to; equal for two that differ in times and identifiers only."""
        world = self.stage.world
        return {
            **{f"repository: {key}": value for key, value in _branches(self.folder / "packages.git").items()},
            **{f"checkout: {key}": value for key, value in _branches(world.checkout).items()},
            **self._pulls(),
            "status": world.in_checkout("status", "--porcelain=v1", "--untracked-files=all", "--ignored"),
            "HEAD": (world.checkout / ".git" / "HEAD").read_text(),
            "fsck": self._checked(),
            "files": {
                str(path.relative_to(world.checkout)): path.read_bytes()
                for path in sorted(world.checkout.rglob("*"))
                if path.is_file() and ".git" not in path.relative_to(world.checkout).parts
            },
            "left": self._left(),
            "journal": self._journal(),
        }

    def temporary(self) -> list[str]:
        """What is left of temporary files that are known as ours; no part of the state."""
        return sorted(path.name for path in self._temporary.iterdir())

    def _pulls(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for pull in self.stage.pulls:
            facts = (pull.state, pull.draft, pull.title, pull.author, pull.labels, pull.reviewers, pull.assignees)
            said = [comment.body for comment in self.stage.repository.conversation(pull.number)]
            found[f"pull request {pull.number}"] = (*facts, pull.head.branch, pull.base.branch)
            found[f"text of {pull.number}"] = _settled(pull.body or "", self.folder)
            found[f"comments on {pull.number}"] = [_settled(text or "", self.folder) for text in said]
        return found

    def _checked(self) -> str:
        """What git finds wrong with the checkout and the repository, but for objects that nothing needs."""
        said = []
        for folder in (self.stage.world.checkout, self.folder / "packages.git"):
            asked = ["git", "-C", str(folder), "fsck", "--no-dangling", "--no-progress", "--strict"]
            done = run(asked, env=isolated_git(), check=False)
            said.append(f"{done.status} {done.stdout.decode()}{done.stderr.decode()}")
        return stable("".join(said), self.folder)

    def _left(self) -> list[str]:
        """The names of all files but objects, and of temporary ones only those that nobody knows as ours."""
        names = {
            stable(str(path), self.folder)
            for top in (self.folder / "state", self.stage.world.checkout / ".git", self.folder / "packages.git")
            for path in top.rglob("*")
            if not path.is_dir() and not _OBJECT.search(str(path)) and not _LOCK.search(str(path))
        }
        names |= {
            str(path)
            for path in self._temporary.rglob("*")
            if not _TEMPORARY.fullmatch(str(path.relative_to(self._temporary)))
        }
        return sorted(names)

    def _journal(self) -> list[Any]:
        path = self.folder / "state" / "journal.sqlite3"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            asked = (
                "PRAGMA quick_check",
                "PRAGMA user_version",
                "SELECT package, newest FROM checked",
                "SELECT DISTINCT package, branch, title, number FROM publication",
                "SELECT status FROM run ORDER BY id DESC LIMIT 1",
            )
            *facts, ((status,),) = [db.execute(one).fetchall() for one in asked]
            # Where the run that was killed had done all but to say so, this one finds nothing to do.
            return [*facts, "ended well" if status in {0, self.again} else f"ended with {status}"]


def told(ended: Ended) -> str:
    """What a run said that it ended with: its code, or the last line of what it wrote."""
    codes = re.findall(r"^\w+: (E-[A-Z0-9-]+)", ended.stderr + ended.stdout, re.MULTILINE)
    return codes[-1] if codes else (ended.stderr.strip().splitlines() or [""])[-1]


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """In what two states differ."""
    said = []
    for key in sorted(expected.keys() | found.keys()):
        one, other = expected.get(key), found.get(key)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            said += [f"{key}: without {part}" for part in one if part not in other]
            said += [f"{key}: with {part}" for part in other if part not in one]
        elif isinstance(one, dict) and isinstance(other, dict):
            said += [f"{key}: {part}" for part in sorted(one.keys() | other.keys()) if one.get(part) != other.get(part)]
        elif isinstance(one, str) and isinstance(other, str):
            lines = [line for line in difflib.ndiff(one.splitlines(), other.splitlines()) if line[0] in "-+"]
            said.append(f"{key}: {' / '.join(map(_short, lines)) or 'line breaks'}")
        else:
            said.append(f"{key}: {_short(other)} instead of {_short(one)}")
    return said or (["they are not equal"] if expected != found else [])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}…"


def _settled(text: str, world: Path) -> str:
    return _TIME.sub("<time>", stable(text, world))


def _branches(repository: Path) -> dict[str, Any]:
    """Of each ref: the tree, how many commits are below, and the message."""
    form = "%00".join(f"%({part})" for part in ("refname", "tree", "contents"))
    done = run(["git", "-C", str(repository), "for-each-ref", f"--format={form}%01"], env=isolated_git())
    found = {}
    for line in done.stdout.decode().split("\1\n")[:-1]:
        name, tree, message = line.split("\0")
        counted = run(["git", "-C", str(repository), "rev-list", "--count", name], env=isolated_git())
        found[name] = (tree, int(counted.stdout), message)
    return found


# --- the scenarios ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _told(folder: Path, way: str = "") -> Iterator[Stage]:
    """The demo's world with its advisories, written to in one way."""
    with (
        isolated_home(folder),
        worlds.stand(folder / "world", version=START, releases=story.RELEASES, advisories=story.publish) as world,
    ):
        stage = Stage(world)
        (stage.home / ".gitconfig").write_text("[user]\n\tname = xenbump demo\n\temail = demo@localhost\n")
        if way:
            written = f'operator = "{worlds.LOGIN}"\nwrite = "{way}"\ngit = "{world.git.url("packages.git")}"'
            stage.configure(f'operator = "{worlds.LOGIN}"', written)
        yield stage


@contextlib.contextmanager
def _several(folder: Path) -> Iterator[Stage]:
    """A folder with a file for each branch, of which one comes and one goes: files are changed, made and removed."""
    components = {name: Component(folder / "components" / name) for name in NAMES}
    tags = {"qemu": "qemu-xen-4.20.1", "seabios": "rel-1.16.3", "minios": "xen-RELEASE-4.20.0"}
    commits = {name: one.commit(f"new {name}", tags.get(name, "new")) for name, one in components.items()}
    pins = Pins(**{name: tags.get(name, commits[name]) for name in NAMES})
    with (
        isolated_home(folder),
        worlds.stand(folder / "world", version=START, releases=releases(pins), advisories=quiet) as world,
    ):
        branches = Branches(Stage(world), components, commits, folder / "checkouts")
        branches.stage.configure(r'(?m)^file = ".*"', f'file = "{folders.FILE}"\ntrack = "latest"\nretire = "remove"')
        yield branches.stage


def _by(way: str) -> Callable[[Path], contextlib.AbstractContextManager[Stage]]:
    return lambda folder: _told(folder, way)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("checkout", ("run",), _told),
        Scenario("clone", ("run",), _by("clone"), knows=True),
        Scenario("api", ("run",), _by("api"), knows=True),
        Scenario("commit", ("bump", "--commit"), _several, knows=True),
        Scenario("edit", ("bump",), _several, knows=True),
    )
}


@contextlib.contextmanager
def stood(name: str, folder: Path) -> Iterator[Place]:
    """Let a scenario's world stand in a folder for the time of a `with` block."""
    scenario = SCENARIOS[name]
    with scenario.stands(folder) as stage:
        yield Place(scenario, stage)
