"""What an ELF file says of itself: its class, its interpreter and the libraries that it needs.

Specified in the System V ABI, generic part, chapters 4 and 5 (object files, program loading).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"\x7fELF"
_CLASSES = {1: 32, 2: 64}
_LITTLE_ENDIAN = 1
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")


@dataclass(frozen=True)
class Needs:
    """The interpreter's path (empty: none) and the names of the libraries that a file is linked with."""

    interpreter: str = ""
    libraries: tuple[str, ...] = ()


def bits(data: bytes) -> int:
    """32 or 64 for an ELF file of that class for little-endian machines, else 0."""
    if not data.startswith(MAGIC) or len(data) <= len(MAGIC) + 1 or data[5] != _LITTLE_ENDIAN:
        return 0
    return _CLASSES.get(data[4], 0)


def needs(data: bytes) -> Needs:
    """What a 64-bit program or library needs; nothing for any other file.

    Raises:
        ValueError: it begins like such a file and points outside of itself.
    """
    if bits(data) != 64:  # noqa: PLR2004 - a class, in the words of the specification
        return Needs()
    try:
        return _needs(data)
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError("it begins like an ELF file and is cut off or damaged") from error


def _needs(data: bytes) -> Needs:
    (table,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    headers = [_PROGRAM_HEADER.unpack_from(data, table + index * size) for index in range(count)]
    loads = [(address, offset, length) for kind, _, offset, address, _, length, *_ in headers if kind == _PT_LOAD]
    interpreter = ""
    libraries: tuple[str, ...] = ()
    for kind, _, offset, _, _, length, *_ in headers:
        if kind == _PT_INTERP:
            interpreter = _text(data, offset)
        elif kind == _PT_DYNAMIC:
            libraries = _libraries(data, offset, length, loads)
    return Needs(interpreter, libraries)


def _libraries(data: bytes, offset: int, length: int, loads: list[tuple[int, int, int]]) -> tuple[str, ...]:
    names: list[int] = []
    strings = None
    for at in range(offset, offset + length - _DYNAMIC.size + 1, _DYNAMIC.size):
        tag, value = _DYNAMIC.unpack_from(data, at)
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            names.append(value)
        elif tag == _DT_STRTAB:
            strings = next(
                (begin + value - start for start, begin, size in loads if start <= value < start + size), None
            )
    if names and strings is None:
        raise IndexError("no strings")
    return tuple(_text(data, (strings or 0) + name) for name in names)


def _text(data: bytes, start: int) -> str:
    end = data.find(b"\0", start)
    if start >= len(data) or end < 0:
        raise IndexError(start)
    return data[start:end].decode("utf-8", "replace")
