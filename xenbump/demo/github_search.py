"""The search of the GitHub stand-in: open and closed pull requests by words of their titles.

As docs.github.com/rest/search describes it, with the few qualifiers `repo:`, `is:` and `in:title`; a word, or a phrase
in quotation marks, must be in the title. GitHub's index is behind by moments; this one is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xenbump.demo.github_call import ApiError, Call, Operations, Reply, invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_state import PullRequest, State

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

_TERM = re.compile(r'(?:(?P<key>repo|is|in):(?P<value>\S+))|"(?P<phrase>[^"]*)"|(?P<word>\S+)')
_LONGEST = 256


def routes(state: State, api: str, html: str) -> Routes:
    """The route of this operation; the arguments are those of `Operations`."""
    return [("GET", "/search/issues", _Search(state, api, html).answer, "search/search")]


class _Search(Operations):
    """The operation; the arguments are those of `Operations`."""

    def answer(self, call: Call) -> Reply:
        query = call.request.query.get("q", "")
        if not query:
            raise invalid("Search", "q", "missing")
        # The limit is for the words; qualifiers do not count.
        terms = list(_TERM.finditer(query))
        words = [term["phrase"] or term["word"] or "" for term in terms if term["key"] is None]
        if len(" ".join(words)) > _LONGEST:
            raise invalid("Search", "q", "invalid", "The search is longer than 256 characters.")
        named = {(term["key"], term["value"].lower()) for term in terms if term["key"] is not None}
        if not {("is", "pr"), ("is", "pull-request"), ("is", "issue")} & named:
            raise ApiError(422, "Query must include 'is:issue' or 'is:pull-request'")
        repositories = [self.state.repository(value) for key, value in named if key == "repo"]
        if None in repositories or not repositories:
            raise invalid("Search", "q", "invalid", "The listed users and repositories cannot be searched.")
        found = [
            self.write.find(repository, self.followed(pull))
            for repository in repositories
            if repository is not None
            for pull in sorted(repository.pulls.values(), key=lambda pull: pull.number, reverse=True)
            if _fits(pull, words, named)
        ]
        page = self.paged(call, found)
        facts = {"total_count": len(found), "incomplete_results": False, "search_type": "lexical", "items": page.body}
        return Reply(200, facts, page.headers)


def _fits(pull: PullRequest, words: list[str], named: set[tuple[str | None, str]]) -> bool:
    """Whether a pull request has the state that is asked for, and all the words in its title."""
    states = {value for key, value in named if key == "is" and value in {"open", "closed"}}
    return (not states or pull.state in states) and all(word.lower() in pull.title.lower() for word in words)
