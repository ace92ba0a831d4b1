"""What is read of GitHub's replies, checked; and the values that are made of it.

The forms are those of docs.github.com/rest (API version 2022-11-28); what is not used is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as GitHub has it.

    Attributes:
        number: its number in the repository.
        url: its page.
        title, body: as written; line breaks are line feeds, and no body is an empty one.
        state: `open` or `closed`; a merged one is closed.
        merged: whether it was merged.
        draft: whether it is a draft.
        labels: their names.
        head: `owner:branch`; empty where the owner is gone.
        head_sha: the last commit of that branch, as GitHub saw it.
        base: the branch that it is for.
        author: the login of who opened it; an App's ends in `[bot]`; empty where the account is gone.
        merge_commit: the commit on the base branch that it became; empty where it was not merged.
        created: when it was opened, as GitHub writes it (ISO 8601, UTC).
    """

    number: int
    url: str
    title: str
    body: str
    state: str
    merged: bool
    draft: bool
    labels: tuple[str, ...]
    head: str = ""
    head_sha: str = ""
    base: str = ""
    author: str = ""
    merge_commit: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in the conversation of a pull request: who wrote it (as `PullRequest.author`), and what."""

    author: str
    body: str


class Account(msgspec.Struct, frozen=True):
    """Somebody."""

    login: str


class Named(msgspec.Struct, frozen=True):
    """A label."""

    name: str


class Team(msgspec.Struct, frozen=True):
    """A team, by its name in addresses."""

    slug: str


class _End(msgspec.Struct, frozen=True):
    """The head or the base of a pull request."""

    ref: str
    sha: str
    label: str | None = None


class Pull(msgspec.Struct, frozen=True):
    """A pull request, whole or in a list."""

    number: int
    node_id: str
    html_url: str
    title: str
    state: str
    head: _End
    base: _End
    labels: tuple[Named, ...]
    created_at: str
    user: Account | None
    body: str | None = None
    draft: bool | None = False
    merged_at: str | None = None
    merge_commit_sha: str | None = None

    def value(self) -> PullRequest:
        """What the rest of the program knows of it."""
        merged = self.merged_at is not None
        return PullRequest(
            number=self.number,
            url=self.html_url,
            title=self.title,
            body=lines(self.body),
            state=self.state,
            merged=merged,
            draft=bool(self.draft),
            labels=tuple(label.name for label in self.labels),
            head=self.head.label or "",
            head_sha=self.head.sha,
            base=self.base.ref,
            author=self.user.login if self.user is not None else "",
            # GitHub shows a trial merge there for one that is not merged.
            merge_commit=(self.merge_commit_sha or "") if merged else "",
            created=self.created_at,
        )


class Said(msgspec.Struct, frozen=True):
    """A comment."""

    user: Account | None
    body: str | None = None

    def value(self) -> Comment:
        """What the rest of the program knows of it."""
        return Comment(self.user.login if self.user is not None else "", lines(self.body))


class Found(msgspec.Struct, frozen=True):
    """One find of a search."""

    number: int
    title: str


class Reviewers(msgspec.Struct, frozen=True):
    """Who was asked for a review."""

    users: tuple[Account, ...]
    teams: tuple[Team, ...]


class Reviewed(msgspec.Struct, frozen=True):
    """The same, where a pull request tells it."""

    requested_reviewers: tuple[Account, ...] | None
    requested_teams: tuple[Team, ...] | None


class Assigned(msgspec.Struct, frozen=True):
    """An issue, as far as it tells who is assigned."""

    assignees: tuple[Account, ...] | None


class _Draft(msgspec.Struct, frozen=True, rename="camel"):
    """A pull request, as far as GraphQL was asked for it."""

    is_draft: bool


class _Marked(msgspec.Struct, frozen=True, rename="camel"):
    """What the mutation was asked to give back."""

    pull_request: _Draft


class MarkedReady(msgspec.Struct, frozen=True, rename="camel"):
    """`data` of GraphQL's reply to the mutation `markPullRequestReadyForReview`."""

    mark_pull_request_ready_for_review: _Marked


def lines(text: str | None) -> str:
    """A text with line feeds; what was written in GitHub's own editor has carriage returns, too."""
    return (text or "").replace("\r\n", "\n")


def read(data: Any, form: type[_T]) -> _T | None:
    """A value of a reply in its form; None: it has another one, or a text with half of a character in it."""
    try:
        found = msgspec.convert(data, form)
        msgspec.json.encode(found)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None
    return found
