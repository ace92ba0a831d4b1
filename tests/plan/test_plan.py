"""From a file and a release to a plan."""

from __future__ import annotations

import msgspec
import pytest

from tests.plan.support import subject, verified
from xenbump.errors import Refusal
from xenbump.plan.model import Decision, Patch, Plan, Verdict
from xenbump.plan.plan import make

HASH = "sha256-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="
PATCH = Patch("https://example.org/xsa509.patch", 509, HASH)


def test_a_plan_has_what_it_was_made_from() -> None:
    now, target = subject("4.20.3", warnings=("odd",)), verified("4.20.4")
    plan = make(now, target, HASH, "4.20.4")
    assert (plan.subject, plan.target, plan.hash) == (now, target, HASH)
    assert plan.warnings == ("odd",)
    assert plan.patches.keep == plan.patches.drop == plan.patches.add == ()
    assert plan.decisions == ()


@pytest.mark.parametrize("version", ["4.20.3", "4.20.5-pre", "4.20.4-rc1", "4.20", "", "4.20.40", " 4.20.4"])
def test_a_tree_of_another_version_is_refused(version: str) -> None:
    with pytest.raises(Refusal) as caught:
        make(subject("4.20.3"), verified("4.20.4"), HASH, version)
    assert (caught.value.code, caught.value.where) == ("E-TREE-VERSION", "RELEASE-4.20.4, xen/Makefile")
    assert f"calls itself {version}, its tag says 4.20.4" in caught.value.what


def test_patches_stay_and_are_pointed_out() -> None:
    plan = make(subject("4.20.3", patches=(PATCH, PATCH)), verified("4.20.4"), HASH, "4.20.4")
    assert plan.patches.keep == (PATCH, PATCH)
    assert plan.patches.drop == plan.patches.add == ()
    (warning,) = plan.warnings
    assert warning.startswith("2 patch(es) stay as they are; whether 4.20.4 has them was not checked")


def test_the_journal_can_keep_a_plan() -> None:
    plan = make(subject("4.20.3", patches=(PATCH,)), verified("4.20.4"), HASH, "4.20.4")
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    decision = Decision(509, Verdict.NEEDS_PATCH, "because", ("x.patch",), ("advisory",))
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_the_verdicts_are_those_of_the_interface() -> None:
    assert {verdict.value for verdict in Verdict} == {
        *("in-release", "already-patched", "needs-patch", "other-branch", "other-tree", "embargoed", "unused"),
        "conflict",
    }
