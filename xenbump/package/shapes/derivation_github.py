"""`stdenv.mkDerivation (finalAttrs: { version; src = fetchFromGitHub { tag; hash; }; … })`: nixpkgs since 2025-11.

Two shapes: in `derivation-github` the tag is a literal, so the version stands twice, or a commit is pinned by `rev`; in
`derivation-github-derived` (since 2026-08) the tag is made from the version, and advisories have no comment.
"""

from __future__ import annotations

from xenbump.package import source
from xenbump.package.derivation import DerivationShape

SHAPES = (
    DerivationShape("derivation-github", source.GITHUB, derived=False, heading="# XSA #"),
    DerivationShape("derivation-github-derived", source.GITHUB, derived=True, heading=""),
)
