"""Advisories with the tables of real ones, and a real one, judged on the releases of the real Xen repository."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.advisories import DATA, real, resolutions
from xenbump.demo.advisory_text import render
from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xenbits import Shelf
from xenbump.journal import Journal
from xenbump.judge import Judge, Tree
from xenbump.plan.model import Verdict
from xenbump.process import run
from xenbump.upstream import release, signature
from xenbump.upstream.library import Library
from xenbump.upstream.markers import fixes
from xenbump.upstream.repository import Repository
from xenbump.upstream.signature import Trust
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.plan.model import Decision
    from xenbump.upstream.release import Release

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN does not name a repository")
OTHER_TREE = {478, 482, 487}
PROJECT_KEY = "23E3222C145F4475FA8060A783FE14C957E82BD9"


def history_of(commit: str) -> frozenset[int]:
    """The truth: what all commits up to this one say."""
    argv = ["git", f"--git-dir={REAL}", "log", "-z", "--format=%B", commit]
    log = run(argv, env=isolated_git(), timeout=300).stdout.decode("utf-8", "replace")
    return frozenset().union(*map(fixes, log.split("\0")))


class Court:
    """The judge, the releases from 4.16 on, and each one's decisions."""

    def __init__(self, judge: Judge, releases: list[Release], published: set[int]) -> None:
        self.judge = judge
        self.releases = releases
        self.published = published
        self._decided: dict[str, dict[int, Decision]] = {}

    def on(self, one: Release) -> dict[int, Decision]:
        if one.version not in self._decided:
            tree = Tree(one.version, one.branch, one.commit or "", f"refs/tags/{one.tag}")
            self._decided[one.version] = {found.xsa: found for found in self.judge.decisions(tree)}
        return self._decided[one.version]

    def of_branch(self, branch: str) -> list[Release]:
        return [one for one in self.releases if one.branch == branch]


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    folder = tmp_path_factory.mktemp("real")
    repository = Repository([REAL], folder / "cache")
    listing = repository.listing()
    releases = [one for one in listing.releases if one.commit and release.order(one.branch) >= release.order("4.16")]
    with SigningKey() as key, Journal(folder / "state").run("test") as journal:
        # Without their patches: what the tree says is not asked here, so that git alone is compared with git.
        shelf = Shelf(folder / "xsa", key)
        tables = {fact["xsa"]: fact for fact in resolutions()}
        for number, fact in tables.items():
            advisory = real(fact)
            shelf.put(number, key.clearsign(render(advisory)))
            shelf.listed(number, version=advisory.version, title=advisory.title, public_time=fact["public"])
        marked = frozenset().union(*(history_of(releases[-1].commit or ""), *(history_of(f"stable-{b}") for b in
                                   {one.branch for one in releases})))  # fmt: skip
        for number in sorted(marked - tables.keys() - {509}):
            shelf.add(number, [(f"xsa{number}.patch", "xen-unstable - Xen 4.17.x", [f"xsa{number}.patch"])])
            (shelf.folder / f"xsa{number}.patch").unlink()
        shelf.add(496, [("xsa496.patch", "xen-unstable - Xen 4.21.x")])
        (shelf.folder / "xsa496.patch").unlink()
        shelf.put(509, (DATA / "advisory-509.txt").read_bytes())
        shelf.listed(509, version=3, title="x86: DMs may cause mem leak by IRQ binding", public_time="2026-08-25 12:00")
        trust = trust_in_both(key)
        library = Library(Xenbits(str(shelf.folder), folder / "cache"), trust, journal)
        now = datetime(2026, 9, 1, tzinfo=UTC)
        judge = Judge(repository, listing, library, memory=journal, now=now, progress=lambda _: None)
        yield Court(judge, releases, set(shelf.entries))


def trust_in_both(key: SigningKey) -> Trust:
    """Trust in the tests' key and the project's."""
    shipped = signature.load_trust(None, (PROJECT_KEY,))
    return Trust(key.public_key(armored=False) + shipped.keyring, frozenset({key.fingerprint, *shipped.fingerprints}))


def test_a_release_has_what_its_commits_say_and_nothing_else(court: Court) -> None:
    assert len(court.releases) >= 39
    for one in court.releases:
        found = court.on(one)
        assert found.keys() == court.published
        has = {number for number, decision in found.items() if decision.verdict is Verdict.IN_RELEASE}
        assert has == history_of(one.commit or "") & court.published, one.version


def test_no_verdict_but_those_that_the_tables_give(court: Court) -> None:
    elsewhere = {fact["xsa"] for fact in resolutions() if all("Xen" not in f" {text}".replace("xen", "Xen")
                 for _, text in fact["resolution"])}  # fmt: skip
    assert elsewhere > OTHER_TREE
    for one in court.releases:
        found = court.on(one)
        assert {number for number, decision in found.items() if decision.verdict is Verdict.OTHER_TREE} == elsewhere
        assert not {decision.verdict for decision in found.values()} & {Verdict.ALREADY_PATCHED, Verdict.UNUSED}


def test_advisories_for_other_trees(court: Court) -> None:
    for one in court.releases:
        found = court.on(one)
        assert {found[number].verdict for number in OTHER_TREE} == {Verdict.OTHER_TREE}, one.version


def test_one_for_new_branches_only(court: Court) -> None:
    for branch, verdicts in (
        ("4.20", {Verdict.OTHER_BRANCH}),
        ("4.21", {Verdict.NEEDS_PATCH, Verdict.IN_RELEASE}),
    ):
        for one in court.of_branch(branch):
            assert court.on(one)[496].verdict in verdicts, one.version
    newest = court.of_branch("4.21")[-1]
    assert (court.on(newest)[496].verdict is Verdict.IN_RELEASE) == (496 in history_of(newest.commit or ""))


@pytest.mark.parametrize("branch", ["4.17", "4.18", "4.19", "4.20", "4.21", "4.22"])
def test_the_real_one_is_missing_on_the_newest_release(court: Court, branch: str) -> None:
    found = court.on(court.of_branch(branch)[-1])[509]
    assert (found.verdict, found.patches) == (Verdict.NEEDS_PATCH, ("xsa509.patch",))
    assert found.evidence[0] == "advisory, version 3: xsa509.patch for xen-unstable - Xen 4.17.x"
