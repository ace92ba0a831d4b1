"""A run is killed after each of its requests and each of its pushes; the next one leaves one pull request, complete.

The runs are processes of their own, forked from one that has everything imported. The stand-in, or a hook of the git
repository, kills them when a request has taken effect and was not answered yet.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import Act, forget_journal, planned, publish_with, unchecked
from tests.support.worlds import BRANCH
from xenbump.demo.world import LABEL, LOGIN
from xenbump.publish import message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

    from xenbump.config import Config
    from xenbump.demo.github_server import Exchange
    from xenbump.demo.github_state import Comment, PullRequest
    from xenbump.outcomes import Planned

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.publish.acts"])
NEWER = "xenbump/xen-4.21"
MISSING = "not there"
MOST = 40  # a run of more requests than this hangs


def child(config: Config, made: Planned, env: dict[str, str]) -> None:
    """What a process does; its status is 1 where it comes to no pull request."""
    os.environ.clear()
    os.environ.update(env)
    outcome = publish_with(config, made)
    os._exit(0 if hasattr(outcome, "pull") else 1)


@dataclass(frozen=True)
class Point:
    """What a world is put back to."""

    refs: tuple[str, ...]
    pulls: dict[int, PullRequest]
    comments: list[Comment]
    journal: bytes


NOTHING = Point((), {}, [], b"")


class Killing(Act):
    """Runs that can be killed, and a state of things that can be put back."""

    def launch(self, made: Planned) -> BaseProcess:
        process = FORKS.Process(target=child, args=(self.stage.config(), made, dict(os.environ)))
        process.start()
        return process

    def ended(self, process: BaseProcess) -> int:
        process.join(30)
        status = process.exitcode
        assert status is not None
        process.close()
        return status

    def killed_at(self, number: int, made: Planned) -> bool:
        """Start a run and kill it when so many requests have taken effect; False when it makes fewer."""
        github, known = self.stage.world.github, threading.Event()
        pids: list[int] = []
        seen: list[Exchange] = []

        def observe(exchange: Exchange) -> None:
            seen.append(exchange)
            if len(seen) == number:
                known.wait(10)
                os.kill(pids[0], signal.SIGKILL)

        github.observer = observe
        try:
            process = self.launch(made)
            pids.append(process.pid or 0)
            known.set()
            status = self.ended(process)
        finally:
            github.observer = None
        assert status in {0, -signal.SIGKILL}
        return status != 0

    def killed_in_push(self, hook: str, made: Planned) -> None:
        """Start a run and kill it when the server runs a hook of its push, which then goes on."""
        folder = self.stage.world.folder
        pid, path = folder / "pid", folder / "packages.git" / "hooks" / hook
        pid.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!/bin/sh\nuntil test -s '{pid}'; do sleep 0.01; done\nkill -9 $(cat '{pid}') 2> /dev/null\nsleep 0.2\n"
        )
        path.chmod(0o755)
        try:
            process = self.launch(made)
            (folder / "pid.new").write_text(str(process.pid))
            (folder / "pid.new").rename(pid)
            assert self.ended(process) == -signal.SIGKILL
        finally:
            path.unlink()

    def kept(self) -> Point:
        stage = self.stage
        refs = stage.world.in_packages("for-each-ref", "--format=create %(refname) %(objectname)").splitlines()
        return Point(
            tuple(refs), dict(stage.repository.pulls), list(stage.repository.comments), self._journal.read_bytes()
        )

    def put_back(self, point: Point) -> None:
        stage, packages = self.stage, self.stage.world.folder / "packages.git"
        wanted = {ref: commit for _, ref, commit in (line.split() for line in point.refs)}
        for ref in stage.world.in_packages("for-each-ref", "--format=%(refname)").splitlines():
            if ref not in {"refs/heads/master", *wanted}:
                stage.world.in_packages("update-ref", "-d", ref)
        for ref, commit in wanted.items():
            (packages / ref).write_text(f"{commit}\n")
        stage.repository.pulls.clear()
        stage.repository.pulls.update(point.pulls)
        stage.repository.comments[:] = point.comments
        forget_journal(stage)
        self._journal.write_bytes(point.journal)

    @property
    def _journal(self) -> Path:
        return self.stage.world.folder / "state" / "journal.sqlite3"


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    with unchecked(tmp_path_factory.mktemp("kills")) as stage:
        stage.configure(
            r"(?s)operator = .*",
            f'operator = "{LOGIN}"\nlabels = {{ always = ["{LABEL}", "{MISSING}"] }}\n'
            'reviewers = ["reviewer"]\nassignees = ["reviewer"]\n',
        )
        stage.world.github.state.user("reviewer")
        stage.repository.collaborators = frozenset({"reviewer"})
        yield Killing(stage, planned(stage))


def whole(act: Killing, made: Planned, branch: str, closed: int) -> None:
    """One open pull request with everything, and so many closed ones, each told once of it."""
    stage = act.stage
    (pull,) = [pull for pull in stage.pulls if pull.state == "open"]
    text = pull.body or ""
    assert (pull.head.branch, pull.labels) == (branch, (LABEL,))
    assert pull.title == message.title(made.plan)
    assert (pull.reviewers, pull.assignees) == (("reviewer",), ("reviewer",))
    assert f"may not set: `{MISSING}`." in text
    assert not message.edited(text)
    assert stage.tip(branch)
    others = [one for one in stage.pulls if one is not pull]
    assert len(others) == closed
    for other in others:
        assert (message.read_marker(other.body or "") or {}).get("closed") == "superseded"
        assert other.state == "closed"
        assert [kind for kind, _ in filter(None, act.comments(other.number))] == ["superseded"]


def newer(made: Planned) -> Planned:
    target = replace(made.plan.target, version="4.21.0", tree_version="4.21.0")
    return replace(made, plan=replace(made.plan, target=target))


@pytest.mark.parametrize("lost", [False, True], ids=["the-journal-is-kept", "the-journal-is-lost"])
def test_killed_after_each_request_that_opens_one_and_closes_an_older(killing: Killing, *, lost: bool) -> None:
    act, made = killing, newer(killing.made)
    act.put_back(NOTHING)
    act.done()
    before = act.kept()
    # With the journal every second request, without it the others: the whole costs half as much.
    for number in range(1 + lost, MOST, 2):
        act.put_back(before)
        if not act.killed_at(number, made):
            break
        if lost:
            forget_journal(act.stage)
        act.done(made)
        whole(act, made, NEWER, closed=1)
    act.done(made)
    act.still(made)
    assert 14 <= number < MOST


def test_killed_after_each_request_that_updates(killing: Killing) -> None:
    act = killing
    act.put_back(NOTHING)
    earlier = replace(act.made, plan=replace(act.made.plan, closes=(490,)))
    made = replace(act.made, plan=replace(act.made.plan, closes=(490, 491)))
    act.done(earlier)
    before = act.kept()
    for number in range(1, MOST):
        act.put_back(before)
        if not act.killed_at(number, made):
            break
        act.done(made)
        whole(act, made, BRANCH, closed=0)
    act.still(made)
    assert 5 <= number < MOST


@pytest.mark.parametrize("hook", ["pre-receive", "post-receive"])
def test_killed_in_a_push_that_goes_on(killing: Killing, hook: str) -> None:
    """Git pushes on when the run was killed; it holds the lock until then, so the next run sees what came of it."""
    act = killing
    act.put_back(NOTHING)
    act.killed_in_push(hook, act.made)
    assert act.done().action == "opened"
    assert act.stage.pushes == 0
    whole(act, act.made, BRANCH, closed=0)
    act.still()


@pytest.mark.parametrize("apart", [False, True], ids=["one-state-folder", "two-state-folders"])
def test_two_processes_at_once_leave_one_pull_request(killing: Killing, *, apart: bool) -> None:
    act, stage = killing, killing.stage
    act.put_back(NOTHING)
    state = dict(stage.world.env)
    processes = []
    for number in range(2):
        if apart:
            stage.world.env["XENBUMP_STATE_DIR"] = f"{state['XENBUMP_STATE_DIR']}-{number}"  # type: ignore[index]
            Path(stage.world.env["XENBUMP_STATE_DIR"]).mkdir(exist_ok=True)
        processes.append(act.launch(act.made))
    stage.world.env.update(state)  # type: ignore[attr-defined]
    codes = [act.ended(process) for process in processes]
    assert codes.count(0) >= (1 if apart else 2)
    act.done()
    whole(act, act.made, BRANCH, closed=0)
    act.still()
