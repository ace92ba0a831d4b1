"""The package files of Xen among those that git knows. They are read as text; nothing in them is run."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from xenbump import process
from xenbump.errors import Failure, UsageError, XenbumpError
from xenbump.package import files, rewrite
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xenbump.plan.model import Subject

_SECONDS = 60.0
# Where nixpkgs has or had the package, the newest place first.
KNOWN = (
    re.compile(r"pkgs/by-name/xe/xen/package\.nix"),
    re.compile(r"pkgs/applications/virtualization/xen/\d+\.\d+/default\.nix"),
    re.compile(r"pkgs/applications/virtualization/xen/\d+\.\d+\.nix"),
    re.compile(r"pkgs/applications/virtualization/xen/packages\.nix"),
)
# So many files are opened, and so many of them parsed; a checkout with more names Xen in the paths that matter.
_MOST_OPENED, _MOST_PARSED = 3000, 60
_TELLING = re.compile(rb"xenbits|xen-project|buildXenPackage|\bxen\b", re.IGNORECASE)
# Files of tests look like packages on purpose.
_ASIDE = re.compile(r"(?:^|/)(?:tests?|fixtures?|examples?|templates?)(?:/|$)")


@dataclass(frozen=True, slots=True)
class Package:
    """A package file of Xen.

    Attributes:
        name: for the configuration.
        file: its path from the root of the checkout.
        attribute: in the package set, where the files around name it; else empty.
        version: that it has.
        shape: the key of its shape.
        latest: whether it is to follow the newest branch: it is the newest of several beside each other.
    """

    name: str
    file: str
    attribute: str
    version: str
    shape: str
    latest: bool = False


def known_files(root: Path) -> tuple[str, ...]:
    """The Nix files that git knows in a checkout, as paths from its root, sorted.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED, E-TIMEOUT.
        UsageError: E-NOT-CHECKOUT.
    """
    try:
        done = process.run(["git", "-C", str(root), "ls-files", "-z", "--", "*.nix"], timeout=_SECONDS)
    except Failure as error:
        if "not a git repository" in error.what:
            raise UsageError("E-NOT-CHECKOUT", "it is not in a git checkout", where=str(root)) from error
        raise
    return tuple(sorted(name for name in done.stdout.decode("utf-8", "surrogateescape").split("\0") if name))


def find(root: Path, names: Iterable[str], progress: Callable[[str], None] = lambda _: None) -> tuple[Package, ...]:
    """The package files of Xen.

    Args:
        root: of the checkout.
        names: the Nix files in it, as `known_files` gives them.
        progress: told how many files are looked at.

    Returns:
        Those that a shape recognises and that can be read, sorted by name; in nixpkgs those at its own places alone.
    """
    names = tuple(names)
    for place in KNOWN:
        found = _read(root, [name for name in names if place.fullmatch(name)])
        if found:
            return _named(root, found, names)
    telling = [name for name in names if "xen" in name.lower()]
    others = [name for name in names if "xen" not in name.lower()]
    opened = [*telling, *others][:_MOST_OPENED]
    progress(f"looking for Xen in {len(opened)} of {len(names)} Nix files")
    candidates = [name for name in opened if _TELLING.search(_content(root, name))]
    candidates.sort(key=lambda name: (bool(_ASIDE.search(name)), "xen" not in name.lower(), name))
    found = _read(root, candidates[:_MOST_PARSED])
    apart = [one for one in found if not _ASIDE.search(one.file)]
    return _named(root, apart or found, names)


def _content(root: Path, name: str) -> bytes:
    try:
        return files.read(root / name)
    except XenbumpError:
        return b""


def _read(root: Path, names: Iterable[str]) -> list[Subject]:
    """What those files say that are package files."""
    found = []
    for name in names:
        content = _content(root, name)
        around = files.Around(root / name, root)
        try:
            found.append(rewrite.read(content, name="xen", file=name, attribute="xen", beside=around))
        except XenbumpError:
            continue
    return found


def _named(root: Path, found: list[Subject], names: tuple[str, ...]) -> tuple[Package, ...]:
    """The files with names of their own: by branch where there are several, else just `xen`."""
    if len(found) == 1:
        return (_package(found[0], "xen", "", latest=bool(found[0].siblings)),)
    branches = [release.branch_of(one.version) for one in found]
    newest = max(branches, key=release.order, default="")
    made: dict[str, Package] = {}
    for one, branch in zip(found, branches, strict=True):
        latest = bool(one.branch) and branch == newest
        name = "xen" if latest else f"xen-{branch}"
        if name in made:
            name = _free(name, posixpath.basename(posixpath.dirname(one.file)) or "root", made)
        around = partial(_content, root)
        attribute = "" if latest else _attribute(branch, one.file, names, around)
        made[name] = _package(one, name, attribute, latest=latest)
    return tuple(made[name] for name in sorted(made))


def _free(name: str, folder: str, taken: dict[str, Package]) -> str:
    """A name that is not taken: with the folder in it, else with a number."""
    base = f"{name}-{re.sub(r'[^A-Za-z0-9._+-]', '-', folder)}"
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (base, *numbered) if one not in taken)


def _package(one: Subject, name: str, attribute: str, *, latest: bool) -> Package:
    return Package(name, one.file, attribute, one.version, one.shape, latest)


def _attribute(branch: str, file: str, names: tuple[str, ...], read: Callable[[str], bytes]) -> str:
    """`xen_4_20` where a file above or beside has that word; else nothing, and the name stands for it."""
    wanted = f"xen_{branch.replace('.', '_')}"
    folders = {posixpath.dirname(file), posixpath.dirname(posixpath.dirname(file))}
    near = [name for name in names if posixpath.dirname(name) in folders]
    pattern = re.compile(rf"\b{wanted}\b".encode())
    return wanted if any(pattern.search(read(name)) for name in near) else ""
