"""What the tests of the publisher do and expect again and again."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from tests.support.worlds import BRANCH
from xenbump.demo.world import FILE, LABEL, LOGIN, REPOSITORY, TOKEN
from xenbump.errors import XenbumpError
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped
from xenbump.publish import message
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome
    from xenbump.plan.model import Plan

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


def planned(stage: Stage) -> Planned:
    """The plan that the stage would publish."""
    outcome = stage.publish(dry_run=True)
    assert isinstance(outcome, Planned), outcome
    return outcome


def publish_plan(stage: Stage, made: Planned, plan: Plan) -> Outcome:
    """Publish another plan with the edit of one that was made."""
    config = stage.config()
    words = message.write(plan, operator=config.github.operator)
    with Journal(config.state).run("pr") as run:
        publisher = Publisher(config, stage.world.package, run, lambda _: None)
        try:
            done = publisher.publish(plan, made.edits, words)
        except XenbumpError as error:
            return Stopped("xen", FILE, error)
        finally:
            publisher.checkout.close()
    return Published(plan, made.edits, done.message, done.branch, done.commit, done.pull, done.action)
