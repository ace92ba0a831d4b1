"""Views of the files around a package file: none, some of them changed, or seen from another folder."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.package.model import Beside


class Alone:
    """A package file with nothing around it."""

    def read(self, name: str) -> bytes | None:
        """None."""
        del name
        return None

    def names(self, folder: str) -> tuple[str, ...]:
        """Nothing."""
        del folder
        return ()


ALONE = Alone()


class Overlay:
    """The files around a package file as they are to be.

    Args:
        base: as they are.
        changes: the new contents, by name from the package file's folder; None for a file that goes.
    """

    def __init__(self, base: Beside, changes: Mapping[str, bytes | None]) -> None:
        self._base = base
        self._changes = {posixpath.normpath(name): content for name, content in changes.items()}

    def read(self, name: str) -> bytes | None:
        """A file, as it is to be; None where there is none."""
        path = posixpath.normpath(name)
        return self._changes[path] if path in self._changes else self._base.read(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """What is to be in a folder. One that has lost its last file is gone."""
        path = posixpath.normpath(folder)
        found = set()
        for name in self._base.names(path):
            inside = posixpath.normpath(posixpath.join(path, name))
            if inside in self._changes:
                continue
            below = self._base.names(inside)
            gone = below and all(self._changes.get(posixpath.join(inside, one), b"") is None for one in below)
            if not gone:
                found.add(name)
        # What lies in the package file's own folder is below `..` as well, in a folder that is there already.
        start = "" if path == "." else f"{path}/"
        found |= {
            name.removeprefix(start).partition("/")[0]
            for name, content in self._changes.items()
            if content is not None and name.startswith(start) and not name.removeprefix(start).startswith("../")
        }
        return tuple(sorted(found))


class Elsewhere:
    """The same files, named from another folder.

    Args:
        base: the files.
        folder: the other folder, from the one that `base` starts from.
    """

    def __init__(self, base: Beside, folder: str) -> None:
        self._base = base
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """A file; None where there is none."""
        return self._base.read(posixpath.normpath(posixpath.join(self._folder, name)))

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder, sorted."""
        return self._base.names(posixpath.normpath(posixpath.join(self._folder, folder)))
