"""How the work on one package can end: each way is a type of its own, so that none can be taken for another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import XenbumpError  # noqa: TC001 - part of the public type

if TYPE_CHECKING:
    from datetime import date

    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Decision, Plan, Subject
    from xenbump.publish.github import PullRequest
    from xenbump.publish.message import Message
    from xenbump.upstream.model import VerifiedRelease
    from xenbump.upstream.support import Window
    from xenbump.verify.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Support:
    """How long the branch that a file packages is supported.

    Attributes:
        branch: `X.Y`.
        window: what the Xen Project says of it.
        today: the day that counts, in UTC.
    """

    branch: str
    window: Window
    today: date

    @property
    def ended(self) -> bool:
        """Whether security support has ended; the last day is one of it."""
        return self.window.ended(self.today)


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The file packages what it should.

    `decisions` are those of a plan that had nothing to change; `support` is there after a check, where it is known.
    """

    subject: Subject
    decisions: tuple[Decision, ...] = ()
    support: Support | None = None


@dataclass(frozen=True, slots=True)
class NewerRelease:
    """There is a newer release, and its signature is good.

    `decisions` are those on advisories that are open in the file; `support` is there where it is known.
    """

    subject: Subject
    release: VerifiedRelease
    decisions: tuple[Decision, ...] = ()
    support: Support | None = None


@dataclass(frozen=True, slots=True)
class NeedsPatches:
    """There is no newer release, and the file as it is leaves advisories open.

    `decisions` are those on them; `support` is there where it is known.
    """

    subject: Subject
    decisions: tuple[Decision, ...]
    support: Support | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """The change is planned and computed; nothing is written.

    Attributes:
        plan: what changes.
        edits: the files before and after, the package file first.
        message: what a publication would say; None where none was asked for.
    """

    plan: Plan
    edits: tuple[Edit, ...]
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The files are edited in place; `commit` is empty when that was not committed."""

    plan: Plan
    edits: tuple[Edit, ...]
    commit: str


@dataclass(frozen=True, slots=True)
class Published:
    """There is a pull request for the change.

    Attributes:
        plan, edits, message: the change, and what is said of it.
        branch: the head branch.
        commit: what the branch is at.
        pull: the pull request; for `deferred` another one's.
        action: `opened`, `updated`, `unchanged`, `hands-off` (a person is at work there) or `deferred` (there is
            another one's pull request for the same change).
        evidence: what was verified; None: nothing.
        reason: why nothing was done, for the last two.
        notes: what else was done, or could not be, in sentences.
    """

    plan: Plan
    edits: tuple[Edit, ...]
    message: Message
    branch: str
    commit: str
    pull: PullRequest
    action: str
    evidence: Evidence | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The change was planned and failed its verification: no pull request is opened or changed for it."""

    plan: Plan
    edits: tuple[Edit, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Tried:
    """The package follows release candidates: which one is the newest, and what came of trying it.

    Attributes:
        package, file: as configured.
        tag: of the candidate; empty: there is none, and so nothing to do.
        commit, signed_by: of that tag, whose signature is good.
        result: `passed` or `failed`; empty: it was not tried yet.
        summary: what came out, in a sentence, where it was tried now.
        action: what was done to the issue on it: `opened`, `updated`, `unchanged` or `hands-off` (a person changed what
            it says); empty: nothing was to be done.
        number, url, title: of the issue; 0 and empty where none was looked for.
        closed: whether a person closed the issue.
        warnings: of the run as a whole.
    """

    package: str
    file: str
    tag: str = ""
    commit: str = ""
    signed_by: str = ""
    result: str = ""
    summary: str = ""
    action: str = ""
    number: int = 0
    url: str = ""
    title: str = ""
    closed: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether there is a candidate that was not tried yet."""
        return bool(self.tag) and not self.result

    @property
    def failed_now(self) -> bool:
        """Whether it was tried in this run, and failed."""
        return self.result == "failed" and self.action != "unchanged"


@dataclass(frozen=True, slots=True)
class Stopped:
    """An error stopped the work on this package; `error` says which, and its class whether a person must decide."""

    package: str
    file: str
    error: XenbumpError


@dataclass(frozen=True, slots=True)
class SourceHash:
    """The hash of a revision or a patch; `signed_by` is None for what no pinned key has signed.

    `rev` is the revision, or the patch's name; `commit` is None for a patch.
    """

    rev: str
    commit: str | None
    fetcher: str
    hash: str
    signed_by: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The package as it stands was verified; whether it passed is in the evidence."""

    subject: Subject
    evidence: Evidence


# How the work on a file ends, and that on candidates, which are no file.
Packaged = UpToDate | NewerRelease | NeedsPatches | Planned | Written | Published | Rejected | Verified | Stopped
Outcome = Packaged | Tried


def warned(outcome: Outcome, warnings: tuple[str, ...]) -> Outcome:
    """An outcome with warnings of the run as a whole, which a log is to have; a pull request has none of them."""
    if not warnings:
        return outcome
    match outcome:
        case Tried():
            return replace(outcome, warnings=(*outcome.warnings, *warnings))
        case UpToDate() | NewerRelease() | NeedsPatches() | Verified():
            return replace(outcome, subject=replace(outcome.subject, warnings=(*outcome.subject.warnings, *warnings)))
        case Planned() | Written() | Published() | Rejected():
            return replace(outcome, plan=replace(outcome.plan, warnings=(*outcome.plan.warnings, *warnings)))
    outcome.error.what += f" (and {'; '.join(warnings)})"
    return outcome
