"""The collection of patches that branches share: what is read of it, and how entries come, go and are corrected."""

from __future__ import annotations

import pytest

from tests.package.folders import FILE, HEAD, ROOT, TEXT, WITH, entry, folder, named, patched, read, said, shared
from tests.package.support import nix_accepts, sri
from xenbump.errors import Refusal
from xenbump.package import collection
from xenbump.plan.model import Naming, Patch

IDS = ("478", "480", "482-01", "482-02", "490-4.20", "492/xsa492-4.20-01", "1000")
OLD = ("480", "490-4.20")
DIRECT = '  XSA_480 = fetchpatch {\n    url = "@xsa480.patch";\n    hash = "#";\n  };\n'.replace("#", sri(1))


# --- names and addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("xsa462.patch", "XSA_462"),
        ("xsa490-4.21.patch", "XSA_490_4_21"),
        ("xsa492/xsa492-4.20-01.patch", "XSA_492_4_20_01"),
        ("xsa7-unstable.patch", "XSA_7_unstable"),
        ("xsa7.foo+bar.patch", "XSA_7_foo_bar"),
    ],
)
def test_the_name_of_a_patch(file: str, name: str) -> None:
    for root in (ROOT, "https://example.org/"):
        assert collection.name_of(root + file) == name


@pytest.mark.parametrize("url", ["", "https://example.org/x.patch", "https://example.org/xsa1.diff"])
def test_what_is_no_advisorys_patch_has_no_name(url: str) -> None:
    with pytest.raises(ValueError, match="no patch of an advisory"):
        collection.name_of(url)


@pytest.mark.parametrize(
    ("address", "root"),
    [
        ("https://xenbits.xen.org/xsa/xsa${id}.patch", ROOT),
        ("https://xenbits.xen.org/xsa/${id}.patch", ROOT),
        ("https://xenbits.xen.org/xsa/${type}${id}.patch", ROOT),
        ("https://example.org/a/x${id}", "https://example.org/a/"),
    ],
)
def test_a_helper_says_where_it_fetches_from(address: str, root: str) -> None:
    text = shared().replace("https://xenbits.xen.org/xsa/${type}${id}.patch", address)
    assert nix_accepts(text)
    assert read(text).naming == Naming(root, "fetchpatch")
    helper = read(text).helper
    assert helper is not None
    for file in ("xsa462.patch", "xsa490-4.21.patch", "xsa492/xsa492-4.20-01.patch"):
        given = helper.given(root + file)
        assert helper.address({"id": given or ""}) == root + file
    assert helper.given(ROOT + "other.diff") is None or address.endswith("${id}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("${type}${id}.patch", "xsa-${id}.patch"),
        ("${type}${id}.patch", "${type}${id}.diff"),
        ("${type}${id}.patch", "${toString id}.patch"),
        ("${type}${id}.patch", "xsa1.patch"),
        ('type ? "xsa"', "type"),
        ("cve ? null,", "cve ? null,\n      more,"),
        ("inherit hash;", "hash = lib.fakeHash;"),
        ("inherit hash;", "inherit hash;\n      excludes = [ ];"),
        ("    fetchpatch {", "    lib.fetchzip {"),
        ("    {\n      id,", "    more:\n    {\n      id,"),
    ],
)
def test_by_a_helper_of_another_kind_nothing_can_come(old: str, new: str) -> None:
    text = shared().replace(old, new)
    assert text != shared()
    assert nix_accepts(text)
    found = read(text)
    assert found.naming is None or found.helper is None


def test_without_a_helper_the_fetcher_is_called() -> None:
    assert read("{ fetchpatch }: { }").naming == Naming("https://xenbits.xenproject.org/xsa/", "fetchpatch")
    assert read("{ lib }: { }").naming is None
    other = (
        "{ pkgs }: {\n"
        + DIRECT.replace("@", "https://example.org/x/").replace("fetchpatch", "pkgs.fetchpatch2")
        + "}\n"
    )
    assert read(other).naming == Naming("https://example.org/x/", "fetchpatch2")


# --- what is read ----------------------------------------------------------------------------------------------------


def test_entries_of_every_kind() -> None:
    text = HEAD + (
        "rec {\n" + entry("480", cves=["CVE-2026-1"]) + '  XSA_481 = (xsaPatch { id = "481"; hash = ""; });\n'
        f'  "q" = fetchpatch {{ url = "u"; sha256 = "{sri(3)}"; stripLen = 1; meta.a = 1; }};\n'
        f'  l = [ (xsaPatch {{ id = "1"; type = "abc"; }}) (fetchpatch {{ url = "v"; hash = "{sri(4)}"; }}) ];\n'
        "  m = [ q XSA_480 ];\n  n = f { };\n  o = xsaPatch facts;\n  p = xsaPatch { inherit id; };\n}\n"
    )
    assert nix_accepts(text)
    assert read(text).patches == {
        "XSA_480": (named("480"),),
        "XSA_481": (Patch(f"{ROOT}xsa481.patch", 481, "", "fetchpatch", name="XSA_481"),),
        "q": (Patch("u", None, sri(3), "fetchpatch", ("stripLen",), name="q"),),
        "l": (
            Patch(f"{ROOT}abc1.patch", None, "", "fetchpatch", name="l"),
            Patch("v", None, sri(4), "fetchpatch", name="l"),
        ),
        "m": (),
        "n": (),
        "o": (),
        "p": (),
    }


@pytest.mark.parametrize(
    "content", [b"{ broken", b"\xff", b"{ lib }: lib.mapAttrs f { }", b"[ ]", b"{ a = 1; b = f x; }", b"x: y"]
)
def test_what_is_no_collection(content: bytes) -> None:
    assert collection.read("patches.nix", content) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import ../generic/patches.nix {\n    inherit lib fetchpatch;\n  }", "callPackage ../generic/patches.nix { }"),
        ("import ../generic/patches.nix {\n    inherit lib fetchpatch;\n  }", "(import ../generic/patches.nix) args"),
        ("import ../generic/patches.nix {", "callPackage (import ../generic/patches.nix) {"),
        ("../generic/patches.nix", "./../generic/../generic/patches.nix"),
        ("upstreamPatches", "collected"),
        ("  upstreamPatches = ", "  unused = import ./other.nix;\n  upstreamPatches = "),
    ],
)
def test_the_collection_is_found(old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    assert text != TEXT
    assert [patch.name for patch in said(folder(text)).patches][2:] == ["XSA_480", "XSA_482_01", "XSA_482_02"]


def test_a_folder_stands_for_the_file_in_it() -> None:
    files = folder(TEXT.replace("../generic/patches.nix", "../patches"), patches=None)
    files.files["xen/patches/default.nix"] = shared(*map(entry, IDS)).encode()
    after = patched(files, said(files).patches[:3])
    assert b"XSA_482_01" not in after.files["xen/patches/default.nix"]


@pytest.mark.parametrize("content", [None, "{ broken", b"\xff"])
def test_a_collection_that_cannot_be_read_is_refused_where_it_is_named(content: str | bytes | None) -> None:
    with pytest.raises(Refusal) as caught:
        said(folder(patches=content))
    assert caught.value.code == "E-PATCH-NAME"
    assert caught.value.where == f"{FILE}, line 10, column 3"
    unused = folder(TEXT.replace(WITH, "[ ]"), patches=content)
    assert len(said(unused).patches) == 2


def test_a_collection_of_another_kind_is_a_warning() -> None:
    (warning,) = said(folder(patches="{ lib, fetchpatch }: lib.mapAttrs fetchpatch { }")).warnings
    assert "not a list that can be read" in warning


def test_two_collections_are_one_too_many() -> None:
    text = TEXT.replace("  upstreamPatches = ", "  more = import ../generic/patches.nix { };\n  upstreamPatches = ")
    assert said(folder(text)).patches == said(folder()).patches
    with pytest.raises(Refusal) as caught:
        said(folder(text.replace("] ++ upstreamPatchList", "more.XSA_480 ] ++ upstreamPatchList")))
    assert caught.value.code == "E-AMBIGUOUS"
    assert "`more` and `upstreamPatches`" in caught.value.what


@pytest.mark.parametrize(
    ("digest", "word"),
    [("sha256-X=sha256-X=", "not one"), ("sha256-" + "A" * 43 + "=", "placeholder"), ("", "not one")],
)
def test_an_odd_hash_of_a_listed_entry_is_a_warning_with_its_place(digest: str, word: str) -> None:
    text = shared(entry("478"), entry("480"), entry("482-01"), entry("482-02"))
    odd = folder(patches=text.replace(named("480").hash or "", digest))
    (warning,) = said(odd).warnings
    line = text[: text.index('"XSA_480"')].count("\n") + 1
    assert warning.startswith("the hash of `XSA_480` of ../generic/patches.nix is ")
    assert word in warning
    assert f"(line {line}, column 3)" in warning
    assert said(folder(patches=text.replace(named("478").hash or "", digest))).warnings == ()


def test_a_listed_entry_that_cannot_be_read_is_a_warning() -> None:
    text = shared(entry("482-01"), entry("482-02"), "  XSA_480 = f 1;\n")
    subject = said(folder(patches=text))
    assert subject.patches[2] == Patch("XSA_480", None, None, name="XSA_480")
    assert "`XSA_480` of ../generic/patches.nix is no patch that can be read" in subject.warnings[0]
