"""Where pull requests go, by the remotes of a checkout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump import process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NIXPKGS = "NixOS/nixpkgs"
_GITHUB = re.compile(
    r"(?:https?://(?:[^/@]*@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
_REMOTE = re.compile(r"^([^\t\n]+)\t(.*) \(fetch\)(?: \[.*\])?$", re.MULTILINE)
# Which of several remotes is whose: the usual names, the one that others forked from first.
_USUAL = ("upstream", "origin")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the remotes say.

    Attributes:
        repository: `owner/name` on GitHub; empty where no remote is there.
        fork: `owner/name` of the fork that branches are pushed to; empty where there is none.
        base: the branch that pull requests are for.
        remotes: their names.
    """

    repository: str
    fork: str
    base: str
    remotes: tuple[str, ...] = ()


def root_of(folder: Path) -> Path | None:
    """The root of the checkout that a folder is in; None where it is in none."""
    done = process.run(["git", "rev-parse", "--show-toplevel"], cwd=folder, check=False)
    text = done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")
    return type(folder)(text) if done.status == 0 and text else None


def of(root: Path, *, nixpkgs: bool) -> Origin:
    """What the remotes of a checkout say.

    Args:
        root: of the checkout.
        nixpkgs: whether it is nixpkgs or a fork of it, by its files.
    """
    addresses = dict(_REMOTE.findall(_said(root, "remote", "-v")))
    repository, fork = among(addresses, nixpkgs=nixpkgs)
    return Origin(repository, fork, _base(root, addresses, repository, nixpkgs=nixpkgs), tuple(addresses))


def among(addresses: Mapping[str, str], *, nixpkgs: bool = False) -> tuple[str, str]:
    """Repository and fork, as `owner/name`, out of the addresses of remotes by their names; empty for none.

    Of two of the same name with different owners, that of the remote `upstream` is the repository, else that of
    `origin`; nixpkgs is always NixOS's.
    """
    found = {remote: match["name"] for remote, url in addresses.items() if (match := _GITHUB.fullmatch(url))}
    ordered = [found[name] for name in _USUAL if name in found]
    ordered += [name for remote, name in found.items() if remote not in _USUAL]
    repository = ordered[0] if ordered else ""
    if nixpkgs:
        repository = NIXPKGS
    own = repository.partition("/")[2].lower()
    forks = [one for one in ordered if one.lower() != repository.lower() and one.partition("/")[2].lower() == own]
    return repository, forks[0] if forks else ""


def _base(root: Path, addresses: Mapping[str, str], repository: str, *, nixpkgs: bool) -> str:
    """The default branch of the repository's remote, as git noted it; else the branch that is checked out."""
    if nixpkgs:
        return "master"
    remotes = [name for name, url in addresses.items() if (match := _GITHUB.fullmatch(url)) and match[1] == repository]
    for remote in (*remotes, *(name for name in _USUAL if name in addresses)):
        head = _said(root, "symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD").strip()
        if head:
            return head.removeprefix(f"refs/remotes/{remote}/")
    known = _said(root, "for-each-ref", "--format=%(refname)", "refs/remotes", "refs/heads").split()
    for branch in ("main", "master"):
        if any(ref.endswith(f"/{branch}") for ref in known):
            return branch
    return _said(root, "symbolic-ref", "--quiet", "--short", "HEAD").strip() or "master"


def _said(root: Path, *arguments: str) -> str:
    done = process.run(["git", "-C", str(root), *arguments], check=False)
    return done.stdout.decode("utf-8", "replace") if done.status == 0 else ""
