"""The stand-in's git database over real repositories: what it answers, what it refuses, what git then finds there."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.support.git_world import BOT, FILE, FILES, FORK, REPO, STRANGER, GitWorld, git, standing
from xenbump.demo.github_server import GitHubServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = f"/repos/{REPO}"
NONE = "f" * 40


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitWorld]:
    with standing(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world(shared: GitWorld) -> GitWorld:
    shared.reset()
    return shared


def ok(reply: requests.Response, status: int = 200) -> Any:
    assert reply.status_code == status, reply.text
    return reply.json()


def said(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["message"]


def blob(world: GitWorld, content: bytes) -> str:
    body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    return str(ok(world.ask("POST", f"{ROOT}/git/blobs", body), 201)["sha"])


def commit(world: GitWorld, root: str = ROOT, **more: Any) -> Any:
    tree = world.upstream.git("rev-parse", f"{world.start}^{{tree}}")
    body = {"message": "made\n", "tree": tree, "parents": [world.start], **more}
    return ok(world.ask("POST", f"{root}/git/commits", body), 201)


@pytest.mark.parametrize("content", [b"", b"text\r\n", bytes(range(256)) * 40])
def test_a_blob_is_what_git_makes_of_it(world: GitWorld, content: bytes) -> None:
    sha = blob(world, content)
    assert world.upstream.blob(sha) == content
    found = ok(world.ask("GET", f"{ROOT}/git/blobs/{sha}"))
    assert (base64.b64decode(found["content"]), found["size"]) == (content, len(content))
    text = ok(world.ask("POST", f"{ROOT}/git/blobs", {"content": "ä\n"}), 201)["sha"]
    assert world.upstream.blob(text) == "ä\n".encode()


def test_a_tree_shows_modes_and_kinds(world: GitWorld) -> None:
    root = ok(world.ask("GET", f"{ROOT}/git/trees/master"))
    assert [one["path"] for one in root["tree"]] == ["README", "pkgs"]
    found = ok(world.ask("GET", f"{ROOT}/git/trees/{root['tree'][1]['sha']}?recursive=1"))
    modes = {one["path"]: (one["mode"], one["type"]) for one in found["tree"]}
    assert modes["xen/run.sh"] == ("100755", "blob")
    assert modes["xen/link"] == ("120000", "blob")
    assert modes["xen"] == ("040000", "tree")
    assert modes["xen/package.nix"] == ("100644", "blob")


def test_a_tree_on_another_one(world: GitWorld) -> None:
    base = world.upstream.git("rev-parse", f"{world.start}^{{tree}}")
    new = blob(world, b"new\n")
    entries = [
        {"path": FILE, "mode": "100755", "type": "blob", "sha": new},
        {"path": "a/b/c", "mode": "100644", "type": "blob", "content": "inline\n"},
        {"path": "pkgs/xen/sub/only.patch", "mode": "100644", "type": "blob", "sha": None},
    ]
    tree = ok(world.ask("POST", f"{ROOT}/git/trees", {"base_tree": base, "tree": entries}), 201)["sha"]
    listed = {one.path: one for one in world.upstream.tree(tree, recursive=True)}
    assert (listed[FILE].mode, listed[FILE].sha) == ("100755", new)
    assert world.upstream.blob(listed["a/b/c"].sha) == b"inline\n"
    assert {name for name in FILES if name not in listed} == {"pkgs/xen/sub/only.patch"}
    assert "pkgs/xen/sub" not in listed
    alone = ok(world.ask("POST", f"{ROOT}/git/trees", {"tree": [entries[1]]}), 201)
    assert [one["path"] for one in alone["tree"]] == ["a"]


def test_a_commit_is_by_whom_the_body_says(world: GitWorld) -> None:
    made = commit(world)
    bot = world.server.state.user(BOT)
    assert made["author"]["email"] == made["committer"]["email"] == f"{bot.id}+{BOT}@users.noreply.github.com"
    assert world.upstream.git("log", "-1", "--format=%B|%an|%P", made["sha"]) == f"made\n|{BOT}|{world.start}"
    # The line break at the end is there, and is not shown.
    assert made["message"] == "made"
    author = {"name": "Some One", "email": "one@localhost", "date": "2026-01-02T03:04:05+02:00"}
    named = commit(world, author=author)
    assert named["author"] == named["committer"]
    assert named["author"]["date"] == "2026-01-02T01:04:05Z"
    both = commit(world, author=author, committer={"name": "Two", "email": "two@localhost"})
    assert both["committer"]["name"] == "Two"
    listed = ok(world.ask("GET", f"{ROOT}/commits/{both['sha']}"))
    assert (listed["author"], listed["committer"], listed["files"]) == ({}, {}, [])
    assert ok(world.ask("GET", f"{ROOT}/commits/{made['sha']}"))["author"]["login"] == BOT
    assert ok(world.ask("GET", f"{ROOT}/git/commits/{made['sha']}")) == made


def test_a_reference_is_made_moved_and_kept(world: GitWorld) -> None:
    one, two = commit(world)["sha"], commit(world, message="other")["sha"]
    refs = f"{ROOT}/git/refs"
    ok(world.ask("POST", refs, {"ref": "refs/heads/a/b", "sha": one}), 201)
    assert said(world.ask("POST", refs, {"ref": "refs/heads/a/b", "sha": two})) == (422, "Reference already exists")
    assert said(world.ask("POST", refs, {"ref": "refs/heads/a", "sha": two})) == (422, "Reference update failed")
    assert said(world.ask("POST", refs, {"ref": "refs/heads/c", "sha": NONE})) == (422, "Object does not exist")
    assert world.ask("POST", refs, {"ref": "a", "sha": one}).status_code == 422
    path = f"{refs}/heads/a/b"
    assert said(world.ask("PATCH", path, {"sha": two})) == (422, "Update is not a fast forward")
    assert world.upstream("refs/heads/a/b") == one
    assert ok(world.ask("PATCH", path, {"sha": two, "force": True}))["object"]["sha"] == two
    assert ok(world.ask("GET", f"{ROOT}/git/ref/heads/a/b"))["object"]["sha"] == two
    ok(world.ask("PATCH", path, {"sha": commit(world, parents=[two])["sha"]}))
    assert said(world.ask("PATCH", f"{refs}/heads/x", {"sha": two})) == (422, "Reference does not exist")


def test_rules_stand_in_the_update_hook(world: GitWorld) -> None:
    hook = world.upstream.folder / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho "no $1"\nexit 1\n')
    hook.chmod(0o755)
    refused = world.ask("POST", f"{ROOT}/git/refs", {"ref": "refs/heads/a", "sha": world.start})
    assert said(refused) == (422, "Repository rule violations found\n\nno refs/heads/a\n\n")
    assert world.upstream("refs/heads/a") is None


def test_two_commits_are_compared(world: GitWorld) -> None:
    ours = world.commit({FILE: b"new\n", "pkgs/xen/add": b"1\n", "README": None}, "change")
    base = world.advance(world.commit({"pkgs/xen-a": b"b\n"}, "elsewhere"))
    world.fork.git("update-ref", "refs/heads/topic", ours)
    for head in (f"demo-bot:{ours}", "demo-bot:topic", ours):
        found = ok(world.ask("GET", f"{ROOT}/compare/master...{head}"))
        assert (found["status"], found["ahead_by"], found["behind_by"]) == ("diverged", 1, 1)
        assert [one["sha"] for one in found["commits"]] == [ours]
        assert found["merge_base_commit"]["sha"] == world.start
        assert {one["filename"]: one["status"] for one in found["files"]} == {
            FILE: "modified",
            "README": "removed",
            "pkgs/xen/add": "added",
        }
    pages = ok(world.ask("GET", f"{ROOT}/compare/master...{ours}?per_page=1&page=2"))
    assert (pages["commits"], pages["total_commits"], pages["files"]) == ([], 1, [])
    assert ok(world.ask("GET", f"{ROOT}/compare/{base}...{world.start}"))["status"] == "behind"
    assert ok(world.ask("GET", f"{ROOT}/compare/{base}...master"))["status"] == "identical"
    orphan = git(world.work, "commit-tree", "-m", "alone", f"{world.start}^{{tree}}")
    git(world.work, "push", "--quiet", str(world.upstream.folder), f"{orphan}:refs/heads/alone")
    assert said(world.ask("GET", f"{ROOT}/compare/master...alone"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "git/blobs/123", None, 422),
        ("GET", f"git/blobs/{NONE}", None, 404),
        ("GET", f"git/commits/{NONE}", None, 404),
        ("GET", "git/trees/nothing", None, 404),
        ("GET", f"commits/{NONE}", None, 422),
        ("GET", "compare/master...nothing", None, 404),
        ("GET", "compare/master...stranger:master", None, 404),
        ("POST", "git/trees", {"tree": [], "base_tree": NONE}, 404),
        ("POST", "git/trees", {"tree": [{"path": "a", "mode": "100644", "type": "blob", "sha": NONE}]}, 422),
        ("POST", "git/trees", {"tree": [{"path": "a", "mode": "100644", "type": "blob", "sha": None}]}, 422),
        ("POST", "git/trees", {"tree": [{"path": "/a", "mode": "100644", "type": "blob", "content": ""}]}, 422),
        ("POST", "git/commits", {"message": "m", "tree": NONE}, 422),
        ("POST", "git/commits", {"message": "m", "tree": "HERE", "parents": [NONE]}, 422),
        ("POST", "git/commits", {"message": "m", "tree": "HERE", "author": {"name": "", "email": ""}}, 422),
        ("POST", "merge-upstream", {"branch": "master"}, 422),
    ],
)
def test_what_is_wrong_is_refused(world: GitWorld, method: str, path: str, body: Any, status: int) -> None:
    if isinstance(body, dict) and body.get("tree") == "HERE":
        body = {**body, "tree": world.upstream.git("rev-parse", f"{world.start}^{{tree}}")}
    assert world.ask(method, f"{ROOT}/{path}", body).status_code == status


def test_content_that_is_no_base64(world: GitWorld) -> None:
    body = {"content": "%%%", "encoding": "base64"}
    assert said(world.ask("POST", f"{ROOT}/git/blobs", body)) == (422, "content is not valid Base64")
    # The description has two forms of this reply, of which exactly one must fit; what fits the one fits the other.
    world.server.exchanges.pop()


def test_writing_needs_push_access_and_contents(world: GitWorld) -> None:
    world.server.add_token("narrow", BOT, permissions=["pull_requests"])
    world.server.add_token("right", BOT, permissions=["contents"])
    body = {"content": "a"}
    for token, status in ((None, 401), (STRANGER, 404), ("narrow", 403), ("right", 201)):
        assert world.ask("POST", f"{ROOT}/git/blobs", body, token).status_code == status


def test_a_fork_sees_its_parents_objects_and_is_brought_up_to_date(world: GitWorld) -> None:
    new = world.advance(world.commit({"README": b"2\n"}, "newer"))
    assert world.fork("refs/heads/master") == world.start
    assert commit(world, f"/repos/{FORK}", parents=[new])["parents"][0]["sha"] == new
    done = ok(world.ask("POST", f"/repos/{FORK}/merge-upstream", {"branch": "master"}))
    assert (done["merge_type"], world.fork("refs/heads/master")) == ("fast-forward", new)
    assert ok(world.ask("POST", f"/repos/{FORK}/merge-upstream", {"branch": "master"}))["merge_type"] == "none"
    own = world.commit({"README": b"mine\n"}, "own")
    world.fork.git("update-ref", "refs/heads/master", own)
    assert world.ask("POST", f"/repos/{FORK}/merge-upstream", {"branch": "master"}).status_code == 409


def test_a_repository_without_a_disk_has_no_git_database() -> None:
    with GitHubServer() as server:
        server.add_repository(REPO, {"refs/heads/master": NONE}.get)
        server.add_token("t", "demo")
        reply = requests.get(f"{server.url}{ROOT}/git/trees/{NONE}", headers={"Authorization": "Bearer t"}, timeout=10)
        assert reply.status_code == 409
