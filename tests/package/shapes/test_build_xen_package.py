"""The shape `build-xen-package`: versions, commits and patches forth and back, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.support import (
    FIXTURES,
    NEW_HASH,
    OLD_HASH,
    changed_to,
    edited,
    moved,
    nix_accepts,
    patched,
    plan_for,
    plan_to,
    read,
    refused,
    release,
    rewritten,
    sri,
    tip,
    xsa,
)
from xenbump.errors import Refusal

KEY = "build-xen-package"
FIXTURE = FIXTURES[KEY]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = f"""{{
  buildXenPackage,
  python3Packages,
}}:

buildXenPackage.override {{ inherit python3Packages; }} {{
  pname = "xen";
  version = "4.20.3";
  rev = "{COMMIT}";
  hash = "{OLD_HASH}";
}}
"""
TIP = f"""{{ buildXenPackage, python3Packages }}:

buildXenPackage.override {{ inherit python3Packages; }} {{
  pname = "xen";
  version = "4.19.3-unstable-2025-07-09";
  upstreamVersion = "4.19.3-pre";
  rev = "{COMMIT}";
  hash = "{OLD_HASH}";
}}
"""
ALEJANDRA = f"""{{
  buildXenPackage,
  fetchpatch,
  python3Packages,
}}:
buildXenPackage.override {{inherit python3Packages;}} {{
  pname = "xen";
  version = "4.20.3";
  patches = [
    (fetchpatch {{
      url = "https://xenbits.xenproject.org/xsa/xsa480.patch";
      hash = "{sri(48000)}";
    }})
  ];
  rev = "{COMMIT}";
  hash = "{OLD_HASH}";
}}
"""


def changed(old: str, new: str, text: str = FIXTURE) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_what_the_fixture_says() -> None:
    said = read(FIXTURE)
    assert (said.shape, said.version, said.rev, said.upstream_version) == (KEY, "4.20.3", COMMIT, None)
    assert (said.fetcher, said.hash, said.efi, said.warnings) == ("fetchgit", OLD_HASH, None, ())
    assert [patch.xsa for patch in said.patches] == [None, 469, 469, 472]


@pytest.mark.parametrize("text", [FIXTURE, SMALL, ALEJANDRA, FIXTURE.replace("\n", "\r\n")])
def test_a_bump_and_the_way_back(text: str) -> None:
    after = rewritten(text)
    assert after == (
        text.replace('version = "4.20.3"', 'version = "4.20.4"').replace(COMMIT, "2" * 40).replace(OLD_HASH, NEW_HASH)
    )
    assert nix_accepts(after)
    back = edited(after, plan_for(read(after), "4.20.3", OLD_HASH))
    assert back == text.replace(COMMIT, "2" * 40)


# --- tips of a stable branch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SMALL, FIXTURE, ALEJANDRA, SMALL.replace("\n", "\r\n")])
def test_to_a_tip_and_back(text: str) -> None:
    there = moved(text, tip())
    newline = "\r\n" if "\r" in text else "\n"
    assert there == (
        text.replace(
            'version = "4.20.3";',
            f'version = "4.20.4-unstable-2026-08-01";{newline}  upstreamVersion = "4.20.4-pre";',
        )
        .replace(COMMIT, "c" * 40)
        .replace(OLD_HASH, NEW_HASH)
    )
    assert nix_accepts(there)
    assert (read(there).upstream_version, read(there).warnings) == ("4.20.4-pre", ())
    # A release has the version that the builder assumes, so the attribute goes with the tip.
    back = edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH))
    assert back == text.replace(COMMIT, "2" * 40)


@pytest.mark.parametrize("behind", ["", " # as the tree has it", " /* see xen/Makefile */  "])
def test_the_version_of_the_tree_goes_with_its_line(behind: str) -> None:
    text = changed('upstreamVersion = "4.19.3-pre";', f'upstreamVersion = "4.19.3-pre";{behind}', TIP)
    said = read(text)
    assert (said.version, said.upstream_version, said.warnings) == ("4.19.3-unstable-2025-07-09", "4.19.3-pre", ())
    after = moved(text, release("4.19.3"))
    assert after == (
        text.replace(f'  upstreamVersion = "4.19.3-pre";{behind}\n', "")
        .replace("4.19.3-unstable-2025-07-09", "4.19.3")
        .replace(COMMIT, "2" * 40)
        .replace(OLD_HASH, NEW_HASH)
    )
    # From tip to tip the comment stays.
    onward = moved(text, tip("4.19.4-unstable-2025-09-01", "4.19.4-pre"))
    assert f'  upstreamVersion = "4.19.4-pre";{behind}\n' in onward


def test_on_one_line_the_version_of_the_tree_comes_and_goes_too() -> None:
    text = f'{{ b }}: b.buildXenPackage {{ version = "4.20.3"; rev = "{"2" * 40}"; hash = "{OLD_HASH}"; }}'
    there = moved(text, tip())
    assert '"4.20.4-unstable-2026-08-01"; upstreamVersion = "4.20.4-pre"; rev' in there
    assert edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH)) == text


def test_a_version_of_the_tree_that_is_used_elsewhere_stays() -> None:
    text = changed("} {\n", "} rec {\n", TIP).replace("  hash", '  efi = "xen-${upstreamVersion}.efi";\n  hash')
    after = moved(text, release("4.19.3"))
    assert "  upstreamVersion = version;\n" in after
    assert 'upstreamVersion = "4.19.4-pre";' in moved(after, tip("4.19.4-unstable-2025-09-01", "4.19.4-pre"))


def test_a_tip_without_the_version_of_its_tree_is_told_and_repaired_when_it_moves() -> None:
    text = changed('  upstreamVersion = "4.19.3-pre";\n', "", TIP)
    (warning,) = read(text).warnings
    assert "`upstreamVersion`" in warning
    assert "(line 5, column 14)" in warning
    after = moved(text, tip("4.19.3-unstable-2025-07-16", "4.19.3-pre"))
    assert '"4.19.3-unstable-2025-07-16";\n  upstreamVersion = "4.19.3-pre";\n' in after
    assert read(after).warnings == ()


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "derived"),
    [
        (f'"{COMMIT}"', '"RELEASE-4.20.3"', False),
        (f'"{COMMIT}"', '"refs/tags/RELEASE-4.20.3"', False),
        (f'"{COMMIT}"', '"RELEASE-${finalAttrs.version}"', True),
    ],
)
def test_a_release_that_is_named_by_its_tag(old: str, new: str, *, derived: bool) -> None:
    text = SMALL.replace("; } {", "; } (finalAttrs: {").replace(";\n}\n", ";\n})\n").replace(old, new)
    assert read(text).rev is None
    after = rewritten(text)
    assert after == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)
    there = moved(text, tip())
    assert f'rev = "{"c" * 40}"' in there
    # What was pinned by commit goes on to be.
    assert f'rev = "{"2" * 40}"' in moved(there, release("4.20.4"))
    assert nix_accepts(after)
    assert derived == ("${" in after)


@pytest.mark.parametrize(
    "text",
    [
        changed(".override { inherit python3Packages; } {", " {", SMALL),
        changed("{ inherit python3Packages; } {", "{ inherit python3Packages; } rec {", SMALL).replace(
            COMMIT, "RELEASE-${version}"
        ),
        changed("buildXenPackage.override {", "(buildXenPackage.override) {", SMALL),
        changed("buildXenPackage.override {", "pkgs.xenPackages.buildXenPackage.override {", SMALL),
        changed("buildXenPackage.override {", "(pkgs.buildXenPackage).override {", SMALL),
        changed("buildXenPackage.override { inherit python3Packages; } {", "(buildXenPackage.override { }) {", SMALL),
        changed("buildXenPackage.override {", 'let version = "4.20.3"; in buildXenPackage.override {', SMALL)
        .replace('  version = "4.20.3";', "  inherit version;")
        .replace(COMMIT, "RELEASE-${version}"),
        changed("buildXenPackage.override {", 'let v = "4.20.3"; in buildXenPackage.override {', SMALL).replace(
            '  version = "4.20.3";', "  version = v;"
        ),
    ],
)
def test_other_ways_to_call_the_builder(text: str) -> None:
    said = read(text)
    assert (said.shape, said.version, said.hash) == (KEY, "4.20.3", OLD_HASH)
    after = rewritten(text)
    assert after == text.replace("4.20.3", "4.20.4").replace(COMMIT, "2" * 40).replace(OLD_HASH, NEW_HASH)
    there = moved(text, tip())
    assert there.count("upstreamVersion") == 1
    assert nix_accepts(there)


# --- patches ---------------------------------------------------------------------------------------------------------


def test_the_first_patch_brings_its_fetcher_and_the_last_one_takes_it_away() -> None:
    there = patched(SMALL, [xsa(490), xsa(491)])
    first, second = (
        f'(fetchpatch {{\n      url = "{one.url}";\n      hash = "{one.hash}";\n    }})' for one in (xsa(490), xsa(491))
    )
    assert there == (
        SMALL.replace("buildXenPackage,\n", "buildXenPackage,\n  fetchpatch,\n")
        .replace(COMMIT, "2" * 40)
        .replace(
            f'  hash = "{OLD_HASH}";\n',
            f'  hash = "{OLD_HASH}";\n\n  patches = [\n    # XSA #490\n    {first}\n\n    # XSA #491\n'
            f"    {second}\n  ];\n",
        )
    )
    assert nix_accepts(there)
    back = patched(there, [])
    assert "fetchpatch" not in back
    assert "\n\n  patches = [ ];\n}" in back
    assert patched(back, [xsa(490), xsa(491)]) == there


@pytest.mark.parametrize(
    ("formals", "after"),
    [
        ("{ buildXenPackage, python3Packages }:", "{ buildXenPackage, fetchpatch, python3Packages }:"),
        ("{ python3Packages, buildXenPackage }:", "{ python3Packages, buildXenPackage, fetchpatch }:"),
        ("{\n  python3Packages,\n  buildXenPackage\n}:", "{\n  python3Packages,\n  buildXenPackage,\n  fetchpatch\n}:"),
    ],
)
def test_the_fetcher_comes_into_any_list_of_arguments_and_goes_again(formals: str, after: str) -> None:
    text = SMALL.replace("{\n  buildXenPackage,\n  python3Packages,\n}:", formals)
    there = patched(text, [xsa(490)])
    assert there.startswith(after)
    assert patched(there, []).startswith(formals)


@pytest.mark.parametrize("is_above", [False, True])
def test_patches_above_the_revision_or_below_the_hash(*, is_above: bool) -> None:
    listed = "patches = [\n    ./0001-a.patch\n  ];\n"
    pinned = f'  rev = "{COMMIT}";\n  hash = "{OLD_HASH}";\n'
    text = changed(pinned, f"  {listed}{pinned}" if is_above else f"{pinned}  {listed}", SMALL)
    there = edited(
        text,
        plan_to(read(text), release("4.20.4"), patches=changed_to(read(text).patches, [*read(text).patches, xsa(490)])),
    )
    assert (there.index("xsa490") < there.index("rev =")) is is_above
    back = read(there)
    again = edited(
        there, plan_to(back, release("4.20.3"), digest=OLD_HASH, patches=changed_to(back.patches, back.patches[:1]))
    )
    assert again == text.replace(COMMIT, "2" * 40)


def test_alejandra_style_is_kept() -> None:
    there = patched(ALEJANDRA, [*read(ALEJANDRA).patches, xsa(491)])
    assert there == changed(
        "    })\n  ];",
        f'    }})\n\n    (fetchpatch {{\n      url = "{xsa(491).url}";\n      hash = "{xsa(491).hash}";\n    }})\n  ];',
        ALEJANDRA,
    ).replace(COMMIT, "2" * 40)


def test_a_patch_and_the_version_of_the_tree_come_at_one_place() -> None:
    pinned = f'  rev = "{COMMIT}";\n  hash = "{OLD_HASH}";\n'
    text = f'{{ buildXenPackage }}:\nbuildXenPackage {{\n{pinned}  version = "4.20.3";\n}}\n'
    there = edited(text, plan_to(read(text), tip(), patches=changed_to([], [xsa(490)])))
    assert '01";\n  upstreamVersion = "4.20.4-pre";\n\n  patches = [\n' in there


def test_inherited_patches_are_told_and_not_edited() -> None:
    text = changed("buildXenPackage.override {", "let patches = [ ]; in buildXenPackage.override {", SMALL).replace(
        '  pname = "xen";', '  pname = "xen";\n  inherit patches;'
    )
    (warning,) = read(text).warnings
    assert "`patches` is inherited" in warning
    with pytest.raises(Refusal) as caught:
        patched(text, [xsa(490)])
    assert caught.value.code == "E-PATCH-LIST"


# --- what is refused and what is told --------------------------------------------------------------------------------


REFUSED = [
    ('  version = "4.20.3";\n', "", "E-MISSING"),
    (f'  rev = "{COMMIT}"; # the commit, not the tag object\n', "", "E-MISSING"),
    (f'  hash = "{OLD_HASH}";\n', "", "E-MISSING"),
    (f'  hash = "{OLD_HASH}";\n', f'  sha256 = "{OLD_HASH}";\n', "E-FETCHER-OPTION"),
    ('  pname = "xen";\n', "  src = fetchgit { };\n", "E-FETCHER-OPTION"),
    ('  pname = "xen";\n', "  inherit src;\n", "E-FETCHER-OPTION"),
    ('  pname = "xen";\n', '  tag = "RELEASE-4.20.3";\n', "E-FETCHER-OPTION"),
    ('  pname = "xen";\n', "  fetchSubmodules = true;\n", "E-FETCHER-OPTION"),
    ('version = "4.20.3"', "version = lib.v", "E-NOT-LITERAL"),
    ('version = "4.20.3"', 'version = "4.20.${x}"', "E-NOT-LITERAL"),
    ('version = "4.20.3";', "inherit version;", "E-NOT-LITERAL"),
    ('version = "4.20.3";', "inherit (lib) version;", "E-NOT-LITERAL"),
    ('version = "4.20.3"', 'version = "4.20"', "E-VERSION-FORM"),
    ('version = "4.20.3"', 'version = "4.20.3-rc1"', "E-VERSION-FORM"),
    (f'"{COMMIT}"', '"RELEASE-4.20.2"', "E-TAG-DISAGREES"),
    (f'"{COMMIT}"', f'"{COMMIT[:39]}"', "E-TAG-DISAGREES"),
    (f'"{COMMIT}"', '"stable-4.20"', "E-TAG-DISAGREES"),
    (f'"{COMMIT}"', '"RELEASE-${version}"', "E-NOT-LITERAL"),
    (f'"{COMMIT}"', "lib.fakeRev", "E-NOT-LITERAL"),
    (f'"{OLD_HASH}"', "lib.hashOf", "E-NOT-LITERAL"),
    ('  pname = "xen";\n', '  upstreamVersion = "${x}-pre";\n', "E-NOT-LITERAL"),
    ("{ inherit python3Packages; } {\n", "{ inherit python3Packages; } (a // {\n", "E-NOT-LITERAL"),
]


def spoilt(old: str, new: str) -> str:
    text = changed(old, new)
    return text if new.count("(") == new.count(")") else text.rstrip() + ")\n"


@pytest.mark.parametrize(("old", "new", "code"), REFUSED)
def test_refusals_name_the_place(old: str, new: str, code: str) -> None:
    refused(spoilt(old, new), code)


def test_nix_reads_what_is_refused() -> None:
    assert nix_accepts("[\n" + "\n".join(f"(\n{spoilt(old, new)}\n)" for old, new, _ in REFUSED) + "\n]")


def test_two_packages_in_one_file_are_one_too_many() -> None:
    error = refused(f"{{ pkgs }}: {{\n a = {FIXTURE};\n b = {SMALL};\n}}\n", "E-AMBIGUOUS")
    assert error.where.count("line ") == 2


@pytest.mark.parametrize(
    ("digest", "said"),
    [(OLD_HASH * 2, "not one SHA-256"), (f"sha256-{'A' * 43}=", "a placeholder"), ("", "not one SHA-256")],
)
def test_a_hash_that_is_none_is_told_and_repaired(digest: str, said: str) -> None:
    text = changed(OLD_HASH, digest)
    (warning,) = read(text).warnings
    assert said in warning
    assert "line 12, column 11" in warning
    assert rewritten(text) == rewritten(FIXTURE)


# --- any layout ------------------------------------------------------------------------------------------------------

GAPS = st.sampled_from([" ", "\n", "\n  ", "\t", ' # version = "1"\n', " /* rev */ ", "\r\n"])


@settings(max_examples=25, deadline=None, database=None)
@given(
    order=st.permutations(range(5)),
    gaps=st.lists(GAPS, min_size=1, max_size=11),
    head=st.sampled_from(["buildXenPackage", "p.buildXenPackage.override { inherit x; }"]),
    wrap=st.sampled_from([("", ""), ("rec", ""), ("(final:", ")"), ("(final: let x = 1; in", ")")]),
)
def test_no_other_byte_changes_whatever_the_layout(
    order: list[int], gaps: list[str], head: str, wrap: tuple[str, str]
) -> None:
    def text(version: str, rev: str, digest: str) -> str:
        parts = [
            ("pname", "=", '"xen"', ";"),
            ("version", "=", f'"{version}"', ";"),
            ("rev", "=", f'"{rev}"', ";"),
            ("hash", "=", f'"{digest}"', ";"),
            ("patches", "=", "[", "./a.patch", "]", ";"),
        ]
        words = ["{", "buildXenPackage, x, p }:", head, wrap[0], "{"]
        words += [word for place in order for word in parts[place]] + ["}", wrap[1]]
        return "".join(word + gaps[number % len(gaps)] for number, word in enumerate(words))

    before = text("4.20.3", COMMIT, OLD_HASH)
    assert read(before).shape == KEY
    assert rewritten(before) == text("4.20.4", "2" * 40, NEW_HASH)
    there = moved(before, tip())
    assert (read(there).rev, read(there).upstream_version) == ("c" * 40, "4.20.4-pre")
    back = edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH))
    assert back.split() == text("4.20.3", "2" * 40, OLD_HASH).split()


def test_a_tag_is_fetched_from_github() -> None:
    """This project's own builder takes a tag in place of a revision."""
    text = SMALL.replace(f'rev = "{COMMIT}"', 'tag = "RELEASE-4.20.3"')
    assert text != SMALL
    said = read(text)
    assert (said.shape, said.fetcher, said.rev, said.version) == (KEY, "fetchFromGitHub", None, "4.20.3")
    assert rewritten(text) == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)
