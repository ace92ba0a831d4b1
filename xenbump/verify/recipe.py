"""The files of an image out of Debian's packages: kernel, hypervisor and archives, all as bytes.

The packages are read, never installed; nothing of them runs but their Python and busybox, to prepare what the image
has of them (`bytecode.py`).
"""

from __future__ import annotations

import hashlib
import lzma
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

from xenbump.errors import Failure, Refusal
from xenbump.verify import bytecode, contents, cpio, deb, kernel, manifest, payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from xenbump.verify.debian import Package

# Debian's suites by the release of Xen that they have.
SUITES: Final = {"4.17": "bookworm", "4.20": "trixie"}
DOM0_MEMORY: Final = 768  # MiB
MEMORY: Final = 2048  # MiB
XEN_OPTIONS: Final = "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=none/warning"
KERNEL_OPTIONS: Final = "console=hvc0"
# The device model starts the packed kernel only, a bzImage: of an ELF file it says that it is too old.
HVM_KERNEL: Final = "opt/xenbump/guest/bzImage"
_DEVICE_MODEL: Final = "qemu-system-xen"
_KERNEL_FILE = re.compile(r"boot/vmlinuz-(?P<release>.+)")
_STORES: Final = ("oxenstored", "xenstored")
# What an image depends on besides the packages: these files of this package, and the files that are put in.
_SOURCES: Final = ("bytecode.py", "contents.py", "cpio.py", "deb.py", "elf.py", "kernel.py", "manifest.py", "recipe.py")
_INITRD: Final = ("init", "guest-init")


def suite(release: str) -> str:
    """Debian's suite that has a release of Xen.

    Raises:
        Refusal: E-IMAGE-RELEASE when none does.
    """
    if release not in SUITES:
        known = ", ".join(f"{xen} in {name}" for xen, name in SUITES.items())
        raise Refusal("E-IMAGE-RELEASE", f"no suite of Debian is known here to have Xen {release}; known are {known}")
    return SUITES[release]


def packages(release: str, *, device_model: bool = False) -> tuple[str, ...]:
    """The names of the packages that an image is made of; what they depend on comes with them.

    Args:
        release: such as `4.20`.
        device_model: whether HVM guests are to be started in it.
    """
    return (
        *((_DEVICE_MODEL,) if device_model else ()),
        f"xen-hypervisor-{release}-amd64",
        f"xen-utils-{release}",
        "xen-utils-common",
        "xenstore-utils",
        "busybox-static",
        "python3-minimal",
        "libpython3-stdlib",
        "linux-image-amd64",
    )


def fingerprint(release: str, found: Iterable[Package]) -> str:
    """The name of an image in the cache: the packages' versions and all of ours that goes into it, hashed."""
    total = hashlib.sha256(f"{release}\n".encode())
    for package in sorted(found, key=lambda package: package.name):
        total.update(f"{package.file}\n".encode())
    for name in _SOURCES:
        total.update(_own(name))
    for name in _INITRD:
        total.update(_own("initrd", name))
    return f"debian-{release}-{total.hexdigest()[:16]}"


def files(
    release: str, found: Mapping[str, tuple[Package, Path]], progress: Callable[[str], None]
) -> tuple[dict[str, bytes], manifest.Manifest]:
    """The files of an image by name, and its manifest, in which `files` is still empty.

    Args:
        release: such as `4.20`.
        found: the packages and their files, by name.
        progress: told what is done.

    Raises:
        Refusal: E-IMAGE-KERNEL, E-IMAGE-HYPERVISOR, E-IMAGE-CONTENT.
        Failure: E-IMAGE-PACKAGE, E-IMAGE-CONTENT, E-PROGRAM-MISSING.
    """
    progress("reading the packages")
    choice = contents.Choice(release, device_model=_DEVICE_MODEL in found)
    tree = {entry.name: entry for name in sorted(found) for entry in deb.files(found[name][1], choice.wants)}
    progress("putting the root file system together")
    kernel_file, kernel_release = _kernel(tree)
    hypervisor_file = f"boot/xen-{release}-amd64.gz"
    if hypervisor_file not in tree:
        raise Failure("E-IMAGE-CONTENT", f"the packages have no {hypervisor_file}")
    root = bytecode.prepared(_root(tree, choice, kernel_release))
    if choice.device_model and contents.DEVICE_MODEL not in root:
        raise Failure("E-IMAGE-CONTENT", f"the packages have no {contents.DEVICE_MODEL}")
    root |= contents.programs(root, release)
    made = {
        manifest.HYPERVISOR: kernel.hypervisor(tree[hypervisor_file].data, hypervisor_file),
        manifest.KERNEL: kernel.vmlinux(tree[kernel_file].data, kernel_file),
        manifest.INITRD: _archive([*root.values(), *_fixed()]),
        manifest.GUEST: _archive(_guest(tree, tree[kernel_file].data if choice.device_model else b"")),
    }
    tools = found[f"xen-utils-{release}"][0].version
    return made, manifest.Manifest(
        schema=manifest.SCHEMA,
        xen=release,
        origin=f"Debian {suite(release)}",
        hypervisor=f"xen-hypervisor-{release}-amd64 {found[f'xen-hypervisor-{release}-amd64'][0].version}",
        tools=tools,
        kernel=kernel_release,
        packages={name: manifest.Source(entry.version, entry.sha256) for name, (entry, _) in sorted(found.items())},
        xenstored=tuple(name for name in _STORES if f"usr/sbin/{name}" in root),
        guests=("pv", "pvh", "hvm") if choice.device_model else ("pv", "pvh"),
        device_model=f"/{contents.DEVICE_MODEL}" if choice.device_model else "",
        dom0_memory=DOM0_MEMORY,
        memory=MEMORY,
        xen_options=XEN_OPTIONS,
        kernel_options=KERNEL_OPTIONS,
        agent="",
        files={},
    )


def agent(initrd: bytes) -> bytes:
    """`agent.cpio` for an image: what runs in a dom0, compiled by the Python of its root file system.

    Raises:
        Failure: E-IMAGE-CONTENT.
    """
    tree = {entry.name: entry for entry in cpio.read(initrd)}
    made = bytecode.compiled(tree, payload.agent_sources())
    return _archive(cpio.file(name, data) for name, data in made.items())


def _kernel(tree: contents.Tree) -> tuple[str, str]:
    for name in tree:
        match = _KERNEL_FILE.fullmatch(name)
        if match:
            return name, match["release"]
    raise Failure("E-IMAGE-CONTENT", "the packages have no boot/vmlinuz-RELEASE")


def _root(tree: contents.Tree, choice: contents.Choice, kernel_release: str) -> contents.Tree:
    chosen = [name for name in tree if choice.chooses(name) and not name.startswith("boot/")]
    root = contents.closed(tree, chosen)
    config = f"boot/config-{kernel_release}"
    if config in tree:
        root[config] = tree[config]
    for name in list(root):
        module = contents.module_name(name)
        if module:
            data = root.pop(name).data
            place = f"usr/lib/modules/xen/{module}.ko"
            root[place] = cpio.file(place, lzma.decompress(data) if name.endswith(".xz") else data)
    return root


def _fixed() -> list[cpio.Entry]:
    """What every image has besides what comes out of the packages."""
    return [
        cpio.file("init", _own("initrd", "init"), executable=True),
        cpio.character_device("dev/console", 5, 1),
        *(cpio.folder(name) for name in ("proc", "sys", "run", "tmp", "root", "var/log", "mnt")),
        *(cpio.link(name, f"usr/{name}") for name in deb.MERGED),
        cpio.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
        cpio.file("etc/group", b"root:x:0:\n"),
    ]


def _guest(tree: contents.Tree, kernel_file: bytes) -> list[cpio.Entry]:
    """What guests are started from besides the dom0's own kernel, and the file that HVM guests take instead of it."""
    initrd = _archive(
        [
            cpio.file("init", _own("initrd", "guest-init"), executable=True),
            cpio.file("bin/busybox", tree["usr/bin/busybox"].data, executable=True),
            cpio.character_device("dev/console", 5, 1),
            cpio.folder("proc"),
        ]
    )
    own = [cpio.file(HVM_KERNEL, kernel_file)] if kernel_file else []
    return [cpio.file(payload.GUEST_INITRD, initrd), *own]


def _archive(entries: Iterable[cpio.Entry]) -> bytes:
    return b"".join(cpio.write(cpio.with_folders(entries)))


def _own(*path: str) -> bytes:
    return resources.files("xenbump.verify").joinpath(*path).read_bytes()
