"""Git objects as values, and the interface through which the hash functions read them.

The forms of trees and commits are git's own: see "Git Objects" in the book Pro Git and `git help format-tree`. An
object identifier is the SHA-1 of its type, size and content, in 40 hexadecimal digits; the Xen repository has no
SHA-256 objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DIRECTORY = 0o040000
REGULAR = 0o100644
REGULAR_GROUP_WRITABLE = 0o100664
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SUBMODULE = 0o160000
_MODES = frozenset({DIRECTORY, REGULAR, REGULAR_GROUP_WRITABLE, EXECUTABLE, SYMLINK, SUBMODULE})
_OID_BYTES = 20
# Of a tree as a whole: folders that name one another many times make billions of files of a few objects. Linux, which
# is larger than all that is read here, has a hundred thousand entries, and 1.5 GB.
_MOST_ENTRIES = 1_000_000
_MOST_BYTES = 8_000_000_000
_DEEPEST = 100
_LONGEST_PATH = 80  # characters in an error

_OID = re.compile(rb"[0-9a-f]{40}")
_PERSON = re.compile(rb"(?P<name>.*) <(?P<email>[^<>\n]*)> (?P<seconds>\d+) (?P<zone>[+-]\d{4})")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree: its name (bytes, no slash), mode and object identifier."""

    name: bytes
    mode: int
    oid: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What the hashes need of a commit: its identifier, tree, parents, and both times with their zones.

    Times are seconds since 1970 UTC; a zone is the offset as git writes it, such as `+0100`.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    author_time: int
    author_zone: str
    committer_time: int
    committer_zone: str


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of a file: its size in bytes, and the content in chunks that are read once, in order."""

    size: int
    chunks: Iterable[bytes]


class Walk:
    """Counts what is met of a tree while it is walked, so that the walk ends."""

    def __init__(self) -> None:
        self._entries = 0
        self._bytes = 0

    def entry(self, path: bytes) -> None:
        """Count an entry by its path from the root.

        Raises:
            Refusal: E-TREE-SIZE where there are too many, or it lies too deep.
        """
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise _too_large(f"the tree has more than {_MOST_ENTRIES} entries", path)
        if path.count(b"/") > _DEEPEST:
            raise _too_large(f"the tree has more than {_DEEPEST} folders in one another", path)

    def content(self, size: int, path: bytes) -> None:
        """Count the bytes of a file.

        Raises:
            Refusal: E-TREE-SIZE where there are too many.
        """
        self._bytes += size
        if self._bytes > _MOST_BYTES:
            raise _too_large(f"the files of the tree have more than {_MOST_BYTES} bytes", path)


def _too_large(what: str, path: bytes) -> Refusal:
    shown = path.decode("utf-8", "replace")
    return Refusal("E-TREE-SIZE", what, where=shown if len(shown) <= _LONGEST_PATH else f"{shown[:_LONGEST_PATH]}…")


class Objects(Protocol):
    """Where objects come from; each method raises `Failure` E-OBJECT for one that is missing, altered or no such."""

    def tree(self, oid: str) -> tuple[TreeEntry, ...]:
        """The entries of a tree, in git's order."""

    def blob(self, oid: str) -> Blob:
        """The content of a file."""

    def commit(self, oid: str) -> Commit:
        """A commit."""

    def expect(self, files: Sequence[str]) -> None:
        """These files are asked for next, in this order."""

    def gather(self, trees: Sequence[str]) -> None:
        """These trees are asked for soon."""


def parse_tree(raw: bytes, where: str) -> tuple[TreeEntry, ...]:
    """Read the content of a tree object.

    Args:
        raw: the content, without the object's header.
        where: what to call the tree in an error.

    Raises:
        Refusal: E-TREE-FORM for a name or mode that git itself would not write.
    """
    entries: list[TreeEntry] = []
    at = 0
    while at < len(raw):
        space = raw.find(b" ", at)
        nul = raw.find(b"\0", space + 1)
        end = nul + 1 + _OID_BYTES
        if space < 0 or nul < 0 or end > len(raw):
            raise Refusal("E-TREE-FORM", f"the tree ends in the middle of an entry, at byte {at}", where=where)
        digits, name = raw[at:space], raw[space + 1 : nul]
        mode = int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else -1
        if mode not in _MODES:
            raise Refusal("E-TREE-FORM", f"entry {name!r} has the unknown mode {digits!r}", where=where)
        if name in {b"", b".", b"..", b".git"} or b"/" in name:
            raise Refusal("E-TREE-FORM", f"an entry has the forbidden name {name!r}", where=where)
        entries.append(TreeEntry(name, mode, raw[nul + 1 : end].hex()))
        at = end
    if len({entry.name for entry in entries}) != len(entries):
        raise Refusal("E-TREE-FORM", "the tree has two entries of one name", where=where)
    return tuple(entries)


def parse_commit(raw: bytes, oid: str) -> Commit:
    """Read the content of a commit object.

    Args:
        raw: the content, without the object's header.
        oid: the commit's identifier.

    Raises:
        Refusal: E-COMMIT-FORM when a line that every commit has is missing or has another form.
    """
    headers: list[tuple[bytes, bytes]] = []
    for line in raw.partition(b"\n\n")[0].split(b"\n"):
        if not line.startswith(b" "):  # a continuation belongs to a header such as gpgsig
            key, _, value = line.partition(b" ")
            headers.append((key, value))

    def one(key: bytes) -> bytes:
        values = [value for name, value in headers if name == key]
        if len(values) != 1:
            raise Refusal(
                "E-COMMIT-FORM",
                f"the commit has {len(values)} `{key.decode()}` lines instead of one",
                where=oid,
            )
        return values[0]

    def person(key: bytes) -> tuple[int, str]:
        match = _PERSON.fullmatch(one(key))
        if match is None:
            raise Refusal("E-COMMIT-FORM", f"the commit's `{key.decode()}` line has no time", where=oid)
        return int(match["seconds"]), match["zone"].decode()

    parents = [value for name, value in headers if name == b"parent"]
    if not all(map(_OID.fullmatch, [one(b"tree"), *parents])):
        raise Refusal("E-COMMIT-FORM", "the commit's tree or a parent is no object identifier", where=oid)
    author_time, author_zone = person(b"author")
    committer_time, committer_zone = person(b"committer")
    return Commit(
        oid=oid,
        tree=one(b"tree").decode(),
        parents=tuple(value.decode() for value in parents),
        author_time=author_time,
        author_zone=author_zone,
        committer_time=committer_time,
        committer_zone=committer_zone,
    )
