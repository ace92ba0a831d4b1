"""A table of versions to hashes: read, and rewritten so that only the version and its own entry change."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.package.shapes.tables import DERIVATION, ENTRY, NEW, OLD, SMALL, B, lines, order, small
from tests.package.support import (
    FILE,
    FIXTURES,
    NEW_HASH,
    changed_to,
    edited,
    moved,
    nix_accepts,
    patched,
    plan_for,
    plan_to,
    read,
    release,
    rewritten,
    tip,
    xsa,
)
from xenbump.errors import Failure, Refusal
from xenbump.nixlang import parse
from xenbump.package import rewrite, shapes
from xenbump.package.shapes.version_table import is_version_table

TEXT = FIXTURES["version-table"]


def changed(old: str, new: str, text: str = TEXT) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def refused(text: str, code: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == code, str(caught.value)
    assert re.search(r"line \d+, column \d+$", caught.value.where), caught.value.where
    return caught.value


# --- reading ---------------------------------------------------------------------------------------------------------


def test_what_a_file_says() -> None:
    said = read(TEXT)
    assert (said.shape, said.version, said.fetcher) == ("version-table", "4.20.2", "fetchFromGitHub")
    assert (said.hash, said.rev, said.upstream_version, said.efi) == (f"sha256-{OLD}=", None, None, None)
    assert [one.xsa for one in said.patches] == [None, 480]
    (warning,) = said.warnings
    assert "a part of the patches" in warning


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('hash = "sha256-${hashes.${v}}="', "inherit hash"),
        ('"sha256-${hashes.${v}}="', '"sha256-${hashes."${v}"}="'),
        ('"sha256-${hashes.${v}}="', '"sha256-${hashes.${v} or (throw "no hash")}="'),
        ('"sha256-${hashes.${v}}="', '"sha256-${(hashes).${v}}="'),
        ("  version = v;", "  inherit (given) x;\n  version = v;"),
        ("pkgs.xen.overrideAttrs (old: {", "(pkgs.xen.override { withFlask = true; }).overrideAttrs (old: {"),
        ("pkgs.xen.overrideAttrs (old: {", "pkgs.xen_4_20.overrideAttrs (final: old: {"),
        ("pkgs.xen.overrideAttrs (old: {", "pkgs.stdenv.mkDerivation (rec {"),
        ('tag = "RELEASE-${v}"', 'tag = "RELEASE-4.20.2"'),
        ('tag = "RELEASE-${v}"', 'rev = "refs/tags/RELEASE-${v}"'),
    ],
)
def test_other_spellings_of_the_same(old: str, new: str) -> None:
    text = changed(old, new)
    if new == "inherit hash":
        text = text.replace("\nin\n", '\n  hash = "sha256-${hashes.${v}}=";\nin\n')
    said = read(text)
    assert (said.shape, said.version, said.hash) == ("version-table", "4.20.2", f"sha256-{OLD}=")
    assert order(rewritten(text)) == ["4.21.0", "4.20.4", "4.20.2", "4.20.1", "4.19.3"]


@pytest.mark.parametrize(
    ("head", "holder", "key"),
    [
        ('{ pkgs }:\nlet\n  version = "4.20.2";', "inherit version;", "version"),
        ('{ pkgs }:\nlet\n  v = "4.20.2";', "version = v;", "v"),
        ("{ pkgs }:\nlet", 'version = "4.20.2";', "version"),
        ('{ pkgs, v ? "4.20.2" }:\nlet', "version = v;", "version"),
    ],
)
def test_the_version_one_step_away(head: str, holder: str, key: str) -> None:
    text = small(lines("4.20.2", "4.20.1")).replace("${v}", f"${{{key}}}").replace("version = v;", holder)
    text = text.replace('{ pkgs, v ? "4.20.2" }:\nlet', head)
    if key == "version" and "inherit" not in holder:
        text = text.replace("overrideAttrs (_: {", "overrideAttrs (_: rec {")
    after = rewritten(text)
    assert nix_accepts(after)
    assert (read(after).version, read(after).hash, order(after)) == ("4.20.4", NEW_HASH, ["4.20.4", "4.20.2", "4.20.1"])


def test_whole_hashes_in_a_set_of_the_derivation_itself() -> None:
    assert (read(DERIVATION).shape, read(DERIVATION).hash) == ("version-table", f"sha256-{B}=")
    assert read(DERIVATION).warnings == ()
    after = rewritten(DERIVATION)
    assert after == DERIVATION.replace('version = "4.20.2"', 'version = "4.20.4"').replace(
        f'    "4.20.2" = "sha256-{B}=";\n', f'    "4.20.2" = "sha256-{B}=";\n    "4.20.4" = "{NEW_HASH}";\n'
    )


@pytest.mark.parametrize(
    ("value", "part"),
    [("A" * 43, "placeholder"), ("A" * 42, "not one SHA-256"), (f"sha256-{OLD}=", "not one SHA-256"), ("", "not one")],
)
@pytest.mark.parametrize(("version", "what"), [("4.20.2", "the source hash"), ("4.20.1", "the hash of 4.20.1")])
def test_an_odd_hash_is_a_warning_with_its_place(value: str, part: str, version: str, what: str) -> None:
    text = re.sub(rf'"{version}" = "[^"]*"', f'"{version}" = "{value}"', TEXT)
    _, warning = read(text).warnings
    line = text[: text.index(f'"{version}" = ')].count("\n") + 1
    assert warning.startswith(f"{what} is ")
    assert part in warning
    assert warning.endswith(f"(line {line}, column 17)")
    if version == "4.20.2":
        same = plan_to(read(text), release("4.20.2"), digest=f"sha256-{OLD}=")
        assert edited(text, same) == TEXT


def test_a_doubled_whole_hash_is_repaired_where_it_is_touched() -> None:
    text = changed(f'"4.20.2" = "sha256-{B}="', f'"4.20.2" = "sha256-{B}=sha256-{B}="', DERIVATION)
    (warning,) = read(text).warnings
    assert "the source hash is not one SHA-256" in warning
    assert edited(text, plan_to(read(text), release("4.20.2"), digest=f"sha256-{B}=")) == DERIVATION


def test_an_override_without_patches_says_that_there_are_others() -> None:
    text = small(lines("4.20.2")).replace("  patches = [ ];\n", "")
    (warning,) = read(text).warnings
    assert re.search(r"lists no patches.*\(line 7, column 28\)$", warning)
    assert order(rewritten(text)) == ["4.20.4", "4.20.2"]
    change = changed_to((), [xsa(490)])
    with pytest.raises(Refusal) as caught:
        rewrite.write(text.encode(), plan_to(read(text), release("4.20.2"), digest=f"sha256-{B}=", patches=change))
    assert caught.value.code == "E-PATCH-LIST"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (small("{ }"), "E-MISSING"),
        (small(lines("4.20.1")), "E-MISSING"),
        (small('{ "4.20.2" = pkgs.lib.fakeHash; }'), "E-NOT-LITERAL"),
        (small("{ \"4.20.2\" = ''x''; }"), "E-NOT-LITERAL"),
        (small('{ "4.20.2" = "${x}"; }'), "E-NOT-LITERAL"),
        (small(f'{{ "4.20.2" = {{ hash = "{B}"; rev = "x"; }}; }}'), "E-NOT-LITERAL"),
        (small(f'{{ "4.20.2" = {{ hash = "{B}"; }}; }}', "known.${v}.hash"), "E-SHAPE-UNSUPPORTED"),
        (small(f'{{ "4.20.2" = "{B}"; inherit other; }}'), "E-NOT-LITERAL"),
        (small(f'{{ "4.20.2" = "{B}"; ${{other}} = "x"; }}'), "E-NOT-LITERAL"),
        (small(f'{{ "4.20.2" = "{B}"; a.b = "x"; }}'), "E-NOT-LITERAL"),
        (small("import ./versions.nix"), "E-NOT-LITERAL"),
        (small(f'{{ "4.20.2" = "{B}"; }} // {{ }}'), "E-NOT-LITERAL"),
        (small(lines("4.20.2"), "known.x.${v}"), "E-NOT-LITERAL"),
        (small(lines("4.20.2"), '"sha256-${known."${v}-x"}="'), "E-NOT-LITERAL"),
        (small(lines("4.20.2"), '"sha256-${known.${toString v}}="'), "E-NOT-LITERAL"),
        (small(lines("4.20.2"), '"sha512-${known.${v}}="'), "E-NOT-LITERAL"),
        (small(lines("4.20.2"), '"sha256-${known.${v}}=="'), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace('"sha256-', '"').replace("hash =", "sha256 ="), "E-FETCHER-OPTION"),
        (small(lines("4.20.2")).replace('v ? "4.20.2"', "v"), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace('v ? "4.20.2"', "v ? builtins.head (builtins.attrNames x)"), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace('v ? "4.20.2"', 'w ? "4.20.2", v ? w'), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace("version = v;", 'version = "4.20.2";'), "E-AMBIGUOUS"),
        (small(lines("4.20.2")).replace("version = v;", ""), "E-MISSING"),
        (small(lines("4.20.2")).replace("_: {", "old: {").replace("${v}", "${old.version}"), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace("RELEASE-${v}", "RELEASE-${w}"), "E-NOT-LITERAL"),
        (small(lines("4.20.2")).replace("RELEASE-${v}", "RELEASE-4.20.1"), "E-TAG-DISAGREES"),
        (small(lines("4.20.2")).replace('"xen-project"', '"someone"'), "E-SOURCE-OTHER"),
        (small(lines("4.20.2")).replace("owner =", "fetchSubmodules = true; owner ="), "E-FETCHER-OPTION"),
        (small(lines("4.20.2")).replace('"4.20.2" }', '"4.20" }'), "E-VERSION-FORM"),
        (small(lines("4.20.2")).replace('"4.20.2"', '"4.20.2-unstable-2026-01-01"'), "E-TAG-DISAGREES"),
        (small(lines("4.20.2")).replace("  known = {", '  known = { "4.20.3" = "x"; };\n  known = {'), "E-AMBIGUOUS"),
        (
            "[\n"
            + small(lines("4.20.2")).replace("{ pkgs", "({ pkgs")
            + ")\n"
            + DERIVATION.replace("{ st", "({ st")
            + ")]",
            "E-AMBIGUOUS",
        ),
    ],
)
def test_refusals_name_the_place(text: str, code: str) -> None:
    refused(text, code)


@pytest.mark.parametrize("text", [SMALL, DERIVATION])
def test_no_other_shape_takes_such_a_file(text: str) -> None:
    document = parse(text.replace("@table@", lines("4.20.2")).replace("@hash@", '"sha256-${known.${v}}="'))
    assert is_version_table(document)
    assert shapes.recognise(document).key == "version-table"


@pytest.mark.parametrize("shape", [key for key in FIXTURES if key != "version-table"])
def test_a_file_without_a_table_is_another_shape(shape: str) -> None:
    assert not is_version_table(parse(FIXTURES[shape]))


@pytest.mark.parametrize(
    "used",
    ['"sha256-x="', "known", "known.a", '"sha256-${known.a}="', "''sha256-${known.${v}}=''", '"a${x}${known.${v}}"'],
)
def test_a_hash_that_is_not_looked_up(used: str) -> None:
    assert not is_version_table(parse(small(lines("4.20.2"), used)))


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_bump_brings_an_entry_and_the_version() -> None:
    after = rewritten(TEXT)
    expected = changed('v ? "4.20.2"', 'v ? "4.20.4"')
    assert after == changed("    # the branch that we run\n", "    # the branch that we run\n" + ENTRY, expected)
    assert nix_accepts(after)
    assert len(read(after).warnings) == 1


def test_forth_and_back_leaves_only_the_entry_that_came() -> None:
    there = rewritten(TEXT)
    back = edited(there, plan_for(read(there), "4.20.2", f"sha256-{OLD}="))
    assert back == changed("    # the branch that we run\n", "    # the branch that we run\n" + ENTRY)
    assert rewritten(back) == there


def test_the_entry_of_the_target_is_used_and_corrected() -> None:
    after = edited(TEXT, plan_for(read(TEXT), "4.21.0"))
    expected = changed('v ? "4.20.2"', 'v ? "4.21.0"')
    assert after == changed("Gnlg2AVUJGgAmhVBK1cJrhmb0GSpkrM+vQ5M4GwThIY", NEW, expected)
    same = edited(TEXT, plan_for(read(TEXT), "4.21.0", "sha256-Gnlg2AVUJGgAmhVBK1cJrhmb0GSpkrM+vQ5M4GwThIY="))
    assert same == expected


def test_an_entry_of_the_target_that_is_no_string_is_refused() -> None:
    text = re.sub(r'"4.21.0" = [^;]*', '"4.21.0" = lib.fakeHash', TEXT)
    with pytest.raises(Refusal) as caught:
        rewritten(text, "4.21.0")
    assert caught.value.code == "E-NOT-LITERAL"
    assert "line 12, column 16" in caught.value.where


def test_a_security_bump_leaves_the_table_and_comes_back() -> None:
    old = read(TEXT).patches
    after = patched(TEXT, [*old, xsa(490)])
    assert after[: after.index("patches =")] == TEXT[: TEXT.index("patches =")]
    assert "# XSA #490" in after
    assert nix_accepts(after)
    assert patched(after, old) == TEXT


def test_a_bump_with_a_patch_that_goes() -> None:
    said = read(TEXT)
    after = edited(TEXT, plan_to(said, release(), patches=changed_to(said.patches, said.patches[:1])))
    assert (read(after).version, read(after).patches) == ("4.20.4", said.patches[:1])
    assert ENTRY in after
    assert nix_accepts(after)


def test_the_other_mention_of_the_version_is_told_but_not_its_entry() -> None:
    text = changed("# Xen as this flake", "# Xen 4.20.2 as this flake")
    assert [one for one in read(text).warnings if "4.20.2" in one] == [
        "line 1, column 7 also names 4.20.2; it stays as it is"
    ]


def test_the_tip_of_a_branch_has_no_tag_and_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        moved(TEXT, tip())
    assert caught.value.code == "E-SHAPE-UNSUPPORTED"
    assert "4.20.4-unstable-2026-08-01" in caught.value.what
    assert caught.value.where.startswith(f"{FILE}, line ")


def test_a_file_with_its_tag_written_out_can_pin_a_tip_and_come_back() -> None:
    text = small(lines("4.20.5", "4.20.2")).replace("RELEASE-${v}", "RELEASE-4.20.2")
    there = moved(text, tip())
    assert f'rev = "{"c" * 40}"' in there
    assert (read(there).version, read(there).upstream_version) == ("4.20.4-unstable-2026-08-01", "4.20.4-pre")
    assert order(there) == ["4.20.5", "4.20.4-unstable-2026-08-01", "4.20.2"]
    on = rewritten(there, "4.20.4")
    assert order(on) == ["4.20.5", "4.20.4", "4.20.4-unstable-2026-08-01", "4.20.2"]
    assert 'tag = "RELEASE-4.20.4"' in on


def test_a_hash_that_no_entry_could_give_is_a_failure() -> None:
    plan = replace(plan_for(read(TEXT)), hash="sha512-x")
    with pytest.raises(Failure) as caught:
        rewrite.write(TEXT.encode(), plan)
    assert caught.value.code == "E-EDIT-CHECK"
