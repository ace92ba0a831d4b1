"""The shape `version-definition`: a file a branch, a shared builder, a shared collection of patches."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.package.folders import (
    BUILDER,
    FILE,
    PATCHES,
    SHARED,
    TEXT,
    WITH,
    Files,
    change_to,
    differing,
    entry,
    folder,
    named,
    planned,
    said,
    shared,
    sibling,
    written,
)
from tests.package.support import NEW_HASH, OLD_HASH, nix_accepts, release, sri, tip
from xenbump.errors import Failure, Refusal
from xenbump.nixlang import parse
from xenbump.package import shapes
from xenbump.package.shapes.version_definition import SHAPES
from xenbump.plan.model import Addition, Naming, Pin

KEY = "version-definition"
COMMIT, NEW = "a" * 40, "2" * 40
NEXT = "xen/4.21/default.nix"
IDS = ("478", "480", "482-01", "482-02", "490-4.20", "1000")


def changed(old: str, new: str) -> str:
    """The fixture with one place changed."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def refused(files: Files, code: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        said(files)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.where.startswith(FILE)
    return caught.value


def naming(files: Files) -> Naming | None:
    return SHAPES[0].read(parse(files.files[FILE].decode()), files).naming


def pinned(subject_pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
    """The same components at other commits."""
    return tuple(
        replace(pin, rev=letter * 40, hash=sri(ord(letter))) for pin, letter in zip(subject_pins, "12345", strict=False)
    )


# --- what a file says ------------------------------------------------------------------------------------------------


def test_what_the_files_say() -> None:
    subject = said(folder())
    assert (subject.shape, subject.version, subject.branch, subject.siblings) == (
        KEY,
        "4.20.1",
        "4.20",
        ("4.19", "4.20"),
    )
    assert (subject.rev, subject.hash, subject.fetcher) == (COMMIT, OLD_HASH, "fetchgit")
    assert (subject.upstream_version, subject.efi, subject.warnings) == (None, True, ())
    assert [(pin.component, pin.rev[:10], pin.submodules) for pin in subject.pins] == [
        ("qemu", "b" * 10, True),
        ("seabios", "rel-1.16.3", False),
        ("ovmf", "d" * 10, True),
        ("ipxe", "e" * 10, False),
    ]
    assert [patch.name for patch in subject.patches] == [None, None, "XSA_480", "XSA_482_01", "XSA_482_02"]
    assert naming(folder()) == Naming("https://xenbits.xen.org/xsa/", "fetchpatch")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('branch = "4.20";\n  version = "4.20.1";', 'version = "4.20.1";\n  branch = "4.20";'),
        ("(import ../generic/default.nix {", "(import ../generic {"),
        ("(import ../generic/default.nix {", "((import ../generic/default.nix) {"),
        ("(import ../generic/default.nix {", "(import ../generic/default.nix rec {"),
        ("callPackage (import ../generic/default.nix {", "callPackage (callPackage ../generic/default.nix {"),
        ("    seaBIOS = {", "    SeaBIOS = {"),
        ("    ipxe = {", '    "ipxe" = {'),
        ("latest = true", "latest = (true)"),
    ],
)
def test_other_spellings_of_the_same(old: str, new: str) -> None:
    text = changed(old, new)
    assert nix_accepts(text)
    assert said(folder(text)) == said(folder())


def test_version_branch_and_builder_one_step_away() -> None:
    text = changed('branch = "4.20";\n  version = "4.20.1";', "inherit branch version;")
    text = text.replace("let\n", 'let\n  version = "4.20.1";\n  branch = lib.versions.majorMinor version;\n', 1)
    text = text.replace("(import ../generic/default.nix {", "(generic {")
    text = text.replace("let\n", "let\n  generic = import ../generic/default.nix;\n", 1)
    assert nix_accepts(text)
    before = folder(text)
    assert said(before) == said(folder())
    subject = said(before)
    after = written(before, replace(planned(subject, release("4.20.2")), pins=subject.pins))
    assert after.files[FILE].decode() == text.replace("4.20.1", "4.20.2").replace(COMMIT, NEW).replace(
        f'{OLD_HASH}";\n      patches = [\n', f'{NEW_HASH}";\n      patches = [\n'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('branch = "4.20"', "branch = lib.versions.majorMinor version"),
        ('branch = "4.20"', "branch = majorMinor version"),
        ('rev = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', 'rev = "RELEASE-${version}"'),
    ],
)
def test_in_a_recursive_set_the_version_is_followed(old: str, new: str) -> None:
    text = changed(old, new).replace("default.nix {\n", "default.nix rec {\n")
    assert (said(folder(text)).rev is None) == ("rev" in old)
    assert (said(folder(text)).branch, said(folder(text)).version) == ("4.20", "4.20.1")


def test_components_by_any_spelling_and_others() -> None:
    extra = '    @ = {\n      rev = "v1";\n      hash = "' + sri(1) + '";\n    };\n'
    for name in ("mini-os", "miniOS", "MiniOS", "minios"):
        subject = said(folder(changed("    ipxe = {", extra.replace("@", name) + "    ipxe = {")))
        assert [pin.component for pin in subject.pins] == ["qemu", "seabios", "ovmf", "minios", "ipxe"]
        assert subject.warnings == (
            "whether minios is fetched with its submodules cannot be read in ../generic/default.nix",
        )
    other = said(folder(changed("    ipxe = {", extra.replace("@", "edk3") + "    ipxe = {")))
    assert len(other.pins) == 4
    assert "`pkg.edk3` is no component that is known here" in other.warnings[0]


def test_components_that_are_bound_by_path() -> None:
    text = changed("  pkg = {\n", '  pkg.ipxe = { rev = "x"; hash = "' + sri(2) + '"; };\n  pkg = {\n')
    text = text.replace(text[text.index("    ipxe = {") : text.index("  };\n})")], "")
    assert nix_accepts(text)
    assert [pin.component for pin in said(folder(text)).pins] == ["ipxe", "qemu", "seabios", "ovmf"]


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (None, None),
        ("{ broken", None),
        (SHARED.replace("fetchSubmodules = true", "fetchSubmodules = false"), False),
        (SHARED.replace("fetchSubmodules = true", "fetchSubmodules = x"), None),
        (SHARED.replace("fetchSubmodules = true", "inherit fetchSubmodules"), None),
        (SHARED.replace("inherit (pkg.qemu) rev hash;", "inherit (q) rev hash;"), None),
        (SHARED.replace("inherit (pkg.qemu) rev hash;", "rev = pkg.qemu.rev; hash = pkg.qemu.hash;"), True),
    ],
)
def test_what_the_builder_says_of_submodules(builder: str | None, *, expected: bool | None) -> None:
    subject = said(folder(builder=builder))
    assert subject.pins[0].submodules is expected
    told = [warning for warning in subject.warnings if "submodules" in warning]
    assert len(told) == (expected is None)
    assert all("qemu" in warning for warning in told)
    assert subject.efi is (None if builder in {None, "{ broken"} else True)


def test_a_builder_that_takes_xen_from_github() -> None:
    url = 'url = "https://xenbits.xen.org/git-http/xen.git";\n    inherit (pkg.xen) rev hash;'
    github = 'owner = "xen-project";\n    repo = "xen";\n    inherit (pkg.xen) rev hash;'
    builder = SHARED.replace("src = fetchgit", "src = fetchFromGitHub").replace(url, github)
    assert said(folder(builder=builder)).fetcher == "fetchFromGitHub"
    error = refused(folder(builder=builder.replace('"xen-project"', '"someone"')), "E-SOURCE-OTHER")
    assert "../generic/default.nix, line " in error.where
    error = refused(folder(builder=SHARED.replace(url, url + "\n    deepClone = true;")), "E-FETCHER-OPTION")
    assert "../generic/default.nix, line " in error.where
    both = builder.replace("passthru = {", f"passthru = {{\n    x = fetchgit {{ {url} }};")
    assert "../generic/default.nix" in refused(folder(builder=both), "E-AMBIGUOUS").where


# --- what is odd -----------------------------------------------------------------------------------------------------


ODD = ('";\n      patches = [\n', 'rev = "rel-1.16.3";\n      hash = "')


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"older": sibling("4.19", latest=True)}, "4.19 and 4.20 have `latest = true`"),
        ({"text": changed("latest = true", "latest = false")}, "none of 4.19 and 4.20 has `latest = true`"),
        ({"text": changed(OLD_HASH + ODD[0], ODD[0])}, "the source hash is not one SHA-256"),
        ({"text": changed(ODD[1], ODD[1] + "X=")}, "seabios is not one SHA-256 in SRI form (line 51, column 15)"),
        ({"text": changed("4.20.1", "4.20.2-unstable-2026-08-01")}, "is pinned without `upstreamVersion`"),
    ],
)  # fmt: skip
def test_what_is_odd_is_told(files: dict[str, str], words: str) -> None:
    (warning,) = said(folder(**files)).warnings
    assert words in warning


def test_a_folder_of_another_name_is_told() -> None:
    text = TEXT.replace('"4.20"', '"4.18"').replace("4.20.1", "4.18.1")
    subject = said(folder(text))
    assert subject.siblings == ("4.18", "4.19")
    assert "the file of branch 4.18 lies in a folder of the name 4.20" in subject.warnings


def test_a_file_by_itself() -> None:
    text = TEXT.replace(WITH, "[ ]")
    subject = said(Files({FILE: text}))
    assert (subject.branch, subject.siblings, subject.efi) == ("4.20", ("4.20",), None)
    assert naming(Files({FILE: text})) is None
    other = Files({"xen/4.20/xen.nix": text, FILE: "{ }", "xen/4.19/xen.nix": sibling("4.19")})
    assert SHAPES[0].read(parse(text), other).siblings == ("4.19", "4.20")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('  version = "4.20.1";\n', "", "E-MISSING"),
        ('  branch = "4.20";\n', "", "E-MISSING"),
        ('      rev = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";\n', "", "E-MISSING"),
        (f'hash = "{OLD_HASH}";\n      patches = [\n', "patches = [\n", "E-MISSING"),
        ('      rev = "rel-1.16.3";\n', "", "E-MISSING"),
        ('branch = "4.20"', 'branch = "4.19"', "E-BRANCH-DISAGREES"),
        ('branch = "4.20"', 'branch = "4.20.1"', "E-BRANCH-DISAGREES"),
        ('branch = "4.20"', 'branch = "4.${x}"', "E-NOT-LITERAL"),
        ('branch = "4.20"', "branch = lib.versions.majorMinor version", "E-NOT-LITERAL"),
        ('branch = "4.20"', 'branch = lib.versions.majorMinor "4.20.1"', "E-NOT-LITERAL"),
        ('branch = "4.20"', "inherit branch", "E-NOT-LITERAL"),
        ('version = "4.20.1"', 'version = "4.20"', "E-VERSION-FORM"),
        ('version = "4.20.1"', "version = lib.x", "E-NOT-LITERAL"),
        ('rev = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', 'rev = "RELEASE-4.20.0"', "E-TAG-DISAGREES"),
        ('rev = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', 'rev = "aaaa"', "E-TAG-DISAGREES"),
        ('rev = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "inherit rev", "E-NOT-LITERAL"),
        ('rev = "rel-1.16.3"', 'rev = "rel-${x}"', "E-NOT-LITERAL"),
        ('rev = "rel-1.16.3"', "inherit rev", "E-NOT-LITERAL"),
        ("    ipxe = {", '    qemu.rev = "x";\n    ipxe = {', "E-NIX-SYNTAX"),
        ("    ipxe = {", "    minios = null;\n    ipxe = {", "E-NOT-LITERAL"),
        ("    ipxe = {", "    inherit minios;\n    ipxe = {", "E-NOT-LITERAL"),
        ("    ipxe = {", '    seabios = {\n      rev = "x";\n      hash = "";\n    };\n    ipxe = {', "E-AMBIGUOUS"),
        ("    xen = {", "    xen = pkgs // {", "E-NOT-LITERAL"),
        ('  version = "4.20.1";\n', '  version = "4.20.1";\n  version = "4.20.1";\n', "E-NIX-SYNTAX"),
    ],
)  # fmt: skip
def test_refusals_name_the_place(old: str, new: str, code: str) -> None:
    text = changed(old, new)
    assert nix_accepts(text) == (code != "E-NIX-SYNTAX")
    assert re.search(r"line \d+, column \d+$", refused(folder(text), code).where)


def test_two_definitions_are_one_too_many() -> None:
    text = f"{{ }}:\n[\n({TEXT})\n({TEXT})\n]\n"
    assert refused(folder(text), "E-AMBIGUOUS").where.count("line ") == 2


@pytest.mark.parametrize("content", [SHARED, shared(entry("480")), "{ pkg }: pkg.xen", "{ branch = 1; version = 2; }"])
def test_what_is_no_definition_is_not_recognised(content: str) -> None:
    assert not SHAPES[0].recognises(parse(content))


def test_no_other_shape_takes_it() -> None:
    for text in (TEXT, sibling("4.19", "XSA_480"), changed("(import ../generic/default.nix {", "(f {")):
        assert shapes.recognise(parse(text)).key == KEY


# --- a bump ----------------------------------------------------------------------------------------------------------


def test_a_bump_forth_and_back() -> None:
    before = folder()
    subject = said(before)
    more = [*subject.patches[:2], named("490-4.20")]
    story = Addition(more[-1], "0" * 64, "x86: a title", "What it is about.", ())
    plan = planned(subject, release("4.20.2"), change=change_to(subject, more, XSA_490_4_20=story))
    after = written(before, replace(plan, pins=pinned(subject.pins), efi=False))
    assert differing(before, after) == {FILE, PATCHES, BUILDER}
    assert after.files[BUILDER].decode() == SHARED.replace("withEFI ? true", "withEFI ? false")
    assert after.files[PATCHES].decode() == shared(entry("480", cves=["CVE-2026-1"]), entry("490-4.20"))
    now = said(after)
    assert (now.version, now.rev, now.hash, now.patches, now.efi) == ("4.20.2", NEW, NEW_HASH, tuple(more), False)
    assert now.pins == pinned(subject.pins)
    assert all(nix_accepts(content.decode()) for path, content in after.files.items() if path.endswith(".nix"))
    target = replace(release("4.20.1"), commit=COMMIT)
    told = {
        patch.name or "": Addition(patch, "0" * 64, "x86: a title", "What it is about.", ())
        for patch in subject.patches[2:]
    }
    plan = replace(planned(now, target, change=change_to(now, subject.patches, **told)), hash=OLD_HASH, efi=True)
    back = written(after, replace(plan, pins=subject.pins))
    assert {path: back.files[path] for path in (PATCHES, BUILDER)} == {
        path: before.files[path] for path in (PATCHES, BUILDER)
    }
    comment = "      # Only the newest branches are affected\n"
    assert back.files[FILE].decode() == TEXT.replace(comment, "")


def test_only_the_planned_spans_change() -> None:
    before = folder()
    subject = said(before)
    after = written(before, replace(planned(subject, release("4.20.2")), pins=pinned(subject.pins)))
    assert differing(before, after) == {FILE}
    old, new = TEXT.splitlines(), after.files[FILE].decode().splitlines()
    changed_lines = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
    assert len(changed_lines) == 3 + 2 * 4
    assert all(one.partition('"')[0] == other.partition('"')[0] for one, other in changed_lines)


@pytest.mark.parametrize("prefix", ["", "refs/tags/"])
def test_a_tag_stays_a_tag(prefix: str) -> None:
    text = TEXT.replace(COMMIT, f"{prefix}RELEASE-4.20.1")
    before = folder(text)
    subject = said(before)
    assert subject.rev is None
    after = written(before, replace(planned(subject, release("4.20.2")), pins=subject.pins))
    assert f'rev = "{prefix}RELEASE-4.20.2";' in after.files[FILE].decode()


@pytest.mark.parametrize("fetcher", ["fetchgit", "fetchFromGitHub"])
def test_a_tip_and_the_release_after_it(fetcher: str) -> None:
    github = 'owner = "xen-project";\n    repo = "xen";'
    builder = SHARED.replace("src = fetchgit", f"src = {fetcher}")
    if fetcher == "fetchFromGitHub":
        builder = builder.replace('url = "https://xenbits.xen.org/git-http/xen.git";', github)
    before = folder(builder=builder)
    subject = said(before)
    there = written(
        before, replace(planned(subject, tip("4.20.2-unstable-2026-08-01", "4.20.2-pre")), pins=subject.pins)
    )
    text = there.files[FILE].decode()
    assert '  version = "4.20.2-unstable-2026-08-01";\n  upstreamVersion = "4.20.2-pre";\n' in text
    assert f'rev = "{"c" * 40}";' in text
    now = said(there)
    assert (now.upstream_version, now.branch, now.warnings) == ("4.20.2-pre", "4.20", ())
    back = written(there, replace(planned(now, release("4.20.2")), pins=now.pins)).files[FILE].decode()
    assert f'rev = "{NEW}";' in back
    assert said(folder(back, builder=builder)).rev == NEW


def test_a_builder_that_knows_no_tips_gets_none() -> None:
    before = folder(builder=SHARED.replace("  upstreamVersion ? version,\n", "").replace("latest upstreamVersion", ""))
    subject = said(before)
    plan = replace(planned(subject, tip("4.20.2-unstable-2026-08-01", "4.20.2-pre")), pins=subject.pins)
    with pytest.raises(Refusal) as caught:
        written(before, plan)
    assert caught.value.code == "E-BUILDER-ARGUMENT"
    assert caught.value.where == f"{FILE}, line 28, column 14"
    open_ = folder(builder=SHARED.replace("  upstreamVersion ? version,\n", "").replace("  pkg,\n", "  pkg,\n  ...\n"))
    assert b'upstreamVersion = "4.20.2-pre";' in written(open_, plan).files[FILE]


def test_a_switch_in_the_package_file_itself() -> None:
    text = changed("  callPackage,\n", "  callPackage,\n  withEFI ? false,\n")
    before = folder(text)
    subject = said(before)
    assert subject.efi is False
    after = written(before, replace(planned(subject), efi=True))
    assert differing(before, after) == {FILE}
    assert "withEFI ? true" in after.files[FILE].decode()


def test_without_a_switch_there_is_nothing_to_set() -> None:
    before = folder(builder=SHARED.replace("withEFI ? true", "withEFI"))
    subject = said(before)
    with pytest.raises(Refusal) as caught:
        written(before, replace(planned(subject), efi=True))
    assert caught.value.code == "E-EFI-SWITCH"


def test_pins_that_are_not_those_of_the_file_are_a_fault() -> None:
    before = folder()
    subject = said(before)
    with pytest.raises(Failure) as caught:
        written(before, replace(planned(subject), pins=(*subject.pins, Pin("minios", "x", "y"))))
    assert caught.value.code == "E-EDIT-CHECK"
