"""What a git server of the demo offers, what befalls its requests, and what it has counted.

This is the part without sockets and programs; `xenbump.demo.git_server` is the whole. All of it may be used from
several threads at once.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Status:
    """The fault of an error status: the request is answered with it, and git is not asked."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Redirect:
    """The fault of a move: the repository is at the URL `to` now, which takes the place of its own."""

    to: str
    code: int = HTTPStatus.FOUND


@dataclass(frozen=True)
class Truncate:
    """The fault of a reply that breaks off: the connection is closed after so many bytes of the body."""

    after: int


@dataclass(frozen=True)
class Stall:
    """The fault of a server that hangs: nothing happens for so long, then the request is answered."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """The fault of a connection that breaks: it is reset before a word is said.

    On a connection that was in use before, git's HTTP library tries once more by itself: order two resets then.
    """


Fault = Status | Redirect | Truncate | Stall | Reset


@dataclass(frozen=True)
class Access:
    """Who may do what.

    Attributes:
        push: whether anybody may push; if not, a push is answered with 403.
        login: user name and token for pushing; without, or with wrong ones, the answer is 401. None: nobody is asked.
        private: whether reading needs the login too.
    """

    push: bool = False
    login: tuple[str, str] | None = None
    private: bool = False

    def refusal(self, login: tuple[str, str] | None, *, pushing: bool) -> HTTPStatus | None:
        """The status that turns a request away, given the login it came with; None when it may pass."""
        asked = self.login is not None and (pushing or self.private)
        if asked and login != self.login:
            return HTTPStatus.UNAUTHORIZED
        return HTTPStatus.FORBIDDEN if pushing and not self.push else None


@dataclass(frozen=True)
class Request:
    """A request as it was answered.

    Attributes:
        method: GET or POST.
        path: the path with the query.
        status: of the answer; 0 when there was none.
        git_protocol: what its Git-Protocol header says.
        body_form: how its body came, as its Transfer-Encoding and Content-Encoding headers say.
    """

    method: str
    path: str
    status: int
    git_protocol: str = ""
    body_form: str = ""


class Service:
    """The repositories, the rules, the faults to come and the counters of one server.

    Args:
        root: the folder whose sub-folders are served by their names, or None.
        access: who may read and push.
        environment: what every run of git gets.
    """

    def __init__(self, root: Path | None, access: Access, environment: Mapping[str, str]) -> None:
        self.access = access
        self.environment = dict(environment)
        self.mounts: dict[str, Path] = {}
        self.stopped = threading.Event()
        self.errors: list[BaseException] = []
        self.bytes_in = 0
        self.bytes_out = 0
        self._root = root
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()

    def repository(self, name: str) -> Path | None:
        """The folder of the repository with that name; None when there is none."""
        if name in self.mounts:
            return self.mounts[name]
        parts = name.split("/")
        if self._root is None or any(part in ("", ".", "..") for part in parts):
            return None
        path = self._root.joinpath(*parts)
        return path if path.is_dir() else None

    def add_fault(self, path_regex: str, fault: Fault, times: int) -> None:
        """Order a fault for the next requests whose path has a match for the expression."""
        with self._lock:
            self._faults += [(re.compile(path_regex), fault)] * times

    def take_fault(self, path: str) -> Fault | None:
        """The fault whose turn it is for this path; it will not come again."""
        with self._lock:
            for place, (expression, fault) in enumerate(self._faults):
                if expression.search(path):
                    del self._faults[place]
                    return fault
        return None

    @property
    def faults_left(self) -> int:
        """How many faults have not had their turn."""
        with self._lock:
            return len(self._faults)

    def count(self, *, received: int = 0, sent: int = 0) -> None:
        """Add to the byte counters."""
        with self._lock:
            self.bytes_in += received
            self.bytes_out += sent

    def note(self, request: Request) -> None:
        """Remember a request; called before its answer is sent, so that who has the answer finds the note."""
        with self._lock:
            self._requests.append(request)

    def requests(self) -> tuple[Request, ...]:
        """The requests that are remembered."""
        with self._lock:
            return tuple(self._requests)

    def reset(self) -> None:
        """Set the counters to 0 and forget the requests."""
        with self._lock:
            self.bytes_in = self.bytes_out = 0
            self._requests.clear()
