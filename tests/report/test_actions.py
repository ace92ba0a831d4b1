"""What GitHub Actions is told, and that hostile text stays text there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish import plans
from xenbump.errors import Failure, Refusal
from xenbump.outcomes import Outcome, Planned, Published, Rejected, Stopped, UpToDate, Verified, Written
from xenbump.publish import message
from xenbump.publish.github import PullRequest
from xenbump.report import actions
from xenbump.verify.evidence import Evidence, Step, StepResult

PLAN = plans.bump()
MESSAGE = message.write(PLAN, operator="")
URL = "https://github.example/NixOS/nixpkgs/pull/7"
PULL = PullRequest(7, URL, MESSAGE.title, MESSAGE.body, "open", merged=False, draft=True, labels=())
FAILED = Evidence("xen", "4.20.3", "4.20.3", "", (StepResult(Step.BUILD, "failed", "gcc: no such thing"),))
PASSED = Evidence("xen", "4.20.3", "4.20.3", "", (StepResult(Step.BUILD, "passed"),))


def published(action: str, url: str = URL) -> Published:
    return Published(PLAN, (), MESSAGE, "xenbump/xen-4.20", "0" * 40, replace(PULL, url=url), action)


def told(text: str) -> dict[str, str]:
    """The outputs as the runner reads them: a name and a value on each line."""
    return dict(line.split("=", 1) for line in text.split("\n") if line)


@pytest.mark.parametrize(
    ("outcome", "word", "changed"),
    [
        (UpToDate(PLAN.subject), "up-to-date", "false"),
        (Planned(PLAN, ()), "planned", "false"),
        (Written(PLAN, (), ""), "written", "true"),
        (published("opened"), "published", "true"),
        (published("unchanged"), "published", "false"),
        (published("deferred"), "published", "false"),
        (Rejected(PLAN, (), FAILED), "rejected", "false"),
        (Verified(PLAN.subject, FAILED), "rejected", "false"),
        (Verified(PLAN.subject, PASSED), "passed", "false"),
        (Stopped("xen", "a.nix", Refusal("E-CODE", "what")), "refused", "false"),
        (Stopped("xen", "a.nix", Failure("E-CODE", "what")), "failed", "false"),
    ],
)
def test_outputs(outcome: Any, word: str, changed: str) -> None:
    found = told(actions.outputs([outcome], 30))
    (entry,) = json.loads(found["packages"])
    assert (entry["name"], entry["outcome"], found["changed"], found["status"]) == ("xen", word, changed, "30")
    assert found["pull-requests"] == (URL if word == "published" else "")


def test_several_packages() -> None:
    found = told(actions.outputs([published("opened"), published("updated", URL + "8")], 0))
    assert found["pull-requests"] == f"{URL} {URL}8"
    assert len(json.loads(found["packages"])) == 2


def test_commands() -> None:
    assert actions.commands([UpToDate(PLAN.subject), published("unchanged")]) == []
    (line,) = actions.commands([Stopped("xen", "a.nix", Refusal("E-CODE", "100% wrong:\nvery", remedy="do it"))])
    assert line == "::error title=xen%3A E-CODE::E-CODE: 100%25 wrong:%0Avery%0Ado it"
    (line,) = actions.commands([Rejected(PLAN, (), FAILED)])
    assert line == "::error title=xen%3A verification failed::build: gcc: no such thing"
    lines = actions.commands([published("opened")])
    assert lines[-1].startswith("::notice title=xen%3A pull request 7 opened::")
    warned = replace(PLAN, warnings=("look here",))
    assert actions.commands([Planned(warned, ())]) == ["::warning title=xen::look here"]


@given(st.text())
def test_hostile_text_stays_in_its_place(text: str) -> None:
    evidence = replace(FAILED, version=text, engine=text, steps=(StepResult(Step.BUILD, "failed", text, tail=(text,)),))
    stopped = Stopped("xen", "a.nix", Failure("E-CODE", text, where=text, remedy=text))
    outcomes: list[Outcome] = [stopped, Rejected(PLAN, (), evidence), published("opened", text)]
    for line in actions.commands(outcomes):
        assert "\n" not in line
        assert "\r" not in line
        head, _, _ = line.removeprefix("::").partition("::")
        assert head.count("title=") == 1
        assert ("," in head, ":" in head.removeprefix("error ")) == (False, False)
    found = told(actions.outputs(outcomes, 1))
    assert set(found) == {"status", "changed", "pull-requests", "packages"}
    page = actions.page(outcomes, "run")
    rows = [line for line in page.split("\n") if line.startswith("| `xen`")]
    assert len(rows) == 3
    assert all(row.count(" | ") >= 2 for row in rows)


def test_the_summary() -> None:
    page = actions.page([published("opened"), Rejected(PLAN, (), FAILED)], "run")
    assert page.startswith("### xenbump run\n\n| package | outcome | what |\n")
    assert f"[pull request 7]({URL}) opened" in page
    assert "| build | failed |" in page


def test_a_summary_is_never_too_long() -> None:
    huge = replace(FAILED, steps=(StepResult(Step.BUILD, "failed", "x" * 3_000, tail=("y" * 3_000,) * 30),))
    assert len(actions.page([Rejected(PLAN, (), huge)] * 300, "run").encode()) < 1 << 20
