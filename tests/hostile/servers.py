"""Servers on the loopback interface that do what they like: each connection is given to a function.

What they speak is written out here byte for byte, since no proper server can be made to say it: HTTP/1.1 (RFC 9112),
git's smart protocol of version 2 (`git help protocol-v2`, `git help protocol-http`) and its packs (`git help
pack-format`).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
import zlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_HEAD = re.compile(rb"(?P<method>[A-Z]+) (?P<path>\S+) HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)\r$")
# After this a server gives up, so that no test hangs with it.
_SECONDS = 120.0


class Line:
    """One connection whose request has been read: its path and body, and ways to answer."""

    def __init__(self, connection: socket.socket, stopped: threading.Event, head: bytes, body: bytes) -> None:
        found = _HEAD.match(head + b"\r\n")
        self._connection = connection
        self._until = time.monotonic() + _SECONDS
        self.stopped = stopped
        self.method, self.path = (found["method"].decode(), found["path"].decode("latin-1")) if found else ("", "")
        self.head, self.body = head, body

    def send(self, *pieces: bytes) -> None:
        """Send."""
        for piece in pieces:
            self._connection.sendall(piece)

    def flood(self, piece: bytes) -> None:
        """Send the same again and again, until the client has gone."""
        while not self.stopped.is_set() and time.monotonic() < self._until:
            self._connection.sendall(piece)

    def trickle(self, piece: bytes, pause: float = 0.05) -> None:
        """Send a byte, wait, send the next, until the client has gone."""
        while not self.stopped.is_set() and time.monotonic() < self._until:
            for byte in piece:
                self._connection.sendall(bytes([byte]))
                if self.stopped.wait(pause):
                    return


class Server:
    """Listens for the time of a `with` block and hands each request to `talk`.

    Args:
        talk: what answers; it may do with the connection what it likes, and a client that goes away ends it.

    Attributes:
        talk: the same; it may be exchanged.
        paths: what was asked for.
    """

    def __init__(self, talk: Callable[[Line], None]) -> None:
        self.talk = talk
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=32)
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _start(self, call: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stopped.is_set():
                self._start(self._serve, self._socket.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            with connection, contextlib.suppress(OSError):
                line = self._request(connection)
                if line is not None:
                    self.paths.append(line.path)
                    self.talk(line)
        finally:
            self._open.discard(connection)

    def _request(self, connection: socket.socket) -> Line | None:
        read = b""
        while b"\r\n\r\n" not in read:
            more = connection.recv(1 << 16)
            if not more:
                return None
            read += more
        head, _, body = read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if b"100-continue" in head:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        wanted = int(length[1]) if length else 0
        while len(body) < wanted or (b"chunked" in head and not body.endswith(b"0\r\n\r\n")):
            body += connection.recv(1 << 16)
        return Line(connection, self._stopped, head, body)


def relay(url: str) -> Callable[[Line], None]:
    """What answers as the server at an address does."""
    host = url.removeprefix("http://").partition("/")[0]

    def talk(line: Line) -> None:
        with socket.create_connection((host.partition(":")[0], int(host.partition(":")[2])), 30) as other:
            fields = re.sub(
                rb"(?im)^(?:connection|host|transfer-encoding|content-length|expect): .*\r\n", b"", line.head + b"\r\n"
            )
            length = b"Content-Length: %d\r\n" % len(line.body) if line.method not in {"GET", "HEAD"} else b""
            other.sendall(fields + b"Host: %s\r\nConnection: close\r\n%s\r\n" % (host.encode(), length) + line.body)
            while data := other.recv(1 << 16):
                line.send(data)

    return talk


# --- HTTP ------------------------------------------------------------------------------------------------------------


def reply(body: bytes = b"", *, kind: str = "application/json", more: str = "", status: str = "200 OK") -> bytes:
    """A whole reply; the connection ends with it."""
    return head(f"Content-Length: {len(body)}\r\n{more}", kind=kind, status=status) + body


def head(fields: str = "", *, kind: str = "application/json", status: str = "200 OK") -> bytes:
    """The beginning of a reply; `fields` are further headers, each with its line break."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{fields}\r\n".encode("latin-1")


def deflated(size: int, *, form: int = 31, piece: bytes = b" ") -> Iterator[bytes]:
    """A compressed stream that unpacks to at least so many bytes, in pieces; `form` is zlib's `wbits` (31: gzip)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    block = (piece * ((1 << 20) // len(piece) + 1))[: 1 << 20]
    yield packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    # What follows a full flush leans on nothing before it, so the same bytes stand for the block again; only the
    # checksum at the end, which is never reached, is not that of all.
    more = -(-size // len(block)) - 1
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH) if more > 0 else b""
    for _ in range(more):
        yield again
    yield packer.flush()


# --- git -------------------------------------------------------------------------------------------------------------

FLUSH, DELIMITER = b"0000", b"0001"
_KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


def packet(data: bytes) -> bytes:
    """A line of git's protocol."""
    return b"%04x" % (len(data) + 4) + data


ADVERTISED = (
    packet(b"# service=git-upload-pack\n")
    + FLUSH
    + packet(b"version 2\n")
    + packet(b"agent=git/hostile\n")
    + packet(b"ls-refs=unborn\n")
    + packet(b"fetch=shallow filter\n")
    + packet(b"object-format=sha1\n")
    + FLUSH
)


def sideband(band: int, data: bytes) -> bytes:
    """Data on a band: 1 the pack, 2 progress, 3 an error."""
    most = 65515
    return b"".join(packet(bytes([band]) + data[at : at + most]) for at in range(0, len(data), most))


def listed(refs: Iterable[tuple[str, str, str]]) -> bytes:
    """What `ls-refs` answers; each ref has an identifier, a name, and the peeled identifier, perhaps empty."""
    lines = (f"{oid} {name}{f' peeled:{peeled}' if peeled else ''}\n" for oid, name, peeled in refs)
    return b"".join(packet(line.encode("utf-8", "surrogateescape")) for line in lines) + FLUSH


def object_id(kind: str, content: bytes) -> str:
    """The identifier of an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def entry(kind: str, size: int, packed: Iterable[bytes]) -> Iterator[bytes]:
    """An object of a pack: its head, which announces `size`, and its compressed content."""
    first, rest = _KINDS[kind] << 4 | size & 0xF, size >> 4
    numbers = bytearray()
    while rest:
        numbers.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    numbers.append(first)
    yield bytes(numbers)
    yield from packed


def pack(entries: Iterable[Iterable[bytes]], count: int) -> Iterator[bytes]:
    """A pack, in pieces, with its checksum."""
    digest = hashlib.sha1(usedforsecurity=False)
    first = b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")
    for piece in (first, *(piece for one in entries for piece in one)):
        digest.update(piece)
        yield piece
    yield digest.digest()


class Git:
    """A repository over smart HTTP, made up: what it lists, and what it answers to a fetch.

    Args:
        refs: what it lists.
        fetch: answers a fetch, after its head; nothing: it has nothing to give.
        ls: answers the question for refs instead.
    """

    def __init__(
        self,
        refs: Iterable[tuple[str, str, str]] = (),
        fetch: Callable[[Line], None] | None = None,
        ls: Callable[[Line], None] | None = None,
    ) -> None:
        self._listed = listed(refs)
        self._fetch, self._ls = fetch, ls

    def __call__(self, line: Line) -> None:
        """Answer a request."""
        if "/info/refs" in line.path:
            kind = "application/x-git-upload-pack-advertisement"
            line.send(reply(ADVERTISED, kind=kind))
            return
        line.send(head(kind="application/x-git-upload-pack-result"))
        if b"command=ls-refs" in line.body:
            if self._ls is not None:
                self._ls(line)
            else:
                line.send(self._listed)
        elif self._fetch is not None:
            if packet(b"done\n") not in line.body and packet(b"done") not in line.body:
                line.send(packet(b"acknowledgments\n"), packet(b"ready\n"), DELIMITER)
            self._fetch(line)


def packed(line: Line, pieces: Iterable[bytes]) -> None:
    """Answer a fetch with a pack."""
    line.send(packet(b"packfile\n"))
    for piece in pieces:
        line.send(sideband(1, piece))
    line.send(FLUSH)
