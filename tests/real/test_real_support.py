"""The support of the real branches of Xen.

XENBUMP_REAL_XEN names a bare repository that has Xen's branches as of August 2026. The public table was compared with
these days in that month.
"""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump import process
from xenbump.demo.git_server import GitServer
from xenbump.upstream import git, support
from xenbump.upstream.repository import Repository
from xenbump.upstream.support import UNKNOWN, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN is not set")

# By branch: supported until, security support until.
TABLE = {
    "4.17": ("2024-06-12", "2027-12-12"),
    "4.18": ("2025-05-16", "2028-11-16"),
    "4.19": ("2026-01-29", "2029-07-29"),
    "4.20": ("2028-03-05", "2030-03-05"),
    "4.21": ("2028-11-19", "2030-11-19"),
    "4.22": ("2029-07-30", "2031-07-30"),
}
# The first branch that has the file.
FIRST = 10


@pytest.fixture(scope="module")
def server() -> Iterator[GitServer]:
    with GitServer() as running:
        running.mount("xen.git", Path(REAL))
        yield running


def show(revision: str) -> bytes | None:
    """SUPPORT.md of a revision; None where its tree has none."""
    done = process.run(
        ["git", f"--git-dir={REAL}", "cat-file", "blob", f"{revision}:SUPPORT.md"],
        env=git.environment(None),
        check=False,
    )
    return done.stdout if done.status == 0 else None


def test_the_windows_are_those_of_the_public_table(server: GitServer, tmp_path: Path) -> None:
    repository = Repository([server.url("xen.git")], tmp_path / "cache")
    found = support.windows(repository, repository.listing(), [*TABLE, "4.0"])
    assert found.pop("4.0") == UNKNOWN
    assert {
        branch: tuple(day and day.isoformat() for day in (window.supported_until, window.security_until))
        for branch, window in found.items()
    } == TABLE
    assert found["4.20"].initial_release == date(2025, 3, 5)


def test_every_stable_branch_can_be_read_and_the_oldest_say_nothing(server: GitServer, tmp_path: Path) -> None:
    refs = Repository([server.url("xen.git")], tmp_path / "cache").listing().refs
    minors = sorted(int(match[1]) for ref in refs if (match := re.fullmatch(r"refs/heads/stable-4\.(\d+)", ref)))
    assert len(minors) > FIRST
    for minor in minors:
        window = support.read(show(f"refs/heads/stable-4.{minor}"), f"stable-4.{minor}", f"4.{minor}")
        assert (window == UNKNOWN) == (minor < FIRST)
        assert window == UNKNOWN or None not in {window.initial_release, window.security_until}


def test_every_release_since_the_file_can_be_read(server: GitServer, tmp_path: Path) -> None:
    listing = Repository([server.url("xen.git")], tmp_path / "cache").listing()
    known = [one for one in listing.releases if int(one.branch.split(".")[1]) >= FIRST]
    undated = [one.tag for one in known if support.read(show(one.tag), one.tag, one.branch).initial_release is None]
    assert known
    assert undated == ["RELEASE-4.10.0"]


def test_the_unstable_tree_has_no_window_yet() -> None:
    unreleased = "Unreleased - not yet security-supported"
    assert support.read(show("refs/heads/master"), "master") == Window(status=unreleased)
