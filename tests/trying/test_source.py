"""The source tree: which revisions are found, what moving to one leaves alone, and what is refused."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying import fake_tree
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.trying.model import Trial
from xenbump.trying.source import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REAL = os.environ.get("XENBUMP_REAL_XEN", "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_tree.repository(tmp_path_factory.mktemp("source") / "xen")


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Workshop:
    return Workshop(str(made), tmp_path / "try")


def _refused(work: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        work()
    return caught.value


def test_a_tag_is_checked_out_and_described(shop: Workshop, made: Path) -> None:
    prepared = shop.prepared(Trial("4.22.0-rc3"))
    assert prepared.commit == fake_tree.git(made, "rev-parse", "4.22.0-rc3^{commit}")
    assert prepared.tree == fake_tree.git(made, "rev-parse", "4.22.0-rc3^{tree}")
    assert (prepared.described, prepared.version, prepared.line) == ("4.22.0-rc3", "4.22.0-rc3", "4.22")
    assert (prepared.folder / "xen" / "setup.c").read_text() == fake_tree.SETUP


@pytest.mark.parametrize("rev", ["staging", "staging~1", "4.22.0-rc3^0", "HEAD~2", "refs/heads/staging^1"])
def test_whatever_names_a_commit_is_found(shop: Workshop, made: Path, rev: str) -> None:
    assert shop.resolved(rev) == fake_tree.git(made, "rev-parse", f"{rev}^{{commit}}")


def test_a_beginning_of_a_commit_and_a_description_are_found(shop: Workshop, made: Path) -> None:
    commit = fake_tree.git(made, "rev-parse", "staging~1")
    assert shop.resolved(commit) == shop.resolved(commit[:9]) == commit
    described = shop.described(commit)
    assert described == f"4.22.0-rc3-2-g{commit[:10]}"
    assert shop.resolved(described) == commit


@pytest.mark.parametrize(
    "rev",
    [
        "",
        "--upload-pack=x",
        "-h",
        "a..b",
        "HEAD@{1}",
        "staging:xen",
        "a b",
        "staging^{tree}",
        ":/x",
        "a\n",
        "../x",
        "x/",
    ],
)
def test_what_is_no_revision_is_refused_before_git_sees_it(shop: Workshop, rev: str) -> None:
    error = _refused(lambda: shop.resolved(rev))
    assert error.code == "E-TRY-REV"
    assert "steps back" in error.what


@settings(max_examples=25)
@given(st.text(max_size=20))
def test_no_text_makes_git_do_something_else(made: Path, text: str) -> None:
    with contextlib.suppress(Refusal):
        assert len(Workshop(str(made), made.parent / "any").resolved(text)) == 40


def test_a_revision_that_is_not_there_is_refused(shop: Workshop) -> None:
    assert "no such tag" in _refused(lambda: shop.prepared(Trial("4.99.0"))).what


def test_a_release_before_4_17_is_refused(shop: Workshop) -> None:
    error = _refused(lambda: shop.prepared(Trial("RELEASE-4.16.0")))
    assert (error.code, error.what) == ("E-TRY-REV", "it is Xen 4.16.0; only Xen 4.17 and later can be tried")


def test_what_is_no_xen_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    fake_tree.git(folder, "init", "--quiet", "--template=")
    fake_tree.commit(folder, "Something", {"README": "x"})
    error = _refused(lambda: Workshop(str(folder), tmp_path / "try").prepared(Trial("HEAD")))
    assert (error.code, "no Xen" in error.what) == ("E-TRY-REV", True)


def test_moving_rewrites_only_what_differs_and_leaves_what_was_built(shop: Workshop) -> None:
    folder = shop.prepared(Trial("4.22.0-rc3")).folder
    same, other, object_file = (folder / "xen" / name for name in ("Kconfig", "setup.c", "setup.o"))
    object_file.write_text("built")
    for path in (same, other):
        os.utime(path, ns=(10**18, 10**18))
    before = shop.prepared(Trial("4.22.0-rc3"))
    assert other.stat().st_mtime_ns == 10**18
    assert shop.prepared(Trial("4.22.0-rc3~0")).tree == before.tree
    shop.prepared(Trial("staging~2"))
    assert same.stat().st_mtime_ns == 10**18
    assert other.stat().st_mtime_ns != 10**18
    assert object_file.read_text() == "built"


def test_what_a_revision_is_is_told_without_a_work_tree(shop: Workshop) -> None:
    named = shop.named(Trial("staging~2"))
    assert not shop.folder.exists()
    assert shop.prepared(Trial("staging~2")) == named


def test_what_a_person_or_a_kill_left_is_put_right(shop: Workshop) -> None:
    folder = shop.prepared(Trial("4.22.0-rc3")).folder
    (folder / "xen" / "setup.c").write_text("broken")
    (folder / ".git" / "index.lock").write_text("")
    (folder / ".git" / "rebase-apply").mkdir()
    assert (shop.prepared(Trial("4.22.0-rc3")).folder / "xen" / "setup.c").read_text() == fake_tree.SETUP
    (folder / ".git" / "index").write_bytes(b"nonsense")
    assert shop.prepared(Trial("staging~2")).version == "4.22.0-rc3"
    (folder / ".git" / "HEAD").unlink()
    assert shop.prepared(Trial("4.22.0-rc3")).folder == folder


def test_a_bare_repository_and_a_work_tree_of_one_serve(made: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    fake_tree.git(made, "clone", "--quiet", "--bare", "--template=", str(made), str(bare))
    tree = tmp_path / "tree"
    fake_tree.git(bare, "worktree", "add", "--quiet", "--detach", str(tree), "4.22.0-rc3")
    for path in (bare, tree):
        assert Workshop(str(path), tmp_path / "try").prepared(Trial("4.22.0-rc3")).version == "4.22.0-rc3"
    assert Workshop(str(tree), tmp_path / "try").prepared(Trial("HEAD")).described == "4.22.0-rc3"


def test_a_branch_that_only_a_remote_has_is_found(made: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    fake_tree.git(made, "clone", "--quiet", "--template=", "--origin=xenbits", str(made), str(clone))
    fake_tree.git(clone, "checkout", "--quiet", "--detach")
    fake_tree.git(clone, "branch", "--quiet", "-D", "staging")
    found = Workshop(str(clone), tmp_path / "try").resolved("staging~1")
    assert found == fake_tree.git(made, "rev-parse", "staging~1")


def test_a_shallow_clone_serves_for_what_it_has(made: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    fake_tree.git(made, "clone", "--quiet", "--depth=2", "--no-single-branch", f"file://{made}", str(clone))
    shop = Workshop(str(clone), tmp_path / "try")
    assert shop.prepared(Trial("staging~1")).version == "4.22.0-rc3"
    assert "shallow" in _refused(lambda: shop.prepared(Trial("staging~3"))).what


def test_a_partial_clone_is_refused_for_what_it_lacks(made: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    fake_tree.git(made, "config", "uploadpack.allowFilter", "true")
    fake_tree.git(made, "clone", "--quiet", "--bare", "--filter=blob:limit=200", f"file://{made}", str(clone))
    error = _refused(lambda: Workshop(str(clone), tmp_path / "try").prepared(Trial("staging")))
    assert error.code == "E-TRY-OBJECTS"


@pytest.mark.parametrize("there", [False, True])
def test_a_place_without_a_repository_is_refused(tmp_path: Path, there: bool) -> None:  # noqa: FBT001
    path = tmp_path / "place"
    if there:
        path.mkdir()
    error = _refused(lambda: Workshop(str(path), tmp_path / "try").prepared(Trial("staging")))
    assert (error.code, error.where) == ("E-TRY-REPOSITORY", str(path))


def test_an_address_that_would_start_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Workshop("https://name:word@example.org/xen.git", tmp_path)


def test_a_repository_elsewhere_is_fetched_once_for_tags_and_anew_for_branches(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "server"
    shutil.copytree(made, server)
    said: list[str] = []
    # A path is used where it lies; to be fetched, it must not look like one.
    monkeypatch.setattr("xenbump.trying.source._local", lambda _: None)

    def shop() -> Workshop:
        return Workshop(f"file://{server}", tmp_path / "try", said.append)

    first = shop().prepared(Trial("4.22.0-rc3"))
    assert sum(line.startswith("fetching") for line in said) == 1
    assert shop().prepared(Trial("4.22.0-rc3")) == first
    assert sum(line.startswith("fetching") for line in said) == 1
    newest = fake_tree.commit(server, "One more", {"xen/setup.c": fake_tree.SETUP})
    said.clear()
    assert shop().prepared(Trial("staging")).commit == newest
    assert sum(line.startswith("fetching") for line in said) == 1
    # A branch that is gone does not stand in the way of one below its name.
    fake_tree.git(server, "branch", "smoke", "staging")
    assert shop().resolved("smoke") == newest
    fake_tree.git(server, "branch", "--quiet", "-D", "smoke")
    fake_tree.git(server, "branch", "smoke/tested", "staging")
    assert shop().resolved("smoke/tested") == newest
    assert _refused(lambda: shop().resolved("smoke")).code == "E-TRY-REV"
    fake_tree.git(server, "checkout", "--quiet", "--detach")
    lone = fake_tree.commit(server, "On no branch", {"xen/other.c": "\n"})
    fake_tree.git(server, "config", "uploadpack.allowAnySHA1InWant", "true")
    fake_tree.git(server, "checkout", "--quiet", "staging")
    assert shop().resolved(lone) == lone
    shutil.rmtree(server)
    assert shop().prepared(Trial("4.22.0-rc3")) == first
    with pytest.raises(Failure):
        shop().resolved("staging")


def test_a_workshop_is_held_against_others_and_not_against_itself(
    made: Path, shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenbump.trying.source._LOCK_SECONDS", 0.05)
    with shop.held():
        shop.prepared(Trial("4.22.0-rc3"))
        with pytest.raises(Failure, match="E-LOCKED"):
            Workshop(str(made), tmp_path / "try").prepared(Trial("4.22.0-rc3"))


@pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN names no repository")
def test_the_real_repository(tmp_path: Path) -> None:
    shop = Workshop(REAL, tmp_path)
    prepared = shop.prepared(Trial("RELEASE-4.20.2"))
    assert (prepared.version, prepared.line) == ("4.20.2", "4.20")
    assert shop.described(shop.resolved("RELEASE-4.20.2~1")).startswith("RELEASE-4.20.1-")
    assert _refused(lambda: shop.prepared(Trial("RELEASE-4.16.7"))).code == "E-TRY-REV"
