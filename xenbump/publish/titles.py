"""Whether another one's pull request is for the same change, by its title: attribute and version, or the advisories.

The forms are those that people and bots use in nixpkgs: `xen: 4.20.2 -> 4.20.3`, `xen: patch with XSAs 495, 497-508`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenbump.plan.model import Plan

# A backport says for which branch it is before anything else.
_HEAD = re.compile(r"\s*(?:\[[^\]]*\]\s*)*(?P<names>[^:]{1,200}):(?P<rest>.*)", re.DOTALL)
_LIST = re.compile(r"XSAs?(?P<list>(?:[\s,;#&/+]|-(?=\d)|\u2013|\band\b|\bXSAs?\b-?|\d{1,5})+)", re.IGNORECASE)
_NUMBERS = re.compile(r"(?P<first>\d{1,5})(?:\s*[-\u2013]\s*(?P<last>\d{1,5}))?", re.ASCII)
_MOST = 1000


def same_change(title: str, plan: Plan) -> bool:
    """Whether a title says that it brings the version of a plan, or at least the patches that it brings."""
    match = _HEAD.fullmatch(title)
    if match is None or not _names(match["names"], plan.subject.attribute):
        return False
    if plan.moves:
        return _brings(match["rest"], plan.target.version)
    return bool(plan.patched) and set(plan.patched) <= advisories(match["rest"])


def advisories(text: str) -> frozenset[int]:
    """The numbers of the advisories that a title names, of ranges all."""
    found: set[int] = set()
    for part in _LIST.finditer(text):
        for match in _NUMBERS.finditer(part["list"]):
            first = int(match["first"])
            last = int(match["last"] or first)
            found.update(range(first, min(last, first + _MOST) + 1))
    return frozenset(found)


def _names(names: str, attribute: str) -> bool:
    """Whether one of the names before the colon is the attribute, or ends as it does."""
    wanted = attribute.casefold().rpartition(".")[2]
    return wanted in {name.rpartition(".")[2] for name in re.split(r"[\s,{}]+", names.casefold())}


def _brings(text: str, version: str) -> bool:
    """Whether a version is named, and not as the one that goes."""
    return re.search(rf"(?<![\w.]){re.escape(version)}(?![\w-]|\.\d|\s*(?:->|→|=>))", text) is not None
