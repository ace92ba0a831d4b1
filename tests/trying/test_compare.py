"""Two verdicts side by side."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying.verdicts import GOOD, OTHER, TEST, check, failing, skipped, verdict
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying import compare
from xenbump.trying.compare import Difference
from xenbump.trying.model import Phase


def test_the_same_has_no_difference_and_everything_is_counted() -> None:
    found = compare.compared(verdict(), verdict(rev="other"))
    assert found == compare.Comparison((), 4 + 2 + 2 + 2)


def test_a_guest_and_a_check_that_fail() -> None:
    guests = failing(Phase.GUESTS, "a guest", checks=(check("guest-pv", FAILED, "it is mute"), check("guest-pvh")))
    dom0 = replace(GOOD[1], checks=(check("tools", SKIPPED, "no xl"), check("dmesg")))
    found = compare.compared(verdict(), verdict(GOOD[0], dom0, guests, GOOD[3]))
    assert found.differences == (
        Difference("phase", "guests", PASSED, FAILED, "worse", "a guest"),
        Difference("check", "tools", PASSED, SKIPPED, "worse", "no xl"),
        Difference("guest", "guest-pv", PASSED, FAILED, "worse", "it is mute"),
    )
    assert found.same == 3 + 1 + 1 + 2
    back = compare.compared(verdict(GOOD[0], dom0, guests, GOOD[3]), verdict())
    assert not back.worse
    assert {one.turn for one in back.differences} == {"better"}


def test_that_a_series_applies_is_no_difference() -> None:
    applied, asked = (replace(GOOD[0], phase=phase) for phase in (Phase.PATCHES, Phase.CONFIG))
    found = compare.compared(verdict(), verdict(applied, asked, *GOOD))
    assert found == compare.compared(verdict(), verdict())
    assert not compare.compared(verdict(applied, asked, *GOOD), verdict()).differences
    conflict = compare.compared(verdict(), verdict(failing(Phase.PATCHES), *GOOD))
    assert [(one.name, one.before, one.turn) for one in conflict.differences] == [("patches", "", "worse")]


def test_what_was_lost_with_the_build() -> None:
    broken = verdict(failing(Phase.BUILD), *(skipped(one) for one in compare.BOOTED), tests=())
    found = compare.compared(verdict(), broken)
    assert [one.name for one in found.worse if one.kind == "phase"] == ["build", "dom0", "guests", "xtf"]
    assert ("check", "dmesg", PASSED, "") in {(one.kind, one.name, one.before, one.after) for one in found.worse}
    # Tests that nobody ran are not told one by one.
    assert not [one for one in found.differences if one.kind == "test"]


def test_tests_of_xtf_one_by_one() -> None:
    third = "test-pv64-third"
    found = compare.compared(
        verdict(tests=((TEST, "SUCCESS"), (OTHER, "CRASH"), (third, "SUCCESS"))),
        verdict(tests=((TEST, "FAILURE"), (OTHER, "SKIP"), ("test-pv64-new", "SUCCESS"))),
    )
    assert {(one.name, one.turn) for one in found.differences} == {
        (TEST, "worse"),
        (third, "worse"),
        (OTHER, "better"),
        ("test-pv64-new", "other"),
    }


def test_times_only_where_they_are_far_apart() -> None:
    def slower(dom0: float, build: float = 30.0) -> list[tuple[str, str, str]]:
        after = verdict(replace(GOOD[0], seconds=build), replace(GOOD[1], seconds=dom0), *GOOD[2:])
        found = compare.compared(verdict(), after)
        assert not found.worse
        return [(one.name, one.before, one.after) for one in found.differences]

    assert slower(25.0) == []  # 25 %, and 5 s
    assert slower(26.0) == [("dom0", "20 s", "26 s")]
    assert slower(14.0) == [("dom0", "20 s", "14 s")]
    assert slower(20.0, build=500.0) == []
    long = replace(GOOD[3], seconds=600.0)
    near = replace(GOOD[3], seconds=700.0)
    assert not compare.compared(verdict(*GOOD[:3], long), verdict(*GOOD[:3], near)).differences


RESULTS = st.dictionaries(st.sampled_from(["tools", "dmesg", "guest-pv"]), st.sampled_from([PASSED, FAILED, SKIPPED]))
TESTS = st.dictionaries(st.sampled_from([TEST, OTHER]), st.sampled_from(["SUCCESS", "SKIP", "CRASH", "odd"]))


@settings(max_examples=50)
@given(RESULTS, RESULTS, TESTS, TESTS)
def test_nothing_is_lost_and_the_way_back_is_the_other_way(
    before: dict[str, str], after: dict[str, str], tests: dict[str, str], others: dict[str, str]
) -> None:
    one, other = (
        verdict(replace(GOOD[1], checks=tuple(check(*one) for one in results.items())), tests=tuple(xtf.items()))
        for results, xtf in ((before, tests), (after, others))
    )
    there, back = compare.compared(one, other), compare.compared(other, one)
    assert there.same == back.same
    everything = len({*before, *after}) + 1 + (len({*tests, *others}) if tests and others else 0)
    assert there.same + len(there.differences) == everything
    assert {(one.name, one.before, one.after) for one in there.differences} == {
        (one.name, one.after, one.before) for one in back.differences
    }
