"""The programs that xenbump starts, but for Nix: whether they are there, run, and are new enough."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

from xenbump import process
from xenbump.doctor.model import Probe, lack, ok
from xenbump.errors import Failure
from xenbump.verify.guest_images import search_path
from xenbump.verify.probe import QEMU

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.doctor.model import Check

_SECONDS = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
# `git fetch --no-write-fetch-head` came with it (git's RelNotes/2.29.0).
_OLDEST_GIT = (2, 29)

# What has another name there than in Debian.
_OF_NIXPKGS: Final = {"gpgv": "gnupg", "make": "gnumake", "qemu-system-x86": "qemu", "qemu-utils": "qemu"}

_GIT_COSTS = "nothing upstream can be asked for, and nothing can be published"
_GPGV_COSTS = "no signature can be judged, so every release and every advisory is refused"
_QEMU_COSTS = "a built Xen is not booted: the steps dom0, guests and xtf of `verify` fail"
_ZSTD_COSTS = "Debian's kernels are packed with it: without it `xenbump image` cannot make an image"
_APT_COSTS = (
    "`xenbump image` makes images of Debian's packages with it; one made elsewhere can be used ([verify] image)"
)
# Of what a machine needs to build a hypervisor, by the packages that have them. What dom0's tools need besides is for
# their configure script to say.
_COMPILERS: Final = {"gcc": "gcc", "ld": "binutils", "make": "make", "flex": "flex", "bison": "bison"}
_COMPILERS_COST = "`try`, `bisect` and packages that follow candidates build no Xen here; `try --nix` does without"
_OF_GUESTS: Final = {"qemu-img": "qemu-utils", "mkfs.ext4": "e2fsprogs", "skopeo": "skopeo"}
_GUESTS_COST = "`guest run` takes all but qcow2 (qemu-img), disks of folders (mkfs.ext4) or docker:// (skopeo)"


def probes(*, boots: bool, builds: bool) -> tuple[Probe, ...]:
    """The checks of the programs.

    Args:
        boots: whether the configuration wants dom0 booted in QEMU, which makes a missing QEMU grave.
        builds: whether it wants any Xen built by this machine's compiler, which makes a missing one grave.
    """
    return (
        Probe("git", _git, _SECONDS, _GIT_COSTS),
        Probe("gpgv", lambda: _there("gpgv", "gpgv", _GPGV_COSTS, broken=True), _SECONDS, _GPGV_COSTS),
        Probe(
            "QEMU",
            lambda: _there("QEMU", QEMU, _QEMU_COSTS, "qemu-system-x86", broken=boots),
            _SECONDS,
            _QEMU_COSTS,
            grave=boots,
        ),
        Probe("zstd", lambda: _there("zstd", "zstd", _ZSTD_COSTS), _SECONDS, _ZSTD_COSTS, grave=False),
        Probe("apt", lambda: _there("apt", "apt-get", _APT_COSTS), _SECONDS, _APT_COSTS, grave=False),
        Probe(
            "compilers",
            lambda: _all("compilers", _COMPILERS, _COMPILERS_COST, broken=builds),
            _SECONDS,
            _COMPILERS_COST,
            grave=builds,
        ),
        Probe("guests", lambda: _all("guests", _OF_GUESTS, _GUESTS_COST), _SECONDS, _GUESTS_COST, grave=False),
    )


def version_of(program: str) -> str | None:
    """What a program calls its version; None where it is not there.

    Raises:
        Failure: E-PROGRAM-FAILED, E-TIMEOUT: it is there and does not run.
    """
    try:
        done = process.run([program, "--version"], timeout=_SECONDS - 5)
    except Failure as error:
        if error.code == "E-PROGRAM-MISSING":
            return None
        raise
    first = done.stdout.decode("utf-8", "replace").partition("\n")[0]
    match = _VERSION.search(first)
    return match[0] if match is not None else first.strip()


def numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, for comparing: `2.29.0pre3` is (2, 29, 0)."""
    match = _VERSION.match(version)
    return tuple(int(part) for part in match[0].split(".")) if match is not None else ()


def _git() -> Check:
    found = _there("git", "git", _GIT_COSTS, broken=True)
    version = numbers(found.what)
    if version and version < _OLDEST_GIT:
        wanted = ".".join(map(str, _OLDEST_GIT))
        return lack("git", f"{found.what} is older than {wanted}", _GIT_COSTS, _install("git"), broken=True)
    return found


def _there(name: str, program: str, costs: str, package: str = "", *, broken: bool = False) -> Check:
    version = version_of(program)
    if version is None:
        # Nothing installs apt but Debian.
        do = "" if program == "apt-get" else _install(package or program)
        return lack(name, f"there is no `{program}` on PATH", costs, do, broken=broken)
    return ok(name, version)


def _all(name: str, programs: Mapping[str, str], costs: str, *, broken: bool = False) -> Check:
    """Whether all of some programs are there; which versions they have is for who calls them to find out."""
    missing = [program for program in programs if shutil.which(program, path=search_path()) is None]
    if not missing:
        return ok(name, ", ".join(programs))
    what = f"there is no {' and no '.join(f'`{program}`' for program in missing)} on PATH"
    return lack(name, what, costs, _install(*dict.fromkeys(map(programs.__getitem__, missing))), broken=broken)


def _install(*packages: str) -> str:
    """How programs come here: as the package manager at hand has them."""
    if version_of("apt-get") is not None:
        return f"apt-get install {' '.join(packages)}"
    return f"nix profile install {' '.join(f'nixpkgs#{_OF_NIXPKGS.get(name, name)}' for name in packages)}"
