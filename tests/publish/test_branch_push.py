"""The git side, with the real git: whose a commit is, the push, where the token goes, settings that must not matter."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from tests.publish.checkouts import SECRET, TEXT, committed, git, refused
from tests.support.worlds import BRANCH
from xenbump.demo.git_server import Access, GitServer, Redirect, Status, isolated_git
from xenbump.demo.world import FILE, TOKEN
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.publish.git_calls import authorisation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.publish.branch import Checkout

# --- the push
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["author", "committer", "trailer"])
def test_a_commit_is_ours_only_with_author_committer_and_trailer(stage: Stage, checkout: Checkout, who: str) -> None:
    text = TEXT if who != "trailer" else "xen: a -> b\n\nI quote: Automated-by: xenbump\n"
    env = {**os.environ, **isolated_git({"user.name": "xenbump demo", "user.email": "demo@localhost"})}
    if who != "trailer":
        env[f"GIT_{who.upper()}_EMAIL"] = "person@localhost"
    argv = ["git", "-C", str(stage.world.checkout), "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", text]
    theirs = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.strip()
    assert not checkout.is_ours(checkout.facts(theirs))
    assert checkout.is_ours(checkout.facts(committed(stage, checkout)))


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


@pytest.mark.parametrize("name", ["", "HEAD", "0" * 39, "\x1b[2J"])
def test_what_is_no_commit_is_not_pushed(stage: Stage, checkout: Checkout, name: str) -> None:
    """An empty name, which a git that fails without saying so gives, would delete the branch."""
    first = committed(stage, checkout)
    checkout.push("origin", BRANCH, first, None, TOKEN)
    stage.forget()
    refused(Failure, "E-GIT", checkout.push, "origin", BRANCH, name, first, TOKEN)
    assert (stage.tip(), stage.pushes) == (first, 0)


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
    assert SECRET not in str(authorisation(url, TOKEN))
    assert SECRET in str(authorisation("https://example.org/x.git", TOKEN))
    assert SECRET not in str(authorisation("https://example.org/x.git", ""))


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
    assert checkout.is_ours(checkout.facts(commit))
    assert checkout.same_work(commit, commit)
    assert stat.S_ISREG((folder / FILE).stat().st_mode)
