"""`xenbump init`: find, write, and read again what was written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump import config, durable
from xenbump.errors import UsageError
from xenbump.init import finding, origin, wording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: the file, the packages in it, and what a person should look at."""

    path: Path
    packages: tuple[finding.Package, ...]
    notes: tuple[str, ...]


def start(folder: Path, progress: Callable[[str], None], *, force: bool = False) -> Made:
    """Write `xenbump.toml` into the root of the checkout that a folder is in.

    Args:
        folder: in the checkout.
        progress: told what is done.
        force: overwrite a file that is there.

    Raises:
        UsageError: E-NOT-CHECKOUT; E-INIT-EXISTS where the file is there; E-INIT-NOTHING where no package file of Xen
            is found.
        Failure: E-FILE-WRITE; what git can raise.
    """
    root = origin.root_of(folder)
    if root is None:
        raise UsageError("E-NOT-CHECKOUT", "it is not in a git checkout", where=str(folder))
    path = root / config.FILE_NAME
    if not force and os.path.lexists(path):
        raise UsageError("E-INIT-EXISTS", "the file is there already", where=str(path), remedy="xenbump init --force")
    names = finding.known_files(root)
    packages = finding.find(root, names, progress)
    if not packages:
        raise UsageError(
            "E-INIT-NOTHING",
            f"none of the {len(names)} Nix files that git knows here is a package file of Xen that can be read",
            where=str(root),
            remedy="name the file in an xenbump.toml of your own; `xenbump check` then says what it cannot read",
        )
    nixpkgs = (root / "pkgs/top-level/all-packages.nix").is_file() and (root / "default.nix").is_file()
    where = origin.of(root, nixpkgs=nixpkgs)
    flake = (root / "flake.nix").is_file()
    _write(path, wording.text(packages, where, nixpkgs=nixpkgs, flake=flake), force=force)
    # What was written is to be understood; a defect here must not wait for the next command.
    config.load(path, {"XDG_STATE_HOME": str(root)})
    return Made(path, packages, wording.notes(packages, where, nixpkgs=nixpkgs, flake=flake))


def _write(path: Path, text: str, *, force: bool) -> None:
    """Put the file there; without force one that has come in the meantime stays."""
    try:
        durable.put(path, text.encode(), fresh=not force)
    except FileExistsError as error:
        raise UsageError("E-INIT-EXISTS", "the file is there already", where=str(path)) from error
    except OSError as error:
        raise durable.failure(error, path, code="E-FILE-WRITE") from error
