"""The kernel and the hypervisor in the forms that boot fastest: `vmlinux` out of a bzImage, Xen as a bare ELF32.

A bzImage is specified in the kernel's Documentation/arch/x86/boot.rst: where its compressed payload lies is written in
the header since protocol 2.08. The payload is an ELF file packed by one of several programs, and behind it (for all but
gzip, which has it in its own form) stands its size.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from typing import TYPE_CHECKING, Final

from xenbump.errors import Refusal
from xenbump.process import run
from xenbump.verify import elf

if TYPE_CHECKING:
    from collections.abc import Callable

_SETUP_SECTORS = 0x1F1
_SIGNATURE_AT, _SIGNATURE = 0x202, b"HdrS"
_PROTOCOL_AT, _OLDEST_PROTOCOL = 0x206, 0x208
_PAYLOAD_AT = 0x248
_SECTOR = 512
_SIZE = 4  # bytes behind the payload
LARGEST: Final = 512 << 20  # bytes of an unpacked kernel
_SECONDS = 120.0
_GZIP = b"\x1f\x8b"


def vmlinux(image: bytes, where: str) -> bytes:
    """The ELF file in a bzImage; an ELF file is given back as it is.

    Args:
        image: the file's content.
        where: its name, for messages.

    Raises:
        Refusal: E-IMAGE-KERNEL when it is neither, or is packed in a way that is not known here.
        Failure: E-PROGRAM-MISSING when `zstd` or `lz4` is needed and not there.
    """
    if elf.bits(image):
        return image
    start, length = _payload(image, where)
    packed = image[start : start + length]
    unpacked = _unpacked(packed, where)
    if not elf.bits(unpacked):
        raise _not_known("what is packed in it is no ELF file", where)
    return unpacked


def hypervisor(content: bytes, where: str) -> bytes:
    """A hypervisor as QEMU's `-kernel` takes it: an ELF32 file, unpacked when it came as `xen.gz`.

    Raises:
        Refusal: E-IMAGE-HYPERVISOR when it is none.
    """
    if content.startswith(_GZIP):
        try:
            content = _gunzip(content)
        except (zlib.error, ValueError) as error:
            raise _no_hypervisor(f"it is damaged: {error}", where) from error
    found = elf.bits(content)
    if found != 32:  # noqa: PLR2004 - a class, in the words of the specification
        what = "a 64-bit ELF file, such as xen-syms" if found else "no ELF file"
        raise _no_hypervisor(
            f"it is {what}; a multiboot image of Xen is a 32-bit ELF file, perhaps packed by gzip", where
        )
    return content


def _payload(image: bytes, where: str) -> tuple[int, int]:
    if image[_SIGNATURE_AT : _SIGNATURE_AT + 4] != _SIGNATURE or len(image) < _PAYLOAD_AT + 8:
        raise _not_known("it is neither an ELF file nor a bzImage", where)
    (protocol,) = struct.unpack_from("<H", image, _PROTOCOL_AT)
    if protocol < _OLDEST_PROTOCOL:
        raise _not_known(
            f"its boot protocol {protocol >> 8}.{protocol & 0xFF:02} does not say where the kernel is", where
        )
    sectors = image[_SETUP_SECTORS] or 4
    offset, length = struct.unpack_from("<II", image, _PAYLOAD_AT)
    start = (sectors + 1) * _SECTOR + offset
    if length <= _SIZE or start + length > len(image):
        raise _not_known("it is cut off", where)
    return start, length


def _unpacked(packed: bytes, where: str) -> bytes:
    unpackers: dict[bytes, Callable[[bytes], bytes]] = {
        _GZIP: _gunzip,
        b"\xfd7zXZ\0": lambda data: _limited(lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data, LARGEST + 1)),
        b"]\0\0": lambda data: _limited(lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data, LARGEST + 1)),
        b"BZh": lambda data: _limited(bz2.BZ2Decompressor().decompress(data, LARGEST + 1)),
        b"(\xb5/\xfd": lambda data: _by_program("zstd", data[:-_SIZE]),
        b"\x02!L\x18": lambda data: _by_program("lz4", data[:-_SIZE]),
    }
    for magic, unpack in unpackers.items():
        if packed.startswith(magic):
            try:
                return unpack(packed)
            except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
                raise _not_known(f"it is damaged: {error}", where) from error
    raise _not_known(f"how it is packed is not known here: it begins with {packed[:4].hex(' ')}", where)


def _gunzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    content = _limited(unpacker.decompress(data, LARGEST + 1))
    if not unpacker.eof:
        raise ValueError("it is cut off")
    return content


def _by_program(program: str, data: bytes) -> bytes:
    done = run([program, "-d", "-c"], stdin=data, timeout=_SECONDS, check=False)
    if done.status != 0:
        raise ValueError(f"{program}: {done.error_text}")
    return _limited(done.stdout)


def _limited(content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST >> 20} MiB")
    return content


def _not_known(what: str, where: str) -> Refusal:
    return Refusal("E-IMAGE-KERNEL", what, where=where)


def _no_hypervisor(what: str, where: str) -> Refusal:
    return Refusal("E-IMAGE-HYPERVISOR", what, where=where)
