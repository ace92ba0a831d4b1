"""`manifest.json` of an image folder: what the image is made of, how it is booted, and each file's size and SHA-256.

An image folder has the hypervisor (`xen`, a bare ELF32 file), the kernel (`vmlinux`), the root file system
(`initrd.cpio`) and, where guests can be started, what they need (`guest.cpio`). `agent.cpio` is
the folder `xenbump/dom0` compiled by the image's own Python. These two are unpacked over the root file system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from xenbump.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "manifest.json"
SCHEMA: Final = 1
HYPERVISOR, KERNEL, INITRD, GUEST, AGENT = "xen", "vmlinux", "initrd.cpio", "guest.cpio", "agent.cpio"
NEEDED: Final = (HYPERVISOR, KERNEL, INITRD)
KNOWN: Final = (*NEEDED, GUEST, AGENT)


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Frozen, and with an unknown key it is not read: it may mean what this release does not do."""


class File(_Struct, frozen=True):
    """A file of the folder: bytes and SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


class Source(_Struct, frozen=True):
    """A package that something was taken out of: version and the SHA-256 of its file."""

    version: str
    sha256: str


class Manifest(_Struct, frozen=True):
    """What the manifest says.

    Attributes:
        schema: the form of the manifest, SCHEMA.
        xen: the release line, such as `4.20`.
        origin: what it was made from, such as `Debian trixie`.
        hypervisor: the package and version that the hypervisor is of, or that it was put in.
        tools: the version of the tools.
        kernel: the kernel's release, as `uname -r` says.
        packages: the packages, by name.
        xenstored: the programs that it can be, the one that is started first.
        guests: the kinds of guest that can be started.
        device-model: its path in the dom0; empty: there is none.
        dom0-memory: MiB that dom0 gets.
        memory: MiB of the machine.
        xen-options, kernel-options: the command lines.
        agent: the hash of the sources that `agent.cpio` was made of; empty: there is none.
        files: the files, by name.
    """

    schema: int
    xen: str
    origin: str
    hypervisor: str
    tools: str
    kernel: str
    packages: dict[str, Source]
    xenstored: tuple[str, ...]
    guests: tuple[str, ...]
    device_model: str
    dom0_memory: int
    memory: int
    xen_options: str
    kernel_options: str
    agent: str
    files: dict[str, File]


def decode(text: bytes, where: str) -> Manifest:
    """A manifest out of its text.

    Raises:
        Refusal: E-IMAGE-MANIFEST when it is none, is of another schema or names files that an image does not have.
    """
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise Refusal("E-IMAGE-MANIFEST", f"it is no manifest of an image: {error}", where=where) from error
    if found.schema != SCHEMA:
        raise Refusal("E-IMAGE-MANIFEST", f"it is of schema {found.schema}; known here is {SCHEMA}", where=where)
    for name in (*NEEDED, *found.files):
        if name not in found.files:
            raise Refusal("E-IMAGE-MANIFEST", f"it does not name the file `{name}`", where=where)
        if name not in KNOWN:
            raise Refusal("E-IMAGE-MANIFEST", f"it names a file `{name}`, which no image has", where=where)
    for memory in (found.memory, found.dom0_memory):
        if not 0 < memory <= _MOST_MEMORY:
            raise Refusal("E-IMAGE-MANIFEST", f"{memory} MiB of memory make no machine", where=where)
    _check_options((found.xen_options, found.kernel_options), where)
    return found


_MOST_MEMORY = 1 << 20  # MiB


def _check_options(options: Iterable[str], where: str) -> None:
    for words in options:
        if not words.isprintable():
            raise Refusal("E-IMAGE-MANIFEST", "a command line has characters that cannot be printed", where=where)


def encode(manifest: Manifest) -> bytes:
    """The manifest's text, the same for the same content."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2) + b"\n"
