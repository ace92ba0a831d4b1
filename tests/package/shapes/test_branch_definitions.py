"""The shape `version-definition`: the patches that branches share, and a branch that comes or goes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.evaluate import Case, evaluate
from tests.package.folders import (
    FILE,
    LISTING,
    PATCHES,
    TEXT,
    WITH,
    Files,
    change_to,
    differing,
    entry,
    folder,
    named,
    patched,
    planned,
    said,
    shared,
    sibling,
    written,
)
from tests.package.support import NEW_HASH, nix_accepts, release, sri
from xenbump.errors import Refusal
from xenbump.nixlang import parse
from xenbump.package import rewrite
from xenbump.package.shapes.version_definition import SHAPES
from xenbump.plan.model import Addition, Drop, Naming, PatchChange, Pin, Retired

KEY = "version-definition"
COMMIT, NEW = "a" * 40, "2" * 40
NEXT = "xen/4.21/default.nix"
IDS = ("478", "480", "482-01", "482-02", "490-4.20", "1000")


def changed(old: str, new: str) -> str:
    """The fixture with one place changed."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def naming(files: Files) -> Naming | None:
    return SHAPES[0].read(parse(files.files[FILE].decode()), files).naming


def pinned(subject_pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    """The same components at other commits."""
    return tuple(
        replace(pin, rev=letter * 40, hash=sri(ord(letter))) for pin, letter in zip(subject_pins, "12345", strict=False)
    )


# --- patches ---------------------------------------------------------------------------------------------------------


def test_a_security_bump_forth_and_back() -> None:
    before = folder()
    subject = said(before)
    new = (named("490-4.20"), named("492/xsa492-4.20-01"))
    stories = {
        one.name or "": Addition(one, "0" * 64, "x86: a title", "What it is about.", ("CVE-2026-9",)) for one in new
    }
    after = patched(before, [*subject.patches, *new], **stories)
    assert differing(before, after) == {FILE, PATCHES}
    names = "      XSA_482_02\n      XSA_490_4_20\n      XSA_492_4_20_01\n"
    assert after.files[FILE].decode() == changed("      XSA_482_02\n", names)
    more = "".join("\n" + entry(one, cves=["CVE-2026-9"]) for one in ("490-4.20", "492/xsa492-4.20-01"))
    assert after.files[PATCHES] == before.files[PATCHES][:-2] + more.encode() + b"}\n"
    assert nix_accepts(after.files[PATCHES].decode())
    assert patched(after, subject.patches).files == before.files


def test_entries_go_only_when_no_file_names_them() -> None:
    every = shared(*map(entry, ("480", "482-01", "482-02", "490-4.20")))
    before = folder(older=sibling("4.19", "XSA_480"), patches=every, **{"xen/generic/x.nix": "p: [ p.XSA_482_01 ]"})
    after = patched(before, said(before).patches[:2])
    assert after.files[PATCHES].decode() == shared(*map(entry, ("480", "482-01", "490-4.20")))
    for elsewhere in ('{ y = "XSA_482_02"; }', "{ broken XSA_482_02;", "# XSA_482_02\n1"):
        kept = folder(older=sibling("4.19", "XSA_480"), patches=every, **{"xen/4.18/x.nix": elsewhere})
        left = patched(kept, said(kept).patches[:2]).files[PATCHES].decode()
        assert ("XSA_482_02" in left) == (not elsewhere.startswith("#"))
    own = every.replace("  };\n}", "  };\n  all = [ XSA_482_01 ];\n}").replace("in\n{", "in\nrec {")
    inside = folder(patches=own)
    assert 'XSA_482_01" =' in patched(inside, said(inside).patches[:2]).files[PATCHES].decode()


def test_a_hash_that_is_not_the_signed_one_is_corrected_for_all_branches() -> None:
    good = shared(*map(entry, ("480", "482-01", "482-02")))
    before = folder(patches=good.replace(named("480").hash or "", sri(5)))
    subject = said(before)
    old = subject.patches[2]
    series = (*subject.patches[:2], named("480"), *subject.patches[3:])
    change = PatchChange(
        keep=tuple(patch for patch in subject.patches if patch is not old),
        drop=(Drop(old, "its hash is not that of the signed file"),),
        add=(Addition(named("480"), "0" * 64),),
        series=series,
    )
    after = written(before, planned(subject, change=change))
    assert differing(before, after) == {PATCHES}
    assert after.files[PATCHES].decode() == good
    assert said(after).patches == series


def test_with_the_hash_corrected_the_place_may_change_too() -> None:
    before = folder(patches=shared(*map(entry, ("480", "482-01", "482-02"))).replace(named("480").hash or "", sri(5)))
    subject = said(before)
    series = (*subject.patches[:2], *subject.patches[3:], named("480"))
    after = written(before, planned(subject, change=change_to(subject, series)))
    assert said(after).patches == series
    assert "      XSA_482_01\n      XSA_482_02\n      XSA_480\n    ]" in after.files[FILE].decode()


def test_calls_come_where_the_file_has_calls() -> None:
    call = replace(named("480"), name=None)
    text = TEXT.replace(WITH, "[ ]")
    before = folder(text, patches=None)
    assert naming(before) is None
    after = patched(before, [*said(before).patches, call])
    assert "# XSA #480\n        (fetchpatch {\n" in after.files[FILE].decode()
    assert naming(folder(after.files[FILE].decode())) is None
    assert patched(after, said(before).patches).files == before.files


@settings(max_examples=25, deadline=None, database=None)
@given(st.sets(st.sampled_from(IDS)))
def test_any_patches_are_what_is_read_and_all_else_stays(wanted: set[str]) -> None:
    before = folder()
    subject = said(before)
    order = [one for one in IDS if one in wanted]
    after = patched(before, [*subject.patches[:2], *map(named, order)])
    assert differing(before, after) <= {FILE, PATCHES}
    start, end = TEXT.index("    [\n"), len(TEXT) - TEXT.index("\n  );\nin")
    text = after.files[FILE].decode()
    assert text[: start + 5] == TEXT[: start + 5]
    assert text[-end:] == TEXT[-end:]
    names = re.findall(r'^  "(XSA_\w+)" = ', after.files[PATCHES].decode(), re.MULTILINE)
    assert names == [
        named(one).name for one in ("478", "480", "482-01", "482-02", "490-4.20", "1000") if one in {*wanted, "480"}
    ]


# --- a new branch ----------------------------------------------------------------------------------------------------


def with_branch(files: Files, branch: str = "4.21", **more: object) -> Files:
    subject = said(files)
    series = [*subject.patches[:1], named("490-4.21")]
    plan = planned(subject, release(f"{branch}.0"), change=change_to(subject, series))
    return written(files, replace(plan, pins=pinned(subject.pins), adds=branch, **more))  # type: ignore[arg-type]


def test_a_branch_comes() -> None:
    before = folder()
    after = with_branch(before)
    assert differing(before, after) == {FILE, PATCHES, LISTING, NEXT, "xen/4.21/0001-script-paths.patch"}
    assert after.files[FILE].decode() == changed("latest = true", "latest = false")
    assert after.files["xen/4.21/0001-script-paths.patch"] == before.files["xen/4.20/0001-script-paths.patch"]
    assert after.files[PATCHES].startswith(before.files[PATCHES][:-2])
    assert b"xen_4_21 = callPackage ./4.21 { };" in after.files[LISTING]
    new = Files(after.files, NEXT)
    text = after.files[NEXT].decode()
    assert nix_accepts(text)
    for part in (
        'branch = "4.21";\n  version = "4.21.0";\n  latest = true;',
        f'rev = "{NEW}"',
        "    [\n      XSA_490_4_21\n    ]",
    ):
        assert part in text
    found = SHAPES[0].read(parse(text), new)
    assert (found.branch, found.siblings, found.warnings) == ("4.21", ("4.19", "4.20", "4.21"), ())
    assert said(after).warnings == ()
    assert said(after).siblings == ("4.19", "4.20", "4.21")


def test_a_branch_whose_name_is_made_from_the_version() -> None:
    text = changed('branch = "4.20"', "branch = lib.versions.majorMinor version").replace(
        "nix {\n  pn", "nix rec {\n  pn"
    )
    after = with_branch(folder(text))
    assert "branch = lib.versions.majorMinor version;" in after.files[NEXT].decode()


def test_the_files_that_the_new_one_names_come_along() -> None:
    text = changed(
        "        ./0001-script-paths.patch\n", "        ./0001-script-paths.patch\n        (f ./more/a.patch)\n"
    )
    text = text.replace("withInternalQEMU = true;", "withInternalQEMU = true; x = ./conf; y = ./${z}; w = ../up;")
    extra = {"more/a.patch": b"\xff", "more/b.patch": b"b", "conf/d/e": b"e", "conf/f": b"f", "own.nix": b"1"}
    before = folder(text, **{f"xen/4.20/{path}": content for path, content in extra.items()})
    after = with_branch(before)
    copied = {path.removeprefix("xen/4.21/"): after.files[path] for path in after.files if path.startswith("xen/4.21/")}
    del copied["default.nix"]
    # Behind the interpolation can be any file of the folder.
    assert copied == {**extra, "0001-script-paths.patch": b"--- a\n+++ b\n"}
    less = folder(text.replace("y = ./${z};", ""), **{f"xen/4.20/{path}": content for path, content in extra.items()})
    names = {path for path in with_branch(less).files if path.startswith("xen/4.21/")}
    assert names == {f"xen/4.21/{path}" for path in ("default.nix", "0001-script-paths.patch", "conf/d/e", "conf/f")}


def test_an_older_branch_that_comes_is_not_the_latest() -> None:
    before = folder(older=None, **{"xen/4.18/default.nix": sibling("4.18")}, listing="{ x_4_20 = ./4.20; }")
    after = with_branch(before, "4.19")
    assert after.files[FILE] == before.files[FILE]
    assert b"latest = false" in after.files["xen/4.19/default.nix"]


def test_another_branch_is_the_latest_no_more() -> None:
    before = folder(changed("latest = true", "latest = false"), older=sibling("4.19", latest=True))
    after = with_branch(before)
    assert b"latest = false" in after.files["xen/4.19/default.nix"]
    assert b"latest = true" in after.files[NEXT]
    assert said(after).warnings == ()


def test_a_branch_that_is_there_is_not_written_over() -> None:
    with pytest.raises(Refusal) as caught:
        with_branch(folder(**{NEXT: "1"}))
    assert caught.value.code == "E-FILE-CHANGED"
    assert "../4.21/default.nix" in caught.value.where


def test_branches_retire() -> None:
    before = folder()
    gone = with_branch(before, retired=(Retired("4.19", "2026-01-01", removed=True),))
    assert "xen/4.19/default.nix" not in gone.files
    assert b"4_19" not in gone.files[LISTING]
    assert b'"XSA_480"' in gone.files[PATCHES]
    subject = said(before)
    plan = planned(subject, change=change_to(subject, subject.patches[:2]))
    alone = written(before, replace(plan, retired=(Retired("4.19", "2026-01-01", removed=True),)))
    assert alone.files[PATCHES].decode().endswith("{\n}\n")


def test_what_cannot_be_marked_is_told() -> None:
    before = folder()
    subject = said(before)
    plan = replace(planned(subject, release("4.20.2")), retired=(Retired("4.19", "2026-01-01", removed=False),))
    (edit, *_) = rewrite.write(before.files[FILE], plan, before)
    assert len(edit.warnings) == 1
    assert "4.19" in edit.warnings[0]


# --- what Nix makes of it ---------------------------------------------------------------------------------------------


def test_nix_evaluates_what_is_written() -> None:
    before = folder()
    subject = said(before)
    bumped = replace(
        planned(subject, release("4.20.2"), change=change_to(subject, [*subject.patches[:3], named("490-4.20")])),
        pins=pinned(subject.pins),
    )
    cases = [before, written(before, bumped), with_branch(before)]
    old, new, other = evaluate(
        [
            Case({**files.files, "main.nix": main(branch)}, "main.nix")
            for files, branch in zip(cases, ("4.20", "4.20", "4.21"), strict=True)
        ]
    )
    assert [patch["url"] for patch in new["patches"][1:]] == [
        subject.patches[1].url, subject.patches[2].url, named("490-4.20").url,
    ]  # fmt: skip
    assert new["patches"][3]["hash"] == named("490-4.20").hash
    assert (new["version"], new["src"]["rev"], new["src"]["hash"]) == ("4.20.2", NEW, NEW_HASH)
    pins = pinned(subject.pins)
    assert [new["passthru"][pin.component]["rev"] for pin in pins] == [pin.rev for pin in pins]
    assert (other["passthru"]["branch"], other["passthru"]["latest"], other["version"]) == ("4.21", True, "4.21.0")
    same = ("version", "src", "patches", "passthru")
    assert {name: value for name, value in old.items() if name not in same} == {
        name: value for name, value in new.items() if name not in same
    }


def main(branch: str) -> str:
    """A package that is a branch's, called as nixpkgs would."""
    return (
        "{ lib, stdenv, fetchgit, fetchpatch, callPackage }:\n"
        "let flat = lib // { lists.flatten = list: list; };\n"
        f"in callPackage ./xen/{branch}/default.nix {{ lib = flat; inherit stdenv fetchgit fetchpatch; }}\n"
    )
