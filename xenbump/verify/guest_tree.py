"""A root file system in memory: names, types, owners and contents; out of a folder or a tar, into a cpio archive.

Nothing is ever unpacked onto a disk, so nobody has to be root for owners and devices, and no link of a hostile archive
can lead out of anywhere: a link in a path is followed within the tree, as inside of a chroot.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 1 << 30  # of contents
MOST_ENTRIES: Final = 500_000
_MOST_LINKS = 40  # as Linux follows in one path
_LONGEST_NAME, _LONGEST_PART = 4095, 255  # bytes, as Linux takes them
_MAGIC = b"070701"
_HEADER = 110
_BLOCK = 512
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A file: type and permissions, owner, content or a link's target, device numbers.

    The same node under two names is one file with two names.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    data: bytes = b""
    device: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> str:
        """`file`, `folder`, `link`, `device`, `pipe` or `socket`."""
        return _KINDS.get(stat.S_IFMT(self.mode), "file of an unknown type")

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.mode)


def folder(mode: int = 0o755) -> Node:
    """A folder of root's."""
    return Node(stat.S_IFDIR | mode)


def file(data: bytes, mode: int = 0o644) -> Node:
    """A plain file of root's."""
    return Node(stat.S_IFREG | mode, data=data)


class Tree:
    """A root file system.

    Args:
        where: where it comes from, for messages.
        limit: bytes of contents that it may have.
    """

    def __init__(self, where: str, limit: int = MOST_BYTES) -> None:
        self.where = where
        self._limit = limit
        self._nodes: dict[str, Node] = {}
        # The names below each folder, so that a folder is removed without a look at everything.
        self._children: dict[str, set[str]] = {"": set()}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def names(self) -> list[str]:
        """All names in order: a folder before what lies in it."""
        return sorted(self._nodes, key=lambda name: name.split("/"))

    def get(self, name: str) -> Node | None:
        """The node of a name as it stands; no link is followed."""
        return self._nodes.get(name)

    def children(self, name: str) -> tuple[str, ...]:
        """The full names of what lies in a folder; the root's name is empty."""
        return tuple(sorted(self._children.get(name, ())))

    @property
    def size(self) -> int:
        """Bytes of all contents; those of a file with several names count once each."""
        return self._bytes

    def put(self, name: str, node: Node) -> str:
        """Put a node under a name, whose folders are made; what stood there goes, but for a folder's content.

        Args:
            name: a path; `/` and `.` at its begin mean the tree's root.
            node: what it is.

        Returns:
            The name that it got: links in the path to it are followed.

        Raises:
            Refusal: E-GUEST-TREE for a name that leads upwards or is too long, E-GUEST-SIZE when it becomes too much.
        """
        parts = _parts(name, self.where)
        if not parts:
            return ""
        parent = self._folder(parts[:-1])
        full = f"{parent}/{parts[-1]}" if parent else parts[-1]
        old = self._nodes.get(full)
        if old is not None and not (old.is_folder and node.is_folder):
            self.remove(full)
        elif old is not None:
            self._nodes[full] = node
            return full
        self._add(full, node)
        return full

    def join(self, name: str, target: str) -> str:
        """Give the file `target` a second name, a hard link.

        Raises:
            Refusal: E-GUEST-TREE when there is no such file, or it is a folder.
        """
        parts = _parts(target, self.where)
        parent = self.find("/".join(parts[:-1])) if parts else None
        node = None if parent is None else self._nodes.get(f"{parent}/{parts[-1]}".lstrip("/"))
        if node is None or node.is_folder:
            raise Refusal("E-GUEST-TREE", f"`{name[:200]}` is a link to `{target[:200]}`, no file", where=self.where)
        return self.put(name, node)

    def remove(self, name: str) -> None:
        """Remove a node with all that lies in it; nothing happens where there is none."""
        # Not by calling itself: folders may lie in each other more deeply than Python's functions may.
        found = [name] if name in self._nodes else []
        for one in found:
            found += self._children.get(one, ())
        for one in reversed(found):
            self._bytes -= len(self._nodes.pop(one).data)
            self._children.pop(one, None)
            self._children[one.rpartition("/")[0]].discard(one)

    def find(self, path: str) -> str | None:
        """The name of what a path leads to, all links followed within the tree; None when it leads to nothing."""
        found = self._walk([part for part in path.split("/") if part not in {"", "."}])
        return None if found is None or (found and found not in self._nodes) else found

    def _walk(self, todo: list[str]) -> str | None:
        at = ""
        links = 0
        parts = todo[::-1]
        while parts:
            part = parts.pop()
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            name = f"{at}/{part}" if at else part
            node = self._nodes.get(name)
            if node is None:
                return None
            if node.is_link:
                links += 1
                if links > _MOST_LINKS:
                    return None
                target = node.data.decode("utf-8", "surrogateescape")
                at = "" if target.startswith("/") else at
                parts += [one for one in reversed(target.split("/")) if one not in {"", "."}]
            else:
                at = name
        return at

    def _folder(self, parts: list[str]) -> str:
        """The name of a folder, links on the way followed, made where it is missing."""
        # A name that is in the tree as it stands has no links on its way.
        whole = "/".join(parts)
        known = self._nodes.get(whole)
        if known is not None and known.is_folder:
            return whole
        at = ""
        for part in parts:
            name = f"{at}/{part}" if at else part
            node = self._nodes.get(name)
            if node is not None and node.is_link:
                found = self.find(name)
                inner = None if found is None else self._nodes.get(found)
                if found == "" or (inner is not None and inner.is_folder):
                    at = found or ""
                    continue
            if node is None or not node.is_folder:
                self.remove(name)
                self._add(name, folder())
            at = name
        return at

    def _add(self, name: str, node: Node) -> None:
        self._bytes += len(node.data)
        if self._bytes > self._limit:
            what = f"its files have more than {self._limit >> 20} MiB"
            raise Refusal("E-GUEST-SIZE", what, where=self.where)
        if len(self._nodes) >= MOST_ENTRIES:
            raise Refusal("E-GUEST-SIZE", f"it has more than {MOST_ENTRIES} files", where=self.where)
        self._nodes[name] = node
        if node.is_folder:
            self._children[name] = set()
        self._children[name.rpartition("/")[0]].add(name)

    def archive(self) -> Iterator[bytes]:
        """The tree as a cpio archive of the form `newc` (see `cpio.py`); sockets are left out.

        Owners, devices and files that have several names stay. Its length is a multiple of 512 bytes.
        """
        length = 0
        numbers: dict[int, int] = {}
        names = self.names()
        count: dict[int, int] = {}
        for name in names:
            count[id(self._nodes[name])] = count.get(id(self._nodes[name]), 0) + 1
        for name in names:
            node = self._nodes[name]
            if node.kind == "socket":
                continue
            number = numbers.get(id(node), 0)
            if number and not node.is_folder:
                # The content came with the first name.
                piece = _entry(name, replace(node, data=b"") if node.is_file else node, number, count[id(node)])
            else:
                number = len(numbers) + 1
                numbers[id(node)] = number
                piece = _entry(name, node, number, count[id(node)])
            length += len(piece)
            yield piece
        end = _entry("TRAILER!!!", Node(0), 0, 1)
        yield end + bytes(-(length + len(end)) % _BLOCK)


def _entry(name: str, node: Node, inode: int, links: int) -> bytes:
    encoded = name.encode("utf-8", "surrogateescape") + b"\0"
    size = len(node.data)
    links = max(2, links) if node.is_folder else links
    fields = (inode, node.mode, node.uid, node.gid, links, 0, size, 0, 0, *node.device, len(encoded), 0)
    head = _MAGIC + b"".join(b"%08X" % (number & 0xFFFFFFFF) for number in fields)
    return b"".join((head, encoded, bytes(-(_HEADER + len(encoded)) % 4), node.data, bytes(-size % 4)))


def _parts(name: str, where: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise Refusal("E-GUEST-TREE", f"`{name[:200]}` leads upwards, out of the root file system", where=where)
    lengths = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if "\0" in name or sum(lengths) + len(parts) > _LONGEST_NAME or max(lengths, default=0) > _LONGEST_PART:
        raise Refusal("E-GUEST-TREE", f"`{name[:80]}` is no name of a file", where=where)
    return parts


def from_folder(path: Path, limit: int = MOST_BYTES) -> Tree:
    """A tree out of a folder as it stands: links are kept and not followed, devices too, and nothing else is opened.

    Files keep their owners where root asks; else all is root's, since the folder of an ordinary person has only theirs.

    Raises:
        Refusal: E-GUEST-TREE when something cannot be read, E-GUEST-SIZE.
    """
    tree = Tree(str(path), limit)
    keeps_owners = os.geteuid() == 0
    several: dict[tuple[int, int], Node] = {}

    def add(folder_path: str, prefix: str) -> Iterator[tuple[str, str]]:
        with os.scandir(folder_path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = f"{prefix}{entry.name}"
            key = (status.st_dev, status.st_ino)
            node = several.get(key)
            if node is None:
                owner = (status.st_uid, status.st_gid) if keeps_owners else (0, 0)
                node = _on_disk(entry.path, status, owner, limit - tree.size, tree.where)
                if status.st_nlink > 1 and not node.is_folder:
                    several[key] = node
            tree.put(name, node)
            if node.is_folder:
                yield entry.path, f"{name}/"

    try:
        todo = [(str(path), "")]
        while todo:
            todo += add(*todo.pop())
    except OSError as error:
        what = f"{error.filename or 'it'} cannot be read: {error.strerror}"
        raise Refusal("E-GUEST-TREE", what, where=str(path)) from error
    return tree


def _on_disk(path: str, status: os.stat_result, owner: tuple[int, int], left: int, where: str) -> Node:
    mode = status.st_mode
    data = b""
    device = (0, 0)
    if stat.S_ISREG(mode):
        if status.st_size > left:
            raise Refusal("E-GUEST-SIZE", "its files have more than there is room for", where=where)
        # A file that has become a link since is not followed.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            data = opened.read(left + 1)
    elif stat.S_ISLNK(mode):
        data = os.fsencode(Path(path).readlink())
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return Node(mode, *owner, data, device)
