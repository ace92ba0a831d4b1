"""A report as the JSON document `xenbump.report/1`, and as Markdown for step summaries: what the page has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from xenbump.plan.model import Verdict
from xenbump.publish import links
from xenbump.publish.markup import cell, clipped
from xenbump.report import reported, view

if TYPE_CHECKING:
    from xenbump.report.view import Exposed, Lack, Overview, Proof, Request

_LONGEST = 300
_DAY_HOURS = 48
_NOTHING = "\u2013"


def document(overview: Overview) -> reported.ReportDocument:
    """The document."""
    return reported.ReportDocument(
        made=f"{overview.made:%Y-%m-%dT%H:%M:%SZ}",
        program=overview.program,
        figures=reported.Figures(**asdict(view.figures(overview))),
        packages=tuple(_package(overview, one) for one in overview.packages),
        releases=tuple(
            reported.Release(one.version, one.tag, one.released.isoformat() if one.released else None, _verdicts(one))
            for one in overview.releases
        ),
        waits=tuple(
            reported.Wait(
                one.xsa,
                one.request.package,
                f"{one.since.replace(' ', 'T')}:00Z",
                f"{one.request.at:%Y-%m-%dT%H:%M:%SZ}",
                one.hours,
                one.request.number,
                one.request.url,
            )
            for one in view.waits(overview)
        ),
        verifications=tuple(_verification(one) for one in overview.proofs),
    )


def _package(overview: Overview, one: Exposed) -> reported.Package:
    return reported.Package(
        name=one.name,
        file=one.file,
        version=one.version,
        tag=one.tag,
        support=_support(overview, one.branch),
        counts={verdict.value: count for verdict, count in sorted(view.counts(one).items())},
        lacks=tuple(_open(found) for found in view.lacks(overview, one)),
        decided={str(number): reason for number, reason in one.decided},
        decisions=one.decisions,
    )


def _open(found: Lack) -> reported.Lack:
    decision, request = found.decision, found.request
    return reported.Lack(
        decision.xsa,
        "conflict" if decision.verdict is Verdict.CONFLICT else "needs-patch",
        decision.title,
        decision.reason,
        found.since or None,
        found.days,
        None if request is None else request.url,
    )


def _support(overview: Overview, name: str) -> reported.Window | None:
    window = next((branch.window for branch in overview.branches if branch.name == name), None)
    if window is None:
        return None
    return reported.Window(
        name,
        None if window.supported_until is None else window.supported_until.isoformat(),
        None if window.security_until is None else window.security_until.isoformat(),
        window.ended(overview.made.date()),
        window.status,
    )


def _verification(one: Proof) -> reported.Verification:
    evidence, older = one.evidence, one.older
    return reported.Verification(
        package=evidence.package,
        version=evidence.version,
        outcome="rejected" if evidence.failed else "passed" if evidence.complete else "incomplete",
        engine=evidence.engine,
        when=evidence.when,
        of=evidence.of,
        steps={step.step.value: step.result for step in evidence.steps},
        tests=dict(evidence.tests),
        compared=evidence.compared,
        compared_tests={} if older is None else dict(older.tests),
    )


def _verdicts(one: Exposed) -> dict[str, tuple[int, ...]]:
    """The advisories by verdict."""
    found: dict[str, list[int]] = {}
    for decision in one.decisions:
        found.setdefault(decision.verdict.value, []).append(decision.xsa)
    return {verdict: tuple(numbers) for verdict, numbers in sorted(found.items())}


def markdown(overview: Overview) -> str:
    """The packages and what they lack, how long advisories waited, and the verifications; text from outside in code."""
    figures = view.figures(overview)
    told = (
        f"{figures.lacking} of {figures.packages} packages lack fixes or may lack them: {figures.missing} missing,"
        f" {figures.uncertain} uncertain, {figures.patched} patched, of {figures.advisories} advisories."
    )
    lines = [
        "## Xen packages and advisories",
        "",
        told,
        "",
        "| package | Xen | missing | uncertain | patched | open for | security support until |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(overview, one, view.lacks(overview, one)) for one in overview.packages]
    for one in overview.packages:
        found = view.lacks(overview, one)
        if found:
            lines += [
                "",
                f"### {cell(one.name)}",
                "",
                "| XSA | verdict | since | reason |",
                "| --- | --- | --- | --- |",
            ]
            lines += [_lack(lack) for lack in found]
    waits = view.waits(overview)
    if waits:
        lines += ["", "### From publication to pull request", "", "| XSA | package | open for | pull request |",
                  "| --- | --- | --- | --- |"]  # fmt: skip
        lines += [
            f"| {links.xsa(one.xsa)} | {cell(one.request.package)} | {_time(one.hours)} | {_request(one.request)} |"
            for one in waits
        ]
    if overview.proofs:
        lines += ["", "### Verification", "", "| package | Xen | result |", "| --- | --- | --- |"]
        lines += [
            f"| {cell(one.evidence.package)} | {cell(one.evidence.version)} | {view.how(one.evidence)} |"
            for one in overview.proofs
        ]
    return "\n".join(lines) + "\n"


def _row(overview: Overview, one: Exposed, found: tuple[Lack, ...]) -> str:
    missing = sum(lack.decision.verdict is Verdict.NEEDS_PATCH for lack in found)
    days = [lack.days for lack in found if lack.days is not None]
    window = next((branch.window for branch in overview.branches if branch.name == one.branch), None)
    until = window.security_until.isoformat() if window is not None and window.security_until is not None else _NOTHING
    longest = f"{max(days)} d" if days else _NOTHING
    patched = view.counts(one)[Verdict.ALREADY_PATCHED]
    return (
        f"| {cell(one.name)} | {cell(one.version)} | {missing} | {len(found) - missing} | {patched} | {longest} |"
        f" {until} |"
    )


def _lack(lack: Lack) -> str:
    decision, request = lack.decision, "" if lack.request is None else f", pull request {_request(lack.request)}"
    since = f"{lack.since} ({lack.days} d)" if lack.days is not None else "not known"
    reason = cell(clipped(decision.reason, _LONGEST))
    return f"| {links.xsa(decision.xsa)} | {decision.verdict.value} | {since}{request} | {reason} |"


def _request(request: Request) -> str:
    return links.reference(request.url)


def _time(hours: float) -> str:
    return f"{hours:.0f} h" if hours < _DAY_HOURS else f"{hours / 24:.0f} d"
