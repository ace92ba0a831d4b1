"""What somebody brings as guests, made into what a dom0 needs to run them.

A root file system becomes the initial ramdisk of its guest: no block device, no module of a kernel and nobody's being
root is needed for it. A disk is for guests that start from one, and for those that are to have one; QEMU serves it, so
the image needs a device model.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenbump import durable
from xenbump.dom0 import guest_bundle
from xenbump.dom0.guest_bundle import BY_END, BY_LINE, BY_STATUS, Bundle, Guest
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.verify import cpio, guest_images, guest_init, guest_kernel, guest_tree, manifest, oci, payload, recipe
from xenbump.verify.guest_images import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xenbump.verify.guest_tree import Tree
    from xenbump.verify.image import Image

DOM0_KERNEL, OWN_KERNEL, NO_KERNEL = "dom0", "own", "none"
_REMOTE, _LOCAL = "docker://", ("oci-archive:", "oci:", "docker-archive:")
PLACE: Final = "opt/xenbump/guests"
_ARGUMENTS: Final = "console=hvc0 quiet panic=-1"
# What a guest needs besides its files: a kernel of Debian's with what it unpacks to, in MiB; 128 start a small one.
_LEAST_MEMORY: Final = 128
_MIB = 1 << 20
_WORK, _WORK_SECONDS = ".work-", 2 * 86400.0


@dataclass(frozen=True)
class Wanted:
    """A guest as somebody asks for it.

    Attributes:
        name: its domain's.
        source: a folder, file or reference (`docker://…`, `oci:PATH[:NAME]`); empty: nothing but a kernel.
        type: `pv`, `pvh` or `hvm`.
        kernel: `dom0`, `own` (in the source's /boot), `none` (an HVM guest from its disk) or a file.
        ramdisk: a file with another initial ramdisk, such as one with an installer; empty: made of the source, or,
            for a disk with its own kernel, the one beside that.
        disk: hand the source over as a disk and not as an initial ramdisk.
        command: what is run in it in place of its own init or entry point, as words.
        memory: MiB; 0: what its files need.
        vcpus, vif, extra, autostart: see `guest_bundle.Guest`; `extra` comes behind what the console needs.
        expect: a regular expression that one of its lines has to have; empty: it is judged by its end.
        seconds: how long it may take; see `guest_bundle.Guest`.
    """

    name: str
    source: str = ""
    type: str = "pvh"
    kernel: str = DOM0_KERNEL
    ramdisk: str = ""
    disk: bool = False
    command: tuple[str, ...] = ()
    memory: int = 0
    vcpus: int = 1
    vif: tuple[str, ...] = ()
    extra: str = ""
    autostart: bool = True
    expect: str = ""
    seconds: float = 120.0

    @property
    def needs_device_model(self) -> bool:
        """Whether it can only be started where there is a device model."""
        return self.type == "hvm" or self.disk or self.kernel == NO_KERNEL


@dataclass(frozen=True)
class Ready:
    """Guests that are ready to be booted: what dom0 is told, and the files that it gets, by their names in it."""

    bundle: Bundle
    files: dict[str, bytes | Path]


@contextlib.contextmanager
def workplace(place: Path) -> Iterator[Path]:
    """A folder for what guests are made of, for the time of a `with` block.

    Not where passing files lie, which is often memory: a disk of a guest is large.

    Args:
        place: the folder that it is made in, which is made too; what killed runs have left there goes after some days.

    Raises:
        Failure: E-DISK when the disk is full, E-STATE for whatever else the system says of the files in it.
    """
    durable.make(place)
    try:
        for left in place.glob(f"{_WORK}*"):
            if time.time() - left.stat().st_mtime > _WORK_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=place, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise durable.failure(error, place, what="what the guests are made of cannot be written") from error


def prepare(
    wanted: Sequence[Wanted], image: Image, work: Path, progress: Callable[[str], None], *, together: bool = False
) -> Ready:
    """Make what a dom0 needs of what was brought, and change nothing of that.

    Args:
        wanted: the guests, in the order in which they are started.
        image: the dom0's, which has a kernel and a static busybox to give.
        work: a folder of ours.
        progress: told what is done.
        together: see `guest_bundle.Bundle`.

    Raises:
        UsageError: E-GUEST-BUNDLE.
        Refusal: E-GUEST-MODEL, E-GUEST-NETWORK, E-GUEST-KERNEL, E-GUEST-ENTRY, and as the files of each kind of source.
        Failure: as theirs; E-IMAGE-CONTENT when the image has no busybox for guests.
    """
    nonce = secrets.token_hex(16)
    files: dict[str, bytes | Path] = {}
    guests = []
    for number, one in enumerate(wanted):
        _possible(one, image)
        progress(f"preparing the guest {one.name}")
        folder = work / str(number)
        folder.mkdir()
        guests.append(_guest(one, image, folder, nonce, files))
    bundle = Bundle(nonce, tuple(guests), together)
    try:
        guest_bundle.check(bundle)
    except ValueError as error:
        raise UsageError("E-GUEST-BUNDLE", str(error)) from error
    return Ready(bundle, files)


def _possible(one: Wanted, image: Image) -> None:
    """Say what cannot be before anything is made."""
    # What it is made of is only known later, so it is looked at with a file in each place.
    sketch = Guest(
        *(one.name, one.type, "/k"),
        memory=one.memory or _LEAST_MEMORY,
        vcpus=one.vcpus,
        vif=one.vif,
        extra=one.extra,
        judged=BY_LINE if one.expect else BY_END,
        expect=one.expect,
        seconds=one.seconds,
    )
    why = guest_bundle.wrong(sketch)
    if not why and one.kernel == NO_KERNEL and one.type != "hvm":
        why = "only an HVM guest can start without a kernel, from its disk"
    if not why and not one.source and (one.kernel in {NO_KERNEL, OWN_KERNEL} or one.disk):
        why = "it has neither a source nor a kernel"
    if not why and _is_reference(one.source) and (one.disk or one.kernel == NO_KERNEL):
        why = "a container image has no kernel and is no disk"
    if not why and one.source and one.ramdisk and not one.disk and one.kernel != NO_KERNEL:
        why = "its root file system is its initial ramdisk, so it cannot have another; it can as a disk"
    if not why and one.command and (one.disk or one.kernel == NO_KERNEL):
        why = "a command can be run in an initial ramdisk only, not on a disk"
    if why:
        raise UsageError("E-GUEST-BUNDLE", why, where=one.name)
    if one.vif:
        what = "the dom0 that is booted here has no bridge and no driver for networks of guests"
        raise Refusal("E-GUEST-NETWORK", what, where=one.name, remedy="leave `vif` out, or use nixosModules.dom0")
    if one.disk and one.kernel == DOM0_KERNEL and not one.ramdisk:
        what = "dom0's kernel has what reads a guest's disk in modules only"
        remedy = "take the kernel on it (own), give a ramdisk, or leave the disk out: a root file system needs none"
        raise Refusal("E-GUEST-KERNEL", what, where=one.name, remedy=remedy)
    if one.needs_device_model and not image.manifest.device_model:
        what = "the image has no device model, which HVM guests and disks need"
        raise Refusal("E-GUEST-MODEL", what, where=one.name, remedy="xenbump image --xen X.Y --device-model")


def _guest(one: Wanted, image: Image, work: Path, nonce: str, files: dict[str, bytes | Path]) -> Guest:
    base = f"{PLACE}/{one.name}"
    tree: Tree | None = None
    arguments = _ARGUMENTS
    judged = BY_LINE if one.expect else BY_END
    disks: tuple[str, ...] = ()
    memory = _LEAST_MEMORY
    if one.source and (one.disk or one.kernel == NO_KERNEL):
        path = Path(one.source)
        what = guest_images.kind(path)
        made = guest_images.disk(path, what, work)
        files[f"{base}.disk"] = made
        disks = (f"/{base}.disk",)
        memory = 2 * _LEAST_MEMORY
        if one.kernel == OWN_KERNEL:
            tree = guest_images.tree(path, what, work)
            own_kernel, own_ramdisk = guest_kernel.from_tree(tree, one.type)
            files[f"{base}.kernel"] = own_kernel
            if own_ramdisk:
                files[f"{base}.initrd"] = own_ramdisk
                # Packed, it takes about a quarter of what it unpacks to.
                memory += 6 * (len(own_ramdisk) // _MIB)
        # A loader on the disk knows where its root file system is; a kernel that comes past it has to be told.
        place = guest_images.root_device(made) if one.kernel != NO_KERNEL and "root=" not in one.extra else ""
        arguments += f" root={place} rw" if place else ""
    elif one.source:
        tree, process = _tree(one, work)
        if process is not None:
            guest_init.put(tree, process, busybox(image), one.name, guest_bundle.token(nonce, one.name))
            arguments += f" rdinit={guest_init.INIT}"
            judged = judged if one.expect else BY_STATUS
        else:
            arguments += f" rdinit={_init(tree)}"
            guest_init.with_console(tree)
        ramdisk = b"".join(tree.archive())
        files[f"{base}.initrd"] = ramdisk
        # It is in memory twice until it is unpacked, and Linux gives it half of the memory at most.
        memory += 3 * (len(ramdisk) // _MIB)
    if one.ramdisk:
        files[f"{base}.initrd"] = _brought(Path(one.ramdisk))
    return Guest(
        name=one.name,
        type=one.type,
        kernel=_kernel(one, image, tree, files),
        ramdisk=f"/{base}.initrd" if f"{base}.initrd" in files else "",
        disks=disks,
        memory=one.memory or memory,
        vcpus=one.vcpus,
        vif=one.vif,
        extra=f"{arguments} {one.extra}".strip(),
        autostart=one.autostart,
        judged=judged,
        expect=one.expect,
        seconds=one.seconds,
        device_model=image.manifest.device_model,
    )


def _tree(one: Wanted, work: Path) -> tuple[Tree, guest_init.Process | None]:
    """The root file system of a guest, and what is to be run in it; None: its own init."""
    source, ref = one.source, ""
    if source.startswith(_REMOTE):
        source = str(oci.pull(source, work))
    for prefix in _LOCAL:
        if source.startswith(prefix):
            source, _, ref = source.removeprefix(prefix).partition(":")
    path = Path(source)
    what = guest_images.kind(path)
    if what is Kind.OCI or _is_reference(one.source):
        container = oci.load(path, work, ref, one.command)
        return container.tree, container.process
    tree = guest_images.tree(path, what, work)
    if what is Kind.TAR and ("oci-layout" in tree or "manifest.json" in tree):
        # The same archive that is not packed is one; see guest_images.kind.
        raise Refusal("E-GUEST-OCI", "it is a packed container image", where=str(path), remedy="unpack it first")
    return tree, guest_init.Process(one.command) if one.command else None


def _is_reference(source: str) -> bool:
    """Whether a source is said to be a container image, whatever lies there."""
    return source.startswith((_REMOTE, *_LOCAL))


def _init(tree: Tree) -> str:
    found = guest_init.own_init(tree)
    if not found:
        what = "it has no init: neither /init nor /sbin/init is a program"
        raise Refusal("E-GUEST-ENTRY", what, where=tree.where, remedy="give a command to be run in it: --command")
    return found


def _kernel(one: Wanted, image: Image, tree: Tree | None, files: dict[str, bytes | Path]) -> str:
    """The kernel's path in the dom0, the kernel being put among the files; empty: the guest's firmware starts it."""
    if one.kernel == NO_KERNEL:
        return ""
    if one.kernel == DOM0_KERNEL:
        if one.type == "hvm":
            return f"/{recipe.HVM_KERNEL}"
        files[payload.GUEST_KERNEL] = image.kernel
        return f"/{payload.GUEST_KERNEL}"
    name = f"{PLACE}/{one.name}.kernel"
    if one.kernel != OWN_KERNEL:
        files[name] = guest_kernel.from_file(Path(one.kernel), one.type)
    elif tree is not None:
        files[name], _ = guest_kernel.from_tree(tree, one.type)
    return f"/{name}"


def _brought(path: Path) -> Path:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Refusal("E-GUEST-SOURCE", f"it cannot be read: {error.strerror}", where=str(path)) from error
    if not path.is_file():
        raise Refusal("E-GUEST-SOURCE", "it is no file", where=str(path))
    if size > guest_tree.MOST_BYTES:
        what = f"it has {size >> 20} MiB, and {guest_tree.MOST_BYTES >> 20} are taken"
        raise Refusal("E-GUEST-SIZE", what, where=str(path))
    return path


def busybox(image: Image) -> bytes:
    """The static busybox in an image's ramdisk for guests.

    Raises:
        Failure: E-IMAGE-CONTENT.
    """
    path = image.path(manifest.GUEST)
    try:
        outer = {one.name: one for one in cpio.read(path.read_bytes())} if path is not None else {}
        inner = {one.name: one for one in cpio.read(outer[payload.GUEST_INITRD].data)}
        return inner["bin/busybox"].data
    except (OSError, ValueError, KeyError) as error:
        raise Failure("E-IMAGE-CONTENT", "the image has no busybox for guests", where=str(image.folder)) from error
