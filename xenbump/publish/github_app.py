"""A GitHub App's tokens: a signed claim (JWT) for the App itself, and from that a token for one installation of it.

The forms are described at docs.github.com/apps ("Authenticating as a GitHub App installation"): the claim is signed
with RS256 and lives for ten minutes at most; an installation's token lives for one hour.

The requests go past PyGithub's own, which write whole replies to their log, and one reply here is the token.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import msgspec
import requests
from github import Auth
from requests.auth import AuthBase

from xenbump import wire
from xenbump.errors import Failure, UsageError, XenbumpError
from xenbump.publish import github_errors, github_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.config import App

_TIMEOUT_SECONDS = 30
# A reply as a whole, which is an object of a few kilobytes.
_REPLY_SECONDS = 60.0
_REPLY_BYTES = 1_000_000
_HOUR_SECONDS = 3600.0
# A token is renewed so long before it ends: longer than a push or one request with its repeats takes.
_SPARE_SECONDS = 600.0
_MEDIA_TYPE = "application/vnd.github+json"
# A lost token is asked for again: to make one changes nothing else, and it ends by itself.
_RETRY = github_errors.repeating("GET", "POST")


class _Installation(msgspec.Struct, frozen=True):
    """What `GET /repos/{owner}/{repo}/installation` tells, as far as it is used."""

    id: int


class _Granted(msgspec.Struct, frozen=True):
    """What `POST /app/installations/{installation_id}/access_tokens` tells, as far as it is used."""

    token: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token and the moment (by the clock of `Installations`) from which another one is asked for."""

    token: str = field(repr=False)
    until: float


class _Claim(AuthBase):
    """Puts the App's claim into requests of the next minutes, so that no frame of ours has it in a variable."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._signed = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        with contextlib.suppress(Exception):  # whatever it is, its frames hold the key
            self._signed = self._signed or Auth.AppAuth(self._app.id, self._app.key).create_jwt()
            request.headers["Authorization"] = f"Bearer {self._signed}"
        if not self._signed:
            raise UsageError(
                "E-APP-KEY",
                "nothing can be signed with the key of the GitHub App: it is no RSA private key in PEM form",
                remedy="set XENBUMP_GITHUB_APP_KEY_FILE to the file that GitHub gave out for the App",
            )
        return request


class Installations:
    """The tokens of an App's installations, each kept until shortly before it ends.

    Args:
        url: the root of the API.
        app: the App; where it names no installation, that of the repository is asked for.
        clock: a time that never goes back, in seconds.
    """

    def __init__(self, url: str, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._app = app
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def token(self, repository: str) -> str:
        """The token to act on a repository, good for ten minutes at least.

        Args:
            repository: `owner/name`.

        Raises:
            UsageError: E-APP-KEY, E-APP-INSTALLATION, E-TOKEN-REJECTED, E-TOKEN-RIGHTS.
            Refusal: E-REDIRECT, E-GITHUB-INVALID.
            Failure: E-NETWORK, E-GITHUB, E-GITHUB-LIMIT.
        """
        key = "" if self._app.installation else repository
        with self._lock:
            if key not in self._kept or self._clock() >= self._kept[key].until:
                self._kept.pop(key, None)
                claim = _Claim(self._app)
                installation = self._app.installation or self._installation(repository, claim)
                self._kept[key] = self._granted(installation, claim)
            return self._kept[key].token

    def _installation(self, repository: str, claim: _Claim) -> str:
        doing = f"find the GitHub App's installation on {repository}"
        response = self._asked("GET", f"/repos/{quote(repository)}/installation", doing, claim)
        with contextlib.suppress(msgspec.MsgspecError):
            return str(msgspec.json.decode(response.content, type=_Installation).id)
        raise github_errors.of_form(doing, self._url)

    def _granted(self, installation: str, claim: _Claim) -> _Kept:
        doing = "get a token for the GitHub App's installation"
        before = self._clock()
        path = f"/app/installations/{quote(installation, safe='')}/access_tokens"
        response = self._asked("POST", path, doing, claim)
        kept = _kept(response, before)
        if kept is None:
            raise github_errors.of_form(doing, self._url)
        return kept

    def _asked(self, method: str, path: str, doing: str, claim: _Claim) -> requests.Response:
        """The reply to a request in the App's own name; an error for any but a good one."""
        failed: XenbumpError | KeyboardInterrupt
        try:
            with requests.Session() as session:
                session.trust_env = urlsplit(self._url).scheme == "https"  # without, a token stays on this machine
                session.mount(self._url, wire.Adapter(seconds=_REPLY_SECONDS, most=_REPLY_BYTES, max_retries=_RETRY))
                response = session.request(
                    method,
                    self._url + path,
                    auth=claim,
                    headers={"Accept": _MEDIA_TYPE},
                    allow_redirects=False,
                    timeout=_TIMEOUT_SECONDS,
                )
        except (requests.RequestException, github_errors.RedirectedError) as error:
            failed = github_errors.of_network(error, doing, self._url, _TIMEOUT_SECONDS)
        except KeyboardInterrupt:  # its frames hold the claim
            failed = KeyboardInterrupt()
        else:
            if response.ok:
                return response
            failed = _refused(response, doing, self._url)
        raise failed


def _kept(response: requests.Response, asked: float) -> _Kept | None:
    """The token of a reply and until when to keep it; None where the reply has none.

    How long it lives is told by two moments of GitHub's clock, so that the one here may be wrong.
    """
    try:
        granted = msgspec.json.decode(response.content, type=_Granted)
    except msgspec.MsgspecError:
        return None
    seconds = _HOUR_SECONDS
    with contextlib.suppress(TypeError, ValueError):
        said = parsedate_to_datetime(response.headers.get("date", ""))
        seconds = (datetime.fromisoformat(granted.expires_at) - said).total_seconds()
    plain = all("!" <= character <= "~" for character in granted.token)
    return _Kept(granted.token, asked + seconds - _SPARE_SECONDS) if granted.token and plain else None


def _refused(response: requests.Response, doing: str, url: str) -> XenbumpError:
    """The error for a reply that grants nothing."""
    data = github_errors.decoded(response.content)
    headers = {name.lower(): value for name, value in response.headers.items()}
    limit = github_limits.read(response.status_code, headers, github_errors.told(data), time.time(), 0)
    if limit is not None:
        until = github_limits.clock(time.time() + limit.seconds)
        return Failure("E-GITHUB-LIMIT", f"could not {doing}: GitHub's limit is used up until {until}", where=url)
    if response.status_code == github_errors.NOT_FOUND:
        return UsageError(
            "E-APP-INSTALLATION", f"could not {doing}: GitHub knows of none", where=url,
            remedy="install the App on the repository (or fork), or mend XENBUMP_GITHUB_APP_INSTALLATION",
        )  # fmt: skip
    return github_errors.of_status(response.status_code, data, doing, url)
