"""Requests to the GitHub stand-in and replies of it, without any network, and what its operations have in common.

The errors and their texts are those of GitHub's REST API, version 2022-11-28 (https://docs.github.com/rest).
"""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xenbump.demo.github_render import Renderer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xenbump.demo.github_state import PullRequest, Repository, State, Token

Json = dict[str, Any]
DOCS = "https://docs.github.com/rest"
PULL_WRITE = "pull_requests"
_MAX_PAGE = 100
FORBIDDEN = 403
_NO_PUSH = "Must have admin rights to Repository."


@dataclass(frozen=True)
class Request:
    """A request: the path below the API's root as it was sent (percent-encoded), header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A reply: a status, a JSON value and the headers beyond those that every reply has."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error that GitHub states in a reply: status, message and the list of what failed validation."""

    def __init__(self, status: int, message: str, errors: Iterable[Json] = ()) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.errors = list(errors)


def invalid(resource: str, field_name: str | None, code: str, message: str | None = None) -> ApiError:
    """Make the error 422 for one field (None: for the whole)."""
    named = {"resource": resource, "field": field_name, "code": code, "message": message}
    return ApiError(422, "Validation Failed", [{key: text for key, text in named.items() if text is not None}])


def refusal(error: ApiError, docs: str = "") -> Reply:
    """Write an error as a reply; `docs` is the place of the operation below `DOCS`."""
    body: Json = {"message": error.message}
    if error.errors:
        body["errors"] = error.errors
    body |= {"documentation_url": f"{DOCS}/{docs}" if docs else DOCS, "status": str(error.status)}
    headers = {"x-accepted-github-permissions": "pull_requests=write"} if error.status == FORBIDDEN else {}
    return Reply(error.status, body, headers)


@dataclass(frozen=True)
class Call:
    """A request that has found its operation: the path's parts, decoded, and who asks."""

    request: Request
    arguments: Mapping[str, str]
    token: Token | None

    @property
    def viewer(self) -> str | None:
        """The login of who asks, or None."""
        return self.token.login if self.token is not None else None

    def author(self) -> str:
        """Return who writes to a pull request; refuse who is not known and a token without the permission."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        if self.token.permissions is not None and PULL_WRITE not in self.token.permissions:
            kind = "integration" if self.token.of_app else "personal access token"
            raise ApiError(403, f"Resource not accessible by {kind}")
        return self.token.login

    def payload(self) -> Any:
        """Return the JSON value of the body."""
        try:
            return json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise ApiError(400, "Problems parsing JSON") from error

    def fields(self, types: Mapping[str, type | tuple[type, ...]], required: Iterable[str] = ()) -> Json:
        """Return the body's object; refuse wrong types of the named fields and the absence of the required ones."""
        body = self.payload()
        if not isinstance(body, dict):
            raise ApiError(400, "Body should be a JSON object")
        for name in required:
            if name not in body:
                raise ApiError(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        for name, wanted in types.items():
            if body.get(name) is not None and not isinstance(body[name], wanted):
                raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {body[name]!r} is not of its type.")
        return body


class Operations:
    """What the operations share: finding what a path names, keeping what changed, pages.

    Args:
        state: what is remembered; changed by the requests that write.
        api: root of the API as clients reach it; replies and page links name it.
        html: root of the pages that `html_url` names.
    """

    def __init__(self, state: State, api: str, html: str) -> None:
        self.state = state
        self.write = Renderer(state, api, html)
        self.root = api
        self.html = html

    def find(self, call: Call) -> Repository:
        """Find the repository that a path names."""
        repository = self.state.repository(f"{call.arguments['owner']}/{call.arguments['repo']}")
        if repository is None:
            raise ApiError(404, "Not Found")
        return repository

    def find_pull(self, call: Call) -> tuple[Repository, PullRequest]:
        """Find a pull request; the ends of an open one follow their branches."""
        repository = self.find(call)
        pull = repository.pulls.get(int(call.arguments["number"]))
        if pull is None:
            raise ApiError(404, "Not Found")
        return repository, self.followed(pull)

    def followed(self, pull: PullRequest) -> PullRequest:
        """Return a pull request with the ends of an open one where their branches are now."""
        if pull.state == "closed":
            return pull
        ends = []
        for end in (pull.head, pull.base):
            sha = self.state.repositories[end.repository.lower()].branch(end.branch)
            ends.append(replace(end, sha=sha or end.sha))
        return replace(pull, head=ends[0], base=ends[1])

    def to_push(self, call: Call) -> tuple[str, Repository, PullRequest]:
        """Return who writes, and where, if that needs push access; refuse others."""
        author = call.author()
        repository, pull = self.find_pull(call)
        if not repository.may_push(author):
            raise ApiError(403, _NO_PUSH)
        return author, repository, pull

    def keep(self, repository: Repository, pull: PullRequest) -> PullRequest:
        """Remember a pull request as changed just now."""
        kept = replace(pull, updated_at=self.state.clock())
        repository.pulls[pull.number] = kept
        return kept

    def paged(self, call: Call, items: list[Any]) -> Reply:
        """Return the page that the query asks for, with GitHub's `Link` header if there are more."""
        size = min(_positive(call.request.query.get("per_page"), 30), _MAX_PAGE)
        page = _positive(call.request.query.get("page"), 1)
        last = max(1, -(-len(items) // size))
        targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        if page >= last:
            del targets["next"], targets["last"]
        if page == 1:
            del targets["prev"], targets["first"]
        links = [
            f"<{self.root}{call.request.path}?"
            f'{urllib.parse.urlencode({**call.request.query, "page": number})}>; rel="{relation}"'
            for relation, number in targets.items()
        ]
        headers = {"link": ", ".join(links)} if links else {}
        return Reply(200, items[(page - 1) * size : page * size], headers)


def check_length(resource: str, name: str, text: str, limit: int) -> None:
    """Refuse a text that is too long."""
    if len(text) > limit:
        raise invalid(resource, name, "custom", f"{name} is too long (maximum is {limit} characters)")


def _positive(text: str | None, otherwise: int) -> int:
    """Read a number of the query; as on GitHub, what is none or is below one counts as not given."""
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else otherwise
