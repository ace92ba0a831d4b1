"""One request to GitHub after the other, through PyGithub: authorised, repeated where it may be, limits waited for.

A request that reads is repeated after a server error or a lost connection; one that writes never is, except where a
limit refused it: then it had no effect. Errors are ours, with no exception of the library's behind (`github_errors`).
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import requests
import urllib3
from github import Auth, Github, GithubException
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass

from xenbump import wire
from xenbump.errors import Failure, XenbumpError
from xenbump.publish import github_errors, github_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = 100
# Where a list has more pages than these, it is not what was asked for.
_MOST_PAGES = 50
_REPLY_SECONDS, _REPLY_BYTES = 90.0, 24_000_000  # of a reply as a whole
# So long is waited for limits, by one client, in all.
_PATIENCE_SECONDS = 900.0
_MOST_LIMITS = 5
# What reads and what urllib3 does not repeat: a reply that breaks off, and a query of GraphQL, which is a POST.
_PAUSES_SECONDS = (0.5, 1.0, 2.0)
_FINE = 200
# The kinds of error in a reply of GraphQL, as the REST API would tell them.
_GRAPHQL_STATUS = {
    "FORBIDDEN": github_errors.FORBIDDEN,
    "INSUFFICIENT_SCOPES": github_errors.FORBIDDEN,
    "NOT_FOUND": github_errors.NOT_FOUND,
    "RATE_LIMITED": github_errors.LIMITED,
    "UNPROCESSABLE": github_errors.INVALID,
}


class Tokens(Protocol):
    """What gives the tokens: `access.Access`."""

    def read(self) -> str:
        """The token for a request that only looks something up."""
        ...

    def write(self) -> str:
        """The token for a request that writes."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """A status that the caller had said it can go on with, and what GitHub says."""

    status: int
    said: str


@dataclass(frozen=True, slots=True)
class Pages:
    """The entries of a list, and whether GitHub says of each page that nothing is missing (a search can give up)."""

    items: list[Any]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """A reply: status, headers by name in lower case, and the value of its body."""

    status: int
    headers: Mapping[str, str]
    data: Any


class _BrokenOffError(Failure):
    """A reply that ended before its end."""


class _Now(Auth.Auth):
    """For PyGithub: the token as it is at the time of each request."""

    def __init__(self, give: Callable[[], str]) -> None:
        self._give = give

    @property
    def token_type(self) -> str:
        return "Bearer"

    @property
    def token(self) -> str:
        return self._give()

    @property
    def _masked_token(self) -> str:
        return "Bearer (token removed)"


class _Plain(HTTPRequestsConnectionClass):
    """PyGithub's connection over HTTP, with limits for replies."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Without encryption a token goes to this machine alone, and so to no proxy.
        self.session.trust_env = False
        self.session.mount("http://", _limits(self.retry))


class _Encrypted(HTTPSRequestsConnectionClass):
    """The same over HTTPS."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.session.mount("https://", _limits(self.retry))


def _limits(retry: Any) -> wire.Adapter:
    return wire.Adapter(seconds=_REPLY_SECONDS, most=_REPLY_BYTES, max_retries=retry)


class Requests:
    """Sends requests to one API in the name of one account.

    Args:
        url: the root of the API: `https://api.github.com`, or `https://HOST/api/v3`.
        tokens: gives the tokens.
        where: the place that errors name.
        progress: told in a sentence when a limit is waited for.
        retry: how urllib3 repeats; only what reads.
        timeout: how many seconds an answer is waited for.
        sleep: waits for so many seconds; an exception, such as that of an interrupt, ends the wait and the request.
        now: the time in seconds since 1970.
    """

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        *,
        where: str,
        progress: Callable[[str], None],
        retry: urllib3.Retry,
        timeout: int,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._where = where
        self._progress = progress
        self._timeout = timeout
        self._sleep = sleep
        self._now = now
        self._patience = _PATIENCE_SECONDS

        kind = _Encrypted if url.startswith("https:") else _Plain

        def client(give: Callable[[], str]) -> Github:
            # PyGithub's pauses between requests are left out: a run makes less than thirty.
            made = Github(
                base_url=url,
                auth=_Now(give),
                retry=retry,
                timeout=timeout,
                seconds_between_requests=0,
                seconds_between_writes=0,
            )
            # PyGithub has a way to choose them only for all of its clients, and then each makes a new one per request.
            made.requester._Requester__connectionClass = kind  # type: ignore[attr-defined]  # noqa: SLF001
            return made

        self._reader = client(tokens.read)
        self._writer = client(tokens.write)

    def disconnect(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._writer.close()

    def get(
        self,
        path: str,
        doing: str,
        parameters: Mapping[str, str | int] | None = None,
        *,
        may: frozenset[int] = frozenset(),
    ) -> Any:
        """Read something.

        Args:
            path: below the API's root, quoted.
            doing: what this is for, after "could not".
            parameters: the query.
            may: statuses for which to give back `Refused` in place of an error.

        Returns:
            The JSON value of the reply.

        Raises:
            UsageError: E-TOKEN-REJECTED, E-TOKEN-RIGHTS, E-GITHUB-NOT-FOUND.
            Refusal: E-GITHUB-INVALID, E-REDIRECT.
            Failure: E-GITHUB, E-GITHUB-LIMIT, E-NETWORK.
        """
        _, data = self._asked(self._reader, "GET", path, doing, parameters=parameters, may=may)
        return data

    def pages(
        self, path: str, doing: str, parameters: Mapping[str, str | int] | None = None, *, key: str = ""
    ) -> Pages:
        """Read a list to its end; errors as for `get`.

        Args:
            path: below the API's root, quoted.
            doing: what this is for, after "could not".
            parameters: the query.
            key: where the list is in the value of a page; empty: a page is the list.
        """
        found: list[Any] = []
        complete = True
        for page in range(1, _MOST_PAGES + 1):
            query = {**(parameters or {}), "per_page": PAGE, **({"page": page} if page > 1 else {})}
            headers, data = self._asked(self._reader, "GET", path, doing, parameters=query)
            whole = data if isinstance(data, dict) else {}
            items = whole.get(key) if key else data
            if not isinstance(items, list):
                raise github_errors.of_form(doing, self._where)
            found += items
            complete = complete and not whole.get("incomplete_results")
            if 'rel="next"' not in headers.get("link", ""):
                return Pages(found, complete)
        raise Failure("E-GITHUB", f"could not {doing}: the list has more than {len(found)} entries", where=self._where)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        doing: str,
        *,
        may: frozenset[int] = frozenset(),
        waited: Callable[[], None] = lambda: None,
    ) -> Any:
        """Write something, once.

        Args:
            method: POST, PATCH, PUT or DELETE.
            path: below the API's root, quoted.
            body: what is sent, as JSON.
            doing: what this is for, after "could not".
            may: statuses for which to give back `Refused` in place of an error.
            waited: called after the wait for a limit, before the request is sent anew; what it raises ends the work.

        Returns:
            The JSON value of the reply.

        Raises:
            UsageError, Refusal: as `get`; nothing was written.
            Failure: E-GITHUB-LIMIT: nothing was written. E-GITHUB, E-NETWORK: nobody knows whether it was.
        """
        _, data = self._asked(self._writer, method, path, doing, body=body, may=may, waited=waited)
        return data

    def graphql(
        self, query: str, variables: Mapping[str, Any], doing: str, *, may: frozenset[int] = frozenset()
    ) -> Any:
        """Ask GraphQL with the token for writing: a mutation once, a query again where it failed.

        Args:
            query: it begins with `query` or `mutation`.
            variables: its variables.
            doing: what this is for, after "could not".
            may: as for `send`; a lack of rights, which GraphQL tells with status 200, counts as 403.

        Returns:
            `data` of the reply, an object; or `Refused`.

        Raises:
            UsageError, Refusal, Failure: as `send`.
        """
        # GraphQL of an Enterprise Server lies beside the REST API's root, not below it.
        root = self._url.removesuffix("/v3") if self._url.endswith("/api/v3") else self._url
        body = {"query": query, "variables": dict(variables)}
        for pause in _PAUSES_SECONDS if query.startswith("query") else ():
            try:
                return self._data(f"{root}/graphql", body, doing, may)
            except Failure as error:
                if error.code == "E-GITHUB-LIMIT":
                    raise
            self._sleep(pause)
        return self._data(f"{root}/graphql", body, doing, may)

    def _data(self, address: str, body: Mapping[str, Any], doing: str, may: frozenset[int]) -> Any:
        _, answer = self._asked(self._writer, "POST", address, doing, body=body, may=may)
        if isinstance(answer, Refused):
            return answer
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise github_errors.of_form(doing, self._where)
        return answer["data"]

    def _asked(
        self,
        client: Github,
        method: str,
        path: str,
        doing: str,
        *,
        parameters: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        may: frozenset[int] = frozenset(),
        waited: Callable[[], None] = lambda: None,
    ) -> tuple[Mapping[str, str], Any]:
        """Headers and value of the reply, once no limit stands in the way."""
        once = partial(self._once, client, method, path, doing=doing, parameters=parameters, body=body)
        ask = partial(self._whole, once) if method == "GET" else once
        answer = ask()
        for before in range(_MOST_LIMITS + 1):
            said = github_errors.told(answer.data)
            limit = github_limits.read(answer.status, answer.headers, said, self._now(), before)
            if limit is None:
                break
            self._wait(limit, doing, last=before == _MOST_LIMITS)
            waited()
            answer = ask()
        if answer.status in may:
            return answer.headers, Refused(answer.status, github_errors.told(answer.data))
        if answer.status != _FINE:
            raise github_errors.of_status(answer.status, answer.data, doing, self._where)
        return answer.headers, answer.data

    def _whole(self, once: Callable[[], _Answer]) -> _Answer:
        """Ask again where a reply broke off."""
        for pause in _PAUSES_SECONDS:
            with contextlib.suppress(_BrokenOffError):
                return once()
            self._sleep(pause)
        return once()

    def _wait(self, limit: github_limits.Limit, doing: str, *, last: bool) -> None:
        if last or limit.seconds > self._patience:
            until = github_limits.clock(self._now() + limit.seconds)
            raise Failure(
                "E-GITHUB-LIMIT", f"could not {doing}: GitHub wants no more requests until {until}", where=self._where
            )
        self._patience -= limit.seconds
        self._progress(github_limits.said(limit, self._now()))
        self._sleep(limit.seconds)

    def _once(
        self,
        client: Github,
        method: str,
        path: str,
        *,
        doing: str,
        parameters: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> _Answer:
        """Send one request. What is raised has no trace of the frames that hold its headers."""
        failed: XenbumpError | KeyboardInterrupt
        try:
            headers, data = client.requester.requestJsonAndCheck(
                method, path, parameters=dict(parameters or {}), input=dict(body) if body is not None else None
            )
        except GithubException as error:
            return _Answer(error.status, error.headers or {}, error.data)
        except XenbumpError:  # there is no token; then there were no headers either
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, github_errors.RedirectedError) as error:
            failed = github_errors.of_network(error, doing, self._where, self._timeout)
            if isinstance(error, requests.exceptions.ChunkedEncodingError):
                failed = _BrokenOffError(failed.code, failed.what, where=failed.where)
        except json.JSONDecodeError:
            # Before requests 2.32, a reply that breaks off comes like this.
            failed = github_errors.of_form(doing, self._where)
            failed = _BrokenOffError(failed.code, failed.what, where=failed.where)
        except (AttributeError, TypeError, ValueError, LookupError, AssertionError, RuntimeError):
            failed = github_errors.of_form(doing, self._where)
        except KeyboardInterrupt:
            failed = KeyboardInterrupt()
        else:
            return _Answer(_graphql_status(data), headers, data)
        raise failed


def _graphql_status(data: Any) -> int:
    """The status of a reply that came with 200: what GraphQL says in it, where it is one of GraphQL's."""
    errors = data.get("errors") if isinstance(data, dict) else None
    if not isinstance(errors, list) or not errors:
        return _FINE
    kinds = {one.get("type") for one in errors if isinstance(one, dict)}
    return next((status for kind, status in _GRAPHQL_STATUS.items() if kind in kinds), github_errors.SERVER)
