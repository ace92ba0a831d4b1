"""A run is killed after each of its requests and each of its pushes; the next one leaves one pull request, complete.

The runs are processes of their own. The stand-in, or a hook of the git repository, kills them when a request has taken
effect and was not answered yet.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import Act, Point, forget_journal, planned
from tests.support.forked import Forked
from tests.support.worlds import BRANCH
from xenbump.demo.world import LABEL, LOGIN
from xenbump.publish import message

if TYPE_CHECKING:
    from tests.support.worlds import Stage
    from xenbump.demo.github_server import Exchange
    from xenbump.outcomes import Planned

NEWER = "xenbump/xen-4.21"
MISSING = "not there"
ORDERS = itertools.count()
MOST = 40  # a run of more requests than this hangs


class Killing(Act):
    """Runs that can be killed, and a state of things that can be put back."""

    def __init__(self, stage: Stage, made: Planned) -> None:
        super().__init__(stage, made)
        self.nothing = replace(Point.of(stage), journal=b"")

    def launch(self, made: Planned) -> Forked:
        order = self.stage.world.folder / f"order-{next(ORDERS)}"
        order.write_bytes(pickle.dumps((self.stage.config(), made)))
        return Forked((str(order),), self.stage.world.checkout, os.environ, "tests.publish.acts:publish_as_ordered")

    def ended(self, process: Forked) -> int:
        with process:
            return process.wait(30)

    def killed_at(self, number: int, made: Planned) -> bool:
        """Start a run and kill it when so many requests have taken effect; False when it makes fewer."""
        github, known = self.stage.world.github, threading.Event()
        processes: list[Forked] = []
        seen: list[Exchange] = []

        def observe(exchange: Exchange) -> None:
            seen.append(exchange)
            if len(seen) == number:
                known.wait(10)
                processes[0].kill()

        github.observer = observe
        try:
            process = self.launch(made)
            processes.append(process)
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


@pytest.fixture(scope="module")
def killing(unwatched: Stage) -> Killing:
    stage = unwatched
    stage.configure(
        r"(?s)operator = .*",
        f'operator = "{LOGIN}"\nlabels = {{ always = ["{LABEL}", "{MISSING}"] }}\n'
        'reviewers = ["reviewer"]\nassignees = ["reviewer"]\n',
    )
    stage.world.github.state.user("reviewer")
    stage.repository.collaborators = frozenset({"reviewer"})
    return Killing(stage, planned(stage))


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
    act.nothing.put_back(act.stage)
    act.done()
    before = Point.of(act.stage)
    # With the journal every second request, without it the others: the whole costs half as much.
    for number in range(1 + lost, MOST, 2):
        before.put_back(act.stage)
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
    act.nothing.put_back(act.stage)
    earlier = replace(act.made, plan=replace(act.made.plan, closes=(490,)))
    made = replace(act.made, plan=replace(act.made.plan, closes=(490, 491)))
    act.done(earlier)
    before = Point.of(act.stage)
    for number in range(1, MOST):
        before.put_back(act.stage)
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
    act.nothing.put_back(act.stage)
    act.killed_in_push(hook, act.made)
    assert act.done().action == "opened"
    assert act.stage.pushes == 0
    whole(act, act.made, BRANCH, closed=0)
    act.still()


@pytest.mark.parametrize("apart", [False, True], ids=["one-state-folder", "two-state-folders"])
def test_two_processes_at_once_leave_one_pull_request(killing: Killing, *, apart: bool) -> None:
    act, stage = killing, killing.stage
    act.nothing.put_back(act.stage)
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
