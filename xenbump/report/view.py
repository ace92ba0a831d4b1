"""What a report is made of, as one value, and the figures that all its forms share: page, JSON, Markdown, OpenVEX.

A number that is shown is counted here and nowhere else, so that the forms cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xenbump.plan.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from datetime import date

    from xenbump.plan.model import Decision
    from xenbump.upstream.advisory import ResolutionLine
    from xenbump.upstream.support import Window
    from xenbump.verify.evidence import Evidence

OPEN = frozenset({Verdict.NEEDS_PATCH, Verdict.CONFLICT})
# What was done to a pull request that brought the change there.
_BROUGHT = frozenset({"opened", "updated"})


@dataclass(frozen=True, slots=True)
class Exposed:
    """A package file or a release with a decision on each advisory.

    Attributes:
        name: the configured name of the package, or `xen-X.Y.Z`.
        version: the release, or the commit of a stable branch as the file has it.
        tag: the release's tag, or the commit.
        branch: `X.Y`.
        decisions: one for each advisory, lowest number first.
        attribute: of the package, in its package set; empty for a release.
        file: the package file; empty for a release.
        released: the day on which a release was signed; None for a package.
        decided: the advisories in conflict on which a person has decided, each with the reason.
    """

    name: str
    version: str
    tag: str
    branch: str
    decisions: tuple[Decision, ...]
    attribute: str = ""
    file: str = ""
    released: date | None = None
    decided: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Advisory:
    """An advisory for the report.

    Attributes:
        number: N of XSA-N.
        title: in one line; empty where it has none.
        cves: of the advisory.
        public: as a decision has it, `YYYY-MM-DD HH:MM` (UTC) or empty.
        lines: of its table of patches; empty where no subject made it necessary to read it, or it was refused.
        unread: why the table was refused; else empty.
    """

    number: int
    title: str
    cves: tuple[str, ...]
    public: str
    lines: tuple[ResolutionLine, ...] = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch with its support; `window` is None where nothing is known of it, `note` says why."""

    name: str
    window: Window | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What was done to a pull request, as the journal has it; `closes` are the advisories that it closes."""

    package: str
    number: int
    url: str
    title: str
    action: str
    at: datetime
    closes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A verification of a package, and the one whose results of XTF its own were compared with, where it is at hand."""

    evidence: Evidence
    older: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it, at one time.

    Attributes:
        made: when, with a zone.
        program: the version of xenbump.
        packages: the configured packages, in their order.
        releases: oldest version first.
        advisories: lowest number first.
        branches: of packages and releases, oldest first.
        requests: oldest first.
        proofs: newest first, those of a package together.
    """

    made: datetime
    program: str
    packages: tuple[Exposed, ...]
    releases: tuple[Exposed, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    branches: tuple[Branch, ...] = ()
    requests: tuple[Request, ...] = ()
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """An advisory that is open in a package or release.

    Attributes:
        decision: the one on it.
        since: when it was published, `YYYY-MM-DD`; empty where that is not known.
        days: whole days from then to the time of the report; None where that is not known.
        request: the newest pull request that closes it in this package; None where none does.
    """

    decision: Decision
    since: str
    days: int | None
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an advisory was public before the pull request that closes it in a package was there.

    Attributes:
        xsa: its number.
        request: the first that closes it.
        since: when it was published, `YYYY-MM-DD HH:MM` (UTC).
        hours: from then to the request; 0 where the request was there before.
    """

    xsa: int
    request: Request
    since: str
    hours: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a report.

    Attributes:
        packages: how many there are.
        lacking: how many of them lack a fix or are uncertain.
        missing: advisories whose fix some package lacks and has a patch for (`needs-patch`), each counted once.
        uncertain: advisories that some package has in conflict and nobody decided on, each counted once.
        patched: advisories that some package has a patch for in its list, each counted once.
        advisories: how many are listed with content.
        releases: how many were judged.
    """

    packages: int
    lacking: int
    missing: int
    uncertain: int
    patched: int
    advisories: int
    releases: int


def is_open(decision: Decision, decided: Container[int]) -> bool:
    """Whether an advisory is open: its fix is missing, or it is uncertain; not where a person has decided on it."""
    return decision.verdict in OPEN and decision.xsa not in decided


def lacks(overview: Overview, one: Exposed) -> tuple[Lack, ...]:
    """What is open in a package or release, highest number first; that a person decided on is left out."""
    found = []
    for decision in reversed(one.decisions):
        if is_open(decision, dict(one.decided)):
            public = moment(decision.public)
            days = None if public is None else max((overview.made - public).days, 0)
            found.append(Lack(decision, decision.public[:10], days, _request(overview, one, decision.xsa)))
    return tuple(found)


def _request(overview: Overview, one: Exposed, number: int) -> Request | None:
    fitting = [found for found in overview.requests if found.package == one.name and number in found.closes]
    return fitting[-1] if fitting else None


def unpatched(subjects: Iterable[Exposed]) -> bool:
    """Whether an advisory is open in any of them."""
    return any(is_open(decision, dict(one.decided)) for one in subjects for decision in one.decisions)


def counts(one: Exposed) -> Counter[Verdict]:
    """How many advisories have each verdict."""
    return Counter(decision.verdict for decision in one.decisions)


def figures(overview: Overview) -> Figures:
    """The numbers of a report."""
    packages = overview.packages
    numbers: dict[Verdict, set[int]] = {verdict: set() for verdict in Verdict}
    for one in packages:
        for decision in one.decisions:
            if decision.verdict not in OPEN or is_open(decision, dict(one.decided)):
                numbers[decision.verdict].add(decision.xsa)
    return Figures(
        packages=len(packages),
        lacking=sum(unpatched([one]) for one in packages),
        missing=len(numbers[Verdict.NEEDS_PATCH]),
        uncertain=len(numbers[Verdict.CONFLICT]),
        patched=len(numbers[Verdict.ALREADY_PATCHED]),
        advisories=sum(bool(one.title) for one in overview.advisories),
        releases=len(overview.releases),
    )


def waits(overview: Overview) -> tuple[Wait, ...]:
    """How long each advisory was open before the first pull request that closes it, newest request first."""
    public = {one.number: one.public for one in overview.advisories}
    found: dict[tuple[str, int], Wait] = {}
    for request in overview.requests:
        if request.action not in _BROUGHT:
            continue
        for number in request.closes:
            since = moment(public.get(number, ""))
            if since is not None and (request.package, number) not in found:
                hours = max((request.at - since).total_seconds() / 3600, 0.0)
                found[request.package, number] = Wait(number, request, public[number], round(hours, 1))
    return tuple(sorted(found.values(), key=lambda one: (one.request.at, one.xsa), reverse=True))


def moment(text: str) -> datetime | None:
    """The time that a decision's `public` stands for; None for an empty one."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def how(evidence: Evidence) -> str:
    """How a verification ended, in a word or two."""
    return "failed" if evidence.failed else "passed" if evidence.complete else "not complete"
