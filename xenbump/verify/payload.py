"""What is unpacked over an image's root file system for one job: the job, and the code that does it."""

from __future__ import annotations

import dataclasses
import hashlib
import stat
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from xenbump.errors import Failure
from xenbump.verify import cpio, manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from xenbump.dom0.job import Job
    from xenbump.verify.image import Image

GUEST_KERNEL: Final = "opt/xenbump/guest/vmlinux"
GUEST_INITRD: Final = "opt/xenbump/guest/initrd.cpio"
_CODE = "opt/xenbump/dom0"
# What init starts; -B: a root file system that is thrown away needs no compiled files.
_PROGRAM = b"#!/bin/sh\ncd /opt/xenbump && exec python3 -B -m dom0.agent /job.json\n"


def fitted(job: Job, image: Image, engine: str) -> Job:
    """A job with what the image knows in the places that it leaves open: memory, guests, engine.

    Args:
        job: what is to be checked.
        image: where.
        engine: `tcg` or `hardware`.
    """
    described = image.manifest
    changes: dict[str, Any] = {"engine": engine, "memory": job.memory or described.dom0_memory}
    changes["device_model"] = job.device_model or described.device_model
    changes["kernel_config"] = job.kernel_config or f"/boot/config-{described.kernel}"
    guests = tuple(kind for kind in job.guests if kind in described.guests)
    changes["guests"] = guests
    # Unpacking what no check asks for would only take time.
    if guests and manifest.GUEST in described.files:
        changes["guest_kernel"] = job.guest_kernel or f"/{GUEST_KERNEL}"
        changes["guest_initrd"] = job.guest_initrd or f"/{GUEST_INITRD}"
    return dataclasses.replace(job, **changes)


def archive(job: Job, image: Image, folders: Mapping[str, Path]) -> bytes:
    """The archive of a job.

    Args:
        job: goes in as `/job.json`.
        image: when its `agent.cpio` was not made of the sources that are here, they go in too.
        folders: folders of this machine by the place that they get (`opt/xtf`), such as a built XTF.

    Raises:
        Failure: E-IMAGE-CONTENT when one of the folders cannot be read.
    """
    entries = [cpio.file("job", _PROGRAM, executable=True), cpio.file("job.json", job.to_json().encode())]
    if not has_agent(image):
        entries += [cpio.file(name, data) for name, data in agent_sources().items()]
    if job.guest_kernel == f"/{GUEST_KERNEL}":
        # The dom0's own kernel. Packed, it would take the emulated tools longer to unpack than to start it.
        entries.append(cpio.file(GUEST_KERNEL, image.kernel.read_bytes()))
    for place, folder in folders.items():
        entries += _folder(folder, place)
    return b"".join(cpio.write(cpio.with_folders(entries)))


def has_agent(image: Image) -> bool:
    """Whether an image's `agent.cpio` was made of the sources that are here."""
    return manifest.AGENT in image.manifest.files and image.manifest.agent == agent_hash()


def agent_sources() -> dict[str, bytes]:
    """The files of `xenbump/dom0` by the names that they have in a dom0."""
    return _sources(resources.files("xenbump.dom0"), _CODE)


def agent_hash() -> str:
    """What tells one state of those files from another."""
    total = hashlib.sha256()
    for name, data in sorted(agent_sources().items()):
        total.update(f"{name}\0{len(data)}\0".encode() + data)
    return total.hexdigest()


def _sources(folder: Traversable, place: str) -> dict[str, bytes]:
    found = {}
    for item in folder.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            found.update(_sources(item, f"{place}/{item.name}"))
        elif item.is_file() and not item.name.endswith(".pyc"):
            found[f"{place}/{item.name}"] = item.read_bytes()
    return found


def _folder(folder: Path, place: str) -> list[cpio.Entry]:
    """The plain files and links below a folder."""
    entries = []
    if not folder.is_dir():
        raise Failure("E-IMAGE-CONTENT", "there is no such folder", where=str(folder))
    try:
        for path in sorted(folder.rglob("*")):
            name = f"{place}/{path.relative_to(folder)}"
            if path.is_symlink():
                entries.append(cpio.link(name, str(path.readlink())))
            elif path.is_file():
                mode = stat.S_IMODE(path.stat().st_mode)
                entries.append(cpio.Entry(name, stat.S_IFREG | mode, path.read_bytes()))
    except OSError as error:
        raise Failure("E-IMAGE-CONTENT", f"it cannot be read: {error.strerror}", where=str(folder)) from error
    return entries
