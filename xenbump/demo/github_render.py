"""From the records of the GitHub stand-in to the JSON that GitHub's REST API replies with.

The forms are those of https://docs.github.com/rest (API version 2022-11-28); the tests check every reply against
GitHub's OpenAPI description. Numbers that would need a real repository behind them (size, stars, changed lines) are
zero.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from xenbump.demo.github_state import Comment, End, Label, PullRequest, Repository, State, Team, User

Json = dict[str, Any]

# Keys of a repository that hold `{api}/repos/{owner}/{name}` and this ending, in GitHub's own order.
_REPOSITORY_URLS = {
    "url": "",
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}
_USER_URLS = {
    "url": "",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_COUNTS = (
    *("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size"),
    *("network_count", "subscribers_count"),
)


def _time(moment: datetime) -> str:
    """Write a moment (in UTC) as GitHub does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def node(kind: str, number: int) -> str:
    """Make a node id; GitHub's are opaque."""
    return f"{kind}_kwDO{number:08d}"


class Renderer:
    """Writes records as JSON for a server with one address.

    Args:
        state: where the records are.
        api: root of the API, without a slash at the end.
        html: root of the pages that `html_url` names, without a slash at the end.
    """

    def __init__(self, state: State, api: str, html: str) -> None:
        self._state = state
        self._api = api
        self._html = html

    def user(self, login: str) -> Json:
        """Write an account as others see it (`simple-user`)."""
        user = self._state.user(login)
        root = f"{self._api}/users/{user.login}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node("U", user.id),
            "avatar_url": f"{self._html}/avatars/u/{user.id}",
            "gravatar_id": "",
            "html_url": f"{self._html}/{user.login}",
            **{key: root + ending for key, ending in _USER_URLS.items()},
            "type": user.kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def viewer(self, user: User, moment: datetime) -> Json:
        """Write an account as its holder sees it (`public-user`: a token without the scope `user`)."""
        empty = dict.fromkeys(("name", "company", "location", "email", "hireable", "bio"))
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        times = dict.fromkeys(("created_at", "updated_at"), _time(moment))
        return {**self.user(user.login), **empty, "blog": "", **counts, **times}

    def repository(self, repository: Repository, viewer: str | None, *, full: bool) -> Json:
        """Write a repository: `full` adds what only `GET /repos/{owner}/{repo}` tells."""
        root = f"{self._api}/repos/{repository.full_name}"
        html = f"{self._html}/{repository.full_name}"
        open_pulls = sum(pull.state == "open" for pull in repository.pulls.values())
        push = repository.may_push(viewer)
        admin = viewer == repository.owner
        host = self._html.partition("//")[2]
        written: Json = {
            "id": repository.id,
            "node_id": node("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": False,
            "visibility": "public",
            "owner": self.user(repository.owner),
            "html_url": html,
            "description": None,
            "fork": repository.fork_of is not None,
            **{key: root + ending for key, ending in _REPOSITORY_URLS.items()},
            **dict.fromkeys(("created_at", "updated_at", "pushed_at"), _time(repository.created_at)),
            "git_url": f"git://{host}/{repository.full_name}.git",
            "ssh_url": f"git@{host.partition(':')[0]}:{repository.full_name}.git",
            "clone_url": f"{html}.git",
            "svn_url": html,
            **dict.fromkeys(("homepage", "language", "mirror_url", "license")),
            **dict.fromkeys(("archived", "disabled", "has_projects", "has_wiki", "has_pages"), False),
            **dict.fromkeys(("has_discussions", "has_downloads"), False),
            "has_issues": True,
            **dict.fromkeys(_COUNTS[:6], 0),
            "open_issues": open_pulls,
            "open_issues_count": open_pulls,
            "default_branch": repository.default_branch,
        }
        if full:
            written |= dict.fromkeys(_COUNTS[6:], 0)
            if viewer is not None:
                roles = {"admin": admin, "maintain": admin, "push": push, "triage": push, "pull": True}
                written["permissions"] = roles
            parent = self._state.repository(repository.fork_of) if repository.fork_of else None
            if parent is not None:
                written |= dict.fromkeys(("parent", "source"), self.repository(parent, viewer, full=False))
        return written

    def label(self, repository: Repository, label: Label) -> Json:
        """Write a label."""
        name = urllib.parse.quote(label.name, safe=":")
        return {
            "id": label.id,
            "node_id": node("LA", label.id),
            "url": f"{self._api}/repos/{repository.full_name}/labels/{name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
        }

    def labels(self, repository: Repository, pull: PullRequest) -> list[Json]:
        """Write the labels of a pull request."""
        return [self.label(repository, repository.labels[name.lower()]) for name in pull.labels]

    def comment(self, repository: Repository, comment: Comment) -> Json:
        """Write a comment."""
        root = f"{self._api}/repos/{repository.full_name}/issues"
        html = f"{self._html}/{repository.full_name}/pull/{comment.number}"
        return {
            "id": comment.id,
            "node_id": node("IC", comment.id),
            "url": f"{root}/comments/{comment.id}",
            "html_url": f"{html}#issuecomment-{comment.id}",
            "issue_url": f"{root}/{comment.number}",
            "user": self.user(comment.author),
            **dict.fromkeys(("created_at", "updated_at"), _time(comment.created_at)),
            "body": comment.body,
            "author_association": self._association(repository, comment.author),
        }

    def issue(self, repository: Repository, pull: PullRequest) -> Json:
        """Write a pull request as the issue that it also is."""
        root = f"{self._api}/repos/{repository.full_name}"
        own = f"{root}/issues/{pull.number}"
        html = f"{self._html}/{repository.full_name}/pull/{pull.number}"
        return {
            **self._shared(repository, pull),
            "node_id": node("PR", pull.id),
            "url": own,
            "repository_url": root,
            "labels_url": f"{own}/labels{{/name}}",
            "comments_url": f"{own}/comments",
            "events_url": f"{own}/events",
            "html_url": html,
            "comments": len(repository.conversation(pull.number)),
            "pull_request": {
                "url": f"{root}/pulls/{pull.number}",
                "html_url": html,
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "merged_at": _merged_at(pull),
            },
        }

    def find(self, repository: Repository, pull: PullRequest) -> Json:
        """Write a pull request as a search finds it."""
        return {**self.issue(repository, pull), "draft": pull.draft, "score": 1.0}

    def team(self, repository: Repository, team: Team) -> Json:
        """Write a team."""
        owner = self._state.user(repository.owner).id
        root = f"{self._api}/organizations/{owner}/team/{team.id}"
        return {
            "id": team.id,
            "node_id": node("T", team.id),
            "name": team.slug,
            "slug": team.slug,
            "description": None,
            "permission": "pull",
            "url": root,
            "html_url": f"{self._html}/orgs/{repository.owner}/teams/{team.slug}",
            "members_url": f"{root}/members{{/member}}",
            "repositories_url": f"{root}/repos",
            "type": "organization",
            "organization_id": owner,
            "parent": None,
        }

    def teams(self, repository: Repository, pull: PullRequest) -> list[Json]:
        """Write the teams that are asked to review a pull request."""
        return [self.team(repository, repository.teams[slug]) for slug in pull.teams]

    def pull(self, repository: Repository, pull: PullRequest, viewer: str | None, *, full: bool) -> Json:
        """Write a pull request: `full` adds what a list of them leaves out."""
        root = f"{self._api}/repos/{repository.full_name}"
        own = f"{root}/pulls/{pull.number}"
        issue = f"{root}/issues/{pull.number}"
        html = f"{self._html}/{repository.full_name}/pull/{pull.number}"
        urls = {
            "html_url": html,
            "issue_url": issue,
            "commits_url": f"{own}/commits",
            "review_comments_url": f"{own}/comments",
            "review_comment_url": f"{root}/pulls/comments{{/number}}",
            "comments_url": f"{issue}/comments",
            "statuses_url": f"{root}/statuses/{pull.head.sha}",
        }
        links = {key.removesuffix("_url"): {"href": url} for key, url in urls.items()}
        written: Json = {
            **self._shared(repository, pull),
            "node_id": node("PR", pull.id),
            "url": own,
            **urls,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": _merged_at(pull),
            "merge_commit_sha": pull.merge_commit or None,
            "requested_reviewers": [self.user(login) for login in pull.reviewers],
            "requested_teams": self.teams(repository, pull),
            "head": self._end(pull.head, viewer),
            "base": self._end(pull.base, viewer),
            "_links": {"self": {"href": own}, **links},
            "auto_merge": None,
            "draft": pull.draft,
        }
        if full:
            written |= {
                "merged": bool(pull.merge_commit),
                "mergeable": True if pull.examined else None,
                "mergeable_state": _merge_state(pull),
                "rebaseable": True if pull.examined else None,
                "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
                "comments": len(repository.conversation(pull.number)),
                "review_comments": 0,
                "maintainer_can_modify": pull.maintainer_can_modify,
                "commits": repository.count_commits(pull.base.sha, pull.head.sha),
                **dict.fromkeys(("additions", "deletions", "changed_files"), 0),
            }
        return written

    def branch(self, repository: Repository, name: str, sha: str) -> Json:
        """Write a branch.

        The hash is the real one. The rest of the commit is not looked up: its author is the repository's owner, its
        text is empty and its tree's hash is made from the commit's.
        """
        root = f"{self._api}/repos/{repository.full_name}"
        html = f"{self._html}/{repository.full_name}"
        tree = hashlib.sha1(sha.encode(), usedforsecurity=False).hexdigest()
        commit = {
            "author": None,
            "committer": None,
            "message": "",
            "tree": {"sha": tree, "url": f"{root}/git/trees/{tree}"},
            "url": f"{root}/git/commits/{sha}",
            "comment_count": 0,
        }
        return {
            "name": name,
            "commit": {
                "sha": sha,
                "node_id": f"C_{sha}",
                "commit": commit,
                "url": f"{root}/commits/{sha}",
                "html_url": f"{html}/commit/{sha}",
                "comments_url": f"{root}/commits/{sha}/comments",
                "author": self.user(repository.owner),
                "committer": self.user(repository.owner),
                "parents": [],
            },
            "_links": {"self": f"{root}/branches/{name}", "html": f"{html}/tree/{name}"},
            "protected": False,
            "protection": {"enabled": False},
            "protection_url": f"{root}/branches/{name}/protection",
        }

    def reference(self, repository: Repository, ref: str, sha: str) -> Json:
        """Write a git reference; `ref` is the full name."""
        root = f"{self._api}/repos/{repository.full_name}/git"
        return {
            "ref": ref,
            "node_id": f"REF_{sha}",
            "url": f"{root}/{ref}",
            "object": {"type": "commit", "sha": sha, "url": f"{root}/commits/{sha}"},
        }

    def _shared(self, repository: Repository, pull: PullRequest) -> Json:
        """Write what an issue and a pull request have in common."""
        assignees = [self.user(login) for login in pull.assignees]
        return {
            "id": pull.id,
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "active_lock_reason": None,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body,
            "labels": self.labels(repository, pull),
            "milestone": None,
            "assignee": assignees[0] if assignees else None,
            "assignees": assignees,
            "created_at": _time(pull.created_at),
            "updated_at": _time(pull.updated_at),
            "closed_at": _time(pull.closed_at) if pull.closed_at is not None else None,
            "author_association": self._association(repository, pull.author),
        }

    def _end(self, end: End, viewer: str | None) -> Json:
        """Write the head or the base of a pull request."""
        repository = self._state.repositories[end.repository.lower()]
        return {
            "label": end.label,
            "ref": end.branch,
            "sha": end.sha,
            "user": self.user(end.owner),
            "repo": self.repository(repository, viewer, full=False),
        }

    @staticmethod
    def _association(repository: Repository, login: str) -> str:
        """Tell how an author stands to a repository."""
        if login == repository.owner:
            return "OWNER"
        return "COLLABORATOR" if repository.collaborates(login) else "NONE"


def _merged_at(pull: PullRequest) -> str | None:
    """Write when a pull request was merged, which closed it."""
    return _time(pull.closed_at) if pull.merge_commit and pull.closed_at is not None else None


def _merge_state(pull: PullRequest) -> str:
    """Return GitHub's word for whether a pull request can be merged; it is worked out after the first look."""
    if not pull.examined:
        return "unknown"
    return "draft" if pull.draft else "clean"
