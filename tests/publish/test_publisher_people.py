"""What people and other bots do to the pull request, or beside it: their act wins over ours, and nobody is nagged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.publish.acts import PULLS, complete, evidence_of, stopped
from tests.support.worlds import BRANCH
from xenbump.demo.github_server import Fault
from xenbump.demo.world import FILE, LOGIN, REPOSITORY
from xenbump.errors import Refusal
from xenbump.publish import message

if TYPE_CHECKING:
    from tests.publish.acts import Act
    from tests.support.worlds import Stage
    from xenbump.demo.github_state import PullRequest
    from xenbump.outcomes import Planned
    from xenbump.plan.model import Plan

COMMENTS = f"/repos/{REPOSITORY}/issues/1/comments"
HANDS_OFF = ("hands-off", "4.20.4")


# --- in the body
# --------------------------------------------------------------------------------------------------------------


def test_what_a_person_writes_around_our_part_stays(act: Act, earlier: Planned) -> None:
    stage = act.stage
    act.opened(earlier)
    body = f"Please wait.\r\n\r\n{stage.pull.body}\r\nBuilt on x86_64-linux."
    stage.ask("PATCH", f"{PULLS}/1", {"title": "xen: 4.20.2 -> 4.20.3 (please)", "body": body})
    act.still(earlier)
    assert stage.pull.body == body
    assert act.done().action == "updated"
    complete(stage)
    written = stage.pull.body or ""
    assert written.startswith("Please wait.\n\n<!-- xenbump: ")
    assert written.endswith("<!-- /xenbump -->\n\nBuilt on x86_64-linux.")
    act.still()


def test_where_a_person_edits_our_part_it_is_theirs(act: Act, earlier: Planned) -> None:
    """Title and body stay, the branch goes on, and it is said once for each target."""
    stage = act.stage
    act.opened(earlier)
    body = (stage.pull.body or "").replace("- [ ]", "- [x]", 1)
    assert body != stage.pull.body
    stage.ask("PATCH", f"{PULLS}/1", {"body": body})
    act.still(earlier)  # there is nothing new to say
    moved = act.done()
    assert (moved.action, stage.writes(), stage.pushes) == ("updated", [f"POST {COMMENTS}"], 1)
    assert "changed the body" in moved.reason
    assert act.comments(1) == [("edited-body", "4.20.4")]
    for _ in range(2):
        assert "changed the body" in act.still().reason
    assert (stage.pull.body, stage.pull.title) == (body, "xen: 4.20.2 -> 4.20.3")
    # As the comment says: emptied, it is written anew.
    stage.ask("PATCH", f"{PULLS}/1", {"body": ""})
    assert act.done().action == "updated"
    complete(stage)
    act.still()


def test_a_comment_whose_answer_is_lost_is_not_written_twice(act: Act, earlier: Planned) -> None:
    act.opened(earlier)
    act.stage.ask("PATCH", f"{PULLS}/1", {"body": "mine"})
    act.stage.world.github.fail_next("POST", COMMENTS, Fault.reset(after_write=True))
    assert act.done().action == "updated"
    act.still()
    assert act.comments(1) == [("edited-body", "4.20.4")]


# --- on the branch
# ------------------------------------------------------------------------------------------------------------


def test_a_person_s_commit_on_the_branch(act: Act) -> None:
    stage = act.stage
    act.opened()
    theirs = act.commit_over()
    found = act.done()
    assert (found.action, found.commit, found.pull.number) == ("hands-off", theirs, 1)
    assert "not ours" in found.reason
    assert (stage.writes(), stage.pushes, stage.tip()) == ([f"POST {COMMENTS}"], 0, theirs)
    assert act.comments(1) == [HANDS_OFF]
    for _ in range(2):
        act.still(action="hands-off")
    assert stage.tip() == theirs
    # When only our commit is there, it goes on.
    stage.world.in_packages("update-ref", f"refs/heads/{BRANCH}", f"{BRANCH}^")
    act.still()


def test_a_person_s_commit_under_ours_counts_too(act: Act) -> None:
    """Someone took our commit onto one of theirs, with the very author and committer."""
    stage, world = act.stage, act.stage.world
    ours = act.opened().commit
    text = world.in_packages("show", "--no-patch", "--format=%B", ours)
    theirs = world.in_packages("commit-tree", "master^{tree}", "-p", "master", "-m", "a person's")
    taken = world.in_packages("commit-tree", f"{ours}^{{tree}}", "-p", theirs, "-m", text)
    world.in_packages("update-ref", f"refs/heads/{BRANCH}", taken)
    assert act.done().action == "hands-off"
    assert stage.tip() == taken


def test_a_person_s_branch_without_a_pull_request(act: Act) -> None:
    world = act.stage.world
    theirs = world.in_packages("commit-tree", "master^{tree}", "-p", "master", "-m", "xen: mine")
    world.in_packages("update-ref", f"refs/heads/{BRANCH}", theirs)
    for again in (False, True):
        error = act.refused("E-BRANCH-FOREIGN", again=again)
        assert (error.where, act.stage.tip(), act.stage.pulls) == (BRANCH, theirs, [])


def test_a_branch_that_a_person_deleted(act: Act) -> None:
    """GitHub closes the pull request then, a moment later; and it counts as closed by a person."""
    stage = act.stage
    act.opened()
    stage.world.in_packages("update-ref", "-d", f"refs/heads/{BRANCH}")
    assert "branch xenbump/xen-4.20 was deleted" in act.refused("E-PULL-CLOSED").what
    stage.close_pull(merged=False)
    act.refused("E-PULL-CLOSED")
    stage.repository.pulls.clear()  # what is remembered does not need it
    error = act.refused("E-PULL-CLOSED")
    assert error.where.endswith("/pull/1")
    assert act.done(again=True).action == "opened"
    complete(stage)


# --- closed
# -------------------------------------------------------------------------------------------------------------------


def test_closed_by_a_person_is_not_opened_again_but_when_asked_to(act: Act) -> None:
    stage = act.stage
    act.opened()
    stage.ask("PATCH", f"{PULLS}/1", {"title": "no"})
    stage.close_pull(merged=False)
    for _ in range(2):
        error = act.refused("E-PULL-CLOSED")
        assert isinstance(error, Refusal)
        assert error.where.endswith(f"/{REPOSITORY}/pull/1")
        assert "pull request 1 for the same change was closed without being merged" in error.what
    assert len(stage.pulls) == 1
    opened = act.done(again=True)
    assert (opened.action, opened.pull.number, stage.pushes) == ("opened", 2, 0)
    assert "pull/1" in (stage.pulls[1].body or "")  # what was said there is worth a look
    complete(stage)
    # The open one counts from now on, also without being asked; and `again` opens no third.
    act.still()
    act.still(again=True)


def test_closed_with_our_title_and_without_a_marker_is_not_opened_again(act: Act) -> None:
    act.opened()
    act.stage.ask("PATCH", f"{PULLS}/1", {"body": "no, thanks"})
    act.stage.close_pull(merged=False)
    act.refused("E-PULL-CLOSED")


def test_closed_for_another_target_does_not_stop_a_newer_release(act: Act, earlier: Planned) -> None:
    act.opened(earlier)
    act.stage.close_pull(merged=False)
    assert act.done().action == "opened"
    assert [pull.state for pull in act.stage.pulls] == ["closed", "open"]
    complete(act.stage)
    act.still()


# --- other lines of ours
# ------------------------------------------------------------------------------------------------------


def line(plan: Plan, version: str) -> Plan:
    """The same plan to a release of another line."""
    return replace(plan, target=replace(plan.target, version=version, tree_version=version))


def test_a_newer_line_closes_the_older_one(act: Act) -> None:
    stage = act.stage
    newer = line(act.made.plan, "4.21.0")
    act.opened()
    found = act.done(plan=newer)
    assert (found.action, found.branch, found.pull.number) == ("opened", "xenbump/xen-4.21", 2)
    assert any("pull request 1" in note and "pull/2" in note for note in found.notes)
    old = stage.repository.pulls[1]
    assert (old.state, (message.read_marker(old.body or "") or {})["closed"]) == ("closed", "superseded")
    assert act.comments(1) == [("superseded", "4.21.0")]
    assert "pull/2" in stage.repository.conversation(1)[0].body
    assert stage.writes()[-3:] == [f"POST {COMMENTS}", f"PATCH {PULLS}/1", f"PATCH {PULLS}/1"]
    act.still(plan=newer)
    # The older line is not gone back to while the newer one is open, and is free when that is gone.
    assert act.refused("E-PULL-NEWER").where.endswith("/pull/2")
    stage.ask("PATCH", f"{PULLS}/2", {"state": "closed"})
    assert (act.done().action, len(stage.pulls)) == ("opened", 3)


def test_an_older_one_that_a_person_opens_again_stays_open(act: Act) -> None:
    newer = line(act.made.plan, "4.21.0")
    act.opened()
    act.done(plan=newer)
    act.stage.ask("PATCH", f"{PULLS}/1", {"state": "open"})
    act.still(plan=newer)
    assert act.stage.repository.pulls[1].state == "open"


def test_an_older_one_with_a_person_s_commit_is_told_of_the_newer_and_stays(act: Act) -> None:
    newer = line(act.made.plan, "4.21.0")
    act.opened()
    theirs = act.commit_over()
    found = act.done(plan=newer)
    assert any("stays open" in note for note in found.notes)
    for _ in range(2):
        act.still(plan=newer)
    assert [pull.state for pull in act.stage.pulls] == ["open", "open"]
    assert (act.comments(1), act.stage.tip()) == ([("superseded", "4.21.0")], theirs)


@pytest.mark.parametrize("how", ["one-file-a-branch", "adds"])
def test_lines_with_files_of_their_own_stand_side_by_side(act: Act, how: str) -> None:
    newer = line(act.made.plan, "4.21.0")
    if how == "adds":
        newer = replace(newer, adds="4.21")
    else:
        newer = replace(newer, subject=replace(newer.subject, branch="4.21"))
    act.opened()
    assert act.done(plan=newer).action == "opened"
    assert [pull.state for pull in act.stage.pulls] == ["open", "open"]
    act.still(plan=newer)


# --- other people's pull requests
# ----------------------------------------------------------------------------------------------


def anothers(stage: Stage, title: str, base: str = "master", body: str = "") -> PullRequest:
    """A pull request that another bot opened, from a branch of its own."""
    world = stage.world
    if not stage.tip("auto-update/xen"):
        theirs = world.in_packages("commit-tree", "master^{tree}", "-p", "master", "-m", title)
        world.in_packages("update-ref", "refs/heads/auto-update/xen", theirs)
    stage.ask("POST", PULLS, {"title": title, "body": body, "head": "auto-update/xen", "base": base})
    return stage.pulls[-1]


def test_another_s_pull_request_for_the_same_version_is_referred_to(act: Act) -> None:
    stage = act.stage
    theirs = anothers(stage, "xen: 4.20.2 -> 4.20.4")
    for _ in range(2):
        found = act.still(action="deferred")
        assert (found.pull.number, found.commit, stage.tip()) == (theirs.number, "", "")
        assert f"/pull/{theirs.number}" in found.reason
    # Theirs is closed: then it is our turn.
    stage.ask("PATCH", f"{PULLS}/{theirs.number}", {"state": "closed"})
    assert act.done().action == "opened"
    complete(stage)


@pytest.mark.parametrize(
    "title", ["xen: 4.20.2 -> 4.20.3", "xen: 4.20.4 -> 4.20.5", "qemu_xen: 4.20.2 -> 4.20.4", "xen: 4.20.40 is out"]
)
def test_another_s_pull_request_for_something_else_is_not(act: Act, title: str) -> None:
    anothers(act.stage, title)
    assert act.done().action == "opened"
    act.still()


def test_another_s_pull_request_that_comes_later_does_not_disturb_ours(act: Act) -> None:
    act.opened()
    anothers(act.stage, "xen: 4.20.2 -> 4.20.4")
    act.still()


def test_a_marker_of_ours_in_another_s_pull_request_makes_it_not_ours(act: Act, newest: Planned) -> None:
    """Anyone can copy the comment; what counts is whose branch it is."""
    stage = act.stage
    act.opened()
    body = (stage.pull.body or "").replace('"branch": "4.20"', '"branch": "4.99"')
    stage.repository.pulls.clear()
    world = stage.world
    world.github.add_repository("stranger/packages", stage.repository.resolve_ref, fork_of=REPOSITORY)
    try:
        world.in_packages("update-ref", "refs/heads/evil", stage.tip())
        stage.ask("POST", PULLS, {"title": "xen: 4.99.0", "body": body, "head": "stranger:evil", "base": "master"})
        assert act.done(newest).action == "opened"
        assert [pull.state for pull in stage.pulls] == ["open", "open"]
    finally:
        del world.github.state.repositories["stranger/packages"]


# --- ready, reviewers, assignees
# -----------------------------------------------------------------------------------------------


def configure(stage: Stage, lines: str) -> None:
    stage.configure(r"operator = .*", f'operator = "{LOGIN}"\n{lines}')


def test_ready_only_where_configured_and_with_all_the_evidence(act: Act) -> None:
    stage, whole, part = act.stage, evidence_of(), evidence_of(complete=False)
    act.done(evidence=whole)
    assert stage.pull.draft  # by default
    configure(stage, "draft = false")
    assert act.done(evidence=part).action == "updated"  # the words, which have the evidence
    assert stage.pull.draft
    assert act.done(evidence=whole).action == "updated"
    assert not stage.pull.draft
    act.still(evidence=whole)
    # It never becomes a draft again by itself, and a person's draft stays one.
    assert act.done(evidence=part).action == "updated"
    assert not stage.pull.draft
    stage.repository.pulls[1] = replace(stage.pull, draft=True)
    act.done(evidence=whole)
    act.still(evidence=whole)
    assert stage.pull.draft


def test_ready_at_once_where_the_evidence_is_complete(act: Act) -> None:
    configure(act.stage, "draft = false")
    assert act.done(evidence=evidence_of()).action == "opened"
    assert not act.stage.pull.draft
    act.stage.repository.pulls[1] = replace(act.stage.pull, draft=True)
    act.still(evidence=evidence_of())


def test_reviewers_and_assignees_are_asked_once(act: Act) -> None:
    stage = act.stage
    before = stage.repository.collaborators
    stage.repository.collaborators = frozenset({"reviewer", "keeper"})
    for login in ("reviewer", "keeper", "stranger"):
        stage.world.github.state.user(login)
    configure(stage, 'reviewers = ["reviewer", "stranger"]\nassignees = ["keeper", "stranger"]')
    try:
        found = act.done()
        assert (stage.pull.reviewers, stage.pull.assignees) == (("reviewer",), ("keeper",))
        assert [note for note in found.notes if "stranger" in note] == [
            "'stranger' could not be asked for a review",
            "'stranger' could not be assigned",
        ]
        # Whoever has reviewed is on the list no more, and is not put there again.
        stage.repository.pulls[1] = replace(stage.pull, reviewers=())
        for _ in range(2):
            act.still()
    finally:
        stage.repository.collaborators = before


def test_who_was_not_asked_since_the_run_ended_before_is_asked_by_the_next(act: Act) -> None:
    stage = act.stage
    before = stage.repository.collaborators
    stage.repository.collaborators = frozenset({"reviewer"})
    stage.world.github.state.user("reviewer")
    configure(stage, 'reviewers = ["reviewer"]')
    try:
        stage.world.github.fail_next("POST", f"{PULLS}/1/requested_reviewers", Fault.reply(502))
        stopped(act.tried(), "E-GITHUB")
        assert not stage.pulls[0].reviewers
        assert act.done().action == "unchanged"
        assert stage.pull.reviewers == ("reviewer",)
        act.still()
    finally:
        stage.repository.collaborators = before


# --- backports
# ------------------------------------------------------------------------------------------------------------------


def test_a_backport_is_a_pull_request_of_its_own(act: Act) -> None:
    stage = act.stage
    stage.world.in_packages("update-ref", "refs/heads/release-25.11", stage.start)
    stage.world.in_checkout("update-ref", "refs/remotes/origin/release-25.11", stage.start)
    act.done()
    found = act.done(base="release-25.11")
    assert (found.action, found.branch) == ("opened", f"{BRANCH}-release-25.11")
    assert [pull.base.branch for pull in stage.pulls] == ["master", "release-25.11"]
    assert stage.pulls[1].title == "[release-25.11] xen: 4.20.2 -> 4.20.4"
    assert 'version = "4.20.4"' in stage.world.in_packages("show", f"{BRANCH}-release-25.11:{FILE}")
    act.still(base="release-25.11")
    act.still()
