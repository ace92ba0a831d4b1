"""A tar, or a layer of a container image, put into a tree; packed by gzip, xz, bzip2, zstd or not at all.

Whiteouts of layers are specified in the OCI image specification, layer.md, "Whiteouts".
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import stat
import struct
import tarfile
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from xenbump.errors import Failure, Refusal
from xenbump.process import ended, start
from xenbump.verify.guest_tree import MOST_BYTES, Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.verify.guest_tree import Tree

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_TAR_AT: Final = 257
# A tar has headers and padding besides what its files have.
MOST_UNPACKED: Final = MOST_BYTES + (MOST_BYTES >> 1)
_CHUNK = 1 << 20
# What reading damaged tars raises: tarfile minds some of what can be wrong in them, and not all.
BROKEN: Final = (
    *(tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, struct.error),
    *(ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError),
)
_MOST_OWNER, _MOST_MAJOR, _MOST_MINOR = 0xFFFFFFFF, 0xFFF, 0xFFFFF


class Stream(Protocol):
    """What is read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Some bytes, none at the end."""


class Unpacked(NamedTuple):
    """A tar that was read to its end: the SHA-256 of all of it, unpacked, in hexadecimal digits, and its bytes."""

    digest: str
    size: int


class _Limited:
    """A stream of which at most so many bytes are read, and whose SHA-256 is known at the end."""

    def __init__(self, stream: Stream, limit: int, where: str) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit
        self._where = where
        self.size = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_CHUNK if size < 0 else size)
        self._left -= len(data)
        self.size += len(data)
        if self._left < 0:
            what = f"it unpacks to more than {self._limit >> 20} MiB"
            raise Refusal("E-GUEST-SIZE", what, where=self._where)
        self.digest.update(data)
        return data


def is_tar(head: bytes) -> bool:
    """Whether a file that begins like this (512 bytes) is a tar, or is packed as tars are."""
    return head[_TAR_AT : _TAR_AT + 5] == b"ustar" or packing(head) != ""


def packing(head: bytes) -> str:
    """By which program something is packed that begins like this; empty: by none."""
    magics = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"(\xb5/\xfd": "zstd"}
    return next((name for magic, name in magics.items() if head.startswith(magic)), "")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """What is packed in a file, as a stream that is to be read to its end.

    Raises:
        Refusal: E-GUEST-TAR when it cannot be read, or zstd says so at its end.
        Failure: E-PROGRAM-MISSING when it is packed by zstd, and that program is not there; E-PROGRAM-FAILED.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            name = packing(file.read(8))
            file.seek(0)
        except OSError as error:
            raise Refusal("E-GUEST-TAR", f"it cannot be read: {error.strerror}", where=str(path)) from error
        if name == "gzip":
            yield stack.enter_context(gzip.GzipFile(fileobj=file))
        elif name == "xz":
            yield stack.enter_context(lzma.LZMAFile(file))
        elif name == "bzip2":
            yield stack.enter_context(bz2.BZ2File(file))
        elif name == "zstd":
            yield from _by_zstd(path)
        else:
            yield file


def _by_zstd(path: Path) -> Iterator[Stream]:
    # 128 MiB of window are what its own default allows.
    with start(["zstd", "-d", "-q", "-c", "--", str(path.absolute())]) as process:
        if process.stdout is None:
            raise Failure("E-PROGRAM-FAILED", "it cannot be read from", where="zstd")
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
    # What is cut off between two files would look like a tar that is whole.
    if process.returncode != 0:
        raise Refusal("E-GUEST-TAR", f"zstd does not unpack it: {ended(process.returncode)}", where=str(path))


def put(tree: Tree, path: Path, where: str, *, whiteouts: bool = False, most: int = MOST_UNPACKED) -> Unpacked:
    """Put what a tar has into a tree, over what is there.

    Args:
        tree: is changed.
        path: the tar, packed or not.
        where: its name, for messages.
        whiteouts: names that begin with `.wh.` remove what the tree had before.
        most: bytes that it may unpack to, with headers and padding.

    Returns:
        The unpacked tar's digest, which is a layer's `DiffID`, and its size.

    Raises:
        Refusal: E-GUEST-TAR when it is none or damaged; E-GUEST-TREE, E-GUEST-SIZE for what is in it.
        Failure: E-PROGRAM-MISSING.
    """
    fresh: set[str] = set()
    with opened(path) as stream:
        limited = _Limited(stream, most, where)
        try:
            with tarfile.open(fileobj=limited, mode="r|", errorlevel=2) as archive:  # type: ignore[call-overload]
                for member in archive:
                    _member(tree, archive, member, fresh if whiteouts else None)
            while limited.read(_CHUNK):
                pass
        except BROKEN as error:
            raise Refusal("E-GUEST-TAR", f"it is no tar, or is damaged: {_said(error)}", where=where) from error
    return Unpacked(limited.digest.hexdigest(), limited.size)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _member(tree: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo, fresh: set[str] | None) -> None:
    head, _, base = member.name.rstrip("/").rpartition("/")
    if fresh is not None and base.startswith(_WHITEOUT):
        _white_out(tree, head, base, fresh)
        return
    if member.islnk():
        name = tree.join(member.name, member.linkname)
    else:
        name = tree.put(member.name, _node(tree, archive, member))
    if fresh is not None:
        while name and name not in fresh:
            fresh.add(name)
            name = name.rpartition("/")[0]


def _node(tree: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Node:
    permissions = stat.S_IMODE(member.mode)
    owner = (member.uid, member.gid)
    if not all(0 <= number <= _MOST_OWNER for number in owner):
        raise Refusal("E-GUEST-TREE", f"`{member.name[:200]}` is owned by nobody that there can be", where=tree.where)
    if member.isdir():
        return Node(stat.S_IFDIR | permissions, *owner)
    if member.issym():
        return Node(stat.S_IFLNK | 0o777, *owner, member.linkname.encode("utf-8", "surrogateescape"))
    if member.ischr() or member.isblk():
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        if not (0 <= member.devmajor <= _MOST_MAJOR and 0 <= member.devminor <= _MOST_MINOR):
            raise Refusal("E-GUEST-TREE", f"`{member.name[:200]}` is no device that Linux knows", where=tree.where)
        return Node(kind | permissions, *owner, b"", (member.devmajor, member.devminor))
    if member.isfifo():
        return Node(stat.S_IFIFO | permissions, *owner)
    # What is of a type that nobody knows is a plain file, see pax(1), "typeflag".
    if member.size > MOST_BYTES - tree.size:
        raise Refusal("E-GUEST-SIZE", f"its files have more than {MOST_BYTES >> 20} MiB", where=tree.where)
    content = archive.extractfile(member)
    data = b"" if content is None else content.read()
    if len(data) != member.size:
        raise Refusal("E-GUEST-TAR", f"`{member.name[:200]}` is cut off", where=tree.where)
    return Node(stat.S_IFREG | permissions, *owner, data)


def _white_out(tree: Tree, head: str, base: str, fresh: set[str]) -> None:
    """Remove what a whiteout hides: what lower layers have, and nothing that this one has brought."""
    folder = tree.find(head)
    if base == _OPAQUE:
        for child in tree.children(folder) if folder is not None else ():
            _remove_old(tree, child, fresh)
        return
    hidden = base.removeprefix(_WHITEOUT)
    if hidden.startswith(_WHITEOUT):
        return  # what AUFS keeps of its own
    if hidden in {"", ".", ".."}:
        raise Refusal("E-GUEST-TREE", f"`{base}` hides nothing that there can be", where=tree.where)
    if folder is not None:
        _remove_old(tree, f"{folder}/{hidden}".lstrip("/"), fresh)


def _remove_old(tree: Tree, name: str, fresh: set[str]) -> None:
    todo = [name]
    for one in todo:
        if one in fresh:
            todo += tree.children(one)
        else:
            tree.remove(one)
