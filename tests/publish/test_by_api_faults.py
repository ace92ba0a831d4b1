"""Faults of each request of a publication by GitHub's API alone: no duplicate, nothing lost, a clear word."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.publish.api_world import (
    BRANCH,
    BUMP,
    NEW,
    REQUESTS,
    TEXT,
    WIDE,
    home,
    placed,
    published,
    quick,
    shared,
    world,
)
from tests.support.git_world import TOKEN, GitWorld
from xenbump.demo.github_server import Fault
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.publish import github as client

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["home", "quick", "shared", "world"]

WRITTEN = {"E-GITHUB", "E-NETWORK", ""}
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "401": (Fault.reply(401), {"E-TOKEN-REJECTED"}),
    "403": (Fault.reply(403), {"E-TOKEN-RIGHTS"}),
    "404": (Fault.reply(404), {"E-GITHUB-NOT-FOUND", "E-BASE", "E-BRANCH-MOVED", "E-BRANCH-FOREIGN"}),
    "409": (Fault.reply(409), {"E-GITHUB", ""}),
    "422": (Fault.reply(422), {"E-GITHUB-INVALID", "E-PUSH-REJECTED"}),
    "429": (Fault.reply(429, headers={"retry-after": "1"}), {""}),
    "500": (Fault.reply(500), WRITTEN),
    "502-after": (Fault.reply(502, after_write=True), WRITTEN),
    "reset": (Fault.reset(), WRITTEN),
    "reset-after": (Fault.reset(after_write=True), WRITTEN),
    "nonsense": (Fault(status=200, body=b'"nonsense"', takes_effect=True), {"E-GITHUB", ""}),
}
OFTEN = 8


def code(world: GitWorld, method: str, path: str, fault: Fault, act: Callable[[], object]) -> str:
    """Do something while a request of it meets a fault; the code of the error, if it was one."""
    world.forget()
    world.server.fail_next(method, path, fault, OFTEN if method == "GET" else 1)
    found = ""
    try:
        act()
    except XenbumpError as error:
        found = error.code
        shown = "".join(traceback.format_exception(error))
        hygiene = TOKEN not in shown and "\n" not in error.what
    else:
        hygiene = True
    world.server._faults.clear()
    assert hygiene, found
    assert any(one.fault is fault for one in world.exchanges()), "the fault met nothing"
    return found


@pytest.mark.parametrize("request_", [name for name, (method, _) in REQUESTS.items() if method == "GET"])
def test_reading_can_fail_in_each_way(world: GitWorld, request_: str) -> None:
    """A clear code, and the branch is as it was."""
    before = published(world, BUMP, TEXT.replace("4.20.3", "4.20.2"))
    for name in ("401", "404", "500", "reset", "nonsense"):
        fault, codes = FAULTS[name]
        found = code(world, *REQUESTS[request_], fault, lambda: published(world))
        assert found in codes - {""}, name
        assert world.fork(f"refs/heads/{BRANCH}") == before
    assert published(world) != before


@pytest.mark.parametrize("request_", ["blob", "tree", "commit"])
def test_writing_objects_can_fail_in_each_way(world: GitWorld, request_: str) -> None:
    """A clear code; no reference is written; where an answer was lost, the same is made once more, and is good."""
    with placed(world) as place:
        for name, (fault, codes) in FAULTS.items():
            text = TEXT.replace("Why", name)
            found = code(world, *REQUESTS[request_], fault, partial(place.commit, BUMP, text))
            assert found in codes, name
            assert not [one for one in world.writes() if "/git/refs" in one], name
            assert len(world.writes()) <= 4, name
            commit = place.commit(BUMP, text)
            assert is_whole(world, commit, text), name
    assert world.fork(f"refs/heads/{BRANCH}") is None


@pytest.mark.parametrize("request_", ["make", "move"])
def test_writing_the_reference_can_fail_in_each_way(world: GitWorld, request_: str) -> None:
    """A clear code; the branch is as it was or whole; it is written once; the next run makes it good."""
    ref = f"refs/heads/{BRANCH}"
    before = published(world, BUMP, TEXT.replace("4.20.3", "4.20.2")) if request_ == "move" else None
    with placed(world) as place:
        place.tip(BRANCH)
        commit = place.commit(BUMP, TEXT)
        assert is_whole(world, commit, TEXT)
        for name, (fault, codes) in FAULTS.items():
            world.fork.git("update-ref", *([ref, before] if before else ["-d", ref]))
            found = code(world, *REQUESTS[request_], fault, lambda: place.push(BRANCH, commit, before))
            assert found in codes, name
            assert len(world.writes()) <= (2 if name == "429" else 1), name
            assert world.fork(ref) in ({before, commit} if found else {commit}), name
            place.push(BRANCH, commit, before)
            assert world.fork(ref) == commit, name


def is_whole(world: GitWorld, commit: str, text: str) -> bool:
    """Whether a commit is the bump, with its message, on the base."""
    shown = world.fork.git("log", "-1", "--format=%P%n%B", "--output-indicator-new=>", "-p", commit)
    bump = f"\n>{NEW.decode()}".removesuffix("\n")
    return shown.startswith(f"{world.start}\n{text}") and shown.count("\n>") == 1 and bump in shown


@pytest.mark.parametrize(
    "fault", [Fault.reply(502, after_write=True), Fault.reset(after_write=True), Fault.truncated()]
)
def test_a_lost_answer_is_looked_up(world: GitWorld, fault: Fault) -> None:
    """The reference was changed although nobody said so: that is a success at once."""
    for request, edits in (("make", BUMP), ("move", WIDE)):
        world.server.fail_next(*REQUESTS[request], fault)
        commit = published(world, edits)
        assert world.fork(f"refs/heads/{BRANCH}") == commit
        assert not world.server._faults


def test_a_tree_that_is_not_the_one_asked_for(world: GitWorld) -> None:
    world.reset()
    wrong = {"sha": world.upstream.git("rev-parse", f"{world.start}^{{tree}}"), "url": "", "tree": []}
    world.server.fail_next(*REQUESTS["tree"], Fault(status=201, body=wrong))
    with pytest.raises(Failure, match="is not the one asked for"):
        published(world)
    world.server.fail_next(*REQUESTS["blob"], Fault(status=201, body={"sha": "1" * 40, "url": ""}))
    with pytest.raises(Failure, match="stored something else"):
        published(world)
    cut = {"sha": "1" * 40, "truncated": True, "tree": []}
    world.server.fail_next(*REQUESTS["base-tree"], Fault(status=200, body=cut))
    with pytest.raises(Failure, match="GitHub gives only 0 of its entries"):
        published(world)
    assert world.fork(f"refs/heads/{BRANCH}") is None


def test_what_is_pushed_while_a_limit_is_waited_for_stays(world: GitWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    first = published(world)
    theirs = world.commit({"README": b"a person's\n"}, "a person's", on=first)
    monkeypatch.setattr(client, "_SLEEP", lambda _: world.fork.git("update-ref", f"refs/heads/{BRANCH}", theirs))
    world.server.fail_next(*REQUESTS["move"], Fault.hurried(1))
    with pytest.raises(Refusal) as caught:
        published(world, WIDE)
    assert caught.value.code == "E-BRANCH-MOVED"
    assert world.fork(f"refs/heads/{BRANCH}") == theirs
