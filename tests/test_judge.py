"""Signed advisories, a real repository and real patches, from end to end: one decision on each advisory."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.shelf import SOURCE, diff, source
from tests.upstream.support import trust_in
from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import File, Release, XenProject, build
from xenbump.demo.xenbits import Shelf
from xenbump.errors import Failure, Refusal
from xenbump.journal import Journal
from xenbump.judge import Judge, Tree
from xenbump.plan.model import Verdict
from xenbump.process import run
from xenbump.upstream import history
from xenbump.upstream.library import Library
from xenbump.upstream.repository import Repository
from xenbump.upstream.xenbits import Xenbits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.plan.model import Decision

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALL = "xen-unstable - Xen 4.17.x"


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with SigningKey() as one:
        yield one


class Stand:
    """The project, and its commits on 4.20 by name: `marked` alone says that it fixes XSA-480."""

    def __init__(self, xen: XenProject) -> None:
        self.xen = xen
        self.commits = {"release": xen.commits["RELEASE-4.20.0"]}
        for name, files, message in (
            ("bare", source(), "add a file"),
            ("first", source("one"), "the first change"),
            ("fixed", source("one", "two"), "the second change"),
            ("third", source("one", "two", "three"), "the third change"),
            ("changed", source("one", "2", "three"), "the second change in another way"),
            ("marked", {}, "x86: fix it\n\nThis is XSA-480."),
        ):
            self.commits[name] = xen.add_commit("4.20", files, message)

    def patch(self, old: str, new: str) -> bytes:
        return diff(self.xen, self.commits[old], self.commits[new])


@pytest.fixture(scope="module")
def stand(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    return Stand(build(tmp_path_factory.mktemp("judge") / "xen.git", key, [Release("4.20.0"), Release("4.21.0")]))


class Court:
    """All that a judge needs, in a folder of its own."""

    def __init__(self, stand: Stand, folder: Path) -> None:
        self.stand = stand
        self.folder = folder
        self.shelf = Shelf(folder / "xsa", stand.xen.key)
        self.said: list[str] = []

    def all(self, name: str, *listed: str, branch: str = "4.20") -> dict[int, Decision]:
        repository = Repository([str(self.stand.xen.path)], self.folder / "cache", self.said.append)
        listing = repository.listing()
        commit = self.stand.commits[name]
        listing.refs[f"refs/heads/{commit}"] = commit  # the tree of the tests is named by its commit
        client = Xenbits(str(self.shelf.folder), self.folder / "cache")
        with Journal(self.folder / "state").run("test") as run:
            library = Library(client, trust_in(self.stand.xen.key), run)
            judge = Judge(repository, listing, library, memory=run, now=NOW, progress=self.said.append)
            found = judge.decisions(Tree(name, branch, commit, commit), frozenset(listed))
        assert [one.xsa for one in found] == sorted(self.shelf.entries)
        return {one.xsa: one for one in found}

    def one(self, name: str, *listed: str) -> Decision:
        return self.all(name, *listed)[480]

    def refuses(self, name: str) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.all(name)
        return caught.value

    def series(self, *steps: str, table: str = "xsa480-?.patch", first: int = 1) -> None:
        """Publish XSA-480 as the patches between these commits."""
        names = [table.replace("?", str(place)) for place in range(first, first + len(steps) - 1)]
        contents = {name: self.stand.patch(*pair) for name, pair in zip(names, itertools.pairwise(steps), strict=True)}
        self.shelf.add(480, [(table, ALL, names)], contents=contents)


@pytest.fixture
def court(stand: Stand, tmp_path: Path) -> Court:
    return Court(stand, tmp_path)


def test_a_commit_says_so(court: Court) -> None:
    court.shelf.add(480, [("xsa480.patch", ALL)])
    found = court.one("marked")
    assert found.verdict is Verdict.IN_RELEASE
    assert "git: a commit in the history of marked says that it is XSA-480, or a part of it" in found.evidence
    assert not any("trying" in sentence for sentence in court.said)


def test_the_tree_says_so_where_no_commit_does(court: Court, stand: Stand) -> None:
    court.series("bare", "first", "fixed")
    contents = {"xsa481.patch": stand.patch("bare", "fixed")}
    court.shelf.add(481, [("xsa481.patch", ALL)], contents=contents)
    found = court.all("fixed")
    assert [one.verdict for one in found.values()] == [Verdict.IN_RELEASE] * 2
    assert (found[481].title, found[481].public) == ("x86: something is wrong", "2026-03-17 12:00")
    assert found[481].evidence[-1] == "tree: xsa481.patch can be taken out of the tree cleanly"
    assert not any(one.startswith("git:") for one in found[481].evidence)


def test_a_patch_that_is_missing(court: Court) -> None:
    court.series("bare", "first", "fixed")
    found = court.one("bare")
    assert (found.verdict, found.patches) == (Verdict.NEEDS_PATCH, ("xsa480-1.patch", "xsa480-2.patch"))
    assert found.evidence[-1] == "tree: xsa480-?.patch can be put into the tree cleanly, in order"
    assert court.one("bare", *found.patches).verdict is Verdict.ALREADY_PATCHED
    assert court.one("bare", "xsa480-1.patch").verdict is Verdict.CONFLICT


def test_half_a_series_in_the_tree_is_neither_in_nor_out(court: Court) -> None:
    court.series("bare", "first", "fixed")
    found = court.one("first")
    assert (found.verdict, found.patches) == (Verdict.CONFLICT, ("xsa480-1.patch", "xsa480-2.patch"))
    assert found.evidence[-1] == "tree: xsa480-?.patch can neither be put in nor taken out cleanly"


def test_a_fix_that_was_changed_later_is_neither_in_nor_out(court: Court) -> None:
    court.series("first", "fixed")
    assert court.one("changed").verdict is Verdict.CONFLICT


def test_a_prerequisite_may_be_in_the_tree(court: Court) -> None:
    court.series("bare", "first", "fixed", first=0)
    verdicts = [court.one(name).verdict for name in ("bare", "first", "fixed")]
    assert verdicts == [Verdict.NEEDS_PATCH, Verdict.NEEDS_PATCH, Verdict.IN_RELEASE]
    # A package must not list what the tree has.
    assert court.one("bare").patches == ("xsa480-0.patch", "xsa480-1.patch")
    assert court.one("first").patches == ("xsa480-1.patch",)
    assert "but for its prerequisites, which it has" in court.one("first").evidence[-1]
    assert court.one("first", "xsa480-1.patch").verdict is Verdict.ALREADY_PATCHED


def test_one_that_goes_in_on_top_of_another_only(court: Court, stand: Stand) -> None:
    court.series("bare", "first")
    for number, step in ((481, ("first", "fixed")), (482, ("fixed", "third")), (483, ("changed", "fixed"))):
        name = f"xsa{number}.patch"
        court.shelf.add(number, [(name, ALL)], contents={name: wide(stand, *step)})
    found = court.all("bare")
    assert [found[number].verdict for number in (480, 481, 482)] == [Verdict.NEEDS_PATCH] * 3
    assert found[483].verdict is Verdict.CONFLICT
    assert "on top of the others" in "".join(found[481].evidence + found[482].evidence)
    listed = ("xsa480.patch", "xsa481.patch")
    assert court.all("bare", "xsa480-1.patch", *listed)[481].verdict is Verdict.ALREADY_PATCHED


def wide(stand: Stand, *step: str) -> bytes:
    """The patch between two commits with so much context that it touches its neighbours."""
    pair = [stand.commits[name] for name in step]
    argv = ["git", f"--git-dir={stand.xen.path}", "diff", "-U12", *pair, "--", SOURCE]
    return run(argv, env=isolated_git()).stdout


def test_a_commit_that_says_so_is_doubted_where_the_patch_still_goes_in(court: Court) -> None:
    court.series("bare", "first")
    commit = court.stand.xen.add_commit("4.20", source(), "revert it\n\nThis is XSA-480.")
    court.stand.commits["reverted"] = commit
    assert court.one("reverted").verdict is Verdict.IN_RELEASE
    found = court.one("reverted", "xsa480-1.patch")
    assert (found.verdict, found.evidence[-1]) == (
        Verdict.CONFLICT,
        "tree: xsa480-?.patch can be put into the tree cleanly, in order",
    )


def test_a_fix_at_another_place_of_the_same_look_is_no_proof(stand: Stand, tmp_path: Path) -> None:
    block = "".join(f"same {number};\n" for number in range(8))
    fixed = block.replace("same 4;\n", "same 4;\n    check;\n")
    middle = "".join(f"middle {number};\n" for number in range(30))
    xen = build(tmp_path / "xen.git", stand.xen.key, [Release("4.20.0")])
    commits = [
        xen.add_commit("4.20", {SOURCE: File.text(text)}, "x")
        for text in (fixed + middle + block, fixed + middle + fixed)
    ]
    twin = Court(Stand(xen), tmp_path / "twin")
    twin.stand.commits |= {"one": commits[0], "both": commits[1]}
    twin.shelf.add(480, [("xsa480.patch", ALL)], contents={"xsa480.patch": twin.stand.patch("one", "both")})
    # The patch comes out at the first place, which had the check before, and goes in at the second, which needs it.
    assert twin.one("one").verdict is not Verdict.IN_RELEASE
    assert twin.one("both").verdict is Verdict.IN_RELEASE


def test_a_patch_that_is_not_to_be_had(court: Court) -> None:
    court.series("bare", "first", "fixed")
    (court.shelf.folder / "xsa480-2.patch").unlink()
    for name in ("bare", "fixed"):
        found = court.one(name)
        assert found.verdict is Verdict.NEEDS_PATCH
        assert found.evidence[-1] == "tree: xsa480-?.patch was not tried on the tree"
    assert any("was not tried on fixed: E-XSA-MISSING" in sentence for sentence in court.said)
    # It is tried as soon as it is there.
    court.series("bare", "first", "fixed")
    assert court.one("fixed").verdict is Verdict.IN_RELEASE


def test_a_tree_that_git_cannot_ask_ends_the_work(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would stand in a pull request as a patch that was not tried, which is another thing.
    def fails(*_: object, **__: object) -> Path:
        raise Failure("E-GIT", "it cannot read its configuration")

    court.series("bare", "first")
    with monkeypatch.context() as patched:
        patched.setattr(Repository, "with_tree", fails)
        with pytest.raises(Failure, match="its configuration"):
            court.one("bare")
    assert court.one("bare").evidence[-1] == "tree: xsa480-?.patch can be put into the tree cleanly, in order"


def test_a_patch_of_other_bytes(court: Court) -> None:
    court.series("bare", "first")
    (court.shelf.folder / "xsa480-1.patch").write_bytes(court.stand.patch("bare", "fixed"))
    assert court.refuses("bare").code == "E-PATCH-SHA256"


def test_a_patch_that_leads_out_of_the_tree(court: Court, stand: Stand) -> None:
    patch = stand.patch("bare", "first").replace(f"/{SOURCE}".encode(), f"/../{SOURCE}".encode())
    court.shelf.add(480, [("xsa480.patch", ALL)], contents={"xsa480.patch": patch})
    assert court.refuses("bare").code == "E-PATCH-PATH"


def test_a_broken_signature_stops_everything(court: Court) -> None:
    court.series("bare", "first")
    path = court.shelf.folder / "advisory-480.txt"
    path.write_bytes(path.read_bytes().replace(b"Xen 4.17.x", b"Xen 4.21.x"))
    assert court.refuses("bare").code == "E-SIGNATURE-BAD"
    assert court.refuses("marked").code == "E-SIGNATURE-BAD"


def test_a_table_that_is_not_understood(court: Court) -> None:
    advisory = court.shelf.add(480, [("xsa480.patch", ALL)])
    text = (court.shelf.folder / "advisory-480.txt").read_bytes().split(b"\n\n", 1)[1]
    text = text.split(b"-----BEGIN PGP SIGNATURE")[0].replace(ALL.encode(), b"Xen, all of it")
    court.shelf.put(480, court.stand.xen.key.clearsign(text))
    found = court.one("bare")
    assert found.verdict is Verdict.CONFLICT
    assert found.evidence[0].startswith("E-ADVISORY-RANGE: XSA-480, line ")
    assert court.one("marked").verdict is Verdict.IN_RELEASE
    assert advisory.number == found.xsa


def test_other_trees_other_branches_and_numbers_without_a_text(court: Court) -> None:
    court.shelf.add(478, [("xsa478.patch", "varstored master")])
    court.shelf.add(496, [("xsa496.patch", "xen-unstable - Xen 4.21.x")])
    court.shelf.listed(500, public_time="2026-06-01 12:00")
    court.shelf.listed(501)
    court.shelf.listed(502, public_time="2026-05-31 12:00")
    assert {number: one.verdict.value for number, one in court.all("bare").items()} == {
        478: "other-tree",
        496: "other-branch",
        500: "embargoed",
        501: "unused",
        502: "conflict",
    }
    assert court.all("bare")[500].reason == "XSA-500 will be public on 2026-06-01 12:00 UTC"


def test_an_index_in_which_a_number_gets_a_state(court: Court) -> None:
    court.shelf.listed(480, public_time="2099-01-01 12:00")
    assert court.one("bare").verdict is Verdict.EMBARGOED
    court.shelf.listed(480, public_time="2099-01-01 12:00", withdrawn=True)
    assert court.refuses("bare").code == "E-XSA-INDEX"


def test_what_was_fixed_before_the_baseline(court: Court, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    refs = Repository([str(stand.xen.path)], court.folder / "other").listing().refs
    tag = "RELEASE-4.20.0"
    shape = type(history._cuts()[0])
    known = (shape("4.20", tag, refs[f"refs/tags/{tag}"], "0" * 40, NOW, (480,)),)
    monkeypatch.setattr(history, "_cuts", lambda: known)
    court.shelf.add(480, [("xsa480.patch", ALL)])
    (court.shelf.folder / "advisory-480.txt").unlink()  # no text is needed for it
    stand.commits["4.21.0"] = stand.xen.commits["RELEASE-4.21.0"]
    found = court.all("4.21.0", branch="4.21")[480]
    assert found.verdict is Verdict.IN_RELEASE
    assert found.evidence == (f"git: a commit before {'0' * 40} says that it is XSA-480, or a part of it",)


def test_a_trial_is_remembered(court: Court) -> None:
    court.series("bare", "first")
    assert court.one("bare") == court.one("bare")
    assert sum("trying" in sentence for sentence in court.said) == 1
    court.one("fixed")
    assert sum("trying" in sentence for sentence in court.said) == 2


def test_the_first_release_of_each_branch_with_the_fix(court: Court, stand: Stand) -> None:
    stand.xen.add_release("4.20.1")
    repository = Repository([str(stand.xen.path)], court.folder / "cache")
    court.shelf.add(480, [("xsa480.patch", ALL)])
    with Journal(court.folder / "state").run("test") as run:
        library = Library(Xenbits(str(court.shelf.folder), court.folder / "cache"), trust_in(stand.xen.key), run)
        judge = Judge(repository, repository.listing(), library, memory=run, now=NOW, progress=court.said.append)
        assert judge.first_releases(480, "4.20") == {"4.20": "4.20.1", "4.21": None}
        assert judge.first_releases(480, "4.21") == {"4.21": None}
