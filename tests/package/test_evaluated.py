"""What Nix makes of a file after an edit: what was planned, and for all else what it made of it before."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.package.evaluate import Case, at, evaluate, fetched, is_of, put
from tests.package.support import release
from tests.package.written import (
    BY_KEY,
    TIP,
    bumped,
    expected,
    moved_to,
    new,
    secured,
    with_all_landed,
    with_landed,
    with_new,
)
from xenbump.package import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.plan.model import Plan, Subject

    Maker = Callable[[Subject], Plan]

LATER = replace(TIP, version="4.20.4-unstable-2026-08-09", commit="d" * 40)
# Edits, one after the other.
EDITS: dict[str, tuple[Maker, ...]] = {
    "a bump": (bumped,),
    "a bump and another": (bumped, bumped),
    "a security bump": (lambda subject: secured(subject, with_new(subject)),),
    "a bump that brings patches along": (lambda subject: bumped(subject, with_new(subject)),),
    "a bump that a patch has landed in": (lambda subject: bumped(subject, with_landed(subject)),),
    "patches that come and then land": (
        lambda subject: secured(subject, with_new(subject)),
        lambda subject: bumped(subject, with_all_landed(subject)),
    ),
}
BRANCHES: dict[str, tuple[Maker, ...]] = {
    "another branch": (lambda subject: moved_to(subject, release("4.21.0"), with_all_landed(subject)),),
}
TIPS: dict[str, tuple[Maker, ...]] = {
    "a tip": (lambda subject: moved_to(subject, TIP, with_all_landed(subject)),),
    "a tip, the next one and a release": (
        lambda subject: moved_to(subject, TIP),
        lambda subject: moved_to(subject, LATER),
        lambda subject: moved_to(subject, release("4.20.4"), with_landed(subject)),
    ),
}


def rows(key: str) -> dict[str, tuple[Maker, ...]]:
    """The rows of edits that a file of a shape can have."""
    written = BY_KEY[key]
    return EDITS | (TIPS if written.has_tip else {}) | (BRANCHES if written.has_branches else {})


@cache
def results(key: str) -> dict[str, list[tuple[object, Plan, object]]]:
    """For each row of edits of a shape's file: its value before each of them, the plan, and its value after it."""
    written = BY_KEY[key]
    cases = [written.case(written.files())]
    plans: dict[str, list[Plan]] = {}
    for name, makers in rows(key).items():
        files = written.files()
        plans[name] = []
        for maker in makers:
            plan = maker(written.read(files))
            files = written.write(files, plan)
            plans[name].append(plan)
            cases.append(written.case(files))
    first, *values = evaluate(cases)
    found: dict[str, list[tuple[object, Plan, object]]] = {}
    for name, row in plans.items():
        before = first
        for plan in row:
            after = values.pop(0)
            found.setdefault(name, []).append((before, plan, after))
            before = after
    return found


def test_each_shape_that_is_rewritten_is_evaluated() -> None:
    assert sorted(BY_KEY) == sorted(shape.key for shape in shapes.SHAPES if shape.key != "legacy")


@pytest.mark.parametrize(("key", "name"), [(key, name) for key in BY_KEY for name in rows(key)])
def test_the_value_is_the_planned_one_and_all_else_is_as_it_was(key: str, name: str) -> None:
    for before, plan, after in results(key)[name]:
        assert after == expected(before, plan, BY_KEY[key].places)


@pytest.mark.parametrize("key", BY_KEY)
def test_a_file_says_to_nix_what_is_read_in_it(key: str) -> None:
    """The other tests compare with what was there before, so that must be what the reader says it is."""
    written, before = BY_KEY[key], results(key)["a bump"][0][0]
    said, places = written.read(written.files()), written.places
    assert (said.version, said.hash) == (at(before, places.version), at(before, places.hash))
    assert said.rev in {at(before, places.rev), None}
    listed = at(before, places.patches)
    assert [one for one in listed if isinstance(one, dict) and "url" in one] == [
        fetched(patch) for patch in said.patches if patch.fetcher is not None
    ]
    for patch in said.patches:
        assert patch.path is None or any(is_of(one, patch) for one in listed)


@pytest.mark.parametrize("key", BY_KEY)
def test_a_security_bump_brings_its_patches_in_order_and_nothing_else(key: str) -> None:
    ((before, plan, after),) = results(key)["a security bump"]
    places = BY_KEY[key].places
    old, now = at(before, places.patches), at(after, places.patches)
    coming = [fetched(patch) for patch in new(plan.subject)]
    place = now.index(coming[0])
    assert now[place : place + len(coming)] == coming
    assert now[:place] + now[place + len(coming) :] == old


def test_a_part_that_counts_for_older_versions_goes_by_the_version() -> None:
    older = "./pkgs/xen/0003-older-than-4.21.patch"
    found = results("derivation-github-derived")
    assert older in at(found["a bump"][0][2], "patches")
    assert older not in at(found["another branch"][0][2], "patches")


def test_a_branch_that_comes_is_what_is_planned_and_the_old_one_stays() -> None:
    written = BY_KEY["version-definition"]
    files = written.files()
    plan = replace(moved_to(written.read(files), release("4.21.0")), adds="4.21")
    after = written.write(files, plan)
    names = written.main, written.main.replace("4.20", "4.21")
    listing = Case(after, "xen/default.nix", "mapAttrs (_: unadorned) (package file)")
    before, old, new, listed = evaluate(
        [written.case(files), written.case(after), replace(written.case(after), main=names[1]), listing]
    )
    put(before, "passthru.latest", new=False)
    assert old == before
    wanted = expected(before, plan, written.places)
    put(wanted, "passthru.branch", "4.21")
    put(wanted, "passthru.latest", new=True)
    moved = [path.replace("4.20", "4.21") if isinstance(path, str) else path for path in at(wanted, "patches")]
    put(wanted, "patches", moved)
    assert new == wanted
    assert (listed["xen_4_20"], listed["xen_4_21"], listed["xen"]) == (old, new, new)
    assert after["xen/4.21/0001-script-paths.patch"] == files["xen/4.20/0001-script-paths.patch"]
