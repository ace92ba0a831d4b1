"""What somebody brings as a guest, by its content: a folder, a tar, an ext4 file system, a raw disk, a qcow2.

It becomes a tree in memory, for a guest that has its root file system as initial ramdisk and needs no disk at all; or
a raw disk, for one that starts from it. The file that was brought is only ever read: a disk is a copy.
"""

from __future__ import annotations

import os
import shutil
import struct
import tarfile
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from xenbump.errors import Failure, Refusal
from xenbump.process import run
from xenbump.verify import guest_ext4, guest_tar, guest_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xenbump.verify.guest_tree import Tree

MOST_DISK: Final = 1 << 30  # bytes of a disk, which lies in dom0's memory
_MOST_VIRTUAL: Final = 64 << 30  # bytes that a disk may have on the inside when only its files are wanted
_SECONDS = 300.0
_QCOW = b"QFI\xfb"
_FOREIGN = ((b"KDMV", "VMDK"), (b"conectix", "VHD"), (b"vhdxfile", "VHDX"), (b"hsqs", "squashfs"))
_INCOMPATIBLE_DATA_FILE = 1 << 2
_INODE, _JOURNAL = 4096, 8 << 20


class Kind(StrEnum):
    """What something is."""

    FOLDER = "folder"
    TAR = "tar"
    EXT4 = "ext4"
    RAW = "raw disk"
    QCOW2 = "qcow2"
    OCI = "OCI image"


def kind(path: Path) -> Kind:
    """What a file or folder is, by its content.

    Raises:
        Refusal: E-GUEST-SOURCE when it is not there or is nothing that is known here.
    """
    if path.is_dir():
        return Kind.OCI if (path / "oci-layout").is_file() else Kind.FOLDER
    if path.exists() and not path.is_file():
        raise Refusal("E-GUEST-SOURCE", "it is neither a file nor a folder", where=str(path))
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Refusal("E-GUEST-SOURCE", f"it cannot be read: {error.strerror}", where=str(path)) from error
    if head.startswith(_QCOW):
        return Kind.QCOW2
    if head[guest_ext4.MAGIC_AT : guest_ext4.MAGIC_AT + 2] == guest_ext4.MAGIC:
        return Kind.EXT4
    if guest_tar.is_tar(head):
        return Kind.OCI if _is_oci(path) else Kind.TAR
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            what = f"it is a {name}, which is not taken; `qemu-img convert -O raw` or an unpacked folder is"
            raise Refusal("E-GUEST-SOURCE", what, where=str(path))
    if head[510:512] == b"\x55\xaa":
        return Kind.RAW
    raise Refusal("E-GUEST-SOURCE", "it is no tar, no ext4, no qcow2 and no disk with partitions", where=str(path))


def _is_oci(path: Path) -> bool:
    """Whether a tar is an archive of a container image: it says so by one of two names."""
    try:
        with tarfile.open(path, "r:") as archive:
            for number, member in enumerate(archive):
                if member.name.removeprefix("./") in {"oci-layout", "manifest.json"}:
                    return True
                if number > 4096:  # noqa: PLR2004 - an image has some dozens of blobs
                    return False
    except guest_tar.BROKEN:
        return False
    return False


def tree(path: Path, what: Kind, work: Path, limit: int = guest_tree.MOST_BYTES) -> Tree:
    """The files of what was brought.

    Args:
        path: what was brought.
        what: its kind; not OCI, which is `oci.py`'s.
        work: a folder of ours for what has to be converted.
        limit: bytes of contents that are taken.

    Raises:
        Refusal: E-GUEST-IMAGE, E-GUEST-TAR, E-GUEST-TREE, E-GUEST-SIZE.
        Failure: E-PROGRAM-MISSING (qemu-img, zstd), E-GUEST-TOOL, E-VERIFY-DISK.
    """
    if what is Kind.FOLDER:
        return guest_tree.from_folder(path, limit)
    if what is Kind.TAR:
        made = guest_tree.Tree(str(path), limit)
        guest_tar.put(made, path, str(path))
        return made
    raw = _converted(path, work, _MOST_VIRTUAL) if what is Kind.QCOW2 else path
    try:
        with raw.open("rb") as file:
            return guest_ext4.tree(file, guest_ext4.partition(file, str(path)), str(path), limit)
    except OSError as error:
        raise Refusal("E-GUEST-IMAGE", f"it cannot be read: {error.strerror}", where=str(path)) from error
    finally:
        if raw != path:
            raw.unlink(missing_ok=True)


def disk(path: Path, what: Kind, work: Path) -> Path:
    """What was brought as a raw disk of its own in `work`: a guest writes on this copy only.

    Raises:
        Refusal: E-GUEST-IMAGE, E-GUEST-SIZE, E-GUEST-TREE.
        Failure: E-PROGRAM-MISSING (qemu-img, mkfs.ext4), E-GUEST-TOOL, E-VERIFY-DISK.
    """
    if what is Kind.QCOW2:
        return _converted(path, work, MOST_DISK)
    if what is Kind.FOLDER:
        return made_ext4(path, work)
    if what not in {Kind.EXT4, Kind.RAW}:
        said = f"only a folder or a disk is handed over as a disk, and this is: {what}"
        raise Refusal("E-GUEST-IMAGE", said, where=str(path))
    size = path.stat().st_size
    if size > MOST_DISK:
        raise _too_large(size, path)
    copy = work / "disk.raw"
    _room(work, size)
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        raise Failure("E-VERIFY-DISK", f"it cannot be copied: {error.strerror}", where=str(work)) from error
    return copy


def root_device(raw: Path) -> str:
    """What a Linux guest calls the only ext4 file system of its first disk; empty where there is not just one."""
    try:
        with raw.open("rb") as file:
            number = guest_ext4.partition_number(file)
    except OSError:
        return ""
    return "" if number is None else f"/dev/xvda{number or ''}"


def made_ext4(folder: Path, work: Path) -> Path:
    """An ext4 file system of a folder's files, made by `mkfs.ext4 -d` without being root.

    The folder is left as it is. Its root is root's; a file keeps the owner that it has on disk, by number. The size is
    that of the files, what ext4 needs for itself, and a quarter as reserve.

    Raises:
        Refusal: E-GUEST-SIZE, E-GUEST-TREE.
        Failure: E-PROGRAM-MISSING, E-GUEST-TOOL, E-VERIFY-DISK.
    """
    found = guest_tree.from_folder(folder, MOST_DISK)
    size = ext4_size(found)
    if size > MOST_DISK:
        raise _too_large(size, folder)
    _room(work, size)
    made = work / "disk.raw"
    argv = ["mkfs.ext4", "-q", "-F", "-L", "root", "-E", "root_owner=0:0", "-d", str(folder.absolute())]
    done = run([*argv, str(made.absolute()), f"{size >> 10}k"], env=_sbin(), timeout=_SECONDS, check=False)
    if done.status != 0:
        made.unlink(missing_ok=True)
        raise Failure("E-GUEST-TOOL", f"mkfs.ext4: {_said(done.error_text)}", where=str(folder))
    return made


def ext4_size(files: Tree) -> int:
    """Bytes of an ext4 file system that has room for a tree, a multiple of 1 MiB."""
    blocks = sum(-(-len(node.data) // 4096) for name in files.names() if (node := files.get(name)) is not None)
    needed = (blocks + 2 * len(files)) * 4096 + len(files) * _INODE // 8 + _JOURNAL
    return -(-(needed + needed // 4 + (4 << 20)) // (1 << 20)) << 20


def _converted(path: Path, work: Path, limit: int) -> Path:
    """A qcow2 as a raw disk in `work`; its format is given and not guessed, and it leans on no other file.

    Raises:
        Refusal: E-GUEST-IMAGE, E-GUEST-SIZE.
        Failure: E-PROGRAM-MISSING, E-GUEST-TOOL, E-VERIFY-DISK.
    """
    check_qcow2(path, limit)
    made = work / "disk.raw"
    _room(work, min(path.stat().st_size * 4, limit))
    # The processor time and the memory that it may take: a small file can describe a large amount of work.
    argv: Sequence[str] = [
        *("prlimit", "--as=4294967296", f"--fsize={limit}", "--cpu=300", "--"),
        *("qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-S", "4k", str(path.absolute()), str(made.absolute())),
    ]
    done = run(argv, timeout=_SECONDS, check=False)
    if done.status != 0:
        made.unlink(missing_ok=True)
        if done.status == 127:  # noqa: PLR2004 - what prlimit ends with where there is no such program
            run(["qemu-img", "--version"])
        raise Failure("E-GUEST-TOOL", f"qemu-img: {_said(done.error_text)}", where=str(path))
    return made


def check_qcow2(path: Path, limit: int = _MOST_VIRTUAL) -> int:
    """Look at the header of a qcow2 (QEMU's docs/interop/qcow2.txt); the size of the disk in it, in bytes.

    Raises:
        Refusal: E-GUEST-IMAGE when it is of an old form, encrypted, damaged, or takes data out of another file;
            E-GUEST-SIZE when the disk is larger than `limit`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(104)
    except OSError as error:
        raise Refusal("E-GUEST-IMAGE", f"it cannot be read: {error.strerror}", where=str(path)) from error
    if len(head) < 72 or not head.startswith(_QCOW):  # noqa: PLR2004 - the header of version 2
        raise Refusal("E-GUEST-IMAGE", "it is no qcow2", where=str(path))
    version, backing, _, _, size, encrypted = struct.unpack_from(">IQIIQI", head, 4)
    if version not in {2, 3} or (version == 3 and len(head) < 80):  # noqa: PLR2004 - the one with features
        raise Refusal("E-GUEST-IMAGE", f"it is a qcow2 of version {version}; known are 2 and 3", where=str(path))
    if backing:
        what = "it has a backing file, and that could be any file of this machine"
        raise Refusal("E-GUEST-IMAGE", what, where=str(path), remedy="`qemu-img convert -O qcow2` makes one without")
    features = struct.unpack_from(">Q", head, 72)[0] if version == 3 else 0  # noqa: PLR2004 - the one with features
    if features & _INCOMPATIBLE_DATA_FILE:
        what = "it has its data in another file, and that could be any file of this machine"
        raise Refusal("E-GUEST-IMAGE", what, where=str(path), remedy="`qemu-img convert -O qcow2` makes one without")
    if encrypted:
        raise Refusal("E-GUEST-IMAGE", "it is encrypted", where=str(path))
    if size > limit:
        raise _too_large(size, path, limit)
    return int(size)


def _too_large(size: int, path: Path, limit: int = MOST_DISK) -> Refusal:
    return Refusal("E-GUEST-SIZE", f"the disk has {size >> 20} MiB, and {limit >> 20} are taken", where=str(path))


def _room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        what = f"{free >> 20} MiB are free, and {size >> 20} are needed"
        raise Failure("E-VERIFY-DISK", what, where=str(folder))


def search_path() -> str:
    """The PATH on which the programs of /usr/sbin are found, where people's own does not have them."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"


def _sbin() -> dict[str, str]:
    return {"PATH": search_path(), "MKE2FS_SYNC": "0"}


def _said(text: str) -> str:
    return " ".join(text.split())[-300:] or "it ended with an error and said nothing"
