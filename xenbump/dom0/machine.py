"""The machine that is checked: commands in it, each with a time limit, and waiting for a unit or a line.

`Local` is the machine that this runs on, as the agent uses it inside a dom0; `Driver` is one that a NixOS test driver
holds. What checks ask is always a command for `sh`, so that they need not know which of the two they talk to.
"""

from __future__ import annotations

import abc
import contextlib
import math
import os
import re
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMED_OUT = -1  # a status that no program has: those ended by a signal have 128 and its number
NOT_STARTED = 127  # what a shell says of a command that it does not find
LARGEST = 4 << 20  # bytes of a command's output that are kept: the last ones
_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_WAIT_SECONDS = (0.05, 0.5)  # the first pause and the longest, when waiting by asking again
_SIGNALLED = 128
_HEADING = re.compile(r"^==> (.+) <==\n", re.MULTILINE)
_KILLED = _SIGNALLED + signal.SIGKILL
_TIMEOUT_STATUS = 124  # of coreutils' `timeout`


@dataclass(frozen=True)
class Result:
    """A command that has ended: its exit status (TIMED_OUT: it was ended), stdout and stderr together, its seconds."""

    status: int
    output: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with status 0."""
        return self.status == 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the output without trailing space; empty ones are left out."""
        return tuple(line.rstrip() for line in self.output.splitlines() if line.strip())


def headed(text: str) -> dict[str, str]:
    """The contents of files by their paths, out of what `head -v` prints of several: one program for all of them."""
    parts = _HEADING.split(text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Machine(Protocol):
    """A machine that commands can be run on, as root."""

    def run(self, command: str, *, timeout: float) -> Result:
        """Run a command of `sh` to its end; after `timeout` seconds it is ended with its children.

        A command that cannot be run or that fails is a result, not an error.
        """

    def wait_for_unit(self, name: str, timeout: float) -> bool:
        """Wait until a systemd unit is active; False when it is not within so many seconds, or failed."""

    def wait_for_line(self, file: str, pattern: str, timeout: float) -> str | None:
        """Wait for a line of a file that has this regular expression; None when none is there within so many seconds.

        The file may not be there yet. The last 64 KiB of it are looked at.
        """


class Waiting(abc.ABC):
    """The two waits, made of `run`; a machine inherits them."""

    @abc.abstractmethod
    def run(self, command: str, *, timeout: float) -> Result:
        """Run a command; see `Machine`."""

    def wait_for_unit(self, name: str, timeout: float) -> bool:
        """Wait for a unit; see `Machine`."""
        for left in _remaining(timeout):
            result = self.run(f"systemctl is-active {shlex.quote(name)}", timeout=left)
            state = result.lines[-1] if result.lines else ""
            if result.ok and state == "active":
                return True
            if state == "failed" or result.status == NOT_STARTED:
                return False
        return False

    def wait_for_line(self, file: str, pattern: str, timeout: float) -> str | None:
        """Wait for a line; see `Machine`."""
        expression = re.compile(pattern)
        for left in _remaining(timeout):
            result = self.run(f"tail -c 65536 {shlex.quote(file)} 2>/dev/null", timeout=left)
            for line in result.output.splitlines():
                if expression.search(line):
                    return line.strip()
        return None


class Local(Waiting):
    """The machine that this program runs on."""

    def run(self, command: str, *, timeout: float) -> Result:
        """Run a command; see `Machine`. What it leaves in the background on purpose keeps running."""
        start = time.monotonic()
        # A file, in memory, and no pipe: a daemon that the command starts may keep its end open for ever.
        with os.fdopen(os.memfd_create("output"), "w+b") as file:
            try:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", command],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                return Result(NOT_STARTED, f"could not be started: {error}", time.monotonic() - start)
            status = _ended(process, start + timeout)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LARGEST))
            output = file.read(LARGEST).decode("utf-8", "replace")
        return Result(status, output, time.monotonic() - start)


class ExecutesCommands(Protocol):
    """What is used of the `machine` of a NixOS test driver."""

    def execute(self, command: str, *, timeout: int) -> tuple[int, str]:
        """Run a command; its status and stdout."""


class Driver(Waiting):
    """A machine of a NixOS test driver, which has booted and has a shell.

    Args:
        machine: the driver's machine.
    """

    def __init__(self, machine: ExecutesCommands) -> None:
        self._machine = machine

    def run(self, command: str, *, timeout: float) -> Result:
        """Run a command; see `Machine`."""
        start = time.monotonic()
        seconds = max(1, math.ceil(timeout))
        # In a shell of its own, since the driver's has `-e -o pipefail`, and with a limit of its own, since the
        # driver's ends nothing that does not listen to SIGTERM.
        limited = f"timeout -k {_GRACE_SECONDS:g} {seconds} sh -c {shlex.quote(command)} 2>&1"
        status, output = self._machine.execute(limited, timeout=seconds + 15)
        took = time.monotonic() - start
        if status in {_TIMEOUT_STATUS, _KILLED} and took >= seconds:
            status = TIMED_OUT
        return Result(status, output[-LARGEST:], took)


def _ended(process: subprocess.Popen[bytes], deadline: float) -> int:
    """The status of a process that ends by itself before the deadline; else it is ended with its whole group."""
    pause = _POLL_SECONDS / 4
    try:
        while not _has_ended(process):
            if time.monotonic() >= deadline:
                _end(process)
                return TIMED_OUT
            time.sleep(pause)
            pause = min(pause * 2, _POLL_SECONDS * 4)
    except BaseException:
        _end(process)
        raise
    status = process.wait()
    return status if status >= 0 else _SIGNALLED - status


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with its group: politely, then by force."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and not _has_ended(process):
        time.sleep(_POLL_SECONDS)
    # It is not collected before: until then no other group can have its number.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _remaining(seconds: float) -> Iterator[float]:
    """The seconds that are left, once at least, then after growing pauses until none is."""
    deadline = time.monotonic() + seconds
    pause, longest = _WAIT_SECONDS
    yield max(seconds, _WAIT_SECONDS[0])
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 2, longest)
        # The last look may begin at the deadline, and has to be able to end.
        yield max(deadline - time.monotonic(), longest)
