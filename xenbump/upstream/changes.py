"""The change of a single commit: the commit and its parent with their trees, and of the files those that differ.

`commits.git` has just these. Where a server gives no files by their identifiers, `commits-whole.git` has both commits
with everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump import process
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.upstream import commits, git
from xenbump.upstream.store import NO_FILES, WITH_PARENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.upstream.store import Stores

# Each is an argument of 40 bytes; a change of more files is fetched with everything.
_MOST_FILES = 1000


class Changes:
    """The changes of commits.

    Args:
        stores: where they are kept, and come from.
        progress: told in a sentence what does not work.
    """

    def __init__(self, stores: Stores, progress: Callable[[str], None]) -> None:
        self._stores = stores
        self._progress = progress

    def patch_of(self, commit: str, source: str) -> bytes:
        """The change of a commit against its parent, as a unified diff with git's lines above each file.

        Args:
            commit: the commit's identifier; no ref needs to have it.
            source: the address tried first.

        Raises:
            Refusal: E-COMMIT-FORM where it has several parents, or none; E-TAG-MISSING where the server has it not.
            Failure: it could not be fetched or read.
        """
        parent, store = self._with_change(commit, source)
        git.refuse_foreign(store)
        done = process.run(
            ["git", f"--git-dir={store}", *commits.DIFF, parent, commit],
            env=git.environment(None),
            check=False,
        )
        if done.status != 0:
            raise git.explained(done, str(store))
        return done.stdout

    def _with_change(self, commit: str, source: str) -> tuple[str, Path]:
        """A commit's parent, and a store that has both with their trees and the files that differ."""
        store = self._stores.path("commits.git")
        if not self._has_change(store, commit, source):
            store = self._stores.path("commits-whole.git")
            if self._parent(store, commit) is None:
                self._stores.fetch(store, source, commit, commit, (WITH_PARENT,))
        parent, files = self._change(store, commit)
        with self._stores.reading(store) as objects:
            for oid in files:
                objects.raw(oid, "blob")  # each fits its identifier
        return parent, store

    def _has_change(self, store: Path, commit: str, source: str) -> bool:
        """Fetch a commit and its parent, and then those of their files that differ; whether that did it."""
        if self._parent(store, commit) is None:
            self._stores.fetch(store, source, commit, commit, (WITH_PARENT, NO_FILES))
        parent, files = self._change(store, commit)
        listed = git.call(["rev-list", "--objects", "--no-walk", "--missing=print", commit, parent], repository=store)
        missing = files & {line[1:].decode() for line in listed.stdout.splitlines() if line.startswith(b"?")}
        if len(missing) > _MOST_FILES:
            return False
        try:
            if missing:
                self._stores.fetch_files(store, source, sorted(missing))
        except XenbumpError as error:
            self._progress(f"the files of {commit[:12]} are not to be had by themselves: {error.what}")
            return False
        return True

    def _parent(self, store: Path, commit: str) -> str | None:
        """The parent of a commit where a store has both; a shallow store's own idea of parents is not asked."""
        if not self._stores.has(store, commit, "commit"):
            return None
        with self._stores.reading(store) as objects:
            parents = objects.commit(commit).parents
        if len(parents) != 1:
            raise Refusal(
                "E-COMMIT-FORM", f"the commit has {len(parents)} parents; its change is not one", where=commit
            )
        return parents[0] if self._stores.has(store, parents[0], "commit") else None

    def _change(self, store: Path, commit: str) -> tuple[str, frozenset[str]]:
        """A commit's parent, and the files that differ between them."""
        parent = self._parent(store, commit)
        if parent is None:
            raise Failure("E-OBJECT", f"the parent of {commit} did not come along", where=str(store))
        with self._stores.reading(store) as objects:
            trees = [objects.commit(one).tree for one in (parent, commit)]
            return parent, commits.changed_files(objects, trees[0], trees[1])
