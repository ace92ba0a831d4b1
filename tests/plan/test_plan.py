"""From what was found out to a plan."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from tests.plan.support import subject, target
from xenbump.errors import Refusal
from xenbump.plan import plan as planning
from xenbump.plan.model import Addition, Decision, Drop, Patch, PatchChange, Plan, Verdict

HASH = "sha256-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="
PATCH = Patch("https://example.org/xsa509.patch", 509, HASH, "fetchpatch")
OTHER = Patch("./local.patch", None, None, path="local.patch")


def decision(number: int, verdict: Verdict, public: str = "2026-03-17 12:00") -> Decision:
    return Decision(number, verdict, f"because of {verdict}", public=public)


def test_a_plan_has_what_it_was_made_from() -> None:
    now, wanted = subject("4.20.3", warnings=("odd",)), target("4.20.4")
    change = PatchChange(add=(Addition(PATCH, "0" * 64),), series=(PATCH,))
    plan = planning.make(now, wanted, HASH, change, warnings=("look",))
    assert (plan.subject, plan.target, plan.hash, plan.patches) == (now, wanted, HASH, change)
    assert (plan.warnings, plan.patched, plan.closes) == (("odd", "look"), (509,), (509,))
    assert plan.moves
    assert not planning.is_idle(plan)


def test_what_a_plan_closes() -> None:
    decisions = tuple(decision(number, Verdict.IN_RELEASE) for number in (500, 501, 502))
    listed = subject("4.20.3", patches=(dataclasses.replace(PATCH, xsa=501),))
    plan = planning.make(listed, target("4.20.4"), HASH, PatchChange(), decisions=decisions, fixed={500, 501})
    # 501 was patched before; of 502 no commit says that it came since.
    assert plan.closes == (500,)


def test_a_plan_that_changes_nothing() -> None:
    here = subject("4.20.4")
    assert planning.is_idle(planning.make(here, target("4.20.4"), here.hash, PatchChange()))
    dropped = PatchChange(drop=(Drop(PATCH, "it is in"),))
    assert not planning.is_idle(planning.make(here, target("4.20.4"), here.hash, dropped))
    pinned = dataclasses.replace(here, rev="1" * 40)
    assert not planning.is_idle(planning.make(pinned, target("4.20.4"), here.hash, PatchChange()))


@pytest.mark.parametrize("version", ["4.20.3", "4.20.5-pre", "4.20.4-rc1", "4.20", "", "4.20.40", " 4.20.4"])
def test_a_tree_of_another_version_is_refused(version: str) -> None:
    with pytest.raises(Refusal) as caught:
        planning.confirmed(target("4.20.4"), version)
    assert (caught.value.code, caught.value.where) == ("E-TREE-VERSION", "RELEASE-4.20.4, xen/Makefile")
    assert f"calls itself {version}, its tag says 4.20.4" in caught.value.what
    assert planning.confirmed(target("4.20.4"), "4.20.4") == target("4.20.4")


def test_conflicts_stop_the_plan_unless_a_person_has_decided() -> None:
    found = [decision(number, Verdict.CONFLICT) for number in range(480, 487)] + [decision(490, Verdict.IN_RELEASE)]
    with pytest.raises(Refusal) as caught:
        planning.refuse_conflicts(found, {480: "x"}, "4.20.4")
    assert caught.value.code == "E-XSA-CONFLICT"
    assert caught.value.what.startswith("6 advisories cannot be decided for 4.20.4: because of conflict; ")
    assert caught.value.what.endswith("; and 1 more")
    planning.refuse_conflicts(found, dict.fromkeys(range(480, 487), "x"), "4.20.4")


def test_what_a_person_has_decided_is_told() -> None:
    one = dataclasses.replace(decision(480, Verdict.NEEDS_PATCH), patches=("xsa480.patch",))
    assert planning.settled(one, None) is one
    now = planning.settled(one, "no PV guests here")
    assert (now.verdict, now.reason, now.patches) == (Verdict.CONFLICT, "decided by hand: no PV guests here", ())
    assert now.evidence[-1] == "without it: needs-patch, because of needs-patch"


def test_the_decisions_that_matter() -> None:
    old, new = "2025-01-01 12:00", "2026-03-17 12:00"
    found = [
        decision(470, Verdict.OTHER_TREE, old),
        decision(471, Verdict.OTHER_BRANCH, old),
        decision(472, Verdict.NEEDS_PATCH, old),
        decision(473, Verdict.UNUSED, ""),
        decision(474, Verdict.EMBARGOED, "2097-01-01 12:00"),
        decision(475, Verdict.OTHER_TREE, new),
        decision(476, Verdict.OTHER_BRANCH, new),
        decision(477, Verdict.IN_RELEASE, new),
        decision(478, Verdict.IN_RELEASE, new),
        decision(479, Verdict.OTHER_TREE, ""),
        decision(480, Verdict.IN_RELEASE, old),
        decision(481, Verdict.IN_RELEASE, old),
    ]
    kept = planning.relevant(found, before={477}, fixed={480}, since="2025-11-20 00:00")
    # 480 was known when the file's release was made, and yet it is not in there.
    assert [one.xsa for one in kept] == [472, 474, 475, 476, 478, 479, 480]


def test_what_the_file_lists_is_told_apart_from_what_comes() -> None:
    change = PatchChange(add=(Addition(PATCH, "0" * 64),))
    found = planning.listed([decision(508, Verdict.NEEDS_PATCH), decision(509, Verdict.NEEDS_PATCH)], change)
    assert [one.verdict for one in found] == [Verdict.ALREADY_PATCHED, Verdict.NEEDS_PATCH]


def test_the_journal_can_keep_a_plan() -> None:
    change = PatchChange((OTHER,), (Drop(PATCH, "in"),), (Addition(PATCH, "0" * 64),), (OTHER, PATCH))
    one = Decision(509, Verdict.NEEDS_PATCH, "because", ("x.patch",), ("advisory",), "title", ("CVE-2026-1",), "2026")
    plan = planning.make(subject("4.20.3", patches=(PATCH,)), target("4.20.4"), HASH, change, decisions=(one,))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_the_verdicts_are_those_of_the_interface() -> None:
    assert {verdict.value for verdict in Verdict} == {
        *("in-release", "already-patched", "needs-patch", "other-branch", "other-tree", "embargoed", "unused"),
        "conflict",
    }
