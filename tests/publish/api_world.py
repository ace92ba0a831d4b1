"""What the tests of a publication by GitHub's API alone share: the world, the change, and the way to publish it."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.git_world import FILE, FILES, FORK, REPO, GitWorld, standing
from tests.support.worlds import isolated_home
from xenbump.package.rewrite import Edit
from xenbump.publish import github as client
from xenbump.publish.access import Access
from xenbump.publish.by_api import ApiPlace
from xenbump.publish.github import GitHub, PullRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.config import Config

BRANCH = "xenbump/xen-4.20"
TEXT = "xen: 4.20.2 -> 4.20.3\n\nWhy: ä.\n\nAutomated-by: xenbump 0\n"
PATH, BASE_PATH = f"/repos/{FORK}", f"/repos/{REPO}"
REQUESTS = {
    "base": ("GET", f"{BASE_PATH}/git/ref/.*"),
    "base-commit": ("GET", f"{BASE_PATH}/git/commits/.*"),
    "base-tree": ("GET", f"{BASE_PATH}/git/trees/.*"),
    "tip": ("GET", f"{PATH}/git/ref/.*"),
    "compare": ("GET", f"{BASE_PATH}/compare/.*"),
    "blob": ("POST", f"{PATH}/git/blobs"),
    "tree": ("POST", f"{PATH}/git/trees"),
    "commit": ("POST", f"{PATH}/git/commits"),
    "make": ("POST", f"{PATH}/git/refs"),
    "move": ("PATCH", f"{PATH}/git/refs/.*"),
}
NEW = b'{ version = "4.20.3"; }\n'
BUMP = (Edit(FILE, FILES[FILE], NEW),)
WIDE = (
    *BUMP,
    Edit("pkgs/xen/crlf.txt", FILES["pkgs/xen/crlf.txt"], b"one\r\nthree\r\n"),
    Edit("pkgs/xen/data.bin", FILES["pkgs/xen/data.bin"], bytes(range(255, -1, -1))),
    Edit("pkgs/xen/run.sh", FILES["pkgs/xen/run.sh"], b"#!/bin/sh\ntrue\n"),
    Edit("pkgs/xen/old.patch", FILES["pkgs/xen/old.patch"], None),
    Edit("pkgs/xen/sub/only.patch", FILES["pkgs/xen/sub/only.patch"], None),
    Edit("pkgs/xen/was-never.patch", None, None),
    Edit("pkgs/xen/0001-large.patch", None, b"0123456789" * 10_000),
    Edit("pkgs/xen/empty", None, b""),
    Edit("new/deep/file", None, b"new\n"),
    Edit("pkgs/xen1", None, b"sorts between\n"),
)


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No git configuration of whoever runs the tests."""
    with isolated_home(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitWorld]:
    """A world whose exchanges are not checked, since they are many; those of `formal` are, one of each form."""
    with standing(tmp_path_factory.mktemp("world"), check=False) as made:
        yield made


@pytest.fixture
def world(shared: GitWorld) -> GitWorld:
    shared.reset()
    return shared


@pytest.fixture
def formal(tmp_path: Path) -> Iterator[GitWorld]:
    """A world whose every exchange is checked against GitHub's description of its API."""
    with standing(tmp_path / "formal", shares=False) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses."""
    monkeypatch.setattr(client, "_RETRY", client._RETRY.new(backoff_factor=0))
    monkeypatch.setattr(client, "_SLEEP", lambda _: None)


@contextmanager
def placed(world: GitWorld, config: Config | None = None, **more: Any) -> Iterator[ApiPlace]:
    config = config or world.config()
    github = GitHub(config.github_url, Access.of(config), REPO)
    try:
        with closing(ApiPlace(config, github, config.packages[0], **more)) as place:
            yield place
    finally:
        github.disconnect()


def published(world: GitWorld, edits: tuple[Edit, ...] = BUMP, text: str = TEXT) -> str:
    """What a publisher does with a place."""
    with placed(world) as place:
        tip = place.tip(BRANCH)
        if tip is not None and place.fits(edits, tip) and tip.text.rstrip("\n") == text.rstrip("\n"):
            return tip.commit
        commit = place.commit(edits, text)
        if tip is None or not place.same_work(commit, tip):
            place.push(BRANCH, commit, tip.commit if tip is not None else None)
        return commit


def merged(commit: str, head: str = "") -> PullRequest:
    return PullRequest(1, "", "", "", "closed", merged=True, draft=False, labels=(), head_sha=head, merge_commit=commit)
