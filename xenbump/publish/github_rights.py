"""What a token may do, as far as GitHub tells without anything being written; and GitHub's clock.

The scopes of a classic token stand in the header `X-OAuth-Scopes` (docs.github.com, "Scopes for OAuth apps"); what the
account may do in a repository stands in its `permissions` (docs.github.com/rest/repos/repos#get-a-repository). Which
permissions a fine-grained token has, GitHub tells nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests

from xenbump import wire
from xenbump.errors import UsageError
from xenbump.publish import github_errors
from xenbump.publish.access import Access
from xenbump.upstream.git import LOOPBACK

if TYPE_CHECKING:
    from xenbump.config import Config
    from xenbump.errors import XenbumpError

_FINE = 200
_REPLY_SECONDS, _REPLY_BYTES = 60.0, 1_000_000
# Either lets a classic token push and open pull requests in a public repository.
ENOUGH = frozenset({"repo", "public_repo"})
# What lets a stolen token do much that no pull request needs: administer, delete, write elsewhere, change workflows.
_TOO_MUCH = re.compile(r"(admin|write|delete|manage_\w+):.+|delete_repo|workflow|site_admin|user|codespace|repo")


@dataclass(frozen=True, slots=True)
class Rights:
    """What is known of a token in one repository.

    Attributes:
        repository: `owner/name`.
        push: whether the account may push there.
        scopes: of a classic token; None for any other.
        private: whether the repository is private, where `public_repo` is not enough.
        clock: what GitHub's clock showed, in seconds since 1970; None where it did not say.
    """

    repository: str
    push: bool
    scopes: frozenset[str] | None
    private: bool
    clock: float | None

    @property
    def suffices(self) -> bool:
        """Whether the token's scopes, where it has such, are enough to write there."""
        return self.scopes is None or bool(self.scopes & (frozenset({"repo"}) if self.private else ENOUGH))

    @property
    def excess(self) -> tuple[str, ...]:
        """The scopes that a thief could use and xenbump has no use for, sorted; of `repo` it has in a private one."""
        needed = frozenset({"repo"}) if self.private else frozenset()
        return tuple(sorted(scope for scope in (self.scopes or frozenset()) - needed if _TOO_MUCH.fullmatch(scope)))


def of(config: Config, repository: str, *, timeout: float) -> Rights:
    """Ask for the rights of what the configuration writes by.

    Args:
        config: has the token or the App.
        repository: `owner/name`.
        timeout: seconds that an answer is waited for.

    Raises:
        UsageError: E-TOKEN-MISSING, E-TOKEN-FORM, E-TOKEN-REJECTED, E-TOKEN-RIGHTS, E-GITHUB-NOT-FOUND; of an App as
            `Access.write`.
        Refusal: E-REDIRECT.
        Failure: E-GITHUB, E-NETWORK.
    """
    doing = f"ask for the rights in {repository}"
    headers, data = _asked(config, f"/repos/{quote(repository)}", repository, doing, timeout)
    if not isinstance(data, dict):
        raise github_errors.of_form(doing, config.github_url)
    permissions = data.get("permissions")
    scopes = headers.get("X-OAuth-Scopes")
    return Rights(
        repository=repository,
        push=isinstance(permissions, dict) and permissions.get("push") is True,
        scopes=None if scopes is None else frozenset(one.strip() for one in scopes.split(",") if one.strip()),
        private=data.get("private") is True,
        clock=_clock(headers.get("Date", "")),
    )


def has_branch(config: Config, repository: str, branch: str, *, timeout: float) -> bool:
    """Whether a repository on GitHub has a branch; what is raised is that of `of`."""
    path = f"/repos/{quote(repository)}/git/ref/heads/{quote(branch)}"
    try:
        _asked(config, path, repository, f"ask for the branch {branch}", timeout)
    except UsageError as error:
        if error.code == "E-GITHUB-NOT-FOUND":
            return False
        raise
    return True


def _asked(config: Config, path: str, repository: str, doing: str, timeout: float) -> tuple[Any, Any]:
    """Headers and value of GitHub's answer to one request that reads; it is not repeated."""
    token = Access.of(config).write(repository)
    failed: XenbumpError
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(config.github_url).hostname not in LOOPBACK
            session.mount(config.github_url, wire.Adapter(seconds=_REPLY_SECONDS, most=_REPLY_BYTES))
            reply = session.get(
                config.github_url + path,
                headers={"Accept": "application/vnd.github+json"},
                auth=_Bearer(token),
                timeout=timeout,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        failed = github_errors.of_network(error, doing, config.github_url, timeout)
    else:
        if reply.is_redirect:
            moved = github_errors.RedirectedError(reply.headers.get("Location", "an unknown place"))
            raise github_errors.of_network(moved, doing, config.github_url, timeout)
        data = github_errors.decoded(reply.content)
        if reply.status_code == _FINE:
            return reply.headers, data
        raise github_errors.of_status(reply.status_code, data, doing, config.github_url)
    # Raised here, so that none of the library's frames, which hold the token, is behind it.
    raise failed


class _Bearer(requests.auth.AuthBase):
    """Puts the token into the request; requests would take a header of ours back for one of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _clock(date: str) -> float | None:
    """The time of a `Date` header (RFC 9110, section 6.6.1), in seconds since 1970."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
