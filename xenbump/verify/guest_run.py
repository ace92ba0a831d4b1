"""Guests that somebody brings, run in a real dom0 in QEMU.

All that they consist of lies in dom0's memory, since the dom0 has no disk of its own.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from xenbump.dom0.frames import Decoder
from xenbump.dom0.report import Collector
from xenbump.progress import Checked, ConsoleLine, Progress, Said, emit
from xenbump.verify import cpio, manifest, payload, qemu
from xenbump.verify.guest_ready import PLACE
from xenbump.verify.image import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xenbump.dom0.guest_bundle import Bundle
    from xenbump.dom0.report import Report
    from xenbump.progress import Event
    from xenbump.verify.guest_ready import Ready
    from xenbump.verify.probe import Accelerator

_PROGRAM: Final = b"#!/bin/sh\ncd /opt/xenbump && exec python3 -B -m dom0.guest_agent /opt/xenbump/guests/bundle.json\n"
_XEN_MEMORY: Final = 256
_GUEST_LINE = re.compile(r"xenbump-guest (?P<name>[A-Za-z0-9_.+-]{1,40}) (?P<mark>[+.]) (?P<text>[A-Za-z0-9+/=]*)")
# A machine that does much else at the same time took two minutes; one that does not takes ten seconds.
_BOOT_SECONDS = 240.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What came of a bundle: how the dom0 ended, and the results of its guests; `report` None: not a word came."""

    booted: qemu.Booted
    report: Report | None

    @property
    def passed(self) -> bool:
        """Whether each guest that was started did what was expected of it."""
        return self.booted.kind == "off" and self.report is not None and self.report.passed


class _Loaded(Image):
    """An image whose root file system has more in it, which lies in a file without a name."""

    def __init__(self, image: Image, described: manifest.Manifest, archive: Path) -> None:
        super().__init__(image.folder, described)
        object.__setattr__(self, "_archive", archive)

    @property
    def initrd(self) -> Path:
        """The root file system."""
        found: Path = self.__dict__["_archive"]
        return found


def run(
    ready: Ready,
    image: Image,
    *,
    accelerator: Accelerator,
    console: Path,
    progress: Callable[[str], None] = lambda _: None,
    tell: Callable[[str, str], None] = lambda _name, _line: None,
) -> Outcome:
    """Boot a dom0, run the guests in it, and take the results.

    Args:
        ready: what `prepare` made.
        image: the dom0's.
        accelerator: what `probe.probe` found.
        console: the file that dom0's console goes to.
        progress: told when dom0 is up, and of each result at the end.
        tell: told each line of each guest's console when it comes; for people, nothing is judged by it.

    Returns:
        How it ended. A dom0 or a guest that does not boot is a result, not an error.

    Raises:
        Failure: as `qemu.boot`; E-VERIFY-MEMORY also where the guests need more than this machine has.
    """
    with _loaded(ready, image) as loaded:
        seconds = _BOOT_SECONDS + ready.bundle.seconds
        booted = qemu.boot(
            loaded,
            None,
            accelerator=accelerator,
            console=console,
            limits=qemu.Limits(ready=_BOOT_SECONDS, silence=90.0, total=seconds + 60.0),
            progress=Progress(_Listener(progress, tell)),
        )
    return judged(booted, ready.bundle, progress)


def judged(booted: qemu.Booted, bundle: Bundle, progress: Callable[[str], None] = lambda _: None) -> Outcome:
    """What came of the guests, out of the frames on the console of a boot that is over."""
    decoder, collector = Decoder(bundle.nonce), Collector()
    spoken = False
    for frame in decoder.feed(booted.console.read_bytes()):
        with contextlib.suppress(ValueError):
            collector.add(frame.document)
            spoken = True
    report = collector.report(booted.detail or "no result came from the dom0") if spoken else None
    for check in report.checks if report is not None else ():
        emit(progress, Checked(check.name, check.result))
    if booted.kind == "off" and (report is None or not report.finished):
        kind: qemu.Kind = "no-agent" if report is None else "lost"
        booted = dataclasses.replace(booted, kind=kind, detail="the dom0 was turned off before all guests were judged")
    return Outcome(booted, report)


class _Listener:
    """Takes what the console says, puts the guests' lines together and hands the rest on."""

    def __init__(self, progress: Callable[[str], None], tell: Callable[[str, str], None]) -> None:
        self._progress, self._tell = progress, tell
        self._parts: dict[str, bytes] = {}

    def __call__(self, event: Event) -> None:
        match = _GUEST_LINE.fullmatch(event.text) if isinstance(event, ConsoleLine) else None
        if isinstance(event, Said):
            self._progress(event.sentence)
            return
        if match is None:
            emit(self._progress, event)
            return
        name = match["name"]
        with contextlib.suppress(binascii.Error):
            self._parts[name] = self._parts.get(name, b"") + base64.b64decode(match["text"], validate=True)
        if match["mark"] == ".":
            self._tell(name, self._parts.pop(name, b"").decode("utf-8", "replace"))


@contextlib.contextmanager
def _loaded(ready: Ready, image: Image) -> Iterator[Image]:
    """The image with the guests' files, more memory for them and a program that starts them."""
    entries = [
        cpio.file("job", _PROGRAM, executable=True),
        cpio.file(f"{PLACE}/bundle.json", ready.bundle.to_json().encode()),
    ]
    agent = image.path(manifest.AGENT) if payload.has_agent(image) else None
    if agent is None:
        entries += [cpio.file(name, data) for name, data in payload.agent_sources().items()]
    size = 0
    for name, content in ready.files.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        size += len(data)
        entries.append(cpio.file(name, data))
    hvm = image.path(manifest.GUEST) if image.manifest.device_model else None
    described = with_memory(image.manifest, size, ready.bundle)
    with os.fdopen(os.memfd_create("guests"), "wb", buffering=0) as file:
        for part in (image.initrd, hvm, agent):
            if part is not None:
                file.write(part.read_bytes())
        for piece in cpio.write(cpio.with_folders(entries)):
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) :]
        yield _Loaded(image, described, Path(f"/proc/self/fd/{file.fileno()}"))


def with_memory(described: manifest.Manifest, size: int, bundle: Bundle) -> manifest.Manifest:
    """A manifest with memory for files of so many bytes in dom0, and for the guests beside it.

    The files are in dom0's memory twice while it unpacks them, and its file system takes half of the memory at most.
    """
    dom0 = described.dom0_memory + max(0, 3 * (size // _MIB) - described.dom0_memory // 2)
    each = [guest.memory + 32 for guest in bundle.guests if guest.autostart] or [0]
    guests = sum(each) if bundle.together else max(each)
    return msgspec.structs.replace(
        described, dom0_memory=dom0, memory=max(described.memory, dom0 + _XEN_MEMORY + guests + guests // 8)
    )
