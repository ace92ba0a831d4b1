"""The evidence: what it says of itself, and that it goes into the journal and comes back the same."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.dom0.report import RESULTS, TEST_RESULTS, CheckResult
from xenbump.verify.evidence import Evidence, Step, StepResult, judged

CHECK = CheckResult("xl", "bin/xl is a program", "passed", "", ("/nix/store/x-xen/bin/xl",), 0.5)
EVIDENCE = Evidence(
    "xen",
    "4.20.2",
    "4.20.2",
    "QEMU 7.2.22, tcg",
    (
        StepResult(Step.BUILD, "passed", "", (CHECK,), 71.2, "/state/logs/xen.log"),
        StepResult(Step.GUESTS, "skipped", "no guest was asked for"),
        StepResult(Step.XTF, "failed", "it has no result", tail=("one", "two")),
    ),
    tests=(("test-pv64-xsa-122", "SUCCESS"), ("test-hvm32-xsa-7~a", "CRASH")),
    compared="4.20.1",
    when="2026-09-01T10:00:00+00:00",
    of="9611e26eff425be128d4b9c7b48f2bc6b5d3498e",
)
texts = st.text(max_size=20)
checks = st.builds(
    CheckResult, texts, texts, st.sampled_from(RESULTS), texts, st.tuples(texts), st.floats(0, 1e6, allow_nan=False)
)
steps = st.builds(
    StepResult,
    st.sampled_from(Step),
    st.sampled_from(RESULTS),
    texts,
    st.lists(checks, max_size=3).map(tuple),
    st.floats(0, 1e6, allow_nan=False),
    texts,
    st.lists(texts, max_size=3).map(tuple),
)


def back(evidence: Evidence) -> Evidence:
    return msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence)


def test_the_way_into_the_journal_and_back() -> None:
    assert back(EVIDENCE) == EVIDENCE
    assert isinstance(back(EVIDENCE).steps[0].step, Step)


@given(
    st.lists(steps, max_size=4).map(tuple),
    st.lists(st.tuples(texts, st.sampled_from(TEST_RESULTS)), max_size=3).map(tuple),
    texts,
)
def test_any_evidence_comes_back(found: tuple[StepResult, ...], tests: tuple[tuple[str, str], ...], said: str) -> None:
    evidence = replace(EVIDENCE, steps=found, tests=tests, compared=said, when=said, of=said)
    assert back(evidence) == evidence


def test_what_older_journals_have_not() -> None:
    old = msgspec.json.encode(
        {"package": "xen", "version": "4.20.1", "upstream_version": "4.20.1", "engine": "", "steps": []}
    )
    assert msgspec.json.decode(old, type=Evidence) == Evidence("xen", "4.20.1", "4.20.1", "", ())


@pytest.mark.parametrize("text", ["{}", '{"package": 1}', "[]"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Evidence)


def test_what_was_not_run() -> None:
    assert EVIDENCE.not_run == (("guests", "no guest was asked for"),)
    assert (EVIDENCE.failed, EVIDENCE.complete) == (True, False)
    whole = replace(EVIDENCE, steps=EVIDENCE.steps[:1])
    assert (whole.not_run, whole.failed, whole.complete) == ((), False, True)


def test_a_step_with_nothing_in_it_is_not_passed() -> None:
    assert judged(Step.DOM0, ()).result == "skipped"
    assert judged(Step.DOM0, (replace(CHECK, result="skipped", reason="why"),)).reason == "why"
