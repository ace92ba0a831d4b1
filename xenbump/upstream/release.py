"""Release tags of Xen: which names are releases, which of them is the newest.

A release is exactly `RELEASE-X.Y.Z` in decimal without leading zeros. The repository has some hundred other tags
(release candidates, branch points, a `xen-RELEASE-4.14.5`, four-part versions of 2011); none of them is ever taken
for a release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from xenbump.errors import Failure, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = r"(?:0|[1-9]\d{0,5})"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}", re.ASCII)
# A commit of a stable branch, by nixpkgs' conventions for what is no release: the release it leads to, and its day.
_UNSTABLE = re.compile(rf"(?P<base>{_NUMBER}\.{_NUMBER}\.{_NUMBER})-unstable-\d{{4}}-\d\d-\d\d", re.ASCII)
_BRANCH = re.compile(rf"{_NUMBER}\.{_NUMBER}", re.ASCII)
_LINE = re.compile(r"([0-9a-f]{40})\t(\S+)", re.ASCII)
_TAG_PREFIX = "RELEASE-"
_REF_PREFIX = "refs/tags/"
_PEELED = "^{}"


@dataclass(frozen=True, slots=True)
class Release:
    """A release tag as a repository lists it.

    Attributes:
        version: `X.Y.Z`.
        tag: the tag's name, `RELEASE-X.Y.Z`.
        tag_object: what the name stands for: the tag object, or the commit where the tag is lightweight.
        commit: what the tag object points to; None where the tag is lightweight.
    """

    version: str
    tag: str
    tag_object: str
    commit: str | None

    @property
    def branch(self) -> str:
        """The release branch, `X.Y`."""
        return branch_of(self.version)


def is_version(text: str) -> bool:
    """Whether `text` is a release version, `X.Y.Z`."""
    return _VERSION.fullmatch(text) is not None


def is_branch(text: str) -> bool:
    """Whether `text` names a release branch, `X.Y`."""
    return _BRANCH.fullmatch(text) is not None


def base_of(version: str) -> str | None:
    """The release `X.Y.Z` that a version `X.Y.Z-unstable-YYYY-MM-DD` leads to; None for a version of another form."""
    match = _UNSTABLE.fullmatch(version)
    return None if match is None else match["base"]


def branch_of(version: str) -> str:
    """The branch `X.Y` of a version `X.Y.Z` or `X.Y.Z-unstable-YYYY-MM-DD`."""
    return (base_of(version) or version).rpartition(".")[0]


def tag_of(version: str) -> str:
    """The name of the tag of a release version."""
    return _TAG_PREFIX + version


def version_of(tag: str) -> str | None:
    """The version that a tag's name stands for; None where the name is not that of a release."""
    version = tag.removeprefix(_TAG_PREFIX)
    return version if version != tag and is_version(version) else None


def order(version: str) -> Version:
    """The key by which versions are sorted: by number, so that 4.9 comes before 4.20."""
    return Version(version)


def parse_refs(listing: str, where: str) -> dict[str, str]:
    """Read what `git ls-remote` prints.

    Args:
        listing: lines of an object identifier, a tab and a name.
        where: the repository, for errors.

    Returns:
        Object identifiers by full name; a peeled tag has the name with `^{}` behind it.

    Raises:
        Failure: E-GIT-LISTING for a line of another form.
    """
    refs: dict[str, str] = {}
    # Not `splitlines`: the name of a ref may hold characters that Unicode takes for the end of a line.
    for line in listing.removesuffix("\n").split("\n") if listing else ():
        match = _LINE.fullmatch(line)
        if match is None:
            raise Failure(
                "E-GIT-LISTING", f"the list of refs has a line of an unknown form: {line[:80]!r}", where=where
            )
        refs[match[2]] = match[1]
    return refs


def releases(refs: dict[str, str]) -> tuple[Release, ...]:
    """The releases among the refs of a repository, oldest version first."""
    found = []
    for name, oid in refs.items():
        tag = name.removeprefix(_REF_PREFIX)
        version = version_of(tag)
        if tag != name and version is not None:
            found.append(Release(version, tag, oid, refs.get(name + _PEELED)))
    # Three plain numbers each: they need not be taken apart as `order` does with any version, of thousands of tags.
    return tuple(sorted(found, key=lambda release: tuple(map(int, release.version.split(".")))))


def newest(found: Iterable[Release], *, branch: str | None, where: str) -> Release:
    """The newest release, of one branch or of all.

    Args:
        found: releases, in any order.
        branch: `X.Y`; None: of all branches.
        where: the repository, for errors.

    Raises:
        Refusal: E-NO-RELEASE where there is none.
    """
    fitting = [release for release in found if branch in {None, release.branch}]
    if not fitting:
        line = "any branch" if branch is None else f"branch {branch}"
        raise Refusal("E-NO-RELEASE", f"the repository has no release of {line}", where=where)
    return max(fitting, key=lambda release: order(release.version))


def named(found: Iterable[Release], version: str, *, where: str) -> Release:
    """The release of one version.

    Raises:
        Refusal: E-TAG-MISSING where the repository has no such tag.
    """
    for release in found:
        if release.version == version:
            return release
    raise Refusal("E-TAG-MISSING", f"the repository has no tag {tag_of(version)}", where=where)
