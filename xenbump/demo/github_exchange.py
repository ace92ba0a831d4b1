"""What the GitHub stand-in keeps of an exchange, and the faults that can be ordered of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCS = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Exchange:
    """A request and what was sent back.

    Attributes:
        path: below the API's root, as it was sent (percent-encoded); whole when it is not below the root.
        query: names and values in the order in which they were sent, decoded.
        request_headers: by name in lower case, as are the `response_headers`.
        status: the status that was sent; 0 when the connection was reset instead.
        response_body: as it was meant to be sent; of a truncated reply only half arrived.
        fault: the fault that was ordered for this request, if any.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes
    fault: Fault | None = None


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; the class methods make the usual ones.

    Attributes:
        status: send this status in place of the true reply; None keeps the true reply.
        body: bytes as they are, or a JSON value, to go with `status`.
        headers: headers beyond the usual ones, to go with `status`.
        takes_effect: carry the request out, although the client is told otherwise.
        drop: reset the connection in place of a reply.
        truncate: announce the whole reply, send half of it and close the connection.
        delay: wait so many seconds before anything else.
    """

    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    takes_effect: bool = False
    drop: bool = False
    truncate: bool = False
    delay: float = 0.0

    @classmethod
    def reply(
        cls, status: int, body: Any = None, headers: Mapping[str, str] | None = None, *, after_write: bool = False
    ) -> Self:
        """Send this status; `after_write`: although the request was carried out. Without a body: a usual message."""
        if body is None:
            body = {"message": "Server Error", "documentation_url": _DOCS}
        return cls(status=status, body=body, headers=headers or {}, takes_effect=after_write)

    @classmethod
    def reset(cls, *, after_write: bool = False) -> Self:
        """Reset the connection; `after_write`: after the request was carried out."""
        return cls(drop=True, takes_effect=after_write)

    @classmethod
    def spent(cls, reset: float) -> Self:
        """Refuse for a primary limit, which ends at `reset` (seconds since 1970)."""
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{reset:.0f}"}
        return cls.reply(403, _limited("API rate limit exceeded for user ID 1."), headers)

    @classmethod
    def hurried(cls, seconds: int | None = None, status: int = 403) -> Self:
        """Refuse for a secondary limit; without `seconds`, GitHub does not say how long it lasts."""
        headers = {"retry-after": str(seconds)} if seconds is not None else {}
        said = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return cls.reply(status, _limited(said), headers)

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """Carry the request out and reply truly, so many seconds later."""
        return cls(delay=seconds, takes_effect=True)

    @classmethod
    def truncated(cls) -> Self:
        """Carry the request out and send half of the true reply."""
        return cls(truncate=True, takes_effect=True)

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Self:
        """Send the client elsewhere."""
        body = {"message": "Moved Permanently", "url": location, "documentation_url": _DOCS}
        return cls(status=status, body=body, headers={"location": location})


def _limited(said: str) -> dict[str, str]:
    return {"message": said, "documentation_url": f"{_DOCS}/using-the-rest-api/rate-limits-for-the-rest-api"}
