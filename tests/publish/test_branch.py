"""The git side, with the real git: what a commit is, what it leaves alone, what is refused."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.publish.checkouts import TEXT, everything, git, refused
from tests.support.worlds import BRANCH
from xenbump.demo.world import FILE, TOKEN
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.publish.branch import Checkout
from xenbump.publish.by_git import GitPlace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worlds import Stage

# --- the commit
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["package.nix", "a/b/c/d/package.nix", "pkgs/[x] é/pack age.nix", "-x/--y"])
@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_commit_differs_from_its_parent_in_the_file_alone(tmp_path: Path, name: str, mode: int) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=master")
    git(tmp_path, "config", "user.name", "xenbump test")
    git(tmp_path, "config", "user.email", "test@localhost")
    for path in (name, "other.nix", "a/b/beside.nix", "pkgs/z/run.sh"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(f"{path}\r\n".encode())
    (tmp_path / name).chmod(mode)
    (tmp_path / "pkgs/z/run.sh").chmod(0o755)
    (tmp_path / "pkgs/z/link").symlink_to("../nowhere")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "init")
    parent = git(tmp_path, "rev-parse", "HEAD")
    before = everything(tmp_path)
    made = Checkout(tmp_path / name)
    try:
        assert made.name_of(tmp_path / name) == name
        assert made.read(parent, name) == f"{name}\r\n".encode()
        assert made.read(parent, "no/such/file") is None
        commit = made.commit(parent, {name: b"new\r\n\n"}, TEXT)
        assert made.read(commit, name) == b"new\r\n\n"
        assert made.same_work(commit, commit)
        assert not made.same_work(commit, parent)
    finally:
        made.close()
    assert everything(tmp_path) == before
    changes = git(tmp_path, "diff-tree", "-r", "-z", "--no-renames", parent, commit).split("\0")
    assert changes[1:] == [name, ""]
    old, new, _, _, kind = changes[0].removeprefix(":").split(" ")
    assert (old, new, kind) == (f"100{mode:o}", f"100{mode:o}", "M")
    assert git(tmp_path, "show", "--no-patch", "--format=%P%n%an <%ae>%n%cn%n%B", commit).split("\n", 3) == [
        parent,
        "xenbump test <test@localhost>",
        "xenbump test",
        TEXT,
    ]
    git(tmp_path, "fsck", "--strict", "--no-dangling")


def test_a_publication_leaves_the_person_s_work_alone(stage: Stage) -> None:
    folder = stage.world.checkout
    git(folder, "checkout", "--quiet", "-b", "mine")
    (folder / "untracked.txt").write_text("mine")
    # A branch of the same name, with a commit that nobody else has.
    git(folder, "checkout", "--quiet", "-b", BRANCH)
    (folder / "note").write_text("mine")
    git(folder, "add", "note")
    git(folder, "commit", "--quiet", "--message", "mine")
    before = everything(folder)
    assert getattr(stage.publish(), "action", None) == "opened"
    after = everything(folder)
    assert after.pop(".git/xenbump.lock") == b""  # which is what is held while something is written
    # What git itself notes of the push: where the branch is there.
    for gone in [name for name in after if name.startswith((".git/refs/remotes/", ".git/logs/refs/remotes/"))]:
        before.pop(gone, None)
        after.pop(gone)
    assert after == before
    assert git(folder, "status", "--porcelain") == "?? untracked.txt"
    assert stage.world.in_packages("diff-tree", "-r", "--name-only", "master", BRANCH) == FILE


@pytest.mark.parametrize(
    "how",
    [
        ["--depth=1"],
        ["--filter=blob:none", "--sparse"],
        ["--filter=tree:0", "--depth=1", "--no-checkout"],
        ["--depth=1", "--filter=blob:none", "--sparse", "--branch=master"],
    ],
    ids=["shallow", "sparse", "treeless", "all"],
)
def test_any_kind_of_clone_will_do(stage: Stage, tmp_path: Path, how: list[str]) -> None:
    for number in range(3):
        (stage.world.checkout / f"more-{number}").write_text("x")
        stage.commit(f"more {number}")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", *how, stage.world.git.url("packages.git"), str(clone))
    if "--no-checkout" in how:
        git(clone, "sparse-checkout", "set", "pkgs")
        git(clone, "checkout", "--quiet", "master")
    elif "--sparse" in how:
        git(clone, "sparse-checkout", "set", "pkgs")
    git(clone, "config", "user.name", "xenbump test")
    git(clone, "config", "user.email", "test@localhost")
    made = Checkout(clone / FILE)
    try:
        base = made.base("origin", "master")
        content = made.read(base, FILE)
        assert content == stage.world.package.read_bytes()
        made.refuse_changes({})
        commit = made.commit(base, {FILE: content + b"# edited\n"}, TEXT)
        made.push("origin", BRANCH, commit, None, TOKEN)
        assert made.remote_tip("origin", BRANCH, TOKEN) == commit
        assert made.is_ours(made.facts(commit))
    finally:
        made.close()
    assert stage.tip() == commit
    assert stage.world.in_packages("diff-tree", "-r", "--name-only", "master", BRANCH) == FILE
    assert git(clone, "status", "--porcelain") == ""


# --- what is refused
# ----------------------------------------------------------------------------------------------------


def test_where_there_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "x.nix").write_text("")
    for path in (tmp_path / "x.nix", tmp_path, tmp_path / "gone" / "x.nix"):
        assert str(path) in refused(UsageError, "E-NOT-CHECKOUT", Checkout, path).where
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    assert "bare" in refused(UsageError, "E-NOT-CHECKOUT", Checkout, tmp_path / "bare.git").what


def test_a_file_outside(checkout: Checkout, tmp_path: Path) -> None:
    refused(UsageError, "E-NOT-CHECKOUT", checkout.name_of, tmp_path / "x.nix")


def test_git_is_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = Checkout(stage.world.package)
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(Failure, "E-PROGRAM-MISSING", made.base, "origin", "master")
    refused(Failure, "E-PROGRAM-MISSING", made.remote_tip, "origin", "master", "")
    made.close()


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", [FILE, "xenbump.toml", "new"])
def test_changes_that_are_not_committed(stage: Stage, checkout: Checkout, name: str, *, staged: bool) -> None:
    path = stage.world.checkout / name
    path.write_text("a person's change")
    if staged:
        git(stage.world.checkout, "add", name)
    if name == "new" and not staged:
        checkout.refuse_changes({})  # an untracked file is not in the way
        assert checkout.changed() == ()
        return
    error = refused(Refusal, "E-DIRTY", checkout.refuse_changes, {})
    assert name in error.what
    assert checkout.changed() == (name,)
    if name == FILE:
        refused(Refusal, "E-DIRTY", checkout.refuse_changes, {}, only=(FILE,))
        checkout.refuse_changes({FILE: path.read_bytes()})  # unless it is our own edit
    else:
        checkout.refuse_changes({}, only=(FILE,))
    assert path.read_text() == "a person's change"


def test_many_changes_are_told_in_short(stage: Stage, checkout: Checkout) -> None:
    for number in range(5):
        (stage.world.checkout / f"f{number}").write_text("x")
    git(stage.world.checkout, "add", "--all")
    assert "f0, f1, f2 and 2 more" in refused(Refusal, "E-DIRTY", checkout.refuse_changes, {}).what


def test_a_dirty_checkout_stops_a_publication(stage: Stage) -> None:
    stage.world.package.write_text(stage.world.package.read_text() + "\n# mine\n")
    before = everything(stage.world.checkout)
    outcome = stage.publish()
    assert getattr(getattr(outcome, "error", None), "code", outcome) == "E-DIRTY"
    assert everything(stage.world.checkout) == before
    assert stage.exchanges() == []
    assert stage.tip() == ""


def test_a_bump_in_the_checkout_is_published(stage: Stage) -> None:
    """`bump`, look, `pr`: the edit in the working tree is the very one."""
    planned = stage.publish(dry_run=True)
    stage.world.package.write_bytes(getattr(planned, "edits")[0].after)  # noqa: B009 - the type is tested elsewhere
    assert getattr(stage.publish(), "action", None) == "opened"


@pytest.mark.parametrize("setting", ["none", "only-config", "empty"])
def test_an_identity_is_needed(stage: Stage, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    folder = stage.world.checkout
    git(folder, "config", "--unset", "user.name")
    git(folder, "config", "--unset", "user.email")
    for name in ("EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    # Whether git makes an address up depends on the machine's name; with this it never does.
    git(folder, "config", "user.useConfigOnly", "true")
    if setting == "empty":
        git(folder, "config", "user.name", "")
        git(folder, "config", "user.email", "x@localhost")
    elif setting == "only-config":
        git(folder, "config", "user.name", "somebody")
    made = Checkout(stage.world.package)
    try:
        error = refused(UsageError, "E-IDENTITY", made.commit, stage.start, {FILE: b""}, TEXT)
        assert "user.email" in error.remedy
        refused(UsageError, "E-IDENTITY", made.refuse_nameless)
    finally:
        made.close()
    outcome = stage.publish()
    assert getattr(getattr(outcome, "error", None), "code", outcome) == "E-IDENTITY"
    assert stage.tip() == ""
    assert stage.pulls == []


def test_an_identity_from_the_environment_is_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it comes by git's own variables for settings, which the token uses, too."""
    folder = stage.world.checkout
    for key in ("user.name", "user.email"):
        git(folder, "config", "--unset", key)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for number, (key, value) in enumerate((("user.name", "by variable"), ("user.email", "v@localhost"))):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    assert getattr(stage.publish(), "action", None) == "opened"
    assert (
        stage.world.in_packages("show", "--no-patch", "--format=%an %ae %cn", BRANCH)
        == "by variable v@localhost by variable"
    )
    assert getattr(stage.publish(), "action", None) == "unchanged"


def test_the_base_branch(stage: Stage, checkout: Checkout) -> None:
    folder = stage.world.checkout
    assert checkout.base("origin", "master") == stage.start
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "local")
    assert checkout.base("origin", "master") == stage.start  # the remote's counts, not the local one
    git(folder, "branch", "release-25.11")
    assert checkout.base("origin", "release-25.11") == git(folder, "rev-parse", "HEAD")
    error = refused(UsageError, "E-BASE", checkout.base, "origin", "release-26.05")
    assert "git fetch origin release-26.05" in error.remedy
    refused(UsageError, "E-BASE", checkout.base, "origin", "--all")


def test_which_remote(stage: Stage, checkout: Checkout) -> None:
    folder = stage.world.checkout
    assert checkout.remote("", ("", "NixOS/nixpkgs")) == "origin"  # the only one
    git(folder, "remote", "add", "upstream", "https://github.com/NixOS/nixpkgs")
    git(folder, "remote", "add", "mine", "git@github.com:octo-operator/Nixpkgs.git")
    assert checkout.remote("", ("octo-operator/nixpkgs", "NixOS/nixpkgs")) == "mine"
    assert checkout.remote("", ("", "nixos/NIXPKGS")) == "upstream"
    assert checkout.remote("origin", ("octo-operator/nixpkgs",)) == "origin"
    assert checkout.remote_of("") is None
    error = refused(UsageError, "E-REMOTE", checkout.remote, "gone", ())
    assert sorted(
        re.findall(r"\w+", error.remedy.removeprefix("it has ")), key=["origin", "upstream", "mine"].index
    ) == ["origin", "upstream", "mine"]
    error = refused(UsageError, "E-REMOTE", checkout.remote, "", ("", "other/nixpkgs"))
    assert "[github] remote" in error.remedy
    for number, url in enumerate(("ssh://git@github.com/NixOS/nixpkgs.git", "https://github.com/NixOS/nixpkgs/")):
        git(folder, "remote", "add", f"again{number}", url)
    # Several could be meant.
    refused(UsageError, "E-REMOTE", checkout.remote, "", ("NixOS/nixpkgs",))
    # Part of a name is not the name.
    refused(UsageError, "E-REMOTE", checkout.remote, "", ("ctor/nixpkgs",))


def test_a_checkout_without_a_remote(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    made = Checkout(tmp_path)
    assert "there is none" in refused(UsageError, "E-REMOTE", made.remote, "", ("a/b",)).what
    made.close()


def test_with_a_fork_the_base_is_the_repository_s(stage: Stage) -> None:
    """The branch goes to the fork, whose own master may be years old."""
    world = stage.world
    fork = world.folder / "octo" / "packages.git"
    shutil.rmtree(fork, ignore_errors=True)
    git(world.folder, "clone", "--quiet", "--bare", str(world.folder / "packages.git"), str(fork))
    old = git(world.checkout, "commit-tree", f"{stage.start}^{{tree}}", "-m", "old")
    git(world.checkout, "remote", "add", "mine", world.git.url("octo/packages.git"))
    git(world.checkout, "update-ref", "refs/remotes/mine/master", old)
    git(
        world.checkout,
        "remote",
        "set-url",
        "origin",
        world.git.mount("demo/packages.git", world.folder / "packages.git"),
    )
    stage.configure(r"operator = .*", 'operator = "x"\nfork = "octo/packages"')
    config = stage.config()
    with contextlib.closing(GitPlace(config, world.package)) as place:
        assert (place.remote, place.upstream) == ("mine", "origin")
        assert place.base == git(world.checkout, "rev-parse", "refs/remotes/origin/master")
