"""The main job from beginning to end, told as it happens: `xenbump demo`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.demo import story
from xenbump.demo import world as worlds
from xenbump.demo.xen_project import Release
from xenbump.errors import Failure
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Stopped
from xenbump.pipeline import Pipeline, Wish
from xenbump.report import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.outcomes import Outcome
    from xenbump.plan.model import Plan
    from xenbump.settings import Package


def demonstrate(progress: Callable[[str], None]) -> None:
    """Show check, plan, run, the same run again, an advisory that comes in between, and a tag that must be refused.

    Args:
        progress: told in a sentence what is being done.

    Raises:
        Failure: E-DEMO when a step did not end as it must; then the installation is not sound.
    """
    # A proxy has no part in what stays on this machine.
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))
    with tempfile.TemporaryDirectory(prefix="xenbump-demo-") as folder:
        progress("building a Xen project, signing tags and advisories, starting git server, xenbits and GitHub")
        with worlds.stand(Path(folder)) as world:
            _tell(world, progress)
    _say("\nEverything was on this machine, and is gone.\n")


def _tell(world: worlds.World, progress: Callable[[str], None]) -> None:
    _say(f"The Xen project   {world.git.url('xen.git')}\n")
    _say(f"Its advisories    {world.xenbits_server.url}/\n")
    _say(f"The package       {worlds.FILE} in {world.git.url('packages.git')}\n")
    _say(f"GitHub            {world.github.url}, repository {worlds.REPOSITORY}\n")

    _head("xenbump check", "is there something new, is its signature good, which advisories are open?")
    _do(world, progress, "check", lambda pipeline, one: pipeline.check(one))

    _head("xenbump plan --diff", "what would change?")
    planned = _plan(world, progress, security_only=False)
    if planned is None or planned.target.version != story.GOAL:
        raise _unsound("the newer release was not planned")
    if {one.patch.xsa for one in planned.patches.drop} != {story.DROPPED}:
        raise _unsound(f"the patch that {story.GOAL} makes needless was not dropped")
    if _names(planned) != story.MISSING_PATCHES:
        raise _unsound(f"the patches that {story.GOAL} lacks were not added")

    _head("xenbump run", "edit, commit, push, open the pull request")
    published = _publish(world, progress)
    if published.action != "opened":
        raise _unsound("the pull request was not opened")
    labels = ", ".join(published.pull.labels) or "none"
    _say(f"\n  title  {published.pull.title}\n  labels {labels}\n\n")
    _say("".join(f"  | {line}\n" for line in published.message.body.splitlines()))

    _head("xenbump run", "the same again: nothing is done twice")
    if _publish(world, progress).action != "unchanged":
        raise _unsound("the second run changed something")

    _head(
        "xenbump plan --security-only --diff",
        f"at noon XSA-{story.PUBLISHED_AT_NOON} is published: what does {story.START} need?",
    )
    story.publish_at_noon(world.xenbits)
    planned = _plan(world, progress, security_only=True)
    if planned is None or planned.moves or story.PUBLISHED_AT_NOON not in planned.patched:
        raise _unsound("the patch of the new advisory was not added to the version that the file has")

    _head("xenbump check", "somebody pushes a tag 4.20.5 that nobody has signed")
    world.xen.add_release(Release("4.20.5", signed=False))
    stopped = _do(world, progress, "check", lambda pipeline, one: pipeline.check(one))
    if not isinstance(stopped, Stopped) or stopped.error.code != "E-TAG-UNSIGNED":
        raise _unsound("the unsigned tag was not refused")


def _plan(world: worlds.World, progress: Callable[[str], None], *, security_only: bool) -> Plan | None:
    """The plan for the file in the checkout, told with its diff; None when there is none."""
    outcome = _do(world, progress, "plan", lambda pipeline, one: pipeline.plan(one, to="", security_only=security_only))
    if not isinstance(outcome, Planned):
        return None
    _say("\n" + text.diff(outcome.edits))
    return outcome.plan


def _names(plan: Plan) -> tuple[str, ...]:
    """The file names of the patches that come, in their order."""
    return tuple(one.patch.url.rpartition("/")[2] for one in plan.patches.add)


def _publish(world: worlds.World, progress: Callable[[str], None]) -> Published:
    outcome = _do(world, progress, "run", lambda pipeline, one: pipeline.publish(one, Wish(prove=True)))
    if not isinstance(outcome, Published):
        raise _unsound("there is no pull request")
    return outcome


def _do(
    world: worlds.World,
    progress: Callable[[str], None],
    command: str,
    work: Callable[[Pipeline, Package], Outcome],
) -> Outcome:
    """Do what the command does, as its own process would, and tell how it ended."""
    config = world.config()
    with Journal(config.state).run(command, progress) as run:
        outcome = work(Pipeline(config, run, progress), config.packages[0])
    _say("\n".join(text.outcome(outcome)) + "\n")
    if isinstance(outcome, Stopped):
        _say("\n".join(text.error(outcome.error)[1:]) + "\n")
    return outcome


def _head(command: str, question: str) -> None:
    _say(f"\n── {command} ── {question}\n\n")


def _say(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()


def _unsound(what: str) -> Failure:
    return Failure("E-DEMO", what, remedy="report it: the demo uses nothing but this machine")
