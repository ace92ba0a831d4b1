"""The place of a publication that is a checkout: the commit is made beside it with git, and pushed to its remote."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from xenbump.errors import UsageError
from xenbump.publish.branch import Checkout
from xenbump.publish.place import Tip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.package.rewrite import Edit
    from xenbump.publish.github import PullRequest
    from xenbump.settings import GitHub as Settings


class GitPlace:
    """A checkout that holds the package file; see `place.Place` for what its methods do.

    Args:
        config: the configuration.
        path: the package file in the checkout.
        base_branch: the branch that the pull request is for; empty: the configured one.
        root: the root of a checkout that is not the user's, where files are named from the root; None: the user's,
            where they are named from the folder of the configuration.
        remotes: the names of the remotes to push to and to take the base from; None: by their addresses.
        token: gives what authorises git at the remote; None: the configured token.

    Raises:
        UsageError: E-NOT-CHECKOUT, E-REMOTE, E-BASE: the file is in no checkout, the remote or the base is not clear.
    """

    def __init__(
        self,
        config: Config,
        path: Path,
        *,
        base_branch: str = "",
        root: Path | None = None,
        remotes: tuple[str, str] | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        settings = config.github
        self._folder = root or config.folder
        self._token = token or (lambda: config.token)
        self.base_branch = base_branch or settings.base
        self.checkout = Checkout(root or path)
        self.name = self.checkout.name_of(path)
        # The base is the repository's own branch, also where the branch goes to a fork.
        self.remote, self.upstream = remotes or self._remotes(settings)
        self.base = self.checkout.base(self.upstream, self.base_branch)

    def _remotes(self, settings: Settings) -> tuple[str, str]:
        remote = self.checkout.remote(settings.remote, (settings.fork, settings.repository))
        return remote, self.checkout.remote_of(settings.repository) or remote

    def close(self) -> None:
        """End git's helper processes."""
        self.checkout.close()

    def hold(self, lock: int) -> None:
        """Let a push hold an open file, too: it may go on when this process was killed."""
        self.checkout.keep(lock)

    def content(self) -> bytes:
        """The package file as the base has it."""
        found = self.checkout.read(self.base, self.name)
        if found is None:
            raise UsageError("E-FILE-MISSING", f"the base branch {self.base_branch} has no such file", where=self.name)
        return found

    def read(self, name: str) -> bytes | None:
        """A file beside the package file."""
        path = self._inside(name)
        return None if path is None else self.checkout.read(self.base, path)

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder beside the package file."""
        path = self._inside(folder)
        return () if path is None else self.checkout.names(self.base, path)

    def _inside(self, name: str) -> str | None:
        """A path from the root of the checkout; None for one that lies outside."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), name))
        return None if path == ".." or path.startswith("../") else path

    def refuse_changes(self, edits: tuple[Edit, ...]) -> None:
        """Refuse changes that are not committed, other than just these edits."""
        self.checkout.refuse_changes({self._path(edit): edit.after for edit in edits})

    def _path(self, edit: Edit) -> str:
        """The path of an edit's file from the root of the checkout."""
        return self.checkout.name_of(self._folder / edit.file)

    def write_out(self, folder: Path, edits: tuple[Edit, ...]) -> str:
        """Write all files as they are to be into an empty folder; gives a name for them.

        In a partial checkout the files that are not here are fetched for it.
        """
        tree = self.checkout.tree(self.base, {self._path(edit): edit.after for edit in edits})
        self.checkout.write_out(tree, folder)
        return f"{self.base[:12]} with the change"

    def commit(self, edits: tuple[Edit, ...], text: str) -> str:
        """Write the commit into the checkout's objects; no ref names it."""
        return self.checkout.commit(self.base, {self._path(edit): edit.after for edit in edits}, text)

    def tip(self, branch: str) -> Tip | None:
        """The commit that the remote's branch ends in, fetched where it is not here."""
        checkout, token = self.checkout, self._token()
        tip = checkout.remote_tip(self.remote, branch, token)
        if tip is None:
            return None
        checkout.bring(self.remote, branch, tip, token)
        facts = checkout.facts(tip)
        ours = checkout.ours_alone(
            tip, self.base, lambda since: checkout.newest(self.upstream, self.base_branch, since, token)
        )
        return Tip(tip, facts.parents[0] if facts.parents else "", ours, facts.text)

    def same_work(self, commit: str, tip: Tip) -> bool:
        """Whether tree, parent and message are the same."""
        return self.checkout.same_work(commit, tip.commit)

    def fits(self, edits: tuple[Edit, ...], tip: Tip) -> bool:
        """Whether the edits are just what lies between the tip and its parent, as far as their files go."""
        read = self.checkout.read
        return bool(tip.parent) and all(
            read(tip.commit, path) == edit.after and read(tip.parent, path) == edit.before
            for edit in edits
            for path in (self._path(edit),)
        )

    def push(self, branch: str, commit: str, expected: str | None) -> None:
        """Push to the remote's branch with a lease."""
        self.checkout.push(self.remote, branch, commit, expected, self._token())

    def picked(self, pull: PullRequest) -> str:
        """The head commit of what was merged as it was, else the one commit that it was squashed or rebased into."""
        if not pull.merged or not pull.merge_commit:
            return ""
        parents = self.checkout.parents(self.upstream, pull.merge_commit, self._token())
        if len(parents) > 1:
            return pull.head_sha if pull.head_sha in parents else ""
        return pull.merge_commit if parents else ""
