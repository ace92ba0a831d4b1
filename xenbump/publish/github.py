"""GitHub, through PyGithub: find, open and update a pull request, set labels.

The REST API is described at docs.github.com/rest. A request that writes is never repeated by itself: where its effect
is not known (a server error, a lost connection), the pull request is looked for before anything else is done.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import requests
import urllib3
from github import Auth, Github, GithubException

from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from github.PullRequest import PullRequest as GithubPullRequest
    from github.Repository import Repository

_TIMEOUT_SECONDS = 30
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _INVALID, _LIMITED, _SERVER = 401, 403, 404, 422, 429, 500
_MOVED = frozenset({301, 302, 303, 307, 308})


class _RedirectedError(Exception):
    """The server answered with a redirect; no kind of `OSError`, which requests would take for a lost connection."""


class _Retry(urllib3.Retry):
    """Urllib3's repeating, but for redirects: PyGithub takes some of them for an answer, and follows others."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
        return status_code in _MOVED or super().is_retry(method, status_code, has_retry_after)

    def increment(self, *arguments: Any, **named: Any) -> Self:
        response = named.get("response")
        if response is not None and response.status in _MOVED:
            response.close()
            raise _RedirectedError(response.headers.get("location", "an unknown place"))
        return super().increment(*arguments, **named)


# Only what reads is repeated, a few times with growing pauses.
_RETRY = _Retry(
    total=3,
    backoff_factor=0.5,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=frozenset({"GET", "HEAD"}),
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as GitHub has it."""

    number: int
    url: str
    title: str
    body: str
    state: str
    merged: bool
    draft: bool
    labels: tuple[str, ...]


class GitHub:
    """One repository on GitHub.

    Args:
        url: the root of the API.
        token: what the requests are authorised by.
        repository: `owner/name`.

    Raises:
        UsageError: E-TOKEN-MISSING without a token.
    """

    def __init__(self, url: str, token: str, repository: str) -> None:
        if not token:
            raise UsageError(
                "E-TOKEN-MISSING",
                f"a pull request in {repository} needs a token",
                remedy="set XENBUMP_GITHUB_TOKEN (or GITHUB_TOKEN)",
            )
        self._where = f"{url}, {repository}"
        self._name = repository
        # PyGithub's pauses between requests are left out: a run makes less than ten.
        self._api = Github(
            base_url=url,
            auth=Auth.Token(token),
            retry=_RETRY,
            timeout=_TIMEOUT_SECONDS,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )
        self._repository: Repository | None = None

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _repo(self) -> Repository:
        if self._repository is None:
            self._repository = self._api.get_repo(self._name)
        return self._repository

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """The pull requests from a branch, open and closed, newest first.

        Args:
            head: `owner:branch`.
        """
        with self._explained("look for the pull request"):
            found = [
                _value(pull)
                for pull in self._repo().get_pulls(state="all", head=head, sort="created", direction="desc")
            ]
        return tuple(found)

    def open(self, *, title: str, body: str, head: str, base: str, draft: bool) -> PullRequest:
        """Open a pull request; one that is there already, from a run whose answer was lost, is given back.

        Args:
            title: its title.
            body: its body, Markdown.
            head: `owner:branch`.
            base: the branch it is for.
            draft: whether it is a draft.
        """
        try:
            with self._explained("open the pull request"):
                return _value(self._repo().create_pull(title=title, body=body, head=head, base=base, draft=draft))
        except (Failure, Refusal):
            # Its effect is not known, or GitHub says that there is one: look before giving up.
            with contextlib.suppress(XenbumpError):
                for pull in self.find(head):
                    if pull.state == "open":
                        return pull
            raise

    def update(self, number: int, *, title: str, body: str) -> PullRequest:
        """Give a pull request another title and body."""
        with self._explained(f"update pull request {number}"):
            pull = self._repo().get_pull(number)
            pull.edit(title=title, body=body)
            return _value(pull)

    def add_labels(self, number: int, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Set labels that the repository has.

        GitHub makes a label that is missing when the account may do so; so each one is asked for first.

        Returns:
            The labels that could not be set: the repository has none of that name, or the account may not set them.
        """
        known: list[str] = []
        refused: list[str] = []
        with self._explained("set labels"):
            for label in labels:
                try:
                    self._repo().get_label(label)
                    known.append(label)
                except GithubException as error:
                    if error.status != _NOT_FOUND:
                        raise
                    refused.append(label)
            if known:
                try:
                    # Asked for directly: PyGithub throws the answer away, and it says what came of it.
                    path = f"/repos/{self._name}/issues/{number}/labels"
                    _, answer = self._api.requester.requestJsonAndCheck("POST", path, input={"labels": known})
                    there = {str(label["name"]).casefold() for label in answer}
                    refused += [label for label in known if label.casefold() not in there]
                except GithubException as error:
                    if error.status not in {_FORBIDDEN, _NOT_FOUND} or _is_limit(error):
                        raise
                    refused += known
        return tuple(label for label in labels if label in refused)

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what PyGithub and requests raise into errors of ours."""
        try:
            yield
        except GithubException as error:
            raise self._meaning(error, doing) from error
        except _RedirectedError as error:
            raise Refusal(
                "E-REDIRECT", f"could not {doing}: the server sends us to {str(error)[:200]!r}", where=self._where
            ) from error
        except requests.RequestException as error:
            # The text of the exception may hold the whole request; its kind says enough.
            late = isinstance(error, requests.Timeout) or "timed out" in str(error)
            what = f"no answer in {_TIMEOUT_SECONDS} seconds" if late else "the server cannot be reached"
            raise Failure(
                "E-NETWORK", f"could not {doing}: {what} ({type(error).__name__})", where=self._where
            ) from error
        except (AttributeError, TypeError, ValueError, LookupError, AssertionError) as error:
            raise Failure(
                "E-GITHUB", f"could not {doing}: the reply has not the form of GitHub's API", where=self._where
            ) from error

    def _meaning(self, error: GithubException, doing: str) -> XenbumpError:
        said = f"could not {doing}: GitHub answers {error.status}, {_said(error)!r}"
        if error.status == _UNAUTHORIZED:
            return UsageError("E-TOKEN-REJECTED", said, where=self._where)
        if _is_limit(error) or error.status >= _SERVER:
            return Failure("E-GITHUB", said, where=self._where)
        if error.status == _FORBIDDEN:
            return UsageError("E-TOKEN-RIGHTS", said, where=self._where)
        if error.status == _NOT_FOUND:
            return UsageError("E-GITHUB-NOT-FOUND", said, where=self._where)
        if error.status == _INVALID:
            return Refusal("E-GITHUB-INVALID", said, where=self._where)
        return Failure("E-GITHUB", said, where=self._where)


def _is_limit(error: GithubException) -> bool:
    """Whether GitHub refuses for having been asked too often: it says 403 for that, too."""
    headers = error.headers or {}
    spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return error.status == _LIMITED or (error.status == _FORBIDDEN and spent)


def _said(error: GithubException) -> str:
    """What GitHub says, with the messages of the single errors, on one short line."""
    data: Any = error.data
    if not isinstance(data, dict):
        return str(data or error.message or "nothing")[:200]
    parts = [str(data.get("message") or "nothing")]
    parts += [str(one["message"]) for one in data.get("errors") or [] if isinstance(one, dict) and one.get("message")]
    return "; ".join(parts)[:300]


def _value(pull: GithubPullRequest) -> PullRequest:
    return PullRequest(
        number=pull.number,
        url=pull.html_url,
        title=pull.title,
        body=(pull.body or "").replace("\r\n", "\n"),
        state=pull.state,
        merged=pull.merged_at is not None,
        draft=bool(pull.draft),
        labels=tuple(label.name for label in pull.labels),
    )
