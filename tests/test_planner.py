"""From a package file to its plan, end to end: a world with advisories, a real repository, real patches."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.shelf import diff, source
from tests.support.worlds import staged
from xenbump.demo.git_server import isolated_git
from xenbump.hashes import patch as hashing
from xenbump.journal import Journal
from xenbump.outcomes import NeedsPatches, Planned, Stopped, UpToDate
from xenbump.pipeline import opened
from xenbump.plan.model import Verdict
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.worlds import Stage
    from xenbump.errors import XenbumpError
    from xenbump.outcomes import Outcome
    from xenbump.plan.model import Plan

ROOT = "https://xenbits.xenproject.org/xsa/"
LATER = "Xen 4.20.x"


class Place:
    """A world at 4.20.4 whose stable branch has a file that no release has."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        xen = stage.world.xen
        bare = xen.add_commit("4.20", source(), "a file")
        fixed = xen.add_commit("4.20", source("fixed"), "fix it in a way that is taken back")
        self.tip = xen.add_commit("4.20", source(), "take it back")
        self.later = diff(xen, bare, fixed)
        stage.settle()

    def publish(self, number: int) -> None:
        """An advisory whose patch fits the tip only."""
        name = f"xsa{number}.patch"
        self.stage.world.xenbits.add(number, [(name, LATER, [name])], contents={name: self.later})

    def plan(self, to: str = "", *, security_only: bool = False) -> Outcome:
        config = self.stage.config()
        with Journal(config.state).run("plan") as journal, opened(config, journal, lambda _: None) as pipeline:
            return pipeline.plan(config.packages[0], to, security_only=security_only)

    def planned(self, to: str = "", *, security_only: bool = False) -> Plan:
        outcome = self.plan(to, security_only=security_only)
        assert not isinstance(outcome, Stopped), outcome.error
        assert isinstance(outcome, Planned)
        return outcome.plan

    def refused(self, to: str = "") -> XenbumpError:
        before = self.stage.world.package.read_bytes()
        outcome = self.plan(to)
        assert isinstance(outcome, Stopped)
        assert self.stage.world.package.read_bytes() == before
        return outcome.error

    def edit(self, old: str, new: str) -> None:
        text = self.stage.world.package.read_text()
        assert text.count(old) == 1, old
        self.stage.world.package.write_text(text.replace(old, new))

    def write(self, outcome: Outcome) -> None:
        assert isinstance(outcome, Planned)
        self.stage.world.package.write_bytes(outcome.edits[0].after or b"")


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staged(tmp_path_factory.mktemp("planner"), version="4.20.4") as stage:
        yield Place(stage)


@pytest.fixture
def place(shared_place: Place) -> Place:
    shared_place.stage.reset()
    return shared_place


def test_nothing_to_do(place: Place) -> None:
    for only in (False, True):
        assert isinstance(place.plan(security_only=only), UpToDate)


def listed(name: str, digest: str = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=") -> str:
    return f'\n    (fetchpatch {{\n      url = "{ROOT}{name}";\n      hash = "{digest}";\n    }})\n  ];\n\n  meta'


def test_a_patch_that_is_not_for_xen_goes(place: Place) -> None:
    place.stage.world.xenbits.add(478, [("xsa478.patch", "varstored master")])
    place.edit("  ];\n\n  meta", listed("xsa478.patch").lstrip("\n"))
    plan = place.planned()
    assert [(one.patch.xsa, one.reason) for one in plan.patches.drop] == [
        (478, "XSA-478 is for varstored, not for Xen")
    ]
    assert any("xsa478.patch was listed" in warning for warning in plan.warnings)
    assert (plan.moves, plan.closes) == (False, ())


def test_a_patch_with_another_hash_than_the_signed_file_comes_anew(place: Place) -> None:
    text = place.stage.world.package.read_text()
    before = re.search(r'xsa480\.patch";\n\s*hash = "([^"]+)"', text)
    assert before is not None
    place.edit(before[1], "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    outcome = place.plan()
    place.write(outcome)
    assert place.stage.world.package.read_text() == text
    assert isinstance(place.plan(), UpToDate)


@pytest.mark.parametrize("wrong", ["sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "doubled"])
def test_a_fault_that_people_make_is_told_and_repaired(place: Place, wrong: str) -> None:
    """Of the hash of an advisory's patch, of a commit's, and of the source."""
    world = place.stage.world
    git = ["git", f"--git-dir={world.xen.path}"]
    after = run([*git, "rev-list", "--reverse", "RELEASE-4.20.4..stable-4.20"], env=isolated_git()).stdout.split()[0]
    commit = f"https://xenbits.xenproject.org/gitweb/?p=xen.git;a=patch;h={after.decode()}"
    content = run([*git, "format-patch", "-1", "--stdout", after.decode()], env=isolated_git()).stdout
    right = hashing.fetchpatch(content)
    place.edit("  ];\n\n  meta", listed("@commit@", right).lstrip("\n").replace(f"{ROOT}@commit@", commit))
    text = world.package.read_text()
    assert isinstance(place.plan(), UpToDate)
    hashes = re.findall(r'hash = "(sha256-[^"]+)"', text)
    assert len(hashes) == 3
    for digest in hashes:
        world.package.write_text(text.replace(digest, 2 * digest if wrong == "doubled" else wrong))
        told = "is not one SHA-256 in SRI form" if wrong == "doubled" else "is a placeholder"
        outcome = place.plan()
        assert isinstance(outcome, Planned), (outcome, digest)
        assert any(told in warning for warning in outcome.plan.warnings)
        place.write(outcome)
        assert world.package.read_text() == text


def test_a_patch_of_a_number_that_is_not_public(place: Place) -> None:
    place.edit("  ];\n\n  meta", listed("xsa499.patch").lstrip("\n"))
    assert place.refused().code == "E-XSA-UNKNOWN"


def test_a_local_patch_that_is_not_there(place: Place) -> None:
    place.edit("./paths.patch", "./other.patch")
    error = place.refused()
    assert error.code == "E-PATCH-CONFLICT"
    assert "other.patch" in error.what
    assert place.stage.world.package.name in error.where


def test_a_local_patch_that_neither_is_in_nor_applies(place: Place) -> None:
    (place.stage.world.package.parent / "paths.patch").write_bytes(place.later)
    error = place.refused()
    assert error.code == "E-PATCH-CONFLICT"
    assert "paths.patch does not apply to 4.20.4" in error.what


def test_a_patch_that_does_not_apply_to_the_release(place: Place) -> None:
    place.publish(490)
    error = place.refused()
    assert error.code == "E-XSA-CONFLICT"
    assert "its patches for 4.20 do not apply" in error.what
    assert "stable-tip" in error.remedy
    config = place.stage.config()
    with Journal(config.state).run("check") as journal, opened(config, journal, lambda _: None) as pipeline:
        found = pipeline.check(config.packages[0])
    assert isinstance(found, NeedsPatches)
    assert [one.xsa for one in found.decisions] == [490]


def test_advisories_that_must_not_be_believed(place: Place) -> None:
    shelf = place.stage.world.xenbits
    shelf.add(491, [("xsa491.patch", "xen-unstable - Xen 4.17.x")])
    text = (shelf.folder / "advisory-491.txt").read_bytes()
    for content, code in (
        (text.replace(b"4.17.x", b"4.21.x"), "E-SIGNATURE-BAD"),
        (b"Xen 4.20.x is not affected\n" + text, "E-"),
        (b"", "E-"),
    ):
        shelf.put(491, content)
        assert place.refused().code.startswith(code)
        shutil.rmtree(place.stage.config().state / "xsa")


def test_a_withdrawn_or_strange_index(place: Place) -> None:
    shelf = place.stage.world.xenbits
    shelf.listed(491, public_time="2026-03-17 12:00")
    assert place.refused().code == "E-XSA-CONFLICT"
    shelf.listed(491, public_time="2026-03-17 12:00", withdrawn=True)
    assert place.refused().code == "E-XSA-INDEX"
    (shelf.folder / "xsa.json").write_bytes(b"<html>down for maintenance</html>")
    assert place.refused().code == "E-XSA-INDEX"


def test_a_patch_of_other_bytes_than_signed(place: Place) -> None:
    place.publish(490)
    (place.stage.world.xenbits.folder / "xsa490.patch").write_bytes(place.later + b"\n")
    assert place.refused().code == "E-PATCH-SHA256"


def test_what_a_person_has_decided(place: Place) -> None:
    place.publish(490)
    place.stage.configure(r'(?m)^name = "xen"\n', 'name = "xen"\ndecided = { 490 = "no such guests here" }\n')
    outcome = place.plan()
    assert isinstance(outcome, UpToDate)
    (one,) = (one for one in outcome.decisions if one.xsa == 490)
    assert (one.verdict, one.reason) == (Verdict.CONFLICT, "decided by hand: no such guests here")


@pytest.mark.parametrize("asked", [False, True])
def test_the_stable_branch_instead(place: Place, *, asked: bool) -> None:
    place.publish(490)
    if not asked:
        place.stage.configure(r'(?m)^name = "xen"\n', 'name = "xen"\nstrategy = "stable-tip"\n')
    outcome = place.plan("stable-tip" if asked else "")
    assert isinstance(outcome, Planned), outcome
    target = outcome.plan.target
    assert re.fullmatch(r"4\.20\.5-unstable-20\d\d-\d\d-\d\d", target.version)
    assert (target.tree_version, target.commit, target.tag, target.signed_by) == ("4.20.5-pre", place.tip, None, None)
    assert [one.patch.xsa for one in outcome.plan.patches.add] == [490]
    text = (outcome.edits[0].after or b"").decode()
    for line in (f'version = "{target.version}";', 'upstreamVersion = "4.20.5-pre";', f'rev = "{place.tip}";'):
        assert line in text
    place.write(outcome)
    again = place.plan("stable-tip" if asked else "")
    assert isinstance(again, UpToDate), again


def test_back_to_a_release(place: Place) -> None:
    place.publish(490)
    place.write(place.plan("stable-tip"))
    assert isinstance(place.plan(security_only=True), UpToDate)
    error = place.refused("4.20.3")
    assert error.code == "E-DOWNGRADE"


def test_a_branch_that_does_not_descend_from_what_was_signed(place: Place) -> None:
    xen = place.stage.world.xen
    argv = ["git", f"--git-dir={xen.path}", "update-ref", "refs/heads/stable-4.20"]
    run([*argv, xen.tip("stable-4.21")], env=isolated_git())
    try:
        assert place.refused("stable-tip").code == "E-TIP-ANCESTRY"
    finally:
        run([*argv, place.tip], env=isolated_git())
