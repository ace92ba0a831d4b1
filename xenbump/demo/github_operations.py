"""The operations of the GitHub stand-in: from a request to a reply, without any network.

Each operation does what GitHub's REST API, version 2022-11-28, does (https://docs.github.com/rest). Every issue here is
a pull request, as nothing here opens plain issues; for writing to one, a fine-grained token needs
`pull_requests=write`.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from xenbump.demo.github_call import ApiError, Call, Operations, Reply, invalid, refusal
from xenbump.demo.github_state import Comment, End, PullRequest

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
        issue = f"{repo}/issues/{{number}}"
        pull = f"{repo}/pulls/{{number}}"
        routes: list[tuple[str, str, Callable[[Call], Reply], str]] = [
            ("GET", "/user", self._user, "users/users#get-the-authenticated-user"),
            ("GET", repo, self._repository, "repos/repos#get-a-repository"),
            ("GET", f"{repo}/branches/{{+branch}}", self._branch, "branches/branches#get-a-branch"),
            ("GET", f"{repo}/git/ref/{{+ref}}", self._reference, "git/refs#get-a-reference"),
            ("GET", f"{repo}/labels", self._labels, "issues/labels#list-labels-for-a-repository"),
            ("GET", f"{repo}/labels/{{name}}", self._label, "issues/labels#get-a-label"),
            ("GET", f"{repo}/pulls", self._pulls, "pulls/pulls#list-pull-requests"),
            ("POST", f"{repo}/pulls", self._open_pull, "pulls/pulls#create-a-pull-request"),
            ("GET", pull, self._pull, "pulls/pulls#get-a-pull-request"),
            ("PATCH", pull, self._edit_pull, "pulls/pulls#update-a-pull-request"),
            ("GET", f"{pull}/requested_reviewers", self._reviewers, "pulls/review-requests"),
            ("POST", f"{pull}/requested_reviewers", self._ask_reviewers, "pulls/review-requests"),
            ("GET", issue, self._issue, "issues/issues#get-an-issue"),
            ("POST", f"{issue}/assignees", self._assign, "issues/assignees#add-assignees-to-an-issue"),
            ("GET", f"{issue}/comments", self._comments, "issues/comments#list-issue-comments"),
            ("POST", f"{issue}/comments", self._comment, "issues/comments#create-an-issue-comment"),
            ("GET", f"{issue}/labels", self._pull_labels, "issues/labels#list-labels-for-an-issue"),
            ("POST", f"{issue}/labels", self._add_labels, "issues/labels#add-labels-to-an-issue"),
            ("PUT", f"{issue}/labels", self._set_labels, "issues/labels#set-labels-for-an-issue"),
        ]
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

    def _labels(self, call: Call) -> Reply:
        repository = self.find(call)
        labels = sorted(repository.labels.items())
        return self.paged(call, [self.write.label(repository, label) for _, label in labels])

    def _label(self, call: Call) -> Reply:
        repository = self.find(call)
        label = repository.labels.get(call.arguments["name"].lower())
        if label is None:
            raise ApiError(404, "Not Found")
        return Reply(200, self.write.label(repository, label))

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

    def _issue(self, call: Call) -> Reply:
        return Reply(200, self.write.issue(*self.find_pull(call)))

    def _pull_labels(self, call: Call) -> Reply:
        return self.paged(call, self.write.labels(*self.find_pull(call)))

    def _comments(self, call: Call) -> Reply:
        repository, pull = self.find_pull(call)
        written = [self.write.comment(repository, comment) for comment in repository.conversation(pull.number)]
        since = call.request.query.get("since", "")
        return self.paged(call, [comment for comment in written if comment["updated_at"] >= since])

    def _reviewers(self, call: Call) -> Reply:
        _, pull = self.find_pull(call)
        return Reply(200, {"users": [self.write.user(login) for login in pull.reviewers], "teams": []})

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
            number=max(base.pulls, default=0) + 1,
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
                pull = self.followed(replace(pull, closed_at=None))
                _check_new(repository, pull.head, pull.base, besides=pull.number)
            else:
                pull = replace(pull, closed_at=self.state.clock())
        named = {key: body[key] for key in ("title", "body", "maintainer_can_modify") if key in body}
        pull = self.keep(repository, replace(pull, **named))
        return Reply(200, self.write.pull(repository, pull, author, full=True))

    def _comment(self, call: Call) -> Reply:
        author = call.author()
        repository, pull = self.find_pull(call)
        body = call.fields({"body": str}, ("body",))
        if not (body["body"] or "").strip():
            raise invalid("IssueComment", "body", "missing_field")
        _check_length("IssueComment", "body", body["body"], _BODY_LIMIT)
        comment = Comment(self.state.next_id(), pull.number, author, body["body"], self.state.clock())
        repository.comments.append(comment)
        self.keep(repository, pull)
        written = self.write.comment(repository, comment)
        return Reply(201, written, {"location": written["url"]})

    def _add_labels(self, call: Call) -> Reply:
        return self._label_pull(call, keep=True)

    def _set_labels(self, call: Call) -> Reply:
        return self._label_pull(call, keep=False)

    def _label_pull(self, call: Call, *, keep: bool) -> Reply:
        """Give a pull request the labels of the body, which is a list of names or an object with one.

        As on GitHub, a name that no label has makes a grey label of that name.
        """
        _, repository, pull = self.to_push(call)
        payload = call.payload()
        names = payload.get("labels", []) if isinstance(payload, dict) else payload
        if isinstance(names, list):
            names = [name.get("name") if isinstance(name, dict) else name for name in names]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ApiError(422, "Invalid request.\n\nFor 'properties/labels', the items are no names of labels.")
        wanted = [self.state.label(repository, name).name for name in names]
        labels = dict.fromkeys([*(pull.labels if keep else ()), *wanted])
        pull = self.keep(repository, replace(pull, labels=tuple(labels)))
        return Reply(200, self.write.labels(repository, pull))

    def _ask_reviewers(self, call: Call) -> Reply:
        author, repository, pull = self.to_push(call)
        body = call.fields({"reviewers": list, "team_reviewers": list})
        wanted = body.get("reviewers") or []
        logins = self.state.known(map(str, wanted))
        if pull.author in logins:
            raise ApiError(422, "Review cannot be requested from pull request author.")
        strangers = len(logins) < len(wanted) or not all(map(repository.collaborates, logins))
        if strangers or body.get("team_reviewers"):  # there are no teams here
            raise ApiError(
                422,
                "Reviews may only be requested from collaborators. One or more of the users or teams you "
                f"specified is not a collaborator of the {repository.full_name} repository.",
            )
        reviewers = tuple(dict.fromkeys([*pull.reviewers, *logins]))
        pull = self.keep(repository, replace(pull, reviewers=reviewers))
        return Reply(201, self.write.pull(repository, pull, author, full=False))

    def _assign(self, call: Call) -> Reply:
        """Assign who can be assigned; as on GitHub, others, and all without push access, are left out silently."""
        author = call.author()
        repository, pull = self.find_pull(call)
        names = call.fields({"assignees": list}).get("assignees") or []
        names = [name.get("login", "") if isinstance(name, dict) else str(name) for name in names]
        if repository.may_push(author):
            logins = [login for login in self.state.known(names) if repository.collaborates(login)]
            pull = self.keep(repository, replace(pull, assignees=tuple(dict.fromkeys([*pull.assignees, *logins]))))
        return Reply(201, self.write.issue(repository, pull))


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a route: `{number}` takes digits, `{+name}` takes slashes too, any other one segment."""
    parts = {"number": r"\d+"}
    found = re.sub(r"\{(\w+)\}", lambda m: f"(?P<{m[1]}>{parts.get(m[1], '[^/]+')})", path)
    return re.compile(re.sub(r"\{\+(\w+)\}", r"(?P<\1>.+)", found))


def _one_of(name: str, value: Any, *allowed: str) -> None:
    if value not in allowed:
        raise invalid("PullRequest", name, "invalid")


def _check_length(resource: str, name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise invalid(resource, name, "custom", f"{name} is too long (maximum is {limit} characters)")


def _check_text(body: Json, *, whole: bool) -> None:
    """Refuse a pull request with too long a text or without a title; a part (not `whole`) needs none."""
    title = body.get("title")
    if (whole or "title" in body) and not (title or "").strip():
        raise invalid("PullRequest", "title", "missing_field")
    _check_length("PullRequest", "title", title or "", _TITLE_LIMIT)
    _check_length("PullRequest", "body", body.get("body") or "", _BODY_LIMIT)


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
