"""How the work on one package can end: each way is a type of its own, so that none can be taken for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import XenbumpError  # noqa: TC001 - part of the public type

if TYPE_CHECKING:
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Decision, Plan, Subject
    from xenbump.publish.github import PullRequest
    from xenbump.publish.message import Message
    from xenbump.upstream.model import VerifiedRelease


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The file packages what it should; `decisions` are those of a plan that had nothing to change."""

    subject: Subject
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class NewerRelease:
    """There is a newer release, and its signature is good; `decisions`: on advisories that are open in the file."""

    subject: Subject
    release: VerifiedRelease
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsPatches:
    """There is no newer release, and the file as it is leaves advisories open; `decisions` are those on them."""

    subject: Subject
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """The change is planned and computed; nothing is written.

    Attributes:
        plan: what changes.
        edit: the file before and after.
        message: what a publication would say; None where none was asked for.
    """

    plan: Plan
    edit: Edit
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The file is edited in place; `commit` is empty when it was not committed."""

    plan: Plan
    edit: Edit
    commit: str


@dataclass(frozen=True, slots=True)
class Published:
    """There is a pull request for the change; `action` is `opened`, `updated` or `unchanged`."""

    plan: Plan
    edit: Edit
    message: Message
    branch: str
    commit: str
    pull: PullRequest
    action: str


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


Outcome = UpToDate | NewerRelease | NeedsPatches | Planned | Written | Published | Stopped
