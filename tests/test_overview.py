"""What a report reads of the journal: pull requests with what they close, and verifications with those before them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, cast

from tests.report import views
from xenbump.journal import Journal
from xenbump.overview import Closing, Gatherer
from xenbump.settings import Package

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.xen import Xen

PACKAGE = Package(name="xen-4.20", file="xen.nix")


def gatherer(run: Run) -> Gatherer:
    """One that is asked for nothing of Xen."""
    return Gatherer(cast("Config", None), run, cast("Xen", None))


def publish(run: Run, number: int, action: str = "opened") -> None:
    run.published("xen-4.20", branch="b", title="t", commit="c", number=number, url="https://x/1", action=action)


def test_pull_requests_close_what_the_plan_of_their_run_says(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    plan: Any = {"closes": [484, 480], "decisions": []}
    with journal.run("run") as run:
        run.step("xen-4.20", "plan", 1, dict[str, Any], lambda: {"closes": [1]}, again=False)
        run.step("xen-4.20", "plan", 2, dict[str, Any], lambda: plan, again=False)
        run.step("other", "plan", 3, dict[str, Any], lambda: {"closes": [2]}, again=False)
        publish(run, 7)
    with journal.run("run") as run:
        run.step("xen-4.20", "plan", 4, list[int], lambda: [1], again=False)
        publish(run, 8, "updated")
        found = list(gatherer(run)._requests(PACKAGE))
    assert [(one.number, one.action, one.closes) for one in found] == [(7, "opened", (484, 480)), (8, "updated", ())]
    assert found[0].at.tzinfo is not None


def test_a_plan_stays_as_long_as_its_pull_request(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for action in ("opened", "hands-off", ""):
        with journal.run("run") as run:
            for name in ("plan", "read"):
                run.step("xen-4.20", name, action, dict[str, Any], lambda: {"closes": [484]}, again=False)
            if action:
                publish(run, 7, action)
    with sqlite3.connect(journal.path) as db:
        db.execute("UPDATE step SET began = began - 8e6")
    db.close()
    with journal.run("report") as run:
        kept = run._db.execute("SELECT run, name FROM step").fetchall()
        closing = [one.plan for one in run.publications("xen-4.20", Closing)]
    assert kept == [(1, "plan")]
    assert closing == [Closing((484,)), None]


def test_verifications_come_with_what_they_were_compared_with(tmp_path: Path) -> None:
    with Journal(tmp_path).run("verify") as run:
        for evidence in (views.OLDER, views.PROVED, views.PROVED):
            run.proved("xen-4.20", evidence.version, {"file": "1"}, "conditions", evidence)
        found = list(gatherer(run)._proofs(PACKAGE))
    assert [(one.evidence.version, one.older) for one in found] == [("4.20.2", views.OLDER), ("4.20.1", None)]
