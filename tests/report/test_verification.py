"""A verification as text, JUnit, Markdown and JSON: nothing that was not run looks as if it had been."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.outcomes import SUBJECT
from xenbump.dom0.report import CheckResult
from xenbump.outcomes import Verified
from xenbump.report import documents, text, verification
from xenbump.verify.evidence import Evidence, Step, StepResult, judged

GOOD = CheckResult("xl", "bin/xl is a program", "passed", "", ("/nix/store/x-xen/bin/xl",), 0.5)
BAD = CheckResult("version", "xl info names the version", "failed", "it is 4.20.1\x1b[31m", ("xen_version: 4.20.1",))
LEFT = CheckResult("hvm", "an HVM guest prints its line", "skipped", "there is no device model")
EVIDENCE = Evidence(
    "xen",
    "4.20.2",
    "4.20.2",
    "QEMU 7.2.22, tcg",
    (
        StepResult(Step.BUILD, "passed", "", (GOOD,), 71.2, "/state/logs/xen.log"),
        judged(Step.DOM0, (GOOD, BAD, LEFT), seconds=8.1, log="/state/logs/console.log"),
        StepResult(Step.XTF, "skipped", "no built XTF is at hand"),
    ),
)
PASSED = replace(EVIDENCE, steps=(EVIDENCE.steps[0], judged(Step.DOM0, (GOOD, LEFT))))


def test_a_step_is_judged_by_its_checks() -> None:
    assert [(one.result, one.reason) for one in EVIDENCE.steps] == [
        ("passed", ""),
        ("failed", "version: it is 4.20.1\x1b[31m"),
        ("skipped", "no built XTF is at hand"),
    ]
    assert judged(Step.GUESTS, (LEFT,)).result == "skipped"
    assert judged(Step.GUESTS, ()).reason == "there was nothing to check"
    assert judged(Step.DOM0, (BAD, BAD)).reason.endswith(", and 1 more")


def test_what_is_complete() -> None:
    assert (EVIDENCE.failed, EVIDENCE.complete) == (True, False)
    assert (PASSED.failed, PASSED.complete) == (False, True)
    incomplete = replace(EVIDENCE, steps=(EVIDENCE.steps[0], EVIDENCE.steps[2]))
    assert (incomplete.failed, incomplete.complete) == (False, False)
    assert not replace(EVIDENCE, steps=()).complete


def test_the_text() -> None:
    assert text.outcome(Verified(SUBJECT, EVIDENCE)) == [
        "xen: 4.20.2: the verification failed on QEMU 7.2.22, tcg",
        "  build: passed in 71 s",
        "  dom0: failed in 8 s: version: it is 4.20.1�[31m (1 of 3 checks passed, 1 skipped)",
        "    version: it is 4.20.1�[31m",
        "    log: /state/logs/console.log",
        "  xtf: skipped: no built XTF is at hand",
        "  warning: line 3: odd",
    ]
    assert verification.lines(PASSED)[0].startswith("xen: 4.20.2: the verification passed on ")


def test_what_it_was_compared_with_and_when() -> None:
    later = replace(EVIDENCE, compared="4.20.1", when="2026-09-01T10:00:00+00:00")
    assert verification.lines(later)[-1] == "  XTF's results were compared with those of 4.20.1"
    suites = ET.fromstring(verification.junit([later])).iter("testsuite")  # noqa: S314 - it is our own
    assert {suite.get("timestamp") for suite in suites} == {"2026-09-01T10:00:00"}


def test_junit() -> None:
    root = ET.fromstring(verification.junit([EVIDENCE]))  # noqa: S314 - it is our own
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert list(suites) == ["xen.build", "xen.dom0", "xen.xtf"]
    dom0 = suites["xen.dom0"]
    assert [dom0.get(name) for name in ("tests", "failures", "skipped", "errors")] == ["3", "1", "1", "0"]
    assert [case.get("name") for case in dom0.iter("testcase")] == ["xl", "version", "hvm"]
    skipped = suites["xen.xtf"].find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "no built XTF is at hand"


@given(st.text(), st.text())
def test_any_text_is_xml_that_can_be_read(name: str, reason: str) -> None:
    check = CheckResult(name, reason, "failed", reason, (reason,))
    made = verification.junit([replace(EVIDENCE, steps=(judged(Step.DOM0, (check,)),))])
    root = ET.fromstring(made.encode("utf-8", "surrogatepass"))  # noqa: S314 - it is our own
    assert len(list(root.iter("testcase"))) == 1


def test_markdown() -> None:
    assert verification.markdown(EVIDENCE).splitlines() == [
        "Xen `4.20.2`, on `QEMU 7.2.22, tcg`",
        "",
        "| step | result | what |",
        "| --- | --- | --- |",
        "| build | passed in 71 s |  |",
        "| dom0 | failed in 8 s | `version: it is 4.20.1�[31m` |",
        "| xtf | skipped | `no built XTF is at hand` |",
        "",
        "<details>",
        "<summary>dom0 failed: its failed checks</summary>",
        "",
        "- `version`: `it is 4.20.1�[31m`",
        "",
        "</details>",
    ]
    assert verification.markdown(PASSED).splitlines()[-1] == "| dom0 | passed | 1 of 2 checks passed, 1 skipped |"
    tested = replace(PASSED, tests=(("test-pv64-selftest", "SUCCESS"), ("test-hvm64-selftest", "CRASH")))
    table = ["| XTF | SUCCESS | CRASH |", "| --- | --- | --- |", "| tests | 1 | 1 |"]
    assert verification.markdown(tested).splitlines()[-4:] == ["", *table]


@pytest.mark.parametrize(
    ("evidence", "outcome"),
    [(EVIDENCE, "rejected"), (PASSED, "passed"), (replace(EVIDENCE, steps=EVIDENCE.steps[2:]), "incomplete")],
)
def test_the_document(evidence: Evidence, outcome: str) -> None:
    (entry,) = documents.verify([Verified(SUBJECT, evidence)]).packages
    assert (entry.outcome, entry.version, len(entry.steps)) == (outcome, "4.20.2", len(evidence.steps))
