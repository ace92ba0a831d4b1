"""What a trial boots: an image of Debian's packages with another hypervisor and, where those do not fit, other tools.

Debian has Xen of two release lines only. A hypervisor of another one runs with the newest of their kernels, and with
tools that were built of its own tree: they lie in `/opt/xen-try` of the dom0, and the names in `/usr/sbin`, by which
init and the checks start them, lead there.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from xenbump import durable
from xenbump.dom0 import baseline
from xenbump.dom0.job import Job, Xtf
from xenbump.dom0.xtf import TCG_ENVIRONMENTS
from xenbump.errors import Refusal
from xenbump.verify import cpio, payload, probe, qemu, recipe, tested
from xenbump.verify import image as images

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

FROM_SOURCE: Final = "built from the source"
XTF_PLACE: Final = "opt/xtf"
_NAMES: Final = "usr/sbin"
_NEEDED: Final = ("xl", "xenstored", "xenconsoled", "xen-init-dom0")
_REMEMBERED: Final = "images.json"
_NO_KVM: Final = "no-kvm"
# Asking apt takes five seconds, and a point release of Debian is no reason to try a commit of Xen anew.
_REMEMBERED_SECONDS: Final = 24 * 3600.0
# A compiler may run beside the boot; with six other programs on two processors a guest took more than a minute.
LIMITS: Final = qemu.Limits(ready=300.0, silence=120.0, total=2400.0)
_CHECK_SECONDS, _GUEST_SECONDS, _TEST_SECONDS = 60.0, 180.0, 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a boot is to show.

    Attributes:
        version: what the hypervisor has to call itself.
        accelerator: what QEMU is to run with.
        guests: whether guests are started.
        xtf: the folder of a built XTF; None: it is not run.
        console: the file that the console goes to.
        limits: how long things may take.
        tests: those of XTF that are run; none: all that the accelerator can.
    """

    version: str
    accelerator: Accelerator
    guests: bool
    xtf: Path | None
    console: Path
    limits: qemu.Limits = LIMITS
    tests: tuple[str, ...] = ()


def line_of_image(line: str) -> str:
    """The release line of the image that a hypervisor of a line is booted in: its own, else the newest there is."""
    return line if line in recipe.SUITES else max(recipe.SUITES, key=_number)


def has_tools(line: str) -> bool:
    """Whether an image has tools of a release line."""
    return line in recipe.SUITES


def base(line: str, cache: Path, folder: Path, progress: Callable[[str], None]) -> Image:
    """The image that a hypervisor of a release line is booted in, as it is before that is put in.

    Args:
        line: such as `4.22`.
        cache: the folder of all images.
        folder: where it is remembered for a day which one that is.
        progress: told what is done.

    Raises:
        Refusal: E-IMAGE-SOURCES, E-IMAGE-HYPERVISOR, E-IMAGE-KERNEL, E-IMAGE-CONTENT.
        Failure: E-IMAGE-DEBIAN, E-IMAGE-PACKAGE, E-IMAGE-DISK, E-PROGRAM-MISSING, E-LOCKED.
    """
    wanted = line_of_image(line)
    known = _remembered(folder / _REMEMBERED)
    path, when = known.get(wanted, ("", 0.0))
    if path.startswith(f"{cache}/") and 0 <= time.time() - when < _REMEMBERED_SECONDS:
        try:
            found = images.load(Path(path))
        except Refusal:
            progress(f"the image {path} is not whole any more, and is made again")
        else:
            # One with another program of ours in it is of another xenbump; a new one is made of Debian's, not of that.
            if found.manifest.agent == payload.agent_hash():
                return found
    found = images.from_debian(wanted, cache, progress)
    durable.make(folder)
    known[wanted] = (str(found.folder), time.time())
    durable.write(folder / _REMEMBERED, msgspec.json.encode(known))
    return found


def accelerator(image: Image, wanted: Literal["auto", "kvm", "tcg"], folder: Path) -> Accelerator:
    """What QEMU is to boot with; that KVM does not run Xen takes 5 seconds to find out, and is remembered for a day.

    Args:
        image: whose hypervisor is started to find that out.
        wanted: `auto` takes KVM where it works.
        folder: where it is remembered.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED for QEMU; E-ACCELERATOR when KVM is wanted and does not work.
    """
    note = folder / _NO_KVM
    if wanted == "auto" and _is_fresh(note):
        return probe.probe(image.hypervisor, wanted="tcg")
    found = probe.probe(image.hypervisor, wanted="" if wanted == "auto" else wanted)
    if wanted == "auto" and found.name == "tcg":
        durable.make(folder)
        durable.write(note, _boot_id())
    return found


def with_tools(image: Image, archive: bytes, line: str, cache: Path) -> Image:
    """The image with the tools of an archive in the place of its own.

    Args:
        image: made of Debian's packages.
        archive: as `toolset.pack` makes it: with the names in `usr/sbin` by which init and the checks start tools.
        line: the release line of the tools.
        cache: the folder of all images.

    Raises:
        Refusal: E-TRY-TOOLS when it is no archive, or has no tools in it.
        Failure: E-IMAGE-DISK.
    """
    try:
        names = {entry.name for entry in cpio.read(archive)}
    except ValueError as error:
        raise Refusal("E-TRY-TOOLS", f"the tools are in no archive that can be read: {error}") from error
    missing = [name for name in _NEEDED if f"{_NAMES}/{name}" not in names]
    if missing:
        raise Refusal("E-TRY-TOOLS", f"among the tools that were built is no {', no '.join(missing)}")
    return images.with_tools(image, archive, line, FROM_SOURCE, cache)


def boot(image: Image, hypervisor: Path, asked: Asked, cache: Path, progress: Callable[[str], None]) -> qemu.Booted:
    """Boot a hypervisor in an image, once, and have everything that is asked done in it.

    Raises:
        Refusal: E-IMAGE-HYPERVISOR.
        Failure: as `qemu.boot` has it, and E-IMAGE-DISK.
    """
    job = Job(
        nonce=secrets.token_hex(16),
        version=asked.version,
        guests=("pv", "pvh") if asked.guests else (),
        check_seconds=_CHECK_SECONDS,
        guest_seconds=_GUEST_SECONDS,
        seconds=asked.limits.total,
        xtf=None if asked.xtf is None else choice(asked.accelerator.name, asked.tests),
    )
    folders = {} if asked.xtf is None else {XTF_PLACE: asked.xtf}
    with images.lent_hypervisor(image, hypervisor, cache) as lent:
        return qemu.boot(
            lent,
            job,
            accelerator=asked.accelerator,
            console=asked.console,
            limits=asked.limits,
            progress=progress,
            folders=folders,
        )


def choice(accelerator: str, tests: tuple[str, ...] = ()) -> Xtf:
    """Which tests of XTF are run: those that an accelerator can, and of them those that are named, if any are."""
    environments = TCG_ENVIRONMENTS if accelerator == "tcg" else ()
    return Xtf(f"/{XTF_PLACE}", environments=environments, tests=tests, pvh=True, test_seconds=_TEST_SECONDS)


def expected(accelerator: Accelerator, path: Path | None, tests: tuple[str, ...] = ()) -> dict[str, str] | None:
    """The results that XTF is to have: those of a file, else those known for the emulation or the hardware.

    Raises:
        UsageError: E-CONFIG when the file cannot be read or is no baseline.
    """
    if path is not None:
        found: dict[str, str] | None = tested.read_baseline(path)
    else:
        # Gaps of the emulation differ by its release.
        major = accelerator.version.partition(".")[0]
        found = baseline.known(f"qemu-{major}-{accelerator.name}") or baseline.known(f"qemu-{accelerator.name}")
    return None if found is None else baseline.within(found, choice(accelerator.name, tests))


def engine(accelerator: Accelerator) -> str:
    """What dom0 runs on, in words."""
    return f"QEMU {accelerator.version}, {accelerator.name}"


def check_xtf(folder: Path) -> None:
    """Refuse a folder that no XTF was built in.

    Raises:
        Refusal: E-TRY-XTF when there is no runner in it.
    """
    if not (folder / "xtf-runner").is_file():
        raise Refusal("E-TRY-XTF", "there is no built XTF in this folder: it has no xtf-runner", where=str(folder))


def digest(folder: Path) -> str:
    """What tells one built XTF from another: the names, sizes and times of its files.

    Raises:
        Refusal: E-TRY-XTF when there is no runner in it.
    """
    check_xtf(folder)
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if stat.S_ISREG(facts.st_mode):
            total.update(f"{path.relative_to(folder)}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return total.hexdigest()


def conditions(image: Image) -> tuple[str, ...]:
    """What of an image a result depends on: its packages, and the program that checks the dom0."""
    described = image.manifest
    listed = (f"{name} {source.sha256}" for name, source in sorted(described.packages.items()))
    return (described.kernel, *listed, payload.agent_hash())


def _remembered(path: Path) -> dict[str, tuple[str, float]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, float]])
    except (OSError, msgspec.DecodeError):
        return {}


def _is_fresh(note: Path) -> bool:
    """Whether it was noted on this machine, since it was started and within a day."""
    try:
        return note.read_bytes() == _boot_id() and 0 <= time.time() - note.stat().st_mtime < _REMEMBERED_SECONDS
    except OSError:
        return False


def _boot_id() -> bytes:
    """What tells one start of this machine's kernel from another: random(4)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return b""


def _number(line: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", line)))
