"""Issues of the account that writes, known again by their marker; every exchange is checked against GitHub's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.publish.github_hub import Hub, quick, standing
from tests.support import contract
from tests.support.github_world import APP_LOGIN, OUTSIDER, READER, REPO, WRITER, app_keys
from xenbump.config import App
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.errors import Failure, UsageError
from xenbump.publish import marker
from xenbump.publish.access import Access
from xenbump.publish.github_app import Installations
from xenbump.publish.issues import Issues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.demo.github_issues import Issue as Kept

WHICH = {"kind": "candidate", "candidate": "4.22.0-rc3"}
FACTS = {**WHICH, "result": "passed"}
TITLE = "Xen 4.22.0-rc3: passed"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A world whose exchanges must all be right, on both sides."""
    quick(monkeypatch)
    with contract.checked(GitHubServer()) as server, standing(server) as made:
        yield made


def client(hub: Hub, access: Access | str = WRITER) -> Issues:
    given = Access(access, repository=REPO) if isinstance(access, str) else access
    made = Issues(hub.world.server.url, given, REPO, hub.said.append, sleep=hub.sleep, now=lambda: hub.time)
    hub.clients.append(made)
    return made


def kept(hub: Hub) -> list[Kept]:
    return list(hub.world.server.state.repositories[REPO.lower()].issues.values())


def test_an_issue_is_opened_once_and_found_again(hub: Hub) -> None:
    issues = client(hub)
    assert issues.marked(WHICH, 0) is None
    made = issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    assert (made.number, made.title, made.open, made.author) == (1, TITLE, True, "octo-maintainer")
    assert made.url.endswith(f"/{REPO}/issues/1")
    assert client(hub).marked(WHICH, 0) == made
    assert {**FACTS, "title": marker.digest(TITLE)}.items() <= made.facts.items()
    assert not marker.edited(made.body)
    assert issues.marked({**WHICH, "candidate": "4.22.0-rc4"}, 0) is None
    assert issues.marked(WHICH, 4_000_000_000) is None


def test_a_marker_in_the_issue_of_somebody_else_is_none(hub: Hub) -> None:
    client(hub, OUTSIDER).open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    issues = client(hub)
    assert issues.marked(WHICH, 0) is None
    assert issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0).number == 2


def test_neither_is_one_in_a_pull_request(hub: Hub) -> None:
    pull = hub.opened()
    hub.client().update(pull.number, body=marker.marked(FACTS, "text"))
    assert client(hub).marked(WHICH, 0) is None


def test_of_several_the_first_counts(hub: Hub) -> None:
    issues = client(hub)
    for _ in range(2):
        issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    found = issues.marked(WHICH, 0)
    assert found is not None
    assert found.number == 1


def test_what_was_closed_is_updated_and_stays_closed(hub: Hub) -> None:
    issues = client(hub)
    issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    hub.world.ask("PATCH", f"/repos/{REPO}/issues/1", json={"state": "closed"})
    found = issues.marked(WHICH, 0)
    assert found is not None
    assert not found.open
    done = issues.update_issue(found, "Xen 4.22.0-rc3: FAILED in xtf", "other", {**FACTS, "result": "failed"})
    assert (done.title, done.open, done.facts["result"]) == ("Xen 4.22.0-rc3: FAILED in xtf", False, "failed")
    assert kept(hub)[0].state == "closed"


def test_what_people_wrote_stays(hub: Hub) -> None:
    issues = client(hub)
    made = issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    body = {"title": "Mine", "body": f"before\n\n{made.body}\nbehind"}
    hub.world.ask("PATCH", f"/repos/{REPO}/issues/1", json=body)
    found = issues.marked(WHICH, 0)
    assert found is not None
    assert not marker.edited(found.body)
    done = issues.update_issue(found, "Xen 4.22.0-rc3: FAILED", "other", FACTS)
    assert done.title == "Mine"
    assert done.body.startswith("before\n\n<!-- xenbump: ")
    assert done.body.endswith("-->\n\nbehind")
    assert "other" in done.body
    assert "\ntext\n" not in done.body


@pytest.mark.parametrize("fault", [Fault.reset(after_write=True), Fault.reply(502, after_write=True)])
def test_an_answer_that_is_lost_opens_no_second_one(hub: Hub, fault: Fault) -> None:
    issues = client(hub)
    hub.world.server.fail_next("POST", f"/repos/{REPO}/issues", fault)
    assert issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0).number == 1
    hub.world.server.fail_next("PATCH", f"/repos/{REPO}/issues/1", fault)
    found = issues.marked(WHICH, 0)
    assert found is not None
    assert issues.update_issue(found, TITLE, "other", FACTS).number == 1
    assert "other" in (kept(hub)[0].body or "")


def test_a_request_that_was_lost_is_a_failure(hub: Hub) -> None:
    issues = client(hub)
    hub.world.server.fail_next("POST", f"/repos/{REPO}/issues", Fault.reset())
    with pytest.raises(Failure):
        issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    assert kept(hub) == []
    made = issues.open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    hub.world.server.fail_next("PATCH", f"/repos/{REPO}/issues/1", Fault.reset())
    with pytest.raises(Failure):
        issues.update_issue(made, TITLE, "other", FACTS)


def test_a_token_without_the_right_says_so(hub: Hub) -> None:
    with pytest.raises(UsageError) as caught:
        client(hub, READER).open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    assert caught.value.code == "E-TOKEN-RIGHTS"


def test_a_reply_of_another_form_is_a_failure() -> None:
    with GitHubServer() as server, standing(server) as hub:
        issues = client(hub)
        server.fail_next("GET", f"/repos/{REPO}/issues", Fault.reply(200, [{"number": "x"}]))
        with pytest.raises(Failure) as caught:
            issues.marked(WHICH, 0)
    assert caught.value.code == "E-GITHUB"


def test_an_app_finds_its_own(hub: Hub) -> None:
    app = hub.world.app(permissions=("issues",))
    access = Access(app=Installations(hub.world.server.url, App(str(app.id), app_keys()[0])), repository=REPO)
    made = client(hub, access).open_issue(TITLE, "text", FACTS, which=WHICH, since=0)
    assert made.author == APP_LOGIN
    assert client(hub, access).marked(WHICH, 0) == made
