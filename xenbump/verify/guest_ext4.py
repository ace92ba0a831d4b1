"""The files of an ext2, ext3 or ext4 file system in a file, read without a mount and without being root.

Specified in the kernel's Documentation/filesystems/ext4: super.rst, group_descr.rst, inodes.rst, ifork.rst (extents and
block maps), directory.rst. A file system that was not unmounted cleanly is refused: its journal is not replayed here.
"""

from __future__ import annotations

import stat
import struct
from typing import IO, TYPE_CHECKING, Final

from xenbump.errors import Refusal
from xenbump.verify.guest_tree import MOST_BYTES, Node, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC_AT: Final = 0x438
MAGIC: Final = b"\x53\xef"
_SUPERBLOCK = 1024
_ROOT = 2
_RECOVER, _META_BG, _IS_64BIT = 0x4, 0x10, 0x80
# File types in folders, extents, 64 bits, multiple-mount protection, flexible groups, large attributes, a checksum's
# seed, large folders: what changes nothing in how files are found, or is known here.
_KNOWN: Final = 0x2 | 0x40 | _IS_64BIT | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000
_NAMES: Final = {
    0x1: "compression",
    _META_BG: "meta_bg",
    0x8000: "inline_data",
    0x10000: "encrypt",
    0x20000: "casefold",
}
_EXTENTS, _EXTENT_MAGIC = 0x80000, 0xF30A
_UNWRITTEN = 32768
_DEEPEST = 5
_DIRECT, _POINTER = 12, 4
_MAP = 60  # bytes of an inode in which a short link's target stands, or where the content is
_SECTOR = 512
_LARGEST_FOLDER = 64 << 20  # bytes
_GPT = b"EFI PART"


class _FileSystem:
    """An opened file system; every method may raise struct.error or ValueError where it is damaged."""

    def __init__(self, file: IO[bytes], start: int, where: str) -> None:
        self._file, self._start, self.where = file, start, where
        block = self.at(_SUPERBLOCK, 1024)
        if len(block) < 1024 or block[0x38:0x3A] != MAGIC:  # noqa: PLR2004 - a superblock's size
            raise ValueError("there is no ext4 file system in it")
        self._inodes, blocks, log, per_group, size, features, descriptor, high = (
            struct.unpack_from(form, block, place)[0]
            for form, place in (
                *(("<I", 0x0), ("<I", 0x4), ("<I", 0x18), ("<I", 0x28)),
                *(("<H", 0x58), ("<I", 0x60), ("<H", 0xFE), ("<I", 0x150)),
            )
        )
        (revision,) = struct.unpack_from("<I", block, 0x4C)
        if features & _RECOVER:
            raise ValueError(
                "it was not unmounted cleanly: its journal has changes (`e2fsck -p` on a copy applies them)"
            )
        unknown = features & ~_KNOWN
        if unknown:
            named = _NAMES.get(unknown & -unknown, f"{unknown:#x}")
            raise ValueError(f"it uses a feature that is not known here: {named}")
        if log > 6 or not per_group:  # noqa: PLR2004 - blocks of 64 KiB are the largest
            raise ValueError("its superblock is damaged")
        self.block = 1024 << log
        self._per_group = per_group
        self._inode = size if revision else 128
        is_64 = bool(features & _IS_64BIT)
        self._blocks = blocks | (high << 32 if is_64 else 0)
        self._descriptor = descriptor if is_64 and descriptor >= 64 else 32  # noqa: PLR2004 - with upper halves
        (first,) = struct.unpack_from("<I", block, 0x14)
        self._table = (first + 1) * self.block
        if self._inode < 128:  # noqa: PLR2004 - the least there is
            raise ValueError("its superblock is damaged")

    def at(self, position: int, size: int) -> bytes:
        self._file.seek(self._start + position)
        return self._file.read(size)

    def blocks(self, number: int, count: int = 1) -> bytes:
        if number + count > self._blocks:
            raise ValueError("it points behind its own end")
        data = self.at(number * self.block, count * self.block)
        if len(data) != count * self.block:
            raise ValueError("it is cut off")
        return data

    def inode(self, number: int) -> bytes:
        if not 0 < number <= self._inodes:
            raise ValueError("a folder names a file that cannot be")
        group, index = divmod(number - 1, self._per_group)
        entry = self.at(self._table + group * self._descriptor, self._descriptor)
        (table,) = struct.unpack_from("<I", entry, 0x8)
        if self._descriptor >= 64:  # noqa: PLR2004 - with upper halves
            table |= struct.unpack_from("<I", entry, 0x28)[0] << 32
        data = self.at(table * self.block + index * self._inode, 128)
        if len(data) != 128:  # noqa: PLR2004 - what was asked for
            raise ValueError("it is cut off")
        return data

    def content(self, inode: bytes, left: int) -> bytes:
        size = struct.unpack_from("<I", inode, 0x4)[0] | struct.unpack_from("<I", inode, 0x6C)[0] << 32
        if size > left:
            raise Refusal("E-GUEST-SIZE", "its files have more than there is room for", where=self.where)
        (flags,) = struct.unpack_from("<I", inode, 0x20)
        mapping = inode[0x28 : 0x28 + _MAP]
        data = bytearray(size)
        pieces = self._extents(mapping, _DEEPEST) if flags & _EXTENTS else self._mapped(mapping, size)
        behind = 0
        for logical, physical, count in pieces:
            # Also what keeps a small tree of extents that leads to itself from describing a file without an end.
            if logical < behind or not count:
                raise ValueError("a file's extents are damaged")
            behind = logical + count
            place = logical * self.block
            if place >= size:
                break
            if not physical:
                continue
            wanted = min(count, -(-(size - place) // self.block))
            found = self.blocks(physical, wanted)[: size - place]
            data[place : place + len(found)] = found
        return bytes(data)

    def _extents(self, node: bytes, depth: int) -> Iterator[tuple[int, int, int]]:
        magic, entries, _, level = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or not 0 <= level <= depth:
            raise ValueError("a file's extents are damaged")
        for number in range(entries):
            place = 12 + 12 * number
            if level:
                _, low, high = struct.unpack_from("<IIH", node, place)
                inner = self._extents(self.blocks(low | high << 32), level - 1)
                first = next(inner, None)
                if first is None:
                    raise ValueError("a file's extents are damaged")
                yield first
                yield from inner
            else:
                logical, count, high, low = struct.unpack_from("<IHHI", node, place)
                # What was set aside and never written reads as zeros, like what is not there.
                is_written = count <= _UNWRITTEN
                yield logical, low | high << 32 if is_written else 0, count if is_written else count - _UNWRITTEN

    def _mapped(self, mapping: bytes, size: int) -> Iterator[tuple[int, int, int]]:
        numbers = struct.unpack("<15I", mapping)
        count = -(-size // self.block)
        logical = 0
        for index, number in enumerate(numbers):
            if logical >= count:
                return
            level = max(0, index - _DIRECT + 1)
            for found in self._pointed(number, level):
                if found:
                    yield logical, found, 1
                logical += 1
                if logical >= count:
                    return

    def _pointed(self, number: int, level: int) -> Iterator[int]:
        if level == 0:
            yield number
            return
        each = self.block // _POINTER
        for inner in struct.unpack(f"<{each}I", self.blocks(number)) if number else (0,) * each:
            yield from self._pointed(inner, level - 1)

    def listed(self, inode: bytes) -> Iterator[tuple[bytes, int]]:
        """The names in a folder with their inodes; a folder with an index has them in its blocks all the same."""
        data = self.content(inode, _LARGEST_FOLDER)
        for start in range(0, len(data), self.block):
            at = start
            while at + 8 <= start + self.block:
                number, length, size = struct.unpack_from("<IHB", data, at)
                if length < 8 or size > length - 8:  # noqa: PLR2004 - an entry's head
                    raise ValueError("a folder is damaged")
                name = data[at + 8 : at + 8 + size]
                if number and name not in {b".", b".."}:
                    yield name, number
                at += length


def tree(file: IO[bytes], start: int, where: str, limit: int = MOST_BYTES) -> Tree:
    """The files of a file system.

    Args:
        file: has it; is only read.
        start: the byte at which it begins.
        where: its name, for messages.
        limit: bytes of contents that are taken.

    Raises:
        Refusal: E-GUEST-IMAGE when it is damaged, of a kind that is not known here or was not unmounted cleanly;
            E-GUEST-SIZE, E-GUEST-TREE.
    """
    made = Tree(where, limit)
    try:
        _fill(made, _FileSystem(file, start, where), limit)
    except (struct.error, ValueError, OverflowError) as error:
        said = "it is damaged" if isinstance(error, struct.error) else str(error)
        raise Refusal("E-GUEST-IMAGE", said, where=where) from error
    except OSError as error:
        raise Refusal("E-GUEST-IMAGE", f"it cannot be read: {error.strerror}", where=where) from error
    return made


def _fill(made: Tree, system: _FileSystem, limit: int) -> None:
    known: dict[int, Node] = {}
    todo = [("", _ROOT)]
    seen = {_ROOT}
    while todo:
        prefix, folder = todo.pop()
        for encoded, number in system.listed(system.inode(folder)):
            name = encoded.decode("utf-8", "surrogateescape")
            if "/" in name or (not prefix and name == "lost+found"):
                continue
            inode = system.inode(number)
            node = known.get(number)
            if node is None:
                node = known[number] = _node(system, inode, limit - made.size)
            if f"{prefix}{name}" in made:
                raise ValueError("a folder has a name twice")
            full = made.put(f"{prefix}{name}", node)
            if node.is_folder:
                if number in seen:
                    raise ValueError("a folder lies in itself")
                seen.add(number)
                todo.append((f"{full}/", number))


def _node(system: _FileSystem, inode: bytes, left: int) -> Node:
    mode, uid = struct.unpack_from("<HH", inode)
    (gid,) = struct.unpack_from("<H", inode, 0x18)
    high_uid, high_gid = struct.unpack_from("<HH", inode, 0x78)
    owner = (uid | high_uid << 16, gid | high_gid << 16)
    if stat.S_ISREG(mode):
        return Node(mode, *owner, system.content(inode, left))
    if stat.S_ISLNK(mode):
        (size,) = struct.unpack_from("<I", inode, 0x4)
        (flags,) = struct.unpack_from("<I", inode, 0x20)
        short = size < _MAP and not flags & _EXTENTS
        return Node(mode, *owner, inode[0x28 : 0x28 + size] if short else system.content(inode, system.block))
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        old, new = struct.unpack_from("<II", inode, 0x28)
        device = (old >> 8 & 0xFF, old & 0xFF) if old else (new >> 8 & 0xFFF, new & 0xFF | new >> 12 & 0xFFF00)
        return Node(mode, *owner, b"", device)
    return Node(mode, *owner)


def partition(file: IO[bytes], where: str) -> int:
    """The byte at which the ext4 file system of a disk begins: its own begin, or that of the only such partition.

    MBR and GPT are known (UEFI specification, chapter 5), with sectors of 512 bytes.

    Raises:
        Refusal: E-GUEST-IMAGE when there is none, or there are several.
    """
    try:
        starts = _file_systems(file)
    except (struct.error, OSError, OverflowError) as error:
        raise Refusal("E-GUEST-IMAGE", "its partition table is damaged", where=where) from error
    if len(starts) != 1:
        what = f"there are {len(starts)} ext4 file systems in it" if starts else "there is no ext4 file system in it"
        raise Refusal("E-GUEST-IMAGE", what, where=where)
    return starts[0][1]


def partition_number(file: IO[bytes]) -> int | None:
    """The number of the partition with a disk's only ext4 file system, 0 for the whole; None where it is not clear."""
    try:
        starts = _file_systems(file)
    except (struct.error, OSError, OverflowError):
        return None
    return starts[0][0] if len(starts) == 1 else None


def _file_systems(file: IO[bytes]) -> list[tuple[int, int]]:
    return [(number, start) for number, start in _starts(file) if _is_ext4(file, start)]


def _is_ext4(file: IO[bytes], start: int) -> bool:
    file.seek(start + MAGIC_AT)
    return file.read(2) == MAGIC


def _starts(file: IO[bytes]) -> list[tuple[int, int]]:
    """The numbers of partitions, and where each begins; partition 0 is the whole disk."""
    if _is_ext4(file, 0):
        return [(0, 0)]
    file.seek(0)
    head = file.read(2 * _SECTOR)
    if head[_SECTOR : _SECTOR + 8] == _GPT:
        table, count, size = struct.unpack_from("<QII", head, _SECTOR + 72)
        if count > 1024 or not 128 <= size <= 4096:  # noqa: PLR2004 - 128 of 128 bytes are usual
            return []
        file.seek(table * _SECTOR)
        entries = file.read(count * size)
        found = [struct.unpack_from("<Q", entries, at + 32)[0] for at in range(0, len(entries) - 127, size)]
        return [(number, first * _SECTOR) for number, first in enumerate(found, 1) if first]
    if head[510:512] != b"\x55\xaa":
        return []
    firsts = [struct.unpack_from("<I", head, 446 + 16 * number + 8)[0] for number in range(4)]
    return [(number, first * _SECTOR) for number, first in enumerate(firsts, 1) if first]
