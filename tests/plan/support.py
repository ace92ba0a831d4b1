"""Subjects, listings and releases as the stages before would give them."""

from __future__ import annotations

from xenbump.plan.model import Patch, Subject, Target
from xenbump.upstream.model import Listing

OID = "0123456789abcdef0123456789abcdef01234567"


def subject(version: str, *, patches: tuple[Patch, ...] = (), warnings: tuple[str, ...] = ()) -> Subject:
    """What a file says that packages a version."""
    return Subject(
        name="xen",
        file="the file",
        attribute="xen",
        shape="derivation-github",
        version=version,
        fetcher="fetchFromGitHub",
        hash="sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        patches=patches,
        warnings=warnings,
    )


def listing(*versions: str) -> Listing:
    """A repository that has these releases."""
    return Listing("the place", {f"refs/tags/RELEASE-{version}": OID for version in versions})


def target(version: str) -> Target:
    """A release whose signature was good."""
    return Target(
        version=version,
        tree_version=version,
        commit=OID[::-1],
        ref=f"refs/tags/RELEASE-{version}",
        source="the place",
        tag=f"RELEASE-{version}",
        tag_object=OID,
        signed_by="F" * 40,
        signed_at=1_767_614_400,
    )
