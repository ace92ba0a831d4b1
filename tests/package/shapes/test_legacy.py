"""Packages of Xen from 2008 to 2024: read, so that they can be audited, and not rewritten."""

from __future__ import annotations

import re

import pytest

from tests.package.support import FILE, FIXTURES, plan_for, read
from xenbump.errors import Refusal
from xenbump.package import patches, rewrite

TEXT = FIXTURES["legacy"]
SOURCE = "sha256-4eaz4G0/k6GwTKHbVFMikyNJUuNuoBiPWEHr1CN0pJs="
IN_32 = "16x4fhix9ss1b27ii83fwd94j8wk499m9nx19jqa34rzdphb7rp1"
XENBITS = "https://xenbits.xen.org/xsa"
URL = "https://downloads.xenproject.org/release/xen/${version}/${name}.tar.gz"


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def refused(text: str, code: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.code == code, str(caught.value)
    assert re.search(r"line \d+, column \d+$", caught.value.where), caught.value.where
    return caught.value


class Beside:
    """Files around a package file."""

    def __init__(self, **files: str) -> None:
        self._files = {name.replace("_", "-") + ".nix": text.encode() for name, text in files.items()}

    def read(self, name: str) -> bytes | None:
        return self._files.get(name)

    def names(self, folder: str) -> tuple[str, ...]:
        return tuple(sorted(self._files)) if folder == "." else ()


def listed(value: str, helper: str = "", beside: Beside | None = None) -> list[tuple[str, int | None]]:
    """The addresses of a list of patches, and the advisories they name."""
    start, end = TEXT.index("  patches = flatten"), TEXT.index("  # the firmware")
    text = (TEXT[:start] + f"  patches = {value};\n\n" + TEXT[end:]).replace("  xsa246 = [", helper + "  xsa246 = [")
    around = Beside() if beside is None else beside
    said = rewrite.read(text.encode(), name="xen", file=FILE, attribute="xen", beside=around)
    return [(one.url, one.xsa) for one in said.patches]


def test_what_a_file_says() -> None:
    said = read(TEXT)
    assert (said.shape, said.version, said.fetcher, said.hash) == ("legacy", "4.8.2", "fetchurl", SOURCE)
    assert (said.rev, said.efi, said.warnings) == (None, True, ())
    assert [(one.url, one.xsa, one.fetcher) for one in said.patches[:4]] == [
        ("./0001-paths.patch", None, None),
        (f"{XENBITS}/xsa246-4.8.patch", 246, "fetchpatch"),
        (f"{XENBITS}/xsa246/0002-mm.patch", 246, "fetchpatch"),
        (f"{XENBITS}/xsa248.patch", 248, "fetchpatch"),
    ]
    assert said.patches[3].hash == "sha256-IlPrU3HiY3+C63P0BqyGMbN0JXRegeW9ZAna/+dVf8U="
    assert all(one.options == () for one in said.patches)
    assert (said.patches[5].url, said.patches[5].condition is None) == ("./0002-seabios.patch", False)


def test_an_audit_finds_the_files_of_its_advisories() -> None:
    assert set(patches.advisory_files(read(TEXT).patches).values()) == {"xsa246-4.8.patch", "xsa248.patch"}


def test_it_is_not_rewritten() -> None:
    with pytest.raises(Refusal) as caught:
        rewrite.write(TEXT.encode(), plan_for(read(TEXT), "4.8.5"))
    assert caught.value.code == "E-SHAPE-UNSUPPORTED"
    assert "`legacy`" in caught.value.what
    assert "xenbump hash" in caught.value.remedy
    line = TEXT[: TEXT.index('version = "4.8.2"')].count("\n") + 1
    assert caught.value.where == f"{FILE}, line {line}, column 14"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'sha256 = "{IN_32}"', f'hash = "{SOURCE}"'),
        (IN_32, SOURCE),
        (IN_32, SOURCE.removeprefix("sha256-")),
        (IN_32, "e1e6b3e06d3f93a1b04ca1db54532293234952e36ea0188f5841ebd42374a49b"),
        (URL, "http://bits.xensource.com/oss-xen/release/${version}/xen-${version}.tar.gz"),
        (URL, "https://downloads.xenproject.org/release/xen/4.8.2/xen-4.8.2.tar.gz"),
        (f'"{URL}"', "http://bits.xensource.com/oss-xen/release/4.8.2/xen-4.8.2.tar.gz"),
        (URL, "http://bits.xensource.com/oss-xen/release/4.8.2/src.tgz/xen-4.8.2-src.tgz"),
        ('name = "xen-${version}";\n  version = "4.8.2";', 'name = "xen-4.8.2";\n  inherit ({ }) version;'),
    ],
)
def test_other_spellings_of_the_same(old: str, new: str) -> None:
    text = changed(old, new)
    if "inherit" in new:
        text = text.replace("  inherit ({ }) version;\n", "").replace("${version}", "4.8.2")
    assert (read(text).shape, read(text).version, read(text).hash) == ("legacy", "4.8.2", SOURCE)


def test_a_version_in_a_let_around_and_in_no_set() -> None:
    text = changed('  version = "4.8.2";\n', "").replace("let\n", 'let\n  version = "4.8.2";\n', 1)
    assert (read(text).version, read(text).hash) == ("4.8.2", SOURCE)


def test_a_set_that_is_handed_to_a_generic_builder_with_patches_by_another_name() -> None:
    start = TEXT.index("stdenv.mkDerivation")
    text = TEXT[:start] + "import ./generic.nix (" + TEXT[start:].removeprefix("stdenv.mkDerivation ").rstrip() + ")\n"
    text = text.replace("patches = flatten", "xsaPatches = flatten")
    assert (read(text).shape, read(text).patches) == ("legacy", read(TEXT).patches)


@pytest.mark.parametrize(
    ("value", "helper", "expected"),
    [
        ("[ ]", "", []),
        ("[ ./a.patch ] ++ [ ./b.patch ]", "", [("./a.patch", None), ("./b.patch", None)]),
        (
            '[ (old "123" "") ]',
            '  old = name: sha256: fetchurl { name = "xsa${name}"; url = "https://x.org/${name}-4.5.patch"; };\n',
            [("https://x.org/123-4.5.patch", 123)],
        ),
        (
            '[ (old "xsa123") ]',
            '  old = name: fetchurl { url = "http://xenbits.xen.org/xsa/${name}-4.5.patch"; };\n',
            [("http://xenbits.xen.org/xsa/xsa123-4.5.patch", 123)],
        ),
        (
            '[ (old { number = "7"; }) ]',
            '  root = "https://x.org/xsa";\n  old = { number }: fetchpatch { url = "${root}/xsa${number}.patch"; };\n',
            [("https://x.org/xsa/xsa7.patch", 7)],
        ),
        (
            '[ (old { number = "7"; }) ]',
            '  old = { number }: fetchpatch { url = "https://x.org/${number}"; name = "xsa${number}.patch"; };\n',
            [("https://x.org/7", 7)],
        ),
        # The name outside is another one than the argument.
        (
            '[ (old { name = "7"; }) ]',
            '  name = "q"; root = "x/${name}"; old = { name }: fetchpatch { url = "${root}/xsa${name}.patch"; };',
            [("x/q/xsa7.patch", 7)],
        ),
        (
            '[ (xsaPatch { name = builtins.foo; sha256 = ""; }) ]',
            "",
            [("https://xenbits.xen.org/xsa/xsa${name}${branch}.patch", None)],
        ),
        ('[ (unknown { name = "7"; }) ]', "", [('unknown { name = "7"; }', None)]),
        ("[ (self.old { }) ]", "", [("self.old { }", None)]),
        ('[ (fetchpatch { url = "${base}/xsa7.patch"; }) ]', "", [("${base}/xsa7.patch", 7)]),
        ("ours", "  ours = [ ./a.patch ];\n", [("./a.patch", None)]),
        (
            "with missing; [ XSA_12 missing.XSA_13 other ]",
            "",
            [("XSA_12", 12), ("missing.XSA_13", 13), ("other", None)],
        ),
        ("loop", "  loop = loop;\n", []),
        ("[ loop ]", "  loop = [ loop ];\n", [("loop", None)]),
    ],
)
def test_lists_of_patches(value: str, helper: str, expected: list[tuple[str, int | None]]) -> None:
    assert listed(value, helper) == expected


COLLECTION = """{ fetchpatch }:
let
  xsaPatch = { name, sha256 }: fetchpatch { url = "https://xenbits.xen.org/xsa/xsa${name}.patch"; inherit sha256; };
in rec {
  XSA_190 = (xsaPatch { name = "190"; sha256 = "@"; });
  XSA_212 = [ (xsaPatch { name = "212-1"; sha256 = "@"; }) (xsaPatch { name = "212-2"; sha256 = "@"; }) ];
}
""".replace("@", IN_32)


@pytest.mark.parametrize(
    ("value", "helper"),
    [
        ("with xsa; flatten [ XSA_190 XSA_212 ]", "  xsa = import ./xsa-patches.nix { inherit fetchpatch; };\n"),
        ("[ xsa.XSA_190 ] ++ xsa.XSA_212", "  xsa = callPackage ./xsa-patches.nix { };\n"),
        ("with lib; with (import ./xsa-patches.nix { }); [ XSA_190 XSA_212 ]", ""),
    ],
)
def test_a_collection_in_a_file_beside(value: str, helper: str) -> None:
    found = listed(value, helper, Beside(xsa_patches=COLLECTION))
    whole = [(f"{XENBITS}/xsa{name}.patch", int(name[:3])) for name in ("190", "212-1", "212-2")]
    assert found == (whole if "++" not in value else whole[:1])


@pytest.mark.parametrize("content", ["{ ", "{ }", "{ XSA_190 = 1; }", "import ./xsa-patches.nix"])
def test_a_collection_that_does_not_help(content: str) -> None:
    found = listed("with import ./xsa-patches.nix { }; [ XSA_190 ]", "", Beside(xsa_patches=content))
    assert [url for url, _ in found] in (["XSA_190"], ["1"])


def test_a_part_that_cannot_be_read_is_a_warning_with_its_place() -> None:
    said = read(changed("patches = flatten [", "patches = map toPatch others ++ flatten ["))
    (warning,) = said.warnings
    assert re.search(r"a part of the patches .* \(line \d+, column 13\)$", warning)
    assert len(said.patches) == 6


@pytest.mark.parametrize(
    "digest", ["", "0" * 52, "sha256-AAAA", SOURCE * 2, IN_32 * 2, "z" * 52, "A" * 43 + "=", "sha1-" + "A" * 27 + "="]
)
def test_an_odd_hash_is_a_warning_with_its_place(digest: str) -> None:
    (warning,) = read(changed(IN_32, digest)).warnings
    line = TEXT[: TEXT.index(IN_32)].count("\n") + 1
    assert re.search(rf"the source hash is .* \(line {line}, column 15\)$", warning)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('  version = "4.8.2";\n', "", "E-MISSING"),
        (f'    sha256 = "{IN_32}";\n', "", "E-MISSING"),
        (f'    sha256 = "{IN_32}";\n', '    md5 = "x";\n', "E-FETCHER-OPTION"),
        (f'sha256 = "{IN_32}"', "inherit sha256", "E-NOT-LITERAL"),
        (f'sha256 = "{IN_32}"', "sha256 = lib.fakeSha256", "E-NOT-LITERAL"),
        (f'sha256 = "{IN_32}"', f'hash = "{SOURCE}"; sha256 = "{IN_32}"', "E-AMBIGUOUS"),
        (f'sha256 = "{IN_32}"', f'sha256 = "{IN_32}"; postFetch = "rm x"', "E-FETCHER-OPTION"),
        ('version = "4.8.2"', "version = lib.foo", "E-NOT-LITERAL"),
        ('version = "4.8.2"', 'version = "4.8.${x}"', "E-NOT-LITERAL"),
        ('version = "4.8.2"', "inherit version", "E-NOT-LITERAL"),
        ('version = "4.8.2"', 'version = "4.8"', "E-VERSION-FORM"),
        ('version = "4.8.2"', 'version = "4.1.6.1"', "E-VERSION-FORM"),
        ("downloads.xenproject.org", "example.org", "E-SOURCE-OTHER"),
        ("downloads.xenproject.org", "downloads.xenproject.org.example.org", "E-SOURCE-OTHER"),
        ("${name}.tar.gz", "xen-4.8.1.tar.gz", "E-TAG-DISAGREES"),
        ("${version}/${name}.tar.gz", "${other}/xen-${version}.tar.gz", "E-NOT-LITERAL"),
        (
            "  firmware = fetchurl {\n",
            '  other = { src = fetchurl { url = "https://a.org/xen-1.tar.gz"; }; };\n  firmware = fetchurl {\n',
            "E-AMBIGUOUS",
        ),
    ],
)
def test_refusals_name_the_place(old: str, new: str, code: str) -> None:
    refused(changed(old, new), code)


@pytest.mark.parametrize(
    "new", ["https://example.org/other.tar.gz", "https://xenbits.xen.org/xen-extfiles/lwip.tar.gz"]
)
def test_an_archive_of_something_else_is_no_package_of_xen(new: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(changed(URL, new))
    assert caught.value.code == "E-SHAPE-UNKNOWN"
