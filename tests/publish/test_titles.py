"""What another one's title says: versions and advisories in the forms that people and bots use, and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish.plans import addition, bump, subject
from xenbump.publish import summary
from xenbump.publish.titles import advisories, same_change

if TYPE_CHECKING:
    from xenbump.plan.model import Plan


def patching(*numbers: int) -> Plan:
    """The version stays, patches come."""
    plan = bump()
    patches = replace(plan.patches, add=tuple(addition(number) for number in numbers))
    return replace(plan, subject=subject("4.20.3"), patches=patches)


@pytest.mark.parametrize(
    "title",
    [
        "xen: 4.20.2 -> 4.20.3",
        "xen: 4.20.2 → 4.20.3",
        "xen: 4.20.2->4.20.3",
        "Xen: update to 4.20.3.",
        "[release-25.11] xen: 4.20.2 -> 4.20.3",
        "[Backport] [release-25.11] xen: 4.20.3",
        "xen, qemu_xen: 4.20.3",
        "xen-slim, xen: 4.20.3, 4.19.4",
        "xenPackages.xen: 4.20.2 -> 4.20.3 and patch with XSA-483",
    ],
)
def test_a_title_with_attribute_and_version(title: str) -> None:
    assert same_change(title, bump())


@pytest.mark.parametrize(
    "title",
    [
        "",
        "xen 4.20.3",
        ": 4.20.3",
        "xen:",
        "xen: 4.20.3 -> 4.20.4",
        "xen: 4.20.3->4.20.4",
        "xen: 4.20.3 → 4.20.4",
        "xen: 4.20.2 -> 4.20.30",
        "xen: 4.20.2 -> 4.20.3.1",
        "xen: 4.20.2 -> 4.20.3-rc1",
        "xen: 4.20.2 -> 14.20.3",
        "qemu_xen: 4.20.2 -> 4.20.3",
        "xen-guest-agent: 4.20.3",
        "nixos/xen: 4.20.3",
        "xen: patch with XSA-483",
    ],
)
def test_a_title_of_something_else(title: str) -> None:
    assert not same_change(title, bump())


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        ("xen: patch with XSA-464", {464}),
        ("xen: patch with XSA-480 and XSA-481", {480, 481}),
        ("xen: patch with XSAs 495, 497, 499-503", {495, 497, 499, 500, 501, 502, 503}),
        ("xen: fix XSA 483, 484 & 486", {483, 484, 486}),
        ("xen: XSA-483/XSA-484; XSA #486", {483, 484, 486}),
        ("xen: 4.20.2 -> 4.20.3, xsa-488", {488}),
        ("xen: 4.20.2 -> 4.20.3", set()),
        ("xen: XSA", set()),
        ("xen: XSAs 500-499", set()),
    ],
)
def test_the_numbers_of_advisories(title: str, numbers: set[int]) -> None:
    assert advisories(title) == numbers


def test_a_title_with_all_the_advisories_is_the_same_change() -> None:
    plan = patching(480, 481)
    assert same_change("xen: patch with XSA-480 and XSA-481", plan)
    assert same_change("xen: patch with XSAs 479-482", plan)
    assert not same_change("xen: patch with XSA-480", plan)
    assert not same_change("qemu: patch with XSA-480 and XSA-481", plan)
    assert not same_change("xen: 4.20.2 -> 4.20.3", plan)


def test_a_plan_without_numbers_is_nobody_else_s() -> None:
    assert not same_change("xen: correct the source hash", patching())


@given(st.sets(st.integers(1, 999), min_size=1, max_size=40))
def test_our_own_titles_are_understood(numbers: set[int]) -> None:
    """However many: what a title leaves out at its end is not taken for named."""
    found = advisories(f"xen: patch with {summary.advisories(numbers, 10_000)}")
    assert found == numbers
    assert advisories(summary.advisories(numbers, 60)) <= numbers | {*range(1, 41)}


@given(st.text(max_size=256))
def test_any_title_can_be_read(title: str) -> None:
    same_change(title, bump())
    assert len(advisories(title)) <= 256 * 1001
    assert len(advisories(f"xen: XSA 1-99999 {title}")) >= 1
