"""Where patches come in a file's list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xenbump.plan import series
from xenbump.plan.model import Addition, Condition, Drop, Patch

ROOT = "https://xenbits.xen.org/xsa/"
LOCAL = Patch("./0001.patch", None, None, path="0001.patch")
FIX = Patch("https://github.com/xen-project/xen/commit/1.diff", None, "sha256-x", "fetchpatch")
OLD = Patch("./0003.patch", None, None, path="0003.patch", condition=Condition("c"))


def xsa(name: str, number: int) -> Patch:
    return Patch(ROOT + name, number, "sha256-x", "fetchpatch")


def one(number: int) -> Patch:
    return xsa(f"xsa{number}.patch", number)


def order(
    listed: list[Patch], drop: list[Patch], add: list[Patch], parts: dict[int, list[str]] | None = None
) -> list[str]:
    found = series.change(
        listed, [Drop(patch, "x") for patch in drop], [Addition(patch, "0" * 64) for patch in add], parts or {}
    )
    assert [patch for patch in found.series if patch in found.keep] == list(found.keep)
    assert {item.patch for item in found.add} == set(add)
    return [patch.url.rpartition("/")[2] for patch in found.series]


def test_between_local_ones_and_other_fixes() -> None:
    assert order([LOCAL, FIX], [], [one(481), one(480)]) == ["0001.patch", "xsa480.patch", "xsa481.patch", "1.diff"]
    assert order([], [], [one(480)]) == ["xsa480.patch"]


def test_in_the_place_of_those_that_go() -> None:
    listed = [LOCAL, one(477), one(479), FIX]
    assert order(listed, [one(477), one(479)], [one(483), one(478)]) == [
        *("0001.patch", "xsa478.patch", "xsa483.patch", "1.diff"),
    ]


def test_by_ascending_number() -> None:
    assert order([LOCAL, one(480), one(490), FIX], [], [one(485), one(470), one(495)]) == [
        *("0001.patch", "xsa470.patch", "xsa480.patch", "xsa485.patch", "xsa490.patch", "xsa495.patch", "1.diff"),
    ]


def test_the_missing_parts_of_one_advisory() -> None:
    parts = [xsa(f"xsa480-{number}.patch", 480) for number in (1, 2, 3, 4)]
    urls = {480: [patch.url for patch in parts]}
    for there in ((0, 2), (1,), (3,), (0, 1, 2)):
        missing = [patch for place, patch in enumerate(parts) if place not in there]
        listed = [LOCAL, *(parts[place] for place in there), one(490)]
        assert order(listed, [], missing, urls)[1:-1] == [f"xsa480-{number}.patch" for number in (1, 2, 3, 4)]


def test_never_into_a_conditional_part() -> None:
    assert order([LOCAL, OLD], [], [one(480)]) == ["0001.patch", "xsa480.patch", "0003.patch"]


def test_the_style_of_the_file() -> None:
    flat = Patch(ROOT + "xsa480.patch", 480, "x", "fetchurl")
    assert series.fetcher_of([LOCAL, FIX]) == "fetchpatch"
    assert series.fetcher_of([FIX, flat]) == "fetchurl"
    assert series.fetcher_of([LOCAL]) == "fetchpatch"
    assert series.root_of([LOCAL, flat], {flat.url: "xsa480.patch"}) == ROOT
    assert series.root_of([FIX], {}) == "https://xenbits.xenproject.org/xsa/"


numbers = st.sets(st.integers(1, 20), max_size=8)


@given(numbers, numbers, st.booleans())
def test_a_sorted_list_stays_sorted(there: set[int], new: set[int], drop: bool) -> None:  # noqa: FBT001
    listed = [LOCAL, *map(one, sorted(there)), FIX]
    gone = [one(number) for number in there] if drop else []
    found = order(listed, gone, [one(number) for number in new - there])
    left = (set() if drop else there) | (new - there)
    assert found == ["0001.patch", *(f"xsa{number}.patch" for number in sorted(left)), "1.diff"]
