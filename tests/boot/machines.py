"""Images with something wrong in them, and a hypervisor that never says a word."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from xenbump.verify import cpio, image, manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.image import Image

NONCE = "abcdefghijklmnop0123456789"
_BASE = 0x100000
_HEADERS = 52 + 32


def silent_hypervisor() -> bytes:
    """A multiboot image (ELF32, i386) that turns interrupts off and halts for ever."""
    magic, flags = 0x1BADB002, 0
    multiboot = struct.pack("<III", magic, flags, -(magic + flags) & 0xFFFFFFFF)
    code = multiboot + b"\xfa\xf4\xeb\xfc"  # cli; hlt; jmp back to hlt
    entry = _BASE + _HEADERS + len(multiboot)
    size = _HEADERS + len(code)
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    program = struct.pack("<IIIIIIII", 1, 0, _BASE, _BASE, size, size, 7, 0x1000)
    return header + program + code


def changed(like: Image, folder: Path, name: str, change: Callable[[bytes], bytes]) -> Image:
    """A copy of an image with one of its files changed, and a manifest that knows it."""
    folder.mkdir()
    for file in like.manifest.files:
        if file != name:
            shutil.copyfile(like.folder / file, folder / file)
    content = change((like.folder / name).read_bytes())
    (folder / name).write_bytes(content)
    entry = manifest.File(len(content), hashlib.sha256(content).hexdigest())
    described = msgspec.structs.replace(like.manifest, files={**like.manifest.files, name: entry})
    (folder / manifest.NAME).write_bytes(manifest.encode(described))
    return image.load(folder)


def without(*names: str) -> Callable[[bytes], bytes]:
    """A change to an archive: files of these names are left out."""

    def change(archive: bytes) -> bytes:
        entries = [entry for entry in cpio.read(archive) if Path(entry.name).name not in names]
        return b"".join(cpio.write(entries))

    return change


def qemu_processes() -> set[int]:
    """The numbers of the QEMU processes of these tests that have not ended, whoever is their parent by now.

    They are told from others by a folder in their environment, which xenbump hands on (see conftest.py).
    """
    mark = f"XDG_RUNTIME_DIR={os.environ['XDG_RUNTIME_DIR']}".encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name = (path / "comm").read_text().strip()
            ours = mark in (path / "environ").read_bytes().split(b"\0")
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if ours and name.startswith("qemu-system") and state not in "ZX":
            found.add(int(path.name))
    return found
