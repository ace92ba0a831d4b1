"""What GitHub's refusals and the network's faults mean, as errors of ours; and the rule for repeats and redirects.

The errors are made here and raised by the callers after the handler that caught the library's exception has been left:
the frames of requests, urllib3 and http.client hold the request's headers in local variables, so no error of ours has
one of their exceptions as its cause or context.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
import requests
import urllib3

from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.wire import TooLargeError

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, INVALID, LIMITED, SERVER = 401, 403, 404, 422, 429, 500
_MOVED = frozenset({301, 302, 303, 307, 308})
_LONGEST_WORD, _LONGEST = 200, 300


class RedirectedError(Exception):
    """The server answered with a redirect; no kind of `OSError`, which requests would take for a lost connection."""


class Retry(urllib3.Retry):
    """Urllib3's repeating, but for redirects: PyGithub takes some of them for an answer, and follows others."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Whether to go on to `increment`; the arguments are urllib3's."""
        return status_code in _MOVED or super().is_retry(method, status_code, has_retry_after)

    def increment(self, *arguments: Any, **named: Any) -> Self:
        """Count a failed request; a redirect ends it here. The arguments are urllib3's."""
        response = named.get("response")
        if response is not None and response.status in _MOVED:
            response.close()
            raise RedirectedError(response.headers.get("location", "an unknown place"))
        return super().increment(*arguments, **named)


def repeating(*methods: str) -> Retry:
    """Repeat requests with these methods a few times with growing pauses; never any other."""
    return Retry(
        total=3,
        backoff_factor=0.5,
        status_forcelist=(500, 502, 503, 504),
        allowed_methods=frozenset(methods),
        raise_on_status=False,
        respect_retry_after_header=False,
    )


def of_status(status: int, data: Any, doing: str, where: str) -> XenbumpError:
    """The error for a reply with a status of 400 and above.

    Args:
        status: the HTTP status.
        data: the body: decoded JSON, or text, or nothing.
        doing: what was to be done, after "could not".
        where: the place that the error names.
    """
    said = f"could not {doing}: GitHub answers {status}, {told(data)!r}"
    if status == UNAUTHORIZED:
        return UsageError("E-TOKEN-REJECTED", said, where=where)
    if status == FORBIDDEN:
        return UsageError("E-TOKEN-RIGHTS", said, where=where)
    if status == NOT_FOUND:
        return UsageError("E-GITHUB-NOT-FOUND", said, where=where)
    if status == INVALID:
        return Refusal("E-GITHUB-INVALID", said, where=where)
    return Failure("E-GITHUB", said, where=where)


def of_network(error: Exception, doing: str, where: str, seconds: float) -> XenbumpError:
    """The error for what `requests` raises, or this module's `Retry`; `seconds` is how long an answer was waited for.

    The text of such an exception may hold the whole request; its kind says enough.
    """
    if isinstance(error, RedirectedError):
        place = str(error)[:_LONGEST_WORD]
        return Refusal("E-REDIRECT", f"could not {doing}: the server sends us to {place!r}", where=where)
    if isinstance(error, TooLargeError):
        return Failure("E-GITHUB", f"could not {doing}: {error}", where=where)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return Failure("E-TLS", f"could not {doing}: there is no trustworthy encrypted connection", where=where)
    late = isinstance(error, requests.Timeout) or "timed out" in str(error)
    what = f"no answer in {seconds:g} seconds" if late else "the server cannot be reached"
    return Failure("E-NETWORK", f"could not {doing}: {what} ({type(error).__name__})", where=where)


def of_form(doing: str, where: str) -> XenbumpError:
    """The error for a reply that cannot be read."""
    return Failure("E-GITHUB", f"could not {doing}: the reply has not the form of GitHub's API", where=where)


def told(data: Any) -> str:
    """What GitHub says, with the messages of the single errors, on one short line."""
    if not isinstance(data, dict):
        return str(data or "nothing")[:_LONGEST_WORD]
    parts = [str(data.get("message") or "nothing")]
    errors = data.get("errors")
    for one in errors if isinstance(errors, list) else []:
        # Most errors are objects; those of a request for a review are bare sentences.
        text = one.get("message") if isinstance(one, dict) else one
        if isinstance(text, str) and text:
            parts.append(text)
    return "; ".join(parts)[:_LONGEST]


def decoded(content: bytes) -> Any:
    """The body of a reply: its JSON value, or its text where it is none."""
    try:
        return msgspec.json.decode(content)
    except msgspec.MsgspecError:
        return content[:_LONGEST].decode("utf-8", "replace")
