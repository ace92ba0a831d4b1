"""What guests are made of: a root file system in a folder, a qcow2 of it, a container image; each of a few files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo {line}
/bin/busybox sleep 0.3
/bin/busybox poweroff -f
"""


def root(folder: Path, busybox: bytes, line: str) -> Path:
    """A root file system whose init prints a line and goes down."""
    (folder / "bin").mkdir(parents=True)
    (folder / "proc").mkdir()
    (folder / "bin/busybox").write_bytes(busybox)
    (folder / "bin/busybox").chmod(0o755)
    (folder / "bin/sh").symlink_to("busybox")
    (folder / "init").write_text(INIT.format(line=line))
    (folder / "init").chmod(0o755)
    return folder


def ext4(folder: Path, made: Path, *options: str) -> Path:
    """An ext4 file system of a folder's files, by the real program."""
    argv = ["mkfs.ext4", "-q", "-F", *options, "-d", str(folder), str(made), "16M"]
    subprocess.run(argv, check=True, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})
    return made


def qcow2(raw: Path, made: Path, *options: str) -> Path:
    """A qcow2 of a raw disk, by the real program."""
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, str(raw), str(made)], check=True)
    return made


Member = tuple[str, bytes | None, Mapping[str, Any]]


def member(name: str, data: bytes | None = None, **values: Any) -> Member:
    """A member of a tar: a file with this content, or what `type` and the other values of a TarInfo make of it."""
    return name, data, values


def layer(*members: Member) -> bytes:
    """A tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data, values in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if data is not None else 0o644
            for key, value in values.items():
                setattr(info, key, value)
            info.size = len(data) if data is not None else 0
            archive.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def fields(name: str, kind: bytes, size: int) -> bytes:
    """A header of a tar by itself, with a size that needs not be true."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def folder_member(name: str) -> Member:
    """A folder in a tar."""
    return member(name, type=tarfile.DIRTYPE, mode=0o755)


def layout(layers: Sequence[bytes], config: Mapping[str, Any], **changes: Any) -> dict[str, bytes]:
    """The files of an OCI image layout by their paths; the first layer is packed by gzip, the others are not.

    `changes`: `architecture`, or `diff_ids`, `platform` in place of the right ones.
    """
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, media: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    plain = "application/vnd.oci.image.layer.v1.tar"
    described = [
        blob(one if number else gzip.compress(one, mtime=0), plain if number else f"{plain}+gzip")
        for number, one in enumerate(layers)
    ]
    document = {
        "os": "linux",
        "architecture": changes.get("architecture", "amd64"),
        "config": dict(config),
        "rootfs": {
            "type": "layers",
            "diff_ids": changes.get("diff_ids", [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers]),
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": described,
    }
    chosen = blob(json.dumps(manifest).encode(), manifest["mediaType"])  # type: ignore[arg-type]
    chosen["platform"] = changes.get("platform", {"os": "linux", "architecture": "amd64"})
    other = {**chosen, "digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "arm64"}}
    index = {"schemaVersion": 2, "manifests": [other, chosen]}
    return {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **blobs,
    }


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """Files as a tar that is not packed."""
    path.write_bytes(layer(*(member(name, data) for name, data in files.items())))
    return path
