"""What the locks in `requirements/` have, and what an installed package needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Locked:
    """A line of a lock."""

    requirement: Requirement
    version: str
    hashes: tuple[str, ...]
    """SHA-256 in hexadecimal, one for each file of the release."""


def read_lock(text: str) -> dict[str, Locked]:
    """Read a lock as `tools/lock.sh` writes it; by normalised names."""
    found: dict[str, Locked] = {}
    for line in text.replace("\\\n", "").splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        head, *hashes = line.split("--hash=sha256:")
        requirement = Requirement(head)
        (pin,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        found[name] = Locked(requirement, pin.version, tuple(one.strip() for one in hashes))
    return found


def installed(name: str) -> str | None:
    """The version of a package that is installed here, if it is."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def needs(name: str, extras: Iterable[str]) -> dict[str, frozenset[str]]:
    """What an installed package needs on this Python and system, by normalised names, with the extras it asks for."""
    found: dict[str, frozenset[str]] = {}
    for text in distribution(name).requires or ():
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            key = canonicalize_name(one.name)
            found[key] = found.get(key, frozenset()) | one.extras
    return found


def graph(root: str) -> dict[str, set[str]]:
    """All that a package needs, by itself or by others: each name with what it needs itself."""
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        direct = needs(name, extras)
        found.setdefault(name, set()).update(direct)
        waiting += direct.items()
    return found
