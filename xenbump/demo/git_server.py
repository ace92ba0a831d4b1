"""A git server on the loopback interface, made of the real `git http-backend`, that can fail on demand.

It speaks git's smart HTTP protocol (git's `gitprotocol-http` manual page, versions 0 to 2) because git does: every
request runs `git http-backend` as a CGI program (RFC 3875, git-http-backend(1)), with bodies streamed both ways. The
repositories are not changed, not even their configuration: settings travel in the environment (`GIT_CONFIG_COUNT`,
git-config(1)).
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from xenbump.demo.git_cgi import Listener, http_backend
from xenbump.demo.git_service import (
    Access,
    Fault,
    Redirect,
    Request,
    Reset,
    Service,
    Stall,
    Status,
    Truncate,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = [
    "Access",
    "Fault",
    "GitServer",
    "Redirect",
    "Request",
    "Reset",
    "Stall",
    "Status",
    "Truncate",
    "isolated_git",
]

# Also how long leaving the server can take.
_POLL_SECONDS = 0.01


def isolated_git(config: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a git that reads no configuration of the user's or the system's, but has the settings `config`."""
    env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    settings = dict(config or {})
    env["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


class GitServer:
    """Bare repositories over HTTP at 127.0.0.1, on a free port, for the time of a `with` block.

    On leaving, running requests are broken off, their programs are ended and waited for, and an error inside the
    server, which no client could tell from an ordinary fault, is raised.

    Args:
        root: the folder whose sub-folders are served by their names; None serves only what is mounted.
        access: who may read and push; by default all may read and nobody may push.
        allow_filter: whether partial clones are offered (`uploadpack.allowFilter`).
        allow_any_sha1: whether any object may be asked for by its id (`uploadpack.allowAnySHA1InWant`).
        config: more settings for git on the server's side, such as `receive.denyNonFastForwards`.

    Raises:
        Failure: on entering, when git or its http-backend is missing (E-PROGRAM-MISSING).
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        access: Access | None = None,
        allow_filter: bool = True,
        allow_any_sha1: bool = True,
        config: Mapping[str, str] | None = None,
    ) -> None:
        access = access or Access()
        settings = {
            "uploadpack.allowFilter": str(allow_filter).lower(),
            "uploadpack.allowAnySHA1InWant": str(allow_any_sha1).lower(),
            "http.receivepack": str(access.push).lower(),
            # A repository of somebody else's is served because the caller named it, and no housekeeping starts in it.
            "safe.directory": "*",
            "receive.autogc": "false",
            "gc.auto": "0",
            "maintenance.auto": "false",
            **(config or {}),
        }
        self._service = Service(root, access, isolated_git(settings))
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        http_backend()
        self._listener = Listener(self._service)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(_POLL_SECONDS,), name="git-server")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listener is None or self._thread is None:
            return
        self._service.stopped.set()
        self._listener.shutdown()
        self._listener.hang_up()
        self._listener.server_close()
        self._thread.join()
        self._listener = None
        if error is None and self._service.errors:
            raise self._service.errors[0]

    @property
    def bytes_in(self) -> int:
        """Bytes received from clients, headers and bodies as on the wire, since the start or `reset_counters`."""
        return self._service.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent to clients, likewise."""
        return self._service.bytes_out

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests since the start or `reset_counters`, in the order they were answered."""
        return self._service.requests()

    def url(self, name: str) -> str:
        """The URL of a repository: the path of its folder below the root, or the name it is mounted under."""
        if self._listener is None:
            raise RuntimeError("the server has an address only within its `with` block")
        return f"http://127.0.0.1:{self._listener.server_address[1]}/{quote(name)}"

    def mount(self, name: str, path: Path) -> str:
        """Serve the bare repository at `path`, wherever it lies, as `name`; its URL."""
        self._service.mounts[name] = path.absolute()
        return self.url(name)

    def fail_next(self, path_regex: str, fault: Fault, *, times: int = 1) -> None:
        """Let a fault befall the next `times` requests whose path (with its query) has a match for the expression.

        Faults for the same requests take their turns in the order they were ordered.
        """
        self._service.add_fault(path_regex, fault, times)

    @property
    def faults_left(self) -> int:
        """How many ordered faults have not befallen a request; each has from when its request has come in."""
        return self._service.faults_left

    def reset_counters(self) -> None:
        """Set the byte counters to 0 and forget the requests."""
        self._service.reset()
