"""The NAR hash of a git tree: what `fetchgit` pins, and with a few files replaced what `fetchFromGitHub` pins.

NAR, the Nix archive, is specified in Eelco Dolstra's thesis, figure 5.2, and in the Nix manual under "Nix Archive (NAR)
format". It knows files, executable files, symbolic links and directories sorted by the bytes of their names; it has no
owners, times or other permissions, so it can be written from git's objects without a checkout.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from xenbump.errors import Refusal
from xenbump.hashes.objects import DIRECTORY, EXECUTABLE, SUBMODULE, SYMLINK, Blob, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from xenbump.hashes.objects import Objects, TreeEntry

_BY_NAME = attrgetter("name")
_NO_FILES = frozenset({DIRECTORY, SUBMODULE})


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(8, "little") + content + bytes(-len(content) % 8)


_MAGIC = _string(b"nix-archive-1")
_OPEN, _CLOSE = _string(b"("), _string(b")")
_FILE = _OPEN + _string(b"type") + _string(b"regular")
_FILE_EXECUTABLE = _FILE + _string(b"executable") + _string(b"")
_CONTENTS = _string(b"contents")
_LINK = _OPEN + _string(b"type") + _string(b"symlink") + _string(b"target")
_FOLDER = _OPEN + _string(b"type") + _string(b"directory")
_ENTRY = _string(b"entry") + _OPEN + _string(b"name")
_NODE = _string(b"node")


@dataclass(frozen=True, slots=True)
class Checkout:
    """What stands in the folder of a submodule.

    Attributes:
        objects: where its trees and files come from.
        tree: the identifier of its root tree.
        submodules: what stands in the folders of its own submodules.
    """

    objects: Objects
    tree: str
    submodules: Submodules


class Submodules(Protocol):
    """What stands in the folders of the submodules of one tree; asked when the NAR gets there."""

    def __call__(self, path: bytes, commit: str) -> AbstractContextManager[Checkout | None]:
        """The checkout of `commit` at `path` from the root of that tree, for the time of a `with` block.

        None leaves the folder empty.
        """


def tree_hash(
    objects: Objects,
    tree: str,
    replaced: Mapping[bytes, bytes] | None = None,
    submodules: Submodules | None = None,
) -> bytes:
    """The SHA-256 of the NAR of a tree.

    Args:
        objects: where trees and files come from.
        tree: the identifier of the root tree.
        replaced: new contents by path from the root, for files that are in the tree.
        submodules: what stands in the folders of the submodules; None leaves all of them empty.

    Returns:
        The digest, 32 bytes.

    Raises:
        Refusal: a tree that git itself would not write; E-TREE-SIZE where it is larger than any that is expected.
        Failure: an object is missing or altered.
    """
    digest = hashlib.sha256()
    digest.update(_MAGIC)
    _Writer(objects, digest.update, replaced or {}, submodules, Walk()).folder(tree, b"")
    return digest.digest()


class _Writer:
    """Writes nodes to a sink; it holds what does not change from node to node."""

    def __init__(
        self,
        objects: Objects,
        sink: Callable[[bytes], None],
        replaced: Mapping[bytes, bytes],
        submodules: Submodules | None,
        walk: Walk,
    ) -> None:
        self._walk = walk
        self._objects = objects
        self._sink = sink
        self._replaced = replaced
        self._submodules = submodules

    def folder(self, tree: str, path: bytes) -> None:
        sink = self._sink
        sink(_FOLDER)
        # Git sorts a folder as if its name ended in a slash; NAR sorts the bare names.
        entries = sorted(self._objects.tree(tree), key=_BY_NAME)
        self._objects.gather([entry.oid for entry in entries if entry.mode == DIRECTORY])
        for are_files, group in itertools.groupby(entries, lambda entry: entry.mode not in _NO_FILES):
            run = list(group)
            if are_files:
                # Up to the next folder they are read one after the other.
                self._objects.expect([entry.oid for entry in run if path + entry.name not in self._replaced])
            for entry in run:
                self._walk.entry(path + entry.name)
                sink(_ENTRY + _string(entry.name) + _NODE)
                self._node(entry, path + entry.name)
                sink(_CLOSE)
        sink(_CLOSE)

    def _node(self, entry: TreeEntry, path: bytes) -> None:
        sink = self._sink
        if entry.mode == DIRECTORY:
            if not self._objects.tree(entry.oid):
                # git would not write it, and neither a checkout nor an archive has it
                raise Refusal("E-TREE-FORM", "a folder of the tree is empty", where=path.decode("utf-8", "replace"))
            self.folder(entry.oid, path + b"/")
            return
        if entry.mode == SUBMODULE:
            self._submodule(entry, path)
            return
        new = self._replaced.get(path)
        blob = self._objects.blob(entry.oid) if new is None else Blob(len(new), (new,))
        self._walk.content(blob.size, path)
        if entry.mode == SYMLINK:
            sink(_LINK)
        else:
            sink((_FILE_EXECUTABLE if entry.mode == EXECUTABLE else _FILE) + _CONTENTS)
        sink(blob.size.to_bytes(8, "little"))
        for chunk in blob.chunks:
            sink(chunk)
        sink(bytes(-blob.size % 8) + _CLOSE)

    def _submodule(self, entry: TreeEntry, path: bytes) -> None:
        if self._submodules is not None:
            with self._submodules(path, entry.oid) as found:
                if found is not None:
                    _Writer(found.objects, self._sink, {}, found.submodules, self._walk).folder(found.tree, b"")
                    return
        # Both fetchers leave the folder of a submodule empty unless they are asked for it.
        self._sink(_FOLDER + _CLOSE)
