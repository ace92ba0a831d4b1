"""The packages of nix/xen as real Nix evaluates them, with small stand-ins for nixpkgs or with nixpkgs' own library."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.nixlang.nix import Nix

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
XEN = ROOT / "nix" / "xen"
STAND_IN = Path(__file__).parent / "stand-in" / "xen.nix"
BRANCHES = ("4.17", "4.18", "4.19", "4.20", "4.21", "4.22")


def attribute(branch: str) -> str:
    """The name of a branch's package."""
    return f"xen_{branch.replace('.', '_')}"


def library() -> str:
    """A copy of the library of nixpkgs as a Nix expression, where XENBUMP_NIXPKGS_LIB names one; else null."""
    named = os.environ.get("XENBUMP_NIXPKGS_LIB", "")
    if not named:
        return "null"
    folder = Path(named).resolve()
    return str(folder / "lib" if (folder / "lib" / "default.nix").exists() else folder)


def evaluate(
    folder: Path, expressions: Mapping[str, str], *, xen: Path = XEN, fetched: Path | None = None
) -> dict[str, Any]:
    """The values of expressions, by their names, evaluated by one process.

    Args:
        folder: an empty folder for Nix to work in.
        expressions: in them `packages`, `told`, `tried`, `plain` and `lib` are those of the stand-in.
        xen: the folder of the packages.
        fetched: the folder with what fetchers fetch.
    """
    given = f"nixpkgsLib = {library()}; xen = {xen};" + ("" if fetched is None else f' fetched = "{fetched}";')
    scope = f"with import {STAND_IN} {{ {given} }}; "
    values = Nix(folder).values([scope + one for one in expressions.values()])
    return dict(zip(expressions, values, strict=True))


def is_hash(value: str) -> bool:
    """Whether a hash of a package is more than a placeholder."""
    return value.startswith("sha256-") and set(value[len("sha256-") :]) != {"A", "="}


def shown(value: object) -> str:
    """A value as text, to look for words in it."""
    return json.dumps(value, sort_keys=True)
