"""What stands between the program and a server: hands each request on, until the one that a fault is ordered for.

The fault befalls that request, and those after it if it is to last. What it is, the gate does at the level of the
socket, so that each of the servers behind can have each of the faults.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import os
import random
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

# Longer than any limit that the runs here have.
SILENCE_SECONDS = 30.0
SLOW_SECONDS = 0.3
_HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>\n<p>Welcome to the hotel</p>\n</body></html>\n"
_NOISE = random.Random(4).randbytes(4096)  # noqa: S311 - the same each time
# Faults for which the server behind is not asked.
_INSTEAD = frozenset({"reply", "reset", "silent", "noise"})
_OWN = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class NetFault:
    """What happens to a request.

    Attributes:
        kind: `refused`, `reset`, `reset-half`, `silent`, `silent-half`, `half`, `noise`, `slow`; `reply` for a whole
            reply that is not the server's; `body` for the server's with another body.
        status: of a `reply`.
        headers: of a `reply`, and beside the server's own of a `body`.
        content: of both.
        done: a `reset` or `reply` comes after the server has done what it was asked for.
    """

    kind: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    done: bool = False

    def to(self, other: str) -> NetFault:
        """The same, with the address of another server where a redirect leads."""
        return replace(self, headers=tuple((name, value.replace("{other}", other)) for name, value in self.headers))


def answered(
    status: int, *headers: tuple[str, str], content: bytes = b'{"message": "no"}', done: bool = False
) -> NetFault:
    """The fault of a status, with JSON as a body, as GitHub has it."""
    return NetFault("reply", status, (("Content-Type", "application/json"), *headers), content, done)


def damaged_gzip() -> NetFault:
    """The fault of a reply that says that it is packed, and cannot be unpacked."""
    packed = gzip.compress(_HTML * 50)
    return NetFault("body", headers=(("Content-Encoding", "gzip"),), content=packed[:40] + b"\0\0\0" + packed[43:-9])


def page() -> NetFault:
    """The fault of a page where an answer should be."""
    return NetFault("reply", 200, (("Content-Type", "text/html"),), _HTML)


def other_body(content: bytes) -> NetFault:
    """The fault of an answer with the right headers and another body."""
    return NetFault("body", content=content)


NOISE = other_body(_NOISE)


class Gate:
    """A server on a port of its own that stands for one behind it, while a `with` block lasts.

    Args:
        behind: the address of the server behind, with the path that every address of it begins with.
        certificate: a file with a certificate and its key: then it speaks TLS.

    Attributes:
        asked: the requests since `pass_on`, each as method and path.
        met: how many requests the fault has befallen since then.
    """

    def __init__(self, behind: str, certificate: Path | None = None) -> None:
        parts = urlsplit(behind)
        self.behind = (parts.hostname or "", parts.port or 80)
        self._path = parts.path
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self.asked: list[str] = []
        self.met = 0
        self.ended = threading.Event()
        self._fault: NetFault | None = None
        self._from, self._lasting = 0, False
        self._lock = threading.Lock()
        self._port = 0
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._shut()
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        """The address that stands for the one behind."""
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self._port}{self._path}"

    def order(self, fault: NetFault, number: int, *, lasting: bool) -> None:
        """Let a fault befall the request with this number, counted from 1, and all after it if it is lasting."""
        self.pass_on()
        self._fault, self._from, self._lasting = fault, number, lasting
        if fault.kind == "refused" and number == 1:
            self._shut()

    def pass_on(self) -> None:
        """From now on hand all on, and count anew."""
        self.ended.set()
        self.ended = threading.Event()
        self._fault, self.met = None, 0
        self.asked.clear()
        if self._listener is None:
            self._open()

    def turn(self, request: str) -> tuple[NetFault | None, bool]:
        """What befalls a request, and whether nobody is to be let in after it."""
        with self._lock:
            self.asked.append(request)
            number, fault = len(self.asked), self._fault
            if fault is None:
                return None, False
            if fault.kind == "refused":
                last = number == self._from - 1
                self.met += last
                return None, last
            hit = number >= self._from if self._lasting else number == self._from
            self.met += hit
            return (fault if hit else None), False

    def shut(self) -> None:
        """Let nobody in any more; called by what answers."""
        self._shut()

    def _open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._begin(self._accept, listener)

    def _shut(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # The system ends a wait for clients with it, which closing alone does not.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _begin(self, work: object, *arguments: object) -> None:
        self._threads = [one for one in self._threads if one.is_alive()]
        thread = threading.Thread(target=work, args=arguments, name="gate", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, http.client.HTTPException):
            connection.settimeout(SILENCE_SECONDS)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            _Handler(connection, ("", 0), self)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """One connection with one request."""

    protocol_version = "HTTP/1.1"
    server: Gate  # type: ignore[assignment]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Write nothing: the requests are counted."""

    def _answer(self) -> None:
        gate, self.close_connection = self.server, True
        body = self._body()
        fault, last = gate.turn(f"{self.command} {self.path}")
        if fault is not None and fault.kind == "slow":
            gate.ended.wait(SLOW_SECONDS)
            fault = None
        if fault is not None and fault.kind in _INSTEAD and not fault.done:
            self._befallen(fault, 0, {}, b"")
            return
        status, headers, content = self._handed_on(body)
        if last:
            gate.shut()
        if fault is None:
            self._send(status, headers, content, len(content))
        else:
            self._befallen(fault, status, headers, content)

    def _befallen(self, fault: NetFault, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Do what the fault says with the server's reply, if there is one."""
        ended, half = self.server.ended, content[: len(content) // 2]
        match fault.kind:
            case "reply":
                fields = {name: value.replace("{path}", self.path) for name, value in fault.headers}
                self._send(fault.status, fields, fault.content, len(fault.content))
            case "body":
                self._send(status, {**headers, **dict(fault.headers)}, fault.content, len(fault.content))
            case "noise":
                self.wfile.write(_NOISE)
            case "reset":
                self._reset()
            case "silent":
                ended.wait(SILENCE_SECONDS)
            case "half":
                self._send(status, headers, half, len(content))
            case "silent-half":
                self._send(status, headers, half, len(content))
                ended.wait(SILENCE_SECONDS)
            case _:
                self._send(status, headers, half, len(content))
                # What was sent is lost with a reset that follows at once.
                ended.wait(0.05)
                self._reset()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - the base class looks for these names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _handed_on(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """What the server behind answers."""
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _OWN | {"expect"}}
        behind = http.client.HTTPConnection(*self.server.behind, timeout=SILENCE_SECONDS)
        with contextlib.closing(behind):
            behind.request(self.command, self.path, body, {**sent, "Connection": "close"})
            reply = behind.getresponse()
            content = reply.read()
        return reply.status, {name: value for name, value in reply.getheaders() if name.lower() not in _OWN}, content

    def _send(self, status: int, headers: Mapping[str, str], content: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        """Close the connection so that the client sees a reset and no orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
