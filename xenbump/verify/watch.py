"""What a console says about a boot: how far it came, what it lacks, and what ended it. Pure: bytes and times go in.

The lines are those of Xen (xen/drivers/char/console.c, xen/common/shutdown.c), of Linux (kernel/panic.c) and of the
image's init, whose lines begin with `xenbump:`. None of them is believed to say that something passed: that only
frames can.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

_PANIC = re.compile(rb"\(XEN\)(?: \[[^\]]*\])? Panic on CPU")
_LINUX_PANIC = re.compile(rb"Kernel panic - not syncing: *(?P<what>.*)")
_XEN = re.compile(rb"^\(XEN\)(?: \[[^\]]*\])? ?")
_OFF = b"Entering ACPI S5"
_REBOOT = re.compile(rb"Hardware Dom\d+ (?:shutdown: rebooting|crashed: rebooting)|reboot: Restarting system")
_VERSION = re.compile(rb"\(XEN\)(?: \[[^\]]*\])? Xen version (?P<version>\S+)")
_INIT = re.compile(rb"^xenbump: (?P<what>init|ready|lacks (?P<lack>.+)|job ended with (?P<status>\d+))$")
_COLOURS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_TAIL = 40
_LONGEST = 4096
_LACKS = 20


@dataclass
class Watch:
    """What the console has said up to now.

    Attributes:
        began: when the machine was started, on the clock that `feed` is given too, in seconds.
        heard: when the last byte came.
        version: what the hypervisor calls itself; empty: it has said nothing yet.
        ready: when the dom0 said that it is up; None: not yet.
        lacks: what the dom0's init missed.
        panic: why hypervisor or kernel gave up; empty: they did not.
        panicked: when that was said.
        off: the machine was turned off in the regular way.
        reboot: somebody had the machine started again.
        status: how the job's program ended; None: it did not.
    """

    began: float
    heard: float = field(init=False)
    version: str = ""
    ready: float | None = None
    lacks: list[str] = field(default_factory=list)
    panic: str = ""
    panicked: float | None = None
    off: bool = False
    reboot: bool = False
    status: int | None = None
    _line: bytes = b""
    _reason_follows: bool = False
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))

    def __post_init__(self) -> None:
        self.heard = self.began

    def feed(self, data: bytes, now: float) -> tuple[str, ...]:
        """Take what the console wrote, in pieces of any size; gives the lines for people that ended with it."""
        if data:
            self.heard = now
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > _LONGEST:
            lines.append(self._line)
            self._line = b""
        shown = []
        for line in lines:
            bare = _COLOURS.sub(b"", line).strip(b"\r")
            self._take(bare, now)
            if _is_for_people(bare):
                shown.append(_text(bare))
        return tuple(shown)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, without frames, the one that is not ended included."""
        last = _text(self._line)
        return (*self._tail, last) if last else tuple(self._tail)

    def _take(self, line: bytes, now: float) -> None:
        if _is_for_people(line):
            self._tail.append(_text(line))
        if self._reason_follows:
            reason = _text(_XEN.sub(b"", line))
            self._reason_follows = not reason
            self.panic = reason or self.panic
        self._take_xen(line, now)
        match = _INIT.match(line)
        if match is None:
            return
        if match["lack"] is not None:
            if len(self.lacks) < _LACKS:
                self.lacks.append(_text(match["lack"]))
        elif match["status"] is not None:
            self.status = int(match["status"])
        elif match["what"] == b"ready" and self.ready is None:
            self.ready = now

    def _take_xen(self, line: bytes, now: float) -> None:
        linux = _LINUX_PANIC.search(line)
        version = _VERSION.search(line)
        if self.panicked is None and (linux or _PANIC.search(line)):
            self.panicked = now
            self._reason_follows = linux is None
            self.panic = f"Linux: {_text(linux['what'])}" if linux else "Xen gave no reason"
        elif version and not self.version:
            self.version = _text(version["version"])
        elif line.startswith(b"(XEN)") and _OFF in line:
            self.off = True
        elif _REBOOT.search(line):
            self.reboot = True


def _is_for_people(line: bytes) -> bool:
    """Whether a line is more than empty, and no frame."""
    return bool(line) and not line.startswith(b"<xb ")


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return "".join(character if character.isprintable() else "\ufffd" for character in text)[:400]
