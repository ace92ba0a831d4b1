"""Small ELF files: nothing that runs, but a loader's view of them is complete."""

from __future__ import annotations

import struct


def library(*needed: str, interpreter: str = "") -> bytes:
    """A 64-bit ELF file that is linked with libraries of these names."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    offsets = [strings.index(b"\0" + name.encode() + b"\0") + 1 for name in needed]
    program = interpreter.encode() + b"\0"
    count = 3 if interpreter else 2
    start = 64 + 56 * count
    base = 0x400000
    dynamic = [*((1, offset) for offset in offsets), (5, base + start), (0, 0)]
    table = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    size = start + len(strings) + len(table) + len(program)
    at = start + len(strings)
    headers = [
        struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000),
        struct.pack("<IIQQQQQQ", 2, 4, at, base + at, base + at, len(table), len(table), 8),
    ]
    if interpreter:
        place = at + len(table)
        headers.append(struct.pack("<IIQQQQQQ", 3, 4, place, base + place, base + place, len(program), len(program), 1))
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    return ident + head + b"".join(headers) + strings + table + program


def hypervisor(content: bytes = b"") -> bytes:
    """Begins like a 32-bit ELF file."""
    return b"\x7fELF\x01\x01\x01" + bytes(60) + content
