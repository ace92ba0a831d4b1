"""Patches tried on a tree, without a checkout: in an index of its own, with new objects in a folder of its own.

`git apply` takes a patch only where its context fits to the letter (`git help apply`). GNU patch, which builds use,
also takes it where the context fits nearly: by default its fuzz is 2, so that of three lines of context the two that
are farther from the change need not fit (`man patch`). `git apply -C1` does the same: of 110 made-up patches that went
in with it alone, GNU patch 2.7.6 took 108, with the same result. It refused two, whose first hunk lost lines at the
beginning of the file. A patch that fits nearly may fit a wrong place with either.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from typing import TYPE_CHECKING

from xenbump import durable, process
from xenbump.errors import Failure
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_SECONDS = 60.0
_DOES_NOT_FIT = 1
# What `git apply` says of a patch that does not fit. It ends with the same status where it could not do its work, for
# lack of room for one: that is no verdict on a patch.
_MISFIT = re.compile(
    rb"^error: .*(?:patch does not apply|does not exist in index|already exists in (?:index|working directory)"
    rb"|does not match (?:index|old mode)|wrong type|renamed/deleted|beyond a symbolic link|leaves file contents"
    rb"|invalid path)",
    re.MULTILINE,
)
_NEARLY = ("-C1",)


class Trial:
    """A tree on which patches are tried; made by `on_tree`.

    The tree itself stays as it is: each series starts from it anew.
    """

    def __init__(self, store: Path, base: Path, scratch: Path) -> None:
        self._store = store
        self._base = base
        self._scratch = scratch

    def goes_in(self, series: Sequence[bytes], fuzzy: Collection[int] = ()) -> int | None:
        """Put patches in, one on top of the other.

        Args:
            series: the patches.
            fuzzy: the places in the series of those whose context needs to fit only nearly.

        Returns:
            The place in the series of the first that does not fit; None when all do.

        Raises:
            Failure: E-GIT where one is no patch that git can read, or git did not do its work.
        """
        return self._apply(series, [_NEARLY if place in fuzzy else () for place in range(len(series))])

    def comes_out(self, series: Sequence[bytes]) -> int | None:
        """Take patches out, the last one first; the return value and errors are those of `goes_in`."""
        failed = self._apply(list(reversed(series)), [("--reverse",)] * len(series))
        return None if failed is None else len(series) - 1 - failed

    def _apply(self, series: Sequence[bytes], options: Sequence[tuple[str, ...]]) -> int | None:
        index = self._scratch / "index"
        shutil.copyfile(self._base, index)
        for option, group in itertools.groupby(range(len(series)), key=options.__getitem__):
            failed = self._put(series, list(group), option, index)
            if failed is not None:
                return failed
        return None

    def _put(self, series: Sequence[bytes], places: list[int], option: Sequence[str], index: Path) -> int | None:
        """Put the patches at some places into the index; the return value is the first place that does not fit."""
        # Git takes several files as if one by one, and all or none; it does not say which one stopped it.
        if self._git([series[place] for place in places], option, index).status == 0:
            return None
        while len(places) > 1:
            half = places[: len(places) // 2]
            fits = self._git([series[place] for place in half], option, index).status == 0
            places = places[len(half) :] if fits else half
        done = self._git([series[places[0]]], option, index)
        if done.status != _DOES_NOT_FIT or not _MISFIT.search(done.stderr):
            raise git.explained(done, str(self._store))
        return places[0]

    def _git(self, patches: Sequence[bytes], options: Sequence[str], index: Path) -> process.Completed:
        names = []
        for place, patch in enumerate(patches):
            (self._scratch / f"patch-{place}").write_bytes(patch)
            names.append(f"patch-{place}")
        before = _mark(index)
        done = process.run(
            ["git", f"--git-dir={self._store}", "apply", "--cached", "--whitespace=nowarn", *options, *names],
            cwd=self._scratch,
            env=_environment(self._store, index, self._scratch),
            timeout=_SECONDS,
            check=False,
        )
        # Git puts a new index in the place of the old one, also where a patch changes nothing.
        if done.status == 0 and _mark(index) == before:
            raise Failure("E-GIT", "git 'apply' says that a patch fits, and has not applied it", where=str(self._store))
        return done


def _mark(index: Path) -> tuple[int, int]:
    found = index.stat()
    return found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def on_tree(store: Path, commit: str) -> Iterator[Trial]:
    """Make a tree ready for patches.

    Args:
        store: a bare repository that has everything below the commit.
        commit: the commit.

    Raises:
        Failure: E-OBJECT when the store has not all of it.
    """
    git.refuse_foreign(store)
    with durable.scratch("trial") as scratch:
        (scratch / "objects").mkdir()
        base = scratch / "base"
        done = process.run(
            ["git", f"--git-dir={store}", "read-tree", commit],
            cwd=scratch,
            env=_environment(store, base, scratch),
            timeout=_SECONDS,
            check=False,
        )
        if done.status != 0 or not base.is_file():
            said = done.error_text or "git 'read-tree' wrote no index"
            raise Failure("E-OBJECT", f"the tree of {commit} cannot be read: {said}", where=str(store))
        yield Trial(store, base, scratch)


def _environment(store: Path, index: Path, scratch: Path) -> dict[str, str]:
    return {
        **git.environment(None),
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(store / "objects"),
    }
