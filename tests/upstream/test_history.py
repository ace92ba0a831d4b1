"""What a history says: what is fixed, with a baseline or without, which other commits it has; and the real Xen."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from xenbump.demo.git_server import isolated_git
from xenbump.demo.xen_project import Release, XenProject, build
from xenbump.process import run
from xenbump.upstream import history, release
from xenbump.upstream.markers import fixes
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.signing import SigningKey
    from xenbump.upstream.history import Fixes
    from xenbump.upstream.model import Listing

T = TypeVar("T")
REAL = os.environ.get("XENBUMP_REAL_XEN", "")
real = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN does not name a repository")


class Notes:
    """A memory that counts what was worked out."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.worked = 0

    def step(self, package: str, name: str, given: object, kind: type[T], work: Callable[[], T]) -> T:  # noqa: ARG002
        key = json.dumps([name, given])
        if key not in self.known:
            self.worked += 1
            self.known[key] = work()
        found: T = self.known[key]
        return found


@pytest.fixture(scope="module")
def project(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> XenProject:
    """4.19 and 4.20 with fixes: 1 on master before both, 2 between them, 3 on 4.20 alone, 4 on 4.19 alone."""
    xen = build(tmp_path_factory.mktemp("history") / "xen.git", key, [Release("4.18.0")])
    xen.add_commit("master", {}, "one\n\nThis is XSA-1.")
    xen.add_release("4.19.0")
    xen.add_commit("master", {}, "two\n\nThis is part of XSA-2.")
    xen.add_commit("master", {}, "two again\n\nThis is part of CVE-2026-12345 / XSA-2.")
    xen.add_release("4.20.0")
    xen.add_commit("4.20", {}, "three\n\nThis is XSA-3.")
    xen.add_commit("4.19", {}, "four\n\nThis is XSA-4.")
    xen.add_commit("master", {}, "five\n\nThis is XSA-5.")
    xen.add_commit("4.20", {}, "a mention\n\nThis mends XSA-6.")
    return xen


@pytest.fixture
def repository(project: XenProject, tmp_path: Path) -> Repository:
    return Repository([str(project.path)], tmp_path / "cache")


def of_tip(repository: Repository, listing: Listing, branch: str, notes: Notes) -> Fixes:
    ref = f"refs/heads/stable-{branch}"
    return history.fixed_in(repository, listing, listing.refs[ref], ref, branch=branch, memory=notes)


def test_the_whole_history_where_nothing_is_known_of_it(repository: Repository) -> None:
    listing, notes = repository.listing(), Notes()
    found = {branch: of_tip(repository, listing, branch, notes) for branch in ("4.18", "4.19", "4.20")}
    assert {branch: sorted(one.numbers) for branch, one in found.items()} == {
        "4.18": [],
        "4.19": [1, 4],
        "4.20": [1, 2, 3],
    }
    assert all((one.before, one.point) == ((), "") for one in found.values())
    assert {number: len(oids) for number, oids in found["4.20"].commits.items()} == {1: 1, 2: 2, 3: 1}
    assert all(re.fullmatch(r"[0-9a-f]{40}", oid) for oids in found["4.20"].commits.values() for oid in oids)
    assert all(history.cut_of(branch, listing) is None for branch in found)


def test_a_release_has_what_came_before_it_only(repository: Repository, project: XenProject) -> None:
    listing, notes = repository.listing(), Notes()
    of_tip(repository, listing, "4.20", notes)
    tag = "RELEASE-4.20.0"
    commit, ref = listing.find(tag)
    assert commit == project.commits[tag]
    assert sorted(history.fixed_in(repository, listing, commit, ref, branch="4.20", memory=notes).numbers) == [1, 2]
    of_tip(repository, listing, "4.20", notes)
    assert notes.worked == 2  # a commit's history never changes


def cuts(project: XenProject, tag_object: str) -> tuple[Any, ...]:
    """A baseline for 4.19 in the form of the shipped one, with an advisory that no commit names."""
    argv = ["git", f"--git-dir={project.path}", "rev-parse", "RELEASE-4.19.0", "4.19.0-branched"]
    tag, point = run(argv, env=isolated_git()).stdout.decode().split()
    first = history._cuts()[0]
    one = type(first)("4.19", "RELEASE-4.19.0", tag_object or tag, point, first.cut, (1, 99))
    return (one,)


def test_behind_a_baseline_only_the_rest_is_fetched(
    repository: Repository, project: XenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = cuts(project, "")
    monkeypatch.setattr(history, "_cuts", lambda: known)
    listing, notes = repository.listing(), Notes()
    found = of_tip(repository, listing, "4.20", notes)
    assert (sorted(found.commits), found.before, found.point) == ([2, 3], (1, 99), known[0].point)
    assert found.numbers == {1, 2, 3, 99}
    (store,) = (tmp_path / "cache").glob("*/history-4.20.git")
    have = run(["git", f"--git-dir={store}", "log", "--format=%s", found.commits[3][0]], env=isolated_git()).stdout
    assert b"two again" in have
    assert b"one\n" not in have
    # The branch itself, and older ones, do not begin behind their own baseline.
    assert of_tip(repository, listing, "4.19", notes).numbers == {1, 4}
    assert history.cut_of("4.19", listing) == known[0].cut
    assert history.cut_of("4.20", listing) is None


def test_a_baseline_of_another_tag_object_is_not_used(
    repository: Repository, project: XenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = cuts(project, "0" * 40)
    monkeypatch.setattr(history, "_cuts", lambda: other)
    listing = repository.listing()
    found = of_tip(repository, listing, "4.20", Notes())
    assert (sorted(found.numbers), found.before, found.point) == ([1, 2, 3], (), "")
    assert history.cut_of("4.19", listing) is None


def test_the_shipped_baseline_is_of_the_published_tags() -> None:
    shipped = history._cuts()
    tags = (Path(__file__).parents[1] / "data" / "tags.txt").read_text().splitlines()
    published = {line.split()[0]: line.split()[1] for line in tags[1:]}
    for one in shipped:
        assert (one.tag, published[one.tag]) == (f"RELEASE-{one.branch}.0", one.tag_object)
    branches = [one.branch for one in shipped]
    assert branches == sorted(branches, key=release.order)
    assert branches[0] == "4.12"
    assert branches[-1] == "4.22"
    for earlier, later in itertools.pairwise(shipped):
        assert earlier.cut < later.cut
        assert set(earlier.fixed) < set(later.fixed)


# --- other commits ---------------------------------------------------------------------------------------------------


class Backports:
    """A commit on master, and what 4.20 has of it: messages on 4.20 with `{}` for that commit, oldest first."""

    def __init__(self, xen: XenProject) -> None:
        self.xen = xen
        self.wanted = xen.add_commit("master", {}, "x86: fix it\n\nIt was wrong.")

    def on_stable(self, *messages: str) -> list[str]:
        return [self.xen.add_commit("4.20", {}, message.format(self.wanted)) for message in messages]


@pytest.fixture
def backports(key: SigningKey, tmp_path: Path) -> Backports:
    return Backports(build(tmp_path / "xen.git", key, [Release("4.19.0"), Release("4.20.0")]))


def asked(backports: Backports, folder: Path, wanted: str, *, branch: str = "4.20", notes: Notes | None = None) -> Any:
    repository = Repository([str(backports.xen.path)], folder / "cache")
    listing, ref = repository.listing(), f"refs/heads/stable-{branch}"
    given = (repository, listing, listing.refs[ref], ref)
    return history.has_commit(*given, branch=branch, memory=notes or Notes(), wanted=wanted)


@pytest.mark.parametrize("line", ["master commit: {}", "(cherry picked from commit {})"])
def test_a_backport_is_found(line: str, backports: Backports, tmp_path: Path) -> None:
    _, found, _ = backports.on_stable("before", f"x86: fix it\n\n{line}", "behind")
    assert asked(backports, tmp_path, backports.wanted) == found
    assert asked(backports, tmp_path, found) == found
    assert asked(backports, tmp_path, backports.wanted, branch="4.19") is None


def test_a_mention_is_no_backport(backports: Backports, tmp_path: Path) -> None:
    notes = Notes()
    backports.on_stable("x86: mend it\n\nFixes: {}", "x86: undo it\n\nThis reverts commit {}.")
    for _ in range(2):
        assert asked(backports, tmp_path, backports.wanted, notes=notes) is None
    assert notes.worked == 1
    assert asked(backports, tmp_path, "0" * 40, notes=notes) is None
    assert notes.worked == 2


def test_a_backport_that_was_taken_back(backports: Backports, tmp_path: Path) -> None:
    (first,) = backports.on_stable("x86: fix it\n\nmaster commit: {}")
    backports.on_stable(f"Revert it\n\nThis reverts commit {first[:12]}, which broke it.")
    assert asked(backports, tmp_path, backports.wanted) is None
    assert asked(backports, tmp_path, first) is None
    (again,) = backports.on_stable("x86: fix it\n\nmaster commit: {}")
    assert asked(backports, tmp_path, backports.wanted) == again
    # A revert on master, brought over, names master's commit.
    backports.on_stable(f"Revert it\n\nThis reverts commit {{}}.\n\nmaster commit: {'3' * 40}")
    assert asked(backports, tmp_path, backports.wanted) is None


def test_what_a_commit_descends_from(backports: Backports, tmp_path: Path) -> None:
    first, second = backports.on_stable("one", "two")
    xen = backports.xen
    repository = Repository([str(xen.path)], tmp_path / "cache")
    listing, ref = repository.listing(), "refs/heads/stable-4.20"

    def descends(commit: str, ancestor: str) -> bool:
        return history.descends(repository, listing, commit, ref, ancestor, branch="4.20")

    assert listing.refs[ref] == second
    assert descends(second, xen.commits["RELEASE-4.20.0"])
    assert descends(second, second)
    assert descends(second, first)
    assert not descends(first, second)
    assert not descends(second, xen.commits["RELEASE-4.19.0"])
    assert not descends(second, backports.wanted)


# --- the real repository ---------------------------------------------------------------------------------------------


@real
def test_the_shipped_baseline_is_what_the_tool_writes() -> None:
    tool = Path(__file__).parents[2] / "tools" / "fixed_before.py"
    written = run([sys.executable, str(tool), REAL], env=dict(os.environ), timeout=300).stdout
    assert written == (resources.files("xenbump.upstream") / "fixed-before.json").read_bytes()


def marked(commit: str) -> frozenset[int]:
    """What the commits of a whole history say."""
    argv = ["git", f"--git-dir={REAL}", "log", "-z", "--format=%B", commit]
    log = run(argv, env=isolated_git(), timeout=300).stdout.decode("utf-8", "replace")
    return frozenset().union(*map(fixes, log.split("\0")))


@pytest.fixture(scope="module")
def real_repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, Listing]:
    repository = Repository([REAL], tmp_path_factory.mktemp("real"))
    return repository, repository.listing()


@real
def test_the_short_history_says_what_the_whole_one_says(real_repository: tuple[Repository, Listing]) -> None:
    repository, listing = real_repository
    notes, compared = Notes(), 0
    for one in reversed(listing.releases):  # the newest of a branch brings the others along
        if one.commit is None or release.order(one.branch) < release.order("4.13"):
            continue
        ref = f"refs/tags/{one.tag}"
        found = history.fixed_in(repository, listing, one.commit, ref, branch=one.branch, memory=notes)
        assert found.point, one.version
        assert found.numbers == marked(one.commit), one.version
        compared += 1
    assert compared >= 60
