"""The bot on its own repository: what it reads in the files of nix/xen, and what Nix makes of them after its edits."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.nix.xen import BRANCHES, ROOT, XEN, attribute, evaluate, is_hash
from tests.package import folders
from tests.package.support import NEW_HASH, changed_to, plan_to, release
from xenbump.config import load
from xenbump.package import rewrite
from xenbump.plan.model import Addition, Retired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xenbump.plan.model import Plan, Subject

CONTENTS = {str(path.relative_to(XEN.parent)): path.read_bytes() for path in XEN.rglob("*") if path.is_file()}
COMPONENTS = ["qemu", "seabios", "ovmf", "ipxe", "minios"]
ADVISORY = """What it is about:
 - a list, with ''quotes'' and a ${word}.
"""


def file_of(branch: str) -> str:
    return f"xen/{branch}/default.nix"


def read(branch: str, contents: dict[str, bytes] = CONTENTS) -> Subject:
    file = file_of(branch)
    return rewrite.read(
        contents[file], name="xen", file=file, attribute=attribute(branch), beside=folders.Files(contents, file)
    )


def written(branch: str, plan: Plan, contents: dict[str, bytes] = CONTENTS) -> dict[str, bytes]:
    """The folder after a plan was written into a branch's file."""
    file = file_of(branch)
    after = dict(contents)
    for edit in rewrite.write(contents[file], plan, folders.Files(contents, file)):
        assert after.get(edit.file) == edit.before
        if edit.after is None:
            del after[edit.file]
        else:
            after[edit.file] = edit.after
    return after


def evaluated(folder: Path, contents: dict[str, bytes], expressions: dict[str, str]) -> dict[str, Any]:
    """What Nix makes of a folder."""
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    work = folder / "work"
    work.mkdir()
    return evaluate(work, expressions, xen=folder / "xen")


def filled(subject: Subject) -> Subject:
    """A file's pins with hashes for the open ones, as they are once somebody has a network."""
    return replace(
        subject, pins=tuple(replace(pin, hash=pin.hash if is_hash(pin.hash) else NEW_HASH) for pin in subject.pins)
    )


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("branch", BRANCHES)
def test_each_file_is_read_with_all_that_it_has(branch: str) -> None:
    subject = read(branch)
    assert (subject.shape, subject.branch, subject.siblings) == ("version-definition", branch, BRANCHES)
    assert subject.version.rpartition(".")[0] == branch
    assert subject.fetcher == "fetchFromGitHub"
    assert re.fullmatch("[0-9a-f]{40}", subject.rev or "")
    assert [pin.component for pin in subject.pins] == COMPONENTS
    assert [pin.component for pin in subject.pins if pin.submodules] == ["qemu", "ovmf"]
    assert subject.efi is True
    assert subject.naming is not None
    assert (subject.naming.root, subject.naming.fetcher) == ("https://xenbits.xen.org/xsa/", "fetchpatch")


@pytest.mark.parametrize("branch", BRANCHES)
def test_nothing_is_odd_but_the_hashes_that_are_open(branch: str) -> None:
    subject = read(branch)
    still = [pin.component for pin in subject.pins if not is_hash(pin.hash)]
    assert still == ["qemu", "ovmf", "minios"]
    said = [f"the hash of {name} is a placeholder" for name in still]
    assert [re.sub(r" \(line .*", "", one) for one in subject.warnings] == said


def test_the_configuration_has_every_branch_once() -> None:
    config = load(ROOT / "xenbump.toml", {})
    files = [package.file for package in config.packages]
    assert files == [f"nix/xen/{branch}/default.nix" for branch in BRANCHES]
    assert [package.attribute or package.name for package in config.packages] == [
        *map(attribute, BRANCHES[:-1]),
        "xen",
    ]
    assert [package.track for package in config.packages] == ["branch"] * 5 + ["latest"]
    assert all(config.file_of(package).is_file() for package in config.packages)


# --- writing ---------------------------------------------------------------------------------------------------------


def bumped(branch: str, version: str) -> Plan:
    subject = read(branch)
    plan = plan_to(subject, release(version))
    return replace(plan, pins=filled(subject).pins)


def test_a_release_changes_what_it_should(tmp_path: Path) -> None:
    after = written("4.20", bumped("4.20", "4.20.5"))
    assert {path for path in after if after[path] != CONTENTS[path]} == {file_of("4.20")}
    found = evaluated(tmp_path, after, {"new": "told (packages { }).xen_4_20", "other": "(packages { }).xen.version"})
    new = found["new"]
    assert (new["version"], new["efi"], new["src"]["rev"]) == ("4.20.5", "boot/xen-4.20.5.efi", "2" * 40)
    assert new["src"]["hash"] == new["sources"]["qemu"]["hash"] == new["sources"]["miniOS"]["hash"] == NEW_HASH
    assert found["other"] == "4.22.0"


def test_a_tip_of_the_stable_branch_says_what_its_tree_says(tmp_path: Path) -> None:
    tip = replace(
        release("4.20.5-unstable-2026-08-20"), tree_version="4.20.5-pre", commit="3" * 40, tag=None, tag_object=None
    )
    plan = replace(plan_to(read("4.20"), tip), pins=filled(read("4.20")).pins)
    new = evaluated(tmp_path, written("4.20", plan), {"new": "told (packages { }).xen_4_20"})["new"]
    assert (new["version"], new["src"]["rev"]) == ("4.20.5-unstable-2026-08-20", "3" * 40)
    assert (new["efi"], new["multiboot"]) == ("boot/xen-4.20.5-pre.efi", "boot/xen-4.20.5-pre")


def secured(branch: str, contents: dict[str, bytes]) -> dict[str, bytes]:
    """A branch with a patch of an advisory more."""
    subject = read(branch, contents)
    patch = folders.named("509")
    change = changed_to(subject.patches, (*subject.patches, patch))
    told = Addition(patch, "0" * 64, "x86: a leak", ADVISORY, ("CVE-2026-1", "CVE-2026-2"))
    plan = plan_to(subject, replace(release(subject.version), commit=subject.rev or ""), digest=subject.hash)
    return written(branch, replace(plan, pins=subject.pins, patches=replace(change, add=(told,))), contents)


def test_a_patch_of_an_advisory_comes_by_name_for_each_branch(tmp_path: Path) -> None:
    after = dict(CONTENTS)
    for branch in BRANCHES:
        after = secured(branch, after)
    text = after["xen/generic/patches.nix"].decode()
    assert text.count("XSA_509 = xsaPatch {") == 1
    asked = {branch: f"plain (packages {{ }}).{attribute(branch)}.patches" for branch in BRANCHES}
    for branch, patches in evaluated(tmp_path, after, asked).items():
        assert len(patches) == (2 if branch < "4.21" else 1)
        new = patches[-1]
        assert (new["url"], new["hash"]) == ("https://xenbits.xen.org/xsa/xsa509.patch", folders.named("509").hash)
        assert new["meta"]["description"] == "x86: a leak"
        assert new["meta"]["homepage"] == "https://xenbits.xen.org/xsa/advisory-509.html"
        assert "CVE-2026-2" in new["meta"]["longDescription"]
        assert "''quotes'' and a ${word}" in new["meta"]["longDescription"]


def test_what_was_added_goes_again_without_a_trace() -> None:
    after = secured("4.22", dict(CONTENTS))
    subject = read("4.22", after)
    plan = plan_to(subject, replace(release(subject.version), commit=subject.rev or ""), digest=subject.hash)
    plan = replace(plan, pins=subject.pins, patches=changed_to(subject.patches, ()))
    back = written("4.22", plan, after)
    assert back == CONTENTS


def test_the_fix_of_4_20_goes_where_a_release_has_it(tmp_path: Path) -> None:
    """The other branches still name it, so it stays in the collection."""
    subject = read("4.20")
    plan = replace(bumped("4.20", "4.20.5"), patches=changed_to(subject.patches, ()))
    after = written("4.20", plan)
    assert after["xen/generic/patches.nix"] == CONTENTS["xen/generic/patches.nix"]
    asked = {one: f"builtins.length (packages {{ }}).{one}.patches" for one in ("xen_4_19", "xen_4_20")}
    assert evaluated(tmp_path, after, asked) == {"xen_4_19": 1, "xen_4_20": 0}


def added(retired: Sequence[Retired]) -> dict[str, bytes]:
    """The folder with a new branch, made from the newest one's file."""
    plan = replace(bumped("4.22", "4.23.0"), adds="4.23", retired=tuple(retired))
    return written("4.22", plan)


def test_a_new_branch_is_listed_and_becomes_the_latest(tmp_path: Path) -> None:
    after = added([])
    asked = {
        "names": "builtins.attrNames (packages { })",
        "xen": "told (packages { }).xen",
        "old": "told (packages { }).xen_4_22",
        "new": "told (packages { }).xen_4_23",
        "slim": "(packages { }).xen_4_23-slim.pname",
    }
    found = evaluated(tmp_path, after, asked)
    assert {"xen_4_17", "xen_4_22", "xen_4_23", "xen_4_23-slim"} <= set(found["names"])
    assert found["xen"] == found["new"]
    assert (found["new"]["version"], found["new"]["latest"], found["old"]["latest"]) == ("4.23.0", True, False)
    assert found["old"]["version"] == "4.22.0"
    # Nobody has said yet how long that one is supported.
    assert found["new"]["support"] is None
    assert found["new"]["meta"]["knownVulnerabilities"] == []
    assert found["slim"] == "xen-slim"


def test_a_branch_past_its_support_is_marked_in_the_same_step(tmp_path: Path) -> None:
    after = added([Retired("4.17", "2027-12-12", removed=False)])
    asked = {
        branch: f"(packages {{ }}).{attribute(branch)}.meta.knownVulnerabilities" for branch in ("4.17", "4.18", "4.22")
    }
    found = evaluated(tmp_path, after, asked)
    assert [len(found[branch]) for branch in ("4.17", "4.18", "4.22")] == [1, 0, 0]


def test_a_branch_past_its_support_can_be_removed(tmp_path: Path) -> None:
    after = added([Retired("4.17", "2027-12-12", removed=True)])
    assert file_of("4.17") not in after
    names = evaluated(tmp_path, after, {"names": "builtins.attrNames (packages { })"})["names"]
    assert "xen_4_17" not in names
    assert {"xen_4_18", "xen_4_23"} <= set(names)


def test_the_switch_for_efi_is_the_builder_s(tmp_path: Path) -> None:
    plan = replace(bumped("4.20", "4.20.5"), efi=False)
    after = written("4.20", plan)
    asked = {"efi": "tried (packages { }).xen_4_20.efi"}
    assert evaluated(tmp_path, after, asked) == {"efi": None}
