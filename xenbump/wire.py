"""Replies over HTTP within limits of time and size, whatever the server does.

A time limit of `requests` is that of a single wait: a server that sends a byte now and then, or one `100 Continue`
after the other (RFC 9110, section 15.2), keeps a client for ever, and a small compressed body may unpack to any size.
Here the time is that of a reply as a whole, from its first line to its last byte, and the size that of the unpacked
body.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_CHUNK = 1 << 16
# Beside its body a reply has headers, and the marks of its chunks.
_BESIDE = 1 << 20


class TooLargeError(requests.RequestException):
    """A reply whose body is larger than the limit; its text says so in a few words."""


class Adapter(HTTPAdapter):
    """Sends the requests of a session, and reads the replies within limits.

    Args:
        seconds: for one reply, from when the request is sent; beyond it is what `requests` raises for a time that is
            over: a `Timeout` before the body, a `ConnectionError` within.
        most: bytes of a body, as unpacked; beyond it is `TooLargeError`. 0: the caller reads the body and counts.
        rest: as for requests' own.
    """

    def __init__(self, *, seconds: float, most: int = 0, **rest: Any) -> None:
        self._most = most
        self._pools = _pools(seconds, most + _BESIDE if most else 0)
        super().__init__(**rest)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Make connections that keep the limits; the arguments are those of requests."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, *arguments: Any, **named: Any) -> requests.Response:
        """Send a request, and read the whole reply unless the caller does; the arguments are those of requests."""
        reply = super().send(*arguments, **named)
        if self._most:
            content = bytearray()
            for chunk in reply.iter_content(_CHUNK):
                content += chunk
                if len(content) > self._most:
                    reply.close()
                    raise TooLargeError(f"the reply has more than {self._most} bytes")
            # Where requests itself keeps what it has read; its `content` then reads no more.
            reply._content = bytes(content)  # noqa: SLF001
        return reply


class _Within(io.RawIOBase):
    """What comes over a connection, until a time and up to a size."""

    def __init__(self, connection: socket.socket, seconds: float, most: int) -> None:
        self._connection, self._stream = connection, connection.makefile("rb", buffering=0)
        self._until, self._seconds = time.monotonic() + seconds, seconds
        self._left = most
        self._is_limited = most > 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there, or wait for it as long as there is time."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"timed out: the reply took more than {self._seconds:g} seconds")
        before = self._connection.gettimeout()
        self._connection.settimeout(left if before is None else min(before, left))
        try:
            size: int | None = self._stream.readinto(buffer)
        finally:
            self._connection.settimeout(before)
        self._left -= size or 0
        if self._is_limited and self._left < 0:
            raise ConnectionError("the reply does not end")
        return size

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()
        super().close()


def _pools(seconds: float, most: int) -> Mapping[str, Any]:
    """The kinds of connections by scheme, with the limits in them: urllib3 makes them by their classes."""

    class Reply(HTTPResponse):
        def __init__(self, connection: socket.socket, *arguments: Any, **named: Any) -> None:
            super().__init__(connection, *arguments, **named)
            self.fp.close()
            self.fp = io.BufferedReader(_Within(connection, seconds, most), _CHUNK)

    class Plain(HTTPConnection):
        response_class = Reply

    class Encrypted(HTTPSConnection):
        response_class = Reply

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
