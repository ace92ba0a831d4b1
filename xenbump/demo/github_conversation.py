"""What hangs on a pull request in the GitHub stand-in: comments, labels, reviewers and assignees.

The operations do what GitHub's REST API, version 2022-11-28, does (https://docs.github.com/rest).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xenbump.demo.github_call import ApiError, Call, Operations, Reply, check_length, invalid
from xenbump.demo.github_state import Comment

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_state import State

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

_BODY_LIMIT = 65536


def routes(state: State, api: str, html: str) -> Routes:
    """The routes of these operations, as `github_operations.Api` has them; the arguments are those of `Operations`."""
    talk = _Conversation(state, api, html)
    repo = "/repos/{owner}/{repo}"
    issue = f"{repo}/issues/{{number}}"
    asked = f"{repo}/pulls/{{number}}/requested_reviewers"
    return [
        ("GET", f"{repo}/labels", talk.labels, "issues/labels#list-labels-for-a-repository"),
        ("GET", f"{repo}/labels/{{name}}", talk.label, "issues/labels#get-a-label"),
        ("GET", asked, talk.reviewers, "pulls/review-requests"),
        ("POST", asked, talk.ask_reviewers, "pulls/review-requests"),
        ("POST", f"{issue}/assignees", talk.assign, "issues/assignees#add-assignees-to-an-issue"),
        ("GET", f"{issue}/comments", talk.comments, "issues/comments#list-issue-comments"),
        ("POST", f"{issue}/comments", talk.comment, "issues/comments#create-an-issue-comment"),
        ("GET", f"{issue}/labels", talk.pull_labels, "issues/labels#list-labels-for-an-issue"),
        ("POST", f"{issue}/labels", talk.add_labels, "issues/labels#add-labels-to-an-issue"),
        ("PUT", f"{issue}/labels", talk.set_labels, "issues/labels#set-labels-for-an-issue"),
    ]


class _Conversation(Operations):
    """The operations; the arguments are those of `Operations`."""

    def labels(self, call: Call) -> Reply:
        repository = self.find(call)
        labels = sorted(repository.labels.items())
        return self.paged(call, [self.write.label(repository, label) for _, label in labels])

    def label(self, call: Call) -> Reply:
        repository = self.find(call)
        label = repository.labels.get(call.arguments["name"].lower())
        if label is None:
            raise ApiError(404, "Not Found")
        return Reply(200, self.write.label(repository, label))

    def pull_labels(self, call: Call) -> Reply:
        return self.paged(call, self.write.labels(*self.find_pull(call)))

    def comments(self, call: Call) -> Reply:
        repository, pull = self.find_pull(call)
        written = [self.write.comment(repository, comment) for comment in repository.conversation(pull.number)]
        since = call.request.query.get("since", "")
        return self.paged(call, [comment for comment in written if comment["updated_at"] >= since])

    def reviewers(self, call: Call) -> Reply:
        repository, pull = self.find_pull(call)
        users = [self.write.user(login) for login in pull.reviewers]
        return Reply(200, {"users": users, "teams": self.write.teams(repository, pull)})

    def comment(self, call: Call) -> Reply:
        author = call.author()
        repository, pull = self.find_pull(call)
        body = call.fields({"body": str}, ("body",))
        if not (body["body"] or "").strip():
            raise invalid("IssueComment", "body", "missing_field")
        check_length("IssueComment", "body", body["body"], _BODY_LIMIT)
        comment = Comment(self.state.next_id(), pull.number, author, body["body"], self.state.clock())
        repository.comments.append(comment)
        self.keep(repository, pull)
        written = self.write.comment(repository, comment)
        return Reply(201, written, {"location": written["url"]})

    def add_labels(self, call: Call) -> Reply:
        return self._label_pull(call, keep=True)

    def set_labels(self, call: Call) -> Reply:
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

    def ask_reviewers(self, call: Call) -> Reply:
        author, repository, pull = self.to_push(call)
        body = call.fields({"reviewers": list, "team_reviewers": list})
        wanted, teams = body.get("reviewers") or [], [str(team).lower() for team in body.get("team_reviewers") or []]
        logins = self.state.known(map(str, wanted))
        if pull.author in logins:
            raise ApiError(422, "Review cannot be requested from pull request author.")
        strangers = len(logins) < len(wanted) or not all(map(repository.collaborates, logins))
        if strangers or set(teams) - set(repository.teams):
            raise ApiError(
                422,
                "Reviews may only be requested from collaborators. One or more of the users or teams you "
                f"specified is not a collaborator of the {repository.full_name} repository.",
            )
        reviewers = tuple(dict.fromkeys([*pull.reviewers, *logins]))
        asked = tuple(dict.fromkeys([*pull.teams, *teams]))
        pull = self.keep(repository, replace(pull, reviewers=reviewers, teams=asked))
        return Reply(201, self.write.pull(repository, pull, author, full=False))

    def assign(self, call: Call) -> Reply:
        """Assign who can be assigned; as on GitHub, others, and all without push access, are left out silently."""
        author = call.author()
        repository, pull = self.find_pull(call)
        names = call.fields({"assignees": list}).get("assignees") or []
        names = [name.get("login", "") if isinstance(name, dict) else str(name) for name in names]
        if repository.may_push(author):
            logins = [login for login in self.state.known(names) if repository.collaborates(login)]
            pull = self.keep(repository, replace(pull, assignees=tuple(dict.fromkeys([*pull.assignees, *logins]))))
        return Reply(201, self.write.issue(repository, pull))
