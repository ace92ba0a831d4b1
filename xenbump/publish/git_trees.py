"""Git's trees as they are read through GitHub's API: a file in them, and the identifier of a tree with other files.

Pure but for the function that reads a tree. What a tree's identifier is made of stands in the chapter "Git Objects" of
the book Pro Git: the SHA-1 of its entries, sorted as if a folder's name ended in a slash.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER_MODE = "040000"
FILE_MODE = "100644"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a tree: its mode in six octal digits, its kind (`blob`, `tree`, `commit`) and its identifier."""

    mode: str
    kind: str
    oid: str


Entries = dict[str, Entry]


def blob_id(content: bytes) -> str:
    """The identifier of a file's content."""
    return _id("blob", content)


def tree_id(entries: Mapping[str, Entry]) -> str:
    """The identifier of a tree of these entries by name."""
    lines = []
    for name, entry in entries.items():
        encoded = name.encode("utf-8", "surrogateescape")
        key = encoded + b"/" if entry.kind == "tree" else encoded
        lines.append((key, entry.mode.lstrip("0").encode() + b" " + encoded + b"\0" + bytes.fromhex(entry.oid)))
    return _id("tree", b"".join(line for _, line in sorted(lines)))


def _id(kind: str, content: bytes) -> str:
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


class Trees:
    """Trees that are read once each, and those that were made of them.

    Args:
        read: the entries of a tree by its identifier.

    Attributes:
        exact: whether the identifier of each tree that was read is that of its entries; it is not where a name has
            bytes that JSON cannot say, and then what `replaced` gives is not git's identifier either.
    """

    def __init__(self, read: Callable[[str], Entries]) -> None:
        self._read = read
        self._known: dict[str, Entries] = {}
        self.exact = True

    def entries(self, tree: str) -> Entries:
        """The entries of a tree by name."""
        if tree not in self._known:
            found = self._read(tree)
            self.exact = self.exact and tree_id(found) == tree
            self._known[tree] = found
        return self._known[tree]

    def find(self, tree: str, path: str) -> Entry | None:
        """What a tree has at a path from its root (`.`: itself); None where there is nothing."""
        found: Entry | None = Entry(FOLDER_MODE, "tree", tree)
        for name in path.split("/") if path != "." else ():
            if found is None or found.kind != "tree":
                return None
            found = self.entries(found.oid).get(name)
        return found

    def replaced(self, tree: str, path: str, entry: Entry | None) -> str:
        """The identifier of a tree in which there is something else at a path, or nothing, as git would make it."""
        return self._replaced(tree, path.split("/"), entry) or self._made({})

    def _replaced(self, tree: str | None, path: list[str], entry: Entry | None) -> str | None:
        """As `replaced`; None where nothing is left in it, since git keeps no empty folder."""
        entries = dict(self.entries(tree)) if tree is not None else {}
        new = entry
        if len(path) > 1:
            there = entries.get(path[0])
            below = there.oid if there is not None and there.kind == "tree" else None
            inner = self._replaced(below, path[1:], entry)
            new = Entry(FOLDER_MODE, "tree", inner) if inner is not None else None
        entries.pop(path[0], None)
        if new is not None:
            entries[path[0]] = new
        return self._made(entries) if entries else None

    def _made(self, entries: Entries) -> str:
        oid = tree_id(entries)
        self._known[oid] = entries
        return oid
