"""What the tests of the publisher do and expect again and again."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.kept import Bare
from tests.support.worlds import BRANCH, Stage
from xenbump.demo.world import FILE, LABEL, LOGIN, REPOSITORY, TOKEN
from xenbump.errors import XenbumpError
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped
from xenbump.publish import message
from xenbump.publish.publisher import Publisher
from xenbump.verify.evidence import Evidence, Step, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.config import Config
    from xenbump.demo.github_state import Comment, PullRequest
    from xenbump.outcomes import Outcome
    from xenbump.plan.model import Plan
    from xenbump.publish.looking import Words
    from xenbump.publish.message import Message

PULLS = f"/repos/{REPOSITORY}/pulls"


def published(outcome: Outcome) -> Published:
    assert isinstance(outcome, Published), outcome
    return outcome


def stopped(outcome: Outcome, code: str) -> XenbumpError:
    assert isinstance(outcome, Stopped), outcome
    assert outcome.error.code == code, str(outcome.error)
    assert TOKEN not in "".join(traceback.format_exception(outcome.error))
    return outcome.error


def complete(stage: Stage, version: str = "4.20.4") -> None:
    """There is one open pull request, with everything that belongs to it."""
    (pull,) = [pull for pull in stage.pulls if pull.state == "open"]
    assert pull.title == f"xen: 4.20.2 -> {version}"
    assert (pull.draft, pull.author, pull.labels) == (True, LOGIN, (LABEL,))
    assert (message.read_marker(pull.body or "") or {}).get("target") == version
    assert "Labels wanted" not in (pull.body or "")
    assert (pull.head.branch, pull.base.branch) == (BRANCH, "master")
    assert stage.world.in_packages("rev-list", "--count", f"master..{BRANCH}") == "1"
    assert f'version = "{version}"' in stage.world.in_packages("show", f"{BRANCH}:{FILE}")


def forget_journal(stage: Stage) -> None:
    """Lose what earlier runs kept."""
    for name in ("", "-wal", "-shm"):
        _journal(stage, name).unlink(missing_ok=True)


def _journal(stage: Stage, part: str = "") -> Path:
    return stage.world.folder / "state" / f"journal.sqlite3{part}"


def planned(stage: Stage, to: str = "") -> Planned:
    """The plan that the stage would publish."""
    outcome = stage.publish(to, dry_run=True)
    assert isinstance(outcome, Planned), outcome
    return outcome


def words_of(plan: Plan, evidence: Evidence | None = None, backport: message.Backport | None = None) -> Words:
    """What writes the message for a plan."""

    def write(refused: tuple[str, ...], see_also: str) -> Message:
        return message.write(
            plan, operator=LOGIN, refused_labels=refused, evidence=evidence, backport=backport, see_also=see_also
        )

    return write


def evidence_of(*, complete: bool = True) -> Evidence:
    """Evidence with one step that passed, and one that was skipped unless it is to be complete."""
    steps = (StepResult(Step.BUILD, "passed"), StepResult(Step.DOM0, "skipped", "there is no QEMU"))
    return Evidence("xen", "4.20.4", "4.20.4", "", steps[:1] if complete else steps)


def publish_with(
    config: Config,
    made: Planned,
    *,
    evidence: Evidence | None = None,
    again: bool = False,
    base: str = "",
    said: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Publish a plan that was made before, in the checkout of a configuration."""
    backport = message.Backport(base) if base else None
    with Journal(config.state).run("pr") as run:
        publisher = Publisher(config, config.file_of(config.packages[0]), run, said, base=base)
        with contextlib.closing(publisher):
            try:
                done = publisher.publish(
                    made.plan, made.edits, words_of(made.plan, evidence, backport), evidence=evidence, again=again
                )
            except XenbumpError as error:
                return Stopped("xen", FILE, error)
    return Published(
        made.plan, made.edits, done.message, done.branch, done.commit, done.pull, done.action, evidence, done.reason,
        done.notes,
    )  # fmt: skip


def publish_as_ordered() -> None:
    """What a process of its own does: publish what its argument names; its status is 1 where there is no pull request.

    The argument is a file with the configuration and the plan.
    """
    config, made = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - a test wrote it
    sys.exit(0 if isinstance(publish_with(config, made), Published) else 1)


@dataclass(frozen=True)
class Point:
    """What a world can be put back to: branches, what GitHub has, the journal."""

    packages: Bare
    pulls: dict[int, PullRequest]
    comments: list[Comment]
    number: int
    journal: bytes

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """What a world has come to."""
        repository, number = stage.repository, stage.world.github.state.next_id()
        packages = Bare(stage.world.folder / "packages.git")
        return cls(packages, dict(repository.pulls), list(repository.comments), number, _journal(stage).read_bytes())

    def put_back(self, stage: Stage) -> None:
        """Let it be so again."""
        self.packages.put_back()
        stage.repository.pulls.clear()
        stage.repository.pulls.update(self.pulls)
        stage.repository.comments[:] = self.comments
        stage.world.github.state._ids = itertools.count(self.number)
        forget_journal(stage)
        _journal(stage).write_bytes(self.journal)


class Act:
    """Publishes at a stage, and looks at what came of it.

    Args:
        stage: the world.
        made: what is published if nothing else is said.
    """

    def __init__(self, stage: Stage, made: Planned) -> None:
        self.stage = stage
        self.made = made

    def tried(self, made: Planned | None = None, *, plan: Plan | None = None, **more: Any) -> Outcome:
        """Publish; with `plan` another plan with the same edits."""
        chosen = made or self.made
        self.stage.forget()
        return publish_with(self.stage.config(), chosen if plan is None else replace(chosen, plan=plan), **more)

    def done(self, made: Planned | None = None, **more: Any) -> Published:
        """Publish, which must come to a pull request."""
        return published(self.tried(made, **more))

    def opened(self, made: Planned | None = None) -> Published:
        """What publishing comes to in a world at its beginning: done once, and then put back."""
        made = made or self.made
        stage, version = self.stage, made.plan.target.version
        assert not stage.pulls
        if version not in stage.points:
            found = self.done(made)
            assert found.action == "opened"
            stage.points[version] = (found, Point.of(stage))
            return found
        again: tuple[Published, Point] = stage.points[version]
        again[1].put_back(stage)
        return again[0]

    def refused(self, code: str, made: Planned | None = None, **more: Any) -> XenbumpError:
        """Publish, which must be refused with nothing written."""
        error = stopped(self.tried(made, **more), code)
        assert (self.stage.writes(), self.stage.pushes) == ([], 0)
        return error

    def still(self, made: Planned | None = None, *, action: str = "unchanged", **more: Any) -> Published:
        """Publish, which must write nothing."""
        found = self.done(made, **more)
        assert (found.action, self.stage.writes(), self.stage.pushes) == (action, [], 0)
        return found

    def comments(self, number: int) -> list[tuple[str, str] | None]:
        """Kind and key of the comments on a pull request."""
        return [message.read_note(comment.body) for comment in self.stage.repository.conversation(number)]

    def merged(self, *, taken: bool) -> None:
        """Merge the one open pull request, and fetch the base here when that is `taken`."""
        stage = self.stage
        (pull,) = [pull for pull in stage.pulls if pull.state == "open"]
        stage.world.in_packages("update-ref", "refs/heads/master", stage.tip())
        stage.world.github.state.merge(stage.repository, pull.number, stage.tip(), "person")
        stage.world.in_packages("update-ref", "-d", f"refs/heads/{BRANCH}")
        if taken:
            stage.world.in_checkout("fetch", "--quiet", str(stage.world.folder / "packages.git"), "master")
            stage.world.in_checkout("reset", "--quiet", "--hard", "FETCH_HEAD")
            stage.world.in_checkout("update-ref", "refs/remotes/origin/master", "HEAD")

    def commit_over(self, text: str = "a person's") -> str:
        """A person's commit on top of the branch."""
        world = self.stage.world
        theirs = world.in_packages("commit-tree", f"{BRANCH}^{{tree}}", "-p", BRANCH, "-m", text)
        world.in_packages("update-ref", f"refs/heads/{BRANCH}", theirs)
        return theirs
