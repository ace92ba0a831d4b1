"""Which tags are candidates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.trying import candidates


def refs(*names: str, lightweight: bool = False) -> dict[str, str]:
    """The refs of tags, the identifiers made of their places."""
    found = {}
    for number, name in enumerate(names):
        found[f"refs/tags/{name}"] = f"{number:040x}"
        if not lightweight:
            found[f"refs/tags/{name}^{{}}"] = f"{number + 500:040x}"
    return found


@pytest.mark.parametrize("name", ["4.22.0-rc1", "4.22.0-rc10", "4.1.2-rc3", "10.0.0-rc1"])
def test_names_of_candidates(name: str) -> None:
    assert candidates.is_candidate(name)


@pytest.mark.parametrize(
    "name",
    [
        "RELEASE-4.22.0", "4.22.0", "4.22-rc2", "4.9.0-rc1.1", "xen-4.3.0-rc2", "4.22.0-rc0", "4.22.0-rc01",
        "4.22.0-rc", "04.22.0-rc1", "4.22.0-rc1\n", "4.22.0-rc\u0661", "v4.22.0-rc1", "4.22.0-RC1", "",
    ],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    assert not candidates.is_candidate(name)


def test_they_are_sorted_by_number() -> None:
    found = candidates.candidates(refs("4.22.0-rc10", "4.22.0-rc9", "4.9.0-rc2", "RELEASE-4.9.0", "nightly"))
    assert [one.tag for one in found] == ["4.9.0-rc2", "4.22.0-rc9", "4.22.0-rc10"]
    assert (found[1].version, found[1].number, found[1].branch) == ("4.22.0", 9, "4.22")
    assert (found[1].tag_object, found[1].commit) == (f"{1:040x}", f"{501:040x}")


def test_branches_are_no_candidates() -> None:
    assert candidates.candidates({"refs/heads/4.22.0-rc1": "a" * 40}) == ()


def test_a_candidate_is_judged_as_a_release_is() -> None:
    (one,) = candidates.candidates(refs("4.22.0-rc1"))
    assert (one.as_release.tag, one.as_release.version, one.as_release.branch) == ("4.22.0-rc1", "4.22.0-rc1", "4.22")
    (plain,) = candidates.candidates(refs("4.22.0-rc1", lightweight=True))
    assert plain.as_release.commit is None


def test_the_newest_is_of_the_release_that_is_being_made() -> None:
    assert candidates.newest(refs()) is None
    assert candidates.newest(refs("RELEASE-4.21.0")) is None
    many = refs("4.21.0-rc3", "RELEASE-4.21.0", "4.22.0-rc1", "4.22.0-rc2")
    found = candidates.newest(many)
    assert found is not None
    assert found.tag == "4.22.0-rc2"


def test_where_the_release_is_out_there_is_none() -> None:
    assert candidates.newest(refs("4.22.0-rc1", "RELEASE-4.22.0")) is None


@given(st.dictionaries(st.text(), st.text(min_size=40, max_size=40)))
def test_any_listing_can_be_looked_through(given_refs: dict[str, str]) -> None:
    assert all(candidates.is_candidate(one.tag) for one in candidates.candidates(given_refs))
