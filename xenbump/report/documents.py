"""From outcomes to the JSON documents that scripts build on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump.errors import Refusal, XenbumpError
from xenbump.outcomes import (
    NeedsPatches,
    NewerRelease,
    Outcome,
    Planned,
    Published,
    Rejected,
    SourceHash,
    Stopped,
    Support,
    Tried,
    UpToDate,
    Verified,
    Written,
)
from xenbump.plan.model import Verdict
from xenbump.publish import summary
from xenbump.report.values import (
    AddedPatch,
    CandidateEntry,
    ChangedPin,
    Check,
    CheckEntry,
    DroppedPatch,
    Error,
    From,
    Hash,
    IssueEntry,
    KeptPatch,
    Patches,
    PlanDocument,
    PlanEntry,
    PullRequestEntry,
    RetiredBranch,
    Run,
    RunEntry,
    Source,
    StepEntry,
    SupportEntry,
    To,
    VerifyDocument,
    VerifyEntry,
)
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Decision, PatchChange, Subject
    from xenbump.verify.evidence import Evidence

# What a check points out; the rest is for a plan.
_OPEN = frozenset({Verdict.NEEDS_PATCH, Verdict.CONFLICT})


def encode(document: msgspec.Struct) -> str:
    """A document as JSON, indented, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode("utf-8") + "\n"


def hashed(found: SourceHash) -> Hash:
    """The document of a hash."""
    return Hash(
        rev=found.rev,
        commit=found.commit,
        fetcher=found.fetcher,
        hash=found.hash,
        signed_by=found.signed_by,
        source=found.source,
    )


def error(stopped: XenbumpError) -> Error:
    """An error as it stands in a document."""
    return Error(stopped.code, stopped.what, stopped.where, stopped.remedy)


def _stopped(outcome: Stopped) -> Literal["refused", "failed"]:
    return "refused" if isinstance(outcome.error, Refusal) else "failed"


def _from(subject: Subject) -> From:
    tag = release.tag_of(subject.version) if subject.rev is None else None
    return From(version=subject.version, rev=subject.rev, tag=tag)


def _open(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    return tuple(one for one in decisions if one.verdict in _OPEN)


def check(outcomes: list[Outcome]) -> Check:
    """The document of a check."""
    return Check(packages=tuple(_check_entry(outcome) for outcome in outcomes))


def _check_entry(outcome: Outcome) -> CheckEntry:
    match outcome:
        case UpToDate(subject, decisions, support):
            return _checked(subject, "up-to-date", decisions, support)
        case NewerRelease(subject, found, decisions, support):
            to = To(found.version, found.tag, found.commit, found.signed_by, found.source)
            return _checked(subject, "newer-release", decisions, support, to)
        case NeedsPatches(subject, decisions, support):
            return _checked(subject, "needs-patch", decisions, support)
        case Tried():
            word: Literal["new-candidate", "up-to-date"] = "new-candidate" if outcome.is_new else "up-to-date"
            return CheckEntry(
                outcome.package, outcome.file, word, warnings=outcome.warnings, candidate=_candidate(outcome)
            )
        case Stopped(package, file, stopped):
            return CheckEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)


def _candidate(outcome: Tried) -> CandidateEntry | None:
    if not outcome.tag:
        return None
    issue = IssueEntry(outcome.number, outcome.url, outcome.title, closed=outcome.closed) if outcome.number else None
    return CandidateEntry(
        outcome.tag,
        outcome.commit,
        outcome.signed_by,
        outcome.result or None,  # type: ignore[arg-type]
        outcome.summary,
        outcome.action or None,  # type: ignore[arg-type]
        issue,
    )


def _checked(
    subject: Subject,
    outcome: Literal["up-to-date", "newer-release", "needs-patch"],
    decisions: tuple[Decision, ...],
    support: Support | None,
    to: To | None = None,
) -> CheckEntry:
    return CheckEntry(
        name=subject.name,
        file=subject.file,
        outcome=outcome,
        shape=subject.shape,
        from_=_from(subject),
        to=to,
        warnings=subject.warnings,
        advisories=_open(decisions),
        support=None if support is None else _support(support),
    )


def _support(support: Support) -> SupportEntry:
    window = support.window
    return SupportEntry(
        branch=support.branch,
        supported_until=None if window.supported_until is None else window.supported_until.isoformat(),
        security_until=None if window.security_until is None else window.security_until.isoformat(),
        ended=support.ended,
        status=window.status,
    )


def plan(outcomes: list[Outcome], diffs: dict[str, str] | None = None) -> PlanDocument:
    """The document of a plan or a bump; `diffs` are unified diffs by name of package."""
    return PlanDocument(packages=tuple(_plan_entry(outcome, diffs or {}) for outcome in outcomes))


def _plan_entry(outcome: Outcome, diffs: dict[str, str]) -> PlanEntry:
    match outcome:
        case UpToDate(subject, decisions):
            return PlanEntry(
                name=subject.name,
                file=subject.file,
                outcome="up-to-date",
                shape=subject.shape,
                from_=_from(subject),
                decisions=decisions,
                warnings=subject.warnings,
            )
        case Planned() | Published() | Rejected():
            return _planned(outcome, diffs)
        case Written(commit=commit):
            return msgspec.structs.replace(_planned(outcome, diffs), written=True, commit=commit or None)
        case Stopped(package, file, stopped):
            return PlanEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)


def _planned(outcome: Planned | Written | Published | Rejected, diffs: dict[str, str]) -> PlanEntry:
    made = outcome.plan
    subject, target = made.subject, made.target
    return PlanEntry(
        name=subject.name,
        file=subject.file,
        outcome="planned",
        shape=subject.shape,
        from_=_from(subject),
        to=To(target.version, target.tag, target.commit, target.signed_by, target.source),
        source=Source(subject.fetcher, made.hash),
        patches=_patches(made.patches),
        decisions=made.decisions,
        warnings=made.warnings,
        diff=diffs.get(subject.name),
        closes=made.closes,
        files=tuple(edit.file for edit in outcome.edits),
        pins=tuple(ChangedPin(one.component, one.called, one.rev, one.hash) for one in summary.changed_pins(made)),
        adds=made.adds,
        retired=tuple(RetiredBranch(one.branch, one.until, one.removed) for one in made.retired),
        efi=made.efi,
    )


def _patches(change: PatchChange) -> Patches:
    return Patches(
        keep=tuple(KeptPatch(one.url, one.xsa) for one in change.keep),
        drop=tuple(DroppedPatch(one.patch.url, one.patch.xsa, one.reason) for one in change.drop),
        add=tuple(AddedPatch(one.patch.url, one.patch.xsa, one.patch.hash or "", one.sha256) for one in change.add),
    )


def verify(outcomes: list[Outcome]) -> VerifyDocument:
    """The document of a verification."""
    return VerifyDocument(packages=tuple(_verify_entry(outcome) for outcome in outcomes))


def _verify_entry(outcome: Outcome) -> VerifyEntry:
    match outcome:
        case Verified(subject, evidence):
            return _verification(subject, evidence)
        case Stopped(package, file, stopped):
            return VerifyEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)


def _verification(subject: Subject, evidence: Evidence) -> VerifyEntry:
    whole: Literal["passed", "incomplete"] = "passed" if evidence.complete else "incomplete"
    return VerifyEntry(
        name=subject.name,
        file=subject.file,
        outcome="rejected" if evidence.failed else whole,
        version=evidence.version,
        upstream_version=evidence.upstream_version,
        engine=evidence.engine,
        steps=tuple(
            StepEntry(one.step.value, one.result, one.reason, one.seconds, one.log, one.checks, one.tail)  # type: ignore[arg-type]
            for one in evidence.steps
        ),
        tests=dict(evidence.tests),
        compared=evidence.compared,
        when=evidence.when,
        of=evidence.of,
    )


def run(outcomes: list[Outcome], diffs: dict[str, str] | None = None) -> Run:
    """The document of a run."""
    return Run(packages=tuple(_run_entry(outcome, diffs or {}) for outcome in outcomes))


def _run_entry(outcome: Outcome, diffs: dict[str, str]) -> RunEntry:
    match outcome:
        case UpToDate(subject):
            return RunEntry(subject.name, subject.file, "up-to-date", _plan_entry(outcome, diffs))
        case Planned(made, _, message):
            entry = _plan_entry(outcome, diffs)
            title, body = (message.title, message.body) if message else (None, None)
            return RunEntry(made.subject.name, made.subject.file, "planned", entry, title=title, body=body)
        case Published(made, _, message, branch, commit, pull, action, evidence, reason, notes):
            request = PullRequestEntry(
                pull.number,
                pull.url,
                pull.title,
                branch,
                commit,
                pull.draft,
                action,  # type: ignore[arg-type]
                reason,
                notes,
            )
            return RunEntry(
                made.subject.name,
                made.subject.file,
                "published",
                _plan_entry(outcome, diffs),
                request,
                message.title,
                message.body,
                verification=None if evidence is None else _verification(made.subject, evidence),
            )
        case Tried():
            word: Literal["candidate", "up-to-date"] = "candidate" if outcome.tag else "up-to-date"
            return RunEntry(outcome.package, outcome.file, word, candidate=_candidate(outcome))
        case Rejected(made, _, evidence):
            return RunEntry(
                made.subject.name,
                made.subject.file,
                "rejected",
                _plan_entry(outcome, diffs),
                verification=_verification(made.subject, evidence),
            )
        case Stopped(package, file, stopped):
            return RunEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)
