"""What each shape of the file says, and what is refused: always by a code, nearly always with line and column."""

from __future__ import annotations

import re

import pytest

from tests.package.support import DERIVED, FILE, FIXTURES, LITERAL, OLD_HASH, READ, nix_accepts, read
from xenbump.errors import Refusal
from xenbump.nixlang import parse
from xenbump.package import shapes


def refused(text: str | bytes, code: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.where.startswith(FILE)
    return caught.value


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def changed(shape: str, old: str, new: str) -> str:
    """A fixture with one place changed."""
    text = FIXTURES[shape]
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.mark.parametrize("shape", READ)
def test_what_a_file_says(shape: str) -> None:
    said = read(FIXTURES[shape])
    assert (said.name, said.file, said.attribute, said.shape) == ("xen", FILE, "xen", shape)
    assert (said.version, said.fetcher, said.hash) == ("4.20.3", "fetchFromGitHub", OLD_HASH)
    assert [(patch.url.partition("?")[0], patch.xsa) for patch in said.patches][:4] == [
        ("./0001-generate-eficompat-files.patch", None),
        ("replaceVars ./0002-script-paths.patch scriptDeps", None),
        ("https://xenbits.xenproject.org/gitweb/", None),
        ("https://xenbits.xenproject.org/xsa/xsa480.patch", 480),
    ]
    assert said.patches[3].hash == "sha256-mHoY+Y8klwLYOo4LZCwYcNsB1BcBbSa1nQOn3NueDdI="
    assert [patch.hash is None for patch in said.patches[:4]] == [True, True, False, False]
    assert (said.rev, said.upstream_version) == (None, None)
    assert said.warnings == ()


def test_a_conditional_part_of_the_patches_is_listed() -> None:
    assert read(FIXTURES[DERIVED]).patches[4].url == "./0003-older-than-4.21.patch"


@pytest.mark.parametrize("shape", FIXTURES)
def test_each_fixture_has_one_shape_and_nix_parses_it(shape: str) -> None:
    document = parse(FIXTURES[shape])
    assert [one.key for one in shapes.SHAPES if one.recognises(document)] == [shape]
    assert nix_accepts(FIXTURES[shape])


def test_there_is_a_fixture_of_every_shape() -> None:
    assert sorted(FIXTURES) == sorted(shape.key for shape in shapes.SHAPES)


@pytest.mark.parametrize(
    "text",
    ["{ }", "1", "{ pkgs }: pkgs.hello", '{ version = "4.20.3"; }', "{ stdenv }: stdenv.mkDerivation { }"],
)
def test_what_is_no_package_of_xen_is_refused(text: str) -> None:
    assert nix_accepts(text)
    refused(text, "E-SHAPE-UNKNOWN")


@pytest.mark.parametrize(
    ("shape", "old", "new"),
    [
        (LITERAL, 'tag = "RELEASE-4.20.3"', 'rev = "RELEASE-4.20.3"'),
        (DERIVED, 'tag = "RELEASE-${finalAttrs.version}"', 'rev = "RELEASE-${finalAttrs.version}"'),
        (LITERAL, 'owner = "xen-project"', 'owner = "Xen-Project"'),
        (LITERAL, 'tag = "RELEASE-4.20.3"', 'name = "source"; tag = "RELEASE-4.20.3"'),
        (LITERAL, "src = fetchFromGitHub {", "src = (lib.pkgs.fetchFromGitHub) {"),
        (LITERAL, '    tag = "RELEASE-4.20.3";', '    "tag" = "RELEASE-4.20.3";'),
        (DERIVED, "stdenv.mkDerivation (finalAttrs: {", "stdenv.mkDerivation (finalAttrs: with lib; {"),
    ],
)
def test_other_spellings_of_the_same(shape: str, old: str, new: str) -> None:
    text = changed(shape, old, new)
    assert nix_accepts(text)
    assert (read(text).shape, read(text).version, read(text).hash) == (shape, "4.20.3", OLD_HASH)


def test_another_name_for_the_final_set_and_rec() -> None:
    text = FIXTURES[DERIVED].replace("finalAttrs", "self")
    assert read(text).version == "4.20.3"
    recursive = FIXTURES[DERIVED].replace("(finalAttrs: {", "(rec {").replace("finalAttrs.version", "version")
    recursive = recursive.replace("finalAttrs.meta", "meta")
    assert nix_accepts(recursive)
    assert read(recursive).shape == DERIVED


@pytest.mark.parametrize("shape", READ)
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('version = "${x}";', '"${x}"'),
        ('version = "4.20.${point}";', '"4.20.${point}"'),
        ("version = lib.foo;", "lib.foo"),
        ("version = ''4.20.3'';", "''4.20.3''"),
        (r'version = "4.20\.3";', r'"4.20\.3"'),
        ('version = "4.20" + ".3";', '"4.20" + ".3"'),
        ('version = if true then "4.20.3" else "4.20.4";', "if true"),
        ("inherit version;", "inherited"),
        ('inherit ({ version = "4.20.3"; }) version;', "inherited"),
    ],
)
def test_a_version_that_is_no_plain_string_is_refused_with_its_place(shape: str, written: str, shown: str) -> None:
    text = changed(shape, 'version = "4.20.3";', written)
    assert nix_accepts(text)
    error = refused(text, "E-NOT-LITERAL")
    assert shown in error.what
    match = re.search(r"line (\d+), column (\d+)$", error.where)
    assert match is not None
    assert int(match[1]) == line_of(text, written)
    value = written.find("=") + 2 if written.startswith("version") else 0
    assert int(match[2]) == 3 + value


@pytest.mark.parametrize(
    "tag",
    [
        "tagOfXen",
        '"RELEASE-${version}"',
        '"RELEASE-${other.version}"',
        '"v${finalAttrs.version}"',
        '"RELEASE-${finalAttrs.version}-rc1"',
        '"RELEASE-${finalAttrs.pname}"',
        "''RELEASE-${finalAttrs.version}''",
        '"${finalAttrs.prefix}${finalAttrs.version}"',
    ],
)
def test_a_tag_that_could_be_another_is_refused_with_its_place(tag: str) -> None:
    text = changed(DERIVED, 'tag = "RELEASE-${finalAttrs.version}";', f"tag = {tag};")
    error = refused(text, "E-NOT-LITERAL")
    assert "`tag`" in error.what
    assert error.where == f"{FILE}, line {line_of(text, f'tag = {tag}')}, column 11"


def test_an_indented_tag_is_refused() -> None:
    refused(changed(LITERAL, 'tag = "RELEASE-4.20.3"', "tag = ''RELEASE-4.20.3''"), "E-NOT-LITERAL")


@pytest.mark.parametrize("shape", READ)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('owner = "xen-project"', 'owner = "someone"'),
        ('repo = "xen"', 'repo = "xen-fork"'),
    ],
)
def test_another_source_is_refused(shape: str, old: str, new: str) -> None:
    text = changed(shape, old, new)
    error = refused(text, "E-SOURCE-OTHER")
    assert new.partition('"')[2].rstrip('"') in error.what
    assert f"line {line_of(text, new)}, " in error.where


@pytest.mark.parametrize("shape", READ)
@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("fetchSubmodules = true;", "fetchSubmodules"),
        ("postFetch = ''rm -r $out/docs'';", "postFetch"),
        ('sparseCheckout = [ "xen" ];', "sparseCheckout"),
        ("leaveDotGit = true;", "leaveDotGit"),
        ("forceFetchGit = true;", "forceFetchGit"),
        ("deepClone = false;", "deepClone"),
        ("private = true;", "private"),
        ('githubBase = "example.org";', "githubBase"),
        ("inherit fetchSubmodules;", "fetchSubmodules"),
        ('${lib.concatStrings [ "fetchLFS" ]} = true;', "None"),
        ('sha256 = "";', "sha256"),
        ("passthru.x = 1;", "passthru"),
    ],
)
def test_an_option_of_the_fetcher_is_refused(shape: str, option: str, name: str) -> None:
    text = changed(shape, '    repo = "xen";\n', f'    repo = "xen";\n    {option}\n')
    assert nix_accepts(text)
    error = refused(text, "E-FETCHER-OPTION")
    assert name in error.what
    assert f"line {line_of(text, option)}, " in error.where


@pytest.mark.parametrize(
    ("shape", "old", "new", "code"),
    [
        (LITERAL, '  version = "4.20.3";\n', '  version = "4.20.3";\n  version = "4.20.3";\n', "E-NIX-SYNTAX"),
        (LITERAL, "  };\n\n  patches", '  };\n  src.hash = "x";\n  patches', "E-NIX-SYNTAX"),
        (LITERAL, '    tag = "RELEASE-4.20.3";\n', '    tag = "RELEASE-4.20.3";\n    rev = "x";\n', "E-AMBIGUOUS"),
        (LITERAL, '  version = "4.20.3";\n', "", "E-MISSING"),
        (DERIVED, '  version = "4.20.3";\n', "", "E-MISSING"),
        (LITERAL, '    owner = "xen-project";\n', "", "E-MISSING"),
        (LITERAL, f'    hash = "{OLD_HASH}";\n', "", "E-MISSING"),
        (DERIVED, f'hash = "{OLD_HASH}"', "hash = lib.hashOf", "E-NOT-LITERAL"),
        (LITERAL, 'owner = "xen-project"', "inherit owner", "E-NOT-LITERAL"),
        (LITERAL, "  src = fetchFromGitHub {", "  source = fetchFromGitHub {", "E-SHAPE-UNKNOWN"),
        (LITERAL, 'version = "4.20.3"', 'version = "4.20.3-unstable-2025-07-09"', "E-TAG-DISAGREES"),
        (DERIVED, 'version = "4.20.3"', 'version = "4.20.3-unstable-2025-07-09"', "E-TAG-DISAGREES"),
        (LITERAL, 'version = "4.20.3"', 'version = "4.20.3-unstable-2025-7-9"', "E-VERSION-FORM"),
        (LITERAL, 'version = "4.20.3"', 'version = "4.20-unstable-2025-07-09"', "E-VERSION-FORM"),
        (LITERAL, 'version = "4.20.3"', 'version = "4.20"', "E-VERSION-FORM"),
        (DERIVED, 'version = "4.20.3"', 'version = "4.20.3-rc1"', "E-VERSION-FORM"),
        (DERIVED, 'version = "4.20.3"', 'version = "4.20.03"', "E-VERSION-FORM"),
        (DERIVED, 'version = "4.20.3"', 'version = "4.20.٣"', "E-VERSION-FORM"),
        (DERIVED, 'version = "4.20.3"', 'version = ""', "E-VERSION-FORM"),
        (LITERAL, 'tag = "RELEASE-4.20.3"', 'tag = "RELEASE-4.20.2"', "E-TAG-DISAGREES"),
        (LITERAL, 'tag = "RELEASE-4.20.3"', f'tag = "{"a" * 40}"', "E-TAG-DISAGREES"),
        (LITERAL, 'tag = "RELEASE-4.20.3"', f'rev = "{"a" * 39}"', "E-TAG-DISAGREES"),
        (LITERAL, 'tag = "RELEASE-4.20.3"', f'rev = "{"A" * 40}"', "E-TAG-DISAGREES"),
        (LITERAL, 'tag = "RELEASE-4.20.3"', 'tag = "4.20.3"', "E-TAG-DISAGREES"),
    ],
)
def test_refusals_name_the_place(shape: str, old: str, new: str, code: str) -> None:
    error = refused(changed(shape, old, new), code)
    if code != "E-SHAPE-UNKNOWN":
        assert re.search(r"line \d+, column \d+$", error.where), error.where


def test_a_version_that_stands_twice_is_told_with_its_place() -> None:
    text = changed(LITERAL, '  version = "4.20.3";\n', '  version = "4.20.3";\n  version = "4.20.4";\n')
    error = refused(text, "E-NIX-SYNTAX")
    assert "`version` is defined twice" in error.what
    second = line_of(text, 'version = "4.20.4"')
    assert f"line {second}, column 3" in error.where
    assert not nix_accepts(text)


def bundled(*packages: str) -> str:
    """A file with several packages in it."""
    return "{ pkgs }:\n{\n" + "".join(f"  p{n} = {package};\n" for n, package in enumerate(packages)) + "}\n"


@pytest.mark.parametrize("one", READ)
@pytest.mark.parametrize("other", READ)
def test_two_derivations_are_one_too_many(one: str, other: str) -> None:
    text = bundled(FIXTURES[one], FIXTURES[other])
    assert nix_accepts(text)
    assert refused(text, "E-AMBIGUOUS").where.count("line ") == 2


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256-AAAA",
        OLD_HASH * 2,
        OLD_HASH.removeprefix("sha256-"),
        "sha512-" + "A" * 86 + "==",
        OLD_HASH + "?x",
        "0" * 52,
    ],
)
@pytest.mark.parametrize("shape", READ)
def test_a_malformed_hash_is_a_warning_with_its_place(shape: str, digest: str) -> None:
    text = changed(shape, OLD_HASH, digest)
    said = read(text)
    assert said.hash == digest
    (warning,) = said.warnings
    assert "hash" in warning
    written = f'hash = "{digest}"'
    assert f"line {line_of(text, written)}, column 13" in warning


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "E-NIX-SYNTAX", "line 1, column 1"),
        (b"   \n# only a comment\n", "E-NIX-SYNTAX", "line 3, column 1"),
        (b"\xef\xbb\xbf{ }", "E-NIX-SYNTAX", "line 1, column 1"),
        (b"{ a = 1;\0 }", "E-NIX-SYNTAX", "line 1, column 9"),
        (b'{\n  a = "\xe9";\n}', "E-FILE-ENCODING", ""),
        (b"\xff\xfe{\0 \0}\0", "E-FILE-ENCODING", ""),
        (b"[" * 100_000, "E-NIX-SYNTAX", "line 1, column"),
        (b"{ version = ", "E-NIX-SYNTAX", "line 1, column"),
        (b"<<<<<<< HEAD\n{ }\n=======\n{ }\n>>>>>>> x\n", "E-NIX-SYNTAX", "line 1, column 1"),
    ],
)
def test_what_is_no_nix_is_refused(content: bytes, code: str, place: str) -> None:
    assert place in refused(content, code).where


def test_bytes_that_are_not_utf8_are_told_with_their_line() -> None:
    assert "byte 12 (line 2)" in refused(b'{ # \n  a = "\xe9";\n}', "E-FILE-ENCODING").what


def test_a_patch_that_is_commented_out_is_not_listed() -> None:
    text = changed(
        LITERAL,
        "    ./0001-generate-eficompat-files.patch\n",
        "    # ./xsa1.patch\n    /* (f { url = ./xsa2.patch; }) */\n    ./0001-generate-eficompat-files.patch\n",
    )
    assert read(text).patches == read(FIXTURES[LITERAL]).patches


@pytest.mark.parametrize(
    ("patches", "urls", "warned"),
    [
        ("[ ]", [], 0),
        ("[ ./a.patch ] ++ [ ./b.patch ]", ["./a.patch", "./b.patch"], 0),
        ("([ ./a.patch ]) ++ (lib.optional x [ ./b.patch ])", ["./a.patch", "./b.patch"], 0),
        ("[ ./a.patch ] ++ others", ["./a.patch"], 1),
        ("if x then [ ./a.patch ] else [ ]", [], 1),
        ("map toPatch [ 1 2 ]", [], 1),
        ('[ (fetchpatch { url = "${base}/xsa7.patch"; hash = ""; }) ]', ["${base}/xsa7.patch"], 1),
        ('[ (pkgs.fetchpatch2 { inherit hash; url = "u"; }) ]', ["u"], 0),
        ("[ (fetchpatch (import ./xsa9.nix)) ]", ["fetchpatch (import ./xsa9.nix)"], 0),
    ],
)
def test_lists_of_patches(patches: str, urls: list[str], warned: int) -> None:
    text = FIXTURES[LITERAL]
    start, end = text.index("  patches = ["), text.index("  outputs = [")
    text = text[:start] + f"  patches = {patches};\n" + text[end:]
    assert nix_accepts(text)
    said = read(text)
    assert [patch.url for patch in said.patches] == urls
    assert len(said.warnings) == warned
    assert all(re.search(r"\(line \d+, column \d+\)$", warning) for warning in said.warnings)


def test_a_file_without_patches() -> None:
    text = FIXTURES[LITERAL]
    start, end = text.index("  patches = ["), text.index("  outputs = [")
    assert read(text[:start] + text[end:]).patches == ()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("https://xenbits.xen.org/xsa/xsa480.patch", 480),
        ("https://xenbits.xen.org/xsa/xsa480-4.20.patch", 480),
        ("https://xenbits.xen.org/xsa/xsa469/xsa469-01.patch", 469),
        ("./XSA472.patch", 472),
        ("./xsa.patch", None),
        ("./notxsa12.patch", None),
        ("./xsa12345.patch", None),
        ("./xsa12b.patch", None),
    ],
)
def test_the_number_of_an_advisory_in_a_name(name: str, number: int | None) -> None:
    text = FIXTURES[LITERAL].replace("https://xenbits.xenproject.org/xsa/xsa480.patch", name)
    assert read(text).patches[3].xsa == number


@pytest.mark.parametrize("shape", READ)
@pytest.mark.parametrize(
    "mention",
    [
        "# as in 4.20.3\n",
        "/* 4.20.3, see below */\n",
        '  note = "of 4.20.3 only";\n',
        "  note = ''\n    4.20.3\n  '';\n",
    ],
)
def test_another_mention_of_the_version_is_a_warning_with_its_place(shape: str, mention: str) -> None:
    text = changed(shape, '  pname = "xen";\n', f'{mention}  pname = "xen";\n')
    (warning,) = read(text).warnings
    line = line_of(text, mention) + mention[: mention.index("4.20.3")].count("\n")
    assert warning.startswith(f"line {line}, column ")
    assert "4.20.3" in warning


@pytest.mark.parametrize("number", ["4.20.30", "14.20.3", "4.20.3.1", "4.20"])
def test_a_longer_number_is_no_mention(number: str) -> None:
    assert read(changed(LITERAL, '  pname = "xen";\n', f'  pname = "xen"; # {number}\n')).warnings == ()
