"""`track = "candidate"`: the newest release candidate of Xen is tried, and an issue tells what came out.

No file is read or written for it, and no branch: a candidate is nothing to package. One issue for each candidate is
opened, and found again by its marker; so a run that knows nothing of those before does nothing twice.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xenbump.errors import Failure, Refusal, UsageError
from xenbump.locks import locked
from xenbump.outcomes import Tried
from xenbump.progress import StepsAhead, emit, step
from xenbump.trying import announced, candidates
from xenbump.trying.model import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.outcomes import Outcome
    from xenbump.pipeline import Wish
    from xenbump.publish.issues import Issue, Issues
    from xenbump.settings import Package
    from xenbump.trying.candidates import Candidate
    from xenbump.trying.model import Verdict
    from xenbump.trying.report import Told
    from xenbump.trying.setting import Setting
    from xenbump.upstream.model import VerifiedRelease
    from xenbump.xen import Xen

_TRIED: Final = "candidate-tried"
_LOCK_SECONDS: Final = 900.0
# An issue on a candidate is opened after the candidate was signed, by whatever clock; one that was signed anew under
# its old name keeps its issue.
_BEFORE_SECONDS: Final = 30 * 86400


@dataclass(frozen=True, slots=True)
class Candidates:
    """The work on packages that follow candidates, for one run.

    Attributes:
        config: the configuration.
        run: where it is noted what was tried.
        progress: told in a sentence what is being done.
        xen: what upstream has.
        tried: what tries a revision; None: `trying.verdict.tried`.
    """

    config: Config
    run: Run
    progress: Callable[[str], None]
    xen: Xen
    tried: Callable[[Trial, Setting, Callable[[str], None]], Verdict] | None = None

    def check(self, package: Package) -> Tried:
        """Which candidate is the newest, its signature judged, and whether it was tried, as far as the journal knows.

        Raises:
            Refusal: its tag is not signed as releases are (E-TAG-UNSIGNED, E-SIGNATURE-BAD and others).
            Failure: upstream could not be asked.
        """
        emit(self.progress, StepsAhead(package.name, ("candidates", "signature")))
        found = self._newest(package)
        if found is None:
            return Tried(package.name, package.file)
        candidate, verified = found
        return _tested(package, verified, result=self.run.recall(_TRIED, self._key(package, candidate)) or "")

    def publish(self, package: Package, *, again: bool = False) -> Tried:
        """Try the newest candidate where there is no issue on it yet, and open or update that.

        Args:
            package: that follows candidates.
            again: try it anew, and write the issue anew, where there is one; one that is closed stays closed.

        Raises:
            Refusal: the signature is not good; what `verdict.tried` and GitHub refuse.
            UsageError: no repository is configured, no token, or it has not the rights.
            Failure: E-TRY-MACHINE where this machine cannot try it; what may be tried again otherwise.
        """
        emit(self.progress, StepsAhead(package.name, ("candidates", "signature", "issue", "trial", "publish")))
        found = self._newest(package)
        if found is None:
            return Tried(package.name, package.file)
        candidate, verified = found
        with contextlib.ExitStack() as stack:
            issues = self._issues()
            stack.callback(issues.disconnect)
            return self._published(package, candidate, verified, issues, again=again)

    def work(self, package: Package, instead: Callable[[Candidates], Outcome] | None) -> Callable[[], Outcome]:
        """What the pipeline does for a package that follows candidates, in the place of its own work.

        Args:
            package: the package.
            instead: that; None: it is refused.
        """

        def done() -> Outcome:
            if instead is None:
                raise refused(package)
            return instead(self)

        return done

    def wished(self, package: Package, wish: Wish) -> Tried:
        """What is done where a publication is asked for: `run` tries it, a dry run looks, `pr` has nothing to open.

        Raises:
            Refusal: E-TRACK-CANDIDATE; as `check` and `publish`, like other errors.
        """
        if wish.dry_run:
            return self.check(package)
        if not wish.prove:
            raise refused(package)
        return self.publish(package, again=wish.again)

    def _published(
        self, package: Package, candidate: Candidate, verified: VerifiedRelease, issues: Issues, *, again: bool
    ) -> Tried:
        which, since = announced.which(package.name, candidate), verified.signed_at - _BEFORE_SECONDS
        with step(self.progress, package.name, "issue"):
            issue = issues.marked(which, since)
        done = "" if issue is None else announced.is_done(issue.facts, candidate)
        if issue is not None and done and not again:
            self._note(package, candidate, done)
            return _tested(package, verified, result=done, action="unchanged", issue=issue)
        with step(self.progress, package.name, "trial"):
            told = self._told(candidate, verified, again=again)
        facts = announced.facts(package.name, candidate, told)
        with step(self.progress, package.name, "publish"):
            action, issue = self._written(issues, which, since, facts, told)
        self._note(package, candidate, facts["result"])
        return _tested(package, verified, result=facts["result"], action=action, issue=issue, told=told)

    def _newest(self, package: Package) -> tuple[Candidate, VerifiedRelease] | None:
        with step(self.progress, package.name, "candidates"):
            candidate = candidates.newest(self.xen.listing().refs)
        if candidate is None:
            self.run.checked(package.name, "")
            return None
        with step(self.progress, package.name, "signature"):
            verified = self.xen.verified(package.name, candidate.as_release)
        self.run.checked(package.name, candidate.tag)
        return candidate, verified

    def _issues(self) -> Issues:
        from xenbump.publish.access import Access  # noqa: PLC0415 - what talks to GitHub is slow to import
        from xenbump.publish.issues import Issues  # noqa: PLC0415

        config = self.config
        if not config.github.repository:
            raise UsageError(
                "E-CONFIG", "github.repository is not set, so there is nowhere to open an issue",
                where=str(config.path),
            )  # fmt: skip
        return Issues(config.github_url, Access.of(config), config.github.repository, self.progress)

    def _told(self, candidate: Candidate, verified: VerifiedRelease, *, again: bool) -> Told:
        """Try a candidate: just the commit whose tag was verified, whatever its name stands for meanwhile."""
        from xenbump.trying import configured, reporting, signed  # noqa: PLC0415 - what only a trial needs
        from xenbump.trying.verdict import of_this_machine  # noqa: PLC0415

        setting = configured.setting(self.config, again=again)
        verdict = self._verdict(candidate, verified, setting)
        failed = verdict.failed
        if failed is not None and of_this_machine(failed):
            raise Failure(
                "E-TRY-MACHINE",
                f"{candidate.tag} could not be built on this machine: {failed.reason}",
                where=failed.log or candidate.tag,
                remedy="install what is missing; the next run tries it again",
            )
        if verdict.failed is None and not verdict.passed:
            raise Failure("E-TRY-MACHINE", "nothing of it could be tried", where=candidate.tag)
        verdict = replace(verdict, rev=candidate.tag)
        repeat = ("xenbump", "try", candidate.tag, "--report", "--again")
        told = reporting.told(verdict, setting, self.xen.trust, repeat)
        # Judged before it was built; the copy that was built from may have an older tag of the same name.
        told = replace(told, signed=signed.good(candidate.tag, verified.signed_by, verified.signed_at))
        _, paths = reporting.written(told, setting, "", datetime.now(UTC))
        self.progress(f"{candidate.tag}: the report is {paths[0]}")
        return told

    def _verdict(self, candidate: Candidate, verified: VerifiedRelease, setting: Setting) -> Verdict:
        """Try a candidate; a boot that fails is tried once more before all the world is told so."""
        from xenbump.trying.judging import BOOTED  # noqa: PLC0415 - what only a trial needs
        from xenbump.trying.verdict import tried as usual  # noqa: PLC0415

        tried, trial = self.tried or usual, Trial(verified.commit)
        verdict = tried(trial, setting, self.progress)
        failed = verdict.failed
        if failed is None or failed.phase not in BOOTED:
            return verdict
        self.progress(f"{candidate.tag}: {failed.phase.value} failed; it is tried once more, as that may be chance")
        second = tried(trial, replace(setting, again=True), self.progress)
        if second.failed is not None:
            return second
        said = f"in the second of two tries; the first failed: {failed.reason}"
        phases = (replace(one, reason=said) if one.phase is failed.phase else one for one in second.phases)
        return replace(second, phases=tuple(phases))

    def _written(
        self, issues: Issues, which: dict[str, str], since: int, facts: dict[str, str], told: Told
    ) -> tuple[str, Issue]:
        """Open the issue, or write our part of it anew; another run may have done so while this one tried."""
        from xenbump.publish import issues as room  # noqa: PLC0415
        from xenbump.publish import marker  # noqa: PLC0415

        title, text = announced.title(told), announced.body(told, self.config.github.operator)
        with locked(self.config.state / "publish.lock", seconds=_LOCK_SECONDS, progress=self.progress):
            issue = issues.marked(which, since)
            if issue is None:
                return room.Act.OPENED, issues.open_issue(title, text, facts, which=which, since=since)
            if marker.edited(issue.body):
                return room.Act.HANDS_OFF, issue
            return room.Act.UPDATED, issues.update_issue(issue, title, text, facts)

    def _note(self, package: Package, candidate: Candidate, result: str) -> None:
        self.run.remember(_TRIED, self._key(package, candidate), result)

    def _key(self, package: Package, candidate: Candidate) -> str:
        return f"{self.config.github.repository} {package.name} {candidate.tag_object}"


def refused(package: Package) -> Refusal:
    """Why a package that follows candidates is not planned, edited, verified or made a pull request of."""
    return Refusal(
        "E-TRACK-CANDIDATE",
        "the package follows release candidates, which are tried and never packaged",
        where=package.name,
        remedy="`xenbump run` tries the newest one; for releases set `track` to a branch",
    )


def _tested(
    package: Package,
    verified: VerifiedRelease,
    *,
    result: str,
    action: str = "",
    issue: Issue | None = None,
    told: Told | None = None,
) -> Tried:
    from xenbump.trying import report  # noqa: PLC0415 - what only a trial needs

    return Tried(
        package=package.name,
        file=package.file,
        tag=verified.tag,
        commit=verified.commit,
        signed_by=verified.signed_by,
        result=result,
        summary="" if told is None else report.summary(told),
        action=action,
        number=0 if issue is None else issue.number,
        url="" if issue is None else issue.url,
        title="" if issue is None else issue.title,
        closed=issue is not None and not issue.open,
    )
