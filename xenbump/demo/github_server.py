"""A stand-in for GitHub on this machine's loopback address, for the demonstration and the tests.

It speaks GitHub's REST API, version 2022-11-28 (https://docs.github.com/rest), below `/api/v3` as GitHub Enterprise
Server does, so that a client needs nothing but another address. What it can do is in `xenbump.demo.github_operations`.
Every exchange is kept, and faults of the network and of GitHub can be ordered for single requests.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import struct
import threading
import urllib.parse
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from xenbump.demo.github_apps import is_for_apps
from xenbump.demo.github_call import ApiError, Reply, Request, refusal
from xenbump.demo.github_exchange import Exchange, Fault
from xenbump.demo.github_operations import Api
from xenbump.demo.github_state import App, Label, PullRequest, Repository, State, Team, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from types import TracebackType

    from xenbump.demo.github_state import CommitCounter, RefResolver

__all__ = ["Exchange", "Fault", "GitHubServer"]

_PREFIX = "/api/v3"
_ANONYMOUS_LIMIT = 60
_WINDOW = timedelta(hours=1)


class GitHubServer:
    """The stand-in; a context manager that serves until it is left.

    Args:
        clock: tells the time (in UTC) for everything that replies date; by default the true one.
        rate_limit: requests an hour and token; a client that nobody knows has at most 60, as on GitHub.
        observer: called with every exchange, in the thread that serves it, before the reply is sent.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] | None = None,
        rate_limit: int = 5000,
        observer: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.state = State(clock)
        self.exchanges: list[Exchange] = []
        self.observer = observer
        self.closing = threading.Event()
        self._rate_limit = rate_limit
        self._used: dict[str, tuple[datetime, int]] = {}
        self._faults: list[tuple[str, re.Pattern[str], Fault]] = []
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None
        self._api: Api | None = None

    @property
    def url(self) -> str:
        """Root of the API, without a slash at the end."""
        return self._base + _PREFIX

    @property
    def _base(self) -> str:
        if self._http is None:
            raise RuntimeError("the stand-in has an address only while it serves")
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def add_token(self, value: str, login: str, permissions: Iterable[str] | None = None) -> Token:
        """Make a token valid: a classic one, or with `permissions` a fine-grained one that may write to those."""
        granted = frozenset(permissions) if permissions is not None else None
        with self._lock:
            self.state.user(login)
            self.state.tokens[value] = Token(login, granted)
            return self.state.tokens[value]

    def add_repository(
        self,
        full_name: str,
        resolve_ref: RefResolver,
        *,
        default_branch: str = "master",
        count_commits: CommitCounter | None = None,
        writers: Iterable[str] = (),
        collaborators: Iterable[str] = (),
        fork_of: str | None = None,
    ) -> Repository:
        """Add a repository `owner/name`; see `Repository` for what the arguments say."""
        owner, _, name = full_name.partition("/")
        with self._lock:
            repository = Repository(
                id=self.state.next_id(),
                owner=owner,
                name=name,
                created_at=self.state.clock(),
                default_branch=default_branch,
                resolve_ref=resolve_ref,
                writers=frozenset(writers),
                collaborators=frozenset(collaborators),
                fork_of=fork_of,
            )
            if count_commits is not None:
                repository.count_commits = count_commits
            return self.state.add(repository)

    def add_label(self, full_name: str, name: str, color: str = "ededed", description: str = "") -> Label:
        """Add a label to a repository; a `KeyError` tells that there is no such repository."""
        with self._lock:
            return self.state.label(self.state.repositories[full_name.lower()], name, color, description)

    def add_team(self, full_name: str, slug: str) -> Team:
        """Let a team of the repository's owner be asked for reviews; a `KeyError` tells that there is no repository."""
        with self._lock:
            team = Team(self.state.next_id(), slug)
            return self.state.repositories[full_name.lower()].teams.setdefault(slug.lower(), team)

    def add_app(
        self, number: int, slug: str, public_key: str, repositories: Iterable[str], permissions: Iterable[str]
    ) -> App:
        """Register an App and install it on repositories, where its account may push."""
        with self._lock:
            names = frozenset(name.lower() for name in repositories)
            app = App(number, slug, public_key, self.state.next_id(), names, frozenset(permissions))
            self.state.user(app.login, "Bot")
            for name in names:
                repository = self.state.repositories[name]
                repository.writers |= {app.login}
            self.state.apps[str(number)] = app
            return app

    def merge_pull(self, full_name: str, number: int, commit: str, login: str) -> PullRequest:
        """Merge a pull request as a person would; `commit` is what it became on the base branch."""
        with self._lock:
            return self.state.merge(self.state.repositories[full_name.lower()], number, commit, login)

    def fail_next(self, method: str, path_regex: str, fault: Fault, times: int = 1) -> None:
        """Order a fault for the next so many requests with this method whose whole path the expression matches."""
        with self._lock:
            self._faults += [(method, re.compile(path_regex), fault)] * times

    def __enter__(self) -> Self:
        self._http = _Http(self)
        self._api = Api(self.state, self.url, self._base)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving; raise what went wrong inside the stand-in itself, if nothing else is under way."""
        http, thread = self._http, self._thread
        if http is None or thread is None:
            return
        self.closing.set()
        http.shutdown()
        thread.join()
        http.hang_up()
        http.server_close()
        self._http = None
        if http.defects and error is None:
            raise http.defects[0]

    def take_fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that was ordered for a request, which uses it up."""
        with self._lock:
            for index, (wanted, pattern, fault) in enumerate(self._faults):
                if wanted == method and pattern.fullmatch(path):
                    del self._faults[index]
                    return fault
        return None

    def answer(self, request: Request, fault: Fault | None) -> tuple[int, dict[str, str], bytes]:
        """Answer a request, or do what the fault says; return status, headers and body to send."""
        with self._lock:
            reply, limits = Reply(0, None), self._limits(request, count=False)
            if fault is None or fault.takes_effect:
                limits = self._limits(request, count=request.path != "/rate_limit")
                reply = self._carry_out(request, limits)
            if fault is not None and fault.status is not None:
                reply = Reply(fault.status, fault.body, fault.headers)
            number = next(self._numbers)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "content-length": str(len(body)),
            "x-github-media-type": "github.v3; format=json",
            "x-github-api-version-selected": "2022-11-28",
            "x-github-request-id": f"{number:04X}:0001:{len(body):06X}",
            **{f"x-ratelimit-{name}": str(value) for name, value in limits.items()},
            "x-ratelimit-resource": "search" if request.path.startswith("/search/") else "core",
            **{name.lower(): value for name, value in reply.headers.items()},
        }
        return reply.status, headers, body

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange and show it to the observer."""
        with self._lock:
            self.exchanges.append(exchange)
        if self.observer is not None:
            self.observer(exchange)

    def _carry_out(self, request: Request, limits: Mapping[str, int]) -> Reply:
        """Answer truly: first who asks, then how often, then what."""
        credentials = request.headers.get("authorization")
        token = self._token(request)
        if credentials is not None and token is None and not is_for_apps(request.path):
            return refusal(ApiError(401, "Bad credentials"))
        free = (request.method, request.path) == ("GET", "/rate_limit")
        if limits["used"] > limits["limit"] and not free:
            who = f"user ID {self.state.user(token.login).id}" if token is not None else "127.0.0.1"
            return refusal(ApiError(403, f"API rate limit exceeded for {who}."))
        if free:
            resources = {name: dict(limits) for name in ("core", "search", "graphql", "integration_manifest")}
            return Reply(200, {"resources": resources, "rate": dict(limits)})
        if self._api is None:
            raise RuntimeError("the stand-in answers only while it serves")
        return self._api.answer(request, token)

    def _token(self, request: Request) -> Token | None:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        return self.state.token(value.strip()) if scheme.lower() in ("token", "bearer") else None

    def _limits(self, request: Request, *, count: bool) -> dict[str, int]:
        """Return the figures of the rate limit after this request, which counts or not."""
        token = self._token(request)
        limit = self._rate_limit if token is not None else min(self._rate_limit, _ANONYMOUS_LIMIT)
        key = token.login if token is not None else ""
        now = self.state.clock()
        start, used = self._used.get(key, (now, 0))
        if now >= start + _WINDOW:
            start, used = now, 0
        used += count
        self._used[key] = (start, used)
        reset = int((start + _WINDOW).timestamp())
        return {"limit": limit, "remaining": max(0, limit - used), "reset": reset, "used": used}


class _Http(ThreadingHTTPServer):
    """The listening socket; knows its open connections, so that they can be ended with it."""

    daemon_threads = False
    request_queue_size = 128  # with the usual 5, a crowd of clients waits a second for its connections

    def __init__(self, owner: GitHubServer) -> None:
        self.owner = owner
        self.defects: list[Exception] = []
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: `_Handler` keeps what is worth telling."""

    def hang_up(self) -> None:
        """End the connections that clients hold open."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, has them answered and sends the replies."""

    protocol_version = "HTTP/1.1"
    server_version = "GitHub.com"
    sys_version = ""
    wbufsize = -1  # header and body leave together
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        """Note the connection; end it at once if the server is about to end."""
        super().setup()
        self.server.connections.add(self.connection)
        if self.server.owner.closing.is_set():
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Forget the connection; the client may have left before the last reply."""
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Date replies by the stand-in's clock."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        return format_datetime(self.server.owner.state.clock(), usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Write nothing: the exchanges are kept."""

    def _serve(self) -> None:
        try:
            self._exchange()
        except OSError:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - a defect of the stand-in, or the observer's verdict
            self.server.defects.append(error)
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks for these names

    def _exchange(self) -> None:
        """Read a request, answer it, keep the exchange and send the reply."""
        owner = self.server.owner
        parts = urllib.parse.urlsplit(self.path)
        path = parts.path.removeprefix(_PREFIX)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        query = tuple(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        request = Request(self.command, path, dict(query), headers, body)
        fault = owner.take_fault(self.command, path)
        if fault is not None and fault.delay:
            owner.closing.wait(fault.delay)
        status, reply_headers, reply = owner.answer(request, fault)
        dropped = fault is not None and fault.drop
        shown = (0, {}, b"") if dropped else (status, reply_headers, reply)
        owner.record(Exchange(self.command, path, query, headers, body, *shown, fault))
        if dropped:
            self._reset()
            return
        self.send_response(status)
        for name, value in reply_headers.items():
            self.send_header(name, value)
        self.end_headers()
        truncate = fault is not None and fault.truncate
        self.wfile.write(reply[: len(reply) // 2] if truncate else reply)
        self.close_connection = self.close_connection or truncate

    def _reset(self) -> None:
        """Close the connection so that the client sees a reset and no orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.connections.discard(self.connection)
        os.close(self.connection.detach())
