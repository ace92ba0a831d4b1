"""The operations of the GitHub stand-in: from a request to a reply, without any network; here those of pull requests.

Each operation does what GitHub's REST API, version 2022-11-28, does (https://docs.github.com/rest). For writing to a
pull request a fine-grained token needs `pull_requests=write`, for one to an issue (`github_issues`) `issues=write`.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from xenbump.demo import github_apps as apps
from xenbump.demo import github_conversation as conversation
from xenbump.demo import github_git_operations as git
from xenbump.demo import github_graphql as graphql
from xenbump.demo import github_issues as issues
from xenbump.demo import github_search as search
from xenbump.demo.github_call import ApiError, Call, Operations, Reply, check_length, invalid, refusal
from xenbump.demo.github_state import End, PullRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_call import Json, Request
    from xenbump.demo.github_state import Repository, State, Token

_BODY_LIMIT = 65536
_TITLE_LIMIT = 256
_LONG_RUNNING = timedelta(days=30)


class Api(Operations):
    """Answers requests from a state; the arguments are those of `Operations`."""

    def __init__(self, state: State, api: str, html: str) -> None:
        super().__init__(state, api, html)
        repo = "/repos/{owner}/{repo}"
        pull = f"{repo}/pulls/{{number}}"
        routes: list[tuple[str, str, Callable[[Call], Reply], str]] = [
            ("GET", "/user", self._user, "users/users#get-the-authenticated-user"),
            ("GET", repo, self._repository, "repos/repos#get-a-repository"),
            ("GET", f"{repo}/branches/{{+branch}}", self._branch, "branches/branches#get-a-branch"),
            ("GET", f"{repo}/git/ref/{{+ref}}", self._reference, "git/refs#get-a-reference"),
            ("GET", f"{repo}/pulls", self._pulls, "pulls/pulls#list-pull-requests"),
            ("POST", f"{repo}/pulls", self._open_pull, "pulls/pulls#create-a-pull-request"),
            ("GET", pull, self._pull, "pulls/pulls#get-a-pull-request"),
            ("PATCH", pull, self._edit_pull, "pulls/pulls#update-a-pull-request"),
        ]
        for more in (apps, conversation, git, graphql, issues, search):
            routes += more.routes(state, api, html)
        self._routes = [(method, _pattern(path), answer, docs) for method, path, answer, docs in routes]

    def answer(self, request: Request, token: Token | None) -> Reply:
        """Answer a request of a token's holder (None: of somebody unknown)."""
        for method, pattern, handler, docs in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None or method != request.method:
                continue
            arguments = {key: urllib.parse.unquote(part) for key, part in match.groupdict().items()}
            try:
                return handler(Call(request, arguments, token))
            except ApiError as error:
                return refusal(error, docs)
        return refusal(ApiError(404, "Not Found"), "")

    # Reading.

    def _user(self, call: Call) -> Reply:
        if call.viewer is None:
            raise ApiError(401, "Requires authentication")
        if call.token is not None and call.token.of_app:
            raise ApiError(403, "Resource not accessible by integration")
        return Reply(200, self.write.viewer(self.state.user(call.viewer), self.state.clock()))

    def _repository(self, call: Call) -> Reply:
        return Reply(200, self.write.repository(self.find(call), call.viewer, full=True))

    def _branch(self, call: Call) -> Reply:
        repository, name = self.find(call), call.arguments["branch"]
        sha = repository.branch(name)
        if sha is None:
            raise ApiError(404, "Branch not found")
        return Reply(200, self.write.branch(repository, name, sha))

    def _reference(self, call: Call) -> Reply:
        repository, ref = self.find(call), f"refs/{call.arguments['ref']}"
        sha = repository.resolve_ref(ref) if ref.startswith(("refs/heads/", "refs/tags/")) else None
        if sha is None:
            raise ApiError(404, "Not Found")
        return Reply(200, self.write.reference(repository, ref, sha))

    def _pulls(self, call: Call) -> Reply:
        repository, query = self.find(call), call.request.query
        state, order = query.get("state", "open"), query.get("sort", "created")
        direction = query.get("direction", "desc" if order == "created" else "asc")
        _one_of("state", state, "open", "closed", "all")
        _one_of("sort", order, "created", "updated", "popularity", "long-running")
        _one_of("direction", direction, "asc", "desc")
        pulls = [self.followed(pull) for pull in repository.pulls.values() if state in (pull.state, "all")]
        if "base" in query:
            pulls = [pull for pull in pulls if pull.base.branch == query["base"]]
        if ":" in query.get("head", ""):  # GitHub disregards a `head` without an owner
            wanted = query["head"].lower()
            pulls = [pull for pull in pulls if pull.head.label.lower() == wanted]
        if order == "long-running":
            now = self.state.clock()
            pulls = [pull for pull in pulls if now - pull.created_at > _LONG_RUNNING > now - pull.updated_at]
        keys: dict[str, Callable[[PullRequest], Any]] = {
            "updated": lambda pull: (pull.updated_at, pull.number),
            "popularity": lambda pull: (len(repository.conversation(pull.number)), pull.number),
        }
        pulls.sort(key=keys.get(order, lambda pull: pull.number), reverse=direction == "desc")
        return self.paged(call, [self.write.pull(repository, pull, call.viewer, full=False) for pull in pulls])

    def _pull(self, call: Call) -> Reply:
        repository, pull = self.find_pull(call)
        # The first look starts the examination whether it can be merged; the looks after it tell the outcome.
        repository.pulls[pull.number] = replace(pull, examined=True)
        return Reply(200, self.write.pull(repository, pull, call.viewer, full=True))

    # Writing.

    def _open_pull(self, call: Call) -> Reply:
        author, base = call.author(), self.find(call)
        text, flag = str, bool
        types = {"title": text, "head": text, "head_repo": text, "base": text, "body": text}
        body = call.fields({**types, "draft": flag, "maintainer_can_modify": flag}, ("head", "base"))
        _check_text(body, whole=True)
        base_sha = base.branch(body["base"])
        if base_sha is None:
            raise invalid("PullRequest", "base", "invalid")
        found = self.state.find_head(base, body["head"], body.get("head_repo"))
        head_sha = found[0].branch(found[1]) if found is not None else None
        if found is None or head_sha is None:
            raise invalid("PullRequest", "head", "invalid")
        head = End(found[0].full_name, found[1], head_sha)
        target = End(base.full_name, body["base"], base_sha)
        _check_new(base, head, target)
        now = self.state.clock()
        pull = PullRequest(
            id=self.state.next_id(),
            number=base.next_number(),
            author=author,
            title=body["title"],
            body=body.get("body"),
            head=head,
            base=target,
            draft=body.get("draft") or False,
            created_at=now,
            updated_at=now,
            maintainer_can_modify=body.get("maintainer_can_modify", head.repository != target.repository),
        )
        base.pulls[pull.number] = pull
        written = self.write.pull(base, pull, author, full=True)
        return Reply(201, written, {"location": written["url"]})

    def _edit_pull(self, call: Call) -> Reply:
        author = call.author()
        repository, pull = self.find_pull(call)
        if author != pull.author and not repository.may_push(author):
            raise ApiError(403, "Must have admin rights to Repository.")
        types = {"title": str, "body": str, "state": str, "base": str, "maintainer_can_modify": bool}
        body = call.fields(types)
        _check_text(body, whole=False)
        if body.get("base", pull.base.branch) != pull.base.branch:
            sha = repository.branch(body["base"]) if pull.state == "open" else None
            if sha is None:
                raise invalid("PullRequest", "base", "invalid")
            pull = replace(pull, base=End(repository.full_name, body["base"], sha))
            _check_new(repository, pull.head, pull.base, besides=pull.number)
        state = body.get("state", pull.state)
        _one_of("state", state, "open", "closed")
        if state != pull.state:
            if state == "open":
                if pull.merge_commit:
                    raise invalid("PullRequest", "state", "invalid")
                pull = self.followed(replace(pull, closed_at=None))
                _check_new(repository, pull.head, pull.base, besides=pull.number)
            else:
                pull = replace(pull, closed_at=self.state.clock())
        named = {key: body[key] for key in ("title", "body", "maintainer_can_modify") if key in body}
        pull = self.keep(repository, replace(pull, **named))
        return Reply(200, self.write.pull(repository, pull, author, full=True))


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a route: `{number}` takes digits, `{+name}` takes slashes too, any other one segment."""
    parts = {"number": r"\d+"}
    found = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{parts.get(m[1], '[^/]+')})", path)
    return re.compile(re.sub(r"\{\+(\w+)\}", r"(?P<\1>.+)", found))


def _one_of(name: str, value: Any, *allowed: str) -> None:
    if value not in allowed:
        raise invalid("PullRequest", name, "invalid")


def _check_text(body: Json, *, whole: bool) -> None:
    """Refuse a pull request with too long a text or without a title; a part (not `whole`) needs none."""
    title = body.get("title")
    if (whole or "title" in body) and not (title or "").strip():
        raise invalid("PullRequest", "title", "missing_field")
    check_length("PullRequest", "title", title or "", _TITLE_LIMIT)
    check_length("PullRequest", "body", body.get("body") or "", _BODY_LIMIT)


def _check_new(base: Repository, head: End, target: End, besides: int = 0) -> None:
    """Refuse an open pull request that brings nothing, or that another open one (`besides` itself) is already."""
    if base.count_commits(target.sha, head.sha) < 1:
        same = head.repository == target.repository
        ends = (target.branch, head.branch) if same else (target.label, head.label)
        raise invalid("PullRequest", None, "custom", f"No commits between {ends[0]} and {ends[1]}")
    for other in base.pulls.values():
        same_ends = (other.head.repository, other.head.branch, other.base.branch) == (
            *(head.repository, head.branch),
            target.branch,
        )
        if other.number != besides and other.state == "open" and same_ends:
            raise invalid("PullRequest", None, "custom", f"A pull request already exists for {head.label}.")
