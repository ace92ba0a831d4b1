"""Which release a file should move to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.support import listing, subject
from tests.upstream.support import real_listing
from xenbump.errors import Refusal
from xenbump.plan.target import choose, tip
from xenbump.upstream import release
from xenbump.upstream.model import Listing

HAVE = ("4.9.0", "4.9.4", "4.19.6", "4.20.0", "4.20.3", "4.20.4", "4.20.10", "4.21.0", "4.21.2")


@pytest.mark.parametrize(
    ("version", "track", "to", "target"),
    [
        ("4.20.3", "branch", "", "4.20.10"),
        ("4.20.10", "branch", "", None),
        ("4.9.4", "branch", "", None),
        ("4.20.3", "latest", "", "4.21.2"),
        ("4.9.4", "latest", "", "4.21.2"),
        ("4.21.2", "latest", "", None),
        ("4.20.3", "4.21", "", "4.21.2"),
        ("4.20.3", "4.20", "", "4.20.10"),
        ("4.20.3", "branch", "4.20.4", "4.20.4"),
        ("4.20.3", "branch", "latest", "4.21.2"),
        ("4.20.3", "4.19", "latest", "4.21.2"),
        ("4.20.3", "4.19", "4.21.0", "4.21.0"),
        ("4.20.3", "branch", "4.20.3", None),
    ],
)
def test_the_release_to_move_to(version: str, track: str, to: str, target: str | None) -> None:
    chosen = choose(subject(version), listing(*HAVE), track=track, to=to)
    assert (chosen.version if chosen else None) == target


@pytest.mark.parametrize(
    ("version", "track", "to", "code"),
    [
        ("4.20.5", "branch", "", "E-VERSION-UNKNOWN"),
        ("4.20.5", "branch", "4.20.10", "E-VERSION-UNKNOWN"),
        ("4.2", "branch", "", "E-VERSION-UNKNOWN"),
        ("4.20.3", "4.19", "", "E-DOWNGRADE"),
        ("4.20.10", "branch", "4.20.4", "E-DOWNGRADE"),
        ("4.20.3", "latest", "4.9.4", "E-DOWNGRADE"),
        ("4.20.3", "4.22", "", "E-NO-RELEASE"),
        ("4.20.3", "4.2", "", "E-NO-RELEASE"),
        ("4.20.3", "branch", "4.20.11", "E-TAG-MISSING"),
        ("4.20.3", "branch", "nonsense", "E-TAG-MISSING"),
        ("4.20.3", "branch", "RELEASE-4.20.4", "E-TAG-MISSING"),
    ],
)
def test_what_is_not_a_step_forward_is_refused(version: str, track: str, to: str, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        choose(subject(version), listing(*HAVE), track=track, to=to)
    assert caught.value.code == code
    assert caught.value.where in {"the file", "the place"}


@pytest.mark.parametrize(
    ("version", "target"),
    [
        *(("4.20.3", "4.20.4"), ("4.17.6", "4.17.7"), ("4.19.5", "4.19.6"), ("4.21.0", "4.21.2"), ("4.22.0", None)),
        *(("4.9.0", "4.9.4"), ("4.2.5", None)),
    ],
)
def test_the_branches_of_the_real_repository(version: str, target: str | None) -> None:
    listed = Listing("the place", release.parse_refs(real_listing(), "x"))
    chosen = choose(subject(version), listed, track="branch")
    assert (chosen.version if chosen else None) == target
    newest = choose(subject(version), listed, track="latest")
    assert (newest.version if newest else None) == (None if version == "4.22.0" else "4.22.0")


numbers = st.tuples(st.just(4), st.integers(0, 30), st.integers(0, 12))


@given(st.sets(numbers, min_size=1), st.data())
def test_a_branch_leads_to_its_newest_and_never_back(versions: set[tuple[int, ...]], data: st.DataObject) -> None:
    here = data.draw(st.sampled_from(sorted(versions)))
    listed = listing(*(".".join(map(str, version)) for version in versions))
    for track, among in (("branch", [one for one in versions if one[:2] == here[:2]]), ("latest", list(versions))):
        chosen = choose(subject(".".join(map(str, here))), listed, track=track)
        best = max(among)
        assert (chosen.version if chosen else None) == (None if best == here else ".".join(map(str, best)))


PINNED = "4.20.4-unstable-2026-01-31"


@pytest.mark.parametrize(
    ("version", "track", "to", "target"),
    [
        (PINNED, "branch", "", "4.20.10"),
        ("4.20.11-unstable-2026-01-31", "branch", "", None),
        (PINNED, "latest", "", "4.21.2"),
        (PINNED, "branch", "4.20.4", "4.20.4"),
    ],
)
def test_from_a_pinned_commit(version: str, track: str, to: str, target: str | None) -> None:
    here = dataclasses.replace(subject(version), rev="1" * 40)
    chosen = choose(here, listing(*HAVE), track=track, to=to)
    assert (chosen.version if chosen else None) == target


def test_a_pinned_commit_does_not_go_back_when_asked() -> None:
    here = dataclasses.replace(subject(PINNED), rev="1" * 40)
    for track, to in (("branch", "4.20.3"), ("4.19", "")):
        with pytest.raises(Refusal) as caught:
            choose(here, listing(*HAVE), track=track, to=to)
        assert caught.value.code == "E-DOWNGRADE"


def test_the_tip_of_a_stable_branch() -> None:
    listed = listing(*HAVE)
    refs = {f"refs/heads/stable-{branch}": branch * 10 for branch in ("4.19", "4.20", "4.21")}
    listed = dataclasses.replace(listed, refs={**listed.refs, **refs})
    for track, branch in (("branch", "4.20"), ("latest", "4.21"), ("4.21", "4.21")):
        assert tip(subject("4.20.3"), listed, track=track) == (branch * 10, f"refs/heads/stable-{branch}")
    for track, code in (("4.19", "E-DOWNGRADE"), ("4.22", "E-REV-UNKNOWN")):
        with pytest.raises(Refusal) as caught:
            tip(subject("4.20.3"), listed, track=track)
        assert caught.value.code == code
