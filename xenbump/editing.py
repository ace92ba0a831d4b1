"""Edits of a working tree of a person: one run at a time, all files or none, what a killed run left put back first.

The lock of the checkout is held from before the package file is read until the edit is written, and committed where
that is asked for: a run that waited for another one sees what that one wrote.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from xenbump.errors import XenbumpError
from xenbump.locks import locked, of_checkout
from xenbump.package import files
from xenbump.package.unfinished import Record
from xenbump.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.package.rewrite import Edit
    from xenbump.publish.branch import Checkout
    from xenbump.settings import Package

# A plan of another run, with what it fetches.
_LOCK_SECONDS = 900.0


class WorkingTree:
    """The working tree that has a package's files.

    Args:
        config: the configuration.
        package: the package.
        progress: told in a sentence what is being done.
    """

    def __init__(self, config: Config, package: Package, progress: Callable[[str], None]) -> None:
        self._config = config
        self._package = package
        self._progress = progress
        self._record = Record(config.state, config.folder, package.name)

    @contextlib.contextmanager
    def alone(self, *, needed: bool) -> Iterator[Checkout | None]:
        """Be the only run that edits this checkout, with what a killed one wrote put back; gives the checkout.

        Args:
            needed: whether there must be one; else None may be given.

        Raises:
            UsageError: E-NOT-CHECKOUT.
            Refusal: E-UNFINISHED where what a killed run wrote cannot be put back.
            Failure: E-LOCKED, E-STATE, E-DISK, E-FILE-WRITE.
        """
        with contextlib.ExitStack() as stack:
            checkout = _checkout_of(self._config.file_of(self._package), needed=needed)
            git, root = None, self._config.folder
            if checkout is not None:
                stack.enter_context(contextlib.closing(checkout))
                git, root = checkout.git_folder, checkout.root
            lock = of_checkout(git, root, self._config.state)
            stack.enter_context(locked(lock, seconds=_LOCK_SECONDS, progress=self._progress))
            self._settle(checkout)
            yield checkout

    def write(
        self,
        edits: tuple[Edit, ...],
        checkout: Checkout | None,
        words: Callable[[], str] | None,
        noted: Callable[[Callable[[], bool]], bool],
    ) -> str:
        """Write edits within `alone`, and commit them where there are words for that.

        Args:
            edits: the files before and after.
            checkout: what `alone` gave.
            words: gives the message of the commit; None: none is made.
            noted: does the writing as a step of the run.

        Returns:
            The commit; empty without one.

        Raises:
            Refusal: E-DIRTY, E-FILE-CHANGED: a person is at work there.
            UsageError: E-IDENTITY: git has no name for the author.
            Failure: a file could not be written, or git did not commit it.
        """
        folder, name = self._config.folder, self._package.name
        files.refuse_all_changed(folder, edits)
        names = self._names(checkout, tuple(edit.file for edit in edits))
        if checkout is not None:
            checkout.refuse_changes({}, only=() if words else names)
            if words:
                checkout.refuse_nameless()
        made = ""
        with contextlib.ExitStack() as stack:

            def write() -> bool:
                stack.enter_context(self._record.writing(edits))
                return True

            with step(self._progress, name, "write"):
                noted(write)
            if words and checkout is not None:
                with step(self._progress, name, "commit"):
                    made = checkout.commit_in_place(names, words())
                self._progress(f"committed {made[:12]} in {checkout.root}")
        return made

    def settle(self, *, dry: bool) -> None:
        """Put back what a killed run wrote, before a publication; the checkout is locked only where there is something.

        Args:
            dry: say it only.

        Raises:
            Refusal, Failure: as `alone`.
        """
        if dry or not self._record.is_there:
            self.tell()
            return
        with self.alone(needed=False):
            pass

    def tell(self) -> None:
        """Say so where the files are as a run left them that was killed: who only reads puts nothing back."""
        if self._record.is_there:
            self._progress(
                f"{self._package.name}: a run was killed while it wrote these files; the next `xenbump bump` or"
                " `xenbump run` puts them back"
            )

    def _settle(self, checkout: Checkout | None) -> None:
        def is_committed(edited: tuple[str, ...]) -> bool:
            return checkout is not None and checkout.has_just(self._names(checkout, edited))

        gone = self._record.settle(self._progress, is_committed)
        if checkout is not None:
            checkout.unstage(self._names(checkout, gone))

    def _names(self, checkout: Checkout | None, edited: tuple[str, ...]) -> tuple[str, ...]:
        """Edited files as paths from the root of the checkout."""
        return () if checkout is None else tuple(checkout.name_of(self._config.folder / one) for one in edited)


def _checkout_of(path: Path, *, needed: bool) -> Checkout | None:
    """The checkout that has the file; None where it is in none and none is needed."""
    from xenbump.publish.branch import Checkout  # noqa: PLC0415 - GitPython is slow to import

    try:
        return Checkout(path)
    except XenbumpError:
        if needed:
            raise
        return None
