"""What the shapes of a derivation share: by which name a fetcher is called, and edits at one place."""

from __future__ import annotations

import re

import pytest

from tests.package.support import OLD_HASH, nix_accepts, patched, xsa
from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.package.derivation import together

SOURCE = f"""  src = pkgs.fetchFromGitHub {{
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-4.20.3";
    hash = "{OLD_HASH}";
  }};
"""
OVERRIDE = '{ pkgs }:\n\npkgs.xen.overrideAttrs (old: {\n  version = "4.20.3";\n' + SOURCE + "})\n"
DERIVATION = '{ pkgs, stdenv }:\n\nstdenv.mkDerivation {\n  version = "4.20.3";\n' + SOURCE + "}\n"
BUILT = f"""{{
  pkgs,
  python3Packages,
}}:

pkgs.buildXenPackage.override {{ inherit python3Packages; }} {{
  version = "4.20.3";
  rev = "{"2" * 40}";
  hash = "{OLD_HASH}";
}}
"""


@pytest.mark.parametrize(
    ("head", "fetcher", "call"),
    [
        ("{ pkgs }: pkgs", "pkgs.fetchFromGitHub", "pkgs.fetchpatch"),
        ("{ pkgs }: let p = pkgs; in pkgs", "p.fetchFromGitHub", "p.fetchpatch"),
        ("final: prev: prev", "final.fetchFromGitHub", "final.fetchpatch"),
        ("{ inputs }: inputs.n", "inputs.n.pkgs.fetchFromGitHub", "inputs.n.pkgs.fetchpatch"),
        ("{ pkgs }: let inherit (pkgs) fetchFromGitHub; in pkgs", "fetchFromGitHub", "pkgs.fetchpatch"),
        ("{ pkgs }: let fetchFromGitHub = pkgs.fetchFromGitHub; in pkgs", "fetchFromGitHub", "pkgs.fetchpatch"),
        ("{ pkgs }: let inherit (pkgs) fetchpatch; in pkgs", "pkgs.fetchFromGitHub", "fetchpatch"),
        ("{ pkgs }: with pkgs; pkgs", "fetchFromGitHub", "pkgs.fetchpatch"),
        ("{ pkgs, fetchpatch }: pkgs", "pkgs.fetchFromGitHub", "fetchpatch"),
        ("{ pkgs, fetchFromGitHub }: pkgs", "fetchFromGitHub", "fetchpatch"),
    ],
)
def test_a_patch_is_fetched_by_a_name_that_the_file_has(head: str, fetcher: str, call: str) -> None:
    text = OVERRIDE.replace("{ pkgs }:\n\npkgs", head).replace("pkgs.fetchFromGitHub {", f"{fetcher} {{")
    there = patched(text, [xsa(490)])
    assert f"    ({call} {{\n" in there
    assert nix_accepts(there)
    # Only a function that is called with packages gets one more.
    assert there.startswith(head.replace("{ pkgs, fetchFromGitHub }", "{ pkgs, fetchFromGitHub, fetchpatch }"))


@pytest.mark.parametrize(
    ("head", "fetcher"),
    [
        ("{ pkgs, lib }: with pkgs; with lib; pkgs", "fetchFromGitHub"),
        ("{ pkgs }: with import pkgs { }; pkgs", "fetchFromGitHub"),
        ("{ pkgs }: pkgs.callPackage ({ fetchFromGitHub }: pkgs", "fetchFromGitHub"),
        ("{ pkgs }: pkgs", "(import ./pkgs.nix).fetchFromGitHub"),
        ("{ pkgs }: let fetchFromGitHub = fetchFromGitHub.override; in pkgs", "fetchFromGitHub"),
        ("fetchFromGitHub: pkgs: pkgs", "fetchFromGitHub"),
        ("{ inputs }: inputs", "inputs.n.${system}.fetchFromGitHub"),
    ],
)
def test_a_fetcher_whose_name_cannot_be_told_is_refused(head: str, fetcher: str) -> None:
    text = OVERRIDE.replace("{ pkgs }:\n\npkgs", head).replace("pkgs.fetchFromGitHub {", f"{fetcher} {{")
    text = text.replace("})\n", "})) { }\n") if "callPackage" in head else text
    with pytest.raises(Refusal) as caught:
        patched(text, [xsa(490)])
    assert caught.value.code == "E-PATCH-LIST"
    assert re.search(r"line \d+, column \d+$", caught.value.where)
    assert "fetchpatch" in (caught.value.remedy or "")


def test_a_builder_out_of_a_set_has_its_fetcher_beside_it() -> None:
    there = patched(BUILT, [xsa(490)])
    assert "(pkgs.fetchpatch {" in there
    assert there.startswith("{\n  pkgs,\n  python3Packages,\n}:")
    assert "(pkgs.fetchpatch {" in patched(
        BUILT.replace("pkgs.buildXenPackage.", "(pkgs.buildXenPackage)."), [xsa(490)]
    )


def test_a_derivation_whose_source_is_out_of_a_set_has_its_patches_from_there() -> None:
    there = patched(DERIVATION, [xsa(490)])
    assert "(pkgs.fetchpatch {" in there
    assert there.startswith("{ pkgs, stdenv }:")


def test_a_list_goes_on_as_it_is() -> None:
    text = BUILT.replace("rev =", 'patches = [ (lib.fetchpatch { url = "u"; hash = ""; }) ];\n  rev =')
    first = patched(text, [xsa(490)])
    assert "(lib.fetchpatch {" in first
    assert "pkgs.fetchpatch" not in first


def test_what_comes_at_one_place_is_one_edit() -> None:
    one, two, three = Replacement(3, 3, "a"), Replacement(3, 3, "b"), Replacement(3, 5, "c")
    assert together(one, three, two) == (Replacement(3, 3, "ab"), three)
    assert together(two, one) == (Replacement(3, 3, "ba"),)
    assert together() == ()
