"""How long the packaged branch is supported, as a check tells it: when it is asked, and what if it cannot be had."""

from __future__ import annotations

import itertools
import json
import sqlite3
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import START, shared, stage
from xenbump.cli import common
from xenbump.demo.git_server import Status
from xenbump.demo.xen_project import File
from xenbump.errors import Failure, Refusal
from xenbump.journal import Journal
from xenbump.outcomes import NeedsPatches, NewerRelease, Outcome, Stopped, UpToDate
from xenbump.pipeline import Pipeline
from xenbump.process import run
from xenbump.report import text
from xenbump.upstream import support
from xenbump.upstream.support import Window
from xenbump.xen import opened

if TYPE_CHECKING:
    from tests.support.worlds import Stage
    from xenbump.demo.world import World

__all__ = ["shared", "stage"]

# What the tip of the demo's stable-4.20 says.
WINDOW = Window(date(2025, 1, 15), date(2097, 1, 15), date(2099, 1, 15))
TIMES = itertools.count(1)


@pytest.fixture(autouse=True)
def support_md(stage: Stage) -> File:
    """The true SUPPORT.md, at the tip of the branch whatever a test before wrote there; the tip is new to the cache."""
    world = stage.world
    tag = f"{world.xen.commits['RELEASE-4.20.4']}~1"
    found = File(in_xen(world, "cat-file", "blob", f"{tag}:SUPPORT.md"))
    point(world, found)
    return found


def in_xen(world: World, *arguments: str) -> bytes:
    return run(["git", f"--git-dir={world.xen.path}", *arguments]).stdout


def point(world: World, content: File) -> None:
    """Let the tip have this SUPPORT.md; the same twice are two commits, as worlds share what was fetched."""
    world.xen.add_commit("4.20", {"SUPPORT.md": content}, f"SUPPORT.md: say how long, for the {next(TIMES)}th time")


def check(stage: Stage, today: date | None = None) -> Outcome:
    """The outcome for the one package."""
    config = stage.config()
    with Journal(config.state).run("check") as journal:
        pipeline = Pipeline(config, journal, lambda _: None)
        if today is not None:
            pipeline._xen.today = today
        (outcome,) = [pipeline.check(package) for package in config.packages]
        return outcome


def told(outcome: Outcome) -> NewerRelease | NeedsPatches | UpToDate:
    assert isinstance(outcome, NewerRelease | NeedsPatches | UpToDate), outcome
    return outcome


def asked(stage: Stage) -> int:
    """How often the journal has the step."""
    with sqlite3.connect(stage.world.folder / "state" / "journal.sqlite3") as db:
        (found,) = db.execute("SELECT count(*) FROM step WHERE name = 'support'").fetchone()
    db.close()
    return int(found)


def test_a_check_tells_how_long_the_branch_is_supported(stage: Stage) -> None:
    before = datetime.now(UTC).date()
    for version, kind in ((START, NewerRelease), ("4.20.4", UpToDate)):
        stage.world.package.write_text(stage.world.package.read_text().replace(START, version))
        outcome = told(check(stage))
        assert isinstance(outcome, kind)
        assert outcome.support is not None
        assert (outcome.support.branch, outcome.support.window, outcome.support.ended) == ("4.20", WINDOW, False)
        assert before <= outcome.support.today <= datetime.now(UTC).date()
        assert outcome.subject.warnings == ()
    # The plan does not ask.
    config = stage.config()
    with Journal(config.state).run("plan") as journal:
        outcome = told(Pipeline(config, journal, lambda _: None).plan(config.packages[0]))
    assert outcome.support is None


def test_support_that_has_ended_is_told_and_changes_no_status(stage: Stage) -> None:
    for day, ended in ((date(2099, 1, 15), False), (date(2099, 1, 16), True)):
        outcome = told(check(stage, day))
        assert outcome.support is not None
        assert outcome.support.ended is ended
        assert ("  warning: the security support of 4.20 ended on 2099-01-15" in text.outcome(outcome)) is ended
        assert common.status([outcome]) == common.status([told(check(stage))])


def test_the_program_tells_it(stage: Stage) -> None:
    line = "  4.20 is supported until 2097-01-15, with security fixes until 2099-01-15"
    done = stage.call("check")
    assert done.stdout.splitlines()[2] == line
    (entry,) = json.loads(stage.call("check", "--json").stdout)["packages"]
    assert entry["support"] == {
        "branch": "4.20",
        "supported_until": "2097-01-15",
        "security_until": "2099-01-15",
        "ended": False,
        "status": "",
    }


def test_it_is_asked_once_for_a_tip(stage: Stage, support_md: File) -> None:
    check(stage)
    server = stage.world.git
    server.reset_counters()
    again = told(check(stage))
    assert again.support is not None
    assert again.support.window == WINDOW
    assert asked(stage) == 1
    assert sum("info/refs" in one.path for one in server.requests) == 1  # the listing
    listed = server.bytes_out
    point(stage.world, support_md)
    server.reset_counters()
    check(stage)
    assert asked(stage) == 2
    assert server.bytes_out - listed < 3_000


def test_several_packages_ask_once(stage: Stage) -> None:
    config = stage.config()
    with Journal(config.state).run("check") as journal, opened(config, journal, lambda _: None) as xen:
        first = xen.window("4.20")
        assert first == (WINDOW, "")
        assert xen.window("4.20") is first
        assert xen.today is xen.today
    assert asked(stage) == 1


def test_branches_of_which_nothing_is_known(stage: Stage) -> None:
    config = stage.config()
    with Journal(config.state).run("check") as journal, opened(config, journal, lambda _: None) as xen:
        assert xen.window("4.9") == (None, "")  # its tree says nothing
        assert asked(stage) == 1
        assert xen.window("4.3") == (None, "")  # there is no such branch
    assert asked(stage) == 1


def test_that_it_cannot_be_had_is_a_warning(stage: Stage, support_md: File) -> None:
    server = stage.world.git
    config = stage.config()
    check(stage)  # what else is needed is in the cache
    point(stage.world, support_md)
    with Journal(config.state).run("check") as journal:
        pipeline = Pipeline(config, journal, lambda _: None)
        pipeline._xen.listing()
        server.fail_next("xen.git/info/refs", Status(500), times=99)
        outcomes = [told(pipeline.check(config.packages[0])) for _ in range(2)]
    for outcome in outcomes:
        assert outcome.support is None
        (warning,) = outcome.subject.warnings
        assert warning.startswith("how long Xen 4.20 is supported is not known: E-HTTP-STATUS: http://127.0.0.1:")
    assert isinstance(outcomes[0], NewerRelease)
    assert asked(stage) == 2  # a server that fails is not asked for each package
    server._service._faults.clear()
    outcome = told(check(stage))
    assert outcome.support is not None
    assert outcome.subject.warnings == ()


def test_a_form_that_is_not_known_is_a_warning(stage: Stage, support_md: File) -> None:
    point(stage.world, File(support_md.data.replace(b"2099-01-15", b"next year")))
    outcome = told(check(stage))
    assert outcome.support is None
    (warning,) = outcome.subject.warnings
    assert "E-SUPPORT-FORM: stable-4.20, SUPPORT.md: Security-Support-Until is 'next year'" in warning
    assert f"  warning: {warning}" in text.outcome(outcome)


@pytest.mark.parametrize(
    ("error", "swallowed"),
    [
        (Failure("E-NETWORK", "away"), True),
        (Refusal("E-SUPPORT-FORM", "odd"), True),
        (Refusal("E-REDIRECT", "elsewhere"), False),
        (Refusal("E-TAG-MISSING", "gone"), False),
        (Refusal("E-SIGNATURE-BAD", "bad"), False),
    ],
)
def test_nothing_else_that_is_refused_is_swallowed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Failure | Refusal, *, swallowed: bool
) -> None:
    def refuse(*_: object) -> dict[str, Window]:
        raise error

    monkeypatch.setattr(support, "windows", refuse)
    outcome = check(stage)
    if swallowed:
        assert told(outcome).subject.warnings == (f"how long Xen 4.20 is supported is not known: {error}",)
    else:
        assert isinstance(outcome, Stopped)
        assert outcome.error is error
