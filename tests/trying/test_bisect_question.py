"""What may be asked of a commit, and what a verdict answers: bad only where just that is bad."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trying.verdicts import TEST, booted, check, failing, report, skipped, verdict
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.errors import UsageError
from xenbump.trying import judging
from xenbump.trying.bisect_question import judged, parsed
from xenbump.trying.model import Phase, PhaseResult
from xenbump.verify.tested import Known

BUILT = PhaseResult(Phase.BUILD, PASSED)
UP = PhaseResult(Phase.DOM0, PASSED, "", (check("tools"), check("version")))


@pytest.mark.parametrize(
    ("text", "phase", "name", "again"),
    [
        ("build", Phase.BUILD, "", "build"),
        ("dom0", Phase.DOM0, "", "dom0"),
        ("guests", Phase.GUESTS, "", "guests"),
        ("xtf", Phase.XTF, "", "xtf"),
        ("version", Phase.DOM0, "version", "version"),
        ("guest:pv", Phase.GUESTS, "guest-pv", "guest:pv"),
        ("guest-pvh", Phase.GUESTS, "guest-pvh", "guest:pvh"),
        ("xtf:test-pv64-xsa-122", Phase.XTF, "test-pv64-xsa-122", "xtf:test-pv64-xsa-122"),
        ("xtf:hvm64-example~x", Phase.XTF, "test-hvm64-example~x", "xtf:test-hvm64-example~x"),
    ],
)
def test_what_may_be_asked(text: str, phase: Phase, name: str, again: str) -> None:
    question = parsed(text)
    assert (question.phase, question.name, str(question)) == (phase, name, again)
    assert question.phases == (phase,)
    assert question.tests == ((name,) if text.startswith("xtf:") else ())
    assert question.varies == (text != "build")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there are build"),
        ("domO", "did you mean dom0"),
        ("xl-info", "and the checks control"),
        ("guest:", "pv and pvh"),
        ("guest:hvm", "no device model"),
        ("xtf:", "xtf:test-ENVIRONMENT-NAME"),
        ("xtf:xsa-122", "pv64"),
        ("patches", "there are build"),
    ],
)
def test_what_may_not(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="E-BISECT-ON") as caught:
        parsed(text)
    assert said in caught.value.what


@given(st.text(max_size=30))
def test_any_text_is_refused_or_means_what_it_says_again(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parsed(str(parsed(text))) == parsed(text)


@pytest.mark.parametrize("on", ["dom0", "version", "guest:pv", "xtf:pv64-example", "build"])
@pytest.mark.parametrize("phase", [Phase.PATCHES, Phase.CONFIG, Phase.BUILD])
def test_what_does_not_build_is_skipped(on: str, phase: Phase) -> None:
    found = judged(parsed(on), verdict(failing(phase, "why")))
    assert found == (("bad" if (on, phase) == ("build", Phase.BUILD) else "skip"), "why")


@pytest.mark.parametrize(("result", "answer"), [(PASSED, "good"), (FAILED, "bad"), (SKIPPED, "skip")])
def test_each_question_has_its_result(result: str, answer: str) -> None:
    dom0 = PhaseResult(Phase.DOM0, result, "why")
    assert judged(parsed("dom0"), verdict(BUILT, dom0)) == (answer, "why")
    # Other checks do not matter.
    checks = (check("tools", FAILED), check("version", result, "why"))
    assert judged(parsed("version"), verdict(BUILT, failing(Phase.DOM0, checks=checks))) == (answer, "why")
    guests = failing(Phase.GUESTS, checks=(check("guest-pv", result, "why"), check("guest-pvh", FAILED)))
    assert judged(parsed("guest:pv"), verdict(BUILT, guests)) == (answer, "why")
    assert judged(parsed("build"), verdict(BUILT)) == ("good", "")


@pytest.mark.parametrize(
    ("result", "answer"),
    [("SUCCESS", "good"), ("SKIP", "skip"), ("FAILURE", "bad"), ("ERROR", "bad"), ("CRASH", "bad"), ("HANG", "bad")],
)
def test_a_test_of_xtf_is_good_only_where_it_succeeds(result: str, answer: str) -> None:
    found = verdict(BUILT, failing(Phase.XTF, "1 of 1 are worse or missing"), tests=((TEST, result),))
    assert judged(parsed(f"xtf:{TEST}"), found)[0] == answer


def test_where_it_does_not_come_to_the_question_it_is_skipped() -> None:
    panics = failing(Phase.DOM0, "it panics: at boot")
    for on, phase in (("guest:pv", Phase.GUESTS), ("guests", Phase.GUESTS), (f"xtf:{TEST}", Phase.XTF)):
        assert judged(parsed(on), verdict(BUILT, panics, skipped(phase), tests=()))[0] == "skip"
    assert judged(parsed("version"), verdict(BUILT, panics))[0] == "skip"
    assert judged(parsed("dom0"), verdict(BUILT, panics)) == ("bad", "it panics: at boot")
    assert judged(parsed("dom0"), verdict(BUILT))[0] == "skip"
    # XTF that cannot be run says nothing of its tests.
    assert judged(parsed(f"xtf:{TEST}"), verdict(BUILT, failing(Phase.XTF, "no test"), tests=()))[0] == "skip"


def broken(phase: Phase, *names: str, missing: tuple[str, ...]) -> PhaseResult:
    """The phase of a boot that broke off, as it is judged."""
    answer = report(
        *map(check, names), *(check(one, FAILED) for one in missing if one != "xtf"), missing=missing, finished=False
    )
    ended = booted(answer, kind="panic", detail="a fault")
    found, _ = judging.phases(ended, (phase,), Known("x", None), accelerator="tcg", with_xtf=phase is Phase.XTF)
    return found[-1]


def test_what_the_machine_breaks_off_in_is_bad_and_what_comes_after_it_is_not_known() -> None:
    guests = broken(Phase.GUESTS, "tools", missing=("guest-pv", "guest-pvh"))
    assert judged(parsed("guest:pv"), verdict(BUILT, guests))[0] == "bad"
    assert judged(parsed("guest:pvh"), verdict(BUILT, guests))[0] == "skip"
    second = broken(Phase.GUESTS, "guest-pv", missing=("guest-pvh",))
    assert judged(parsed("guest:pv"), verdict(BUILT, second))[0] == "good"
    assert judged(parsed("guest:pvh"), verdict(BUILT, second))[0] == "bad"
    dom0 = broken(Phase.DOM0, "control", missing=("xenstored", "version"))
    assert judged(parsed("xenstored"), verdict(BUILT, dom0))[0] == "bad"
    assert judged(parsed("version"), verdict(BUILT, dom0))[0] == "skip"
    tests = broken(Phase.XTF, "control", missing=("xtf",))
    assert judged(parsed(f"xtf:{TEST}"), verdict(BUILT, tests, tests=()))[0] == "bad"
