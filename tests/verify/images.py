"""A small image folder, which no machine could boot, and a QEMU that only says what it is told to."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

from tests.verify.elves import hypervisor, library
from xenbump.verify import cpio, image, manifest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from xenbump.verify.image import Image

FILES = {
    "xen": hypervisor(b"one"),
    "vmlinux": library("none.so"),
    "initrd.cpio": b"".join(cpio.write([cpio.file("init", b"#!/bin/sh\n", executable=True)])),
    "guest.cpio": b"".join(cpio.write([cpio.file("guest", b"a guest")])),
}


def described(**changes: Any) -> manifest.Manifest:
    """The manifest of that folder."""
    files = {name: manifest.File(len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()}
    values: dict[str, Any] = {
        "schema": 1,
        "xen": "4.20",
        "origin": "a test",
        "hypervisor": "one",
        "tools": "4.20.1",
        "kernel": "6.12.1",
        "packages": {"xen": manifest.Source("4.20.1", "00")},
        "xenstored": ("xenstored",),
        "guests": ("pv",),
        "device_model": "",
        "dom0_memory": 64,
        "memory": 384,
        "xen_options": "console=com1",
        "kernel_options": "console=hvc0",
        "agent": "",
        "files": files,
    }
    return manifest.Manifest(**{**values, **changes})


def folder(path: Path, **changes: Any) -> Image:
    """The folder at a path, which must not be there."""
    path.mkdir()
    for name, data in FILES.items():
        (path / name).write_bytes(data)
    (path / manifest.NAME).write_bytes(manifest.encode(described(**changes)))
    return image.load(path)


# `parts` writes on the console; `files` is what would be unpacked, `todo` the job, `encoder` makes its frames.
_CONSOLE = """\
import re, sys, time
out = sys.stdout.buffer
def parts(text):
    out.write(text.encode() if isinstance(text, str) else text)
    out.flush()
"""
_JOB = """\
from xenbump.dom0 import frames, job
from xenbump.verify import cpio
archive = open(re.search(r"/proc/self/fd/[0-9]+$", sys.argv[sys.argv.index("-initrd") + 1])[0], "rb").read()
files = {entry.name: entry.data for entry in cpio.read(archive)}
todo = job.from_json(files["job.json"]) if "job.json" in files else None
encoder = frames.Encoder(todo.nonce if todo else "x" * 16)
"""


def fake_qemu(place: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a `qemu-system-x86_64` on PATH that runs this code, see above."""
    place.mkdir()
    asks = any(word in code for word in ("encoder", "files", "frames", "todo"))
    (place / "code.py").write_text(_CONSOLE + (_JOB if asks else "") + code)
    program = place / "qemu-system-x86_64"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{":".join(sys.path)}" exec {sys.executable} -S {place}/code.py "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
