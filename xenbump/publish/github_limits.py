"""When GitHub refuses for having been asked too often, and how long it then wants to be left alone.

As docs.github.com/rest describes it under "Rate limits for the REST API": a primary limit is a 403 or 429 with
`x-ratelimit-remaining: 0` and the moment of the next hour's beginning in `x-ratelimit-reset`; a secondary one has
`retry-after`, or only a sentence, and then wants a minute at least, and longer each time. A request that was refused so
had no effect. GraphQL says the same in a reply of status 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from xenbump.publish.github_errors import FORBIDDEN, LIMITED

if TYPE_CHECKING:
    from collections.abc import Mapping

# Without a word on how long, a minute, and twice as long each further time.
_MINUTE = 60.0
# A reset is named in whole seconds; a request in the same second may still be refused.
_MORE = 1.0
# No limit of GitHub's lasts longer than an hour; what a reply says beyond a day is nonsense.
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A refusal for having asked too often: in how many seconds it ends, and which kind it is."""

    seconds: float
    secondary: bool


def read(status: int, headers: Mapping[str, str], message: str, now: float, before: int) -> Limit | None:
    """Read a refusal; None: it is no limit that was met.

    Args:
        status: the HTTP status.
        headers: by name in lower case.
        message: what GitHub says.
        now: the time here, in seconds since 1970; the reply's own `date` goes before it.
        before: how many secondary limits this request has met before.
    """
    spent = headers.get("x-ratelimit-remaining") == "0"
    secondary = "retry-after" in headers or "secondary rate limit" in message.lower()
    limited = status == LIMITED or (status == FORBIDDEN and (spent or secondary))
    if not limited:
        return None
    here = _moment(headers.get("date", ""), now)
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return Limit(min(float(after), _DAY), secondary=True)
    if after:
        return Limit(_within(_moment(after, here + _MINUTE) - here), secondary=True)
    reset = headers.get("x-ratelimit-reset", "")
    if spent and reset.isdecimal() and not secondary:
        return Limit(_within(float(reset) - here), secondary=False)
    return Limit(_MINUTE * 2**before, secondary=True)


def said(limit: Limit, now: float) -> str:
    """The sentence that tells of the wait that begins now."""
    which = "GitHub wants fewer requests" if limit.secondary else "GitHub's limit is used up"
    return f"{which}; going on at {clock(now + limit.seconds)} (in {_span(limit.seconds)})"


def clock(moment: float) -> str:
    """A moment as a clock in UTC shows it."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M} UTC"


def _span(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 2 * _MINUTE else f"{round(seconds / _MINUTE)} min"


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0) + _MORE, _DAY)


def _moment(date: str, otherwise: float) -> float:
    """A date of HTTP in seconds since 1970."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return otherwise
