"""The program inside a dom0 image: reads the job, runs it, and sends each result as soon as it is there.

`python3 -m dom0.agent JOBFILE [--out DEVICE]`, run in the folder that has `dom0`. DEVICE is where the frames go, such
as `/dev/hvc0`; stdout without it. Exit status: 0, the job was done, whatever came out; 2, there is no job that can be
read, and no frame was sent, since the key of frames is in the job.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import checks, job, xtf
from .frames import Encoder
from .machine import Local

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .job import Job
    from .machine import Machine
    from .report import XtfReport, XtfResult

    Write = Callable[[bytes], None]

_STDOUT = 1
_COPIES = 2
_RETRY_SECONDS = 0.01


class Sender:
    """Sends messages as frames: each twice at once, and all of them once more at the end.

    Args:
        nonce: the job's.
        write: takes bytes and brings them onto the line, all of them.
    """

    def __init__(self, nonce: str, write: Write) -> None:
        self._encoder = Encoder(nonce)
        self._write = write
        self._sent: list[bytes] = []
        # The signs of life come from a thread of their own, and must not stand in the middle of a line.
        self._lock = threading.Lock()

    def send(self, document: Mapping[str, Any]) -> None:
        """Send a message."""
        with self._lock:
            frame = self._encoder.message(document)
            self._sent.append(frame)
            self._write(frame * _COPIES)

    def beat(self) -> None:
        """Send a sign of life, once."""
        with self._lock:
            self._write(self._encoder.beat({"kind": "beat"}))

    def repeat(self) -> None:
        """Send everything once more."""
        with self._lock:
            for frame in self._sent:
                self._write(frame)


class Heart:
    """Sends a sign of life at intervals until it is stopped. A context manager."""

    def __init__(self, sender: Sender, seconds: float) -> None:
        self._sender = sender
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beats, daemon=True)

    def _beats(self) -> None:
        while not self._stop.wait(self._seconds):
            # When the line has gone, the next message says so.
            with contextlib.suppress(OSError):
                self._sender.beat()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def work(machine: Machine, todo: Job, sender: Sender) -> None:
    """Do a job, and send what comes out; nothing that happens in it is raised.

    Args:
        machine: what is checked.
        todo: the job.
        sender: takes the messages; the last one is `done`, and then all come once more.
    """
    start = time.monotonic()
    error = ""
    with Heart(sender, todo.heartbeat_seconds):
        try:
            _work(machine, todo, sender)
        except Exception as wrong:  # noqa: BLE001 - the other side has to be told, or it would wait
            error = f"{type(wrong).__name__}: {wrong}"
    sender.send({"kind": "done", "error": error, "seconds": round(time.monotonic() - start, 3)})
    sender.repeat()


def _work(machine: Machine, todo: Job, sender: Sender) -> None:
    chosen = checks.select(todo.checks)
    announced = [{"name": check.name, "requirement": check.requirement} for check in chosen]
    sender.send({"kind": "start", "checks": announced, "xtf": todo.xtf is not None})
    for result in checks.run(machine, todo):
        sender.send({"kind": "check", **_plain(result)})
    if todo.xtf is not None:
        _tests(machine, todo, sender)


def _tests(machine: Machine, todo: Job, sender: Sender) -> None:
    def tell(result: XtfResult) -> None:
        sender.send({"kind": "test", **_plain(result)})

    if todo.xtf is None:
        return
    report: XtfReport = xtf.run(machine, todo, todo.xtf, tell)
    names = [result.name for result in report.results]
    sender.send({"kind": "tests", "names": names, "error": report.error, "seconds": report.seconds})


def _plain(result: object) -> dict[str, Any]:
    return dict(vars(result))


def writer(path: str) -> Write:
    """A function that writes bytes onto a device or file, all of them; stdout for an empty path.

    Raises:
        OSError: it cannot be opened. The function itself raises it when the other side has gone.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY) if path else _STDOUT

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                time.sleep(_RETRY_SECONDS)

    return write


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and the job, and do it; the exit status."""
    parser = argparse.ArgumentParser(prog="dom0.agent", description="Runs a job in a dom0 and sends its results.")
    parser.add_argument("job", metavar="JOBFILE", help="the job, a JSON file")
    parser.add_argument("--out", metavar="DEVICE", default="", help="where the frames go; stdout when not given")
    options = parser.parse_args(arguments)
    try:
        todo = job.from_json(Path(options.job).read_bytes())
        write = writer(options.out)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"xenbump: no job can be read from {options.job}: {error}\n")
        return 2
    work(Local(), todo, Sender(todo.nonce, write))
    return 0


if __name__ == "__main__":
    sys.exit(main())
