"""What a verification came to: as text, as JUnit's XML for CI systems, and as a table in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.publish import verification
from xenbump.publish.markup import cell, clipped, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.dom0.report import CheckResult
    from xenbump.verify.evidence import Evidence, StepResult

_LONGEST = 300
_SHOWN = 30  # lines of a log, and checks, that are worth their place


def lines(evidence: Evidence) -> list[str]:
    """The lines that tell a person how it ended."""
    ran = f" on {evidence.engine}" if evidence.engine else ""
    how = "failed" if evidence.failed else "passed" if evidence.complete else "is not complete"
    told = [f"{evidence.package}: {evidence.version}: the verification {how}{ran}"]
    for one in evidence.steps:
        told.append(f"  {one.step.value}: {one.result}{_time(one.seconds)}{_why(one.reason)}{_count(one)}")
        told += [f"    {plain(clipped(line, _LONGEST))}" for line in one.tail[-_SHOWN:]]
        bad = [check for check in one.checks if check.result == FAILED]
        told += [f"    {check.name}: {plain(clipped(check.reason, _LONGEST))}" for check in bad[:_SHOWN]]
        if one.log and one.result == FAILED:
            told.append(f"    log: {one.log}")
    if evidence.compared:
        told.append(f"  XTF's results were compared with those of {evidence.compared}")
    return told


def _count(step: StepResult) -> str:
    passed = sum(check.result == PASSED for check in step.checks)
    left = sum(check.result == SKIPPED for check in step.checks)
    if len(step.checks) < 2:  # noqa: PLR2004 - the step itself says as much
        return ""
    return f" ({passed} of {len(step.checks)} checks passed" + (f", {left} skipped)" if left else ")")


def _time(seconds: float) -> str:
    return f" in {seconds:.0f} s" if seconds >= 1 else ""


def _why(reason: str) -> str:
    return f": {plain(clipped(reason, _LONGEST))}" if reason else ""


def markdown(evidence: Evidence) -> str:
    """A table with a row a step, XTF's results, and what steps that failed said, for step summaries.

    Everything from outside stands in code.
    """
    rows = ["| step | result | what |", "| --- | --- | --- |"]
    for one in evidence.steps:
        what = cell(clipped(one.reason, _LONGEST)) if one.reason else _count(one).strip(" ()")
        rows.append(f"| {one.step.value} | {one.result}{_time(one.seconds)} | {what} |")
    head = f"Xen {cell(evidence.version)}"
    ran = f", on {cell(evidence.engine)}" if evidence.engine else ""
    details = verification.details(evidence, verification.Room(_LONGEST, _SHOWN, _SHOWN))
    return f"{head}{ran}\n\n" + "\n".join(rows) + "\n" + (f"\n{details}" if details else "")


def junit(all_evidence: Iterable[Evidence]) -> str:
    """JUnit's XML as CI systems read it (the Ant form): a suite for each step of a package, a case for each check."""
    root = ET.Element("testsuites")
    for evidence in all_evidence:
        for step in evidence.steps:
            cases = [_case(evidence, step, check) for check in step.checks] or [_whole(evidence, step)]
            suite = ET.SubElement(
                root,
                "testsuite",
                name=f"{evidence.package}.{step.step.value}",
                tests=str(len(cases)),
                failures=str(sum(case.find("failure") is not None for case in cases)),
                skipped=str(sum(case.find("skipped") is not None for case in cases)),
                errors="0",
                time=f"{step.seconds:.3f}",
            )
            suite.extend(cases)
            if evidence.when:
                suite.set("timestamp", evidence.when.removesuffix("+00:00"))
            if step.tail:
                ET.SubElement(suite, "system-out").text = _clean("\n".join(step.tail))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(evidence: Evidence, step: StepResult, check: CheckResult) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=f"{evidence.package}.{step.step.value}",
        name=_clean(check.name),
        time=f"{check.seconds:.3f}",
    )
    _result(case, check.result, check.reason)
    if check.evidence:
        ET.SubElement(case, "system-out").text = _clean("\n".join((check.requirement, *check.evidence)))
    return case


def _whole(evidence: Evidence, step: StepResult) -> ET.Element:
    case = ET.Element("testcase", classname=f"{evidence.package}.{step.step.value}", name=step.step.value)
    case.set("time", f"{step.seconds:.3f}")
    _result(case, step.result, step.reason)
    return case


def _result(case: ET.Element, result: str, reason: str) -> None:
    if result == FAILED:
        ET.SubElement(case, "failure", message=_clean(clipped(reason, _LONGEST)))
    elif result == SKIPPED:
        ET.SubElement(case, "skipped", message=_clean(clipped(reason, _LONGEST)))


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot have (its section 2.2)."""
    return "".join(sign if sign in "\t\n" or sign.isprintable() or sign == " " else "\ufffd" for sign in text)
