"""Which tags are releases, and which of them is the newest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.upstream.support import real_listing
from xenbump.errors import Failure, Refusal
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.upstream.release import Release

# What a release is, as the Xen Project's tags have it.
RELEASE = re.compile(r"RELEASE-\d+\.\d+\.\d+", re.ASCII)
OID = "0123456789abcdef0123456789abcdef01234567"
numbers = st.tuples(*[st.integers(0, 999_999)] * 3)


def name(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def listed(*versions: str) -> tuple[Release, ...]:
    return release.releases({f"refs/tags/RELEASE-{version}": OID for version in versions})


@pytest.mark.parametrize(
    "tag",
    [
        *("4.20.0-rc1", "xen-RELEASE-4.14.5", "RELEASE-4.1.6.1", "4.23-dev", "4.12-rc2", "4.9.0-rc1.1"),
        *("4.20.0-branched", "4.20.4", "RELEASE-4.20", "RELEASE-4.20.4-rc1", "RELEASE-4.20.4 ", " RELEASE-4.20.4"),
        *("RELEASE-4.20.4\n", "release-4.20.4", "RELEASE-04.20.4", "RELEASE-4.020.4", "RELEASE-4.20.04", "RELEASE-"),
        *("RELEASE-+4.20.4", "RELEASE-4.20.-4", "RELEASE-4_0.20.4", "RELEASE-4.20.4^{}", "RELEASE-4.20.4/x", ""),
        *("RELEASE-٤.20.4", "RELEASE-4.2²0.4", "RELEASE-RELEASE-4.20.4", "RELEASE-4.20.4.", "RELEASE-4.20.1234567"),
    ],
)
def test_noise_is_no_release(tag: str) -> None:
    assert release.version_of(tag) is None
    assert release.releases({f"refs/tags/{tag}": OID}) == ()


@given(numbers)
def test_three_plain_numbers_are_a_release(version: tuple[int, ...]) -> None:
    text = name(version)
    assert release.is_version(text)
    assert release.version_of(release.tag_of(text)) == text
    assert release.branch_of(text) == name(version[:2])
    assert release.is_branch(release.branch_of(text))


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("0123456789.-RELEASE"), max_size=20))
def test_a_version_is_what_it_is_made_of_again(text: str) -> None:
    if release.is_version(text):
        assert name(tuple(map(int, text.split(".")))) == text
        assert text.isascii()
    assert release.is_branch(text) == release.is_version(text + ".0")


@given(st.lists(numbers, min_size=1, unique=True))
def test_releases_are_sorted_and_chosen_by_number(versions: list[tuple[int, ...]]) -> None:
    found = listed(*map(name, versions))
    assert [one.version for one in found] == list(map(name, sorted(versions)))
    assert release.newest(reversed(found), branch=None, where="x").version == name(max(versions))
    for line in {version[:2] for version in versions}:
        best = max(version for version in versions if version[:2] == line)
        assert release.newest(found, branch=name(line), where="x").version == name(best)


def test_nine_comes_before_twenty() -> None:
    found = listed("4.20.0", "4.9.4", "4.9.10", "10.0.0")
    assert [one.version for one in found] == ["4.9.4", "4.9.10", "4.20.0", "10.0.0"]
    assert release.newest(found, branch="4.9", where="x").version == "4.9.10"


def test_a_branch_is_not_a_prefix() -> None:
    with pytest.raises(Refusal) as caught:
        release.newest(listed("4.20.0", "4.21.0"), branch="4.2", where="the place")
    assert (caught.value.code, caught.value.where) == ("E-NO-RELEASE", "the place")
    assert "branch 4.2" in caught.value.what


def test_without_any_release_there_is_no_newest() -> None:
    with pytest.raises(Refusal) as caught:
        release.newest((), branch=None, where="x")
    assert caught.value.code == "E-NO-RELEASE"


def test_a_release_by_its_version() -> None:
    assert release.named(listed("4.20.0", "4.20.1"), "4.20.1", where="x").tag == "RELEASE-4.20.1"
    with pytest.raises(Refusal) as caught:
        release.named(listed("4.20.0"), "4.20.1", where="x")
    assert caught.value.code == "E-TAG-MISSING"


def test_only_tags_count() -> None:
    refs = {f"refs/{kind}/RELEASE-4.20.0": OID for kind in ("heads", "tags/x", "remotes/origin", "x/refs/tags")}
    assert release.releases(refs) == ()


def test_the_tags_of_the_real_repository() -> None:
    listing = real_listing()
    found = release.releases(release.parse_refs(listing, "x"))
    names = {line.rpartition("/")[2] for line in listing.splitlines() if not line.endswith("^{}")}
    assert len(names) == 377
    assert {one.tag for one in found} == set(filter(RELEASE.fullmatch, names))
    assert len(found) == 141
    assert sum(one.commit is None for one in found) == 20
    assert [one.version for one in found[:2]] == ["2.0.0", "2.0.1"]
    newest = {branch: release.newest(found, branch=branch, where="x").version for branch in ("4.2", "4.9", "4.20")}
    assert newest == {"4.2": "4.2.5", "4.9": "4.9.4", "4.20": "4.20.4"}
    assert release.newest(found, branch=None, where="x").version == "4.22.0"
    at = {one.version: one for one in found}
    assert at["4.20.4"].tag_object != at["4.20.4"].commit
    assert at["4.2.1"].commit is None


def test_a_name_may_have_what_unicode_takes_for_a_line_end() -> None:
    refs = release.parse_refs(f"{OID}\trefs/tags/a\u2028b\x85c\n{OID}\trefs/tags/d\n", "x")
    assert list(refs) == ["refs/tags/a\u2028b\x85c", "refs/tags/d"]


def test_an_empty_listing_has_no_refs() -> None:
    assert release.parse_refs("", "x") == {}


@pytest.mark.parametrize(
    "line",
    [
        *("", "\n\n", "nonsense", OID, f"{OID}\t", f"{OID} refs/tags/x", f"{OID[:-1]}\trefs/tags/x"),
        *(f"{OID.upper()}\trefs/tags/x", f"{OID}\trefs/tags/x y", f"{OID}\trefs/tags/x\r", f"{OID}\t\trefs/tags/x"),
        f"warning: redirecting\n{OID}\trefs/tags/x",
    ],
)
def test_a_line_of_another_form_is_refused(line: str) -> None:
    text = f"{OID}\trefs/tags/a\n{line}\n{OID}\trefs/tags/b\n"
    with pytest.raises(Failure) as caught:
        release.parse_refs(text, "the place")
    assert (caught.value.code, caught.value.where) == ("E-GIT-LISTING", "the place")


def test_versions_of_pinned_commits() -> None:
    assert release.base_of("4.20.5-unstable-2026-08-20") == "4.20.5"
    assert release.branch_of("4.20.5-unstable-2026-08-20") == release.branch_of("4.20.5") == "4.20"
    for other in ("4.20.5", "4.20.5-unstable", "4.20-unstable-2026-08-20", "4.20.5-unstable-2026-8-20", "4.20.5-pre"):
        assert release.base_of(other) is None
