"""check → plan → edit → publish, in order and journalled. The only file that knows all stages.

Each step's input, output and time goes into the journal; a run that was stopped goes on from its last finished step
when it is started again. An error stops the work on one package, not on the others, and is that package's outcome.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from xenbump.errors import XenbumpError
from xenbump.outcomes import (
    NeedsPatches,
    NewerRelease,
    Outcome,
    Planned,
    Published,
    SourceHash,
    Stopped,
    UpToDate,
    Written,
)
from xenbump.package import files, rewrite
from xenbump.plan import plan as planning
from xenbump.plan import target
from xenbump.plan.model import Plan, Subject
from xenbump.planner import Planner
from xenbump.publish import message
from xenbump.upstream import release
from xenbump.upstream.repository import Repository
from xenbump.xen import Xen, trust_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.config import Config, Package
    from xenbump.journal import Run
    from xenbump.publish.branch import Checkout
    from xenbump.publish.message import Message
    from xenbump.upstream.release import Release


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
        """Whether there is a newer release for a package, its signature judged; and the advisories open in the file."""

        def work() -> Outcome:
            subject = self._read(package, files.read(self._config.file_of(package)))
            chosen = self._choose(subject, package)
            # Judged first: what is signed badly is refused before more is asked for.
            verified = None if chosen is None else self._xen.verified(package.name, chosen)
            still_open = self._planner.open_advisories(package, subject)
            if verified is not None:
                return NewerRelease(subject, verified, still_open)
            return NeedsPatches(subject, still_open) if still_open else UpToDate(subject)

        return self._settled(package, work)

    def plan(self, package: Package, to: str = "", *, security_only: bool = False) -> Outcome:
        """Plan the change to a package's file in the working tree, and compute the edit; nothing is written."""

        def work() -> Outcome:
            path = self._config.file_of(package)
            content = files.read(path)
            return self._planned(package, content, to, local=lambda name: _beside(path, name), only=security_only)

        return self._settled(package, work)

    def bump(self, package: Package, to: str, *, commit: bool, security_only: bool = False) -> Outcome:
        """Plan, and edit the file in place; commit it to the current branch if asked to."""

        def work() -> Outcome:
            path = self._config.file_of(package)
            content = files.read(path)
            outcome = self._planned(package, content, to, local=lambda name: _beside(path, name), only=security_only)
            if not isinstance(outcome, Planned):
                return outcome
            files.refuse_read_only(path)
            checkout = _checkout_of(path, needed=commit)
            if checkout is not None:
                name = checkout.name_of(path)
                checkout.refuse_changes({}, only=None if commit else name)
                if commit:
                    checkout.refuse_nameless()
            self._run.step(package.name, "write", _digests(outcome), bool, lambda: _write(path, outcome), again=False)
            made = ""
            if commit and checkout is not None:
                made = checkout.commit_in_place((name,), self._message(outcome.plan).commit)
                self._progress(f"committed {made[:12]} in {checkout.root}")
            return Written(outcome.plan, outcome.edit, made)

        return self._settled(package, work)

    def publish(self, package: Package, to: str, *, dry_run: bool, security_only: bool = False) -> Outcome:
        """Plan from the base branch's file, and open or update the pull request; `dry_run` stops before that."""

        def work() -> Outcome:
            from xenbump.publish.publisher import Publisher  # noqa: PLC0415 - GitPython and PyGithub are slow to import

            path = self._config.file_of(package)
            files.read(path)  # a missing file is said before anything about git
            publisher = Publisher(self._config, path, self._run, self._progress)
            outcome = self._planned(package, publisher.content(), to, local=publisher.beside, only=security_only)
            if not isinstance(outcome, Planned):
                return outcome
            publisher.checkout.refuse_changes({publisher.name: outcome.edit.after})
            words = self._message(outcome.plan)
            if dry_run:
                return Planned(outcome.plan, outcome.edit, words)
            result = publisher.publish(outcome.plan, outcome.edit, words)
            return Published(
                outcome.plan, outcome.edit, result.message, result.branch, result.commit, result.pull, result.action
            )

        return self._settled(package, work)

    def _read(self, package: Package, content: bytes) -> Subject:
        given = (hashlib.sha256(content).hexdigest(), package.name, package.file, package.attribute)
        return self._run.step(
            package.name,
            "read",
            given,
            Subject,
            lambda: rewrite.read(
                content, name=package.name, file=package.file, attribute=package.attribute or package.name
            ),
        )

    def _choose(self, subject: Subject, package: Package) -> Release | None:
        chosen = target.choose(subject, self._xen.listing(), track=package.track)
        self._run.checked(package.name, subject.version if chosen is None else chosen.version)
        return chosen

    def _planned(
        self, package: Package, content: bytes, to: str, *, local: Callable[[str], bytes | None], only: bool
    ) -> UpToDate | Planned:
        subject = self._read(package, content)
        plan = self._run.step(
            package.name,
            "plan",
            (subject, package, to, only),
            Plan,
            lambda: self._planner.plan(package, subject, local=local, to=to, security_only=only),
            again=False,  # advisories and local patches may be others each time; what is costly is remembered below
        )
        self._run.checked(package.name, plan.target.version)
        if planning.is_idle(plan):
            return UpToDate(subject, plan.decisions)
        edit = rewrite.write(content, plan)
        if not files.nix_parses(edit):
            self._progress("Nix is not at hand to parse the edited file; it was read again by xenbump alone")
        return Planned(plan, edit)

    def _message(self, plan: Plan) -> Message:
        return message.write(plan, operator=self._config.github.operator)

    def _settled(self, package: Package, work: Callable[[], Outcome]) -> Outcome:
        try:
            return work()
        except XenbumpError as error:
            return Stopped(package.name, package.file, error)


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


def _checkout_of(path: Path, *, needed: bool) -> Checkout | None:
    """The checkout that has the file; None where it is in none and none is needed."""
    from xenbump.publish.branch import Checkout  # noqa: PLC0415 - GitPython is slow to import

    try:
        return Checkout(path)
    except XenbumpError:
        if needed:
            raise
        return None


def _digests(planned: Planned) -> tuple[str, str, str]:
    """The edit, for the journal: the file and the SHA-256 of its content before and after."""
    before, after = (hashlib.sha256(content).hexdigest() for content in (planned.edit.before, planned.edit.after))
    return planned.edit.file, before, after


def _write(path: Path, planned: Planned) -> bool:
    files.write(path, planned.edit)
    return True


def _beside(path: Path, name: str) -> bytes | None:
    """The content of a file that is named from the folder of another one; None where there is none."""
    try:
        return files.read(path.parent / name)
    except XenbumpError:
        return None
