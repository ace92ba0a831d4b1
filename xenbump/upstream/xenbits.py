"""Files from xenbits over HTTP: kept, and asked for again only if they changed.

The index of advisories, advisories and patches come from here, and nothing of it is believed as it is: the index only
says where to look, an advisory is verified by its signature, a patch by the SHA-256 in the signed advisory. What is
checked here is that a reply is whole, not too large, and from the configured place. Conditional requests are specified
in RFC 9110, section 13.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
import requests

from xenbump import __version__, durable, wire
from xenbump.errors import Failure, Refusal
from xenbump.upstream.git import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

INDEX = "xsa.json"
_NAME = re.compile(
    r"xsa\.json|advisory-[1-9]\d{0,4}\.txt|(?:xsa(\d{1,5})/)?xsa(\d{1,5})(?:[-.][A-Za-z0-9._+-]*)?\.patch", re.ASCII
)
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_LIMITS = {"xsa.json": 32_000_000, "advisory": 1_000_000, "patch": 4_000_000}
_TOTAL_LIMIT = 256_000_000
_TIMEOUT_SECONDS = (10.0, 30.0)
_DEADLINE_SECONDS = 300.0
_PAUSES = (0.5, 1.0, 2.0)
_LONGEST_PAUSE = 30.0
_CHUNK = 65536
_NOT_MODIFIED, _OK, _NOT_FOUND, _LIMITED, _SERVER_ERROR = 304, 200, 404, 429, 500


class _Kept(msgspec.Struct, frozen=True):
    """What is kept beside a reply: what a conditional request needs, and the digest that shows damage."""

    sha256: str
    etag: str = ""
    last_modified: str = ""


class _Passing(Failure):
    """A failure that may be over in a moment; `pause` is what the server asks for, in seconds."""

    pause: float = 0.0


class Xenbits:
    """The advisories' part of xenbits.

    Args:
        root: its address, or the folder of a copy; checked by `config.load`.
        cache: the folder where replies are kept; made when it is missing.
        progress: told in a sentence what takes time.
        sleep: waits for so many seconds, between tries.
    """

    def __init__(
        self,
        root: str,
        cache: Path,
        progress: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self._folder = _folder_of(root)
        self._cache = cache / hashlib.sha256(root.encode()).hexdigest()[:16]
        self._progress = progress
        self._sleep = sleep
        self._session: requests.Session | None = None
        self._left = _TOTAL_LIMIT

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()

    def kept(self, name: str) -> bytes | None:
        """What is kept of a file, without asking; None when nothing is, or it is damaged."""
        path = self._cache / _checked(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        return content if _meta(path).sha256 == hashlib.sha256(content).hexdigest() else None

    def digests(self, names: Iterable[str]) -> dict[str, str] | None:
        """The SHA-256 of files that are kept, without asking; None when one of them is not, or is damaged.

        For many files, and so by the shortest way: their folder is opened once.
        """
        wanted = [_checked(name) for name in names]
        found: dict[str, str] = {}
        try:
            folder = os.open(self._cache, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None if wanted else {}
        try:
            for name in wanted:
                digest = hashlib.sha256(_bytes(folder, name)).hexdigest()
                if msgspec.json.decode(_bytes(folder, f"{name}.meta"), type=_Kept).sha256 != digest:
                    return None
                found[name] = digest
        except (OSError, msgspec.MsgspecError):
            return None
        finally:
            os.close(folder)
        return found

    def forget(self, name: str) -> None:
        """Keep no longer what was kept of a file, so that it is asked for without a condition."""
        path = self._cache / (_checked(name) + ".meta")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise durable.failure(error, path, what="what is kept cannot be removed") from error

    def get(self, name: str) -> bytes:
        """A file as it is now; one that is kept is asked for by a conditional request.

        Args:
            name: `xsa.json`, `advisory-N.txt`, `xsaN….patch` or `xsaN/xsaN….patch`.

        Raises:
            Refusal: E-XSA-NAME for any other name, E-XSA-SIZE for one that is too large, E-REDIRECT.
            Failure: E-XSA-MISSING when there is none; E-NETWORK, E-HTTP-STATUS, E-TRUNCATED after some tries.
        """
        checked = _checked(name)
        if self._folder is not None:
            return self._read(self._folder / checked)
        for pause in (*_PAUSES, None):
            try:
                return self._ask(checked)
            except _Passing as error:
                if pause is None:
                    raise Failure(
                        error.code, f"{error.what} (tried {len(_PAUSES) + 1} times)", where=error.where
                    ) from error
                self._sleep(max(pause, min(error.pause, _LONGEST_PAUSE)))
        message = "unreachable: the last try raises"
        raise AssertionError(message)

    def _read(self, path: Path) -> bytes:
        """A file of a copy on disk."""
        try:
            with path.open("rb") as file:
                content = file.read(_limit(path.name) + 1)
        except FileNotFoundError as error:
            raise Failure("E-XSA-MISSING", "there is no such file", where=str(path)) from error
        except OSError as error:
            raise Failure("E-XSA-MISSING", f"the file cannot be read: {error.strerror}", where=str(path)) from error
        if len(content) > _limit(path.name):
            raise Refusal("E-XSA-SIZE", f"the file has more than {_limit(path.name)} bytes", where=str(path))
        return content

    def _ask(self, name: str) -> bytes:
        path = self._cache / name
        url = f"{self.root.rstrip('/')}/{name}"
        before = self.kept(name)
        headers = {}
        if before is not None:
            meta = _meta(path)
            headers = {"If-None-Match": meta.etag, "If-Modified-Since": meta.last_modified}
        if self._session is None:
            durable.sweep(path.parent)
            self._session = requests.Session()
            # identity: the limits count what arrives, and a small reply must not unfold into a large one
            self._session.headers.update({"User-Agent": f"xenbump/{__version__}", "Accept-Encoding": "identity"})
            self._session.trust_env = urlsplit(self.root).hostname not in LOOPBACK
            self._session.auth = _anonymous
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, wire.Adapter(seconds=_DEADLINE_SECONDS))
        self._progress(f"asking for {url}")
        try:
            with self._session.get(
                url,
                headers={key: value for key, value in headers.items() if value},
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as reply:
                if reply.status_code == _NOT_MODIFIED and before is not None:
                    return before
                _judge(reply, url)
                content = self._content(reply, url, _limit(name))
                kept = _Kept(
                    hashlib.sha256(content).hexdigest(),
                    reply.headers.get("ETag", ""),
                    reply.headers.get("Last-Modified", ""),
                )
        except requests.exceptions.SSLError as error:
            raise Failure("E-TLS", "there is no trustworthy encrypted connection to the server", where=url) from error
        except requests.exceptions.ContentDecodingError as error:
            raise _Passing("E-TRUNCATED", "the reply is damaged: it cannot be unpacked", where=url) from error
        except requests.exceptions.ReadTimeout as error:
            said = (
                f"nothing came for {_TIMEOUT_SECONDS[1]:g} seconds, or the reply took more than {_DEADLINE_SECONDS:g}"
            )
            raise _Passing("E-NETWORK", said, where=url) from error
        except requests.RequestException as error:
            raise _Passing("E-NETWORK", f"the server cannot be reached ({type(error).__name__})", where=url) from error
        except ValueError as error:  # requests looks at the address of a redirect that it is told not to follow
            raise Failure("E-NETWORK", f"the reply cannot be read ({error})", where=url) from error
        _keep(path, content, kept)
        return content

    def _content(self, reply: requests.Response, url: str, limit: int) -> bytes:
        """The whole body, within the limits of size and time."""
        announced = _number(reply.headers.get("Content-Length", ""))
        if announced is not None and announced > limit:
            raise Refusal("E-XSA-SIZE", f"the server announces {announced} bytes; the limit is {limit}", where=url)
        parts: list[bytes] = []
        size = 0
        deadline = time.monotonic() + _DEADLINE_SECONDS
        try:
            for chunk in reply.iter_content(_CHUNK):
                size += len(chunk)
                self._left -= len(chunk)
                if size > limit:
                    raise Refusal("E-XSA-SIZE", f"the reply has more than {limit} bytes", where=url)
                if self._left < 0:
                    raise Refusal("E-XSA-SIZE", f"this run has taken more than {_TOTAL_LIMIT} bytes", where=url)
                if time.monotonic() > deadline:
                    raise _Passing("E-NETWORK", f"the reply took more than {_DEADLINE_SECONDS:g} seconds", where=url)
                parts.append(chunk)
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError) as error:
            raise _Passing("E-TRUNCATED", f"the reply ended after {size} bytes", where=url) from error
        # Some releases of requests take a body that broke off for a whole one.
        if announced is not None and size != announced:
            raise _Passing("E-TRUNCATED", f"the reply ended after {size} of {announced} bytes", where=url)
        return b"".join(parts)


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request as it is: left to itself, requests adds what a `.netrc` of the user has for the host."""
    return request


def _judge(reply: requests.Response, url: str) -> None:
    """Raise what a status other than 200 means."""
    status = reply.status_code
    if status == _OK:
        return
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects, RFC 9110 section 15.4
        to = urlsplit(reply.headers.get("Location", "")).hostname or "another path"
        raise Refusal("E-REDIRECT", f"the server sends us elsewhere ({to}); a redirect is not followed", where=url)
    if status == _NOT_FOUND:
        raise Failure("E-XSA-MISSING", "the server has no such file", where=url)
    if status == _LIMITED or status >= _SERVER_ERROR:
        passing = _Passing("E-HTTP-STATUS", f"the server answers {status}", where=url)
        passing.pause = float(_number(reply.headers.get("Retry-After", "")) or 0)
        raise passing
    raise Failure("E-HTTP-STATUS", f"the server answers {status}", where=url)


def _number(header: str) -> int | None:
    """The number that a header has; None for anything else."""
    return int(header) if _DIGITS.fullmatch(header) else None


def _checked(name: str) -> str:
    """A name that may become part of an address and of a path."""
    match = _NAME.fullmatch(name)
    if match is None or ".." in name or (match[1] is not None and match[1] != match[2]):
        raise Refusal("E-XSA-NAME", f"{name!r} is not the name of an advisory's file")
    return name


def _limit(name: str) -> int:
    if name.endswith(".patch"):
        return _LIMITS["patch"]
    return _LIMITS[INDEX] if name.endswith(INDEX) else _LIMITS["advisory"]


def _folder_of(root: str) -> Path | None:
    if root.startswith("file:"):
        return Path(url2pathname(urlsplit(root).path))
    return None if "://" in root else Path(root)


def _bytes(folder: int, name: str) -> bytes:
    """A file of an open folder."""
    with open(name, "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)) as file:
        return file.read()


def _meta(path: Path) -> _Kept:
    """What is kept beside a file; something that fits nothing when there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.with_name(path.name + ".meta").read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return _Kept("")


def _keep(path: Path, content: bytes, kept: _Kept) -> None:
    """Keep a reply. First the content, then what says that it is whole, so it need not be on the disk at once."""
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        for target, data in ((path, content), (path.with_name(path.name + ".meta"), msgspec.json.encode(kept))):
            durable.put(target, data, sync=False)
    except OSError as error:
        raise durable.failure(error, path, what="the reply cannot be kept") from error
