"""xenbits on this machine: the advisories' folder, with texts that are really signed, and a server for it.

The folder is laid out as https://xenbits.xen.org/xsa/ is: `xsa.json`, `advisory-N.txt`, patches. The server answers
conditional requests (RFC 9110, section 13) by entity tag and by date, so that a client's kept files are really tested.
"""

from __future__ import annotations

import hashlib
import json
import socketserver
import sys
import threading
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from xenbump.demo.advisory_text import build, content_of, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from xenbump.demo.signing import SigningKey
    from xenbump.upstream.advisory import Advisory

PUBLIC = "2026-03-17 12:00"

_PREFIX = "/xsa/"
# Also how long leaving the server can take.
_POLL_SECONDS = 0.01
# A client that is connected and asks for nothing is left then.
_CLIENT_SECONDS = 5.0


class Shelf:
    """The folder: `xsa.json`, texts and patches, as they are put there.

    Attributes:
        folder: where they lie; made when it is missing.
        key: signs the texts; only within its `with` block.
        entries: what the index lists, by number.
    """

    def __init__(self, folder: Path, key: SigningKey) -> None:
        self.folder = folder
        self.key = key
        self.entries: dict[int, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        number: int,
        table: Sequence[tuple[str, str] | tuple[str, str, Sequence[str]]],
        *,
        contents: Mapping[str, bytes] | None = None,
        public: str = PUBLIC,
        **more: Any,
    ) -> Advisory:
        """Publish an advisory and its patches; `more` goes to `build`."""
        advisory = build(number, table, contents=contents, **more)
        self.put(number, self.key.clearsign(render(advisory)))
        for line in advisory.lines:
            for file in line.files:
                path = self.folder / file.name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes((contents or {}).get(file.name, content_of(file.name)))
        self.listed(number, version=advisory.version, title=advisory.title, public_time=public)
        return advisory

    def put(self, number: int, content: bytes) -> None:
        """Write the text of an advisory as it is, good or bad."""
        (self.folder / f"advisory-{number}.txt").write_bytes(content)

    def listed(self, number: int, **entry: Any) -> None:
        """List a number with these keys, and the whole index anew."""
        self.entries[number] = {"xsa": str(number), **entry}
        index = [{"xsas": list(self.entries.values())}]
        (self.folder / "xsa.json").write_text(json.dumps(index))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the file's name below the folder (else the whole path), and the status of the reply."""

    name: str
    status: int


class XenbitsServer:
    """The folder over HTTP at 127.0.0.1, on a free port, for the time of a `with` block.

    On leaving, replies under way are waited for, and an error inside the server is raised.

    Args:
        folder: whose files are served.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors: list[BaseException] = []
        self._requests: list[Asked] = []
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_SECONDS,), name="xenbits-server")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._http = None
        if error is None and self.errors:
            raise self.errors[0]

    @property
    def url(self) -> str:
        """The address of the folder, without a slash at the end."""
        if self._http is None:
            raise RuntimeError("the server has an address only within its `with` block")
        return f"http://127.0.0.1:{self._http.server_address[1]}{_PREFIX.rstrip('/')}"

    @property
    def requests(self) -> tuple[Asked, ...]:
        """The requests since the start or `reset_counters`, in the order in which they were answered."""
        return tuple(self._requests)

    def reset_counters(self) -> None:
        """Forget the requests."""
        self._requests.clear()

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, str], bytes]:
        """The reply to a GET request: status, headers and body.

        Args:
            path: as it was sent.
            headers: of the request.
        """
        name = unquote(path.partition("?")[0])
        name = name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else name
        given = {key.lower(): value for key, value in headers.items()}
        status, fields, body = self._reply(name, given)
        self._requests.append(Asked(name, int(status)))
        return status, fields, body

    def _reply(self, name: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, str], bytes]:
        try:
            file = (self.folder / name.lstrip("/")).resolve()
            served = not name.startswith("/") and file.is_relative_to(self.folder.resolve()) and file.is_file()
        except ValueError:  # no path has a NUL character
            served = False
        if not served:
            return HTTPStatus.NOT_FOUND, {}, b"there is no such file\n"
        content = file.read_bytes()
        # The date alone has no more than seconds, and the story may change a file twice within one.
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        date = formatdate(file.stat().st_mtime, usegmt=True)
        fields = {"ETag": tag, "Last-Modified": date}
        asked = headers.get("if-none-match")
        same = asked == tag if asked is not None else headers.get("if-modified-since") == date
        return (HTTPStatus.NOT_MODIFIED, fields, b"") if same else (HTTPStatus.OK, fields, content)


class _Http(ThreadingHTTPServer):
    """The listening socket, with a thread for every request; all of them are waited for on closing."""

    daemon_threads = False

    def __init__(self, served: XenbitsServer) -> None:
        self.served = served
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the network for this machine's name as `HTTPServer` does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the parent's signature
        """Keep an error for the end; a client that went away is none."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.served.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    """One request: the connection ends with the reply (HTTP/1.0), so that no thread waits for a client."""

    timeout = _CLIENT_SECONDS
    server: _Http

    def do_GET(self) -> None:
        """Answer."""
        status, fields, body = self.server.served.answer(self.path, dict(self.headers.items()))
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's signature
        """Say nothing: the requests are remembered instead."""
