"""Release candidates of Xen: which tags are some, which are of the release that is being made. Pure.

A candidate is `X.Y.Z-rcN`, in decimal without leading zeros, as all are since 2007 but for four tags (`4.12-rc2`,
`4.9.0-rc1.1` and `-rc1.2`, and a second name of one of 4.3.0); none of those is taken for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.upstream.release import Release, branch_of, order, tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = r"(?:0|[1-9]\d{0,5})"
_CANDIDATE = re.compile(
    rf"(?P<version>{_NUMBER}\.{_NUMBER}\.{_NUMBER})-rc(?P<number>[1-9]\d{{0,3}})",
    re.ASCII,
)
_REF_PREFIX = "refs/tags/"
_PEELED = "^{}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate's tag as a repository lists it.

    Attributes:
        tag: its name, such as `4.22.0-rc3`.
        version: of the release that it leads to, such as `4.22.0`.
        number: which candidate of that release it is.
        tag_object: what the name stands for: the tag object, or the commit where the tag is lightweight.
        commit: what the tag object points to; None where the tag is lightweight.
    """

    tag: str
    version: str
    number: int
    tag_object: str
    commit: str | None

    @property
    def branch(self) -> str:
        """The release branch that it leads to, `X.Y`."""
        return branch_of(self.version)

    @property
    def as_release(self) -> Release:
        """The same as what a release's signature is judged of."""
        return Release(self.tag, self.tag, self.tag_object, self.commit)


def is_candidate(name: str) -> bool:
    """Whether a tag's name is that of a candidate."""
    return _CANDIDATE.fullmatch(name) is not None


def candidates(refs: Mapping[str, str]) -> tuple[Candidate, ...]:
    """The candidates among the refs of a repository, the oldest first.

    Args:
        refs: object identifiers by full name, as `release.parse_refs` gives them.
    """
    found = []
    for name, oid in refs.items():
        tag = name.removeprefix(_REF_PREFIX)
        match = _CANDIDATE.fullmatch(tag)
        if tag != name and match is not None:
            found.append(Candidate(tag, match["version"], int(match["number"]), oid, refs.get(name + _PEELED)))
    return tuple(sorted(found, key=lambda one: (order(one.version), one.number)))


def newest(refs: Mapping[str, str]) -> Candidate | None:
    """The newest candidate of the newest release that candidates lead to; None where there is none, or that is out.

    Candidates before it are behind it, and of a release that is out there is nothing to try any more.

    Args:
        refs: object identifiers by full name, as `release.parse_refs` gives them.
    """
    found = candidates(refs)
    if not found or f"{_REF_PREFIX}{tag_of(found[-1].version)}" in refs:
        return None
    return found[-1]
