"""HTTP on one side, `git http-backend` as a CGI program on the other.

HTTP/1.1 as far as git's client uses it (RFC 9112: chunked bodies both ways, kept connections), CGI as in RFC 3875.
Bodies are passed on as they come, in blocks, and stay compressed if they are: http-backend unpacks them itself. When
either side goes away, the other one is ended too.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import io
import itertools
import os
import re
import select
import signal
import socket
import socketserver
import struct
import sys
import threading
from http import HTTPStatus
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from xenbump.demo.git_service import Redirect, Request, Reset, Service, Stall, Status, Truncate
from xenbump.errors import Failure
from xenbump.process import run, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer, WriteableBuffer

    from xenbump.demo.git_service import Fault

_BLOCK = 1 << 16
# What of a path is the repository, and what names the part of it that is asked for (as http-backend splits it).
_ROUTE = re.compile(r"/(?P<name>.+?)(?P<rest>/(?:HEAD|info/refs|objects/.+|git-(?:upload|receive)-pack))")
# The client has closed its side. POLLRDHUP says so at once where the system has it (poll(2)).
_GONE = select.POLLHUP | select.POLLERR | int(getattr(select, "POLLRDHUP", 0))
_NO_LINGERING = struct.pack("ii", 1, 0)


@functools.cache
def http_backend() -> Path:
    """Where git has its CGI program.

    Raises:
        Failure: E-PROGRAM-MISSING when git is not there, or is there without it.
    """
    path = Path(run(["git", "--exec-path"]).stdout.decode().strip()) / "git-http-backend"
    if not path.is_file():
        raise Failure("E-PROGRAM-MISSING", "this git comes without `git http-backend`", where=str(path))
    return path


class _Gone(ConnectionError):
    """The client went away, or is to be left."""


class _Incoming(io.RawIOBase):
    """What a client sends, counted."""

    def __init__(self, connection: socket.socket, service: Service) -> None:
        self._connection = connection
        self._service = service

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        size = self._connection.recv_into(buffer)
        self._service.count(received=size)
        return size


class _Outgoing(io.BufferedIOBase):
    """What a client gets, counted before it can have arrived, and sent at once."""

    def __init__(self, connection: socket.socket, service: Service) -> None:
        self._connection = connection
        self._service = service

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        size = memoryview(data).nbytes
        self._service.count(sent=size)
        self._connection.sendall(data)
        return size


class Listener(ThreadingHTTPServer):
    """The listening socket, with a thread for every connection; all of them are waited for on closing."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, service: Service) -> None:
        self.service = service
        self._connections: set[Any] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the network for this machine's name as `HTTPServer` does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection and remember it."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Break off every connection, which ends their programs and threads."""
        for connection in tuple(self._connections):
            _shut_down(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the parent's signature
        """Keep an error for the end; a client that went away is none."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.service.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def setup(self) -> None:
        """Count what passes; unlike the parent, keep no other handle of the socket, so that closing it closes it."""
        self.connection = self.request
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._service = self.server.service
        self.rfile = io.BufferedReader(_Incoming(self.connection, self._service), _BLOCK)
        self.wfile = _Outgoing(self.connection, self._service)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's signature
        """Say nothing: the requests are remembered instead."""

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def _answer(self) -> None:
        fault = self._service.take_fault(self.path)
        if isinstance(fault, Stall):
            self._service.stopped.wait(fault.seconds)
        path, _, query = self.path.partition("?")
        route = _ROUTE.fullmatch(path)
        refusal = self._refusal(path, query)
        repository = self._service.repository(unquote(route["name"])) if route else None
        if isinstance(fault, Reset):
            self._note(0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
            self.connection.close()
            self.close_connection = True
        elif isinstance(fault, Status):
            self._short(fault.code, *fault.headers)
        elif isinstance(fault, Redirect):
            rest = self.path[route.end("name") :] if route else ""
            self._short(fault.code, ("Location", fault.to + rest))
        elif refusal is not None:
            self._short(refusal)
        elif route is None or repository is None:
            self._short(HTTPStatus.NOT_FOUND)
        else:
            self._run_git(self._variables(repository, route["rest"], query), fault)

    def _refusal(self, path: str, query: str) -> HTTPStatus | None:
        pushing = path.endswith("/git-receive-pack") or "service=git-receive-pack" in query
        login = None
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                user, _, password = base64.b64decode(token).decode().partition(":")
                login = (user, password)
        return self._service.access.refusal(login, pushing=pushing)

    def _note(self, status: int) -> None:
        protocol = self.headers.get("Git-Protocol", "")
        forms = (self.headers.get(f"{what}-Encoding", "") for what in ("Transfer", "Content"))
        self._service.note(Request(self.command, self.path, int(status), protocol, " ".join(filter(None, forms))))

    def _short(self, code: int, *headers: tuple[str, str]) -> None:
        """A reply of one line. The request's body is read to its end first, or closing would reset the connection."""
        for _ in self._body():
            pass
        self._note(code)
        text = f"{code} {responses.get(code, '')}\n".encode()
        self.send_response_only(code)
        if code == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        for name, value in (*headers, ("Content-Type", "text/plain"), ("Content-Length", str(len(text)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _body(self) -> Iterator[bytes]:
        """The request's body, in blocks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
                yield from self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            yield from self._exactly(int(self.headers.get("Content-Length", "0")))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            block = self.rfile.read1(min(size, _BLOCK))
            if not block:
                raise _Gone("the client went away within its request")
            size -= len(block)
            yield block

    def _variables(self, repository: Path, rest: str, query: str) -> dict[str, str]:
        """The request as CGI variables (RFC 3875, section 4.1)."""
        access = self._service.access
        variables = {
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(repository),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_ACCEPT": self.headers.get("Accept", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "PATH_INFO": rest,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": access.login[0] if access.login else "",
            "REQUEST_METHOD": self.command,
            "SERVER_PROTOCOL": self.protocol_version,
        }
        return {**self._service.environment, **{name: text for name, text in variables.items() if text}}

    def _run_git(self, variables: dict[str, str], fault: Fault | None) -> None:
        limit = fault.after if isinstance(fault, Truncate) else None
        with start([str(http_backend())], env=variables) as cgi:
            feeder = threading.Thread(target=self._feed, args=(cgi,), name="git-server-body")
            feeder.start()
            try:
                self._relay(cgi, limit)
            except BaseException:
                # Nobody reads on: the program and what it started end, and with them what the feeder waits for.
                _shut_down(self.connection)
                with contextlib.suppress(ProcessLookupError):
                    if cgi.poll() is None:
                        os.killpg(cgi.pid, signal.SIGTERM)
                raise
            finally:
                feeder.join()

    def _feed(self, cgi: subprocess.Popen[bytes]) -> None:
        """Pass the request's body on; when the program wants no more, drop the rest."""
        if cgi.stdin is None:
            return
        wanted = True
        try:
            for block in self._body():
                if wanted:
                    try:
                        cgi.stdin.write(block)
                        cgi.stdin.flush()
                    except BrokenPipeError:
                        wanted = False
        except (OSError, ValueError):
            # Broken off or malformed: the relay sees the connection end.
            _shut_down(self.connection)
        finally:
            with contextlib.suppress(BrokenPipeError):
                cgi.stdin.close()

    def _relay(self, cgi: subprocess.Popen[bytes], limit: int | None) -> None:
        """Pass the program's reply on: its header (RFC 3875, section 6), then its body."""
        blocks = self._output(cgi)
        head = b""
        for block in blocks:
            head += block
            if b"\r\n\r\n" in head:
                break
        header, _, rest = head.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in header.decode("latin-1").split("\r\n") if line]
        status = next((text for name, _, text in fields if name.lower() == "status"), "200" if fields else "500")
        code = int(status.split()[0])
        self._note(code)
        self.send_response_only(code)
        kept = [(name, text) for name, _, text in fields if name.lower() != "status"]
        chunked = all(name.lower() != "content-length" for name, _ in kept)
        for name, text in (*kept, *([("Transfer-Encoding", "chunked")] if chunked else ())):
            self.send_header(name, text)
        self.end_headers()
        sent = 0
        for block in itertools.chain([rest], blocks):
            part = block if limit is None else block[: limit - sent]
            sent += len(part)
            if part:  # a chunk of no bytes would end the body
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if limit is not None and sent >= limit:
                raise _Gone("the reply was to break off here")
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _output(self, cgi: subprocess.Popen[bytes]) -> Iterator[bytes]:
        """What the program writes, in blocks, for as long as the client is there."""
        if cgi.stdout is None:
            return
        output = cgi.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        poll.register(self.connection, _GONE)
        while True:
            if any(number != output for number, _ in poll.poll()):
                raise _Gone("the client went away before the end of the reply")
            if not (block := os.read(output, _BLOCK)):
                return
            yield block


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
