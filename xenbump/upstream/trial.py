"""Patches tried on a tree, without a checkout: in an index of its own, with new objects in a folder of its own.

`git apply` takes a patch only where its context fits to the letter (`git help apply`). GNU patch, which builds use,
also takes it where the context fits nearly; a patch that git takes goes in with both.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump import process
from xenbump.errors import Failure
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SECONDS = 60.0
_DOES_NOT_FIT = 1


class Trial:
    """A tree on which patches are tried; made by `on_tree`.

    The tree itself stays as it is: each series starts from it anew.
    """

    def __init__(self, store: Path, base: Path, scratch: Path) -> None:
        self._store = store
        self._base = base
        self._scratch = scratch

    def goes_in(self, series: Sequence[bytes]) -> int | None:
        """Put patches in, one on top of the other.

        Returns:
            The place in the series of the first that does not fit; None when all do.
        """
        return self._apply(series, [])

    def comes_out(self, series: Sequence[bytes]) -> int | None:
        """Take patches out, the last one first; the return value is that of `goes_in`."""
        failed = self._apply(list(reversed(series)), ["--reverse"])
        return None if failed is None else len(series) - 1 - failed

    def _apply(self, series: Sequence[bytes], options: list[str]) -> int | None:
        index = self._scratch / "index"
        shutil.copyfile(self._base, index)
        for place, patch in enumerate(series):
            done = process.run(
                ["git", f"--git-dir={self._store}", "apply", "--cached", "--whitespace=nowarn", *options, "-"],
                cwd=self._scratch,
                env=_environment(self._store, index, self._scratch),
                stdin=patch,
                timeout=_SECONDS,
                check=False,
            )
            if done.status == _DOES_NOT_FIT:
                return place
            if done.status != 0:
                raise git.explained(done, str(self._store))
        return None


@contextlib.contextmanager
def on_tree(store: Path, commit: str) -> Iterator[Trial]:
    """Make a tree ready for patches.

    Args:
        store: a bare repository that has everything below the commit.
        commit: the commit.

    Raises:
        Failure: E-OBJECT when the store has not all of it.
    """
    with tempfile.TemporaryDirectory(prefix="xenbump-trial-") as folder:
        scratch = Path(folder)
        (scratch / "objects").mkdir()
        base = scratch / "base"
        done = process.run(
            ["git", f"--git-dir={store}", "read-tree", commit],
            cwd=scratch,
            env=_environment(store, base, scratch),
            timeout=_SECONDS,
            check=False,
        )
        if done.status != 0:
            raise Failure("E-OBJECT", f"the tree of {commit} cannot be read: {done.error_text}", where=str(store))
        yield Trial(store, base, scratch)


def _environment(store: Path, index: Path, scratch: Path) -> dict[str, str]:
    return {
        **git.environment(None),
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(store / "objects"),
    }
