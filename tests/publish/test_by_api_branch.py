"""What becomes of a branch that is written through GitHub's API alone: once, by lease, in forks that lag."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.publish.api_world import (
    BRANCH,
    BUMP,
    NEW,
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
    FILE,
    FILES,
    FORK,
    GitWorld,
    git,
    standing,
)
from xenbump.errors import Refusal, XenbumpError
from xenbump.package.rewrite import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.publish.by_api import ApiPlace


__all__ = ["formal", "home", "quick", "shared", "world"]

# --- nothing twice ----------------------------------------------------------------------------------------------------


def test_ten_runs_write_once(world: GitWorld) -> None:
    first = published(world, WIDE)
    reads = []
    for _ in range(3):
        world.forget()
        assert published(world, WIDE) == first
        assert world.writes() == []
        reads.append([one.path for one in world.exchanges()])
    assert reads[0] == reads[1] == reads[2]
    assert len(reads[0]) == len(set(reads[0])) <= 20


def test_work_that_is_there_is_not_written_again(world: GitWorld) -> None:
    first = published(world)
    world.forget()
    with placed(world) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert place.commit(BUMP, TEXT) == first
        assert place.same_work(first, tip)
        assert world.writes() == []
        other = place.commit(BUMP, TEXT.replace("Why", "Whence"))
        assert not place.same_work(other, tip)
        # And the other way round: what the place does not know yet is read.
    with placed(world) as place:
        assert not place.same_work(other, tip)
        assert place.same_work(first, tip)


def test_whether_a_tip_fits(world: GitWorld) -> None:
    published(world, WIDE)

    def fits(*edits: Edit) -> bool:
        with placed(world) as place:
            tip = place.tip(BRANCH)
            assert tip is not None
            return place.fits(edits, tip)

    assert fits(*WIDE)
    assert fits(*BUMP)
    assert not fits(Edit(FILE, FILES[FILE], b"other"))
    assert not fits(Edit(FILE, b"other", NEW))
    assert not fits(Edit("README", FILES["README"], None))
    assert not fits(Edit("new/deep/file", b"there", b"new\n"))
    # The base moves elsewhere, then in the file itself.
    world.advance(world.commit({"README": b"2\n"}, "elsewhere"))
    assert fits(*BUMP)
    world.advance(world.commit({FILE: b"3\n"}, "here"))
    assert not fits(Edit(FILE, b"3\n", NEW))
    with placed(world) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert not place.fits(BUMP, type(tip)(tip.commit, "", ours=True))


# --- the reference ----------------------------------------------------------------------------------------------------


def test_a_branch_is_moved_where_it_is_ours(world: GitWorld) -> None:
    published(world)
    new = world.advance(world.commit({"README": b"2\n"}, "newer"))
    commit = published(world, WIDE)
    assert world.fork(f"refs/heads/{BRANCH}") == commit
    assert world.fork.git("log", "-1", "--format=%P", commit) == new
    # The fork's own copy of the base is behind, and is left there.
    assert world.fork("refs/heads/master") == world.start


def code_of(place: ApiPlace, commit: str, expected: str | None) -> str:
    try:
        place.push(BRANCH, commit, expected)
    except XenbumpError as error:
        return error.code
    return ""


def test_a_branch_that_somebody_moved_is_left_alone(world: GitWorld) -> None:
    first = published(world)
    theirs = world.commit({"README": b"a person's\n"}, "a person's", on=first)
    with placed(world) as place:
        assert place.tip(BRANCH) is not None
        commit = place.commit(WIDE, TEXT)
        assert code_of(place, commit, None) == "E-BRANCH-MOVED"
        world.fork.git("update-ref", f"refs/heads/{BRANCH}", theirs)
        assert code_of(place, commit, first) == "E-BRANCH-MOVED"
        assert code_of(place, commit, None) == "E-BRANCH-MOVED"
        # Not by force, since nothing says that it is ours.
        assert code_of(place, commit, theirs) == "E-BRANCH-FOREIGN"
        world.fork.git("update-ref", "-d", f"refs/heads/{BRANCH}")
        assert code_of(place, commit, first) == "E-BRANCH-MOVED"
    assert world.fork(f"refs/heads/{BRANCH}") is None


def test_what_is_there_already_is_good(world: GitWorld) -> None:
    with placed(world) as place:
        commit = place.commit(BUMP, TEXT)
        assert code_of(place, commit, None) == ""
        world.forget()
        assert code_of(place, commit, world.start) == ""
        assert world.writes() == []
        assert code_of(place, commit, None) == ""


@pytest.mark.parametrize("there", [False, True])
def test_a_rule_of_the_repository(world: GitWorld, *, there: bool) -> None:
    before = published(world) if there else None
    hook = world.fork.folder / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho only on Tuesdays\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Refusal, match="only on Tuesdays") as caught:
        published(world, WIDE)
    assert caught.value.code == "E-PUSH-REJECTED"
    assert world.fork(f"refs/heads/{BRANCH}") == before


def test_two_at_once_leave_one_branch(world: GitWorld) -> None:
    with placed(world) as one, placed(world) as two:
        for place in (one, two):
            assert place.tip(BRANCH) is None
        commits = [one.commit(BUMP, TEXT), two.commit(WIDE, TEXT)]
        assert [code_of(one, commits[0], None), code_of(two, commits[1], None)] == ["", "E-BRANCH-MOVED"]
    assert world.fork(f"refs/heads/{BRANCH}") == commits[0]


# --- a fork that is behind --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitWorld]:
    with standing(tmp_path_factory.mktemp("apart"), shares=False) as made:
        yield made


def test_a_fork_that_does_not_know_the_base_is_brought_to_it(apart: GitWorld) -> None:
    apart.reset()
    new = apart.advance(apart.commit({"README": b"2\n"}, "newer", on=apart.start))
    # The person's commit came through the fork; a fork that is really behind has not even that.
    apart.fork.git("reflog", "expire", "--expire=now", "--all")
    apart.fork.git("prune", "--expire=now")
    assert apart.fork.kind(new) is None
    said: list[str] = []
    with placed(apart, progress=said.append) as place:
        commit = place.commit(BUMP, TEXT)
        place.push(BRANCH, commit, None)
    assert apart.fork.git("log", "-1", "--format=%P", commit) == new
    assert apart.fork("refs/heads/master") == new
    assert said == [f"bringing master of {FORK} up to date"]
    assert sum("merge-upstream" in one for one in apart.writes()) == 1


def test_a_forks_own_commits_are_not_merged_into(apart: GitWorld) -> None:
    apart.reset()
    apart.advance(apart.commit({"README": b"3\n"}, "newer still"))
    apart.fork.git("prune", "--expire=now")
    own = apart.commit({"README": b"mine\n"}, "the fork's own")
    apart.fork.git("update-ref", "refs/heads/master", own)
    with pytest.raises(Refusal, match="it has commits of its own") as caught:
        published(apart)
    assert caught.value.code == "E-FORK-BEHIND"
    assert apart.fork("refs/heads/master") == own
    apart.fork.git("update-ref", "-d", "refs/heads/master")
    with pytest.raises(Refusal, match="it is not there"):
        published(apart)


# --- what a pull request became ---------------------------------------------------------------------------------------


def test_what_a_merged_pull_request_became(world: GitWorld) -> None:
    head = published(world)
    git(world.work, "fetch", "--quiet", str(world.fork.folder), BRANCH)
    merge = git(world.work, "commit-tree", "-m", "merge", "-p", world.start, "-p", head, f"{world.start}^{{tree}}")
    git(world.work, "push", "--quiet", str(world.upstream.folder), f"{merge}:refs/heads/merged")
    with placed(world) as place:
        assert place.picked(merged(merge, head)) == head
        assert place.picked(merged(merge, world.start[::-1])) == ""
        assert place.picked(merged(world.start, head)) == world.start  # squashed, or rebased
        assert place.picked(merged("e" * 40, head)) == place.picked(merged("", head)) == ""
        assert place.picked(replace(merged(merge, head), merged=False)) == ""
