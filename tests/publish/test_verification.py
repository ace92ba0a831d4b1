"""A verification in Markdown: what was run, how it ended, and that nothing else is claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.publish import plans
from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.publish import checklist, verification
from xenbump.publish.verification import Comparison, Room, Row
from xenbump.verify.evidence import Evidence, Step, StepResult

ROOM = Room(300, 30, 30)
WHY = "it was not asked for"


def of(*steps: StepResult) -> Evidence:
    return replace(plans.complete(), steps=steps, tests=())


def rows(*steps: StepResult) -> list[Row]:
    return list(verification.shown(of(*steps), ROOM).rows)


def test_every_step_has_a_row_run_or_not() -> None:
    assert [row.step for row in rows()] == list(verification.STEPS) == [step.value for step in Step]
    assert rows()[0] == Row("build", "not run", "", WHY)
    assert rows(plans.BUILT)[0] == Row("build", "passed", "38 min 12 s", "")
    skipped = StepResult(Step.META, SKIPPED, "no | Nix")
    assert rows(skipped)[2] == Row("meta", "not run", "", "`no ¦ Nix`")
    assert rows(plans.DOM0)[3].why == "12 of 13 checks passed, 1 not run"
    assert rows(plans.GUESTS)[4].why == "3 checks"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, ""), (0.99, ""), (1.0, "1 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.0, "59 min 59 s"),
        (3600.0, "1 h 0 min"), (86_399.0, "23 h 59 min"),
        (float("nan"), ""), (float("inf"), ""), (1e300, ""), (-5.0, ""),
    ],
)  # fmt: skip
def test_times(seconds: float, said: str) -> None:
    assert rows(StepResult(Step.BUILD, PASSED, seconds=seconds))[0].time == said


def test_verdicts() -> None:
    def verdict(*steps: StepResult) -> str:
        return verification.shown(of(*steps), ROOM).verdict

    bad = StepResult(Step.BUILD, FAILED, "x")
    assert verdict(*plans.complete().steps) == "Every step passed"
    assert verdict() == "**Nothing was proven**"
    assert verdict(StepResult(Step.BUILD, SKIPPED, "x")) == "**Nothing was proven**"
    assert verdict(plans.BUILT, plans.XTF) == ("What was run passed; **not proven**: outputs, meta, dom0, guests")
    assert verdict(bad, plans.META) == "**It failed**: build; **not proven**: outputs, dom0, guests, xtf"
    assert verdict(bad, *plans.complete().steps[1:]) == "**It failed**: build"


def test_what_was_verified_and_when() -> None:
    def told(**changes: str) -> str:
        return verification.shown(replace(plans.complete(), **changes), ROOM).of  # type: ignore[arg-type]

    assert told() == "`commit 0123abcd`, 2026-11-20 12:34 UTC, dom0 on `QEMU 7.2.22, tcg`"
    assert told(when="2026-11-20T12:34:56+00:00", of="", engine="") == "2026-11-20 12:34 UTC"
    assert told(when="2026-11-20T12:34:56+02:00", of="", engine="") == "`2026-11-20T12:34:56+02:00`"
    assert told(when="", of="", engine="") == ""


def test_the_results_of_xtf() -> None:
    shown = verification.shown(plans.complete(), ROOM)
    assert shown.counts == (("SUCCESS", 49), ("SKIP", 20), ("FAILURE", 6), ("CRASH", 13))
    assert shown.comparisons == (
        Comparison(
            "compared with the baseline: passed, `87 tests have the result of the baseline`",
            ("`test-pv64-skip-1`: `better: CRASH before, SKIP now`",),
            0,
        ),
        Comparison(
            "compared with Xen `4.20.2`: passed, `87 tests have the result of 4.20.2`",
            ("`test-pv64-memop-seg`: `worse: SUCCESS with 4.20.2, FAILURE now, as the baseline expects`",),
            0,
        ),
    )
    odd = replace(plans.complete(), tests=(("test-pv64-x", "@everyone"), ("test-pv64-y", "HANG")))
    assert verification.shown(odd, ROOM).counts == (("HANG", 1), ("other", 1))
    (row,) = (one for one in verification.shown(plans.unjudged(), ROOM).rows if one.step == "xtf")
    assert row.result == "not judged"


def test_long_lists_say_how_much_they_leave_out() -> None:
    whole = CheckResult("baseline", "", FAILED, "40 of 88 are worse or missing")
    worse = [CheckResult(f"test-pv64-x{number}", "", FAILED, "it has no result") for number in range(40)]
    checks = (*worse, whole)
    steps = (StepResult(Step.DOM0, FAILED, "x", checks), StepResult(Step.XTF, FAILED, "x", (whole, *worse)))
    shown = verification.shown(of(*steps), Room(300, 4, 2))
    (comparison,) = shown.comparisons
    assert (len(comparison.lines), comparison.more) == (4, 36)
    dom0, xtf = shown.failed
    assert (len(dom0.checks), dom0.more) == (4, 37)
    # What failed of XTF is told with the comparison.
    assert (xtf.checks, xtf.more, xtf.log) == ((), 0, "")
    assert "and 36 more, for which there is no room here" in verification.details(of(*steps), Room(300, 4, 2))


def test_the_end_of_a_log() -> None:
    step = StepResult(Step.BUILD, FAILED, "x", (CheckResult("built", "", FAILED, "x"),), tail=("a", "b", "c"))
    (failed,) = verification.shown(of(step), Room(300, 30, 2)).failed
    assert (failed.checks, failed.log) == ((), "```text\nb\nc\n```")
    details = verification.details(of(step), Room(300, 30, 2))
    assert details.startswith("<details>\n<summary>build failed: the end of its log</summary>\n\n```text\n")
    assert details.endswith("\n```\n\n</details>\n")
    assert verification.details(of(replace(step, tail=())), ROOM) == ""


def test_what_lasts_of_a_verification() -> None:
    again = replace(
        plans.broken(),
        when="2026-11-21T00:00:00Z",
        of="commit 89abcdef",
        steps=tuple(replace(one, seconds=one.seconds + 5, tail=("x",), log="/y") for one in plans.broken().steps),
    )
    assert verification.lasting(again) == verification.lasting(plans.broken())
    assert verification.lasting(plans.broken()) != verification.lasting(plans.complete())


# --- boxes -----------------------------------------------------------------------------------------------------------


def ticked(evidence: Evidence | None, repository: str = "NixOS/nixpkgs", operator: str = "x") -> list[str]:
    boxes = checklist.done(plans.bump(), evidence, repository=repository, operator=bool(operator))
    return [box.text.split()[0] for box in boxes if box.ticked]


ALWAYS = ["Release", "Automation"]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (None, []),
        (of(), []),
        (of(StepResult(Step.BUILD, SKIPPED, "x")), []),
        (of(StepResult(Step.BUILD, FAILED, "x")), []),
        (of(plans.BUILT), ["Built"]),
        # Only the hypervisor was the package's.
        (plans.complete(), ["Built"]),
        (plans.broken(), ["Built"]),
        (plans.complete("NixOS 26.05, QEMU, kvm"), ["Built", "NixOS", "Basic"]),
        (replace(plans.broken(), engine="NixOS 26.05"), ["Built"]),
        (replace(of(plans.BUILT), engine="NixOS 26.05"), ["Built"]),
        (replace(of(plans.DOM0), engine="NixOS 26.05"), ["NixOS", "Basic"]),
    ],
)
def test_a_box_is_ticked_by_proof_only(evidence: Evidence | None, expected: list[str]) -> None:
    assert ticked(evidence) == expected + ALWAYS
    assert ticked(evidence, "") == expected + ALWAYS
    assert ticked(evidence, "octo/flake") == expected
    assert ticked(evidence, operator="") == [*expected, "Release"]


def test_release_notes_of_another_branch_are_for_a_person() -> None:
    boxes = {
        name: [box for box in checklist.done(plan, None, repository="", operator=True) if "Release notes" in box.text]
        for name, plan in (
            ("same", plans.bump()),
            ("other", replace(plans.bump(), target=plans.signed("4.21.0"))),
            ("new", replace(plans.bump(), adds="xen_4_20")),
        )
    }
    assert {name: [box.ticked for box in found] for name, found in boxes.items()} == {
        "same": [True],
        "other": [False],
        "new": [False],
    }


def test_what_the_hypervisor_alone_does_not_prove() -> None:
    def text(evidence: Evidence | None) -> str:
        boxes = checklist.done(plans.bump(), evidence, repository="", operator=True)
        return next(box.text for box in boxes if box.text.startswith("Basic"))

    assert "the hypervisor was booted" in text(plans.complete())
    for other in (None, plans.broken(), plans.complete("NixOS 26.05")):
        assert text(other) == "Basic function of its programs"
