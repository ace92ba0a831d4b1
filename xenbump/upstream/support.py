"""How long a branch of Xen is supported: what `SUPPORT.md` at the tip of its stable branch says.

The section "Release Support" of that file has four lines `Key: value`, from which the Xen Project makes its public
table of support (`docs/support-matrix-generate` in its tree). The tip counts, never a tag: in February 2026 the windows
of branches that had been released long before were extended. Nobody signs a tip, so what is read here may lead to a
proposal, which a person merges, and to nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.upstream.model import Listing
    from xenbump.upstream.repository import Repository

FILE = "SUPPORT.md"

_VERSION, _INITIAL, _SUPPORTED, _SECURITY = KEYS = (
    "Xen-Version",
    "Initial-Release",
    "Supported-Until",
    "Security-Support-Until",
)
_LINE = re.compile(rf"^[ \t]*({'|'.join(KEYS)})[ \t]*:(.*)$", re.MULTILINE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# What stands for a day on a branch that has had no release yet, in any key (seen from 4.10 to 4.23).
_NO_DAY = frozenset({"n/a", "TBD", "Unreleased - not yet security-supported"})
_OF = re.compile(r"(?:(?P<branch>\d+\.\d+)(?:-(?:rc|unstable))?|unstable)", re.ASCII)
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Window:
    """How long a branch is supported.

    Attributes:
        initial_release: the day of the branch's first release; None where there was none, or it is not known.
        supported_until: the last day of full support; None where it is not set.
        security_until: the last day of security support; None where it is not set.
        status: what the file has in the place of the last day of security support, where that is no day; else empty.
    """

    initial_release: date | None = None
    supported_until: date | None = None
    security_until: date | None = None
    status: str = ""

    def ended(self, today: date) -> bool:
        """Whether security support has ended, the last day being one of it; not where the end is not known."""
        return self.security_until is not None and self.security_until < today


# Of a branch whose tree says nothing: those before 4.10.
UNKNOWN = Window()


def read(support_md: bytes | None, where: str, branch: str | None = None) -> Window:
    """What a tree says about the support of its branch.

    Args:
        support_md: the content of `SUPPORT.md`; None where the tree has none.
        where: the branch or commit, for errors.
        branch: `X.Y`, which the file must be about; None: of any.

    Returns:
        The window; `UNKNOWN` where there is no file, or it has none of the four lines.

    Raises:
        Refusal: E-SUPPORT-FORM where a line is missing, stands there twice or has a value of an unknown form, the days
            are not in order, or the file is about another branch.
    """
    place = f"{where}, {FILE}"
    found: dict[str, str] = {}
    for key, written in _LINE.findall((support_md or b"").decode("utf-8", "backslashreplace")):
        value = written.removesuffix("\r").strip(" \t")
        if found.setdefault(key, value) != value:
            raise Refusal("E-SUPPORT-FORM", f"{key} is both {_shown(found[key])} and {_shown(value)}", where=place)
    if not found:
        return UNKNOWN
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise Refusal("E-SUPPORT-FORM", f"there is {', '.join(found)}, and no {', '.join(missing)}", where=place)
    named = _OF.fullmatch(found[_VERSION])
    if named is None or (branch is not None and named["branch"] not in {None, branch}):
        expected = "" if branch is None else f", not {branch}"
        raise Refusal("E-SUPPORT-FORM", f"{_VERSION} is {_shown(found[_VERSION])}{expected}", where=place)
    initial, supported, security = days = [_day(key, found[key], place) for key in KEYS[1:]]
    known = [day for day in days if day is not None]
    if known != sorted(known):
        written = ", ".join(f"{key} {found[key]}" for key in KEYS[1:])
        raise Refusal("E-SUPPORT-FORM", f"the days are not in order: {written}", where=place)
    return Window(initial, supported, security, "" if security is not None else found[_SECURITY])


def windows(repository: Repository, listing: Listing, branches: Iterable[str]) -> dict[str, Window]:
    """How long branches are supported, as the tips of their stable branches have it.

    Args:
        repository: the Xen repository.
        listing: what it lists; the tips are those of this list.
        branches: `X.Y` each.

    Returns:
        The windows by branch, lowest branch first; `UNKNOWN` for one that has no stable branch.

    Raises:
        Refusal: as `read`; E-TAG-MISSING where a branch is gone, or has moved and the server keeps to its tips.
        Failure: a tip could not be fetched or read.
    """
    refs = {branch: f"refs/heads/stable-{branch}" for branch in sorted(set(branches), key=release.order)}
    tips = {ref: listing.refs[ref] for ref in refs.values() if ref in listing.refs}
    contents = repository.root_files(FILE, tips, listing.source)
    return {branch: read(contents.get(ref), f"stable-{branch}", branch) for branch, ref in refs.items()}


def _day(key: str, value: str, place: str) -> date | None:
    if value in _NO_DAY:
        return None
    if _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # a day that no calendar has
    raise Refusal("E-SUPPORT-FORM", f"{key} is {_shown(value)}, which is no day and no known word", where=place)


def _shown(value: str) -> str:
    return repr(value[:_LONGEST_SHOWN])
