"""One pull request, whatever happens on the way: the second run, a newer release, other patches, labels, tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import PULLS, complete, published, stopped
from tests.publish.plans import addition
from tests.support.worlds import BRANCH
from xenbump.demo.github_server import Fault
from xenbump.demo.github_state import Label
from xenbump.demo.world import LABEL, LOGIN, REPOSITORY, TOKEN
from xenbump.errors import UsageError

if TYPE_CHECKING:
    from tests.publish.acts import Act
    from tests.support.worlds import Stage
    from xenbump.outcomes import Planned
    from xenbump.plan.model import Plan


def test_opened_once_and_then_left_alone(stage: Stage) -> None:
    first = published(stage.publish())
    assert (first.action, first.branch, first.commit) == ("opened", BRANCH, stage.tip())
    assert first.pull.url == f"{stage.world.github.url.removesuffix('/api/v3')}/{REPOSITORY}/pull/1"
    assert first.pull.labels == (LABEL,)
    complete(stage)
    assert stage.pushes == 1
    assert stage.pull.body == first.message.body
    stage.forget()
    second = published(stage.publish())
    assert (second.action, second.commit, second.pull.number) == ("unchanged", first.commit, 1)
    assert (stage.writes(), stage.pushes) == ([], 0)
    complete(stage)


def test_ten_runs_in_a_row(act: Act) -> None:
    """One pull request; from the second run on nothing is written, and the same little is read."""
    stage = act.stage
    assert act.done().action == "opened"
    read: list[list[tuple[str, str]]] = []
    asked: list[int] = []
    for _ in range(9):
        act.still()
        read.append([(one.method, one.path) for one in stage.exchanges()])
        asked.append(len(stage.world.git.requests))
    assert read == [[("GET", PULLS), ("GET", "/search/issues"), ("GET", f"{PULLS}/1")]] * 9
    assert asked == [asked[0]] * 9
    assert asked[0] <= 3
    complete(stage)


def test_a_dry_run_tells_nobody(stage: Stage) -> None:
    outcome = stage.publish(dry_run=True)
    assert getattr(getattr(outcome, "message", None), "title", outcome) == "xen: 4.20.2 -> 4.20.4"
    assert (stage.exchanges(), stage.tip()) == ([], "")
    assert not any("receive-pack" in one.path for one in stage.world.git.requests)


def test_when_the_target_moves_the_pull_request_moves_along(act: Act, earlier: Planned) -> None:
    stage = act.stage
    act.opened(earlier)
    complete(stage, "4.20.3")
    old = stage.tip()
    moved = act.done()
    assert (moved.action, moved.pull.number, moved.pull.labels) == ("updated", 1, (LABEL,))
    assert stage.writes() == [f"PATCH {PULLS}/1"]
    assert (stage.pushes, stage.tip() != old) == (1, True)
    complete(stage)
    act.still()


def test_a_base_that_moves_elsewhere_is_no_reason_to_push(act: Act) -> None:
    stage = act.stage
    first = act.opened()
    (stage.world.checkout / "other").write_text("x")
    stage.commit("other: init")
    assert act.still().commit == first.commit == stage.tip()
    complete(stage)


def test_a_base_that_moves_in_the_file_takes_the_branch_along(stage: Stage) -> None:
    published(stage.publish())
    path = stage.world.package
    path.write_text(path.read_text() + "# more\n")
    head = stage.commit("xen: more")
    stage.forget()
    assert published(stage.publish()).action == "updated"
    assert (stage.writes(), stage.pushes) == ([], 1)
    assert stage.world.in_packages("rev-parse", f"{BRANCH}^") == head
    complete(stage)
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert (stage.writes(), stage.pushes) == ([], 0)


def with_patches(plan: Plan, *numbers: int) -> Plan:
    """The same plan with patches of advisories that come."""
    patches = replace(plan.patches, add=tuple(addition(number) for number in numbers))
    return replace(plan, patches=patches, closes=numbers)


def test_closed_for_one_set_of_patches_does_not_stop_another(act: Act) -> None:
    first, second = (with_patches(act.made.plan, *numbers) for numbers in ((490,), (490, 491)))
    assert act.done(plan=first).action == "opened"
    act.stage.close_pull(merged=False)
    act.refused("E-PULL-CLOSED", plan=first)
    assert act.done(plan=second).action == "opened"
    # All of them have one title.
    assert [(pull.state, pull.title) for pull in act.stage.pulls] == [
        (state, "xen: 4.20.2 -> 4.20.4") for state in ("closed", "open")
    ]


def test_merged_and_then_a_newer_release(act: Act, earlier: Planned) -> None:
    stage = act.stage
    act.opened(earlier)
    act.merged(taken=True)
    assert published(stage.publish()).action == "opened"
    assert [pull.title for pull in stage.pulls] == ["xen: 4.20.2 -> 4.20.3", "xen: 4.20.3 -> 4.20.4"]


@pytest.mark.parametrize("again", [False, True])
def test_merged_while_the_base_here_is_older_is_no_second_pull_request(act: Act, *, again: bool) -> None:
    act.opened()
    act.merged(taken=False)
    error = act.refused("E-PULL-CLOSED", again=again)
    assert "was merged, and master as last fetched does not have it" in error.what
    assert "fetch" in error.remedy
    assert (act.stage.tip(), len(act.stage.pulls)) == ("", 1)


# --- labels
# ----------------------------------------------------------------------------------------------------------------


def test_a_label_that_the_repository_lacks_is_asked_for_in_the_body(act: Act) -> None:
    stage = act.stage
    stage.repository.labels.clear()
    said: list[str] = []
    first = act.done(said=said.append)
    assert first.pull.labels == ()
    for told in (said, first.notes):
        assert any(LABEL in line and "could not be set" in line for line in told)
    assert f"Labels wanted, which this account may not set: `{LABEL}`." in (stage.pull.body or "")
    assert stage.repository.labels == {}  # none was made by asking for it
    act.still()


def outsider(stage: Stage) -> None:
    """The account may not push to the repository on GitHub; the git server knows nothing of that."""
    stage.repository.writers = frozenset()


def test_an_outsider_s_labels_are_asked_for_in_the_body(act: Act) -> None:
    stage = act.stage
    outsider(stage)
    first = act.done()
    assert (first.action, first.pull.labels, stage.pull.labels) == ("opened", (), ())
    assert f"`{LABEL}`" in (stage.pull.body or "")
    for _ in range(2):
        act.still()
    # A maintainer does what the body asks for: then it no longer asks.
    stage.repository.writers = frozenset({LOGIN})
    stage.ask("POST", f"/repos/{REPOSITORY}/issues/1/labels", {"labels": [LABEL]})
    assert act.done().action == "updated"
    complete(stage)


def test_labels_that_were_refused_are_not_tried_again_where_the_body_cannot_say_so(act: Act) -> None:
    """A person changed the body, so nothing is written into it."""
    outsider(act.stage)
    act.done()
    body = (act.stage.pull.body or "").replace("Labels wanted", "Labels not wanted")
    act.stage.ask("PATCH", f"{PULLS}/1", {"body": body})
    for _ in range(2):
        act.still()


def test_one_label_of_two_is_there(act: Act) -> None:
    act.stage.configure(r"labels = .*", f'labels = {{ always = ["gone", "{LABEL.upper()}"] }}')
    assert act.done().pull.labels == (LABEL.upper(),)
    assert act.stage.pull.labels == (LABEL,)
    assert "may not set: `gone`." in (act.stage.pull.body or "")
    # The case of a label's name makes no difference on GitHub.
    act.still()


SECURITY = "1.severity: security"


def test_a_change_that_closes_advisories_gets_the_labels_for_that(act: Act) -> None:
    stage = act.stage
    stage.configure(r"labels = .*", f'labels = {{ always = ["{LABEL}"], security = ["{SECURITY}", "{LABEL}"] }}')
    stage.repository.labels[SECURITY] = Label(2, SECURITY, "ff0000", "")
    harmless = replace(act.made.plan, closes=())
    assert act.done(plan=harmless).pull.labels == (LABEL,)
    updated = act.done(plan=replace(harmless, closes=(490,)))
    assert (updated.action, stage.pull.labels) == ("updated", (LABEL, SECURITY))


def test_a_label_that_is_set_later_is_an_update(act: Act) -> None:
    act.stage.world.github.fail_next("POST", ".*/labels", Fault.reply(500))
    stopped(act.tried(), "E-GITHUB")
    assert act.done().action == "updated"
    assert act.stage.writes() == [f"POST /repos/{REPOSITORY}/issues/1/labels"]
    complete(act.stage)


# --- the token
# ---------------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_pushed(act: Act) -> None:
    env = act.stage.world.env
    env["XENBUMP_GITHUB_TOKEN"] = ""  # type: ignore[index]
    try:
        error = act.refused("E-TOKEN-MISSING")
    finally:
        env["XENBUMP_GITHUB_TOKEN"] = TOKEN  # type: ignore[index]
    assert isinstance(error, UsageError)
    assert "XENBUMP_GITHUB_TOKEN" in error.remedy
    assert (act.stage.exchanges(), act.stage.tip()) == ([], "")


def test_with_a_rejected_token_nothing_is_pushed(act: Act) -> None:
    tokens = act.stage.world.github.state.tokens
    token = tokens.pop(TOKEN)
    try:
        error = act.refused("E-TOKEN-REJECTED")
    finally:
        tokens[TOKEN] = token
    assert isinstance(error, UsageError)
    assert "Bad credentials" in error.what
    assert act.stage.tip() == ""
    assert len(act.stage.exchanges()) == 1


def test_with_a_good_token_to_look_by_and_a_rejected_one_to_write_nothing_is_pushed(act: Act) -> None:
    """The look does not show whether the other is good, so that is asked before a push."""
    stage, env = act.stage, act.stage.world.env
    stage.world.github.add_token("lookup-token", "reader")
    env["XENBUMP_GITHUB_LOOKUP_TOKEN"] = "lookup-token"  # type: ignore[index]
    tokens = stage.world.github.state.tokens
    try:
        token = tokens.pop(TOKEN)
        stopped(act.tried(), "E-TOKEN-REJECTED")
        assert (stage.pushes, stage.tip(), stage.pulls) == (0, "", [])
        tokens[TOKEN] = token
        assert act.done().action == "opened"
        act.still()
    finally:
        tokens[TOKEN] = token
        del tokens["lookup-token"], env["XENBUMP_GITHUB_LOOKUP_TOKEN"]
    complete(stage)


def test_a_token_without_rights(act: Act) -> None:
    tokens = act.stage.world.github.state.tokens
    before = tokens[TOKEN]
    tokens[TOKEN] = replace(before, permissions=frozenset())
    try:
        error = stopped(act.tried(), "E-TOKEN-RIGHTS")
    finally:
        tokens[TOKEN] = before
    assert "Resource not accessible" in error.what
    assert act.stage.pushes == 1
    assert act.done().action == "opened"  # the branch that is there is taken
    assert act.stage.pushes == 0
    complete(act.stage)


def test_without_a_repository_nothing_begins(act: Act) -> None:
    act.stage.configure(r"repository = .*", "")
    error = act.refused("E-CONFIG")
    assert "github.repository" in error.what
    assert (act.stage.exchanges(), act.stage.tip()) == ([], "")


def test_a_repository_that_github_does_not_know(act: Act) -> None:
    act.stage.configure(r"repository = .*", 'repository = "demo/gone"')
    act.refused("E-GITHUB-NOT-FOUND")
    assert act.stage.tip() == ""
