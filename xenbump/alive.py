"""What tells others that a long-running xenbump lives: the service manager's socket, and a file in the state folder.

The protocol is that of sd_notify(3): datagrams of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names, a path
or, with a leading `@`, an abstract name. The service manager wants a sign of life within `WATCHDOG_USEC` microseconds,
if `WATCHDOG_PID` is not another process' number (sd_watchdog_enabled(3)).

The signs come from a thread, since the work itself may wait for a build for hours. It gives them only as long as the
work showed itself within a limit, so that one that hangs is found.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from xenbump import durable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

FILE_SECONDS = 60.0
_MICROSECONDS = 1_000_000
# A service manager that does not read must not hold the work up.
_SEND_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Notifier:
    """The service manager's socket.

    Attributes:
        address: as a socket takes it; empty: nobody wants to be told.
        watchdog: within how many seconds a sign of life is wanted; None: none is.
    """

    address: str = ""
    watchdog: float | None = None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Notifier:
        """The one that an environment names; a socket of another kind and numbers that are none are not used."""
        name = env.get("NOTIFY_SOCKET", "")
        if name.startswith("@"):
            name = "\0" + name[1:]
        elif not name.startswith("/"):
            name = ""
        given = env.get("WATCHDOG_USEC", "")
        ours = env.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        wanted = given.isascii() and given.isdigit() and int(given) > 0 and ours and name
        return cls(name, int(given) / _MICROSECONDS if wanted else None)

    def send(self, **fields: str) -> bool:
        """Send fields, by name in capitals; whether they went out. That they did not stops nothing.

        Args:
            fields: the values; a line break in one becomes a blank.
        """
        if not self.address:
            return False
        text = "".join(f"{name}={' '.join(value.splitlines())}\n" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ours:
                ours.settimeout(_SEND_SECONDS)
                ours.sendto(text.encode("utf-8", "replace"), self.address)
        except (OSError, ValueError):  # ValueError: no path has a NUL character
            return False
        return True


@dataclass
class Pulse:
    """Signs of life, from a thread, for the time of a `with` block.

    Attributes:
        notifier: gets `WATCHDOG=1`, twice in the time that it wants one in.
        content: gives what the file is to say now.
        file: the file.
        limit: for how many seconds the work may show nothing of itself.
        steady: the clock that counts for that.
        failed: told once when the file cannot be written, and why.
    """

    notifier: Notifier
    content: Callable[[], bytes]
    file: Path
    limit: float
    steady: Callable[[], float] = time.monotonic
    failed: Callable[[OSError], None] = lambda _: None
    _last: float = 0.0
    _told: bool = False
    _end: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        durable.sweep(self.file.parent)
        self.beat()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def pause(self) -> float:
        """Seconds between two signs."""
        wanted = self.notifier.watchdog
        return FILE_SECONDS if wanted is None else min(FILE_SECONDS, wanted / 2)

    def beat(self) -> None:
        """The work shows itself."""
        self._last = self.steady()

    def is_alive(self) -> bool:
        """Whether the work has shown itself within the limit."""
        return self.steady() - self._last < self.limit

    def sign(self) -> None:
        """Give one sign, whatever the time is; none where the work hangs."""
        if not self.is_alive():
            return
        if self.notifier.watchdog is not None:
            self.notifier.send(WATCHDOG="1")
        self.show()

    def show(self) -> None:
        """Write the file as it is to be now; where that cannot be done it is told once, and stops nothing."""
        with self._lock:
            try:
                durable.put(self.file, self.content())
            except OSError as error:
                if not self._told:
                    self._told = True
                    self.failed(error)
            else:
                self._told = False

    def _run(self) -> None:
        while not self._end.wait(self.pause):
            self.sign()
