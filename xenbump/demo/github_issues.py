"""Plain issues in the GitHub stand-in: list, read, open, edit.

The operations do what GitHub's REST API, version 2022-11-28, does (https://docs.github.com/rest/issues/issues). A pull
request is an issue, too: both share their numbers, and a list of issues has both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xenbump.demo.github_call import ApiError, Call, Operations, Reply, check_length, invalid
from xenbump.demo.github_render import node
from xenbump.demo.github_state import PullRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from xenbump.demo.github_state import Repository, State

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

_WRITE = "issues"
_BODY_LIMIT = 65536
_TITLE_LIMIT = 256


@dataclass(frozen=True)
class Issue:
    """An issue that is no pull request; `body` is None when none was given."""

    id: int
    number: int
    author: str
    title: str
    body: str | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "open" if self.closed_at is None else "closed"


def routes(state: State, api: str, html: str) -> Routes:
    """The routes of these operations; the arguments are those of `Operations`."""
    issues = _Issues(state, api, html)
    repo = "/repos/{owner}/{repo}"
    issue = f"{repo}/issues/{{number}}"
    return [
        ("GET", f"{repo}/issues", issues.listed, "issues/issues#list-repository-issues"),
        ("POST", f"{repo}/issues", issues.open, "issues/issues#create-an-issue"),
        ("GET", issue, issues.one, "issues/issues#get-an-issue"),
        ("PATCH", issue, issues.edit, "issues/issues#update-an-issue"),
    ]


class _Issues(Operations):
    """The operations; the arguments are those of `Operations`."""

    def listed(self, call: Call) -> Reply:
        repository, query = self.find(call), call.request.query
        state, creator = query.get("state", "open"), query.get("creator", "").lower()
        if state not in {"open", "closed", "all"}:
            raise invalid("Issue", "state", "invalid")
        every: list[Issue | PullRequest] = [*repository.issues.values(), *map(self.followed, repository.pulls.values())]
        found = [
            one
            for one in every
            if state in {one.state, "all"}
            and creator in {"", one.author.lower()}
            and _time(one.updated_at) >= query.get("since", "")
        ]
        found.sort(key=lambda one: one.number, reverse=query.get("direction", "desc") == "desc")
        return self.paged(call, [self._either(repository, one) for one in found])

    def open(self, call: Call) -> Reply:
        author, repository = _author(call), self.find(call)
        body = call.fields({"title": (str, int), "body": str}, ("title",))
        _check_text(body)
        now = self.state.clock()
        issue = Issue(
            id=self.state.next_id(),
            number=repository.next_number(),
            author=author,
            title=str(body["title"]),
            body=body.get("body"),
            created_at=now,
            updated_at=now,
        )
        repository.issues[issue.number] = issue
        written = self._written(repository, issue)
        return Reply(201, written, {"location": written["url"]})

    def edit(self, call: Call) -> Reply:
        author, repository = _author(call), self.find(call)
        issue = self._found(call, repository)
        if author != issue.author and not repository.may_push(author):
            raise ApiError(403, "Must have admin rights to Repository.")
        body = call.fields({"title": (str, int), "body": str, "state": str})
        _check_text({"title": issue.title, **body})
        state = body.get("state", issue.state)
        if state not in {"open", "closed"}:
            raise invalid("Issue", "state", "invalid")
        now = self.state.clock()
        closed = None if state == "open" else issue.closed_at or now
        named = {key: body[key] for key in ("title", "body") if key in body}
        if isinstance(issue, PullRequest):
            pull = self.keep(repository, replace(issue, **named, closed_at=closed))
            return Reply(200, self.write.issue(repository, pull))
        issue = replace(issue, **named, closed_at=closed, updated_at=now)
        repository.issues[issue.number] = issue
        return Reply(200, self._written(repository, issue))

    def one(self, call: Call) -> Reply:
        repository = self.find(call)
        return Reply(200, self._either(repository, self._found(call, repository)))

    def _found(self, call: Call, repository: Repository) -> Issue | PullRequest:
        """Find an issue or a pull request by its number."""
        number = int(call.arguments["number"])
        if number in repository.issues:
            return repository.issues[number]
        return self.find_pull(call)[1]

    def _either(self, repository: Repository, one: Issue | PullRequest) -> dict[str, Any]:
        return self._written(repository, one) if isinstance(one, Issue) else self.write.issue(repository, one)

    def _written(self, repository: Repository, issue: Issue) -> dict[str, Any]:
        """Write an issue."""
        root = f"{self.root}/repos/{repository.full_name}"
        own = f"{root}/issues/{issue.number}"
        owner = issue.author == repository.owner
        return {
            "id": issue.id,
            "node_id": node("I", issue.id),
            "number": issue.number,
            "url": own,
            "repository_url": root,
            "labels_url": f"{own}/labels{{/name}}",
            "comments_url": f"{own}/comments",
            "events_url": f"{own}/events",
            "html_url": f"{self.html}/{repository.full_name}/issues/{issue.number}",
            "title": issue.title,
            "body": issue.body,
            "user": self.write.user(issue.author),
            "state": issue.state,
            **({"state_reason": "completed"} if issue.closed_at is not None else {}),
            "locked": False,
            "labels": [],
            "assignees": [],
            **dict.fromkeys(("active_lock_reason", "assignee", "milestone")),
            "comments": 0,
            "created_at": _time(issue.created_at),
            "updated_at": _time(issue.updated_at),
            "closed_at": None if issue.closed_at is None else _time(issue.closed_at),
            "author_association": (
                "OWNER" if owner else "COLLABORATOR" if repository.collaborates(issue.author) else "NONE"
            ),
        }


def _time(moment: datetime) -> str:
    """Write a moment (in UTC) as GitHub does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _author(call: Call) -> str:
    """Who writes to an issue; refuse who is not known and a token without the permission."""
    if call.token is None:
        raise ApiError(401, "Requires authentication")
    if call.token.permissions is not None and _WRITE not in call.token.permissions:
        kind = "integration" if call.token.of_app else "personal access token"
        raise ApiError(403, f"Resource not accessible by {kind}")
    return call.token.login


def _check_text(body: dict[str, Any]) -> None:
    """Refuse an issue with too long a text or without a title."""
    title = str(body.get("title") or "")
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    check_length("Issue", "title", title, _TITLE_LIMIT)
    check_length("Issue", "body", body.get("body") or "", _BODY_LIMIT)
