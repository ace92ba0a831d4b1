"""Issues of one repository on GitHub, and how one is known again: by who opened it, and by a marker in its body.

Anybody can open an issue with a marker of ours in it; so only those of the account that writes are looked at. The REST
API is described at docs.github.com/rest/issues; what is said in `github` of requests that write holds here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from xenbump.publish import github_replies, marker
from xenbump.publish.github import GitHub

if TYPE_CHECKING:
    from collections.abc import Mapping

# The facts in a marker beside those that tell which issue it is.
_TITLE = "title"


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as GitHub has it: number, page, title, body (with line feeds), whether it is open, and its author."""

    number: int
    url: str
    title: str
    body: str
    open: bool
    author: str

    @property
    def facts(self) -> dict[str, str]:
        """What its marker says; nothing where it has none."""
        return marker.read(self.body) or {}


class Act(StrEnum):
    """What was done to an issue."""

    OPENED = "opened"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HANDS_OFF = "hands-off"


class _Entry(msgspec.Struct, frozen=True):
    """An issue, whole or in a list; a pull request is one, too."""

    number: int
    html_url: str
    title: str
    state: str
    user: github_replies.Account | None
    body: str | None = None
    pull_request: Any = None

    def value(self) -> Issue:
        """What the rest of the program knows of it."""
        author = self.user.login if self.user is not None else ""
        body = github_replies.lines(self.body)
        return Issue(self.number, self.html_url, self.title, body, self.state == "open", author)


class Issues(GitHub):
    """The same client for issues; arguments and errors are those of `GitHub`."""

    def marked(self, which: Mapping[str, str], since: int) -> Issue | None:
        """The issue of this account whose marker has these facts, open or closed; of several the first.

        Args:
            which: facts that tell it from all others.
            since: seconds since 1970; it cannot have been opened before that.
        """
        doing = "look for the issue"
        author = self.viewer()
        query: dict[str, str | int] = {
            "state": "all",
            "creator": author,
            "since": f"{datetime.fromtimestamp(max(since, 0), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "sort": "created",
            "direction": "asc",
        }
        for one in self.requests.pages(f"{self._root}/issues", doing, query).items:
            entry = self._read(one, _Entry, doing)
            found = entry.value()
            is_ours = found.author.casefold() == author.casefold() and entry.pull_request is None
            if is_ours and which.items() <= found.facts.items():
                return found
        return None

    def open_issue(
        self, title: str, text: str, facts: Mapping[str, str], *, which: Mapping[str, str], since: int
    ) -> Issue:
        """Open an issue; one that is there already, from a run whose answer was lost, is given back.

        Args:
            title: its title.
            text: its body without markers, Markdown.
            facts: all that its marker says, with those of `which`.
            which: as for `marked`.
            since: as for `marked`.
        """
        doing = "open the issue"
        body = _body(title, facts, text)

        def write() -> Issue:
            data = self.requests.send("POST", f"{self._root}/issues", {"title": title, "body": body}, doing)
            return self._read(data, _Entry, doing).value()

        return self._sure(write, lambda: self.marked(which, since))

    def update_issue(self, found: Issue, title: str, text: str, facts: Mapping[str, str]) -> Issue:
        """Write our part of an issue anew; whether it is open, what people wrote around, and their title, stay.

        Args:
            found: the issue as it is.
            title: the new title.
            text: our part of the body, without markers.
            facts: all that its marker says.
        """
        doing = f"update issue {found.number}"
        body = marker.replaced(found.body, _body(title, facts, text))
        ours = found.facts.get(_TITLE) == marker.digest(found.title)
        wanted = {"body": body, **({"title": title} if ours else {})}
        path = f"{self._root}/issues/{found.number}"

        def write() -> Issue:
            return self._read(self.requests.send("PATCH", path, wanted, doing), _Entry, doing).value()

        def look() -> Issue | None:
            now = self._read(self.requests.get(path, doing), _Entry, doing).value()
            is_said = now.body.strip() == github_replies.lines(body).strip()
            return now if is_said and now.title == wanted.get("title", now.title) else None

        return self._sure(write, look)


def _body(title: str, facts: Mapping[str, str], text: str) -> str:
    return marker.marked({**facts, _TITLE: marker.digest(title)}, text)
