"""Addresses for people: of releases, commits, differences and advisories; and the releases round a version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from xenbump.publish.markup import clipped, code
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Plan, Target

_COMPARE = "https://github.com/xen-project/xen/compare"
_GITWEB = "https://xenbits.xenproject.org/gitweb/?p=xen.git"
_ADVISORY = "https://xenbits.xenproject.org/xsa/advisory"
_PULL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?/(?:[A-Za-z0-9._-]+/){2,6}[0-9]+", re.ASCII)
_LONGEST = 200


def advisory(number: int) -> str:
    """The page of an advisory."""
    return f"{_ADVISORY}-{number}.html"


def reference(address: str) -> str:
    """Another pull request for Markdown: its address as it is where it has the form of one, else in a code span."""
    return address if _PULL.fullmatch(address) else code(clipped(address, _LONGEST))


def xsa(number: int) -> str:
    """The number of an advisory as a link in Markdown."""
    return f"[XSA-{number}]({advisory(number)})"


def of_target(target: Target) -> str:
    """The page of a release's tag; of a tip, that of its commit."""
    if target.tag is None:
        return f"{_GITWEB};a=commit;h={quote(target.commit)}"
    return f"{_GITWEB};a=tag;h=refs/tags/{quote(target.tag)}"


def compare(plan: Plan) -> str:
    """Where a person sees what changed; empty where the version stays or the file's commit is not known."""
    start = plan.subject.rev
    if release.is_version(plan.subject.version):
        start = release.tag_of(plan.subject.version)
    if not plan.moves or start is None:
        return ""
    return f"{_COMPARE}/{quote(start)}...{quote(plan.target.tag or plan.target.commit)}"


def base_release(target: Target) -> str | None:
    """The release that a tip leads to; None for a release."""
    return release.base_of(target.version) if target.tag is None else None


def release_before(target: Target) -> str | None:
    """The release before the one that a tip leads to; None for a release, and where a branch has none before it."""
    branch, _, patch = (base_release(target) or "").rpartition(".")
    return f"{branch}.{int(patch) - 1}" if patch.isdecimal() and int(patch) > 0 else None
