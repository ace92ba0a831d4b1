"""Every way in which an advisory is decided, and that no lack of witnesses ever yields "not affected"."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from xenbump.demo.advisory_text import build
from xenbump.plan import decision
from xenbump.plan.decision import PatchState, TreeFacts
from xenbump.plan.model import Decision, Verdict
from xenbump.upstream import ranges
from xenbump.upstream.index import Entry
from xenbump.upstream.ranges import Reach

if TYPE_CHECKING:
    from xenbump.upstream.advisory import Advisory

N = 480
CUT = datetime(2025, 1, 17, tzinfo=UTC)
BEFORE, AFTER = CUT - timedelta(days=1), CUT + timedelta(days=1)
IN, OUT, UNCLEAR = PatchState.IN, PatchState.OUT, PatchState.UNCLEAR
PLAIN = build(N, [("xsa480.patch", "xen-unstable - Xen 4.17.x")])
SERIES = build(N, [("xsa480-?.patch", "xen-unstable - Xen 4.17.x")])
PREREQUISITE = build(
    N, [("xsa480/xsa480-??.patch", "Xen 4.20.x", [f"xsa480/xsa480-{place:02}.patch" for place in range(3)])]
)
UNSTABLE = build(N, [("xsa480.patch", "xen-unstable")])
TWICE = build(N, [("xsa480.patch", "Xen 4.20.x"), ("xsa480-more.patch", "Xen 4.21.x - Xen 4.20.x")])
OLDER = build(N, [("xsa480.patch", "Xen 4.19.x - Xen 4.17.x")])
NEWER = build(N, [("xsa480.patch", "xen-unstable - Xen 4.21.x")])
QEMU = build(N, [("xsa480-qemuu.patch", "qemu-xen")])
VARSTORED = build(N, [("xsa480.patch", "varstored master")])
MIXED = build(N, [("xsa480-linux.patch", "Linux"), ("xsa480.patch", "Xen 4.20.x")])


def tree(
    *, marked: bool = False, state: PatchState | None = None, cut: datetime | None = CUT, glob: str = "xsa480.patch"
) -> TreeFacts:
    states = {} if state is None else {glob: state}
    return TreeFacts("4.20.3", "4.20", frozenset({N} if marked else ()), cut, states)


def decided(advisory: Advisory, facts: TreeFacts, *listed: str, public: datetime | None = AFTER) -> Decision:
    found = decision.decide(advisory, facts, public=public, listed=frozenset(listed))
    assert found.xsa == advisory.number
    assert f"XSA-{advisory.number}" in found.reason
    for line in advisory.lines:  # what the table says is always part of what a decision rests on
        assert f"advisory, version 2: {line.glob} for {line.range.text}" in found.evidence
    assert any(one.startswith("git: ") for one in found.evidence) == (advisory.number in facts.fixed)
    return found


@pytest.mark.parametrize(
    ("advisory", "facts", "public", "verdict", "words"),
    [
        # other trees
        (VARSTORED, tree(), AFTER, "other-tree", "is for varstored, not for Xen"),
        (VARSTORED, tree(cut=None), None, "other-tree", "is for varstored, not for Xen"),
        (VARSTORED, tree(marked=True), AFTER, "conflict", "for varstored only, yet a commit in 4.20.3 names it"),
        (QEMU, tree(), AFTER, "other-tree", "not for Xen; a build that brings its own copy along needs them there"),
        # branches that no line names
        (OLDER, tree(), AFTER, "other-branch", "no patch for Xen 4.20: its patches are for Xen 4.19.x - Xen 4.17.x"),
        (OLDER, tree(marked=True), AFTER, "in-release", "has the fix"),
        (NEWER, tree(), AFTER, "other-branch", "older than these, which does not say that it is not affected"),
        (NEWER, tree(marked=True), AFTER, "in-release", "has the fix"),
        # the unstable of that day
        (UNSTABLE, tree(), AFTER, "other-branch", "for xen-unstable only, and 4.20 was cut before it"),
        (UNSTABLE, tree(), CUT, "conflict", "was cut after XSA-480 and should have its fix, yet no commit says so"),
        (UNSTABLE, tree(), BEFORE, "conflict", "was cut after XSA-480 and should have its fix"),
        (UNSTABLE, tree(), None, "conflict", "whether 4.20 was that then"),
        (UNSTABLE, tree(cut=None), AFTER, "conflict", "whether 4.20 was that then"),
        (UNSTABLE, tree(marked=True), AFTER, "in-release", "has the fix"),
        (UNSTABLE, tree(state=IN), BEFORE, "in-release", "has the fix"),
        (UNSTABLE, tree(state=OUT), BEFORE, "conflict", "should have its fix"),
        (UNSTABLE, tree(state=UNCLEAR), None, "conflict", "whether 4.20 was that then"),
        # branches that one line names
        (PLAIN, tree(), AFTER, "needs-patch", "4.20.3 has not the fix of XSA-480; xsa480.patch for 4.20"),
        (PLAIN, tree(state=OUT), AFTER, "needs-patch", "xsa480.patch for 4.20"),
        (PLAIN, tree(state=IN), AFTER, "in-release", "has the fix"),
        (PLAIN, tree(state=UNCLEAR), AFTER, "conflict", "do not apply"),
        (PLAIN, tree(marked=True), AFTER, "in-release", "has the fix"),
        (PLAIN, tree(marked=True, state=IN), AFTER, "in-release", "has the fix"),
        (PLAIN, tree(marked=True, state=UNCLEAR), AFTER, "in-release", "has the fix"),
        (PLAIN, tree(marked=True, state=OUT), AFTER, "conflict", "yet the patches still apply"),
        (SERIES, tree(), AFTER, "needs-patch", "2 patches, xsa480-1.patch to xsa480-2.patch for 4.20"),
        (MIXED, tree(), AFTER, "needs-patch", "xsa480.patch for 4.20"),
        # branches that several lines name
        (TWICE, tree(), AFTER, "conflict", "names 4.20 in 2 lines: xsa480.patch and xsa480-more.patch"),
        (TWICE, tree(state=IN), AFTER, "conflict", "in 2 lines"),
        (TWICE, tree(marked=True), AFTER, "in-release", "has the fix"),
    ],
)
def test_verdicts(advisory: Advisory, facts: TreeFacts, public: datetime | None, verdict: str, words: str) -> None:
    found = decided(advisory, facts, public=public)
    assert found.verdict.value == verdict
    assert words in found.reason


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (IN, "can be taken out of the tree cleanly"),
        (OUT, "can be put into the tree cleanly, in order"),
        (UNCLEAR, "can neither be put in nor taken out cleanly"),
        (None, "was not tried on the tree"),
    ],
)
def test_the_evidence_tells_what_the_tree_said(state: PatchState | None, words: str) -> None:
    assert decided(PLAIN, tree(state=state)).evidence[-1] == f"tree: xsa480.patch {words}"


def test_a_missing_fix_brings_the_patches_of_its_line_in_order() -> None:
    assert decided(SERIES, tree(state=OUT, glob="xsa480-?.patch")).patches == ("xsa480-1.patch", "xsa480-2.patch")
    assert decided(MIXED, tree()).patches == ("xsa480.patch",)
    assert decided(PLAIN, tree(state=UNCLEAR)).patches == ("xsa480.patch",)
    assert decided(OLDER, tree()).patches == ()


@pytest.mark.parametrize(
    ("advisory", "listed", "verdict"),
    [
        (PLAIN, ["xsa480.patch"], "already-patched"),
        (PLAIN, ["xsa481.patch", "xsa480-4.20.patch"], "needs-patch"),
        (SERIES, ["xsa480-2.patch", "xsa480-1.patch"], "already-patched"),
        (SERIES, ["xsa480-1.patch"], "conflict"),
        (SERIES, ["xsa480-2.patch"], "conflict"),
        (PREREQUISITE, ["xsa480/xsa480-01.patch", "xsa480/xsa480-02.patch"], "already-patched"),
        (PREREQUISITE, ["xsa480/xsa480-00.patch"], "conflict"),
        (PREREQUISITE, ["xsa480-01.patch", "xsa480-02.patch"], "needs-patch"),  # not below their folder
        (OLDER, ["xsa480.patch"], "other-branch"),
    ],
)
@pytest.mark.parametrize("state", [None, OUT])
def test_patches_that_the_file_lists(
    advisory: Advisory, listed: list[str], verdict: str, state: PatchState | None
) -> None:
    found = decided(advisory, tree(state=state, glob=advisory.lines[0].glob), *listed)
    assert found.verdict.value == verdict


def test_a_part_names_what_is_missing() -> None:
    found = decided(SERIES, tree(), "xsa480-2.patch")
    assert found.reason == "the file lists a part of XSA-480 only: xsa480-1.patch is missing"


def test_a_listed_patch_does_not_make_an_uncertain_tree_certain() -> None:
    assert decided(PLAIN, tree(marked=True, state=OUT), "xsa480.patch").verdict is Verdict.CONFLICT
    assert decided(TWICE, tree(), "xsa480.patch").verdict is Verdict.CONFLICT


def test_a_line_with_nothing_but_a_prerequisite_is_not_patched_already() -> None:
    alone = build(N, [("xsa480-?.patch", "Xen 4.20.x", ["xsa480-0.patch"])])
    assert decided(alone, tree()).verdict is Verdict.NEEDS_PATCH
    assert decided(alone, tree(), "xsa480-0.patch").verdict is Verdict.ALREADY_PATCHED


def test_one_like_496_and_one_like_478() -> None:
    advisory = build(496, [("xsa496.patch", "xen-unstable - Xen 4.21.x")])
    old, new = TreeFacts("4.20.4", "4.20", frozenset()), TreeFacts("4.21.2", "4.21", frozenset())
    assert decided(advisory, old).verdict is Verdict.OTHER_BRANCH
    assert decided(advisory, new).verdict is Verdict.NEEDS_PATCH
    assert decided(advisory, replace(new, fixed=frozenset({496}))).verdict is Verdict.IN_RELEASE
    other = build(478, [("xsa478.patch", "varstored master")])
    assert [decided(other, facts).verdict for facts in (old, new)] == [Verdict.OTHER_TREE] * 2


# --- without a text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "verdict", "reason"),
    [
        (AFTER, "embargoed", "XSA-480 will be public on 2025-01-18 00:00 UTC"),
        (None, "unused", "XSA-480 has no content in the index and no time of publication"),
        # Its hour has come: an index that is late must not read as "not in use".
        (CUT, "conflict", "XSA-480 was to be public on 2025-01-17 00:00 UTC, and the index has nothing of it"),
        (BEFORE, "conflict", "XSA-480 was to be public on 2025-01-16 00:00 UTC, and the index has nothing of it"),
    ],
)
def test_numbers_without_a_text(public: datetime | None, verdict: str, reason: str) -> None:
    found = decision.untold(Entry(N, public_time=public), CUT)
    assert (found.xsa, found.verdict.value, found.reason, found.patches) == (N, verdict, reason, ())


def test_a_text_that_was_refused() -> None:
    found = decision.unread(N, tree(), "E-ADVISORY-NO-TABLE", "line 3: odd")
    assert (found.verdict, found.evidence) == (Verdict.CONFLICT, ("E-ADVISORY-NO-TABLE: line 3: odd",))
    found = decision.unread(N, tree(marked=True), "E-ADVISORY-NO-TABLE", "line 3: odd")
    assert found.verdict is Verdict.IN_RELEASE
    assert "its text could not be read" in found.reason
    assert [one.partition(":")[0] for one in found.evidence] == ["git", "E-ADVISORY-NO-TABLE"]


# --- whatever the witnesses say --------------------------------------------------------------------------------------

RANGES = [
    "xen-unstable", "xen-unstable - Xen 4.18.x", "xen-unstable - Xen 4.21.x", "xen-unstable, Xen 4.17.x", "Xen 4.20.x",
    "Xen 4.21.x - Xen 4.19.x", "Xen 4.18.x - Xen 4.17.x", "Xen 4.19.x", "Linux", "varstored master", "qemu-xen",
    "XAPI oxenstored",
]  # fmt: skip
TIMES = st.none() | st.sampled_from([BEFORE, CUT, AFTER])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Advisory, TreeFacts, datetime | None, frozenset[str]]:
    table = []
    for place, text in enumerate(draw(st.lists(st.sampled_from(RANGES), min_size=1, max_size=4))):
        stem = f"xsa480-{'abcd'[place]}"
        numbers = draw(st.sampled_from([(), (1,), (1, 2), (0, 1), (0, 1, 2), (0,)]))
        names = [f"{stem}-{number}.patch" for number in numbers] or [f"{stem}.patch"]
        table.append((f"{stem}-?.patch" if numbers else names[0], text, names))
    advisory = build(N, table)
    states = {line.glob: draw(st.none() | st.sampled_from(PatchState)) for line in advisory.lines}
    facts = TreeFacts(
        "a tree",
        draw(st.sampled_from(["4.16", "4.17", "4.18", "4.19", "4.20", "4.21", "4.22"])),
        frozenset(draw(st.sets(st.sampled_from([N, N + 1])))),
        draw(TIMES),
        {glob: state for glob, state in states.items() if state is not None},
    )
    names = [file.name for line in advisory.lines for file in line.files]
    return advisory, facts, draw(TIMES), frozenset(draw(st.sets(st.sampled_from([*names, "xsa481.patch"]))))


def says_nothing_of(advisory: Advisory, branch: str) -> bool:
    """Whether no range has the branch, in words of this test's own."""
    for line in advisory.lines:
        for span in line.range.spans:
            if ranges.order(span.oldest) <= ranges.order(branch) <= ranges.order(span.newest):
                return False
    return True


@given(cases())
def test_a_verdict_that_needs_nothing_done_has_its_witnesses(
    case: tuple[Advisory, TreeFacts, datetime | None, frozenset[str]],
) -> None:
    advisory, facts, public, listed = case
    found = decision.decide(advisory, facts, public=public, listed=listed)
    event(found.verdict.value)
    marked = N in facts.fixed
    xen = [line for line in advisory.lines if line.range.is_xen]
    reach, lines = advisory.reach(facts.branch)
    files = [file.name for line in lines for file in line.files]
    match found.verdict:
        case Verdict.IN_RELEASE:
            assert xen
            assert marked or [facts.states.get(line.glob) for line in lines] == [IN]
        case Verdict.OTHER_TREE:
            assert not xen
            assert not marked
        case Verdict.OTHER_BRANCH:
            assert xen
            assert not marked
            assert says_nothing_of(advisory, facts.branch)
            if reach is Reach.UNSTABLE:
                assert facts.cut is not None
                assert public is not None
                assert facts.cut < public
        case Verdict.ALREADY_PATCHED:
            assert not marked
            assert reach is Reach.NAMED
            assert len(lines) == 1
            assert listed & set(files)
            assert {file.name for file in lines[0].files if not file.prerequisite} <= listed
        case Verdict.NEEDS_PATCH:
            assert not marked
            assert reach is Reach.NAMED
            state = facts.states.get(lines[0].glob)
            assert state in {OUT, PatchState.REST_OUT, PatchState.ON_TOP, None}
            rest = tuple(file.name for file in lines[0].files if not file.prerequisite) or tuple(files)
            # What the tree has must not be brought.
            assert found.patches == (rest if state is PatchState.REST_OUT else tuple(files))
            assert not listed & set(found.patches)
        case _:
            assert found.verdict is Verdict.CONFLICT


@given(cases())
def test_no_witness_less_ever_makes_an_open_advisory_closed(
    case: tuple[Advisory, TreeFacts, datetime | None, frozenset[str]],
) -> None:
    advisory, facts, public, listed = case
    closed = {Verdict.IN_RELEASE, Verdict.ALREADY_PATCHED, Verdict.OTHER_BRANCH, Verdict.OTHER_TREE}
    full = decision.decide(advisory, facts, public=public, listed=listed)
    if N in facts.fixed or full.verdict in closed:
        return
    for less in (replace(facts, states={}), replace(facts, cut=None), replace(facts, cut=None, states={})):
        for when in (public, None):
            assert decision.decide(advisory, less, public=when, listed=frozenset()).verdict not in closed
