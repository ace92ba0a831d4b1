"""A publication through GitHub's API alone: the same as by git, over real repositories and HTTP, with faults."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.publish.api_world import (
    BASE_PATH,
    BRANCH,
    BUMP,
    NEW,
    PATH,
    REQUESTS,
    TEXT,
    WIDE,
    formal,
    home,
    merged,
    placed,
    published,
    quick,
    shared,
    world,
)
from tests.support.git_world import (
    BOT,
    FILE,
    FILES,
    FORK,
    GitWorld,
    git,
)
from xenbump import config as configuration
from xenbump.demo.github_server import Fault
from xenbump.demo.github_state import Token
from xenbump.errors import Refusal, UsageError
from xenbump.package.rewrite import Edit
from xenbump.publish.access import Access
from xenbump.publish.branch import Checkout

__all__ = ["formal", "home", "quick", "shared", "world"]


def by_git(world: GitWorld, edits: tuple[Edit, ...]) -> tuple[str, str]:
    """Tree and message of the commit that git makes, in a checkout of the repository."""
    checkout = Checkout(world.work)
    try:
        commit = checkout.commit(world.start, {edit.file: edit.after for edit in edits}, TEXT)
    finally:
        checkout.close()
    tree, _, text = git(world.work, "log", "-1", "--format=%T%n%B", commit).partition("\n")
    return tree, text


def test_every_request_has_the_form_that_github_describes(formal: GitWorld) -> None:
    published(formal, WIDE)
    with placed(formal) as place:
        place.content()
        assert place.picked(merged(formal.start)) == formal.start
    formal.advance(formal.commit({FILE: b"2\n"}, "newer"))
    formal.fork.git("prune", "--expire=now")
    last = published(formal, (Edit(FILE, b"2\n", NEW),))
    formal.advance(formal.commit({"README": b"3\n"}, "merged", on=last))
    with placed(formal) as place:
        assert place.tip(BRANCH) is not None
    paths = "\n".join(f"{one.method} {one.path}" for one in formal.exchanges())
    for asked in (*REQUESTS.values(), ("POST", f"{PATH}/merge-upstream"), ("GET", f"{PATH}/commits/.*")):
        assert re.search(" ".join(asked), paths), asked


# --- the same as by git -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edits", [BUMP, WIDE, WIDE[4:7], WIDE[-1:]], ids=["bump", "wide", "gone", "new"])
def test_tree_and_message_are_those_of_git(
    world: GitWorld, edits: tuple[Edit, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@localhost")
    commit = published(world, edits)
    shown = world.fork.git("log", "-1", "--format=%T%n%B", commit)
    assert tuple(shown.split("\n", 1)) == by_git(world, edits)
    assert world.fork.git("log", "-1", "--format=%P %an %ae %cn", commit) == (
        f"{world.start} A Person person@localhost A Person"
    )
    assert world.fork(f"refs/heads/{BRANCH}") == commit
    assert world.upstream(f"refs/heads/{BRANCH}") is None
    modes = {one.path: one.mode for one in world.fork.tree(commit, recursive=True)}
    assert modes["pkgs/xen/run.sh"] == "100755"
    # The reference comes last, and once.
    assert [one for one in world.writes() if "/git/refs" in one] == world.writes()[-1:]


def test_without_a_fork_the_branch_is_in_the_repository(world: GitWorld) -> None:
    with placed(world, world.config(fork=False)) as place:
        commit = place.commit(BUMP, TEXT)
        place.push(BRANCH, commit, None)
        tip = place.tip(BRANCH)
    assert tip is not None
    assert (tip.commit, tip.parent, tip.ours, tip.text) == (commit, world.start, True, TEXT.rstrip("\n"))
    assert world.upstream(f"refs/heads/{BRANCH}") == commit


def test_what_the_base_has(world: GitWorld) -> None:
    with placed(world) as place:
        assert (place.base, place.base_branch) == (world.start, "master")
        assert place.content() == FILES[FILE]
        assert place.read("crlf.txt") == FILES["pkgs/xen/crlf.txt"]
        assert place.read("../../README") == b"Packages\n"
        assert place.read("link") == b"package.nix"
        for nothing in ("absent", "sub", "absent/x", "package.nix/x", "../../../etc/passwd", "/etc/passwd"):
            assert place.read(nothing) is None, nothing
        names = ("crlf.txt", "data.bin", "link", "old.patch", "package.nix", "run.sh", "sub")
        assert place.names(".") == names
        assert place.names("../..") == ("README", "pkgs")
        assert place.names("absent") == place.names("crlf.txt") == place.names("../../..") == ()
        # Neither a tree nor a file is asked for twice.
        asked = [one.path for one in world.exchanges()]
        assert len(asked) == len(set(asked))
        place.refuse_changes(BUMP)
        place.hold(0)
        assert place.write_out(world.folder, BUMP) == ""


def test_another_base_branch_is_read_from_the_repository(world: GitWorld) -> None:
    other = world.advance(world.commit({FILE: b"stable\n"}, "stable"))
    world.upstream.git("update-ref", "refs/heads/release-25.11", other)
    with placed(world, base_branch="release-25.11") as place:
        assert (place.base, place.content()) == (other, b"stable\n")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base": "absent"}, "E-BASE"),
        ({"file": "../x/package.nix"}, "E-NOT-CHECKOUT"),
        ({"file": "/etc/passwd"}, "E-NOT-CHECKOUT"),
        ({"file": "pkgs/none.nix"}, "E-FILE-MISSING"),
    ],
)
def test_a_place_that_is_none(world: GitWorld, change: dict[str, str], code: str) -> None:
    config = world.config()
    package = msgspec.structs.replace(config.packages[0], file=change.get("file", FILE))
    config = msgspec.structs.replace(config, packages=(package,))
    with pytest.raises(UsageError) as caught, placed(world, config, base_branch=change.get("base", "")) as place:
        place.content()
    assert caught.value.code == code


# --- who it is by -----------------------------------------------------------------------------------------------------


def people(world: GitWorld, commit: str) -> list[str]:
    return world.fork.git("log", "-1", "--format=%an <%ae>%n%cn <%ce>", commit).splitlines()


def test_where_git_has_no_name_it_is_the_tokens_account(world: GitWorld) -> None:
    commit = published(world)
    user = world.server.state.user(BOT)
    assert people(world, commit) == [f"{BOT} <{user.id}+{BOT}@users.noreply.github.com>"] * 2
    with placed(world) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert tip.ours


def test_an_apps_commits_are_left_to_github(world: GitWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or GitHub would not sign them; and so a name that git is configured with is not used."""
    state, login = world.server.state, "xen-app[bot]"
    state.user(login, "Bot")
    fork = state.repository(FORK)
    assert fork is not None
    monkeypatch.setitem(state.tokens, "app-token", Token(login, of_app=True))
    monkeypatch.setattr(fork, "writers", frozenset({login}))
    monkeypatch.setattr(Access, "of", lambda _: Access("app-token"))
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "EMAIL"):
        monkeypatch.setenv(name, "person@localhost")
    config = msgspec.structs.replace(world.config(), app=configuration.App("1", "key", "2"), token="")
    with placed(world, config) as place:
        commit = place.commit(BUMP, TEXT)
        place.push(BRANCH, commit, None)
        tip = place.tip(BRANCH)
    assert [one.split(" <")[0] for one in people(world, commit)] == [login, "GitHub"]
    assert tip is not None
    assert tip.ours


OURS = "Automated-by: xenbump 0\n"


@pytest.mark.parametrize(
    ("author", "committer", "text", "ours"),
    [
        ("bot", "bot", f"t\n\n{OURS}", True),
        ("bot", "web", f"t\n\n{OURS}", True),
        ("person", "bot", f"t\n\n{OURS}", False),
        ("bot", "person", f"t\n\n{OURS}", False),
        ("web", "bot", f"t\n\n{OURS}", False),
        ("bot", "bot", "t\n", False),
    ],
)
def test_whose_a_commit_is(world: GitWorld, author: str, committer: str, text: str, *, ours: bool) -> None:
    user = world.server.state.user(BOT)
    emails = {
        "bot": f"{user.id}+{BOT}@users.noreply.github.com",
        "web": "noreply@github.com",
        "person": "person@localhost",
    }
    tree = world.upstream.git("rev-parse", f"{world.start}^{{tree}}")
    persons = {
        role: {"name": who, "email": emails[who]} for role, who in (("author", author), ("committer", committer))
    }
    body = {"message": text, "tree": tree, "parents": [world.start], **persons}
    made = world.ask("POST", f"{PATH}/git/commits", body).json()["sha"]
    world.fork.git("update-ref", f"refs/heads/{BRANCH}", made)
    with placed(world) as place:
        tip = place.tip(BRANCH)
    assert tip is not None
    assert (tip.commit, tip.parent, tip.ours) == (made, world.start, ours)


def test_whose_a_branch_is(world: GitWorld) -> None:
    def ours() -> bool:
        with placed(world) as place:
            tip = place.tip(BRANCH)
        assert tip is not None
        return tip.ours

    def put(commit: str) -> None:
        world.fork.git("update-ref", f"refs/heads/{BRANCH}", commit)

    with placed(world) as place:
        assert place.tip(BRANCH) is None
    first = published(world)
    assert ours()
    put(world.commit({"README": b"a person's\n"}, "a person's", on=first))
    assert not ours()
    # A person's under ours: made anew on top of it.
    below = world.commit({"README": b"a person's\n"}, "a person's")
    tree = world.fork.git("rev-parse", f"{first}^{{tree}}")
    body = {"message": TEXT, "tree": tree, "parents": [below]}
    put(world.ask("POST", f"{PATH}/git/commits", body).json()["sha"])
    assert not ours()
    # The base has moved on, and what was merged is in it.
    put(first)
    world.advance(world.commit({"README": b"newer\n"}, "newer"))
    assert ours()
    world.advance(first)
    assert ours()
    # A commit of the base's own, with nothing of ours on it.
    put(world.start)
    assert not ours()
    orphan = git(world.work, "commit-tree", "-m", TEXT, tree)
    git(world.work, "push", "--quiet", "--force", str(world.fork.folder), f"{orphan}:refs/heads/{BRANCH}")
    assert not ours()


def test_a_branch_that_git_wrote_stays_ours(world: GitWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world.commit({FILE: NEW}, TEXT)
    world.fork.git("update-ref", f"refs/heads/{BRANCH}", made)
    with placed(world) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert not tip.ours
    monkeypatch.setenv("GIT_AUTHOR_NAME", "A Person")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "A Person")
    monkeypatch.setenv("EMAIL", "Person@localhost")
    assert published(world) == made
    assert world.writes() == []


def test_an_address_without_an_account(world: GitWorld) -> None:
    """GitHub gives null for the account, where its description says an empty object."""
    published(world)
    path = f"{BASE_PATH}/compare/{world.start}...demo-bot:{BRANCH}"
    compared = world.ask("GET", path).json()
    compared["commits"][0] |= {"author": None, "committer": None}
    world.server.fail_next("GET", f"{BASE_PATH}/compare/.*", Fault(status=200, body=compared))
    with placed(world) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert not tip.ours
        # More commits than GitHub lists cannot be all ours.
        compared["total_commits"] = 251
        compared["commits"][0] |= {"author": {"login": BOT}, "committer": {"login": "web-flow"}}
        world.server.fail_next("GET", f"{BASE_PATH}/compare/.*", Fault(status=200, body=compared))
        tip = place.tip(BRANCH)
        assert tip is not None
        assert not tip.ours


def test_a_branch_that_moves_while_it_is_looked_at(world: GitWorld) -> None:
    published(world)
    compared = world.ask("GET", f"{BASE_PATH}/compare/{world.start}...demo-bot:{BRANCH}").json()
    published(world, WIDE)
    world.server.fail_next("GET", f"{BASE_PATH}/compare/.*", Fault(status=200, body=compared))
    with pytest.raises(Refusal) as caught, placed(world) as place:
        place.tip(BRANCH)
    assert caught.value.code == "E-BRANCH-MOVED"
