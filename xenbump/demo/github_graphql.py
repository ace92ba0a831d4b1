"""The little of GitHub's GraphQL API that the stand-in answers: who asks, and marking a draft as ready for review.

Queries are known by their form and not read by a grammar: `viewer`, and the mutation `markPullRequestReadyForReview`
with its input object in a variable (docs.github.com/graphql/reference/pulls). Errors come with status 200, as GitHub
sends them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xenbump.demo.github_call import PULL_WRITE, ApiError, Call, Operations, Reply
from xenbump.demo.github_render import node

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_call import Json
    from xenbump.demo.github_state import PullRequest, Repository, State

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

PATH = "/api/graphql"
INPUT = {"clientMutationId": "String", "pullRequestId": "ID!"}
_VIEWER = re.compile(r"query(?: \w+)? ?\{ viewer ?\{(?P<fields>[\w ]+)\} ?\}")
_READY = re.compile(
    r"mutation(?: \w+)? ?\( ?\$(?P<name>\w+): MarkPullRequestReadyForReviewInput! ?\) ?\{ "
    r"markPullRequestReadyForReview\( ?input: ?\$(?P=name) ?\) ?"
    r"\{ ?(?P<client>clientMutationId )?pullRequest ?\{(?P<fields>[\w ]+)\} ?\} ?\}"
)
_MUTATION = "markPullRequestReadyForReview"


def routes(state: State, api: str, html: str) -> Routes:
    """The route, which lies beside the REST API's root; the arguments are those of `Operations`."""
    return [("POST", PATH, _GraphQl(state, api, html).answer, "")]


class _GraphQl(Operations):
    """The operation; the arguments are those of `Operations`."""

    def answer(self, call: Call) -> Reply:
        if call.token is None:
            raise ApiError(401, "This endpoint requires you to be authenticated.")
        body = call.fields({"query": str, "variables": dict}, ("query",))
        query = " ".join(str(body["query"]).split())
        viewer = _VIEWER.fullmatch(query)
        if viewer is not None:
            user = self.state.user(call.token.login)
            facts = {"login": user.login, "databaseId": user.id, "id": node("U", user.id)}
            return self._chosen("viewer", facts, viewer["fields"])
        ready = _READY.fullmatch(query)
        if ready is None:
            return _failed("", f"Parse error: the stand-in does not know {query[:60]!r}")
        return self._ready(call, ready, (body.get("variables") or {}).get(ready["name"]))

    def _ready(self, call: Call, ready: re.Match[str], given: Any) -> Reply:
        """Carry the mutation out for its input object."""
        if not isinstance(given, dict) or not isinstance(given.get("pullRequestId"), str) or set(given) - set(INPUT):
            return _failed("", f"Variable ${ready['name']} of type MarkPullRequestReadyForReviewInput! was invalid")
        name = given["pullRequestId"]
        found = self._pull(name)
        if found is None:
            return _failed("NOT_FOUND", f"Could not resolve to a node with the global id of '{name}'", _MUTATION)
        repository, pull = found
        token = call.token
        if token is None or (token.login != pull.author and not repository.may_push(token.login)):
            said = f"{call.viewer} does not have the correct permissions to execute `MarkPullRequestReadyForReview`"
            return _failed("FORBIDDEN", said, _MUTATION)
        if token.permissions is not None and PULL_WRITE not in token.permissions:
            kind = "integration" if token.of_app else "personal access token"
            return _failed("FORBIDDEN", f"Resource not accessible by {kind}", _MUTATION)
        pull = self.keep(repository, replace(pull, draft=False))
        facts = {"id": name, "number": pull.number, "isDraft": pull.draft}
        client = {"clientMutationId": given.get("clientMutationId")} if ready["client"] else {}
        return self._chosen(_MUTATION, facts, ready["fields"], "pullRequest", client)

    def _pull(self, name: str) -> tuple[Repository, PullRequest] | None:
        for repository in self.state.repositories.values():
            for pull in repository.pulls.values():
                if node("PR", pull.id) == name:
                    return repository, pull
        return None

    @staticmethod
    def _chosen(name: str, facts: Json, fields: str, below: str = "", beside: Json | None = None) -> Reply:
        """Write the fields that were asked for; refuse those that are not known."""
        unknown = [field for field in fields.split() if field not in facts]
        if unknown:
            return _failed("undefinedField", f"Field '{unknown[0]}' doesn't exist")
        chosen: Json = {field: facts[field] for field in fields.split()}
        return Reply(200, {"data": {name: {**(beside or {}), below: chosen} if below else chosen}})


def _failed(kind: str, said: str, path: str = "") -> Reply:
    """Write an error: of the operation at `path`, or of the whole request."""
    error: Json = {"message": said, "locations": [{"line": 1, "column": 1}]}
    if kind:
        error["type"] = kind
    if not path:
        return Reply(200, {"errors": [error]})
    return Reply(200, {"data": {path: None}, "errors": [{**error, "path": [path]}]})
