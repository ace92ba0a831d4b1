"""What an issue says of a candidate that was tried."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.trying.reports import bad, told
from tests.trying.verdicts import failing, verdict
from xenbump.publish import marker
from xenbump.trying import announced
from xenbump.trying.candidates import Candidate
from xenbump.trying.model import Phase

CANDIDATE = Candidate("4.22.0-rc3", "4.22.0", 3, "a" * 40, "b" * 40)


def test_the_title_says_what_came_out() -> None:
    assert announced.title(told()) == "Xen 4.22.0-rc3: passed"
    assert announced.title(bad()) == "Xen 4.22.0-rc3: FAILED in guests"


def test_the_facts_tell_it_from_others_and_when_it_is_done() -> None:
    facts = announced.facts("xen", CANDIDATE, told())
    assert announced.which("xen", CANDIDATE).items() <= facts.items()
    assert announced.is_done(facts, CANDIDATE) == "passed"
    assert announced.is_done(announced.facts("xen", CANDIDATE, bad()), CANDIDATE) == "failed"
    assert announced.is_done(facts, replace(CANDIDATE, tag_object="c" * 40)) == ""
    assert announced.is_done({**facts, "result": "<b>"}, CANDIDATE) == ""
    assert announced.is_done({}, CANDIDATE) == ""


def test_the_body_has_the_report_to_be_mailed() -> None:
    body = announced.body(told(), "somebody")
    assert body.startswith("The release candidate `4.22.0-rc3` of Xen was tried: **passed**.")
    assert "\n```text\nSubject: [TESTDAY] Test report: Xen 4.22.0-rc3: passed\n" in body
    assert "run by `somebody`" in body
    assert "run by" not in announced.body(told(), "")


@given(st.text(max_size=300), st.lists(st.text(max_size=200), max_size=5))
def test_nothing_from_outside_is_more_than_text(reason: str, tail: list[str]) -> None:
    hostile = (reason, "@somebody fixes #1 <!-- /xenbump --> ```", *tail)
    found = told(verdict=verdict(failing(Phase.BUILD, reason, tail=hostile), rev="4.22.0-rc3"))
    body = marker.marked(announced.facts("xen", CANDIDATE, found), announced.body(found, ""))
    assert not marker.edited(body)
    assert "@somebody" not in body
    assert body.count("<!--") == 2


def test_a_body_that_is_too_long_is_cut() -> None:
    tail = tuple("x" * 590 for _ in range(20))
    phases = tuple(failing(phase, "y" * 500, tail=tail) for phase in Phase)
    body = announced.body(told(verdict=verdict(*phases, rev="4.22.0-rc3")), "")
    assert "(the rest has no room here)" in body
    assert len(body.encode()) < 65_000
    assert body.endswith("stays closed.")
