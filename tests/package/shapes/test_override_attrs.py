"""The shape `override-attrs`: versions, tags and patches forth and back, what is refused, and whose patches stay."""

from __future__ import annotations

import re

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
    tip,
    xsa,
)
from xenbump.errors import Refusal

KEY = "override-attrs"
FIXTURE = FIXTURES[KEY]
SOURCE = f"""  src = @.fetchFromGitHub {{
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-4.20.3";
    hash = "{OLD_HASH}";
  }};
"""
SMALL = '{ pkgs }:\n\npkgs.xen.overrideAttrs (old: {\n  version = "4.20.3";\n' + SOURCE.replace("@", "pkgs") + "})\n"
OVERLAY = f"""final: prev: {{
  xen = prev.xen.overrideAttrs (finalAttrs: prevAttrs: {{
    version = "4.20.3";
    src = final.fetchgit {{
      url = "https://xenbits.xenproject.org/git-http/xen.git";
      rev = "RELEASE-${{finalAttrs.version}}";
      hash = "{OLD_HASH}";
    }};
    patches = prevAttrs.patches ++ [ ./ours.patch ];
  }});
}}
"""


def changed(old: str, new: str, text: str = FIXTURE) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_what_the_fixture_says() -> None:
    said = read(FIXTURE)
    assert (said.shape, said.version, said.rev, said.upstream_version) == (KEY, "4.20.3", None, None)
    assert (said.fetcher, said.hash, said.efi) == ("fetchFromGitHub", OLD_HASH, None)
    assert [patch.xsa for patch in said.patches] == [None, 469, 469, 480]
    (warning,) = said.warnings
    assert warning == "which patches `lib.take 1 old.patches` brings is not seen here; they stay (line 21, column 13)"


@pytest.mark.parametrize("text", [FIXTURE, SMALL, OVERLAY, FIXTURE.replace("\n", "\r\n")])
def test_a_bump_and_the_way_back(text: str) -> None:
    after = rewritten(text)
    assert after == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)
    assert nix_accepts(after)
    assert edited(after, plan_for(read(after), "4.20.3", OLD_HASH)) == text


@pytest.mark.parametrize("text", [FIXTURE, SMALL])
def test_to_a_tip_and_back(text: str) -> None:
    there = moved(text, tip())
    own = next(line for line in text.splitlines() if "version = " in line)
    assert there == (
        text.replace(own, f'{own.replace("4.20.3", "4.20.4-unstable-2026-08-01")}\n  upstreamVersion = "4.20.4-pre";')
        .replace('tag = "RELEASE-4.20.3"', f'rev = "{"c" * 40}"')
        .replace(OLD_HASH, NEW_HASH)
    )
    assert nix_accepts(there)
    assert edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH)) == text


def test_a_tip_by_fetchgit_and_back() -> None:
    there = moved(OVERLAY, tip())
    assert f'rev = "{"c" * 40}"' in there
    back = edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH))
    # What was pinned by commit goes on to be.
    assert back == OVERLAY.replace("RELEASE-${finalAttrs.version}", "2" * 40)


def test_a_tip_without_the_version_of_its_tree_is_told() -> None:
    there = moved(SMALL, tip()).replace('  upstreamVersion = "4.20.4-pre";\n', "")
    assert any(
        "without `upstreamVersion`" in warning and "line 4, column 14" in warning for warning in read(there).warnings
    )


# --- spellings -------------------------------------------------------------------------------------------------------


XEN = [
    "xen.overrideAttrs",
    "pkgs.xen_4_20.overrideAttrs",
    "pkgs.xen-slim.overrideAttrs",
    "pkgs.xenPackages.xen_4_19-vanilla.overrideAttrs",
    "xenPackages.xen.overrideAttrs",
    "(pkgs.xen).overrideAttrs",
    "(pkgs.xen.override { withFlask = true; }).overrideAttrs",
    "(xen.override { }).overrideAttrs",
    "((pkgs.xen.overrideAttrs (o: { doCheck = false; })).override { }).overrideAttrs",
    "inputs.nixpkgs.legacyPackages.${system}.xen.overrideAttrs",
    'inputs.nixpkgs.legacyPackages."x86_64-linux".xen.overrideAttrs',
    "let hypervisor = pkgs.xen; in hypervisor.overrideAttrs",
]
OTHERS = [
    "pkgs.hello.overrideAttrs",
    "pkgs.xen-guest-agent.overrideAttrs",
    "pkgs.xen.override",
    "pkgs.xen.passthru.overrideAttrs",
    "(f pkgs.xen).overrideAttrs",
    "(pkgs.callPackage ./xen.nix { }).overrideAttrs",
    "overrideAttrs",
    "(pkgs.xen.overrideAttrs or f)",
]


@pytest.mark.parametrize("function", XEN)
def test_the_names_of_xen(function: str) -> None:
    text = changed("pkgs.xen.overrideAttrs", function, SMALL)
    assert (read(text).shape, read(text).version) == (KEY, "4.20.3")
    assert rewritten(text) == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)


@pytest.mark.parametrize("function", OTHERS)
def test_what_is_no_override_of_xen(function: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(changed("pkgs.xen.overrideAttrs", function, SMALL))
    assert caught.value.code == "E-SHAPE-UNKNOWN"


@pytest.mark.parametrize(
    ("old", "new", "tag"),
    [
        ("(old: {", "(old: rec {", "version"),
        ("(old: {", "(final: old: {", "final.version"),
        ("(old: {", "({", None),
        ("(old: {", "(_: {", None),
        ("(old: {", "({ passthru, ... }: {", None),
        ("(old: {", "(old: let x = 1; in with x; {", None),
    ],
)
def test_what_an_override_is_given(old: str, new: str, tag: str | None) -> None:
    text = changed(old, new, SMALL)
    if tag is not None:
        text = text.replace("RELEASE-4.20.3", f"RELEASE-${{{tag}}}")
    assert read(text).version == "4.20.3"
    assert rewritten(text) == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)


LET = '{ pkgs }:\nlet\n  version = "4.20.3";\n@in\npkgs.xen.overrideAttrs (old: {\n  inherit version;\n#})\n'


@pytest.mark.parametrize(
    "text",
    [
        LET.replace("@", "").replace("#", SOURCE.replace("@", "pkgs")),
        LET.replace("@", "").replace("#", SOURCE.replace("@", "pkgs").replace("-4.20.3", "-${version}")),
        LET.replace("@", SOURCE.replace("@", "pkgs").replace("-4.20.3", "-${version}")).replace(
            "#", "  inherit src;\n"
        ),
        LET.replace("@", SOURCE.replace("@", "pkgs").replace("-4.20.3", "-${version}")).replace("#", "  src = src;\n"),
    ],
)
def test_values_one_step_away(text: str) -> None:
    said = read(text)
    assert (said.version, said.hash) == ("4.20.3", OLD_HASH)
    assert rewritten(text) == text.replace("4.20.3", "4.20.4").replace(OLD_HASH, NEW_HASH)


def test_an_inherited_version_has_the_trees_beside_it() -> None:
    text = LET.replace("@", "").replace("#", SOURCE.replace("@", "pkgs"))
    there = moved(text, tip())
    assert '  };\n  upstreamVersion = "4.20.4-pre";\n})' in there
    assert moved(there, release("4.20.4")) == rewritten(text)


def test_a_source_outside_does_not_see_the_version_of_the_set() -> None:
    source = SOURCE.replace("@", "pkgs").replace("-4.20.3", "-${version}")
    text = (
        f'{{ pkgs }}:\nlet\n  version = "4.19.0";\n{source}in\n'
        'pkgs.xen.overrideAttrs rec {\n  version = "4.20.3";\n  inherit src;\n}\n'
    )
    assert "${version}" in refused(text, "E-NOT-LITERAL").what


# --- patches ---------------------------------------------------------------------------------------------------------

ADDED = f"""    # XSA #490
    (@fetchpatch {{
      url = "{xsa(490).url}";
      hash = "{xsa(490).hash}";
    }})
"""


def test_a_patch_comes_into_the_list_that_is_written_out() -> None:
    there = patched(FIXTURE, [*read(FIXTURE).patches, xsa(490)])
    assert there == changed("    })\n  ];", "    })\n\n" + ADDED.replace("@", "") + "  ];")
    assert nix_accepts(there)
    assert patched(there, read(FIXTURE).patches) == FIXTURE


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ("old", "(old.patches or [ ]) ++ ["),
        ("final: prev", "(prev.patches or [ ]) ++ ["),
        ("_", "(_.patches or [ ]) ++ ["),
    ],
)
def test_the_first_patch_comes_behind_those_of_the_package_below(parameters: str, value: str) -> None:
    text = changed("(old: {", f"({parameters}: {{", SMALL)
    (warning,) = read(text).warnings
    assert "lists no patches; those of the package below it are not seen here (line 3," in warning
    there = patched(text, [xsa(490)])
    assert there == changed(
        "  };\n})", "  };\n  patches = " + value + "\n" + ADDED.replace("@", "pkgs.") + "  ];\n})", text
    )
    assert nix_accepts(there)
    (after,) = read(there).warnings
    assert "they stay (line 11, column 14)" in after
    assert patched(there, []).count("++ [ ];") == 1


def test_in_a_set_with_empty_lines_the_list_has_them_too() -> None:
    text = changed("  src =", "\n  src =", SMALL).replace("  };\n})", '  };\n  pname = "xen";\n})')
    there = patched(text, [xsa(490)])
    assert "\n\n  patches = (old.patches or [ ]) ++ [\n" in there
    assert there.endswith("  ];\n})\n")


def test_a_first_patch_and_a_tip_at_one_place() -> None:
    text = (
        LET.replace("@", SOURCE.replace("@", "pkgs"))
        .replace("inherit version;", "inherit src;")
        .replace("#", "  version = version;\n")
    )
    there = edited(text, plan_to(read(text), tip(), patches=changed_to([], [xsa(490)])))
    assert '= version;\n  upstreamVersion = "4.20.4-pre";\n  patches = (old.patches or [ ]) ++ [\n' in there
    assert nix_accepts(there)


@pytest.mark.parametrize("old", ["({", "({ src, ... }: {", "(old: let old = { }; in {"])
def test_without_a_name_for_what_is_below_no_list_is_made(old: str) -> None:
    text = changed("(old: {", old, SMALL)
    with pytest.raises(Refusal) as caught:
        patched(text, [xsa(490)])
    assert caught.value.code == "E-PATCH-LIST"
    assert re.search(r"line \d+, column \d+$", caught.value.where)


@pytest.mark.parametrize("value", ["old.patches", "old.patches ++ more", "map f old.patches"])
def test_where_no_list_is_written_out_there_is_no_place(value: str) -> None:
    text = changed("})\n", f"  patches = {value};\n}})\n", SMALL)
    assert read(text).patches == ()
    assert sum("they stay" in warning for warning in read(text).warnings) == 1
    with pytest.raises(Refusal) as caught:
        patched(text, [xsa(490)])
    assert caught.value.code == "E-PATCH-LIST"


def test_a_list_alone_is_the_whole_list() -> None:
    assert read(changed("})\n", "  patches = [ ./a.patch ];\n})\n", SMALL)).warnings == ()


# --- what is refused and what is told --------------------------------------------------------------------------------


REFUSED = [
    ('  version = "4.20.3"; # all hosts\n', "", "E-MISSING"),
    ("  src = ", "  source = ", "E-MISSING"),
    ('    tag = "RELEASE-4.20.3";\n', "", "E-MISSING"),
    (f'    hash = "{OLD_HASH}";\n', "", "E-MISSING"),
    ('    owner = "xen-project";\n', "", "E-MISSING"),
    ('"4.20.3"; # all hosts', "old.version;", "E-NOT-LITERAL"),
    ('version = "4.20.3"; # all hosts', "inherit (old) version;", "E-NOT-LITERAL"),
    ('"RELEASE-4.20.3"', '"RELEASE-${old.version}"', "E-NOT-LITERAL"),
    ('"RELEASE-4.20.3"', '"RELEASE-${version}"', "E-NOT-LITERAL"),
    (f'"{OLD_HASH}"', '"sha256-${x}="', "E-NOT-LITERAL"),
    ("  src = fetchFromGitHub {", "  inherit src; other = fetchFromGitHub {", "E-NOT-LITERAL"),
    ("pkgs.xen.overrideAttrs (old: {", "pkgs.xen.overrideAttrs (old: common // {", "E-NOT-LITERAL"),
    ('"4.20.3"; # all hosts', '"4.20"; # all hosts', "E-VERSION-FORM"),
    ('"RELEASE-4.20.3"', '"RELEASE-4.20.2"', "E-TAG-DISAGREES"),
    ('"4.20.3"; # all hosts', '"4.20.4-unstable-2026-08-01";', "E-TAG-DISAGREES"),
    ('"xen-project"', '"someone"', "E-SOURCE-OTHER"),
    ("  src = fetchFromGitHub {", "  src = fetchzip {", "E-SOURCE-OTHER"),
    ("  src = fetchFromGitHub {", "  src = old.src.override {", "E-SOURCE-OTHER"),
    ("  src = fetchFromGitHub {", "  src = ./xen; other = fetchFromGitHub {", "E-SOURCE-OTHER"),
    ('    repo = "xen";\n', '    repo = "xen";\n    fetchSubmodules = true;\n', "E-FETCHER-OPTION"),
    ('    repo = "xen";\n', f'    repo = "xen";\n    rev = "{"a" * 40}";\n', "E-AMBIGUOUS"),
]


@pytest.mark.parametrize(("old", "new", "code"), REFUSED)
def test_refusals_name_the_place(old: str, new: str, code: str) -> None:
    refused(changed(old, new), code)


def test_nix_reads_what_is_refused_and_the_names_of_xen() -> None:
    texts = [changed(old, new) for old, new, _ in REFUSED]
    texts += [changed("pkgs.xen.overrideAttrs", one, SMALL) for one in XEN + OTHERS]
    assert nix_accepts("[\n" + "\n".join(f"(\n{text}\n)" for text in texts) + "\n]")


def test_another_repository_is_refused() -> None:
    refused(changed("xenbits.xenproject.org", "example.org", OVERLAY), "E-SOURCE-OTHER")


@pytest.mark.parametrize(
    "other",
    [
        SMALL,
        "pkgs.xen_4_19.overrideAttrs (o: { patches = o.patches ++ [ ./b.patch ]; })",
        'xen.overrideAttrs { version = "1"; }',
        "xen.overrideAttrs (import ./debug.nix)",
    ],
)
def test_two_overrides_are_one_too_many(other: str) -> None:
    refused(f"({other}).overrideAttrs (o: {{ patches = [ ]; }})".replace("{ pkgs }:", ""), "E-AMBIGUOUS")
    error = refused(f"pkgs: with pkgs; {{\n  a = {FIXTURE};\n  b = {other};\n}}\n", "E-AMBIGUOUS")
    assert error.where.count("line ") == 2


def test_an_override_that_touches_neither_version_nor_patches_does_not_count() -> None:
    text = f"{{ pkgs }}: {{\n  a = {FIXTURE};\n  b = pkgs.xen.overrideAttrs (o: {{ doCheck = false; }});\n}}\n"
    assert read(text).version == "4.20.3"
    refused("pkgs: pkgs.xen.overrideAttrs (o: { doCheck = false; })", "E-MISSING")


@pytest.mark.parametrize("digest", [OLD_HASH * 2, f"sha256-{'A' * 43}=", ""])
def test_a_hash_that_is_none_is_told_and_repaired(digest: str) -> None:
    text = changed(OLD_HASH, digest)
    assert [warning for warning in read(text).warnings if warning.endswith("(line 17, column 13)")]
    assert rewritten(text) == rewritten(FIXTURE)


# --- any layout ------------------------------------------------------------------------------------------------------

GAPS = st.sampled_from([" ", "\n", "\n  ", "\t", ' # version = "1"\n', " /* tag */ ", "\r\n"])


@settings(max_examples=25, deadline=None, database=None)
@given(
    order=st.permutations(range(3)),
    inner=st.permutations(range(4)),
    gaps=st.lists(GAPS, min_size=1, max_size=11),
    head=st.sampled_from(["pkgs.xen.overrideAttrs", "(xen.override { }).overrideAttrs"]),
    wrap=st.sampled_from([("(old:", ")"), ("(f: old:", ")"), ("(old: rec", ")"), ("(old: let x = 1; in", ")")]),
)
def test_no_other_byte_changes_whatever_the_layout(
    order: list[int], inner: list[int], gaps: list[str], head: str, wrap: tuple[str, str]
) -> None:
    def text(version: str, digest: str) -> str:
        facts = {"owner": "xen-project", "repo": "xen", "tag": f"RELEASE-{version}", "hash": digest}
        source = [
            word for name in (list(facts)[place] for place in inner) for word in (name, "=", f'"{facts[name]}"', ";")
        ]
        parts = [
            ["version", "=", f'"{version}"', ";"],
            ["src", "=", "p.fetchFromGitHub", "{", *source, "}", ";"],
            ["patches", "=", "old.patches", "++", "[", "./a.patch", "]", ";"],
        ]
        words = ["{", "pkgs, xen, p }:", head, wrap[0], "{"]
        words += [word for place in order for word in parts[place]] + ["}", wrap[1]]
        return "".join(word + gaps[number % len(gaps)] for number, word in enumerate(words))

    before = text("4.20.3", OLD_HASH)
    assert read(before).shape == KEY
    assert rewritten(before) == text("4.20.4", NEW_HASH)
    there = moved(before, tip())
    assert (read(there).rev, read(there).upstream_version) == ("c" * 40, "4.20.4-pre")
    back = edited(there, plan_to(read(there), release("4.20.3"), digest=OLD_HASH))
    assert back.split() == before.split()
