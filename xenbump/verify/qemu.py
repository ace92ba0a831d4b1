"""Boots an image folder in QEMU, gives the dom0 its job, and takes the answers off the serial console.

Whatever happens, there is no QEMU left afterwards: it is killed when the boot is over, and the kernel kills it with the
process that started it. No file is left but the console's: what the machine boots from is in memory.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Literal

from xenbump import durable
from xenbump.dom0.frames import Decoder
from xenbump.dom0.report import Collector
from xenbump.errors import Failure
from xenbump.process import start
from xenbump.progress import Checked, ConsoleLine, Dom0Up, XtfTest, emit
from xenbump.verify import manifest, payload, probe
from xenbump.verify.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xenbump.dom0.job import Job
    from xenbump.dom0.report import Report
    from xenbump.verify.image import Image
    from xenbump.verify.probe import Accelerator

# How a boot ended:
#   off      turned off in the regular way, with all answers when there was a job
#   panic    hypervisor or kernel gave up
#   hang     the console was silent for too long
#   timeout  not ready, or not done, within its time
#   reboot   the machine wanted to start again
#   no-agent turned off in the regular way, and the agent never began
#   lost     turned off in the regular way, and answers are missing
#   ended    QEMU ended by itself
Kind = Literal["off", "panic", "hang", "timeout", "reboot", "no-agent", "lost", "ended"]

_CHUNK = 65536
_POLL_SECONDS = 0.5
# After a panic its reason follows, and then the hypervisor waits five seconds for nothing.
_PANIC_SECONDS = 0.5
_OFF_SECONDS = 5.0
_ERROR_BYTES = 2000
# Of the console's file; a boot with all its tests has some megabytes.
_LARGEST_CONSOLE = 64 << 20
_CUT = b"\nxenbump: the console says too much; what follows is not kept\n"
# MiB that Xen keeps for itself and what it hands a dom0 over in.
_XEN_MEMORY = 256


@dataclass(frozen=True)
class Limits:
    """Seconds of wall-clock time: until dom0 is up, without a byte on the console, and for all of it."""

    ready: float = 90.0
    silence: float = 30.0
    total: float = 900.0


@dataclass(frozen=True)
class Booted:
    """A boot that is over.

    Attributes:
        kind: how it ended, see above.
        detail: one sentence on that; empty for `off`.
        report: what the dom0 answered, also when that is not all; None: there was no job, or not a word came.
        version: what the hypervisor called itself on the console.
        lacks: what the dom0's init missed, and tools that are of another minor version than the hypervisor.
        ready: seconds until dom0 was up; None: it never was.
        seconds: how long the machine ran.
        console: the file with what the console said, up to 64 MiB.
        tail: its last lines, without frames.
    """

    kind: Kind
    detail: str
    report: Report | None
    version: str
    lacks: tuple[str, ...]
    ready: float | None
    seconds: float
    console: Path
    tail: tuple[str, ...] = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether it ran to its end, nothing was missing, and every check that was run passed."""
        return self.kind == "off" and not self.lacks and (self.report is None or self.report.passed)


def boot(
    image: Image,
    job: Job | None,
    *,
    accelerator: Accelerator,
    console: Path,
    memory: int = 0,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda _: None,
    folders: Mapping[str, Path] | None = None,
) -> Booted:
    """Boot an image, have the job done, and wait for the end.

    Args:
        image: what is booted.
        job: what is to be checked; None: dom0 is started and turned off.
        accelerator: what `probe.probe` found.
        console: the file that the console goes to, up to 64 MiB.
        memory: the machine's, in MiB; 0: as the manifest says.
        limits: how long things may take.
        progress: told when dom0 is up and when each result comes; as facts also what the console says.
        folders: folders that the dom0 is to have, by their places in it.

    Returns:
        How it ended. A dom0 that does not boot is a result, not an error.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED, E-VERIFY-MEMORY, E-VERIFY-DISK, E-IMAGE-CONTENT.
    """
    memory = memory or image.manifest.memory
    probe.preflight(memory)
    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context(console.open("wb", buffering=0))
            initrd = stack.enter_context(_in_memory(_initrd(image, job, accelerator, folders or {})))
            kernel = stack.enter_context(image.kernel.open("rb"))
        except OSError as error:
            raise Failure(
                "E-VERIFY-DISK", f"the boot cannot be prepared: {error.strerror}", where=str(console)
            ) from error
        errors = stack.enter_context(durable.nameless())
        argv = command(image, kernel.fileno(), initrd, accelerator=accelerator, memory=memory)
        qemu = stack.enter_context(
            start(argv, keep=(kernel.fileno(), initrd), dies_with_parent=signal.SIGKILL, errors=errors)
        )
        # Registered last, so done first: nobody has to ask a machine politely that is thrown away.
        stack.callback(qemu.kill)
        session = _Session(image, memory, log, limits=limits or Limits(), progress=progress, job=job)
        stopped = session.listen(qemu.stdout.fileno() if qemu.stdout is not None else -1)
        seconds = time.monotonic() - session.watch.began
        qemu.kill()
        errors.seek(0)
        complaint = errors.read()[-_ERROR_BYTES:].decode("utf-8", "replace").strip()
    return _judged(session, stopped, complaint, seconds, console)


def command(image: Image, kernel: int, initrd: int, *, accelerator: Accelerator, memory: int) -> list[str]:
    """QEMU's command line.

    Kernel and archive are open files: QEMU cuts the list of modules at commas and each module at its first space, so a
    path with one in it would lead elsewhere. For the same reason a comma in the kernel's options is doubled.
    """
    described = image.manifest
    dom0 = described.dom0_memory
    options = described.kernel_options.replace(",", ",,")
    return [
        *(probe.QEMU, *accelerator.arguments, *probe.MACHINE),
        *("-m", str(memory), "-kernel", str(image.hypervisor)),
        *("-append", f"{described.xen_options} dom0_mem={dom0}M,max:{dom0}M"),
        *("-initrd", f"/proc/self/fd/{kernel} {options},/proc/self/fd/{initrd}"),
    ]


def _initrd(
    image: Image, job: Job | None, accelerator: Accelerator, folders: Mapping[str, Path]
) -> tuple[Path | bytes, ...]:
    parts: list[Path | bytes] = [image.initrd]
    if job is None:
        return tuple(parts)
    guest = image.path(manifest.GUEST)
    engine = "tcg" if accelerator.name == "tcg" else "hardware"
    fitted = payload.fitted(job, image, engine)
    if guest is not None and fitted.guest_initrd == f"/{payload.GUEST_INITRD}":
        parts.append(guest)
    agent = image.path(manifest.AGENT)
    if agent is not None and payload.has_agent(image):
        parts.append(agent)
    parts.append(payload.archive(fitted, image, folders))
    return tuple(parts)


@contextlib.contextmanager
def _in_memory(parts: tuple[Path | bytes, ...]) -> Iterator[int]:
    """The parts one behind the other in a file that has no name; gives its number."""
    with os.fdopen(os.memfd_create("initrd"), "wb", buffering=0) as file:
        for part in parts:
            if isinstance(part, bytes):
                file.write(part)
            else:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
        yield file.fileno()


class _Session:
    """One boot while it runs."""

    def __init__(
        self,
        image: Image,
        memory: int,
        log: IO[bytes],
        *,
        limits: Limits,
        progress: Callable[[str], None],
        job: Job | None,
    ) -> None:
        self.watch = Watch(time.monotonic())
        self._image = image
        self._memory = memory
        self.job = job
        self.limits = limits
        self._log = log
        self._progress = progress
        self._decoder = Decoder(job.nonce) if job is not None else None
        self._collector = Collector()
        self._spoken = False
        self._kept = 0

    @property
    def panic(self) -> str:
        """Why hypervisor or kernel gave up; where memory is short they do not say so themselves."""
        dom0 = self._image.manifest.dom0_memory
        short = self._memory < dom0 + _XEN_MEMORY
        return self.watch.panic + (f"; of {self._memory} MiB of memory, dom0 is to get {dom0} MiB" if short else "")

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the dom0's init missed, and what it cannot know: how the hypervisor's version fits the tools."""
        version, tools = self.watch.version, self._image.manifest.xen
        if not version or version == tools or version.startswith((f"{tools}.", f"{tools}-")):
            return tuple(self.watch.lacks)
        return (f"tools of the hypervisor, which is Xen {version}: the image's are of {tools}", *self.watch.lacks)

    def report(self, lost: str) -> Report | None:
        """What the dom0 answered; None when it did not."""
        return self._collector.report(lost) if self._spoken else None

    def listen(self, console: int) -> tuple[Kind, str] | None:
        """Read until the machine is off or there is no use in waiting: then why."""
        with selectors.DefaultSelector() as selector:
            selector.register(console, selectors.EVENT_READ)
            while True:
                if selector.select(_POLL_SECONDS):
                    data = os.read(console, _CHUNK)
                    if not data:
                        return None
                    self._take(data)
                stopped = self._stopped(time.monotonic())
                if stopped is not None:
                    return stopped

    def _take(self, data: bytes) -> None:
        self._keep(data)
        was_ready = self.watch.ready
        for line in self.watch.feed(data, time.monotonic()):
            emit(self._progress, ConsoleLine(line))
        if self.watch.ready is not None and was_ready is None:
            seconds = self.watch.ready - self.watch.began
            self._progress(f"dom0 is up after {seconds:.1f} s")
            emit(self._progress, Dom0Up(seconds))
        for frame in self._decoder.feed(data) if self._decoder is not None else ():
            # A message of a kind that is not known would be one of another release of dom0/; it is passed over.
            with contextlib.suppress(ValueError):
                self._collector.add(frame.document)
                self._spoken = True
                kind, name, result = (str(frame.document.get(key)) for key in ("kind", "name", "result"))
                if kind == "check":
                    self._progress(f"{name}: {result}")
                    emit(self._progress, Checked(name, result))
                elif kind == "test":
                    emit(self._progress, XtfTest(name, result))

    def _keep(self, data: bytes) -> None:
        if self._kept > _LARGEST_CONSOLE:
            return
        self._kept += len(data)
        self._log.write(data if self._kept <= _LARGEST_CONSOLE else data + _CUT)

    def _stopped(self, now: float) -> tuple[Kind, str] | None:
        watch, limits = self.watch, self.limits
        if watch.panicked is not None and now - watch.panicked > _PANIC_SECONDS:
            return "panic", self.panic
        if watch.off and now - watch.heard > _OFF_SECONDS:
            return "hang", "QEMU did not end when the machine was turned off"
        if now - watch.heard > limits.silence:
            return "hang", f"the console was silent for {limits.silence:g} seconds{self._last()}"
        if watch.ready is None and now - watch.began > limits.ready:
            return "timeout", f"dom0 was not up within {limits.ready:g} seconds{self._last()}"
        if now - watch.began > limits.total:
            return "timeout", f"it was not done within {limits.total:g} seconds{self._last()}"
        return None

    def _last(self) -> str:
        tail = self.watch.tail
        return f"; the last line was: {tail[-1]}" if tail else "; it never said anything"


def _judged(
    session: _Session, stopped: tuple[Kind, str] | None, complaint: str, seconds: float, console: Path
) -> Booted:
    watch = session.watch
    kind, detail = stopped or _end(session, complaint)
    return Booted(
        kind=kind,
        detail=detail,
        report=session.report(detail or "no result came from the dom0"),
        version=watch.version,
        lacks=session.lacks,
        ready=None if watch.ready is None else watch.ready - watch.began,
        seconds=seconds,
        console=console,
        tail=watch.tail,
    )


def _end(session: _Session, complaint: str) -> tuple[Kind, str]:
    """How a boot ended whose QEMU has ended."""
    watch = session.watch
    if watch.panicked is not None:
        return "panic", session.panic
    if watch.reboot:
        return "reboot", "the machine wanted to start again"
    if not watch.off:
        return "ended", f"QEMU ended before the machine was off: {complaint or 'it said nothing'}"
    return ("off", "") if session.job is None else _answered(session)


def _answered(session: _Session) -> tuple[Kind, str]:
    """Whether a dom0 that was turned off in the regular way had done its job."""
    watch = session.watch
    report = session.report("no result came from the dom0")
    if report is None or not report.started:
        how = "its program was not started" if watch.status is None else f"its program ended with status {watch.status}"
        return "no-agent", f"the dom0 was turned off without a word of the job: {how}"
    if not report.finished:
        return "lost", f"of the dom0's answers are missing: {', '.join(report.missing) or 'the last one'}"
    return "off", ""
