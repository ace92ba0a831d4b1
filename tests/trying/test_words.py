"""A verdict for people."""

from __future__ import annotations

from dataclasses import replace

from tests.trying.verdicts import GOOD, check, failing, skipped, verdict
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying import compare, judging, words
from xenbump.trying.model import Phase


def test_the_first_line_says_all() -> None:
    said = words.lines(verdict(), "xenbump try RELEASE-4.20.2")
    assert said[0] == "RELEASE-4.20.2: boots, 2 checks passed, 2 guests ran, XTF 2 as expected"
    assert said[1] == "  Xen 4.20.2, commit 012345678901"
    assert said[2] == "  tools: built from the source; QEMU 10.0.2, tcg"
    assert said[-1] == "  to repeat it: xenbump try RELEASE-4.20.2"
    assert "  xtf: passed in 60 s" in said
    assert "    log: /logs/console.log" in said


def test_names_say_what_was_put_upon_a_revision() -> None:
    assert words.name(verdict(applied=("one",))) == "RELEASE-4.20.2 with 1 patch"
    both = verdict(applied=("one", "two"), options=(("DEBUG", "y"),))
    assert words.name(both) == "RELEASE-4.20.2 with 2 patches, DEBUG=y"
    assert "  with two" in words.lines(both)


def test_a_build_that_is_all_that_was_wanted() -> None:
    assert words.summary(verdict(GOOD[0])) == "RELEASE-4.20.2: builds"
    patches, config = (replace(GOOD[0], phase=phase) for phase in (Phase.PATCHES, Phase.CONFIG))
    assert words.summary(verdict(patches)) == "RELEASE-4.20.2: the patches apply"
    assert words.summary(verdict(patches, config)) == "RELEASE-4.20.2: the configuration takes"
    assert words.summary(verdict(patches, config, GOOD[0])) == "RELEASE-4.20.2: builds"
    assert words.summary(verdict(skipped(Phase.BUILD, ""))) == "RELEASE-4.20.2: nothing was run"


def test_what_was_not_run_is_told() -> None:
    said = words.lines(verdict(*GOOD[:3], skipped(Phase.XTF, judging.NO_XTF), tests=()))
    assert said[0].endswith("2 guests ran, xtf was not run")
    assert f"  xtf: skipped: {judging.NO_XTF}" in said


def test_checks_that_were_not_run_are_no_failures() -> None:
    checks = (check("a"), check("b"), check("c", SKIPPED, "not here"))
    said = words.lines(verdict(replace(GOOD[1], checks=checks)))
    assert "  dom0: passed in 20 s (2 of 2 checks passed, 1 skipped)" in said


def test_a_failure_has_its_reason_and_tail() -> None:
    dom0 = failing(
        Phase.DOM0, "it panics: why", checks=(check("a", FAILED, "of a"), check("b")), tail=("one", "  two"), log="/log"
    )
    said = words.lines(verdict(GOOD[0], dom0, skipped(Phase.GUESTS)))
    assert said[0] == "RELEASE-4.20.2: dom0 fails: it panics: why"
    at = said.index("  dom0: failed: it panics: why (1 of 2 checks passed)")
    assert said[at + 1 : at + 5] == ["    a: of a", "    | one", "    |   two", "    log: /log"]


def test_each_phase_has_its_words() -> None:
    for phase in Phase:
        assert words.summary(verdict(failing(phase, ""))).startswith("RELEASE-4.20.2: ")
    assert len({words.summary(verdict(failing(phase, ""))) for phase in Phase}) == len(Phase)


def test_what_the_first_line_has_said_is_not_said_twice() -> None:
    said = words.summary(verdict(failing(Phase.BUILD, "the hypervisor does not build: setup.c:1:1: error: no")))
    assert said == "RELEASE-4.20.2: does not build: setup.c:1:1: error: no"


def test_text_from_outside_steers_no_terminal() -> None:
    bad = "\x1b[2J\x1b]0;title\x07\u202e" + "x" * 1000
    dom0 = failing(Phase.DOM0, bad, checks=(check(bad, FAILED, bad),) * 50, tail=(bad,) * 50, log=bad)
    whole = verdict(dom0, rev=bad, described=bad, version=bad, booted="4\x1b[2J", tools=bad, engine=bad, applied=(bad,))
    for line in [*words.lines(whole, bad), *words.compared(verdict(), whole, compare.compared(verdict(), whole), bad)]:
        assert line.isprintable()
    assert len(words.lines(whole)) < 60


def test_a_kept_result_says_so() -> None:
    assert any("--again" in line for line in words.lines(verdict(kept=True)))
    assert not any("--again" in line for line in words.lines(verdict()))


def test_a_comparison_says_only_what_differs() -> None:
    one, other = verdict(), verdict(rev="mine")
    said = words.compared(one, other, compare.compared(one, other), "again")
    assert said[0] == "mine against RELEASE-4.20.2: no difference, 10 results are the same"
    dom0 = replace(GOOD[1], checks=(check("tools", FAILED, "no xl"), check("dmesg")), result=FAILED, reason="tools")
    worse = verdict(GOOD[0], dom0, *GOOD[2:], rev="mine")
    said = words.compared(one, worse, compare.compared(one, worse))
    assert said[0] == "mine against RELEASE-4.20.2: 2 are worse, 8 results are the same"
    assert f"  worse: check tools: {PASSED} before, {FAILED} now (no xl)" in said
    back = words.compared(worse, one, compare.compared(worse, one))
    assert back[0] == "RELEASE-4.20.2 against mine: nothing is worse, 8 results are the same"
