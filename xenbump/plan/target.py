"""Which release a file should package: its branch's newest, the newest of all, or one that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Subject, Target
    from xenbump.upstream.model import Listing
    from xenbump.upstream.release import Release

LATEST = "latest"
STABLE_TIP = "stable-tip"
OWN_BRANCH = "branch"


def choose(subject: Subject, listing: Listing, *, track: str, to: str = "") -> Release | None:
    """The release that a file should move to.

    Args:
        subject: what the file says.
        listing: what the repository has.
        track: `branch` (the file's own), `latest` (the newest of all branches), or a branch `X.Y`.
        to: `latest` or a version `X.Y.Z`, which overrides `track`; empty: as `track` says.

    Returns:
        The release; None when the file is already there, or pins a commit that is newer than it.

    Raises:
        Refusal: E-VERSION-UNKNOWN when the file's own version is no release of this repository, E-DOWNGRADE when the
            release would be older than the file's, E-NO-RELEASE or E-TAG-MISSING when there is no such release.
    """
    found = listing.releases
    if own(subject, listing) is None and subject.rev is None:
        raise Refusal(
            "E-VERSION-UNKNOWN",
            f"the file packages {subject.version}, which is no release of {listing.source}",
            where=subject.file,
        )
    asked = bool(to) and to != LATEST
    if asked:
        target = release.named(found, to, where=listing.source)
    else:
        branch = {LATEST: None, OWN_BRANCH: release.branch_of(subject.version)}.get(to or track, track)
        target = release.newest(found, branch=branch, where=listing.source)
    if target.version == subject.version:
        return None
    base = release.base_of(subject.version)
    if release.order(target.version) < release.order(base or subject.version):
        # A pinned commit lies between two releases: the one before it is nothing to go back to.
        if base is not None and not asked and target.branch == release.branch_of(subject.version):
            return None
        raise Refusal(
            "E-DOWNGRADE",
            f"the file packages {subject.version}; {target.version} would be a step back",
            where=subject.file,
        )
    return target


def own(subject: Subject, listing: Listing) -> Release | None:
    """The release that a file packages; None where it pins a commit that is none."""
    return next((one for one in listing.releases if one.version == subject.version), None)


def added(subject: Subject, target: Target) -> str | None:
    """The branch that gets a file of its own, where each branch has one; None where the file itself moves.

    Raises:
        Refusal: E-BRANCH-EXISTS where that branch has a file, or one that is newer than the subject's has.
    """
    branch = release.branch_of(target.version)
    if subject.branch is None or branch == subject.branch:
        return None
    if branch in subject.siblings:
        raise Refusal(
            "E-BRANCH-EXISTS",
            f"branch {branch} has a file of its own beside that of {subject.branch}",
            where=subject.file,
        )
    newest = max(subject.siblings, key=release.order, default=subject.branch)
    if release.order(newest) > release.order(subject.branch):
        raise Refusal(
            "E-BRANCH-EXISTS",
            f"a file for {branch} is made from the newest one, which is that of {newest}",
            where=subject.file,
        )
    return branch


def tip(subject: Subject, listing: Listing, *, track: str) -> tuple[str, str]:
    """The newest commit of the stable branch that a file should follow, and the full name of its ref.

    Args:
        subject: what the file says.
        listing: what the repository has.
        track: as for `choose`.

    Raises:
        Refusal: E-REV-UNKNOWN where there is no such branch, E-DOWNGRADE where it is older than the file's.
    """
    branch = release.branch_of(subject.version)
    if track == LATEST:
        branch = release.newest(listing.releases, branch=None, where=listing.source).branch
    elif track != OWN_BRANCH:
        branch = track
    if release.order(branch) < release.order(release.branch_of(subject.version)):
        raise Refusal(
            "E-DOWNGRADE",
            f"the file packages {subject.version}; branch {branch} would be a step back",
            where=subject.file,
        )
    return listing.find(f"stable-{branch}")
