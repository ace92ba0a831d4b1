"""The managed checkout: what it has, what it costs, and that it comes back whole from whatever was done to it."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.support.git_world import FILE, FILES, git
from tests.support.worlds import isolated_home
from xenbump import config as configuration
from xenbump.demo.git_server import Access, GitServer, Redirect, Reset, Status
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.package.rewrite import Edit
from xenbump.publish import clone
from xenbump.publish.by_git import GitPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.config import Config

REPO = "demo/packages"
TOKEN = "clone-token"
# The files of the folder, and those that lie directly in the folders above it.
SPARSE = {name for name in FILES if name.startswith("pkgs/xen/") or name.count("/") < 2}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No git configuration of whoever runs the tests."""
    with isolated_home(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a history, and a megabyte beside the package that nobody needs."""
    root = tmp_path_factory.mktemp("source")
    work = root / "work"
    for name, content in {**FILES, "pkgs/large/data": os.urandom(1_000_000)}.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    git(work, "init", "--quiet", "--initial-branch=master")
    (work / "pkgs/xen/run.sh").chmod(0o755)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "init")
    (work / "README").write_bytes(b"Packages!\n")
    git(work, "commit", "--quiet", "--all", "--message", "second")
    git(work, "branch", "release-25.11", "HEAD~1")
    return work


@pytest.fixture
def server(source: Path, tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "served" / "demo").mkdir(parents=True)
    shutil.copytree(source / ".git", tmp_path / "served" / "demo" / "packages.git")
    git(tmp_path / "served" / "demo" / "packages.git", "config", "core.bare", "true")
    with GitServer(tmp_path / "served", access=Access(login=("x-access-token", TOKEN), private=True)) as made:
        yield made


def configured(tmp_path: Path, server: GitServer, more: str = "", *, file: str = FILE, token: str = TOKEN) -> Config:
    path = tmp_path / "job" / "xenbump.toml"
    path.parent.mkdir(exist_ok=True)
    repository = "" if "repository" in more else f'repository = "{REPO}"\n'
    path.write_text(f'[[package]]\nname = "xen"\nfile = "{file}"\n[github]\n{repository}{more}\n')
    env = {
        "XENBUMP_STATE_DIR": str(tmp_path / "state"),
        "XENBUMP_GITHUB_URL": server.url("api/v3"),
        "XENBUMP_GITHUB_TOKEN": token,
    }
    return configuration.load(path, env)


def brought(config: Config, said: list[str] | None = None, *, base_branch: str = "") -> Path:
    told = said if said is not None else []
    return clone.managed(config, config.packages[0], told.append, base_branch=base_branch)


def files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


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


# --- damage -----------------------------------------------------------------------------------------------------------


def _truncate(root: Path) -> None:
    for pack in (root / ".git/objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:40])


def _forget_objects(root: Path) -> None:
    for file in (root / ".git/objects/pack").glob("*"):
        file.unlink()


def _replace_by_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("in the way")


def _hook(root: Path) -> None:
    hook = root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {root}/ran\nexit 1\n")
    hook.chmod(0o755)


def _empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "head": (lambda root: (root / ".git/HEAD").unlink(), True),
    "config": (lambda root: (root / ".git/config").write_text("[broken"), True),
    "index-lock": (lambda root: (root / ".git/index.lock").write_text(""), True),
    "shallow-lock": (lambda root: (root / ".git/shallow.lock").write_text(""), True),
    "no-git": (lambda root: shutil.rmtree(root / ".git"), True),
    "truncated": (_truncate, True),
    "objects": (_forget_objects, False),
    "a-file": (_replace_by_file, True),
    "empty": (_empty, True),
    "index": (lambda root: (root / ".git/index").write_bytes(b"DIRC"), False),
    "files": (lambda root: shutil.rmtree(root / "pkgs"), False),
    "edited": (lambda root: (root / FILE).write_text("edited"), False),
    "strange": (lambda root: (root / "pkgs/xen/strange").write_text("new"), False),
    "sparse": (lambda root: (root / ".git/info/sparse-checkout").write_text("/*\n"), False),
    "hook": (_hook, False),
}


def test_damage_is_mended(tmp_path: Path, server: GitServer) -> None:
    config = configured(tmp_path, server)
    root = brought(config)
    for name, (damage, anew) in DAMAGES.items():
        said: list[str] = []
        damage(root)
        assert brought(config, said) == root, name
        assert files(root) == SPARSE, name
        assert (root / FILE).read_bytes() == FILES[FILE], name
        assert any("is made anew" in one for one in said) is anew, (name, said)
        left = [path.name for path in root.parent.iterdir()]
        assert sorted(left) == [root.name, f"{root.name}.lock"], name


def test_many_packs_are_thrown_away(tmp_path: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    config, said = configured(tmp_path, server), list[str]()
    monkeypatch.setattr(clone, "_MOST_PACKS", 1)
    brought(config)
    brought(config, said)
    assert "has gathered many packs and is made anew" in said[0]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(502), "E-HTTP-STATUS"),
        (Status(403), "E-GIT-ACCESS"),
        (Status(404), "E-GIT-REPOSITORY"),
        (Redirect("http://127.0.0.1:9/x"), "E-REDIRECT"),
    ],
)
def test_a_fault_of_the_server_costs_no_clone(
    tmp_path: Path, server: GitServer, fault: Status | Redirect, code: str
) -> None:
    config = configured(tmp_path, server)
    root = brought(config)
    inode = root.stat().st_ino
    server.fail_next("info/refs", fault, times=5)
    with pytest.raises(XenbumpError) as caught:
        brought(config)
    assert isinstance(caught.value, (Failure, Refusal))
    assert caught.value.code == code
    assert root.stat().st_ino == inode
    server._service._faults.clear()
    assert files(brought(config)) == SPARSE


def test_a_first_clone_that_fails_leaves_nothing(tmp_path: Path, server: GitServer) -> None:
    config = configured(tmp_path, server)
    server.fail_next("git-upload-pack", Reset(), times=4)
    with pytest.raises(Failure):
        brought(config)
    assert [path.suffix for path in (tmp_path / "state" / "clones").iterdir()] == [".lock"]


def test_killed_half_way(tmp_path: Path, server: GitServer) -> None:
    """Killed at several moments, then run again: whole, and nothing is left over."""
    config = configured(tmp_path, server)
    program = (
        "from xenbump import config; from xenbump.publish import clone; from pathlib import Path\n"
        f"c = config.load(Path({str(config.path)!r}))\n"
        "print('begin', flush=True); clone.managed(c, c.packages[0], lambda _: None)"
    )
    env = {
        **os.environ,
        "XENBUMP_STATE_DIR": str(tmp_path / "state"),
        "XENBUMP_GITHUB_URL": config.github_url,
        "XENBUMP_GITHUB_TOKEN": TOKEN,
    }
    for seconds in (0.05, 0.15):
        with subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    root = brought(config)
    assert files(root) == SPARSE
    assert sorted(path.name for path in root.parent.iterdir()) == [root.name, f"{root.name}.lock"]


def test_two_at_once(tmp_path: Path, server: GitServer) -> None:
    config, roots = configured(tmp_path, server), list[Path]()
    threads = [threading.Thread(target=lambda: roots.append(brought(config))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(roots) == 3
    assert len(set(roots)) == 1
    assert files(roots[0]) == SPARSE


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
