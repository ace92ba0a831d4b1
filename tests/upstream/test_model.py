"""What a listing knows of a revision."""

from __future__ import annotations

import pytest

from xenbump.errors import Refusal
from xenbump.upstream.model import Listing

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
LISTING = Listing(
    "the place",
    {
        "refs/tags/RELEASE-4.20.4": A,
        "refs/tags/RELEASE-4.20.4^{}": B,
        "refs/tags/RELEASE-4.2.1": C,
        "refs/tags/4.20.0-rc1": C,
        "refs/heads/stable-4.20": C,
        "refs/heads/4.20.0-rc1": A,
        f"refs/tags/{A}": B,
    },
)


@pytest.mark.parametrize(
    ("rev", "found"),
    [
        ("RELEASE-4.20.4", (B, "refs/tags/RELEASE-4.20.4")),
        ("RELEASE-4.2.1", (C, "refs/tags/RELEASE-4.2.1")),
        ("stable-4.20", (C, "refs/heads/stable-4.20")),
        ("4.20.0-rc1", (C, "refs/tags/4.20.0-rc1")),
        ("d" * 40, ("d" * 40, "d" * 40)),
        (A, (B, f"refs/tags/{A}")),
    ],
)
def test_tags_then_branches_then_commits(rev: str, found: tuple[str, str]) -> None:
    assert LISTING.find(rev) == found


@pytest.mark.parametrize(
    "rev",
    ["RELEASE-4.20.5", "4.20.4", "", "d" * 39, "D" * 40, "-x", "RELEASE-4.20.4^{}", "tags/RELEASE-4.20.4", "HEAD"],
)
def test_anything_else_is_unknown(rev: str) -> None:
    with pytest.raises(Refusal) as caught:
        LISTING.find(rev)
    assert (caught.value.code, caught.value.where) == ("E-REV-UNKNOWN", "the place")


def test_releases_are_sorted() -> None:
    assert [one.version for one in LISTING.releases] == ["4.2.1", "4.20.4"]
