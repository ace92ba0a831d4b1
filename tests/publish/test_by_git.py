"""The place that is a checkout: whose commits a branch has in any kind of clone, what fits, what a merge became."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.publish.checkouts import TEXT, everything, git, refused
from tests.support.worlds import BRANCH
from xenbump.demo.world import FILE
from xenbump.errors import UsageError
from xenbump.package.rewrite import Edit
from xenbump.publish.by_git import GitPlace
from xenbump.publish.github import PullRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.worlds import Stage

CLONES = {
    "whole": [],
    "shallow": ["--depth=1"],
    "partial": ["--filter=blob:none", "--sparse"],
    "without trees": ["--depth=1", "--filter=tree:0", "--no-checkout"],
}


@contextlib.contextmanager
def place_in(stage: Stage, folder: Path | None = None) -> Iterator[GitPlace]:
    """The place in the checkout of the stage, or in another one."""
    config = stage.config()
    made = GitPlace(config, stage.world.package) if folder is None else GitPlace(config, folder / FILE, root=folder)
    with contextlib.closing(made):
        yield made


def edits(place: GitPlace, text: bytes = b"# edited\n") -> tuple[Edit, ...]:
    before = place.content()
    return (Edit(FILE, before, before + text), Edit("pkgs/xen/new.nix", None, b"new"))


def cloned(stage: Stage, folder: Path, how: str) -> Path:
    """Another checkout, made now."""
    clone = folder / "clone"
    git(folder, "clone", "--quiet", *CLONES[how], stage.world.git.url("packages.git"), str(clone))
    if "--no-checkout" in CLONES[how] or "--sparse" in CLONES[how]:
        git(clone, "sparse-checkout", "set", "pkgs")
    if "--no-checkout" in CLONES[how]:
        git(clone, "checkout", "--quiet", "master")
    git(clone, "config", "user.name", "xenbump demo")
    git(clone, "config", "user.email", "demo@localhost")
    return clone


def moved(stage: Stage, times: int = 3) -> None:
    """The base goes on, in another file."""
    for number in range(1, times):
        stage.world.in_checkout("commit", "--quiet", "--allow-empty", "--message", f"more {number}")
    name = f"more-{len(list(stage.world.checkout.glob('more-*')))}"
    (stage.world.checkout / name).write_text("x")
    stage.commit(name)


def aged(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base gets a past that is years old."""
    folder = stage.world.checkout
    with monkeypatch.context() as then:
        then.setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
        root = git(folder, "commit-tree", "HEAD^{tree}", "-m", "long ago")
    stage.world.in_checkout("reset", "--quiet", "--hard", root)
    moved(stage, 2)


def pushed(stage: Stage, under: str = "") -> str:
    """Our work, pushed; where it says so on top of a person's commit."""
    world = stage.world
    with place_in(stage) as place:
        commit = place.commit(edits(place), TEXT)
        if under:
            theirs = world.in_checkout("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", under)
            commit = world.in_checkout("commit-tree", f"{commit}^{{tree}}", "-p", theirs, "-m", TEXT)
        place.push(BRANCH, commit, None)
    return commit


@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "theirs-under-ours"])
def test_whose_a_branch_is_can_be_told_in_any_clone(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, theirs: bool
) -> None:
    """Made by another run on an older base, and looked at from a checkout that begins behind that."""
    aged(stage, monkeypatch)
    commit = pushed(stage, "a person's" if theirs else "")
    moved(stage)
    for how in CLONES:
        folder = tmp_path / how
        folder.mkdir()
        clone = cloned(stage, folder, how)
        shallow = (clone / ".git" / "shallow").exists()
        with place_in(stage, clone) as place:
            tip = place.tip(BRANCH)
            assert tip is not None, how
            assert (tip.commit, tip.ours, tip.text.strip()) == (commit, not theirs, TEXT.strip()), how
            assert place.fits(edits(place), tip), how
            assert not place.fits(edits(place, b"# others\n"), tip), how
            again = place.tip(BRANCH)
            assert again == tip, how
        # What is shallow stays so: not all the history was fetched to tell.
        assert (clone / ".git" / "shallow").exists() == shallow, how
        assert git(clone, "status", "--porcelain") == "", how


@pytest.mark.parametrize("how", ["whole", "shallow"])
def test_a_branch_on_a_base_that_is_not_fetched_yet_is_ours_all_the_same(
    stage: Stage, tmp_path: Path, how: str
) -> None:
    clone = cloned(stage, tmp_path, how)
    moved(stage)
    commit = pushed(stage)
    before = everything(clone)
    with place_in(stage, clone) as place:
        tip = place.tip(BRANCH)
        assert tip is not None
        assert (tip.commit, tip.ours) == (commit, True)
        assert (place.base, tip.parent != place.base) == (stage.start, True)
    after = everything(clone)
    for name in (".git/shallow",):
        before.pop(name, None)
        after.pop(name, None)
    assert after == before


def test_no_branch_no_tip(stage: Stage) -> None:
    with place_in(stage) as place:
        assert place.tip(BRANCH) is None


def test_what_fits_is_the_change_between_the_tip_and_what_it_stands_on(stage: Stage) -> None:
    with place_in(stage) as place:
        wanted = edits(place)
        commit = place.commit(wanted, TEXT)
        place.push(BRANCH, commit, None)
        tip = place.tip(BRANCH)
        assert tip is not None
        assert (tip.commit, tip.parent, tip.ours) == (commit, place.base, True)
        assert place.fits(wanted, tip)
        assert place.same_work(place.commit(wanted, TEXT), tip)
        assert not place.same_work(place.commit(wanted, TEXT + "\nmore\n"), tip)
        less = (wanted[0],)
        assert place.fits(less, tip)
        gone = (Edit(FILE, wanted[0].before, None),)
        assert not place.fits(gone, tip)
        otherwise = (Edit(FILE, b"another base", wanted[0].after),)
        assert not place.fits(otherwise, tip)


def test_all_files_are_written_out_with_the_change(stage: Stage, tmp_path: Path) -> None:
    (stage.world.checkout / "run.sh").write_text("#!/bin/sh\n")
    (stage.world.checkout / "run.sh").chmod(0o755)
    stage.commit("run: init")
    clone = cloned(stage, tmp_path, "partial")
    before = everything(clone)
    target = tmp_path / "out"
    target.mkdir()
    with place_in(stage, clone) as place:
        wanted = edits(place)
        assert place.write_out(target, (*wanted, Edit("xenbump.toml", b"", None)))
    names = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert names == [FILE.replace("package.nix", "new.nix"), FILE, "pkgs/xen/paths.patch", "run.sh"]
    assert (target / FILE).read_bytes() == wanted[0].after
    assert (target / "run.sh").stat().st_mode & 0o111
    assert everything(clone) == before


@pytest.mark.parametrize("how", ["merge", "squash"])
@pytest.mark.parametrize("clone", ["whole", "shallow"])
def test_what_a_merged_pull_request_became(stage: Stage, tmp_path: Path, how: str, clone: str) -> None:
    """By a merge its own commit is in the base; squashed, another one is."""
    head, world = pushed(stage), stage.world
    parents = ["-p", "master", *(["-p", head] if how == "merge" else [])]
    merge = world.in_packages("commit-tree", f"{head}^{{tree}}", *parents, "-m", "merged")
    world.in_packages("update-ref", "refs/heads/master", merge)
    pull = PullRequest(1, "", "", "", "closed", merged=True, draft=False, labels=(), head_sha=head, merge_commit=merge)
    with place_in(stage, cloned(stage, tmp_path, clone)) as place:
        assert place.picked(pull) == (head if how == "merge" else merge)
    with place_in(stage) as place:  # which has not fetched it
        assert place.picked(pull) == (head if how == "merge" else merge)
        gone = PullRequest(1, "", "", "", "closed", merged=True, draft=False, labels=(), merge_commit="1" * 40)
        assert place.picked(gone) == ""
        waiting = PullRequest(1, "", "", "", "open", merged=False, draft=False, labels=(), merge_commit=merge)
        assert place.picked(waiting) == ""


def test_another_base_branch(stage: Stage) -> None:
    world = stage.world
    world.in_checkout("update-ref", "refs/remotes/origin/release-25.11", stage.start)
    moved(stage, 1)
    with contextlib.closing(GitPlace(stage.config(), world.package, base_branch="release-25.11")) as place:
        assert (place.base, place.base_branch) == (stage.start, "release-25.11")
    refused(UsageError, "E-BASE", GitPlace, stage.config(), world.package, base_branch="release-26.05")


def test_a_base_without_the_file(stage: Stage) -> None:
    stage.world.in_checkout("rm", "--quiet", FILE)
    stage.commit("xen: drop")
    with place_in(stage, stage.world.checkout) as place:
        error = refused(UsageError, "E-FILE-MISSING", place.content)
        assert error.where == FILE
        assert place.read("package.nix") is None
        assert place.read("../../../outside") is None
        assert place.names("../../..") == ()
        assert place.names(".") == ("paths.patch",)
