"""Files with a table of versions to hashes, small ones, and what their tables list."""

from __future__ import annotations

import re

from tests.package.support import NEW_HASH

OLD = "ZDPjVEEEkG05XUYoMEGlIzV0YSgUTqNZrDwLvR7fAK8"
NEW = NEW_HASH.removeprefix("sha256-").removesuffix("=")
ENTRY = f'    "4.20.4" = "{NEW}";\n'
A, B = ("A" * 42 + "E", "B" * 42 + "E")
SMALL = """{ pkgs, v ? "4.20.2" }:
let
  known = @table@;
in
pkgs.xen.overrideAttrs (_: {
  version = v;
  src = pkgs.fetchFromGitHub {
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-${v}";
    hash = @hash@;
  };
  patches = [ ];
})
"""
DERIVATION = """{ stdenv, fetchgit }:
stdenv.mkDerivation (finalAttrs: {
  version = "4.20.2";
  src = fetchgit {
    url = "https://xenbits.xenproject.org/git-http/xen.git";
    rev = "refs/tags/RELEASE-${finalAttrs.version}";
    hash = finalAttrs.passthru.hashes.${finalAttrs.version};
  };
  passthru.hashes = {
    "4.20.1" = "sha256-@a@=";
    "4.20.2" = "sha256-@b@=";
  };
})
""".replace("@a@", A).replace("@b@", B)


def small(table: str, used: str = '"sha256-${known.${v}}="') -> str:
    return SMALL.replace("@table@", table).replace("@hash@", used)


def lines(*versions: str, value: str = B) -> str:
    return "{\n" + "".join(f'    "{version}" = "{value}";\n' for version in versions) + "  }"


def order(text: str) -> list[str]:
    """The versions in the table of a file."""
    return re.findall(r'"(\d+\.\d+\.\d+\S*)" = ', text)
