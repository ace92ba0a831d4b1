"""Which release a file should package: its branch's newest, the newest of all, or one that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Subject
    from xenbump.upstream.model import Listing
    from xenbump.upstream.release import Release

LATEST = "latest"
OWN_BRANCH = "branch"


def choose(subject: Subject, listing: Listing, *, track: str, to: str = "") -> Release | None:
    """The release that a file should move to.

    Args:
        subject: what the file says.
        listing: what the repository has.
        track: `branch` (the file's own), `latest` (the newest of all branches), or a branch `X.Y`.
        to: `latest` or a version `X.Y.Z`, which overrides `track`; empty: as `track` says.

    Returns:
        The release; None when the file is already there.

    Raises:
        Refusal: E-VERSION-UNKNOWN when the file's own version is no release of this repository, E-DOWNGRADE when the
            release would be older than the file's, E-NO-RELEASE or E-TAG-MISSING when there is no such release.
    """
    found = listing.releases
    here = next((one for one in found if one.version == subject.version), None)
    if here is None:
        raise Refusal(
            "E-VERSION-UNKNOWN",
            f"the file packages {subject.version}, which is no release of {listing.source}",
            where=subject.file,
        )
    if to and to != LATEST:
        target = release.named(found, to, where=listing.source)
    else:
        branch = {LATEST: None, OWN_BRANCH: here.branch}.get(to or track, track)
        target = release.newest(found, branch=branch, where=listing.source)
    if target.version == here.version:
        return None
    if release.order(target.version) < release.order(here.version):
        raise Refusal(
            "E-DOWNGRADE",
            f"the file packages {here.version}; {target.version} would be a step back",
            where=subject.file,
        )
    return target
