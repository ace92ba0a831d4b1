"""From a plan and its edit to one pull request: found again when it is there, opened when it is not.

The head branch is the pull request's identity: one for each package and branch of Xen. A person's act wins: a branch
that is not ours is not pushed to, and a pull request that was closed for this release with these patches is not opened
again.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal, UsageError
from xenbump.locks import locked
from xenbump.publish import message as words
from xenbump.publish.branch import Checkout
from xenbump.publish.github import GitHub, PullRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.journal import Run
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Plan
    from xenbump.publish.message import Message

# A push and a few requests; whoever waits longer than this waits for a run that hangs.
_LOCK_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Publication:
    """A pull request that stands, and what was done to it: `opened`, `updated` or `unchanged`."""

    message: Message
    branch: str
    commit: str
    pull: PullRequest
    action: str


class Publisher:
    """Publishes edits of a package file and of those around it, which it shows as the base branch has them.

    Args:
        config: the configuration; `github.repository` must be set before something is published.
        path: the package file in the working tree.
        run: where steps and publications are written.
        progress: told in a sentence what is being done.

    Raises:
        UsageError: the file is in no checkout, the remote or the base branch is not clear.
    """

    def __init__(self, config: Config, path: Path, run: Run, progress: Callable[[str], None]) -> None:
        self._config = config
        self._run = run
        self._progress = progress
        self.checkout = Checkout(path)
        self.name = self.checkout.name_of(path)
        settings = config.github
        self.remote = self.checkout.remote(settings.remote, (settings.fork, settings.repository))
        # The base is the repository's own branch, also where the branch goes to a fork.
        upstream = self.checkout.remote_of(settings.repository) or self.remote
        self.base = self.checkout.base(upstream, settings.base)

    def content(self) -> bytes:
        """The package file as the base branch has it.

        Raises:
            UsageError: E-FILE-MISSING when it has none.
        """
        found = self.checkout.read(self.base, self.name)
        if found is None:
            raise UsageError(
                "E-FILE-MISSING", f"the base branch {self._config.github.base} has no such file", where=self.name
            )
        return found

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder, as the base branch has it; None where it has none."""
        path = self._inside(name)
        return None if path is None else self.checkout.read(self.base, path)

    def names(self, folder: str) -> tuple[str, ...]:
        """What the base branch has in a folder that is named from the package file's, sorted; nothing without one."""
        path = self._inside(folder)
        return () if path is None else self.checkout.names(self.base, path)

    def _inside(self, name: str) -> str | None:
        """A path from the root of the checkout; None for one that lies outside."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), name))
        return None if path == ".." or path.startswith("../") else path

    def refuse_changes(self, edits: tuple[Edit, ...]) -> None:
        """Refuse a checkout with changes that are not committed, other than just these edits.

        Raises:
            Refusal: E-DIRTY.
        """
        self.checkout.refuse_changes(self._contents(edits))

    def _contents(self, edits: tuple[Edit, ...]) -> dict[str, bytes | None]:
        """The new contents of the files, by path from the root of the checkout."""
        return {self.checkout.name_of(self._config.folder / edit.file): edit.after for edit in edits}

    def publish(self, plan: Plan, edits: tuple[Edit, ...], message: Message) -> Publication:
        """Commit, push, and open or update the pull request.

        Raises:
            UsageError: E-CONFIG without a repository, E-TOKEN-MISSING, E-TOKEN-REJECTED and other matters of rights.
            Refusal: E-BRANCH-FOREIGN, E-PULL-CLOSED: a person was there.
            Failure: git or GitHub did not do as asked.
        """
        settings = self._config.github
        if not settings.repository:
            raise UsageError(
                "E-CONFIG", "github.repository is not set, so there is nowhere to open a pull request",
                where=str(self._config.path),
            )  # fmt: skip
        branch = words.head_branch(plan)
        owner = (settings.fork or settings.repository).partition("/")[0]
        github = GitHub(self._config.github_url, self._config.token, settings.repository)
        with locked(self._config.state / "publish.lock", seconds=_LOCK_SECONDS, progress=self._progress):
            try:
                # GitHub is asked first: with a token that it rejects, nothing must be pushed.
                pull = self._standing(github.find(f"{owner}:{branch}"), message)
                commit = self._push(edits, message, branch)
                done = self._settle(github, pull, plan, message, f"{owner}:{branch}")
            finally:
                github.close()
            publication = Publication(done[0], branch, commit, done[1], done[2])
            self._run.published(
                plan.subject.name, branch=branch, title=message.title, commit=commit, number=done[1].number,
                url=done[1].url, action=done[2],
            )  # fmt: skip
        return publication

    def _standing(self, found: tuple[PullRequest, ...], message: Message) -> PullRequest | None:
        """The open pull request of the branch; one that was closed for the same target stops the work."""
        for pull in found:
            if pull.state == "open":
                return pull
        for pull in found:
            # Two sets of patches may have one title; it counts only where there is no marker to go by.
            nameless = words.read_marker(pull.body) is None and pull.title == message.title
            if nameless or words.same_target(pull.body, message):
                done, remedy = "closed without being merged", ""
                if pull.merged:
                    done = f"merged, and {self._config.github.base} as last fetched does not have it"
                    remedy = "fetch it; if it was taken back there, bump the file by hand"
                raise Refusal(
                    "E-PULL-CLOSED",
                    f"pull request {pull.number} for the same change was {done}",
                    where=pull.url,
                    remedy=remedy,
                )
        return None

    def _push(self, edits: tuple[Edit, ...], message: Message, branch: str) -> str:
        checkout, token = self.checkout, self._config.token
        self._progress(f"committing to {branch}")
        commit = checkout.commit(self.base, self._contents(edits), message.commit)
        tip = checkout.remote_tip(self.remote, branch, token)
        if tip is not None:
            if not checkout.made_by_us(self.remote, branch, tip, token):
                raise Refusal(
                    "E-BRANCH-FOREIGN",
                    f"the branch {branch} ends in a commit ({tip[:12]}) that is not ours; it is left alone",
                    where=self.remote,
                )
            if checkout.same_work(commit, tip):
                return tip
        self._progress(f"pushing {branch} to {self.remote}")
        checkout.push(self.remote, branch, commit, tip, token)
        return commit

    def _settle(
        self, github: GitHub, pull: PullRequest | None, plan: Plan, message: Message, head: str
    ) -> tuple[Message, PullRequest, str]:
        """Open or update the pull request, and set its labels; what cannot be set is written into the body."""
        settings = self._config.github
        action = "unchanged"
        if pull is None:
            self._progress(f"opening the pull request in {settings.repository}")
            pull = github.open(
                title=message.title, body=message.body, head=head, base=settings.base, draft=settings.draft
            )
            action = "opened"
        # GitHub takes no account of case in a label's name.
        there = {label.casefold() for label in pull.labels}
        labels = (*settings.labels.always, *(settings.labels.security if plan.closes else ()))
        wanted = tuple(label for label in dict.fromkeys(labels) if label.casefold() not in there)
        refused: tuple[str, ...] = ()
        if wanted:
            with_labels = words.write(plan, operator=settings.operator, refused_labels=wanted)
            # A body that already asks for them says that they were refused before.
            asked = words.says_the_same(pull.body, with_labels)
            refused = wanted if asked else github.add_labels(pull.number, wanted)
            taken = tuple(label for label in wanted if label not in refused)
            if taken:
                pull = replace(pull, labels=(*pull.labels, *taken))
                action = "opened" if action == "opened" else "updated"
            for label in refused:
                self._progress(f"the label {label!r} could not be set; the body asks for it")
        final = words.write(plan, operator=settings.operator, refused_labels=refused)
        # Title and body are written anew when they would say something else: what a person added since is left alone.
        if not words.says_the_same(pull.body, final):
            found = pull.labels
            pull = replace(github.update(pull.number, title=final.title, body=final.body), labels=found)
            action = "opened" if action == "opened" else "updated"
        return final, pull, action
