"""The JSON documents that scripts build on. `docs/interface.md` describes them; `docs/schemas/` is made from them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from xenbump.errors import Refusal, XenbumpError
from xenbump.outcomes import NewerRelease, Outcome, Planned, Published, SourceHash, Stopped, UpToDate, Written
from xenbump.plan.model import Decision, Patch, Plan, Subject  # noqa: TC001 - msgspec reads the types at run time
from xenbump.report import advisories


class _Value(msgspec.Struct, frozen=True):
    """A part of a document."""


class From(_Value, frozen=True):
    """What the file packages now; `rev` is set where it pins a commit."""

    version: str
    rev: str | None
    tag: str | None


class To(_Value, frozen=True):
    """The release that it is to package."""

    version: str
    tag: str
    commit: str
    signed_by: str
    source: str


class Source(_Value, frozen=True):
    """The fetcher of the source and the hash that it will want, in SRI form."""

    fetcher: str
    hash: str


class KeptPatch(_Value, frozen=True):
    """A patch that stays."""

    url: str
    xsa: int | None


class DroppedPatch(_Value, frozen=True):
    """A patch that goes, and why."""

    url: str
    xsa: int | None
    reason: str


class AddedPatch(_Value, frozen=True):
    """A patch that comes: the hash that its fetcher wants, and the signed SHA-256 of the file in hexadecimal."""

    url: str
    xsa: int | None
    hash: str
    sha256: str


class Patches(_Value, frozen=True):
    """What happens to the patches."""

    keep: tuple[KeptPatch, ...] = ()
    drop: tuple[DroppedPatch, ...] = ()
    add: tuple[AddedPatch, ...] = ()


class Error(_Value, frozen=True):
    """Why the work on a package stopped."""

    code: str
    what: str
    where: str
    remedy: str


class CheckEntry(_Value, frozen=True):
    """One package of a check."""

    name: str
    file: str
    outcome: Literal["up-to-date", "newer-release", "refused", "failed"]
    shape: str | None = None
    from_: From | None = msgspec.field(default=None, name="from")
    to: To | None = None
    warnings: tuple[str, ...] = ()
    refusal: Error | None = None


class Check(_Value, frozen=True, kw_only=True):
    """`xenbump check --json`."""

    schema: Literal["xenbump.check/1"] = "xenbump.check/1"
    packages: tuple[CheckEntry, ...]


class PlanEntry(_Value, frozen=True):
    """One package of a plan."""

    name: str
    file: str
    outcome: Literal["up-to-date", "planned", "refused", "failed"]
    shape: str | None = None
    from_: From | None = msgspec.field(default=None, name="from")
    to: To | None = None
    source: Source | None = None
    patches: Patches = Patches()
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: Error | None = None
    written: bool = False
    commit: str | None = None
    diff: str | None = None


class PlanDocument(_Value, frozen=True, kw_only=True):
    """`xenbump plan --json`, and `bump --json`, which says what it wrote."""

    schema: Literal["xenbump.plan/1"] = "xenbump.plan/1"
    packages: tuple[PlanEntry, ...]


class PullRequestEntry(_Value, frozen=True):
    """A pull request, and what was done to it."""

    number: int
    url: str
    title: str
    branch: str
    commit: str
    draft: bool
    action: Literal["opened", "updated", "unchanged"]


class RunEntry(_Value, frozen=True):
    """One package of a run; `title` and `body` are what a dry run would have published."""

    name: str
    file: str
    outcome: Literal["up-to-date", "planned", "published", "refused", "failed"]
    plan: PlanEntry | None = None
    pull_request: PullRequestEntry | None = None
    title: str | None = None
    body: str | None = None
    refusal: Error | None = None


class Run(_Value, frozen=True, kw_only=True):
    """`xenbump run --json` and `pr --json`."""

    schema: Literal["xenbump.run/1"] = "xenbump.run/1"
    packages: tuple[RunEntry, ...]


class Hash(_Value, frozen=True, kw_only=True):
    """`xenbump hash --json`: of a revision, or of a patch, which has no commit.

    `signed_by` is null for what no pinned key has signed.
    """

    schema: Literal["xenbump.hash/1"] = "xenbump.hash/1"
    rev: str
    commit: str | None
    fetcher: str
    hash: str
    signed_by: str | None
    source: str


DOCUMENTS: dict[str, type[msgspec.Struct]] = {
    "check": Check,
    "plan": PlanDocument,
    "run": Run,
    "hash": Hash,
    **advisories.DOCUMENTS,
}


def encode(document: msgspec.Struct) -> str:
    """A document as JSON, indented, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode("utf-8") + "\n"


def schema(name: str) -> str:
    """The JSON schema (2020-12) of a document, as it lies in `docs/schemas/`."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(DOCUMENTS[name])}
    return msgspec.json.format(msgspec.json.encode(_in_order(described)), indent=2).decode("utf-8") + "\n"


def _in_order(part: Any) -> Any:
    """A schema with its alternatives in one order, which msgspec's releases do not share."""
    if isinstance(part, dict):
        ordered = {key: _in_order(value) for key, value in part.items()}
        if "anyOf" in ordered:
            ordered["anyOf"] = sorted(ordered["anyOf"], key=msgspec.json.encode)
        return ordered
    return [_in_order(item) for item in part] if isinstance(part, list) else part


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
    return From(version=subject.version, rev=None, tag=f"RELEASE-{subject.version}")


def check(outcomes: list[Outcome]) -> Check:
    """The document of a check."""
    return Check(packages=tuple(_check_entry(outcome) for outcome in outcomes))


def _check_entry(outcome: Outcome) -> CheckEntry:
    match outcome:
        case UpToDate(subject):
            return CheckEntry(
                subject.name, subject.file, "up-to-date", subject.shape, _from(subject), warnings=subject.warnings
            )
        case NewerRelease(subject, release):
            to = To(release.version, release.tag, release.commit, release.signed_by, release.source)
            return CheckEntry(
                subject.name, subject.file, "newer-release", subject.shape, _from(subject), to, subject.warnings
            )
        case Stopped(package, file, stopped):
            return CheckEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)


def plan(outcomes: list[Outcome], diffs: dict[str, str] | None = None) -> PlanDocument:
    """The document of a plan or a bump; `diffs` are unified diffs by name of package."""
    return PlanDocument(packages=tuple(_plan_entry(outcome, diffs or {}) for outcome in outcomes))


def _plan_entry(outcome: Outcome, diffs: dict[str, str]) -> PlanEntry:
    match outcome:
        case UpToDate(subject):
            return PlanEntry(
                subject.name, subject.file, "up-to-date", subject.shape, _from(subject), warnings=subject.warnings
            )
        case Planned(plan=made):
            return _planned(made, diffs.get(made.subject.name))
        case Written(plan=made, commit=commit):
            entry = _planned(made, diffs.get(made.subject.name))
            return msgspec.structs.replace(entry, written=True, commit=commit or None)
        case Published(plan=made):
            return _planned(made, diffs.get(made.subject.name))
        case Stopped(package, file, stopped):
            return PlanEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)


def _planned(made: Plan, diff: str | None) -> PlanEntry:
    subject, target = made.subject, made.target
    return PlanEntry(
        name=subject.name,
        file=subject.file,
        outcome="planned",
        shape=subject.shape,
        from_=_from(subject),
        to=To(target.version, target.tag, target.commit, target.signed_by, target.source),
        source=Source(subject.fetcher, made.hash),
        patches=Patches(keep=tuple(_kept(patch) for patch in made.patches.keep)),
        decisions=made.decisions,
        warnings=made.warnings,
        diff=diff,
    )


def _kept(patch: Patch) -> KeptPatch:
    return KeptPatch(patch.url, patch.xsa)


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
        case Published(made, _, message, branch, commit, pull, action):
            request = PullRequestEntry(
                pull.number,
                pull.url,
                pull.title,
                branch,
                commit,
                pull.draft,
                action,  # type: ignore[arg-type]
            )
            return RunEntry(
                made.subject.name,
                made.subject.file,
                "published",
                _plan_entry(outcome, diffs),
                request,
                message.title,
                message.body,
            )
        case Stopped(package, file, stopped):
            return RunEntry(package, file, _stopped(outcome), refusal=error(stopped))
    raise TypeError(type(outcome).__name__)
