"""The types of the JSON documents that scripts build on (`docs/interface.md`); `schemas` makes their schemas."""

from __future__ import annotations

from typing import Literal

import msgspec

from xenbump.dom0.report import CheckResult  # noqa: TC001 - msgspec reads the types at run time
from xenbump.plan.model import Decision  # noqa: TC001


class Value(msgspec.Struct, frozen=True):
    """A part of a document."""


class From(Value, frozen=True):
    """What the file packages now; `rev` is set where it pins a commit, and then there is no `tag`."""

    version: str
    rev: str | None
    tag: str | None


class To(Value, frozen=True):
    """What it is to package: a release, or the tip of a stable branch, which has no tag and nobody has signed."""

    version: str
    tag: str | None
    commit: str
    signed_by: str | None
    source: str


class Source(Value, frozen=True):
    """The fetcher of the source and the hash that it will want, in SRI form."""

    fetcher: str
    hash: str


class KeptPatch(Value, frozen=True):
    """A patch that stays."""

    url: str
    xsa: int | None


class DroppedPatch(Value, frozen=True):
    """A patch that goes, and why."""

    url: str
    xsa: int | None
    reason: str


class AddedPatch(Value, frozen=True):
    """A patch that comes: the hash that its fetcher wants, and the signed SHA-256 of the file in hexadecimal."""

    url: str
    xsa: int | None
    hash: str
    sha256: str


class Patches(Value, frozen=True):
    """What happens to the patches."""

    keep: tuple[KeptPatch, ...] = ()
    drop: tuple[DroppedPatch, ...] = ()
    add: tuple[AddedPatch, ...] = ()


class ChangedPin(Value, frozen=True):
    """Another project's source whose pin changes: `called` is what Xen's tree calls the revision."""

    component: str
    called: str
    rev: str
    hash: str


class RetiredBranch(Value, frozen=True):
    """A branch past its security support, which ended on the day `until`; it is removed, or marked."""

    branch: str
    until: str
    removed: bool


class Error(Value, frozen=True):
    """Why the work on a package stopped."""

    code: str
    what: str
    where: str
    remedy: str


class SupportEntry(Value, frozen=True):
    """How long a branch is supported: the last days, as YYYY-MM-DD; null where none is set.

    `ended` says whether security support has ended; `status` is what the Xen Project says in the place of its last day.
    """

    branch: str
    supported_until: str | None
    security_until: str | None
    ended: bool
    status: str


class IssueEntry(Value, frozen=True):
    """An issue on GitHub; `closed`: a person closed it."""

    number: int
    url: str
    title: str
    closed: bool


class CandidateEntry(Value, frozen=True):
    """A release candidate with a good signature.

    `result` is null where it was not tried yet, `summary` empty where it was not tried now; `action` is what was done
    to the issue on it, and null where nothing was to be done.
    """

    tag: str
    commit: str
    signed_by: str
    result: Literal["passed", "failed"] | None
    summary: str
    action: Literal["opened", "updated", "unchanged", "hands-off"] | None
    issue: IssueEntry | None


class CheckEntry(Value, frozen=True):
    """One package of a check.

    `advisories` are those that are open in the file, or that a person must decide on. `support`, about the branch that
    the file packages, is null where nothing is known; `candidate` is there for a package that follows candidates.
    """

    name: str
    file: str
    outcome: Literal["up-to-date", "newer-release", "needs-patch", "new-candidate", "refused", "failed"]
    shape: str | None = None
    from_: From | None = msgspec.field(default=None, name="from")
    to: To | None = None
    warnings: tuple[str, ...] = ()
    refusal: Error | None = None
    advisories: tuple[Decision, ...] = ()
    support: SupportEntry | None = None
    candidate: CandidateEntry | None = None


class Check(Value, frozen=True, kw_only=True):
    """`xenbump check --json`."""

    schema: Literal["xenbump.check/1"] = "xenbump.check/1"
    packages: tuple[CheckEntry, ...]


class PlanEntry(Value, frozen=True):
    """One package of a plan.

    `closes` are the numbers of the advisories that are open in the file, and then no more; `files` are all that change;
    `adds` is the branch that gets a file of its own; `efi` whether `xen.efi` is switched on or off.
    """

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
    closes: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    pins: tuple[ChangedPin, ...] = ()
    adds: str | None = None
    retired: tuple[RetiredBranch, ...] = ()
    efi: bool | None = None


class PlanDocument(Value, frozen=True, kw_only=True):
    """`xenbump plan --json`, and `bump --json`, which says what it wrote."""

    schema: Literal["xenbump.plan/1"] = "xenbump.plan/1"
    packages: tuple[PlanEntry, ...]


class StepEntry(Value, frozen=True):
    """A step of a verification: its checks, and the file with its log."""

    step: str
    result: Literal["passed", "failed", "skipped"]
    reason: str
    seconds: float
    log: str
    checks: tuple[CheckResult, ...]
    tail: tuple[str, ...]


class VerifyEntry(Value, frozen=True):
    """One package of a verification; `incomplete`: a step was skipped; `rejected`: one failed."""

    name: str
    file: str
    outcome: Literal["passed", "incomplete", "rejected", "refused", "failed"]
    version: str | None = None
    upstream_version: str | None = None
    engine: str = ""
    steps: tuple[StepEntry, ...] = ()
    refusal: Error | None = None
    tests: dict[str, str] = {}
    compared: str = ""
    when: str = ""
    of: str = ""


class VerifyDocument(Value, frozen=True, kw_only=True):
    """`xenbump verify --json`."""

    schema: Literal["xenbump.verify/1"] = "xenbump.verify/1"
    packages: tuple[VerifyEntry, ...]


class PullRequestEntry(Value, frozen=True):
    """A pull request, and what was done to it."""

    number: int
    url: str
    title: str
    branch: str
    commit: str
    draft: bool
    action: Literal["opened", "updated", "unchanged", "hands-off", "deferred"]
    reason: str = ""
    notes: tuple[str, ...] = ()


class RunEntry(Value, frozen=True):
    """One package of a run; `title` and `body` are what a dry run would have published.

    `candidate` is there for a package that follows release candidates, as long as there is one.
    """

    name: str
    file: str
    outcome: Literal["up-to-date", "planned", "published", "rejected", "candidate", "refused", "failed"]
    plan: PlanEntry | None = None
    pull_request: PullRequestEntry | None = None
    title: str | None = None
    body: str | None = None
    refusal: Error | None = None
    verification: VerifyEntry | None = None
    candidate: CandidateEntry | None = None


class Run(Value, frozen=True, kw_only=True):
    """`xenbump run --json` and `pr --json`."""

    schema: Literal["xenbump.run/1"] = "xenbump.run/1"
    packages: tuple[RunEntry, ...]


class Hash(Value, frozen=True, kw_only=True):
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


class Subject(Value, frozen=True):
    """One package, version or tag, with a decision for every advisory that xenbits lists."""

    name: str
    version: str
    tag: str
    decisions: tuple[Decision, ...]


class AuditDocument(Value, frozen=True, kw_only=True):
    """`xenbump audit --json`."""

    schema: Literal["xenbump.audit/1"] = "xenbump.audit/1"
    subjects: tuple[Subject, ...]


class PatchEntry(Value, frozen=True):
    """A patch: its name, its signed SHA-256 in hexadecimal, and the SRI that `fetchurl` wants."""

    name: str
    sha256: str
    hash: str
    prerequisite: bool


class LineEntry(Value, frozen=True):
    """A line of an advisory's table; `tree` is `xen` or another tree's name."""

    pattern: str
    range: str
    tree: str
    patches: tuple[PatchEntry, ...]


class AdvisoryEntry(Value, frozen=True):
    """An advisory. `lines`, `signed_by` and `first_releases` are there when it was asked for by number."""

    xsa: int
    version: int | None
    public: str | None
    title: str | None
    cves: tuple[str, ...]
    embargoed: bool
    lines: tuple[LineEntry, ...] | None = None
    signed_by: str | None = None
    first_releases: dict[str, str | None] | None = None
    unread: str | None = None


class Advisories(Value, frozen=True, kw_only=True):
    """`xenbump xsa --json`."""

    schema: Literal["xenbump.xsa/1"] = "xenbump.xsa/1"
    advisories: tuple[AdvisoryEntry, ...]


class ReleaseEntry(Value, frozen=True):
    """A release whose tag is signed by a pinned key."""

    version: str
    tag: str
    commit: str
    signed_by: str


class Event(Value, frozen=True, kw_only=True):
    """What `xenbump watch` tells: one to each call of the hook, and with `--json` one a line.

    `id` is the same whenever the same event is told; `at` is when it was noticed, `since` when what failed, or works
    again, began to fail. Of the parts below, those are there that it is about. Times are YYYY-MM-DDTHH:MM:SSZ.
    """

    schema: Literal["xenbump.event/1"] = "xenbump.event/1"
    event: Literal["advisory", "announced", "release", "plan", "pull-request", "failure", "recovered"]
    id: str
    at: str
    summary: str
    package: str | None = None
    since: str | None = None
    advisory: AdvisoryEntry | None = None
    release: ReleaseEntry | None = None
    plan: PlanEntry | None = None
    pull_request: PullRequestEntry | None = None
    verification: VerifyEntry | None = None
    error: Error | None = None


class Heartbeat(Value, frozen=True, kw_only=True):
    """`watch.json` in the state folder: how the watch is, written every minute as long as it does not hang.

    `checked` has of each package the last successful check that the journal knows; `failures` counts the looks in a row
    that failed, `troubles` says what does not work, and `hook` why its last call failed. `next_check` is null while the
    upstream is looked at and when the watch has ended. Times are YYYY-MM-DDTHH:MM:SSZ.
    """

    schema: Literal["xenbump.heartbeat/1"] = "xenbump.heartbeat/1"
    pid: int
    time: str
    state: Literal["looking", "waiting", "stopped"]
    next_check: str | None = None
    why: str = ""
    last_check: str | None = None
    last_success: str | None = None
    last_outcome: Literal["nothing", "done", "refused", "rejected", "failed"] | None = None
    failures: int = 0
    checked: dict[str, str | None] = {}
    troubles: tuple[str, ...] = ()
    hook: str = ""
