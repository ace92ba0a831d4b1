"""Which branches are past their security support."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from xenbump.plan import support
from xenbump.plan.model import Retired
from xenbump.upstream.support import UNKNOWN, Window

TODAY = date(2027, 12, 13)
WINDOWS = {
    "4.16": Window(security_until=date(2024, 12, 2)),
    "4.17": Window(security_until=date(2027, 12, 12)),
    "4.18": Window(security_until=TODAY),
    "4.19": UNKNOWN,
    "4.23": Window(status="TBD"),
}
SIBLINGS = ("4.15", "4.16", "4.17", "4.18", "4.19", "4.23")


def test_those_whose_last_day_has_passed_are_retired() -> None:
    for removed in (True, False):
        assert support.retired(SIBLINGS, WINDOWS, TODAY, spared=(), removed=removed) == (
            Retired("4.16", "2024-12-02", removed),
            Retired("4.17", "2027-12-12", removed),
        )
    assert support.retired(SIBLINGS, WINDOWS, date(2024, 12, 2), spared=(), removed=True) == ()


def test_the_branch_of_the_plan_is_spared() -> None:
    found = support.retired(SIBLINGS, WINDOWS, TODAY, spared={"4.17", "4.20"}, removed=True)
    assert [one.branch for one in found] == ["4.16"]


@given(st.dictionaries(st.sampled_from(SIBLINGS), st.none() | st.integers(-900, 900)))
def test_only_a_day_that_has_passed_retires(days: dict[str, int | None]) -> None:
    windows = {
        branch: UNKNOWN if day is None else Window(security_until=TODAY + timedelta(day))
        for branch, day in days.items()
    }
    found = support.retired(SIBLINGS, windows, TODAY, spared=(), removed=False)
    assert [one.branch for one in found] == [one for one in SIBLINGS if (days.get(one) or 0) < 0]


def test_a_reviewer_is_told_of_the_branch_of_the_plan() -> None:
    assert support.warnings("4.20", None, TODAY) == ()
    assert support.warnings("4.18", WINDOWS["4.18"], TODAY) == ()
    assert support.warnings("4.17", WINDOWS["4.17"], TODAY) == (
        "the security support of Xen 4.17 has ended on 2027-12-12",
    )
    assert support.warnings("4.19", UNKNOWN, TODAY) == (
        "the Xen Project does not say how long Xen 4.19 has security support",
    )
    assert support.warnings("4.23", WINDOWS["4.23"], TODAY) == (
        "the Xen Project says of the security support of Xen 4.23: TBD",
    )
