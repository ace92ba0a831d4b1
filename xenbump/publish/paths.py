"""Paths in a repository of packages that is not a checkout of the user's."""

from __future__ import annotations

import posixpath

from xenbump.errors import UsageError


def in_repository(file: str) -> str:
    """The path of a configured file from the repository's root, which is what its path starts from here.

    Raises:
        UsageError: E-NOT-CHECKOUT when it leads out of the repository.
    """
    path = posixpath.normpath(file)
    if path in {".", ".."} or path.startswith(("../", "/")):
        raise UsageError(
            "E-NOT-CHECKOUT",
            "it is no path in the repository; without a checkout, a file is named from the repository's root",
            where=file,
        )
    return path


def beside(file: str, name: str) -> str | None:
    """The path of what is named from a file's folder; None for what lies outside the repository."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    return None if path == ".." or path.startswith(("../", "/")) else path
