"""The managed checkout: what it has, what it costs, and that its token is in the environment alone."""

from __future__ import annotations

import base64
import os
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.publish.clones import REPO, SPARSE, TOKEN, brought, configured, files, home, server, source
from tests.support.git_world import FILE, FILES, git
from xenbump.demo.git_server import GitServer
from xenbump.errors import Failure, UsageError
from xenbump.package.rewrite import Edit
from xenbump.publish import clone
from xenbump.publish.by_git import GitPlace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["home", "server", "source"]


def newer(tmp_path: Path, name: str = FILE, content: bytes = b"newer\n") -> str:
    """Let the base branch go on."""
    work, bare = tmp_path / "hand", tmp_path / "served" / "demo" / "packages.git"
    if not work.exists():
        git(tmp_path, "clone", "--quiet", str(bare), str(work))
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "newer")
    git(work, "push", "--quiet", str(bare), "HEAD:master")
    return git(work, "rev-parse", "HEAD")


def test_one_folder_one_commit_deep_without_contents(tmp_path: Path, server: GitServer) -> None:
    said: list[str] = []
    root = brought(configured(tmp_path, server), said)
    assert root.parent == tmp_path / "state" / "clones"
    assert files(root) == SPARSE
    assert {name: (root / name).read_bytes() for name in SPARSE} == {**_sparse(), "README": b"Packages!\n"}
    assert os.access(root / "pkgs/xen/run.sh", os.X_OK)
    assert git(root, "rev-list", "--count", "HEAD") == "1"
    assert git(root, "config", "remote.origin.url") == server.url(f"{REPO}.git")
    assert git(root, "status", "--porcelain") == ""
    absent = git(root, "rev-list", "--objects", "--missing=print", "HEAD").count("\n?")
    assert absent == len(FILES) + 1 - len(SPARSE)
    # What was said is what the server has sent, but for the protocol around it.
    received = int(said[-1].split(": ")[1].split(" bytes")[0].replace(",", ""))
    assert said[-1] == f"{REPO}: {received:,} bytes received, {len(SPARSE)} files checked out"
    assert received < server.bytes_out < received + 10_000 < 1_000_000


def _sparse() -> dict[str, bytes]:
    return {name: FILES[name] for name in SPARSE}


def test_the_second_run_fetches_what_is_new(tmp_path: Path, server: GitServer) -> None:
    config, said = configured(tmp_path, server), list[str]()
    root = brought(config)
    before = git(root, "rev-parse", "HEAD")
    assert brought(config, said) == root
    # An empty pack: the header and the checksum.
    assert said == [f"{REPO}: 32 bytes received, {len(SPARSE)} files checked out"]
    brought(config)
    assert len(list((root / ".git/objects/pack").glob("*.pack"))) <= 3
    commit = newer(tmp_path)
    server.reset_counters()
    brought(config, said)
    assert (root / FILE).read_bytes() == b"newer\n"
    assert git(root, "rev-parse", "HEAD", "refs/remotes/origin/master").split() == [commit] * 2 != [before] * 2
    assert git(root, "rev-list", "--count", "HEAD") == "1"
    received = int(said[-1].split(": ")[1].split(" bytes")[0].replace(",", ""))
    assert 0 < received < server.bytes_out
    assert received < 2000


def test_another_base_branch_and_another_folder(tmp_path: Path, server: GitServer) -> None:
    config = configured(tmp_path, server)
    root = brought(config)
    assert brought(config, base_branch="release-25.11") == root
    assert (root / "README").read_bytes() == b"Packages\n"
    assert git(root, "rev-parse", "HEAD") == git(root, "rev-parse", "refs/remotes/origin/release-25.11")
    elsewhere = brought(configured(tmp_path, server, file="pkgs/xen0/default.nix"))
    assert elsewhere != root
    assert "pkgs/xen0/default.nix" in files(elsewhere)
    assert FILE not in files(elsewhere)
    top = brought(configured(tmp_path, server, file="README"))
    assert files(top) == {"README"}


def test_a_place_over_it(tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "EMAIL"):
        monkeypatch.setenv(name, "demo@localhost")
    config = configured(tmp_path, server)
    root = brought(config)
    place = GitPlace(config, root / FILE, root=root)
    try:
        assert place.content() == FILES[FILE]
        assert place.base == git(root, "rev-parse", "HEAD")
        assert place.names(".") == tuple(sorted({name.split("/")[2] for name in SPARSE if name.count("/") > 1}))
        commit = place.commit((Edit(FILE, FILES[FILE], b"1\n"),), "text\n")
        assert git(root, "show", f"{commit}:{FILE}") == "1"
    finally:
        place.close()


def test_a_server_that_does_not_filter(source: Path, tmp_path: Path) -> None:
    bare = tmp_path / "served" / "demo" / "packages.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(bare))
    with GitServer(tmp_path / "served", allow_filter=False) as server:
        said: list[str] = []
        root = brought(configured(tmp_path, server, token=""), said)
    assert files(root) == SPARSE
    assert git(root, "rev-list", "--count", "HEAD") == "1"
    assert "1.0 MB received" in said[-1]


def test_from_a_path_with_a_fork(source: Path, tmp_path: Path, server: GitServer) -> None:
    bare = tmp_path / "elsewhere" / "demo" / "packages.git"
    bare.parent.mkdir(parents=True)
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(bare))
    config = configured(tmp_path, server, f'git = "../elsewhere/{REPO}.git"\nfork = "bot/packages"')
    root = brought(config)
    assert files(root) == SPARSE
    fork = git(root, "config", "remote.fork.url")
    assert fork.endswith("/elsewhere/bot/packages.git")


@pytest.mark.parametrize(
    ("url", "more", "expected"),
    [
        ("https://api.github.com", "", ["https://github.com/demo/packages.git"]),
        ("https://api.corp.ghe.com", "", ["https://corp.ghe.com/demo/packages.git"]),
        ("https://git.corp/api/v3", "", ["https://git.corp/demo/packages.git"]),
        ("https://git.corp/a/api/v3", 'fork = "x/y"', ["https://git.corp/a/demo/packages.git", "https://git.corp/a/x/y.git"]),
        (
            "https://api.github.com",
            'git = "git@mirror:demo/packages"\nfork = "x/y"',
            ["git@mirror:demo/packages", "git@mirror:x/y"],
        ),
    ],
)  # fmt: skip
def test_where_the_repositories_lie(
    tmp_path: Path, server: GitServer, url: str, more: str, expected: list[str]
) -> None:
    config = msgspec.structs.replace(configured(tmp_path, server, more), github_url=url)
    assert list(clone.addresses(config).values()) == expected


@pytest.mark.parametrize(
    ("more", "file", "code"),
    [
        ('base = "absent"', FILE, "E-BASE"),
        ('repository = ""', FILE, "E-CONFIG"),
        ("", "../package.nix", "E-NOT-CHECKOUT"),
        ('git = "ext::sh -c true"', FILE, "E-GIT-ADDRESS"),
        ('git = "https://u:p@host/demo/packages"', FILE, "E-GIT-ADDRESS"),
        ('git = "https://host/mirror.git"\nfork = "x/y"', FILE, "E-REMOTE"),
    ],
)
def test_what_cannot_be_cloned(tmp_path: Path, server: GitServer, more: str, file: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        brought(configured(tmp_path, server, more, file=file))
    assert caught.value.code == code
    assert not list((tmp_path / "state").glob("clones/*.new-*"))


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_the_token_is_in_the_environment_alone(
    tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_, log = tmp_path / "bin", tmp_path / "arguments"
    bin_.mkdir()
    real = shutil.which("git")
    (bin_ / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec {real} "$@"\n')
    (bin_ / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    said: list[str] = []
    config = configured(tmp_path, server)
    root = brought(config, said)
    secret = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    written = [path.read_bytes() for path in root.parent.rglob("*") if path.is_file()]
    for text in [*written, log.read_bytes(), "\n".join(said).encode()]:
        assert TOKEN.encode() not in text
        assert secret.encode() not in text
    with pytest.raises(Failure) as caught:
        brought(configured(tmp_path, server, token="wrong-token"))
    assert caught.value.code == "E-GIT-ACCESS"
    assert "wrong-token" not in str(caught.value)


def test_git_around_it_changes_nothing(tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a hook of another repository, with a user's settings that would change the files."""
    other = tmp_path / "state"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    template = tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    settings = {"core.autocrlf": "true", "init.templateDir": str(template), "core.hooksPath": str(template / "hooks")}
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    root = brought(configured(tmp_path, server))
    assert (root / "pkgs/xen/crlf.txt").read_bytes() == FILES["pkgs/xen/crlf.txt"]
    assert (root / FILE).read_bytes() == FILES[FILE]
    assert not (other / "index").exists()
    shutil.rmtree(root / ".git")
    assert files(brought(configured(tmp_path, server))) == SPARSE
