"""The values of this stage: what a repository lists, and a release whose signature is good."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.upstream.release import Release

_OID = re.compile(r"[0-9a-f]{40}", re.ASCII)


@dataclass(frozen=True)
class Listing:
    """The refs of the repository, and the address that gave them."""

    source: str
    refs: dict[str, str]

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        """The releases, oldest version first."""
        return release.releases(self.refs)

    def find(self, rev: str) -> tuple[str, str]:
        """The commit that a revision stands for, and the ref to fetch it by.

        Args:
            rev: the name of a tag or branch that is listed, or a commit in 40 hexadecimal digits.

        Raises:
            Refusal: E-REV-UNKNOWN.
        """
        for ref in (f"refs/tags/{rev}", f"refs/heads/{rev}"):
            if ref in self.refs and not ref.endswith("^{}"):  # git has no such name; it lists what a tag points to so
                return self.refs.get(ref + "^{}", self.refs[ref]), ref
        if _OID.fullmatch(rev):
            return rev, rev
        raise Refusal("E-REV-UNKNOWN", f"the repository lists no tag and no stable branch {rev!r}", where=self.source)


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """A release whose tag is signed by a pinned key.

    Attributes:
        version: `X.Y.Z`.
        tag: the tag's name.
        tag_object: identifier of the tag object.
        commit: identifier of the commit.
        signed_by: fingerprint of the primary key.
        signed_at: when it was signed, seconds since 1970.
        source: the address that it was fetched from.
    """

    version: str
    tag: str
    tag_object: str
    commit: str
    signed_by: str
    signed_at: int
    source: str
