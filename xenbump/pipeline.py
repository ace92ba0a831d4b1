"""check → plan → edit → publish, in order and journalled. The only file that knows all stages.

Each step's input, output and time goes into the journal; a run that was stopped goes on from its last finished step
when it is started again. An error stops the work on one package, not on the others, and is that package's outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.contents import Seen, digest
from xenbump.editing import WorkingTree
from xenbump.errors import Failure, XenbumpError
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
    UpToDate,
    Verified,
    Written,
    warned,
)
from xenbump.package import files, rewrite
from xenbump.plan import plan as planning
from xenbump.plan import target
from xenbump.plan.model import Plan, Subject
from xenbump.planner import Planner
from xenbump.progress import StepsAhead, emit, step
from xenbump.settings import CANDIDATE
from xenbump.upstream import release
from xenbump.upstream.repository import Repository
from xenbump.upstream.store import healed
from xenbump.xen import Xen, trust_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from xenbump.candidate import Candidates
    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.package.model import Beside
    from xenbump.proof import Prover
    from xenbump.publish.looking import Words
    from xenbump.publish.message import Backport, Message
    from xenbump.publish.publisher import Publisher
    from xenbump.settings import Package
    from xenbump.upstream.release import Release
    from xenbump.verify.evidence import Evidence, Step


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a publication.

    Attributes:
        to: the version; empty: what the package follows.
        security_only: stay on the version.
        dry_run: stop before anything leaves the machine.
        prove: verify what has no evidence yet.
        again: also where a person closed the pull request for the same change.
        backport: the branch that it is for instead of the configured base; empty: none.
    """

    to: str = ""
    security_only: bool = False
    dry_run: bool = False
    prove: bool = False
    again: bool = False
    backport: str = ""


class Pipeline:
    """The stages, for one run.

    Args:
        config: the configuration.
        run: where the steps are written.
        progress: told in a sentence what is being done.
    """

    def __init__(self, config: Config, run: Run, progress: Callable[[str], None]) -> None:
        self._config = config
        self._run = run
        self._progress = progress
        self._xen = Xen(config, run, progress)
        self._planner = Planner(self._xen, run, progress)

    def close(self) -> None:
        """Close the connections."""
        self._xen.close()

    def check(self, package: Package) -> Outcome:
        """What is new for a package: a newer release, its signature judged; open advisories; how long it is supported.

        How long is told where it can be had; that it cannot is a warning.
        """

        def work() -> Outcome:
            emit(self._progress, StepsAhead(package.name, ("releases", "signature", "advisories", "support")))
            with self._step(package, "releases"):
                path = self._config.file_of(package)
                self._place(package).tell()
                subject = self._read(package, files.read(path), self._around(path))
                chosen = self._choose(subject, package)
            # Judged first: what is signed badly is refused before more is asked for.
            verified = None
            if chosen is not None:
                with self._step(package, "signature"):
                    verified = self._xen.verified(package.name, chosen)
            with self._step(package, "advisories"):
                still_open = self._planner.open_advisories(package, subject)
            branch = release.branch_of(subject.version)
            with self._step(package, "support"):
                window, warning = self._xen.window(branch)
            support = None if window is None else Support(branch, window, self._xen.today)
            if warning:
                subject = replace(subject, warnings=(*subject.warnings, warning))
            if verified is not None:
                return NewerRelease(subject, verified, still_open, support)
            if still_open:
                return NeedsPatches(subject, still_open, support)
            return UpToDate(subject, support=support)

        return self._settled(package, work, lambda followed: followed.check(package))

    def plan(self, package: Package, to: str = "", *, security_only: bool = False) -> Outcome:
        """Plan the change to a package's file in the working tree, and compute the edit; nothing is written."""

        def work() -> Outcome:
            path = self._config.file_of(package)
            self._place(package).tell()
            content = files.read(path)
            return self._planned(package, content, to, beside=self._around(path), only=security_only)

        return self._settled(package, work)

    def bump(self, package: Package, to: str, *, commit: bool, security_only: bool = False) -> Outcome:
        """Plan, and edit the file in place; commit it to the current branch if asked to."""

        def work() -> Outcome:
            path, place = self._config.file_of(package), self._place(package)
            with place.alone(needed=commit) as checkout:
                content = files.read(path)
                outcome = self._planned(package, content, to, beside=self._around(path), only=security_only)
                if not isinstance(outcome, Planned):
                    return outcome
                plan, edits = outcome.plan, outcome.edits

                def words() -> str:
                    return self._message(plan).commit

                def noted(write: Callable[[], bool]) -> bool:
                    return self._run.step(package.name, "write", _digests(outcome), bool, write, again=False)

                made = place.write(edits, checkout, words if commit else None, noted)
            return Written(plan, edits, made)

        return self._settled(package, work)

    def publish(self, package: Package, wish: Wish) -> Outcome:
        """Plan from the base branch's file, prove the change, and open or update the pull request."""

        def work() -> Outcome:
            from xenbump.publish.publisher import Publisher  # noqa: PLC0415 - GitPython and PyGithub are slow to import

            path = self._config.file_of(package)
            if self._config.github.write == "checkout":
                self._place(package).settle(dry=wish.dry_run)
                files.read(path)  # a missing file is said before anything about git
            base = wish.backport if wish.backport != self._config.github.base else ""
            publisher = Publisher(self._config, path, self._run, self._progress, base=base)
            with contextlib.closing(publisher):
                return self._published(package, wish, publisher)

        return self._settled(package, work, lambda followed: followed.wished(package, wish))

    def _published(self, package: Package, wish: Wish, publisher: Publisher) -> Outcome:
        seen, prover = Seen(publisher), self._prover()
        proving = prover.steps if wish.prove and not wish.dry_run else ()
        last = () if wish.dry_run else ("publish",)
        ahead = ("base branch", "plan", "edit", *(one.value for one in proving), *last)
        emit(self._progress, StepsAhead(package.name, ahead))
        with self._step(package, "base branch"):
            content = publisher.content()
        outcome = self._planned(package, content, wish.to, beside=seen, only=wish.security_only)
        if not isinstance(outcome, Planned):
            return outcome
        plan, edits = outcome.plan, outcome.edits
        publisher.refuse_changes(edits)
        evidence = prover.at_hand(package, edits, seen)
        backport = self._backport(wish, plan, publisher)
        if proving:
            evidence = prover.standing(package, edits, seen)
            unproved = self._words(plan, None, backport)
            if evidence is None and publisher.wants_proof(plan, edits, unproved, prover.under, again=wish.again):
                evidence = prover.change(package, plan, edits, seen, lambda folder: publisher.write_out(folder, edits))
        words = self._words(plan, evidence, backport)
        if wish.dry_run:
            return Planned(plan, edits, words((), ""))
        if wish.prove and evidence is not None and evidence.failed:
            return Rejected(plan, edits, evidence)
        with self._step(package, "publish"):
            done = publisher.publish(plan, edits, words, evidence=evidence, again=wish.again)
        return Published(
            plan, edits, done.message, done.branch, done.commit, done.pull, done.action, evidence, done.reason,
            done.notes,
        )  # fmt: skip

    def _backport(self, wish: Wish, plan: Plan, publisher: Publisher) -> Backport | None:
        """What a backport repeats; None where it is none."""
        if not wish.backport or wish.backport == self._config.github.base:
            return None
        from xenbump.publish import message  # noqa: PLC0415 - what only a change needs

        # A dry run may have no token, and GitHub says nothing without one.
        picked = "" if wish.dry_run and not self._config.token and self._config.app is None else publisher.picked(plan)
        return message.Backport(wish.backport, picked)

    def verify(self, package: Package, only: tuple[Step, ...] = ()) -> Outcome:
        """Verify a package as it stands in the working tree: the steps of the configuration, or only some."""

        def work() -> Outcome:
            path = self._config.file_of(package)
            self._place(package).tell()
            seen = Seen(self._around(path))
            subject = self._read(package, files.read(path), seen)
            prover = self._prover()
            hashes = {}
            if not only or "build" in only:
                with self._step(package, "source"):
                    hashes = self._computed(package, subject)
            return Verified(subject, prover.tree(package, subject, seen, only, hashes))

        return self._settled(package, work)

    def _place(self, package: Package) -> WorkingTree:
        return WorkingTree(self._config, package, self._progress)

    def _prover(self) -> Prover:
        from xenbump.proof import Prover  # noqa: PLC0415 - what only verifying and publishing need

        return Prover(self._config, self._run, self._progress)

    def _computed(self, package: Package, subject: Subject) -> dict[str, str]:
        """The hash of the source as it is computed here, for a build that finds another one; nothing where it fails."""
        try:
            own = target.own(subject, self._xen.listing())
            if own is None:
                return {}
            source = self._xen.source(package.name, self._xen.released(package.name, own), subject.fetcher)
        except (XenbumpError, ValueError) as error:
            self._progress(f"the hash of the source could not be computed for comparison: {error}")
            return {}
        return {"the source of Xen": source.hash}

    def _step(self, package: Package, name: str) -> AbstractContextManager[None]:
        """A step that people see: what is told of while it lasts is a part of it."""
        return step(self._progress, package.name, name)

    def _around(self, path: Path) -> files.Around:
        return files.Around(path, self._config.folder)

    def _read(self, package: Package, content: bytes, beside: Beside) -> Subject:
        attribute = package.attribute or package.name
        return self._run.step(
            package.name,
            "read",
            (hashlib.sha256(content).hexdigest(), package.name, package.file, package.attribute),
            Subject,
            lambda: rewrite.read(content, name=package.name, file=package.file, attribute=attribute, beside=beside),
            again=False,  # the files around it count too, and which they are is known when they have been read
        )

    def _choose(self, subject: Subject, package: Package) -> Release | None:
        chosen = target.choose(subject, self._xen.listing(), track=package.track)
        self._run.checked(package.name, subject.version if chosen is None else chosen.version)
        return chosen

    def _planned(self, package: Package, content: bytes, to: str, *, beside: Beside, only: bool) -> UpToDate | Planned:
        with self._step(package, "plan"):
            subject = self._read(package, content, beside)
            plan = self._run.step(
                package.name,
                "plan",
                (subject, package, to, only),
                Plan,
                lambda: self._planner.plan(package, subject, beside=beside, to=to, security_only=only),
                again=False,  # advisories and local patches may be others each time; what is costly is remembered below
            )
        self._run.checked(package.name, plan.target.version)
        if planning.is_idle(plan):
            return UpToDate(subject, plan.decisions)
        with self._step(package, "edit"):
            edits = rewrite.write(content, plan, beside)
            parsed = [files.nix_parses(edit) for edit in edits]
        if not all(parsed):
            self._progress("Nix is not at hand to parse the edited file; it was read again by xenbump alone")
        told = tuple(warning for edit in edits for warning in edit.warnings)
        return Planned(replace(plan, warnings=(*plan.warnings, *told)) if told else plan, edits)

    def _message(self, plan: Plan) -> Message:
        from xenbump.publish import message  # noqa: PLC0415

        return message.write(plan, operator=self._config.github.operator)

    def _words(self, plan: Plan, evidence: Evidence | None, backport: Backport | None) -> Words:
        """What writes the message once it is known which labels are refused and what else is to be looked at."""
        from xenbump.publish import message  # noqa: PLC0415

        def write(refused_labels: tuple[str, ...], see_also: str) -> Message:
            settings = self._config.github
            return message.write(
                plan,
                operator=settings.operator,
                refused_labels=refused_labels,
                evidence=evidence,
                backport=backport,
                repository=settings.repository,
                see_also=see_also,
            )

        return write

    def _settled(
        self, package: Package, work: Callable[[], Outcome], instead: Callable[[Candidates], Outcome] | None = None
    ) -> Outcome:
        """The outcome of some work; for a package that follows candidates, of what is done `instead`, if anything."""
        if package.track == CANDIDATE:
            from xenbump import candidate  # noqa: PLC0415 - what only such a package needs

            followed = candidate.Candidates(self._config, self._run, self._progress, self._xen)
            work = followed.work(package, instead)
        try:
            outcome = self._mended(work)
        except XenbumpError as error:
            outcome = Stopped(package.name, package.file, error)
        return warned(outcome, self._run.warnings)

    def _mended(self, work: Callable[[], Outcome]) -> Outcome:
        """The outcome; tried once more where a cache turned out to be damaged, which is thrown away then."""
        try:
            return work()
        except Failure as error:
            if not healed(error, self._config.state / "git", self._progress):
                raise
        return work()


@contextlib.contextmanager
def opened(config: Config, run: Run, progress: Callable[[str], None]) -> Iterator[Pipeline]:
    """The stages, for the time of a `with` block."""
    with contextlib.closing(Pipeline(config, run, progress)) as found:
        yield found


def hash_of(config: Config, rev: str, fetcher: str, progress: Callable[[str], None]) -> SourceHash:
    """The hash that a fetcher will want for any revision of Xen.

    Args:
        config: where Xen is published, whose signature counts, and where the cache lies.
        rev: a release tag, which is verified; another tag or `stable-X.Y`; or a commit in 40 hexadecimal digits.
        fetcher: `fetchFromGitHub` or `fetchgit`.
        progress: told in a sentence what is being done.

    Raises:
        Refusal: E-REV-UNKNOWN when the repository has no such revision; the release's signature is not good.
    """
    repository = Repository(config.upstream.addresses(config.folder), config.state / "git", progress)
    listing = repository.listing()
    if release.version_of(rev) is not None:
        chosen = release.named(listing.releases, rev.removeprefix("RELEASE-"), where=listing.source)
        verified = repository.verify(chosen, trust_of(config), listing.source)
        commit, ref, signed_by = verified.commit, f"refs/tags/{rev}", verified.signed_by
    else:
        commit, ref = listing.find(rev)
        signed_by = None
    digest = repository.source_hash(commit, ref, listing.source, fetcher)
    return SourceHash(rev, commit, fetcher, digest, signed_by, listing.source)


def _digests(planned: Planned) -> list[tuple[str, str, str]]:
    """The edits, for the journal: each file and the SHA-256 of its content before and after, empty without any."""
    return [(edit.file, digest(edit.before), digest(edit.after)) for edit in planned.edits]
