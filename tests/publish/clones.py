"""A repository behind a server that wants a token, and the managed checkout of one folder of it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.git_world import FILE, FILES, git
from tests.support.worlds import isolated_home
from xenbump import config as configuration
from xenbump.demo.git_server import Access, GitServer
from xenbump.publish import clone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
