"""`stdenv.mkDerivation (finalAttrs: { version; src = fetchgit { url; rev; hash; }; })`: nixpkgs 2025-06 to 2025-11."""

from __future__ import annotations

from xenbump.package import source
from xenbump.package.derivation import DerivationShape

SHAPES = (DerivationShape("derivation-fetchgit", source.GIT, derived=None, heading="# XSA #"),)
