"""The client does what it says, on good answers; every exchange is checked against GitHub's own description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.publish.github_hub import HEAD, LABEL, SECURITY, Hub, standing
from tests.support import contract
from tests.support.github_world import APP_ID, APP_LOGIN, OUTSIDER, READER, REPO, TEAM, TOPIC, app_keys
from xenbump.config import App
from xenbump.demo.github_server import Fault, GitHubServer
from xenbump.demo.github_state import Comment as Said
from xenbump.errors import Failure
from xenbump.publish import github as room
from xenbump.publish.access import Access
from xenbump.publish.github import Comment, GitHub, PullRequest
from xenbump.publish.github_app import Installations

if TYPE_CHECKING:
    from collections.abc import Iterator

MERGED = "d" * 40


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A client whose exchanges must all be right, on both sides."""
    with contract.checked(GitHubServer()) as server, standing(server) as made:
        yield made


def test_a_pull_request_is_opened_and_read(hub: Hub) -> None:
    pull = hub.opened()
    assert pull == PullRequest(
        number=1,
        url=hub.world.server.url.removesuffix("/api/v3") + f"/{REPO}/pull/1",
        title="xen: 4.20.1 -> 4.20.2",
        body="text",
        state="open",
        merged=False,
        draft=True,
        labels=(),
        head=HEAD,
        head_sha=TOPIC,
        base="master",
        author="octo-maintainer",
        merge_commit="",
        created=pull.created,
    )
    assert pull.created.endswith("Z")
    client = hub.client()
    hub.forget()
    assert client.get(1) == client.find(HEAD)[0] == pull
    assert hub.requests == ["GET /pulls/1", "GET /pulls"]


def test_a_value_needs_no_more_than_it_did_before() -> None:
    pull = PullRequest(1, "url", "title", "", "open", merged=False, draft=True, labels=())
    assert (pull.head, pull.base, pull.author, pull.merge_commit, pull.created) == ("", "", "", "", "")


def test_find_tells_every_pull_request_of_the_branch_newest_first(hub: Hub) -> None:
    client = hub.client()
    hub.opened()
    client.close(1)
    hub.opened()
    hub.world.server.merge_pull(REPO, 2, MERGED, "octo-maintainer")
    hub.opened()
    hub.world.pull(OUTSIDER, "octo-operator:xen-4.20")
    assert [(pull.number, pull.state, pull.merged, pull.merge_commit) for pull in client.find(HEAD)] == [
        (3, "open", False, ""),
        (2, "closed", True, MERGED),
        (1, "closed", False, ""),
    ]
    assert [pull.author for pull in client.find("octo-operator:xen-4.20")] == ["octo-operator"]
    assert client.find("NixOS:nothing") == ()


def test_a_list_of_several_pages_is_read_to_its_end(hub: Hub) -> None:
    hub.opened()
    state = hub.world.server.state
    said = [Said(number, 1, "octo-maintainer", f"comment {number}", state.clock()) for number in range(101)]
    state.repositories[REPO.lower()].comments += said
    hub.forget()
    comments = hub.client().comments(1)
    assert [one.body for one in comments] == [f"comment {number}" for number in range(101)]
    assert hub.requests == ["GET /issues/1/comments"] * 2


def test_line_breaks_of_the_web_are_those_of_files(hub: Hub) -> None:
    hub.opened()
    pull = hub.world.repository().get_pull(1)
    pull.edit(body="one\r\ntwo")
    pull.create_issue_comment("three\r\nfour")
    client = hub.client()
    assert client.get(1).body == "one\ntwo"
    assert client.comments(1) == (Comment("octo-maintainer", "three\nfour"),)


def test_update_changes_what_is_given_and_nothing_else(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    assert client.update(1, title="other").body == "text"
    assert client.update(1, body="longer").title == "other"
    assert client.update(1, title="third", body="").body == ""
    hub.forget()
    assert client.update(1).title == "third"
    assert hub.writes == []


def test_close_closes_and_a_closed_one_stays_so(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    assert (client.close(1).state, client.close(1).state, client.get(1).merged) == ("closed", "closed", False)


def test_comments(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    client.comment(1, "first")
    hub.client(OUTSIDER).comment(1, "second")
    assert client.comments(1) == (Comment("octo-maintainer", "first"), Comment("octo-operator", "second"))


def test_labels_that_are_there_are_set_and_none_is_made(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    assert client.add_labels(1, (LABEL, "no such", SECURITY.upper())) == ("no such",)
    assert client.get(1).labels == (LABEL, SECURITY)
    hub.forget()
    assert client.add_labels(1, ("no such", "nor this")) == ("no such", "nor this")
    assert hub.writes == []
    assert client.add_labels(1, ()) == ()


def test_an_outsider_may_not_set_labels(hub: Hub) -> None:
    client = hub.client(OUTSIDER)
    client.open(title="x", body="", head="octo-operator:xen-4.20", base="master", draft=True)
    assert client.add_labels(1, (LABEL, SECURITY)) == (LABEL, SECURITY)


def test_reviewers_are_asked_once(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    team = f"NixOS/{TEAM}"
    assert client.request_reviewers(1, ("octo-reviewer",), (team,)) == ()
    hub.forget()
    assert client.request_reviewers(1, ("Octo-Reviewer",), (team.upper(),)) == ()
    assert hub.requests == ["GET /pulls/1/requested_reviewers"]
    assert client.request_reviewers(1, (), ()) == ()


def test_one_who_cannot_review_does_not_keep_the_others_from_it(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    users = ("octo-maintainer", "octo-reviewer", "nobody")
    teams = (f"nixos/{TEAM}", "nixos/nobodies", f"octo-operator/{TEAM}")
    refused = ("octo-maintainer", "nobody", "nixos/nobodies", f"octo-operator/{TEAM}")
    assert client.request_reviewers(1, users, teams) == refused
    assert (hub.pulls[0].reviewers, hub.pulls[0].teams) == (("octo-reviewer",), (TEAM,))


def test_an_outsider_may_not_ask_for_reviews(hub: Hub) -> None:
    hub.opened()
    hub.forget()
    refused = hub.client(OUTSIDER).request_reviewers(1, ("octo-reviewer",), (f"NixOS/{TEAM}",))
    assert refused == ("octo-reviewer", f"NixOS/{TEAM}")
    assert len(hub.writes) == 1


def test_assignees(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    assert client.assign(1, ("Octo-Reviewer", "nobody", "octo-operator")) == ("nobody", "octo-operator")
    assert hub.pulls[0].assignees == ("octo-reviewer",)
    assert client.assign(1, ()) == ()
    assert hub.client(OUTSIDER).assign(1, ("octo-maintainer",)) == ("octo-maintainer",)
    assert hub.client(READER).assign(1, ("octo-maintainer",)) == ("octo-maintainer",)


def test_a_draft_is_marked_as_ready_and_a_ready_one_left(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    assert client.mark_ready(1)
    assert not client.get(1).draft
    hub.forget()
    assert client.mark_ready(1)
    assert hub.requests == ["GET /pulls/1"]


@pytest.mark.parametrize("token", [OUTSIDER, READER])
def test_who_may_not_mark_as_ready_is_told_so(hub: Hub, token: str) -> None:
    hub.opened()
    assert not hub.client(token).mark_ready(1)
    assert hub.client().get(1).draft


def test_whose_token_it_is(hub: Hub) -> None:
    assert hub.client().viewer() == "octo-maintainer"
    hub.world.app()
    app = Access(app=Installations(hub.world.server.url, App(str(APP_ID), app_keys()[0])), repository=REPO)
    client = hub.client(app)
    assert client.viewer() == APP_LOGIN
    assert hub.opened(client=client).author == APP_LOGIN


@pytest.mark.parametrize(
    ("title", "words", "fits"),
    [
        ("xen: 4.20.2 -> 4.20.3", ("xen", "4.20.3"), True),
        ("Xen: 4.20.2 -> 4.20.3", ("xen", "4.20.3"), True),
        ("xenPackages.xen_4_20: 4.20.2 -> 4.20.3", ("xenPackages.xen_4_20", "4.20.3"), True),
        ("xen: 4.20.2 -> 4.20.31", ("xen", "4.20.3"), False),
        ("xen: 4.20.2 -> 4.20.3.1", ("xen", "4.20.3"), False),
        ("xen: 4.20.2 -> 14.20.3", ("xen", "4.20.3"), False),
        ("xen: 4.20.2 -> 1.4.20.3", ("xen", "4.20.3"), False),
        ("xenstore: 4.20.2 -> 4.20.3", ("xen", "4.20.3"), False),
        ("xen: patch with XSA-480.", ("xen", "XSA-480"), True),
        ("xen: patch with XSA-4801", ("xen", "XSA-480"), False),
        ("xen: (4.20.3)", ("xen", "(4.20.3)"), True),
    ],
)
def test_a_search_takes_whole_words(title: str, words: tuple[str, ...], *, fits: bool) -> None:
    assert all(room._is_word(word, title) for word in words) is fits


def test_only_what_a_search_finds_and_what_fits_is_read(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    client.update(1, title='xen: 4.20.2 -> "4.20.3"')
    for words, numbers in ((("xen", '"4.20.3"'), [1]), (("xen", "20.3"), []), (("xen", "4.20.4"), [])):
        hub.forget()
        assert [pull.number for pull in client.search(words)] == numbers
        assert hub.requests == ["GET /search/issues", *(f"GET /pulls/{number}" for number in numbers)]


def test_a_search_finds_what_is_open_in_this_repository(hub: Hub) -> None:
    hub.opened()
    hub.world.pull(OUTSIDER, "octo-operator:xen-4.20").edit(title="xen: 4.20.1 -> 4.20.2")
    client = hub.client()
    assert [(pull.number, pull.head) for pull in client.search(("xen", "4.20.2"))] == [
        (2, "octo-operator:xen-4.20"),
        (1, HEAD),
    ]
    client.close(1)
    assert [pull.number for pull in client.search(("xen", "4.20.2"))] == [2]


def test_a_search_that_github_gave_up_is_begun_anew(hub: Hub) -> None:
    hub.opened()
    part = {"total_count": 0, "incomplete_results": True, "search_type": "lexical", "items": []}
    server = hub.world.server
    server.fail_next("GET", "/search/issues", Fault.reply(200, part), 2)
    assert [pull.number for pull in hub.client().search(("xen",))] == [1]
    server.fail_next("GET", "/search/issues", Fault.reply(200, part), 3)
    with pytest.raises(Failure, match=r"E-GITHUB: .*gave up before the end"):
        hub.client().search(("xen",))


def test_two_tokens(hub: Hub) -> None:
    client = hub.client(Access("writer-token", lookup="reader-token", repository=REPO))
    hub.opened(client=client)
    client.add_labels(1, (LABEL,))
    client.mark_ready(1)
    assert client.viewer() == "octo-maintainer"
    used = {(one.method, one.request_headers["authorization"].rpartition(" ")[2]) for one in hub.exchanges}
    assert used == {("GET", "reader-token"), ("POST", "writer-token")}


@pytest.mark.parametrize(
    ("root", "address"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://git.example.org/api/v3", "https://git.example.org/api/graphql"),
        ("https://api.octo.ghe.com", "https://api.octo.ghe.com/graphql"),
    ],
)
def test_graphql_lies_where_the_root_says(monkeypatch: pytest.MonkeyPatch, root: str, address: str) -> None:
    asked: list[str] = []

    def answer(_: object, method: str, url: str, **named: object) -> tuple[dict[str, str], object]:
        asked.append(f"{method} {url}")
        assert json.dumps(named["input"])
        return {}, {"data": {"viewer": {"login": "octo"}}}

    monkeypatch.setattr("github.Requester.Requester.requestJsonAndCheck", answer)
    assert GitHub(root, Access("token"), REPO).viewer() == "octo"
    assert asked == [f"POST {address}"]


def test_a_branch_of_another_base_is_another_pull_request(hub: Hub) -> None:
    hub.opened()
    client = hub.client()
    other = client.open(title="x", body="", head=HEAD, base="release-25.11", draft=True)
    assert (other.number, other.base) == (2, "release-25.11")
    # What is there already is found by both ends.
    assert client.open(title="x", body="", head=HEAD, base="release-25.11", draft=True).number == 2
    assert hub.opened().number == 1
    assert len(hub.pulls) == 2
