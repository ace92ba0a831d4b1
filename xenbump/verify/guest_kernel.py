"""Kernels for guests: dom0's own, a file that somebody brings, or the one in a guest's own root file system.

How an ELF file says that Xen can start it: notes of the owner `Xen` (xen/include/public/elfnote.h), of which
`XEN_ELFNOTE_PHYS32_ENTRY` is a PVH guest's entry and `XEN_ELFNOTE_ENTRY` a PV guest's. Small PV kernels, such
as XTF's, leave that out and start where the ELF header says; they have `XEN_ELFNOTE_LOADER`, as a Linux has that can
only be a PVH guest.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from xenbump.errors import Refusal
from xenbump.verify import elf, kernel

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.guest_tree import Tree

_ENTRY, _LOADER, _PHYS32_ENTRY = 1, 8, 18
_NOTE = re.compile(rb"\x04\0\0\0.{4}(?P<type>[\x01-\x1f])\0\0\0Xen\0", re.DOTALL)
_NAME = re.compile(r"(?:vmlinuz|vmlinux|bzImage|kernel)(?:-(?P<release>.+))?")
# As Debian, Fedora and Arch call them.
_RAMDISKS: Final = ("initrd.img{}", "initramfs{}.img", "initrd{}", "initramfs{}")
_SIGNATURE_AT, _SIGNATURE = 0x202, b"HdrS"
_PT_NOTE, _SHT_NOTE = 4, 7


def from_file(path: Path, kind: str) -> bytes:
    """A kernel out of a file, fit for a guest of this type; see `fitted`."""
    try:
        if path.exists() and not path.is_file():
            raise Refusal("E-GUEST-KERNEL", "it is no file", where=str(path))
        data = path.read_bytes() if path.stat().st_size <= kernel.LARGEST else b""
    except OSError as error:
        raise Refusal("E-GUEST-KERNEL", f"it cannot be read: {error.strerror}", where=str(path)) from error
    return fitted(data, kind, str(path))


def from_tree(tree: Tree, kind: str) -> tuple[bytes, bytes]:
    """The kernel of the highest release in a root file system's /boot, and the initial ramdisk that goes with it.

    Returns:
        The kernel, fit for a guest of this type, and the ramdisk, empty where there is none.

    Raises:
        Refusal: E-GUEST-KERNEL when there is none, or it does not fit.
    """
    boot = tree.find("/boot")
    found = [] if boot is None else [name.rpartition("/")[2] for name in tree.children(boot)]
    for name in sorted((name for name in found if _NAME.fullmatch(name)), key=_release, reverse=True):
        data = _content(tree, f"/{boot}/{name}")
        if data is not None:
            match = _NAME.fullmatch(name)
            release = match["release"] if match is not None else None
            names = (form.format(f"-{release}" if release else "") for form in _RAMDISKS)
            ramdisks = (_content(tree, f"/{boot}/{one}") for one in names)
            return fitted(data, kind, f"{tree.where}: /{boot}/{name}"), next((one for one in ramdisks if one), b"")
    raise Refusal("E-GUEST-KERNEL", "there is no kernel in its /boot", where=tree.where)


def _content(tree: Tree, path: str) -> bytes | None:
    """A file of a tree, links followed; None where there is none."""
    place = tree.find(path)
    node = None if place is None else tree.get(place)
    return node.data if node is not None and node.is_file else None


def _release(name: str) -> tuple[tuple[int, str], ...]:
    """What orders names by the numbers in them: 6.12 is after 6.9."""
    parts = re.findall(r"\d+|\D+", name.rpartition("/")[2])
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def fitted(data: bytes, kind: str, where: str) -> bytes:
    """A kernel in the form in which a guest of a type is started: an HVM guest by a bzImage, the others by an ELF file.

    Raises:
        Refusal: E-GUEST-KERNEL when it cannot be started so; E-IMAGE-KERNEL when it is none.
        Failure: E-PROGRAM-MISSING when it is packed by a program that is not there.
    """
    if kind == "hvm":
        if data[_SIGNATURE_AT : _SIGNATURE_AT + 4] != _SIGNATURE:
            raise Refusal("E-GUEST-KERNEL", "an HVM guest is started by a bzImage, and this is none", where=where)
        return data
    unpacked = kernel.vmlinux(data, where)
    found = entries(unpacked)
    is_pv = _ENTRY in found or (_LOADER in found and _PHYS32_ENTRY not in found)
    if not (is_pv if kind == "pv" else _PHYS32_ENTRY in found):
        what = f"it was built without the entry of a {kind.upper()} guest (CONFIG_XEN_{kind.upper()})"
        raise Refusal("E-GUEST-KERNEL", what, where=where)
    return unpacked


def entries(data: bytes) -> frozenset[int]:
    """The types of Xen's notes in an ELF file; none for any other file.

    As Xen's tools look for them (xen/common/libelf/libelf-dominfo.c): in segments, else in sections.
    """
    bits = elf.bits(data)
    try:
        pieces = (_segments(data, bits) or _sections(data, bits)) if bits else []
    except (struct.error, OverflowError):
        return frozenset()
    return frozenset(match["type"][0] for piece in pieces for match in _NOTE.finditer(piece))


def _segments(data: bytes, bits: int) -> list[bytes]:
    is_64 = bits == 64  # noqa: PLR2004 - a class, in the words of the specification
    form, places = ("<Q", (0x20, 0x36, 0x08, 0x20)) if is_64 else ("<I", (0x1C, 0x2A, 0x04, 0x10))
    return _notes(data, form, places, 0, _PT_NOTE)


def _sections(data: bytes, bits: int) -> list[bytes]:
    is_64 = bits == 64  # noqa: PLR2004 - a class, in the words of the specification
    form, places = ("<Q", (0x28, 0x3A, 0x18, 0x20)) if is_64 else ("<I", (0x20, 0x2E, 0x10, 0x14))
    return _notes(data, form, places, 4, _SHT_NOTE)


def _notes(data: bytes, form: str, places: tuple[int, int, int, int], type_at: int, wanted: int) -> list[bytes]:
    """The content of each entry of this type of a table of an ELF file.

    Args:
        data: the file.
        form: of its addresses.
        places: in the file's header those of the table's begin and of its entries' size and number; in an entry those
            of its content's begin and size.
        type_at: in an entry, the place of its type.
        wanted: the type.
    """
    table_at, size_at, offset_at, length_at = places
    (table,) = struct.unpack_from(form, data, table_at)
    size, count = struct.unpack_from("<HH", data, size_at)
    found = []
    for at in range(table, table + size * count, size or 1):
        if struct.unpack_from("<I", data, at + type_at)[0] == wanted:
            (offset,), (length,) = (struct.unpack_from(form, data, at + place) for place in (offset_at, length_at))
            found.append(data[offset : offset + length])
    return found
