"""One pull request, whatever happens on the way: the second run, a newer release, other patches, people, labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import requests

from tests.publish.acts import PULLS, complete, planned, publish_plan, published, stopped
from tests.publish.plans import addition
from tests.support.worlds import BRANCH
from xenbump.demo.github_server import Fault
from xenbump.demo.github_state import Label
from xenbump.demo.world import LABEL, LOGIN, REPOSITORY, TOKEN
from xenbump.errors import Failure, Refusal, UsageError

if TYPE_CHECKING:
    from tests.support.worlds import Stage
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


def test_a_dry_run_tells_nobody(stage: Stage) -> None:
    outcome = stage.publish(dry_run=True)
    assert getattr(getattr(outcome, "message", None), "title", outcome) == "xen: 4.20.2 -> 4.20.4"
    assert (stage.exchanges(), stage.tip()) == ([], "")
    assert not any("receive-pack" in one.path for one in stage.world.git.requests)


def test_when_the_target_moves_the_pull_request_moves_along(stage: Stage) -> None:
    assert published(stage.publish("4.20.3")).action == "opened"
    complete(stage, "4.20.3")
    old = stage.tip()
    stage.forget()
    moved = published(stage.publish())
    assert (moved.action, moved.pull.number, moved.pull.labels) == ("updated", 1, (LABEL,))
    assert stage.writes() == [f"PATCH {PULLS}/1"]
    assert stage.tip() != old
    complete(stage)
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


def test_when_the_base_moves_the_branch_moves_along(stage: Stage) -> None:
    published(stage.publish())
    (stage.world.checkout / "other").write_text("x")
    head = stage.commit("other: init")
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.world.in_packages("rev-parse", f"{BRANCH}^") == head
    assert (stage.writes(), stage.pushes) == ([], 1)


def test_what_a_person_writes_into_the_pull_request_stays(stage: Stage) -> None:
    published(stage.publish())
    body = (stage.pull.body or "").replace("- [ ] built", "- [x] built") + "\r\nBuilt on x86_64-linux."
    stage.ask("PATCH", f"{PULLS}/1", {"title": "xen: 4.20.2 -> 4.20.4 (please)", "body": body})
    assert published(stage.publish()).action == "unchanged"
    assert (stage.writes(), stage.pull.body) == ([], body)
    # A body without our marker is not one that we could have written.
    stage.ask("PATCH", f"{PULLS}/1", {"body": "emptied"})
    assert published(stage.publish()).action == "updated"
    complete(stage)


def test_closed_unmerged_is_not_opened_again(stage: Stage) -> None:
    published(stage.publish())
    stage.ask("PATCH", f"{PULLS}/1", {"title": "no"})
    stage.close_pull(merged=False)
    stage.forget()
    error = stopped(stage.publish(), "E-PULL-CLOSED")
    assert isinstance(error, Refusal)
    assert error.where.endswith(f"/{REPOSITORY}/pull/1")
    assert "without being merged" in error.what
    assert (stage.writes(), stage.pushes, len(stage.pulls)) == ([], 0, 1)


def test_closed_unmerged_does_not_stop_a_newer_release(stage: Stage) -> None:
    published(stage.publish("4.20.3"))
    stage.close_pull(merged=False)
    assert published(stage.publish()).action == "opened"
    assert [pull.state for pull in stage.pulls] == ["closed", "open"]
    complete(stage)


def with_patches(plan: Plan, *numbers: int) -> Plan:
    """The same plan with patches of advisories that come."""
    patches = replace(plan.patches, add=tuple(addition(number) for number in numbers))
    return replace(plan, patches=patches, closes=numbers)


def test_closed_for_one_set_of_patches_does_not_stop_another(stage: Stage) -> None:
    made = planned(stage)
    first, second = (with_patches(made.plan, *numbers) for numbers in ((490,), (490, 491)))
    assert published(publish_plan(stage, made, first)).action == "opened"
    stage.close_pull(merged=False)
    stopped(publish_plan(stage, made, first), "E-PULL-CLOSED")
    assert published(publish_plan(stage, made, second)).action == "opened"
    # All of them have one title.
    assert [(pull.state, pull.title) for pull in stage.pulls] == [
        (state, "xen: 4.20.2 -> 4.20.4") for state in ("closed", "open")
    ]


def test_closed_with_our_title_and_without_a_marker_is_not_opened_again(stage: Stage) -> None:
    published(stage.publish())
    stage.ask("PATCH", f"{PULLS}/1", {"body": "no, thanks"})
    stage.close_pull(merged=False)
    stopped(stage.publish(), "E-PULL-CLOSED")


def merge(stage: Stage) -> Fault:
    """Merge the pull request; the stand-in only knows closed ones, so its next answer to `find` is put right."""
    stage.close_pull(merged=True)
    stage.world.in_packages("update-ref", "-d", f"refs/heads/{BRANCH}")
    url = f"{stage.world.github.url}{PULLS}?state=all"
    found = requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).json()
    found[0]["merged_at"] = found[0]["closed_at"]
    stage.forget()
    return Fault(status=200, body=found)


def test_merged_and_then_a_newer_release(stage: Stage) -> None:
    published(stage.publish("4.20.3"))
    stage.world.github.fail_next("GET", PULLS, merge(stage))
    stage.world.in_checkout("fetch", "--quiet", str(stage.world.folder / "packages.git"), "master")
    stage.world.in_checkout("reset", "--quiet", "--hard", "FETCH_HEAD")
    stage.world.in_checkout("update-ref", "refs/remotes/origin/master", "HEAD")
    assert published(stage.publish()).action == "opened"
    assert [pull.title for pull in stage.pulls] == ["xen: 4.20.2 -> 4.20.3", "xen: 4.20.3 -> 4.20.4"]


def test_merged_while_the_base_here_is_older_is_no_second_pull_request(stage: Stage) -> None:
    published(stage.publish())
    stage.world.github.fail_next("GET", PULLS, merge(stage))
    error = stopped(stage.publish(), "E-PULL-CLOSED")
    assert "was merged, and master as last fetched does not have it" in error.what
    assert "fetch" in error.remedy
    assert (stage.tip(), len(stage.pulls), stage.writes()) == ("", 1, [])


# --- labels
# ----------------------------------------------------------------------------------------------------------------


def test_a_label_that_the_repository_lacks_is_asked_for_in_the_body(stage: Stage) -> None:
    stage.repository.labels.clear()
    said: list[str] = []
    assert published(stage.publish(said=said)).pull.labels == ()
    assert any(LABEL in line and "could not be set" in line for line in said)
    assert f"Labels wanted, which this account may not set: `{LABEL}`." in (stage.pull.body or "")
    assert stage.repository.labels == {}  # none was made by asking for it
    stage.forget()
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


def outsider(stage: Stage) -> None:
    """The account may not push to the repository on GitHub; the git server knows nothing of that."""
    stage.repository.writers = frozenset()


def test_an_outsider_s_labels_are_asked_for_in_the_body(stage: Stage) -> None:
    outsider(stage)
    first = published(stage.publish())
    assert (first.action, first.pull.labels, stage.pull.labels) == ("opened", (), ())
    assert f"`{LABEL}`" in (stage.pull.body or "")
    for _ in range(2):
        stage.forget()
        assert published(stage.publish()).action == "unchanged"
        assert (stage.writes(), stage.pushes) == ([], 0)
    # A maintainer does what the body asks for: then it no longer asks.
    stage.repository.writers = frozenset({LOGIN})
    stage.ask("POST", f"/repos/{REPOSITORY}/issues/1/labels", {"labels": [LABEL]})
    assert published(stage.publish()).action == "updated"
    complete(stage)


def test_one_label_of_two_is_there(stage: Stage) -> None:
    stage.configure(r"labels = .*", f'labels = {{ always = ["gone", "{LABEL.upper()}"] }}')
    assert published(stage.publish()).pull.labels == (LABEL.upper(),)
    assert stage.pull.labels == (LABEL,)
    assert "may not set: `gone`." in (stage.pull.body or "")
    stage.forget()
    # The case of a label's name makes no difference on GitHub.
    assert published(stage.publish()).action == "unchanged"
    assert stage.writes() == []


SECURITY = "1.severity: security"


def test_a_change_that_closes_advisories_gets_the_labels_for_that(stage: Stage) -> None:
    stage.configure(r"labels = .*", f'labels = {{ always = ["{LABEL}"], security = ["{SECURITY}", "{LABEL}"] }}')
    stage.repository.labels[SECURITY] = Label(2, SECURITY, "ff0000", "")
    made = planned(stage)
    harmless = replace(made.plan, closes=())
    assert published(publish_plan(stage, made, harmless)).pull.labels == (LABEL,)
    updated = published(publish_plan(stage, made, replace(harmless, closes=(490,))))
    assert (updated.action, stage.pull.labels) == ("updated", (LABEL, SECURITY))


def test_a_label_that_is_set_later_is_an_update(stage: Stage) -> None:
    stage.world.github.fail_next("POST", ".*/labels", Fault.reply(500))
    stopped(stage.publish(), "E-GITHUB")
    stage.forget()
    assert published(stage.publish()).action == "updated"
    assert stage.writes() == [f"POST /repos/{REPOSITORY}/issues/1/labels"]
    complete(stage)


def test_a_limit_is_not_taken_for_a_lack_of_rights(stage: Stage) -> None:
    limit = Fault.reply(403, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "60"})
    stage.world.github.fail_next("POST", ".*/labels", limit)
    assert isinstance(stopped(stage.publish(), "E-GITHUB"), Failure)
    published(stage.publish())
    complete(stage)


# --- the token
# ---------------------------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_pushed(stage: Stage) -> None:
    stage.world.env["XENBUMP_GITHUB_TOKEN"] = ""  # type: ignore[index]
    try:
        error = stopped(stage.publish(), "E-TOKEN-MISSING")
    finally:
        stage.world.env["XENBUMP_GITHUB_TOKEN"] = TOKEN  # type: ignore[index]
    assert isinstance(error, UsageError)
    assert "XENBUMP_GITHUB_TOKEN" in error.remedy
    assert (stage.exchanges(), stage.pushes, stage.tip()) == ([], 0, "")


def test_with_a_rejected_token_nothing_is_pushed(stage: Stage) -> None:
    token = stage.world.github.state.tokens.pop(TOKEN)
    try:
        error = stopped(stage.publish(), "E-TOKEN-REJECTED")
    finally:
        stage.world.github.state.tokens[TOKEN] = token
    assert isinstance(error, UsageError)
    assert "Bad credentials" in error.what
    assert (stage.pushes, stage.tip()) == (0, "")
    assert len(stage.exchanges()) == 1


def test_a_token_without_rights(stage: Stage) -> None:
    tokens = stage.world.github.state.tokens
    before = tokens[TOKEN]
    tokens[TOKEN] = replace(before, permissions=frozenset())
    try:
        error = stopped(stage.publish(), "E-TOKEN-RIGHTS")
    finally:
        tokens[TOKEN] = before
    assert "Resource not accessible" in error.what
    assert published(stage.publish()).action == "opened"  # the branch that is there is taken
    complete(stage)
    assert stage.pushes == 1


def test_without_a_repository_nothing_begins(stage: Stage) -> None:
    stage.configure(r"repository = .*", "")
    error = stopped(stage.publish(), "E-CONFIG")
    assert "github.repository" in error.what
    assert (stage.exchanges(), stage.tip()) == ([], "")


def test_a_repository_that_github_does_not_know(stage: Stage) -> None:
    stage.configure(r"repository = .*", 'repository = "demo/gone"')
    stopped(stage.publish(), "E-GITHUB-NOT-FOUND")
    assert stage.tip() == ""
