"""Gathers what a report is made of: an audit of packages and releases, their support, what the journal has of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from xenbump import __version__
from xenbump.advisories import Advisories
from xenbump.plan.model import Verdict
from xenbump.report.view import Advisory, Branch, Exposed, Overview, Proof, Request
from xenbump.upstream import release
from xenbump.verify.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from xenbump.advisories import Audit
    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.settings import Package
    from xenbump.xen import Xen

# There is nothing to be told of an advisory's patches where each subject has one of these.
_SETTLED = frozenset({Verdict.IN_RELEASE, Verdict.UNUSED, Verdict.EMBARGOED})
_MOST_PROOFS = 4  # of a package: one each of its newest versions


class Closing(msgspec.Struct, frozen=True):
    """What a report wants of a plan: the advisories that it closes."""

    closes: tuple[int, ...] = ()


class Gatherer:
    """Gathers, for one run.

    Args:
        config: which packages there are.
        run: the journal that is read, and where the steps of the audit are remembered.
        xen: what upstream has.
    """

    def __init__(self, config: Config, run: Run, xen: Xen) -> None:
        self._run = run
        self._xen = xen
        self._audits = Advisories(config, xen)

    def packages(self, wanted: Sequence[Package]) -> tuple[Exposed, ...]:
        """The package files as they stand."""
        return tuple(self._package(one) for one in wanted)

    def versions(self, wanted: Sequence[str]) -> tuple[Exposed, ...]:
        """Releases, without any patches."""
        return tuple(self._release(self._audits.of_version(version)) for version in wanted)

    def whole(self, wanted: Sequence[Package], since: str = "") -> Overview:
        """All that a report shows.

        Args:
            wanted: the packages.
            since: the oldest branch whose releases are judged, `X.Y`; empty: the oldest that a package is of.

        Raises:
            XenbumpError: something could not be had, or must not be believed.
        """
        packages = self.packages(wanted)
        oldest = since or min((one.branch for one in packages), key=release.order, default="")
        releases = tuple(self._release(one) for one in self._audits.since(oldest)) if oldest else ()
        names = sorted({one.branch for one in (*packages, *releases)}, key=release.order)
        return Overview(
            made=datetime.now(UTC).replace(microsecond=0),
            program=__version__,
            packages=packages,
            releases=releases,
            advisories=self.advisories((*packages, *releases)),
            branches=tuple(Branch(name, *self._xen.window(name)) for name in names),
            requests=tuple(sorted((one for name in wanted for one in self._requests(name)), key=lambda one: one.at)),
            proofs=tuple(one for name in wanted for one in self._proofs(name)),
        )

    def of(self, subjects: tuple[Exposed, ...]) -> Overview:
        """What is needed to tell of these subjects alone: they, their advisories and the support of their branches."""
        names = sorted({one.branch for one in subjects}, key=release.order)
        return Overview(
            made=datetime.now(UTC).replace(microsecond=0),
            program=__version__,
            packages=subjects,
            advisories=self.advisories(subjects),
            branches=tuple(Branch(name, *self._xen.window(name)) for name in names),
        )

    def advisories(self, subjects: Iterable[Exposed]) -> tuple[Advisory, ...]:
        """The advisories, lowest number first; with their tables where a subject is not simply fixed."""
        known = {decision.xsa: decision for one in subjects for decision in one.decisions}
        unsettled = {decision.xsa for one in subjects for decision in one.decisions if decision.verdict not in _SETTLED}
        found = []
        for number in sorted(known):
            decision = known[number]
            told = Advisory(number, decision.title, decision.cves, decision.public)
            found.append(self._read(told) if number in unsettled else told)
        return tuple(found)

    def _read(self, told: Advisory) -> Advisory:
        text = self._xen.judge.text(told.number).text
        if text is None:
            return told
        unread = f"{text.code}: {text.what}" if text.code else ""
        return replace(told, lines=text.advisory.lines if text.advisory is not None else (), unread=unread)

    def _package(self, package: Package) -> Exposed:
        audit = self._audits.of_package(package)
        return Exposed(
            audit.name,
            audit.version,
            audit.tag,
            release.branch_of(audit.version),
            audit.decisions,
            attribute=package.attribute or package.name,
            file=package.file,
            decided=tuple((int(number), reason) for number, reason in sorted(package.decided.items())),
        )

    def _release(self, audit: Audit) -> Exposed:
        listing = self._xen.listing()
        signed = self._xen.verified("", release.named(listing.releases, audit.version, where=listing.source)).signed_at
        day = datetime.fromtimestamp(signed, UTC).date()
        branch = release.branch_of(audit.version)
        return Exposed(audit.name, audit.version, audit.tag, branch, audit.decisions, released=day)

    def _requests(self, package: Package) -> Iterator[Request]:
        for one in self._run.publications(package.name, Closing):
            yield Request(
                one.package,
                one.number,
                one.url,
                one.title,
                one.action,
                datetime.fromtimestamp(int(one.at), UTC),
                one.plan.closes if one.plan is not None else (),
            )

    def _proofs(self, package: Package) -> Iterator[Proof]:
        """The newest verification of each version, newest first, with the one that its XTF was compared with."""
        newest: dict[str, Evidence] = {}
        tested: dict[str, Evidence] = {}
        for noted in self._run.proofs(package.name, Evidence):
            newest.setdefault(noted.evidence.version, noted.evidence)
            if noted.evidence.tests:
                tested.setdefault(noted.evidence.version, noted.evidence)
        for evidence in list(newest.values())[:_MOST_PROOFS]:
            yield Proof(evidence, tested.get(evidence.compared))
