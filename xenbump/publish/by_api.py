"""The place of a publication that is GitHub's API alone: no checkout, no git; the same tree and message as by git.

What a run reads is the trees on the way to the package file and the files themselves; what it writes is a blob for each
file, a tree, a commit and, last, the reference, so nothing half-done is ever seen. GitHub makes what GitHub names: each
blob and the tree must have the identifiers that were worked out here before.

Author and committer: of an App they are left to GitHub, which then puts the App there and signs (it does neither for a
commit that names somebody). With a token, they are those that git is configured with, as by `by_git`, so that a branch
stays ours whichever way it is written; where git has no name and address, GitHub puts the token's account there.

A reference has no lease in the REST API. It is read right before it is changed, and changed by force only where what
was read is a tip that `tip` has found to be ours alone; what is pushed between these two requests is lost, as REST
gives no means against it; where the second has to wait for a limit, the first is made again. A new branch is made,
never moved, so there GitHub itself sees to it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.publish import git_identity, github_errors, message, paths
from xenbump.publish.access import Access
from xenbump.publish.git_data import GitData
from xenbump.publish.git_trees import FILE_MODE, Entry, Trees, blob_id
from xenbump.publish.github import GitHub
from xenbump.publish.github_requests import Refused
from xenbump.publish.place import Tip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.package.rewrite import Edit
    from xenbump.publish.git_data import Commit, Person
    from xenbump.publish.github import PullRequest
    from xenbump.settings import Package

# GitHub itself, as the committer of what is made through it.
_WEB_FLOW = ("web-flow", "noreply@github.com")
_UNKNOWN_OBJECT = re.compile(r"does not exist|not found", re.IGNORECASE)

_T = TypeVar("_T")


class ApiPlace:
    """A repository on GitHub, and the fork that branches go to; see `place.Place` for what the methods do.

    Every method can raise what `GitHub`'s methods do.

    Args:
        config: the configuration; its folder is nothing here: a package's file is named from the repository's root.
        github: the repository.
        package: the package.
        base_branch: the branch that the pull request is for; empty: the configured one.
        progress: told in a sentence when the fork's branch is brought up to date.

    Attributes:
        base: the commit that the base branch of the repository, not of the fork, is at.
        base_branch: its name.
        name: the package file, from the root.

    Raises:
        UsageError: E-BASE: the repository has no such branch. E-NOT-CHECKOUT: the file's path leads out of it.
    """

    def __init__(
        self,
        config: Config,
        github: GitHub,
        package: Package,
        *,
        base_branch: str = "",
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        settings = config.github
        self._config = config
        self._progress = progress
        self._github = github
        self._own: GitHub | None = None
        requests = github.requests
        if settings.fork and config.app is not None:
            # The fork has an installation of the App of its own.
            self._own = GitHub(config.github_url, replace(Access.of(config), repository=settings.fork), settings.fork)
            requests = self._own.requests
        self._upstream = GitData(github.requests, settings.repository)
        self._fork = GitData(requests, settings.fork) if settings.fork else None
        self._target = self._fork or self._upstream
        self.base_branch = base_branch or settings.base
        self.name = paths.in_repository(package.file)
        self._commits: dict[str, Commit] = {}
        self._blobs: dict[str, bytes] = {}
        self._ours: set[str] = set()
        self._trees = Trees(self._upstream.tree)
        # What a branch has, the fork knows; the repository may not.
        self._branches = self._trees if self._fork is None else Trees(self._fork.tree)
        found = self._upstream.ref(self.base_branch)
        if found is None:
            self.close()
            raise UsageError(
                "E-BASE", f"the repository has no branch {self.base_branch!r}", where=settings.repository,
                remedy="set [github] base",
            )  # fmt: skip
        self.base = found

    def close(self) -> None:
        """End the connections that are not the caller's."""
        if self._own is not None:
            self._own.disconnect()

    def hold(self, lock: int) -> None:
        """Nothing: no program is started that could go on without us."""
        del lock

    # What the base has.

    def content(self) -> bytes:
        """The package file as the base has it."""
        found = self._file(self.name)
        if found is None:
            raise UsageError("E-FILE-MISSING", f"the base branch {self.base_branch} has no such file", where=self.name)
        return found

    def read(self, name: str) -> bytes | None:
        """A file beside the package file."""
        path = paths.beside(self.name, name)
        return None if path is None else self._file(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder beside the package file."""
        path = paths.beside(self.name, folder)
        entry = self._trees.find(self._base_tree, path) if path is not None else None
        return tuple(sorted(self._trees.entries(entry.oid))) if entry is not None and entry.kind == "tree" else ()

    def refuse_changes(self, edits: tuple[Edit, ...]) -> None:
        """Nothing: there is no working tree."""
        del edits

    def write_out(self, folder: Path, edits: tuple[Edit, ...]) -> str:
        """Nothing, and the empty name: a repository's files are not had through the API."""
        del folder, edits
        return ""

    @cached_property
    def _base_tree(self) -> str:
        return self._upstream.commit(self.base).tree

    def _file(self, path: str) -> bytes | None:
        entry = self._trees.find(self._base_tree, path)
        if entry is None or entry.kind != "blob":
            return None
        if entry.oid not in self._blobs:
            self._blobs[entry.oid] = self._upstream.blob(entry.oid)
        return self._blobs[entry.oid]

    # The commit.

    def commit(self, edits: tuple[Edit, ...], text: str) -> str:
        """Write the commit into the repository that the branch goes to; no reference leads to it.

        A tip that was looked at and is the same work is given back in its place, and nothing is written.

        Raises:
            Refusal: E-FORK-BEHIND when the fork does not know the base and cannot be brought to it without a merge.
        """
        tree, entries = self._base_tree, {}
        for edit in edits:
            path = paths.in_repository(edit.file)
            there = self._trees.find(self._base_tree, path)
            if edit.after is None:
                entry = None
                if there is None:
                    continue
            else:
                mode = there.mode if there is not None and there.kind == "blob" else FILE_MODE
                entry = Entry(mode, "blob", blob_id(edit.after))
            entries[path] = entry
            tree = self._trees.replaced(tree, path, entry)
        for known in self._commits.values():
            if (known.tree, known.parents, known.text) == (tree, (self.base,), text.rstrip("\n")):
                return known.oid
        for edit in edits:
            if edit.after is not None:
                self._target.add_blob(edit.after)
        made = tree
        if entries:
            made = self._written("make the tree", lambda: self._target.add_tree(self._base_tree, entries))
        if made != tree and self._trees.exact:
            raise Failure(
                "E-GITHUB", f"the tree that GitHub made ({made[:12]}) is not the one asked for ({tree[:12]})",
                where=self._target.repository,
            )  # fmt: skip
        commit = self._written(
            "make the commit", lambda: self._target.add_commit(made, self.base, text, self._identity)
        )
        self._commits[commit.oid] = commit
        return commit.oid

    def _written(self, doing: str, write: Callable[[], _T | Refused]) -> _T:
        """Write what names objects of the base, once more where the fork had to be told of these first."""
        done = write()
        if isinstance(done, Refused) and _UNKNOWN_OBJECT.search(done.said) and self._caught_up():
            done = write()
        if isinstance(done, Refused):
            raise self._refused(done, doing)
        return done

    def _caught_up(self) -> bool:
        """Bring the fork's copy of the base branch to where the repository's is; whether it was behind.

        GitHub keeps the objects of a repository and its forks together, so a commit of the one is a parent in the other
        at once, mostly; a fork that was not looked at for long has been seen not to know it. Its base branch is only
        ever moved forward, never merged into.

        Raises:
            Refusal: E-FORK-BEHIND.
        """
        if self._fork is None:
            return False
        owner = self._fork.repository.partition("/")[0]
        compared = self._upstream.compare(self.base_branch, f"{owner}:{self.base_branch}")
        if compared is None or compared.ahead:
            what = "has commits of its own" if compared is not None else "is not there"
            raise Refusal(
                "E-FORK-BEHIND",
                f"the fork does not know the commit {self.base[:12]} of {self._upstream.repository}, and its branch "
                f"{self.base_branch} cannot just be moved to it: it {what}",
                where=self._fork.repository,
            )
        if not compared.behind:
            return False
        self._progress(f"bringing {self.base_branch} of {self._fork.repository} up to date")
        self._fork.sync(self.base_branch)
        return True

    def _refused(self, refused: Refused, doing: str) -> XenbumpError:
        return github_errors.of_status(refused.status, {"message": refused.said}, doing, self._target.repository)

    @cached_property
    def _identity(self) -> dict[str, Person]:
        """Author and committer as git is configured; empty where GitHub is to put the account there."""
        return {} if self._config.app is not None else git_identity.configured(self._config.folder)

    # The branch.

    def tip(self, branch: str) -> Tip | None:
        """The commit that the branch ends in.

        Raises:
            Refusal: E-BRANCH-MOVED when it is changed while it is looked at.
        """
        oid = self._target.ref(branch)
        if oid is None:
            return None
        owner = "" if self._fork is None else self._fork.repository.partition("/")[0] + ":"
        compared = self._upstream.compare(self.base, f"{owner}{branch}")
        commits = compared.commits if compared is not None else ()
        if commits and compared is not None and compared.ahead == len(commits) and commits[-1].oid != oid:
            raise self._moved(branch)
        # It can be in the base already, or have nothing in common with it.
        last = commits[-1] if commits and commits[-1].oid == oid else self._target.listed(oid)
        listed = compared is not None and compared.ahead == len(commits)
        ours = listed and all(self._is_ours(one) for one in (*commits, last))
        if ours:
            self._ours.add(oid)
        self._commits[oid] = last
        return Tip(oid, last.parents[0] if last.parents else "", ours, last.text)

    def _is_ours(self, commit: Commit) -> bool:
        """Whether a commit is ours: it has our trailer, we are its author, and we or GitHub its committer."""
        if not message.is_ours(commit.text) or not self._is_us(commit.author_login, commit.author):
            return False
        by_github = commit.committer_login == _WEB_FLOW[0] or commit.committer == _WEB_FLOW[1]
        return by_github or self._is_us(commit.committer_login, commit.committer)

    def _is_us(self, login: str, email: str) -> bool:
        if email.casefold() in {one.email.casefold() for one in self._identity.values()}:
            return True
        return bool(login) and login.casefold() == self._viewer.casefold()

    @cached_property
    def _viewer(self) -> str:
        return self._github.viewer()

    def same_work(self, commit: str, tip: Tip) -> bool:
        """Whether tree, parents and message are the same."""
        one, other = (self._commit(oid) for oid in (commit, tip.commit))
        return (one.tree, one.parents, one.text) == (other.tree, other.parents, other.text)

    def fits(self, edits: tuple[Edit, ...], tip: Tip) -> bool:
        """Whether the edits are just what lies between the tip and its parent, as far as their files go."""
        if not tip.parent:
            return False
        new = self._commit(tip.commit).tree
        old = self._base_tree if tip.parent == self.base else self._commit(tip.parent).tree
        return all(
            self._has(new, path, edit.after) and self._has(old, path, edit.before)
            for edit in edits
            for path in (paths.in_repository(edit.file),)
        )

    def _has(self, tree: str, path: str, content: bytes | None) -> bool:
        """Whether a tree has this content at a path, or nothing there for None."""
        trees = self._trees if tree == self._base_tree else self._branches
        entry = trees.find(tree, path)
        return entry is None if content is None else entry is not None and entry.oid == blob_id(content)

    def _commit(self, oid: str) -> Commit:
        if oid not in self._commits:
            self._commits[oid] = self._target.commit(oid)
        return self._commits[oid]

    def push(self, branch: str, commit: str, expected: str | None) -> None:
        """Make the branch, or change it where it is still at what was expected.

        Raises:
            Refusal: E-BRANCH-MOVED, E-PUSH-REJECTED; E-BRANCH-FOREIGN when `expected` is no tip that was found to be
                ours, and commits of it would be lost.
        """
        if expected is not None and not self._stands(branch, expected, commit):
            return
        try:
            refused = self._put(branch, commit, expected)
            if refused is not None and _UNKNOWN_OBJECT.search(refused.said) and self._target.ref(branch) == expected:
                # Some forks take a commit of their parent's as a parent, and not as a part of a branch.
                refused = self._put(branch, commit, expected) if self._caught_up() else refused
        except Failure as error:
            if error.code != "E-GITHUB-LIMIT" and not self._stands(branch, expected, commit):
                return
            raise
        # A refusal for any reason can also be the answer to somebody else's having been quicker.
        if refused is not None and self._stands(branch, expected, commit):
            raise self._unwanted(refused, branch, expected)

    def _put(self, branch: str, commit: str, expected: str | None) -> Refused | None:
        if expected is None:
            return self._target.add_ref(branch, commit)

        def waited() -> None:
            # While a limit was waited for, somebody else may have pushed.
            if not self._stands(branch, expected, commit):
                raise self._moved(branch)

        return self._target.move_ref(branch, commit, force=expected in self._ours, waited=waited)

    def _stands(self, branch: str, expected: str | None, commit: str) -> bool:
        """Whether a branch is still at what was expected; False where it is at `commit` already.

        Raises:
            Refusal: E-BRANCH-MOVED where it is elsewhere.
        """
        found = self._target.ref(branch)
        if found not in {expected, commit}:
            raise self._moved(branch)
        return found != commit

    def _moved(self, branch: str) -> Refusal:
        what = f"the branch {branch} was changed by someone else in the meantime"
        return Refusal("E-BRANCH-MOVED", what, where=self._target.repository)

    def _unwanted(self, refused: Refused, branch: str, expected: str | None) -> XenbumpError:
        where = self._target.repository
        if "already exists" in refused.said.lower():
            return self._moved(branch)
        if refused.status == github_errors.NOT_FOUND:
            return self._refused(refused, f"write the branch {branch}")
        if "not a fast forward" in refused.said.lower():
            what = f"the branch {branch} has commits ({(expected or '')[:12]}) that are not ours; it is left alone"
            return Refusal("E-BRANCH-FOREIGN", what, where=where)
        return Refusal("E-PUSH-REJECTED", f"GitHub refuses the branch {branch}: {refused.said}", where=where)

    def picked(self, pull: PullRequest) -> str:
        """The head commit of what was merged as it was, else the one commit that it was squashed or rebased into."""
        if not pull.merged or not pull.merge_commit:
            return ""
        try:
            parents = self._upstream.commit(pull.merge_commit).parents
        except UsageError as error:
            if error.code != "E-GITHUB-NOT-FOUND":
                raise
            return ""
        if len(parents) > 1:
            return pull.head_sha if pull.head_sha in parents else ""
        return pull.merge_commit
