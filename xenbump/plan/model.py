"""The values of this stage: what a package file says now (`Subject`), and what it is to say (`Plan`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xenbump.upstream.model import VerifiedRelease  # noqa: TC001 - the journal reads the types at run time


class Verdict(StrEnum):
    """What an advisory means for one tree; the names are fixed by `docs/interface.md`."""

    IN_RELEASE = "in-release"
    ALREADY_PATCHED = "already-patched"
    NEEDS_PATCH = "needs-patch"
    OTHER_BRANCH = "other-branch"
    OTHER_TREE = "other-tree"
    EMBARGOED = "embargoed"
    UNUSED = "unused"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that a file lists.

    Attributes:
        url: its address, or its path as the file has it for a local one.
        xsa: the number of the advisory that its name gives; None where it gives none.
        hash: the SRI in the file; None for a local one.
    """

    url: str
    xsa: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One advisory, one tree: the verdict, a sentence for a reviewer, the patches it brings, and what it rests on."""

    xsa: int
    verdict: Verdict
    reason: str
    patches: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchChange:
    """What happens to the patches of a file."""

    keep: tuple[Patch, ...] = ()
    drop: tuple[Patch, ...] = ()
    add: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a package file says, as far as a plan needs it.

    Attributes:
        name: the configured name of the package.
        file: its path from the folder of the configuration.
        attribute: its attribute path in the package set, for titles.
        shape: the key of the file's shape.
        version: the release it packages, `X.Y.Z`.
        fetcher: `fetchFromGitHub` or `fetchgit`.
        hash: the source hash as it stands there.
        patches: the patches it lists.
        warnings: what is odd in the file and does not stop the work.
    """

    name: str
    file: str
    attribute: str
    shape: str
    version: str
    fetcher: str
    hash: str
    patches: tuple[Patch, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """From what a file says to a verified release.

    Attributes:
        subject: the file as it is.
        target: the release it is to package, verified.
        hash: the SRI that the file's fetcher will want.
        patches: what happens to the patches.
        decisions: each advisory that was judged.
        warnings: what a reviewer should know.
    """

    subject: Subject
    target: VerifiedRelease
    hash: str
    patches: PatchChange
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
