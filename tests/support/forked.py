"""The program in a process of its own, without the second that an interpreter and its imports take each time.

A process that has imported everything waits for orders (this file as a program), and forks for each one. The child gets
the files, the folder, the environment and the arguments of its order, calls what is ordered, as a rule the entry point
of the program, and ends as an interpreter does. It may have a library preloaded; the programs that it starts have not,
as its environment does not tell of it. What only the beginning of an interpreter settles is not seen like this: which
modules a command imports, and what libraries look up in the environment while they are imported; nor is what an
interpreter complains of while it takes itself apart.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

PROGRAM = "xenbump.cli.main:main"
# What the commands import when they are called.
_MODULES = (
    "xenbump.advisories",
    "xenbump.cli.actions",
    "xenbump.cli.app",
    "xenbump.cli.common",
    "xenbump.cli.main",
    "xenbump.pipeline",
    "xenbump.proof",
    "xenbump.publish.publisher",
    "xenbump.report.documents",
    "xenbump.report.text",
    "xenbump.report.update_script",
    "xenbump.refusals",
    "xenbump.verify.verifier",
)
_LONGEST_ORDER = 1 << 17
_BESIDE_THE_USUAL = (3, 1024)


# --- the process that waits for orders -------------------------------------------------------------------------------


def _child(line: socket.socket) -> Callable[[], None] | None:
    """Take orders until the line is closed; returns in each child too, with what it is to call."""
    watch = selectors.DefaultSelector()
    watch.register(line, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select():
            if key.data is not None:
                pid, teller = key.data
                watch.unregister(key.fd)
                os.close(key.fd)
                _, status = os.waitpid(pid, 0)
                with teller, contextlib.suppress(OSError):
                    teller.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            order, files, _, _ = socket.recv_fds(line, _LONGEST_ORDER, 4)
            if not order:
                return None
            entry, folder, environment, arguments = json.loads(order)
            module, _, name = entry.partition(":")
            call: Callable[[], None] = getattr(importlib.import_module(module), name)
            pid = os.fork()
            if pid == 0:
                # Else they are collected at some later time, and close what by then is another's file.
                watch.close()
                line.close()
                _settle(files, folder, environment)
                sys.argv = [str(Path(sys.executable).with_name("xenbump")), *arguments]
                return call
            for file in files[:3]:
                os.close(file)
            teller, handle = socket.socket(fileno=files[3]), os.pidfd_open(pid)
            socket.send_fds(teller, [str(pid).encode()], [handle])
            watch.register(handle, selectors.EVENT_READ, (pid, teller))


def _settle(files: list[int], folder: str, environment: dict[str, str]) -> None:
    """Give a child what its order says."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(*_BESIDE_THE_USUAL)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    # A stream remembers of its file whether one can seek in it.
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def _run(call: Callable[[], None]) -> NoReturn:
    """Call it, and end; nothing is taken apart, which would cost the most, as the memory is shared until then."""
    status: Any = 0
    try:
        call()
    except SystemExit as error:
        status = error.code
    except BaseException as error:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if status is not None and not isinstance(status, int):
        sys.stderr.write(f"{status}\n")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    if status == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status if isinstance(status, int) else int(status is not None))


# --- the side of the tests -------------------------------------------------------------------------------------------


class Forked:
    """A run of the program, with what of `subprocess.Popen` the tests use; stdin is empty, the output text.

    Args:
        arguments: of the program.
        folder: where it runs.
        environment: all of it.
        entry: what is called, as `module:function`.
        preload: a library that the process has from its beginning (`LD_PRELOAD`), and its own children not.

    Attributes:
        pid: the process.
        returncode: how it ended, negative for a signal; None while it runs.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        entry: str = PROGRAM,
        preload: Path | None = None,
    ) -> None:
        self.arguments = arguments
        self.returncode: int | None = None
        out, err = os.pipe(), os.pipe()
        self.stdout, self.stderr = (open(read, "rb", buffering=0) for read, _ in (out, err))  # noqa: SIM115, PTH123
        self._teller, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps([entry, str(folder), dict(environment), arguments]).encode()
        with open(os.devnull, "rb") as nothing, theirs:  # noqa: PTH123
            _waiting(preload).send(order, [nothing.fileno(), out[1], err[1], theirs.fileno()])
        for _, write in (out, err):
            os.close(write)
        told, (self._handle,), _, _ = socket.recv_fds(self._teller, 64, 1)
        self.pid = int(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.kill()
        self.wait()
        for file in (self.stdout, self.stderr, self._teller):
            file.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def poll(self) -> int | None:
        """How it ended, if it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; `subprocess.TimeoutExpired` when that does not come in so many seconds."""
        if self.returncode is None:
            if not select.select([self._teller], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.arguments, timeout or 0)
            self.returncode = int(self._teller.recv(64))
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it writes until its end, on stdout and on stderr."""
        said = {self.stdout: b"", self.stderr: b""}
        readers = [threading.Thread(target=_read, args=(file, said)) for file in said]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for reader in readers:
                reader.join()
        return said[self.stdout].decode(), said[self.stderr].decode()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _read(file: IO[bytes], said: dict[IO[bytes], bytes]) -> None:
    said[file] = b"".join(iter(lambda: file.read(1 << 16), b""))


class _Waiting:
    """The process that waits for orders, as long as this one lives."""

    def __init__(self, preload: Path | None) -> None:
        more = {} if preload is None else {"LD_PRELOAD": str(preload)}
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **more},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._lock = threading.Lock()

    def send(self, order: bytes, files: list[int]) -> None:
        with self._lock:
            socket.send_fds(self._line, [order], files)

    def end(self) -> None:
        self._line.close()
        self._process.wait()


@cache
def _waiting(preload: Path | None) -> _Waiting:
    made = _Waiting(preload)
    atexit.register(made.end)
    return made


if __name__ == "__main__":
    for module in _MODULES:
        importlib.import_module(module)
    with contextlib.suppress(ImportError):
        # Some releases of Typer have it, and import pydantic with it where that is installed, as it is for the tests.
        importlib.import_module("typer._adapters")
    # What is there is left alone from now on, so that the children share its memory.
    gc.freeze()
    # An interrupt is for whoever gives the orders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ordered = _child(socket.socket(fileno=int(sys.argv[1])))
    if ordered is not None:
        _run(ordered)
