"""How a long-running xenbump is ended, woken and put to sleep by signals.

SIGTERM and SIGINT raise `Ended` in whatever the main thread does, so that programs are ended, locks and temporary files
go, and nothing is written half. Python drops an exception that arises in a finaliser; so it is raised again until
something unwinds because of it. What unwinds is left alone: another signal must not disturb it.

SIGUSR1 asks for a look at once, and disturbs nothing that is being done.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT)
_AGAIN_SECONDS = 0.2


class Ended(BaseException):
    """A signal asks the program to end. No `except Exception` is to keep it."""


class Signals:
    """The signals, while they are handled here. Made by `handled`.

    Attributes:
        number: of the signal that ended the program; None: none did.
    """

    def __init__(self, woken: socket.socket) -> None:
        self.number: int | None = None
        self._woken = woken
        self._asked = False

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until a signal comes.

        Raises:
            Ended: one that ends the program came.
        """
        if self._asked:
            return
        select.select([self._woken], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def asked(self) -> bool:
        """Whether a look was asked for since the last question."""
        found, self._asked = self._asked, False
        return found

    def end(self, number: int, _: FrameType | None) -> None:
        """Handle a signal that ends the program, and the alarm that looks whether it does."""
        if number in _ENDING and self.number is None:
            self.number = number
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        if not _unwinds():
            self._raise()

    def ask(self, _: int, __: FrameType | None) -> None:
        """Handle a signal that asks for a look."""
        self._asked = True

    def _raise(self) -> NoReturn:
        raise Ended


def _unwinds() -> bool:
    """Whether what runs does so because of an `Ended`."""
    error = sys.exc_info()[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, Ended):
            return True
        seen.add(id(error))
        error = error.__context__
    return False


@contextlib.contextmanager
def handled() -> Iterator[Signals]:
    """Handle the signals for the time of a `with` block, in the main thread; an `Ended` ends the block, and no more."""
    ours, woken = socket.socketpair()
    with ours, woken:
        for one in (ours, woken):
            one.settimeout(0)
        signals = Signals(woken)
        before = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGALRM, signal.SIGUSR1)}
        wakeup = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
        try:
            for number in (*_ENDING, signal.SIGALRM):
                signal.signal(number, signals.end)
            signal.signal(signal.SIGUSR1, signals.ask)
            yield signals
        except Ended:
            _quiet()
        finally:
            _quiet()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)


def _quiet() -> None:
    """No alarm any more, and no signal that would disturb what is left to do."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (*_ENDING, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
