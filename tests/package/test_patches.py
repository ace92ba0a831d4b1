"""What is read of each patch: its fetcher, its options, its file, and when it counts."""

from __future__ import annotations

import pytest

from tests.package.support import read, sri, with_patches
from xenbump.plan.model import Condition, Patch

HASH = sri(1)


def listed(value: str) -> tuple[Patch, ...]:
    return read(with_patches(value)).patches


def one(element: str) -> Patch:
    (patch,) = listed(f"[ {element} ]")
    return patch


@pytest.mark.parametrize(
    ("function", "fetcher"),
    [
        ("fetchpatch", "fetchpatch"),
        ("pkgs.fetchpatch", "fetchpatch"),
        ("a.b.fetchpatch2", "fetchpatch2"),
        ("(fetchurl)", "fetchurl"),
        ("fetchzip", None),
        ("(f x).fetchpatch", None),
    ],
)
def test_the_fetcher_is_the_last_name_of_what_is_called(function: str, fetcher: str | None) -> None:
    patch = one(f'({function} {{ url = "u"; hash = "{HASH}"; }})')
    assert patch.fetcher == fetcher
    assert patch.hash == (HASH if fetcher else None)


@pytest.mark.parametrize(
    ("arguments", "digest", "options"),
    [
        (f'url = "u"; hash = "{HASH}";', HASH, ()),
        (f'name = "n"; url = "u"; hash = "{HASH}";', HASH, ()),
        (f'url = "u"; hash = "{HASH}"; stripLen = 1; excludes = [ ];', HASH, ("excludes", "stripLen")),
        (f'url = "u"; hash = "{HASH}"; inherit revert;', HASH, ("revert",)),
        (f'url = "u"; hash = "{HASH}"; passthru.a = 1; meta = {{ }};', HASH, ()),
        (f'url = "u"; hash = "{HASH}"; ${{x}} = 1;', HASH, ("?",)),
        (f'url = "u"; sha256 = "{HASH}";', HASH, ()),
        ('url = "u"; sha256 = "1b0k";', None, ("sha256",)),
        (f'url = "u"; hash = "{HASH}"; sha256 = "{HASH}";', HASH, ("sha256",)),
        ('url = "u"; hash = lib.fakeHash;', "lib.fakeHash", ()),
        ('url = "u";', None, ()),
    ],
)
def test_hash_and_options(arguments: str, digest: str | None, options: tuple[str, ...]) -> None:
    patch = one(f"(fetchpatch {{ {arguments} }})")
    assert (patch.url, patch.hash, patch.options, patch.path) == ("u", digest, options, None)


@pytest.mark.parametrize(
    ("element", "path"),
    [
        ("./0001-x.patch", "0001-x.patch"),
        ("../x.patch", "../x.patch"),
        ("./a/../b.patch", "a/../b.patch"),
        ("patches/x.patch", "patches/x.patch"),
        ("(./x.patch)", "x.patch"),
        ("/etc/x.patch", None),
        ("~/x.patch", None),
        ("./${name}.patch", None),
        ("(./. + name)", None),
        ("(replaceVars ./0002-x.patch { a = ./b; })", "0002-x.patch"),
        ("(pkgs.replaceVars (./0002-x.patch) vars)", "0002-x.patch"),
        ("(f ./a.patch ./b.patch)", None),
        ("(f { src = ./a.patch; })", None),
        ("(import ./a.nix)", None),
        ("(builtins.import ./a.nix x)", None),
        ("upstreamPatches.XSA_462", None),
        ('"${src}/x.patch"', None),
    ],
)
def test_the_file_of_a_local_patch(element: str, path: str | None) -> None:
    patch = one(element)
    assert (patch.path, patch.fetcher, patch.hash, patch.options) == (path, None, None, ())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('(lib.versionOlder finalAttrs.version "4.21")', ("versionOlder", "4.21")),
        ('(versionOlder finalAttrs.version "4.21")', ("versionOlder", "4.21")),
        ('(lib.strings.versionAtLeast (finalAttrs.version) ("4.20.4"))', ("versionAtLeast", "4.20.4")),
        ('(versionOlder lib.version "4.21")', ("", "")),
        ('(versionOlder version "4.21")', ("", "")),
        ("(versionOlder finalAttrs.version bound)", ("", "")),
        ('(versionOlder "4.21" finalAttrs.version)', ("", "")),
        ('(!(versionOlder finalAttrs.version "4.21"))', ("", "")),
        ('(f finalAttrs.version "4.21")', ("", "")),
        ("stdenv.hostPlatform.isx86", ("", "")),
    ],
)
@pytest.mark.parametrize(
    "form", ["optionals @ [ ./a.patch ]", "lib.optional @ ./a.patch", "(optional @ [ ./a.patch ])"]
)
def test_the_condition_of_a_part(condition: str, expected: tuple[str, str], form: str) -> None:
    first, second = listed("[ ./b.patch ] ++ " + form.replace("@", condition))
    assert first.condition is None
    text = condition[1:-1] if condition.startswith("(") else condition
    assert second.condition == Condition(text, *expected)
    assert second.path == "a.patch"


def test_a_condition_over_several_lines_is_told_in_one() -> None:
    (patch,) = listed('optionals (\n    versionOlder\n      finalAttrs.version "4.21"\n  ) [ ./a.patch ]')
    assert patch.condition == Condition('versionOlder finalAttrs.version "4.21"', "versionOlder", "4.21")


def test_in_rec_the_plain_name_is_the_version_too() -> None:
    text = with_patches('optional (versionOlder version "4.21") ./a.patch').replace("(finalAttrs: {", "(rec {")
    (patch,) = read(text).patches
    assert patch.condition == Condition('versionOlder version "4.21"', "versionOlder", "4.21")


@pytest.mark.parametrize(
    "part",
    ["optionals x (map f [ ])", "optionals x y", "optionals x", "lib.optionals x [ ] [ ]", "with p; [ a ]", "foo"],
)
def test_a_part_that_cannot_be_read_is_a_warning(part: str) -> None:
    said = read(with_patches(f"[ ./b.patch ] ++ ({part})"))
    assert [patch.url for patch in said.patches] == ["./b.patch"]
    (warning,) = said.warnings
    assert "not a list that can be read (line 12, column " in warning
