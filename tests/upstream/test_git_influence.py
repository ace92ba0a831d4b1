"""What has no influence on git: the user's settings and passwords, and the programs that a repository names."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from xenbump.errors import Failure
from xenbump.process import run
from xenbump.upstream import git

if TYPE_CHECKING:
    from pathlib import Path


def test_git_itself_starts_no_helper(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    address = f"ext::touch {witness}"
    with pytest.raises(Failure):
        git.call(["ls-remote", "--", address], address=address)
    assert not witness.exists()
    # The same address does start one where all transports are allowed: the test tests something.
    run(["git", "ls-remote", address], env={"GIT_ALLOW_PROTOCOL": "ext"}, check=False)
    assert witness.exists()


def test_the_users_configuration_has_no_influence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, elsewhere = tmp_path / "there.git", tmp_path / "elsewhere.git"
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(there)])
    (tmp_path / ".gitconfig").write_text(f'[url "{elsewhere}"]\n\tinsteadOf = {there}\n[core]\n\tsshCommand = false\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{elsewhere}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(there))
    monkeypatch.setenv("GIT_DIR", str(elsewhere))
    # A plain git is led astray by it …
    assert run(["git", "ls-remote", str(there)], env=dict(os.environ), check=False).status != 0
    # … and ours is not.
    assert git.call(["ls-remote", "--", str(there)], address=str(there)).stdout == b""


def test_the_configuration_of_the_checkout_has_no_influence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, checkout = tmp_path / "there.git", tmp_path / "checkout"
    run(["git", "init", "--quiet", "--bare", str(there)])
    run(["git", "init", "--quiet", str(checkout)])
    run(["git", "-C", str(checkout), "config", f"url.{tmp_path}/elsewhere.insteadOf", str(there)])
    monkeypatch.chdir(checkout)
    assert run(["git", "ls-remote", str(there)], check=False).status != 0
    assert git.call(["ls-remote", "--", str(there)], address=str(there)).stdout == b""
    assert b"file:" not in git.call(["config", "--list", "--show-origin"]).stdout


def test_no_hook_of_a_store_runs(tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(["git", "init", "--quiet", "--bare", str(store)])
    hook = store / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/witness\n")
    hook.chmod(0o755)
    git.call(["symbolic-ref", "HEAD", "refs/heads/x"], repository=store)
    git.call(["update-ref", "--no-deref", "refs/x/y", "0" * 40], repository=store)
    assert not (tmp_path / "witness").exists()


def canary(folder: Path) -> tuple[Path, Path]:
    """A program that leaves a trace, whichever arguments it is called with, and where that is."""
    program, trace = folder / "evil", folder / "trace"
    program.write_text(f"#!/bin/sh\ntouch {trace}\nexit 1\n")
    program.chmod(0o755)
    return program, trace


def made(folder: Path, *arguments: str) -> Path:
    """A repository with one commit, which has a file."""
    run(["git", "init", "--quiet", "--initial-branch=main", *arguments, str(folder)])
    person = {f"GIT_{role}_{what}": "a@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    call = ["git", f"--git-dir={folder}"]
    blob = run([*call, "hash-object", "-w", "--stdin"], stdin=b"x\n").stdout.decode().strip()
    tree = run([*call, "mktree"], stdin=f"100644 blob {blob}\tfile\n".encode()).stdout.decode().strip()
    commit = run([*call, "commit-tree", "-m", "x", tree], env=person).stdout.decode().strip()
    run([*call, "update-ref", "refs/heads/main", commit])
    run([*call, "config", "uploadpack.allowFilter", "true"])
    return folder


def fetched(address: str, store: Path, *extent: str) -> None:
    git.call(["init", "--quiet", "--bare", "--template=", str(store)])
    wanted = "+refs/heads/main:refs/x"
    git.call(["fetch", "--quiet", *extent, "--", address, wanted], address=address, repository=store)


def test_no_program_that_a_caller_names_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = made(tmp_path / "there.git", "--bare")
    program, trace = canary(tmp_path)
    templates = tmp_path / "templates"
    (templates / "hooks").mkdir(parents=True)
    (templates / "hooks" / "reference-transaction").write_bytes(program.read_bytes())
    (templates / "hooks" / "reference-transaction").chmod(0o755)
    settings = (
        f"[core]\n\tfsmonitor = {program}\n\thooksPath = {templates}/hooks\n\tsshCommand = {program}\n"
        f"\tgitProxy = {program}\n\tattributesFile = {tmp_path}/attributes\n[credential]\n\thelper = {program}\n"
        f"[uploadpack]\n\tpackObjectsHook = {program}\n[init]\n\ttemplateDir = {templates}\n"
        f"[http]\n\tsslVerify = false\n[alias]\n\tfetch-pack = !{program}\n"
    )
    for name in (".gitconfig", "system"):
        (tmp_path / name).write_text(settings)
    for name, value in {
        "HOME": str(tmp_path),
        "GIT_CONFIG_SYSTEM": str(tmp_path / "system"),
        "GIT_CONFIG_PARAMETERS": f"'uploadpack.packobjectshook'='{program}'",
        "GIT_TEMPLATE_DIR": str(templates),
        "GIT_PROXY_COMMAND": str(program),
        "GIT_EXTERNAL_DIFF": str(program),
        "GIT_SSH": str(program),
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_TRACE": str(trace),
        "GIT_SSL_NO_VERIFY": "1",
        "BASH_ENV": str(program),
    }.items():
        monkeypatch.setenv(name, value)
    fetched(str(there), tmp_path / "ours.git")
    assert not (tmp_path / "ours.git" / "hooks").exists()
    with pytest.raises(Failure):
        git.call(["ls-remote", "--", "ssh://127.0.0.1:1/x"], address="ssh://127.0.0.1:1/x")
    assert not trace.exists()
    known = git.call(["config", "--list"]).stdout.decode()
    assert "http.sslverify=true" in known
    assert str(tmp_path) not in known
    # Git as it is does start it: the test tests something.
    monkeypatch.delenv("GIT_EXEC_PATH")
    monkeypatch.delenv("GIT_TRACE")
    run(
        ["git", "clone", "--quiet", "--bare", f"file://{there}", str(tmp_path / "plain")],
        env=dict(os.environ),
        check=False,
    )
    assert trace.exists()


@pytest.mark.parametrize("setting", ["remote.origin.uploadpack", "uploadpack.packObjectsHook", "core.fsmonitor"])
@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_no_program_of_a_repository_on_a_path_is_started(setting: str, form: str, tmp_path: Path) -> None:
    whole = made(tmp_path / "whole.git", "--bare")
    there = tmp_path / "there.git"
    run(["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{whole}", str(there)])
    program, trace = canary(tmp_path)
    run(["git", f"--git-dir={there}", "config", setting, str(program)])
    for name in ("post-upload", "pre-upload", "reference-transaction"):
        (there / "hooks" / name).write_bytes(program.read_bytes())
        (there / "hooks" / name).chmod(0o755)
    # What it lacks it would fetch, by the program that its own configuration names.
    with pytest.raises(Failure):
        fetched(form.format(there), tmp_path / "ours.git")
    assert not trace.exists()
    if setting.startswith("remote"):
        lax = {"GIT_NO_LAZY_FETCH": "0", "GIT_ALLOW_PROTOCOL": "file"}
        run(["git", "clone", "--quiet", "--bare", f"file://{there}", str(tmp_path / "x")], env=lax, check=False)
        assert trace.exists()


@pytest.mark.parametrize(
    "setting",
    [
        *('[url "/elsewhere"]\n\tinsteadOf = {there}', "[core]\n\tfsmonitor = {evil}", "[include]\n\tpath = {there}/x"),
        *(
            "[core]\n\talternateRefsCommand = {evil}",
            "[core]\n\thooksPath = /x",
            "[http]\n\tproxy = http://127.0.0.1:1",
        ),
        *('[remote "x"]\n\tvcs = evil', '[remote "x"]\n\tuploadpack = {evil}', "[extensions]\n\tworktreeConfig = true"),
        *(
            '[credential "https://x"]\n\thelper = {evil}',
            "[transfer]\n\tbundleURI = true",
            "[diff]\n\texternal = {evil}",
        ),
        *(
            "[core] fsmonitor = {evil}",
            "[CORE]\n\tFSMonitor = {evil}",
            "[core]\n    fsmonitor = {evil}",
            "[core]\n\tfsmonitor",
        ),
        *(
            "[core]\n\tbare = true\\\n\n\tfsmonitor = {evil}",
            '[core]\n\tbare = "true\n\tx"',
            "[http.a]\n\tproxy = x",
            "\0",
        ),
    ],
)
def test_a_store_with_settings_that_are_not_its_own_is_not_used(setting: str, tmp_path: Path) -> None:
    there = made(tmp_path / "there.git", "--bare")
    program, trace = canary(tmp_path)
    store = tmp_path / "store.git"
    fetched(str(there), store)
    with (store / "config").open("a") as config:
        config.write(setting.format(there=there, evil=program) + "\n")
    with pytest.raises(Failure) as caught:
        git.call(["fetch", "--", str(there), "main"], address=str(there), repository=store)
    assert (caught.value.code, caught.value.where) == ("E-OBJECT", str(store))
    assert not trace.exists()


@pytest.mark.parametrize(
    "name", ["commondir", "info/attributes", "info/grafts", "objects/info/alternates", "config.worktree"]
)
def test_a_store_that_leads_elsewhere_is_not_used(name: str, tmp_path: Path) -> None:
    store = tmp_path / "store.git"
    git.call(["init", "--quiet", "--bare", "--template=", str(store)])
    git.refuse_foreign(store)
    (store / name).parent.mkdir(exist_ok=True)
    (store / name).symlink_to("nowhere")
    with pytest.raises(Failure, match=name) as caught:
        git.refuse_foreign(store)
    assert caught.value.code == "E-OBJECT"


@pytest.mark.parametrize("extent", [(), ("--depth=1",), ("--filter=blob:none",), ("--depth=1", "--filter=tree:0")])
def test_a_store_as_git_makes_it_is_used(extent: tuple[str, ...], tmp_path: Path) -> None:
    there = made(tmp_path / 'th "ere" \\ #;.git', "--bare")
    store = tmp_path / "store.git"
    fetched(f"file://{there}", store, *extent)
    git.refuse_foreign(store)
    assert git.call(["for-each-ref", "--format=%(refname)"], repository=store).stdout == b"refs/x\n"


class _Asking(BaseHTTPRequestHandler):
    """Wants a password, and notes what it is given."""

    given: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        """Refuse."""
        self.given.append(self.headers["Authorization"])
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Say nothing."""


def test_no_password_of_the_user_goes_to_the_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _Asking.given.clear()
    with HTTPServer(("127.0.0.1", 0), _Asking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/x.git"
        with pytest.raises(Failure) as caught:
            git.call(["ls-remote", "--", address], address=address)
        ours = list(_Asking.given)
        run(["git", "ls-remote", address], env={"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}, check=False)
        server.shutdown()
        thread.join()
    assert caught.value.code == "E-GIT-ACCESS"
    # An empty name and password: what `true` answers for them.
    assert set(ours) <= {None, "Basic Og=="}
    assert any(given not in {None, "Basic Og=="} for given in _Asking.given)
