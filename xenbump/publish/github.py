"""GitHub as one repository's pull requests need it: find, open, update, close, comment, label, ask for review.

The REST API is described at docs.github.com/rest, the GraphQL one, which alone can mark a draft as ready, at
docs.github.com/graphql. A request that writes is never repeated by itself: where its effect is not known (a server
error, a lost connection), what it was to change is looked at before anything else is done.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from xenbump.errors import Failure, XenbumpError
from xenbump.publish import github_errors, github_replies
from xenbump.publish.github_replies import Comment, PullRequest
from xenbump.publish.github_requests import Refused, Requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xenbump.publish.access import Access

__all__ = ["Comment", "GitHub", "PullRequest"]

_TIMEOUT_SECONDS = 30
_RETRY = github_errors.repeating("GET", "HEAD")
# What tests put in its place takes no time.
_SLEEP: Callable[[float], None] = time.sleep
_UNWANTED = frozenset({github_errors.FORBIDDEN, github_errors.NOT_FOUND})
_UNFIT = _UNWANTED | {github_errors.INVALID}
_GONE = frozenset({github_errors.NOT_FOUND})
# How often an incomplete search is begun anew.
_SEARCHES = 3
_VIEWER = "query { viewer { login } }"
_READY = """\
mutation($input: MarkPullRequestReadyForReviewInput!) {
  markPullRequestReadyForReview(input: $input) { pullRequest { isDraft } }
}"""

_T = TypeVar("_T")


class GitHub:
    """One repository on GitHub.

    Every method can raise, beside what it names: UsageError E-TOKEN-REJECTED, E-TOKEN-RIGHTS, E-GITHUB-NOT-FOUND, and
    for an App E-APP-KEY, E-APP-INSTALLATION; Refusal E-GITHUB-INVALID, E-REDIRECT; Failure E-GITHUB, E-GITHUB-LIMIT,
    E-NETWORK.

    Args:
        url: the root of the API: `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server.
        access: gives the tokens.
        repository: `owner/name`.
        progress: told in a sentence when a limit is waited for.
        sleep: waits for so many seconds; None: as Python does.
        now: the time in seconds since 1970.

    Attributes:
        repository: as given.
        requests: sends other requests in the same way; errors, limits and tokens are its business.
    """

    def __init__(
        self,
        url: str,
        access: Access,
        repository: str,
        progress: Callable[[str], None] = lambda _: None,
        *,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.repository = repository
        self._where = f"{url}, {repository}"
        self._root = f"/repos/{quote(repository)}"
        self.requests = Requests(
            url,
            access,
            where=self._where,
            progress=progress,
            retry=_RETRY,
            timeout=_TIMEOUT_SECONDS,
            sleep=sleep or _SLEEP,
            now=now,
        )

    def disconnect(self) -> None:
        """Close the connections."""
        self.requests.disconnect()

    # Looking up.

    def viewer(self) -> str:
        """The login of the account that writes; an App's ends in `[bot]`."""
        doing = "ask whose token it is"
        # GraphQL answers for a user, a job's own token and an App; `GET /user` for a user alone.
        data = self.requests.graphql(_VIEWER, {}, doing)
        return self._read(data.get("viewer"), github_replies.Account, doing).login

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """The pull requests from a branch, open and closed, newest first.

        Args:
            head: `owner:branch`.
        """
        doing = "look for the pull request"
        query: dict[str, str | int] = {"state": "all", "head": head, "sort": "created", "direction": "desc"}
        found = self.requests.pages(f"{self._root}/pulls", doing, query).items
        return tuple(self._read(one, github_replies.Pull, doing).value() for one in found)

    def search(self, words: Sequence[str]) -> tuple[PullRequest, ...]:
        """The open pull requests of the repository whose title has all these words.

        A version is a word: `4.20.3` is not found in `4.20.31`, nor in `14.20.3`. Case makes no difference. What was
        opened in the last minute may not be found yet.

        Args:
            words: at least one; quotation marks in them are left out.

        Raises:
            Failure: also E-GITHUB where the search stays incomplete.
        """
        doing = "search the open pull requests"
        plain = [" ".join(word.replace('"', " ").split()) for word in words]
        quoted = " ".join(f'"{word}"' for word in plain)
        query = f"repo:{self.repository} is:pr is:open in:title {quoted}"
        for _ in range(_SEARCHES):
            pages = self.requests.pages("/search/issues", doing, {"q": query}, key="items")
            if pages.complete:
                break
        else:
            raise Failure("E-GITHUB", f"could not {doing}: GitHub gave up before the end", where=self._where)
        found = [self._read(one, github_replies.Found, doing) for one in pages.items]
        fitting = [one.number for one in found if all(_is_word(word, one.title) for word in plain)]
        return tuple(pull for pull in map(self.get, fitting) if pull.state == "open")

    def get(self, number: int) -> PullRequest:
        """A pull request as it is now."""
        return self._pull(number).value()

    def _pull(self, number: int) -> github_replies.Pull:
        doing = f"read pull request {number}"
        return self._read(self.requests.get(f"{self._root}/pulls/{number}", doing), github_replies.Pull, doing)

    def comments(self, number: int) -> tuple[Comment, ...]:
        """The comments in the conversation of a pull request, oldest first."""
        doing = f"read the comments of pull request {number}"
        found = self.requests.pages(f"{self._root}/issues/{number}/comments", doing).items
        return tuple(self._read(one, github_replies.Said, doing).value() for one in found)

    # Writing.

    def open(self, *, title: str, body: str, head: str, base: str, draft: bool) -> PullRequest:
        """Open a pull request; one that is there already, from a run whose answer was lost, is given back.

        Args:
            title: its title.
            body: its body, Markdown.
            head: `owner:branch`.
            base: the branch it is for.
            draft: whether it is a draft.
        """
        doing = "open the pull request"
        wanted = {"title": title, "body": body, "head": head, "base": base, "draft": draft}

        def standing() -> PullRequest | None:
            return next((pull for pull in self.find(head) if (pull.state, pull.base) == ("open", base)), None)

        return self._sure(
            lambda: self._read(
                self.requests.send("POST", f"{self._root}/pulls", wanted, doing), github_replies.Pull, doing
            ).value(),
            standing,
            # GitHub says it is invalid when there is one.
            besides="E-GITHUB-INVALID",
        )

    def update(self, number: int, *, title: str | None = None, body: str | None = None) -> PullRequest:
        """Give a pull request another title, another body, or both; None leaves what it has."""
        wanted = {key: text for key, text in (("title", title), ("body", body)) if text is not None}
        if not wanted:
            return self.get(number)

        def fits(pull: PullRequest) -> bool:
            said = {"title": pull.title, "body": pull.body}
            return all(said[key].strip() == github_replies.lines(text).strip() for key, text in wanted.items())

        return self._edit(number, wanted, f"update pull request {number}", fits)

    def close(self, number: int) -> PullRequest:
        """Close a pull request without merging it; one that is closed stays so."""
        doing = f"close pull request {number}"
        return self._edit(number, {"state": "closed"}, doing, lambda pull: pull.state == "closed")

    def _edit(
        self, number: int, wanted: dict[str, str], doing: str, fits: Callable[[PullRequest], bool]
    ) -> PullRequest:
        def write() -> PullRequest:
            data = self.requests.send("PATCH", f"{self._root}/pulls/{number}", wanted, doing)
            return self._read(data, github_replies.Pull, doing).value()

        def look() -> PullRequest | None:
            pull = self.get(number)
            return pull if fits(pull) else None

        return self._sure(write, look)

    def comment(self, number: int, body: str) -> None:
        """Write a comment; where the answer is lost, one with just this body counts as the one."""
        doing = f"comment on pull request {number}"

        def write() -> bool:
            data = self.requests.send("POST", f"{self._root}/issues/{number}/comments", {"body": body}, doing)
            return bool(self._read(data, github_replies.Said, doing))

        def look() -> bool | None:
            wanted = github_replies.lines(body).strip()
            return any(one.body.strip() == wanted for one in self.comments(number)) or None

        self._sure(write, look)

    def add_labels(self, number: int, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Set labels that the repository has.

        GitHub makes a label that is missing when the account may do so; so each one is asked for first.

        Returns:
            The labels that could not be set: the repository has none of that name, or the account may not set them.
        """
        doing, path = "set labels", f"{self._root}/issues/{number}/labels"

        def there(label: str) -> bool:
            got = self.requests.get(f"{self._root}/labels/{quote(label, safe='')}", doing, may=_GONE)
            return not isinstance(got, Refused)

        def names(data: Any) -> frozenset[str]:
            return frozenset(one.name.casefold() for one in self._read(data, tuple[github_replies.Named, ...], doing))

        known = tuple(label for label in labels if there(label))
        wanted = frozenset(label.casefold() for label in known)

        def write() -> frozenset[str]:
            data = self.requests.send("POST", path, {"labels": list(known)}, doing, may=_UNWANTED)
            return frozenset() if isinstance(data, Refused) else names(data)

        def look() -> frozenset[str] | None:
            now = names(self.requests.pages(path, doing).items)
            return now if wanted <= now else None

        taken = self._sure(write, look) & wanted if known else frozenset()
        return tuple(label for label in labels if label.casefold() not in taken)

    def request_reviewers(self, number: int, users: tuple[str, ...], teams: tuple[str, ...]) -> tuple[str, ...]:
        """Ask for reviews; who was asked already is not asked again.

        Args:
            number: of the pull request.
            users: logins.
            teams: `owner/team`, where the owner must be that of the repository.

        Returns:
            Those that could not be asked, as they were given: not collaborators, unknown, or the author.
        """
        doing, path = f"ask for a review of pull request {number}", f"{self._root}/pulls/{number}/requested_reviewers"
        owner = self.repository.partition("/")[0].casefold()

        def look() -> frozenset[str]:
            now = self._read(self.requests.get(path, doing), github_replies.Reviewers, doing)
            return _asked(now.users, now.teams, owner)

        def ask(names: tuple[str, ...]) -> frozenset[str]:
            """Ask; who could not be asked. GitHub refuses all for the sake of one."""
            body = {
                "reviewers": [name for name in names if "/" not in name],
                "team_reviewers": [name.partition("/")[2] for name in names if "/" in name],
            }
            body = {key: some for key, some in body.items() if some}
            data = self.requests.send("POST", path, body, doing, may=_UNFIT)
            if isinstance(data, Refused):
                if data.status == github_errors.INVALID and len(names) > 1:
                    return frozenset().union(*(ask((name,)) for name in names))
                return frozenset(names)
            now = self._read(data, github_replies.Reviewed, doing)
            taken = _asked(now.requested_reviewers or (), now.requested_teams or (), owner)
            return frozenset(name for name in names if name.casefold() not in taken)

        before = look()
        foreign = {team for team in teams if team.partition("/")[0].casefold() != owner}
        waiting = tuple(
            name for name in dict.fromkeys((*users, *teams)) if name not in foreign and name.casefold() not in before
        )
        unfit = self._sure(
            lambda: ask(waiting) if waiting else frozenset[str](),
            lambda: frozenset() if frozenset(name.casefold() for name in waiting) <= look() else None,
        )
        return tuple(name for name in dict.fromkeys((*users, *teams)) if name in unfit | foreign)

    def assign(self, number: int, logins: tuple[str, ...]) -> tuple[str, ...]:
        """Assign people to a pull request, beside those who are.

        Returns:
            Those who could not be assigned: they have no rights there, or the account may not assign.
        """
        doing, path = f"assign pull request {number}", f"{self._root}/issues/{number}"
        wanted = frozenset(login.casefold() for login in logins)
        if not logins:
            return ()

        def taken(data: Any) -> frozenset[str]:
            now = self._read(data, github_replies.Assigned, doing).assignees or ()
            return frozenset(one.login.casefold() for one in now)

        def write() -> frozenset[str]:
            data = self.requests.send("POST", f"{path}/assignees", {"assignees": list(logins)}, doing, may=_UNFIT)
            return frozenset() if isinstance(data, Refused) else taken(data)

        def look() -> frozenset[str] | None:
            now = taken(self.requests.get(path, doing))
            return now if wanted <= now else None

        now = self._sure(write, look)
        return tuple(login for login in logins if login.casefold() not in now)

    def mark_ready(self, number: int) -> bool:
        """Mark a draft as ready for review; one that is ready stays so.

        Returns:
            False when the account may not do that.
        """
        doing = f"mark pull request {number} as ready"
        pull = self._pull(number)
        if not pull.draft:
            return True

        def write() -> bool:
            named = {"input": {"pullRequestId": pull.node_id}}
            data = self.requests.graphql(_READY, named, doing, may=frozenset({github_errors.FORBIDDEN}))
            if isinstance(data, Refused):
                return False
            self._read(data, github_replies.MarkedReady, doing)
            return True

        return self._sure(write, lambda: None if self._pull(number).draft else True)

    # What the methods share.

    def _read(self, data: Any, form: type[_T], doing: str) -> _T:
        value = github_replies.read(data, form)
        if value is None:
            raise github_errors.of_form(doing, self._where)
        return value

    @staticmethod
    def _sure(write: Callable[[], _T], look: Callable[[], _T | None], *, besides: str = "") -> _T:
        """Write once; where nobody knows what came of it, look whether it is there.

        Args:
            write: gives what came of it.
            look: gives the same when it is there, else None.
            besides: the code of a refusal after which to look, too.
        """
        try:
            return write()
        except XenbumpError as error:
            unknown = isinstance(error, Failure) and error.code != "E-GITHUB-LIMIT"
            if not unknown and error.code != besides:
                raise
            lost = error
        with contextlib.suppress(XenbumpError):
            found = look()
            if found is not None:
                return found
        raise lost


def _is_word(word: str, title: str) -> bool:
    """Whether a title has a word that is no part of a longer one, nor of a longer version."""
    return re.search(rf"(?<!\w)(?<!\d\.){re.escape(word)}(?!\w)(?!\.\d)", title, re.IGNORECASE) is not None


def _asked(
    users: tuple[github_replies.Account, ...], teams: tuple[github_replies.Team, ...], owner: str
) -> frozenset[str]:
    """Who was asked for a review, as they are configured: `login` or `owner/team`, in small letters."""
    logins = {user.login.casefold() for user in users}
    return frozenset(logins | {f"{owner}/{team.slug.casefold()}" for team in teams})
