"""The machine: KVM, room on the disks, memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.errors import Failure, Refusal
from xenbump.verify import image as images
from xenbump.verify import manifest, probe, recipe

if TYPE_CHECKING:
    from xenbump.doctor.model import Check

_SECONDS = 10.0
_KVM_SECONDS = 30.0
_MIB = 1 << 20
# What is asked for is what one use takes, twice. The state: two sources of Xen and their trees; an image and what it is
# made of (`verify/image.py` has what was measured); the store: QEMU, compilers and Xen with its outputs.
_WANTED = {"state": 500 * _MIB, "images": 1200 * _MIB, "Nix store": 10 * 1024 * _MIB}
# With less nothing is written at all.
_LEAST = 20 * _MIB
_STORE = Path("/nix/store")

_KVM_COSTS = "dom0 is booted under emulation, which is slower; what it shows is the same"
_STATE_COSTS = "journal and cache cannot be written, and then no command works"
_IMAGES_COSTS = "no image can be made, so dom0 is not booted (steps dom0, guests, xtf)"
_STORE_COSTS = "a build of Xen may end with a full disk"
_MEMORY_COSTS = "dom0 is not booted (steps dom0, guests, xtf)"


def probes(state: Path, cache: Path, image: Path | None, *, kvm: str, device: str = "/dev/kvm") -> tuple[Probe, ...]:
    """The checks of the machine.

    Args:
        state: the state folder.
        cache: the folder of images.
        image: the configured image; None: those of the cache.
        kvm: `auto`, `tcg` or `kvm`, as `[verify] accelerator` has it.
        device: the path of KVM's device.
    """
    room = {
        "state": (state, _STATE_COSTS, "set XENBUMP_STATE_DIR to a folder with more room"),
        "images": (cache, _IMAGES_COSTS, "set XENBUMP_IMAGES to a folder with more room"),
        "Nix store": (_STORE, _STORE_COSTS, "nix-collect-garbage --delete-older-than 14d"),
    }
    return (
        Probe("KVM", partial(_kvm, cache, image, kvm, device), _KVM_SECONDS, _KVM_COSTS, grave=kvm == "kvm"),
        Probe("memory", _memory, _SECONDS, _MEMORY_COSTS, grave=False),
        Probe("state folder", partial(_writable, state), _SECONDS, _STATE_COSTS),
        *(
            Probe(f"room: {name}", partial(_room, f"room: {name}", folder, _WANTED[name], costs, do), _SECONDS, costs)
            for name, (folder, costs, do) in room.items()
        ),
    )


def _kvm(cache: Path, image: Path | None, wanted: str, device: str) -> Check:
    grave = wanted == "kvm"
    if wanted == "tcg":
        return skipped("KVM", 'it is not wanted ([verify] accelerator = "tcg")')
    if not Path(device).exists():
        return lack("KVM", f"there is no {device}", _KVM_COSTS, "modprobe kvm_intel || modprobe kvm_amd", broken=grave)
    if not os.access(device, os.R_OK | os.W_OK):
        return lack("KVM", f"{device} may not be opened", _KVM_COSTS, "usermod -aG kvm $USER", broken=grave)
    hypervisor = _hypervisor(cache, image)
    if hypervisor is None:
        why = f"{device} may be opened; whether Xen runs on it is tried with an image: xenbump image --xen 4.20"
        return skipped("KVM", why)
    found = probe.probe(hypervisor, kvm=device)
    if found.name == "kvm":
        return ok("KVM", found.why)
    return lack("KVM", found.why, _KVM_COSTS, "run on a machine, or with nested virtualisation, that can", broken=grave)


def _hypervisor(cache: Path, image: Path | None) -> Path | None:
    """A hypervisor to try, out of the configured image or the newest of the cache; None where there is none whole."""
    folders = [image] if image is not None else sorted(cache.glob("debian-*"), key=_changed, reverse=True)
    for folder in folders:
        try:
            return images.load(folder).hypervisor
        except Refusal:
            continue
    return None


def _changed(folder: Path) -> float:
    try:
        return (folder / manifest.NAME).stat().st_mtime
    except OSError:
        return 0.0


def _memory() -> Check:
    try:
        probe.preflight(recipe.MEMORY)
    except Failure as error:
        return lack("memory", error.what, _MEMORY_COSTS, "end other programs, or add memory or swap")
    except OSError:
        return skipped("memory", "this system does not tell in /proc/meminfo")
    return ok("memory", f"there is room for a machine of {recipe.MEMORY} MiB")


def existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that is there."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), Path("/"))


def _room(name: str, folder: Path, wanted: int, costs: str, do: str) -> Check:
    if folder == _STORE and not folder.is_dir():
        return skipped(name, f"there is no {folder}")
    there = existing(folder)
    free = shutil.disk_usage(there).free
    if free < wanted:
        what = f"{free // _MIB} MiB are free in {there}, {wanted // _MIB} are wanted"
        return lack(name, what, costs, do, broken=free < _LEAST)
    return ok(name, f"{free // _MIB} MiB are free in {there}")


def _writable(state: Path) -> Check:
    """Whether something can be written to the state folder, or where it would be made; nothing is left there."""
    there = existing(state)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        what = f"nothing can be written to {there}: {error.strerror}"
        return lack("state folder", what, _STATE_COSTS, "set XENBUMP_STATE_DIR to a folder of yours", broken=True)
    return ok("state folder", f"{state}" if there == state else f"{state} can be made")
