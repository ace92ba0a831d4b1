"""The ranges of real advisories, and everything that is not one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.advisories import resolutions
from xenbump.errors import Refusal
from xenbump.upstream import ranges
from xenbump.upstream.ranges import Range, Reach, Span

# As published; the number is that of an advisory that has it.
XEN = {
    "xen-unstable": [("unstable", "unstable")],  # 491
    "xen-unstable - Xen 4.18.x": [("unstable", "4.18")],  # 470
    "Xen 4.20.x - Xen 4.19.x": [("4.20", "4.19")],  # 488
    "Xen 4.17.x": [("4.17", "4.17")],  # 488
    "Xen 4.17.x - Xen 4.15.x.": [("4.17", "4.15")],  # 440
    "xen-unstable - Xen 4.17": [("unstable", "4.17")],  # 505
    "xen-unstable - Xen 4.22.0": [("unstable", "4.22")],  # 495
    "Xen 4.15 - Xen 4.14": [("4.15", "4.14")],  # 429
    "Xen 4.14.x - 4.12.x": [("4.14", "4.12")],  # 384
    "xen-unstable, Xen 4.17.x": [("unstable", "unstable"), ("4.17", "4.17")],  # 425
    "xen-unstable, Xen 4.16.x - 4.13.x": [("unstable", "unstable"), ("4.16", "4.13")],  # 417
    "xen-unstable, Xen 4.8.x, 4.7.x": [("unstable", "unstable"), ("4.8", "4.8"), ("4.7", "4.7")],  # 214
    "Xen 4.5.x, Xen 4.4.x": [("4.5", "4.5"), ("4.4", "4.4")],  # 192
}
OTHER = {
    "Linux": "Linux",  # 441
    "Linux 6.7-rc - 6.5": "Linux",  # 448
    "Linux 3.13 - 5.19-rc": "Linux",  # 406, the other way round
    "Linux 6.0, 6.1-rc": "Linux",  # 424
    "Linux 5.9": "Linux",  # 457
    "varstored master": "varstored",  # 478
    "XAPI master": "XAPI",  # 498
    "XAPI oxenstored": "oxenstored",  # 483
    "oxenstored master": "oxenstored",  # 512
    "blktap master": "blktap",  # 513
    "QEMU": "qemu",  # 335
    "qemu-xen, qemu upstream": "qemu",  # 209
    "qemu-xen-traditional": "qemu",  # 209
    "qemu-xen-unstable": "qemu",
    "qemu-xen-4.5.x": "qemu",
}
REFUSED = [
    "",
    ".",
    "xen",
    "Xen",
    "unstable",
    "4.17.x",
    "Xen 4",
    "Xen 4.17.y",
    "Xen 4.017",
    "Xen-4.17.x",
    "xen 4.17.x",
    "Xen 4.17.x..",
    "Xen 4.17.x -",
    "Xen 4.17.x, ",
    "Xen 4.17.x,, Xen 4.16.x",
    "Xen 4.17.x-4.16.x",
    "Xen 4.17.x – 4.16.x",  # noqa: RUF001 - not a hyphen
    "Xen 4.17.x - 4.16.x - 4.15.x",
    "Xen 4.17.x and 4.16.x",
    "Xen 4.17.x only",
    "Xen 4.15.x - Xen 4.17.x",  # from old to new
    "Xen 4.9.x - Xen 4.20.x",
    "Xen 4.17.x - xen-unstable",
    "Xen 4.17.x, xen-unstable",
    "Xen 4.17.x - Xen 4.15.x, Xen 4.15.x",  # twice
    "Xen 4.17.x, Xen 4.17.x",
    "xen-unstable, Xen 4.11.x ... Xen 4.7.6",  # 292
    "Xen 4.6.x and later",  # 142
    "Xen 4.3.x to 4.5.x inclusive",  # 142
    "Xen unstable (SUPPORT.md update only)",  # 335
    "qemu-upstream-unstable, Xen 4.5.x, Xen 4.4.x",  # 130: branches of Xen's qemu, said with the word Xen
    "qemu upstream, Xen unstable, 4.6.x",  # 162
    "Linux, Xen 4.17.x",
    "Xen 4.17.x, Linux",
    "Linux, varstored",
    "linux",
    "Linux 5.9 Xen 4.17.x",
    "Linux next",
    "oxenstored",  # Xen's own tree has one, too
    "xenstored",
    "mini-os",
    "varstored 1.0",
    "SeaBIOS",
    "Xen\u00a04.17.x",
    "Xen 4.\u0661\u0667.x",
    "Xen " + "4.17.x, " * 100,
]

branches = st.builds("{}.{}".format, st.integers(3, 5), st.integers(0, 30))


def refusal(text: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        ranges.parse(text, "XSA-1, line 7")
    return caught.value


@pytest.mark.parametrize("text", XEN)
def test_ranges_of_xen(text: str) -> None:
    found = ranges.parse(f" {text}  ")
    assert found == Range("xen", tuple(Span(*span) for span in XEN[text]), text)
    assert found.is_xen
    assert not found.is_bundled
    assert (found.newest, found.oldest) == (XEN[text][0][0], XEN[text][-1][1])


@pytest.mark.parametrize("text", OTHER)
def test_other_trees(text: str) -> None:
    found = ranges.parse(text)
    assert (found.tree, found.spans, found.newest, found.oldest) == (OTHER[text], (), None, None)
    assert not found.is_xen
    assert found.is_bundled == (found.tree == "qemu")
    assert found.reach("4.20") is Reach.OUTSIDE


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    error = refusal(text)
    assert error.code == "E-ADVISORY-RANGE"
    assert error.where == "XSA-1, line 7"


def test_the_refusal_shows_the_text() -> None:
    assert "'Xen 4.15.x - Xen 4.17.x'" in refusal("Xen 4.15.x - Xen 4.17.x").what
    assert "from new to old" in refusal("Xen 4.15.x - Xen 4.17.x").what


def test_all_ranges_of_recent_advisories_are_read() -> None:
    texts = {text for fact in resolutions() for _, text in fact["resolution"]}
    assert len(texts) > 20
    for text in texts:
        assert ranges.parse(text).is_xen == text.lower().startswith("xen")


@pytest.mark.parametrize(
    ("text", "branch", "reach"),
    [
        ("xen-unstable - Xen 4.18.x", "4.18", Reach.NAMED),
        ("xen-unstable - Xen 4.18.x", "4.21", Reach.NAMED),
        ("xen-unstable - Xen 4.18.x", "5.0", Reach.NAMED),
        ("xen-unstable - Xen 4.18.x", "4.17", Reach.OUTSIDE),
        ("xen-unstable - Xen 4.9.x", "4.20", Reach.NAMED),
        ("xen-unstable", "4.18", Reach.UNSTABLE),
        ("xen-unstable, Xen 4.16.x - 4.13.x", "4.17", Reach.UNSTABLE),
        ("xen-unstable, Xen 4.16.x - 4.13.x", "4.15", Reach.NAMED),
        ("xen-unstable, Xen 4.16.x - 4.13.x", "4.12", Reach.OUTSIDE),
        ("xen-unstable, Xen 4.16.x, 4.14.x", "4.15", Reach.OUTSIDE),
        ("Xen 4.17.x - Xen 4.15.x", "4.18", Reach.OUTSIDE),
        ("Xen 4.20.x - Xen 4.19.x", "4.9", Reach.OUTSIDE),
        ("Xen 4.0.x - Xen 3.4.x", "3.9", Reach.NAMED),
    ],
)
def test_what_a_range_says_of_a_branch(text: str, branch: str, reach: Reach) -> None:
    assert ranges.parse(text).reach(branch) is reach
    assert ranges.parse(text).covers(branch) == (reach is Reach.NAMED)


@pytest.mark.parametrize("branch", ["", "4", "4.17.x", "4.17.1", "unstable", "4.017"])
def test_what_is_not_a_branch_is_a_fault_of_the_caller(branch: str) -> None:
    with pytest.raises(ValueError, match="not a branch"):
        ranges.parse("Xen 4.17.x").reach(branch)


@given(st.lists(branches, min_size=1, max_size=6, unique=True), st.booleans(), branches)
def test_a_list_of_branches_has_just_those(names: list[str], unstable: bool, asked: str) -> None:  # noqa: FBT001
    names.sort(key=ranges.order, reverse=True)
    found = ranges.parse(", ".join([*(["xen-unstable"] if unstable else []), *(f"Xen {name}.x" for name in names)]))
    assert found.covers(asked) == (asked in names)
    later = unstable and ranges.order(asked) > ranges.order(names[0])
    assert (found.reach(asked) is Reach.UNSTABLE) == later


@given(branches, branches, branches)
def test_a_range_has_what_lies_between_its_bounds(new: str, old: str, asked: str) -> None:
    text = f"Xen {new}.x - Xen {old}.x"
    if ranges.order(new) < ranges.order(old):
        assert refusal(text).code == "E-ADVISORY-RANGE"
    else:
        between = ranges.order(old) <= ranges.order(asked) <= ranges.order(new)
        assert ranges.parse(text).covers(asked) == between


@given(st.text() | st.text(alphabet="Xxen-unstable 4.17x,Linuxqm"))
def test_nothing_but_a_refusal_is_raised(text: str) -> None:
    with contextlib.suppress(Refusal):
        found = ranges.parse(text)
        assert found.is_xen == bool(found.spans)
