"""From a plan and its edits to one pull request: what is decided in `lifecycle` is carried out here.

The head branch is the pull request's identity: one for each package, branch of Xen and base branch. Every step is one
that the next run finds done or does anew, so a run may end between any two.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from xenbump.errors import UsageError
from xenbump.locks import locked, of_checkout
from xenbump.publish import clone, summary
from xenbump.publish import message as writing
from xenbump.publish.access import Access
from xenbump.publish.by_api import ApiPlace
from xenbump.publish.by_git import GitPlace
from xenbump.publish.carrying import Publication, Steps
from xenbump.publish.github import GitHub
from xenbump.publish.lifecycle import Action, decide
from xenbump.publish.looking import Look, Wanted
from xenbump.publish.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Plan
    from xenbump.publish.looking import Words
    from xenbump.publish.place import Place
    from xenbump.settings import GitHub as Settings
    from xenbump.verify.evidence import Evidence

__all__ = ["Publication", "Publisher"]

# A push and a few requests; whoever waits longer than this waits for a run that hangs.
_LOCK_SECONDS = 900.0


class Publisher:
    """Publishes edits of a package file and of those around it, which it shows as the base branch has them.

    Args:
        config: the configuration; `github.repository` must be set before something is published.
        path: the package file in the working tree.
        run: where steps and publications are written.
        progress: told in a sentence what is being done.
        base: the branch that the pull request is for; empty: the configured one.

    Raises:
        UsageError: the file is in no checkout, the remote or the base branch is not clear.
    """

    def __init__(
        self, config: Config, path: Path, run: Run, progress: Callable[[str], None], *, base: str = ""
    ) -> None:
        self._config = config
        self._run = run
        self._progress = progress
        self._base = base or config.github.base
        self._access: Access | None = None
        self._client: GitHub | None = None
        self.place: Place = self._placed(path)

    def _placed(self, path: Path) -> Place:
        """Where the change is committed, as the configuration has it."""
        config, settings = self._config, self._config.github
        package = next((one for one in config.packages if config.file_of(one) == path), None)
        if settings.write == "checkout" or package is None:
            return GitPlace(config, path, base_branch=self._base, token=self._token)
        if settings.write == "clone":
            root = clone.managed(config, package, self._progress, base_branch=self._base)
            remotes = ("fork" if settings.fork else "origin", "origin")
            return GitPlace(
                config, root / package.file, base_branch=self._base, root=root, remotes=remotes, token=self._token
            )
        return ApiPlace(config, self._github(), package, base_branch=self._base, progress=self._progress)

    def _token(self) -> str:
        # A fork has an installation of an App of its own; a token is the same everywhere.
        return self._authorised().write(self._config.github.fork)

    def _authorised(self) -> Access:
        """What authorises the requests, made when it is first needed: a dry run in a checkout needs none."""
        if self._access is None:
            self._access = Access.of(self._config)
        return self._access

    def _github(self) -> GitHub:
        if self._client is None:
            self._client = GitHub(
                self._config.github_url, self._authorised(), self._configured().repository, self._progress
            )
        return self._client

    def _configured(self) -> Settings:
        """The table `github`, which must name a repository."""
        settings = self._config.github
        if not settings.repository:
            raise UsageError(
                "E-CONFIG", "github.repository is not set, so there is nowhere to open a pull request",
                where=str(self._config.path),
            )  # fmt: skip
        return settings

    def close(self) -> None:
        """End connections and helper processes."""
        self.place.close()
        if self._client is not None:
            self._client.disconnect()

    @property
    def base(self) -> str:
        """The commit that the pull request starts from."""
        return self.place.base

    def content(self) -> bytes:
        """The package file as the base branch has it.

        Raises:
            UsageError: E-FILE-MISSING when it has none.
        """
        return self.place.content()

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder, as the base branch has it; None where it has none."""
        return self.place.read(name)

    def names(self, folder: str) -> tuple[str, ...]:
        """What the base branch has in a folder that is named from the package file's, sorted; nothing without one."""
        return self.place.names(folder)

    def refuse_changes(self, edits: tuple[Edit, ...]) -> None:
        """Refuse a checkout with changes that are not committed, other than just these edits.

        Raises:
            Refusal: E-DIRTY.
        """
        self.place.refuse_changes(edits)

    def write_out(self, folder: Path, edits: tuple[Edit, ...]) -> str:
        """Write all files of the base branch, with the edits, into an empty folder.

        Returns:
            A name for what was written; empty where the place has not all files at hand.
        """
        return self.place.write_out(folder, edits)

    def picked(self, plan: Plan) -> str:
        """The commit on the usual base branch that makes the change of a plan there; empty where none is found."""
        settings = self._configured()
        pulls = self._github().find(f"{_owner(settings)}:{writing.head_branch(plan)}")
        for pull in pulls:
            target = (writing.read_marker(pull.body) or {}).get("target", "")
            if pull.merged and target == summary.key(plan):
                return self.place.picked(pull)
        return ""

    def wants_proof(
        self, plan: Plan, edits: tuple[Edit, ...], words: Words, under: str, *, again: bool = False
    ) -> bool:
        """Whether evidence would change anything: not where a person must decide, is at work, or has it in the body.

        Args:
            plan: as for `publish`, like `edits`, `words` and `again`.
            edits: the files before and after.
            words: writes the message.
            under: the digest of the conditions under which it would come about.
            again: also where a person closed the pull request for the same change.

        Raises:
            UsageError, Failure: as `publish`; better before an hour's build than after it.
        """
        settings = self._configured()
        wanted = self._wanted(plan, edits, words, None, again=again)
        look = Look(wanted, self._github(), self.place, settings, Memory(self._run, settings.repository))
        found = look.find()
        if decide(found.situation).action in {Action.REFUSED, Action.HANDS_OFF, Action.DEFERRED}:
            return False
        stands = found.pull is not None and writing.same_target(found.pull.body, found.message)
        return not (stands and found.pull is not None and writing.proof(found.pull.body) == under)

    def _wanted(
        self, plan: Plan, edits: tuple[Edit, ...], words: Words, evidence: Evidence | None, *, again: bool
    ) -> Wanted:
        settings = self._configured()
        backport = writing.Backport(self._base) if self._base != settings.base else None
        branch = writing.head_branch(plan, backport)
        return Wanted(plan, edits, words, branch, _owner(settings), self._base, evidence, again)

    def publish(
        self,
        plan: Plan,
        edits: tuple[Edit, ...],
        words: Words,
        *,
        evidence: Evidence | None = None,
        again: bool = False,
    ) -> Publication:
        """Look, decide, and do what is left to do.

        Args:
            plan: what changes.
            edits: the files before and after.
            words: writes the message: called with the labels that could not be set, and the addresses of other pull
                requests to look at, with spaces between them.
            evidence: what was verified of the change; None: nothing.
            again: also where a person closed the pull request for the same change.

        Raises:
            UsageError: E-CONFIG without a repository, E-TOKEN-MISSING, E-TOKEN-REJECTED and other matters of rights.
            Refusal: E-BRANCH-FOREIGN, E-PULL-CLOSED, E-PULL-NEWER, E-BRANCH-MOVED: a person must decide.
            Failure: git or GitHub did not do as asked.
        """
        settings = self._configured()
        wanted = self._wanted(plan, edits, words, evidence, again=again)
        steps = Steps(wanted, self._github(), self.place, settings, Memory(self._run, settings.repository))
        with contextlib.ExitStack() as stack:
            locks = [*self._of_checkout(), self._config.state / "publish.lock"]
            held = [stack.enter_context(locked(path, seconds=_LOCK_SECONDS, progress=self._progress)) for path in locks]
            self.place.hold(held[-1])
            publication = steps.done(self._progress, prove=bool(self._config.lookup_token))
            self._run.published(
                plan.subject.name, branch=publication.branch, title=publication.message.title,
                commit=publication.commit, number=publication.pull.number, url=publication.pull.url,
                action=publication.action,
            )  # fmt: skip
        return publication

    def _of_checkout(self) -> list[Path]:
        """The lock of the checkout, where it is a person's: another run may edit and commit there."""
        if self._config.github.write != "checkout" or not isinstance(self.place, GitPlace):
            return []
        checkout = self.place.checkout
        return [of_checkout(checkout.git_folder, checkout.root, self._config.state)]


def _owner(settings: Settings) -> str:
    """Whose repository the head branch is in."""
    return (settings.fork or settings.repository).partition("/")[0]
