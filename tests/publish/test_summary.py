"""Titles as people write them, what tells two plans apart, and which decision belongs where."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish import plans
from xenbump.plan.model import Addition, Patch, Plan, Verdict
from xenbump.publish import links, summary

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])")
NUMBERLESS = Patch("https://example.org/a.patch", None, plans.NEW, "fetchpatch")
HASH_ONLY = replace(plans.security(), hash=plans.OLD)
PINNED = replace(plans.tip(), subject=plans.subject(plans.tip().target.version, rev="5" * 40))
MIXED = replace(
    plans.security(480, replaced=True),
    patches=replace(
        plans.security(480, replaced=True).patches, add=(*plans.security(480).patches.add, plans.addition(481))
    ),
)
ADDED = replace(plans.security(), patches=replace(plans.security().patches, add=(Addition(NUMBERLESS, "a" * 64),)))
PARTS = replace(
    plans.security(480, replaced=True),
    patches=replace(
        plans.security(480, replaced=True).patches,
        add=(plans.addition(480, "xsa480/a.patch"), plans.addition(480, "xsa480/b.patch")),
    ),
)
LOCAL = Patch("replaceVars ./a.patch x", None, None)
CASES: dict[str, tuple[Plan, str, str]] = {
    "bump": (plans.bump(), "4.20.2 -> 4.20.3", "4.20.3"),
    "full": (plans.full(), "4.20.2 -> 4.20.3", "4.20.3+483,484,486,488,490,491,492,493,494"),
    "tip": (plans.tip(), "4.20.3 -> 4.20.4-unstable-2026-08-20", "4.20.4-unstable-2026-08-20"),
    "one": (plans.security(480), "patch with XSA-480", "4.20.3+480"),
    "two": (plans.security(480, 481), "patch with XSA-480 and XSA-481", "4.20.3+480,481"),
    "three": (plans.security(480, 482, 481), "patch with XSAs 480-482", "4.20.3+480,481,482"),
    "apart": (plans.security(480, 481, 490), "patch with XSAs 480, 481, 490", "4.20.3+480,481,490"),
    "anew": (plans.security(480, replaced=True), "update the patch of XSA-480", "4.20.3+480:*"),
    "parts": (PARTS, "update the patches of XSA-480", "4.20.3+480:*"),
    "two-anew": (
        plans.security(480, 481, replaced=True),
        "update the patches of XSA-480 and XSA-481",
        "4.20.3+480,481:*",
    ),
    "mixed": (MIXED, "patch with XSA-480 and XSA-481", "4.20.3+480,481:*"),
    "numberless": (ADDED, "add a patch", "4.20.3+*"),
    "drop": (plans.drops(plans.patch(474)), "drop the patch of XSA-474", "4.20.3-474"),
    "drops": (
        plans.drops(plans.patch(475), plans.patch(474)),
        "drop the patches of XSA-474 and XSA-475",
        "4.20.3-474,475",
    ),
    "drop-numberless": (plans.drops(NUMBERLESS), "drop a patch that it no longer needs", "4.20.3-*"),
    "drop-both": (plans.drops(NUMBERLESS, plans.patch(474)), "drop the patch of XSA-474", "4.20.3-474,*"),
    "drops-numberless": (
        plans.drops(NUMBERLESS, LOCAL),
        "drop 2 patches that it no longer needs",
        "4.20.3-*",
    ),
    "hash": (HASH_ONLY, "correct the source hash", "4.20.3=*"),
    "pinned": (PINNED, "pin commit 444444444444", "4.20.4-unstable-2026-08-20@444444444444"),
}


@pytest.mark.parametrize("case", CASES)
def test_titles_and_keys(case: str) -> None:
    plan, change, key = CASES[case]
    if case in {"hash", "pinned"}:
        plan = replace(plan, patches=replace(plan.patches, drop=(), add=()))
    assert summary.change(plan) == change
    assert summary.title(plan) == f"xen: {change}"
    assert DIGEST.sub("*", summary.key(plan)) == key


def test_an_attribute_of_another_form() -> None:
    def titled(attribute: str) -> str:
        return summary.title(replace(plans.bump(), subject=replace(plans.subject(), attribute=attribute)))

    assert titled("xenPackages.xen_4_19") == "xenPackages.xen_4_19: 4.20.2 -> 4.20.3"
    assert titled("xen\n\nCo-authored-by: x @y #1") == "xen Co-authored-by: x (at)y (no.)1: 4.20.2 -> 4.20.3"
    assert len(titled("x" * 1000)) < 200
    assert titled("x" * 1000).endswith("…: 4.20.2 -> 4.20.3")


def test_a_list_that_is_too_long_says_how_many_it_leaves_out() -> None:
    plan = plans.security(*range(100, 500, 2), *range(500, 510))
    title = summary.title(plan)
    assert len(title) < 200
    assert title.startswith("xen: patch with XSAs 100, 102, 104, ")
    named = title.removeprefix("xen: patch with XSAs ").partition(" and ")[0].split(", ")
    assert title.endswith(f" and {210 - len(named)} more")


@given(st.sets(st.integers(1, 999), min_size=1), st.integers(40, 200))
def test_a_list_names_every_number_or_says_how_many_more(numbers: set[int], most: int) -> None:
    text = summary.advisories(numbers, most)
    assert len(text) <= most
    if len(numbers) < 3:
        assert text == " and ".join(f"XSA-{one}" for one in sorted(numbers))
        return
    listed, _, more = text.removeprefix("XSAs ").partition(" and ")
    named: list[int] = []
    for part in listed.split(", "):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    rest = int(more.removesuffix(" more")) if more else 0
    assert named == sorted(numbers)[: len(named)]
    assert len(named) + rest == len(numbers)


def test_the_same_set_is_the_same_target_wherever_it_comes_from() -> None:
    older = replace(plans.security(480, 481), subject=plans.subject("4.20.1"))
    assert summary.key(older) == summary.key(plans.security(480, 481)) == summary.key(plans.security(481, 480))


def test_a_key_of_very_many_advisories_is_short() -> None:
    many, more = (summary.key(plans.security(*range(1, count))) for count in (2000, 2001))
    assert re.fullmatch(r"4\.20\.3\+1999x[0-9a-f]{8}", many)
    assert many != more
    gone = summary.key(plans.drops(*(plans.patch(number) for number in range(1, 500))))
    assert re.fullmatch(r"4\.20\.3-499x[0-9a-f]{8}", gone)


VARIED: tuple[Callable[[], Plan], ...] = (
    plans.bump, plans.full, plans.tip, lambda: plans.security(480), lambda: plans.security(480, 481),
    lambda: plans.security(480, replaced=True), lambda: PARTS, lambda: MIXED, lambda: ADDED,
    lambda: plans.drops(plans.patch(480)), lambda: plans.drops(NUMBERLESS), lambda: plans.drops(LOCAL),
)  # fmt: skip


def test_other_sets_are_other_targets() -> None:
    keys = [summary.key(make()) for make in VARIED]
    assert len(set(keys)) == len(keys)


def test_each_decision_has_one_place() -> None:
    plan = plans.full()
    decided = replace(plan, decisions=tuple(plans.decision(600 + place, one) for place, one in enumerate(Verdict)))
    numbers = {one.verdict: one.xsa for one in decided.decisions}
    closed = numbers[Verdict.NEEDS_PATCH]
    for closes in ((), (closed,)):
        found = summary.shares(replace(decided, closes=closes))
        everything = [*found.brought, *found.left_out, *found.settled]
        assert sorted(everything, key=lambda one: one.xsa) == list(decided.decisions)
        assert [one.xsa for one in found.brought] == list(closes)
        assert {one.verdict for one in found.settled} == {
            Verdict.IN_RELEASE, Verdict.ALREADY_PATCHED, Verdict.UNUSED,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://xenbits.xenproject.org/xsa/xsa480/xsa480-1.patch", "xsa480-1.patch"),
        (plans.LIBXL.url, plans.LIBXL.url),
        ("https://example.org/", "https://example.org/"),
        ("./a/b.patch", "./a/b.patch"),
    ],
)
def test_the_short_name_of_a_patch(url: str, name: str) -> None:
    assert summary.name_of(Patch(url, None, None)) == name


def test_where_a_person_sees_what_changed() -> None:
    base = "https://github.com/xen-project/xen/compare/"
    assert links.compare(plans.bump()) == base + "RELEASE-4.20.2...RELEASE-4.20.3"
    assert links.compare(plans.tip()) == base + "RELEASE-4.20.3..." + "4" * 40
    moved = replace(plans.bump(), subject=plans.subject("4.20.3-unstable-2026-01-01", rev="5" * 40))
    assert links.compare(moved) == base + "5" * 40 + "...RELEASE-4.20.3"
    assert links.compare(replace(moved, subject=replace(moved.subject, rev=None))) == ""
    assert links.compare(plans.security(480)) == ""


@pytest.mark.parametrize(
    ("version", "base", "before"),
    [
        ("4.20.4-unstable-2026-08-20", "4.20.4", "4.20.3"),
        ("4.20.0-unstable-2026-08-20", "4.20.0", None),
        ("4.20.4", None, None),
    ],
)
def test_the_releases_round_a_tip(version: str, base: str | None, before: str | None) -> None:
    target = replace(plans.tip().target, version=version)
    assert (links.base_release(target), links.release_before(target)) == (base, before)
