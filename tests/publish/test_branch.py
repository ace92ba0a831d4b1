"""The git side, with the real git: what a commit is, what it leaves alone, what is refused, where the token goes."""

from __future__ import annotations

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import BRANCH
from xenbump.demo.git_server import Access, GitServer, Redirect, Status, isolated_git
from xenbump.demo.world import FILE, TOKEN
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.journal import Journal
from xenbump.publish.branch import Checkout, _authorisation
from xenbump.publish.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.worlds import Stage

TEXT = "xen: a -> b\n\nWhy.\n\nAutomated-by: xenbump 0\n"
SECRET = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person would."""
    env = {
        **os.environ,
        **isolated_git({"user.name": "p", "user.email": "p@localhost", "protocol.file.allow": "always"}),
    }
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=env, capture_output=True, text=True, check=True)
    return done.stdout.removesuffix("\n")


@pytest.fixture
def checkout(stage: Stage) -> Iterator[Checkout]:
    made = Checkout(stage.world.package)
    yield made
    made.close()


def refused(kind: type[XenbumpError], code: str, call: object, *arguments: object, **named: object) -> XenbumpError:
    assert callable(call)
    with pytest.raises(kind) as caught:
        call(*arguments, **named)
    assert caught.value.code == code, str(caught.value)
    assert TOKEN not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


def everything(folder: Path) -> dict[str, bytes]:
    """What a person would miss: index, HEAD, refs, configuration, and the files."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "objects" not in path.parts and path.name != "FETCH_HEAD"
    }
    found["heads"] = git(folder, "for-each-ref", "refs/heads", "refs/tags", "refs/stash").encode()
    return found


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
        assert made.made_by_us("origin", BRANCH, commit, TOKEN)
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
    with Journal(config.state).run("pr") as run:
        publisher = Publisher(config, world.package, run, lambda _: None)
        assert publisher.remote == "mine"
        assert publisher.base == git(world.checkout, "rev-parse", "refs/remotes/origin/master")
        publisher.checkout.close()


# --- the push
# ------------------------------------------------------------------------------------------------------------


def committed(stage: Stage, checkout: Checkout, text: str = TEXT) -> str:
    return checkout.commit(stage.start, {FILE: b"edited"}, text)


def test_a_branch_that_a_person_made_is_left_alone(stage: Stage) -> None:
    folder = stage.world.checkout
    theirs = git(folder, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "xen: mine")
    git(folder, "push", "--quiet", str(stage.world.folder / "packages.git"), f"{theirs}:refs/heads/{BRANCH}")
    outcome = stage.publish()
    assert getattr(getattr(outcome, "error", None), "code", outcome) == "E-BRANCH-FOREIGN"
    assert stage.tip() == theirs
    assert (stage.pushes, stage.pulls) == (0, [])


@pytest.mark.parametrize("who", ["author", "committer", "trailer"])
def test_a_commit_is_ours_only_with_author_committer_and_trailer(stage: Stage, checkout: Checkout, who: str) -> None:
    text = TEXT if who != "trailer" else "xen: a -> b\n\nI quote: Automated-by: xenbump\n"
    env = {**os.environ, **isolated_git({"user.name": "xenbump demo", "user.email": "demo@localhost"})}
    if who != "trailer":
        env[f"GIT_{who.upper()}_EMAIL"] = "person@localhost"
    argv = ["git", "-C", str(stage.world.checkout), "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", text]
    theirs = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.strip()
    git(
        stage.world.checkout,
        "push",
        "--quiet",
        str(stage.world.folder / "packages.git"),
        f"{theirs}:refs/heads/{BRANCH}",
    )
    assert not checkout.made_by_us("origin", BRANCH, theirs, TOKEN)
    ours = committed(stage, checkout)
    assert checkout.made_by_us("origin", BRANCH, ours, TOKEN)


def test_a_commit_that_this_checkout_lacks_is_fetched_to_be_judged(
    stage: Stage, checkout: Checkout, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(stage.world.folder / "packages.git"), "other")
    theirs = git(tmp_path / "other", "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "mine")
    git(tmp_path / "other", "push", "--quiet", "origin", f"{theirs}:refs/heads/{BRANCH}")
    before = everything(stage.world.checkout)
    assert checkout.remote_tip("origin", BRANCH, TOKEN) == theirs
    assert not checkout.made_by_us("origin", BRANCH, theirs, TOKEN)
    after = everything(stage.world.checkout)
    for gone in [name for name in after if "remotes" in name]:
        after.pop(gone)
        before.pop(gone, None)
    assert after == before


def test_a_branch_that_moved_in_between(stage: Stage, checkout: Checkout) -> None:
    first = committed(stage, checkout)
    checkout.push("origin", BRANCH, first, None, TOKEN)
    second = committed(stage, checkout, TEXT + "\nagain\n")
    error = refused(Refusal, "E-BRANCH-MOVED", checkout.push, "origin", BRANCH, second, None, TOKEN)
    assert error.where == stage.world.git.url("packages.git")
    refused(Refusal, "E-BRANCH-MOVED", checkout.push, "origin", BRANCH, second, stage.start, TOKEN)
    assert stage.tip() == first
    checkout.push("origin", BRANCH, second, first, TOKEN)
    assert stage.tip() == second


def hook(stage: Stage, name: str, script: str) -> None:
    path = stage.world.folder / "packages.git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_a_server_that_rejects_the_push(stage: Stage, checkout: Checkout) -> None:
    hook(stage, "pre-receive", "echo 'GH006: Protected branch update failed.' >&2\nexit 1\n")
    error = refused(
        Refusal, "E-PUSH-REJECTED", checkout.push, "origin", BRANCH, committed(stage, checkout), None, TOKEN
    )
    assert "GH006: Protected branch update failed." in error.what
    assert "pre-receive hook declined" in error.what
    assert "\n" not in error.what
    assert stage.tip() == ""


def test_a_server_where_somebody_was_quicker(stage: Stage, checkout: Checkout) -> None:
    """Between git's look and its push: the server itself sees that the branch has moved."""
    first = committed(stage, checkout)
    git(stage.world.checkout, "push", "--quiet", str(stage.world.folder / "packages.git"), f"{first}:refs/heads/there")
    hook(stage, "pre-receive", f"unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/{BRANCH} {first}\n")
    second = committed(stage, checkout, TEXT + "\nagain\n")
    refused(Refusal, "E-BRANCH-MOVED", checkout.push, "origin", BRANCH, second, None, TOKEN)
    assert stage.tip() == first


@pytest.mark.parametrize("code", [401, 403])
def test_a_server_that_refuses_access(stage: Stage, checkout: Checkout, code: int) -> None:
    commit = committed(stage, checkout)
    if code == 401:
        error = refused(Failure, "E-GIT-ACCESS", checkout.push, "origin", BRANCH, commit, None, "wrong-token")
    else:
        stage.world.git._service.access = Access(push=False)
        error = refused(Failure, "E-GIT-ACCESS", checkout.push, "origin", BRANCH, commit, None, TOKEN)
    assert error.where == stage.world.git.url("packages.git")
    # Without any token git is not let wait for a person to type one.
    refused(Failure, "E-GIT-ACCESS", checkout.push, "origin", BRANCH, commit, None, "")
    assert stage.tip() == ""


@pytest.mark.parametrize(
    ("status", "code"), [(500, "E-HTTP-STATUS"), (404, "E-GIT-REPOSITORY"), (429, "E-HTTP-STATUS")]
)
def test_a_server_that_fails(stage: Stage, checkout: Checkout, status: int, code: str) -> None:
    stage.world.git.fail_next("packages.git/info/refs", Status(status))
    refused(Failure, code, checkout.remote_tip, "origin", BRANCH, TOKEN)
    stage.world.git.fail_next("packages.git/git-receive-pack", Status(500))
    refused(Failure, "E-HTTP-STATUS", checkout.push, "origin", BRANCH, committed(stage, checkout), None, TOKEN)


def test_a_server_that_is_not_there(stage: Stage, checkout: Checkout) -> None:
    with GitServer() as gone:
        url = gone.url("packages.git")
    git(stage.world.checkout, "remote", "set-url", "origin", url)
    error = refused(Failure, "E-NETWORK", checkout.remote_tip, "origin", BRANCH, TOKEN)
    assert error.where == url


# --- the token
# -----------------------------------------------------------------------------------------------------------

RECORDER = r"""#!{python}
import os, sys
with open({log!r}, "a") as log:
    log.write(repr(sys.argv) + "\n")
    for name, value in sorted(os.environ.items()):
        if {secret!r} in value or {token!r} in value:
            log.write("VARIABLE " + name + "\n")
os.execv({git!r}, ["git"] + sys.argv[1:])
"""


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `git` on PATH that writes down how it is called, and then is the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"
    real = shutil.which("git")
    text = RECORDER.format(python=sys.executable, log=str(log), secret=SECRET, token=TOKEN, git=real)
    (folder / "git").write_text(text)
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def test_the_token_is_in_the_environment_of_git_alone(stage: Stage, recorder: Path) -> None:
    said: list[str] = []
    assert getattr(stage.publish(said=said), "action", None) == "opened"
    calls = recorder.read_text()
    assert "'push'" in calls
    assert "VARIABLE GIT_CONFIG_VALUE_" in calls
    arguments = [line for line in calls.splitlines() if not line.startswith("VARIABLE")]
    assert not any(TOKEN in line or SECRET in line for line in arguments)
    assert not any(TOKEN in line for line in said)
    world = stage.world
    for folder in (world.checkout, world.folder / "state", world.folder / "packages.git"):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert TOKEN.encode() not in content, path
                assert SECRET.encode() not in content, path


def test_a_header_of_the_checkout_s_own_is_not_sent_beside_ours(stage: Stage, checkout: Checkout) -> None:
    """As GitHub's own checkout action leaves one; two would be refused, and the wrong one could win."""
    other = base64.b64encode(b"x-access-token:another").decode()
    key = f"http.{stage.world.git.url('').removesuffix('/')}/.extraheader"
    git(stage.world.checkout, "config", key, f"AUTHORIZATION: basic {other}")
    commit = committed(stage, checkout)
    checkout.push("origin", BRANCH, commit, None, TOKEN)
    assert stage.tip() == commit


@pytest.mark.parametrize("call", ["remote_tip", "push"])
def test_the_token_does_not_follow_a_redirect(stage: Stage, checkout: Checkout, tmp_path: Path, call: str) -> None:
    """The other server would take the push, if it were asked."""
    git(tmp_path, "clone", "--quiet", "--bare", str(stage.world.folder / "packages.git"), "packages.git")
    with GitServer(tmp_path, access=Access(push=True)) as other:
        stage.world.git.fail_next("packages.git/info/refs", Redirect(other.url("packages.git")))
        if call == "push":
            commit = committed(stage, checkout)
            error = refused(Refusal, "E-REDIRECT", checkout.push, "origin", BRANCH, commit, None, TOKEN)
        else:
            error = refused(Refusal, "E-REDIRECT", checkout.remote_tip, "origin", BRANCH, TOKEN)
        assert other.requests == ()
    assert error.where == stage.world.git.url("packages.git")


@pytest.mark.parametrize(
    "url", ["http://example.org/x.git", "ssh://git@example.org/x.git", "git@example.org:x.git", "/srv/x.git"]
)
def test_the_token_is_not_given_to_what_is_not_encrypted(url: str) -> None:
    assert SECRET not in str(_authorisation(url, TOKEN))
    assert SECRET in str(_authorisation("https://example.org/x.git", TOKEN))
    assert SECRET not in str(_authorisation("https://example.org/x.git", ""))


def test_a_password_in_an_address_is_not_shown(stage: Stage, checkout: Checkout) -> None:
    url = stage.world.git.url("gone.git").replace("://", "://person:hunter2@")
    git(stage.world.checkout, "remote", "set-url", "origin", url)
    with pytest.raises(XenbumpError) as caught:
        checkout.remote_tip("origin", BRANCH, TOKEN)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


# --- settings of the person's that must not matter
# -------------------------------------------------------------------------


def test_settings_of_the_person_s(stage: Stage, checkout: Checkout) -> None:
    folder = stage.world.checkout
    for key, value in {
        "push.followTags": "true",
        "push.default": "nothing",
        "log.showSignature": "true",
        "color.ui": "always",
        "core.autocrlf": "true",
        "status.showUntrackedFiles": "all",
        "core.quotePath": "true",
        "format.pretty": "fuller",
        "commit.template": "/nowhere",
        "remote.pushDefault": "elsewhere",
    }.items():
        git(folder, "config", key, value)
    git(folder, "tag", "--annotate", "--message", "mine", "mine")
    (folder / ".git" / "hooks").mkdir(exist_ok=True)
    (folder / ".git" / "hooks" / "pre-push").write_text("#!/bin/sh\nexit 1\n")
    (folder / ".git" / "hooks" / "pre-push").chmod(0o755)
    commit = committed(stage, checkout)
    assert checkout.read(commit, FILE) == b"edited"
    checkout.push("origin", BRANCH, commit, None, TOKEN)
    assert stage.world.in_packages("for-each-ref", "--format=%(refname)") == f"refs/heads/master\nrefs/heads/{BRANCH}"
    assert checkout.made_by_us("origin", BRANCH, commit, TOKEN)
    assert checkout.same_work(commit, commit)
    assert stat.S_ISREG((folder / FILE).stat().st_mode)
