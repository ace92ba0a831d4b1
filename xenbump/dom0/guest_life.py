"""The lives of a bundle's guests in a dom0: started in order, listened to, judged, and destroyed at the end.

`xl create -F` stays with each guest and says why it ended. What a guest prints is taken from the logs that xenconsoled
keeps (`guests.LOGS`) and, of an HVM guest, from the file that the device model writes its serial line to.
"""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .check import clipped
from .guest_bundle import BY_LINE, BY_STATUS, config, status_line
from .guests import FOLDER, SECONDS, exists, log_of, write
from .report import FAILED, PASSED, SKIPPED, CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .guest_bundle import Bundle, Guest
    from .machine import Machine

    Listener = Callable[[str, str], None]  # a guest's name and a line of its console
    Read = Callable[[str, int], bytes]  # a file's path and the byte from which on it is read

_POLL_SECONDS = 0.4
_CHUNK = 65536
# After a guest has ended, xenconsoled may still have some of its last words to write.
_LAST_WORDS_SECONDS = 1.0
_LONGEST_LINE = 4096
# Of a log in one look, so that a guest that never stops talking leaves the others their turn; and in all, since the
# log lies in dom0's memory, and on a log of hundreds of megabytes dom0 would die before the guest's time is over.
_CHUNKS, _LARGEST_LOG = 16, 32 << 20
_EVIDENCE = 12
_STATUS = re.compile(r"^xenbump-xl-status ([0-9]+)$", re.MULTILINE)
_ENDED = re.compile(r"Domain [0-9]+ has shut down, reason code ([0-9]+)")
_REASONS = {"1": "a reboot", "2": "a suspension", "3": "a crash", "4": "a watchdog", "5": "a soft reset"}
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class _Log:
    """A file that grows: how much of it was read, and the begin of a line that has not ended yet."""

    path: str
    offset: int = 0
    rest: bytes = b""


@dataclass
class _Life:
    """A guest that was started, and what came of it up to now."""

    guest: Guest
    began: float
    logs: tuple[_Log, ...]
    limit: float  # seconds
    said: str = ""
    created: str = ""
    match: str = ""
    status: int | None = None
    last: list[str] = field(default_factory=list)
    ended: float | None = None
    behind: bool = False  # it has said more than was read in the last look


def requirement(guest: Guest) -> str:
    """What is required of a guest, in one sentence."""
    if not guest.autostart:
        return "`xl` takes what describes the guest."
    if guest.judged == BY_LINE:
        return f"The {guest.type.upper()} guest prints a line with `{guest.expect}`."
    if guest.judged == BY_STATUS:
        return f"The {guest.type.upper()} guest's program ends with status 0."
    return f"The {guest.type.upper()} guest goes down of its own accord."


def run(machine: Machine, bundle: Bundle, listener: Listener, read: Read) -> Iterator[CheckResult]:
    """Start a bundle's guests in order, listen until each is judged, and leave none of them behind.

    Args:
        machine: the dom0.
        bundle: the guests.
        listener: told each line of each guest's console as it comes.
        read: reads files of that dom0, `local` where this runs inside of it. A command for each look, as checks ask
            them, would take the emulated processor from the guests.

    Yields:
        A result for each guest, named `guest:NAME`, as soon as there is one.
    """
    rounds = (bundle.guests,) if bundle.together else tuple((guest,) for guest in bundle.guests)
    for guests in rounds:
        yield from _lived(machine, replace(bundle, guests=guests), listener, read)


def _lived(machine: Machine, bundle: Bundle, listener: Listener, read: Read) -> Iterator[CheckResult]:
    """The results of guests that live beside each other."""
    todo: list[_Life] = []
    try:
        for guest in bundle.guests:
            begun = _begun(machine, guest)
            if isinstance(begun, CheckResult):
                yield begun
            else:
                todo.append(begun)
        for life in todo:
            # They share a processor, which is emulated mostly, and each has only its part of it.
            life.limit = life.guest.seconds * len(todo)
        while todo:
            for life in tuple(todo):
                result = _looked(bundle, life, listener, read)
                if result is not None:
                    todo.remove(life)
                    _destroy(machine, life.guest.name)
                    yield result
            if todo:
                time.sleep(_POLL_SECONDS)
    finally:
        # Only what was interrupted leaves some.
        for life in todo:
            _destroy(machine, life.guest.name)


def _paths(guest: Guest) -> tuple[str, str, str]:
    base = f"{FOLDER}/bundle/{guest.name}"
    return f"{base}.cfg", f"{base}.xl", f"{base}.serial" if guest.type == "hvm" else ""


def _begun(machine: Machine, guest: Guest) -> _Life | CheckResult:
    began = time.monotonic()
    path, said, serial = _paths(guest)
    written = write(machine, path, config(guest, serial))
    if not written.ok:
        return _result(guest, began, FAILED, f"its file could not be written: {' '.join(written.lines)}")
    for vif in guest.vif:
        bridge = next((part.removeprefix("bridge=") for part in vif.split(",") if part.startswith("bridge=")), "")
        if bridge and not machine.run(f"test -d /sys/class/net/{shlex.quote(bridge)}/bridge", timeout=SECONDS).ok:
            return _result(guest, began, FAILED, f"this dom0 has no bridge `{bridge}`")
    if not guest.autostart:
        read = machine.run(f"xl create -n {shlex.quote(path)}", timeout=guest.seconds)
        lines = read.lines
        if not read.ok:
            return _result(guest, began, FAILED, f"`xl` does not take its file (status {read.status})", lines)
        return _result(guest, began, SKIPPED, "it is not to be started; `xl` takes its file", lines)
    if exists(machine, guest.name):
        return _result(guest, began, FAILED, f"there is a domain `{guest.name}` already")
    # `xl` stays with the guest, and the shell around it notes its status.
    inner = f"xl create -F {shlex.quote(path)}; status=$?; echo; echo xenbump-xl-status $status"
    command = f"( {inner} ) >{shlex.quote(said)} 2>&1 </dev/null &"
    machine.run(command, timeout=SECONDS)
    logs = (_Log(log_of(guest.name)), *((_Log(serial),) if serial else ()))
    return _Life(guest, began, logs, guest.seconds, said)


def _looked(bundle: Bundle, life: _Life, listener: Listener, read: Read) -> CheckResult | None:
    """Take what a guest has said since the last look; a result when there is one."""
    now = time.monotonic()
    for line in _lines(read, life):
        _hear(bundle, life, line, listener)
    if life.ended is None:
        life.created = read(life.said, 0).decode("utf-8", "replace")
        if _STATUS.search(life.created):
            life.ended = now
    elif not life.behind and now - life.ended > _LAST_WORDS_SECONDS:
        # A last line that nobody has ended.
        for log in life.logs:
            if log.rest:
                _hear(bundle, life, _shown(log.rest), listener)
            log.rest = b""
    found = _found(life, now)
    return None if found is None else _result(life.guest, life.began, *found, _evidence(life))


def _found(life: _Life, now: float) -> tuple[str, str] | None:
    """The result of a guest and its reason; None as long as it has time."""
    guest = life.guest
    if max(log.offset for log in life.logs) > _LARGEST_LOG:
        return FAILED, f"it printed more than {_LARGEST_LOG >> 20} MiB"
    if guest.judged == BY_LINE and life.match:
        return PASSED, f"it printed: {life.match.strip()}"
    if life.ended is not None and not life.behind:
        is_known = guest.judged == BY_STATUS and life.status is not None
        if is_known or now - life.ended > _LAST_WORDS_SECONDS:
            return _judged(life)
    if now - life.began > life.limit:
        wanted = "did not print what is expected" if guest.judged == BY_LINE else "did not go down"
        told = f" (its program ended with status {life.status})" if life.status is not None else ""
        return FAILED, f"it {wanted} within {life.limit:g} seconds{told}"
    return None


def _hear(bundle: Bundle, life: _Life, line: str, listener: Listener) -> None:
    """Take one line of a guest."""
    guest = life.guest
    status = status_line(bundle.nonce, guest.name).search(line)
    if status:
        # Said for us; people are told of it with the result.
        life.status = int(status[1])
        return
    listener(guest.name, line)
    life.last = [*life.last[-(_EVIDENCE - 1) :], line]
    # The kernel repeats its command line, which may have the very words that are waited for.
    if guest.judged == BY_LINE and not life.match and "ommand line: " not in line and re.search(guest.expect, line):
        life.match = line


def _judged(life: _Life) -> tuple[str, str]:
    """What came of a guest that has ended."""
    ended = _STATUS.search(life.created)
    status = ended[1] if ended else "?"
    code = _ENDED.search(life.created)
    how = "" if code is None else _REASONS.get(code[1], f"reason {code[1]}") if code[1] != "0" else "by itself"
    if code is None:
        return FAILED, f"`xl create` ended with status {status}: {_complaint(life.created)}"
    if life.guest.judged == BY_LINE:
        return FAILED, f"it did not print what is expected, and ended {how if how == 'by itself' else f'by {how}'}"
    if how != "by itself":
        return FAILED, f"it ended by {how}"
    if life.guest.judged == BY_STATUS:
        if life.status is None:
            return FAILED, "it went down before its program had ended"
        return (PASSED if life.status == 0 else FAILED), f"its program ended with status {life.status}"
    return PASSED, "it went down by itself"


def _complaint(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _STATUS.match(line)]
    return lines[-1] if lines else "it said nothing"


def local(path: str, offset: int) -> bytes:
    """What a file of this machine has from this byte on, 64 KiB at most; nothing where there is no such file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - one call that is made often, on an emulated processor
            file.seek(offset)
            return file.read(_CHUNK)
    except OSError:
        return b""


def _lines(read: Read, life: _Life) -> Iterator[str]:
    life.behind = False
    for log in life.logs:
        for turn in range(1, _CHUNKS + 1):
            data = read(log.path, log.offset)
            if not data:
                break
            life.behind = life.behind or turn == _CHUNKS
            log.offset += len(data)
            *whole, log.rest = (log.rest + data).split(b"\n")
            if len(log.rest) > _LONGEST_LINE:
                whole.append(log.rest)
                log.rest = b""
            for line in whole:
                yield _shown(line)


def _shown(line: bytes) -> str:
    return _COLOURS.sub("", line.decode("utf-8", "replace")).strip("\r")


def _evidence(life: _Life) -> tuple[str, ...]:
    said = [line for line in life.created.splitlines() if line.strip() and not _STATUS.match(line)]
    return (*said[-6:], *life.last)


def _result(guest: Guest, began: float, result: str, reason: str, evidence: tuple[str, ...] = ()) -> CheckResult:
    return CheckResult(
        name=f"guest:{guest.name}",
        requirement=requirement(guest),
        result=result,
        reason=clipped((reason,))[0],
        evidence=clipped(evidence),
        seconds=round(time.monotonic() - began, 3),
    )


def _destroy(machine: Machine, name: str) -> None:
    if exists(machine, name):
        machine.run(f"xl destroy {shlex.quote(name)}", timeout=SECONDS)
