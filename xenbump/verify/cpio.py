"""cpio archives in the form `newc`, as Linux unpacks them for its first root file system.

Specified in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Several archives one behind the
other are unpacked in turn, a later file replacing an earlier one of its name.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAGIC = b"070701"
_HEADER = 110  # bytes: the magic and thirteen numbers of eight hexadecimal digits
_TRAILER = "TRAILER!!!"
_BLOCK = 512
_LARGEST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its name without a leading slash, type and permissions, content or a link's target, device numbers."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


def file(name: str, data: bytes, *, executable: bool = False) -> Entry:
    """A plain file."""
    return Entry(name, stat.S_IFREG | (0o755 if executable else 0o644), data)


def folder(name: str) -> Entry:
    """A folder."""
    return Entry(name, stat.S_IFDIR | 0o755)


def link(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def character_device(name: str, major: int, minor: int) -> Entry:
    """A character device; nobody needs to be root to write one into an archive."""
    return Entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))


def with_folders(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in the order of their names, and before them the folders that they lie in.

    Raises:
        ValueError: two entries have one name, or a name is absolute or leads upwards.
    """
    named: dict[str, Entry] = {}
    for entry in entries:
        path = PurePosixPath(entry.name)
        if not path.parts or path.is_absolute() or ".." in path.parts or str(path) != entry.name:
            raise ValueError(f"{entry.name!r} is no name of a file in an archive")
        if entry.name in named:
            raise ValueError(f"two files are called {entry.name!r}")
        named[entry.name] = entry
    parents = {str(parent) for name in named for parent in PurePosixPath(name).parents} - {".", *named}
    named.update((name, folder(name)) for name in parents)
    return [named[name] for name in sorted(named)]


def write(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The archive in pieces; the same entries always give the same bytes, with no time and no owner but 0.

    Its length is a multiple of 512 bytes, so that another archive can follow.

    Raises:
        ValueError: a file is larger than the form can say.
    """
    length = 0
    for inode, entry in enumerate(entries, 1):
        for piece in _written(entry, inode):
            length += len(piece)
            yield piece
    for piece in _written(Entry(_TRAILER, 0), 0):
        length += len(piece)
        yield piece
    yield bytes(-length % _BLOCK)


def _written(entry: Entry, inode: int) -> Iterator[bytes]:
    name = entry.name.encode() + b"\0"
    size = len(entry.data)
    if size > _LARGEST:
        raise ValueError(f"{entry.name}: a file of {size} bytes does not fit into an archive of this form")
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    numbers = (inode, entry.mode, 0, 0, links, 0, size, 0, 0, *entry.device, len(name), 0)
    yield _MAGIC + b"".join(b"%08X" % number for number in numbers) + name + bytes(-(_HEADER + len(name)) % 4)
    yield entry.data
    yield bytes(-size % 4)


def read(data: bytes) -> list[Entry]:
    """The entries of one archive or of several that follow each other.

    Raises:
        ValueError: it is no archive of this form, or is cut off; with the byte where.
    """
    entries = []
    position = 0
    while position < len(data):
        if data[position : position + 1] == b"\0":
            position += 1
            continue
        entry, position = _entry(data, position)
        if entry.name != _TRAILER:
            entries.append(entry)
    return entries


def _entry(data: bytes, start: int) -> tuple[Entry, int]:
    header = data[start : start + _HEADER]
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise ValueError(f"byte {start}: no entry of a cpio archive begins here")
    try:
        numbers = [int(header[at : at + 8].decode("ascii"), 16) for at in range(len(_MAGIC), _HEADER, 8)]
    except ValueError as error:
        raise ValueError(f"byte {start}: an entry's header is not of hexadecimal digits") from error
    size, major, minor, length = numbers[6], numbers[9], numbers[10], numbers[11]
    name_end = start + _HEADER + length
    begin = name_end + -(_HEADER + length) % 4
    if length == 0 or begin + size > len(data):
        raise ValueError(f"byte {start}: the entry that begins here is cut off")
    try:
        name = data[start + _HEADER : name_end - 1].decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {start}: an entry's name is not UTF-8") from error
    end = begin + size
    return Entry(name, numbers[1], data[begin:end], (major, minor)), end + -size % 4
