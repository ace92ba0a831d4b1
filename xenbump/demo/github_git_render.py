"""From git's objects to the JSON that GitHub's REST API replies with: trees, commits and what differs between two.

The forms are those of https://docs.github.com/rest/git and https://docs.github.com/rest/commits (API version
2022-11-28); the tests check every reply against GitHub's OpenAPI description.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenbump.demo.github_call import Json
    from xenbump.demo.github_git_disk import Commit, Entry, OnDisk, Person
    from xenbump.demo.github_render import Renderer
    from xenbump.demo.github_state import Repository, State

# GitHub itself, as the committer of what is made through it: name, address, account.
WEB_FLOW = ("GitHub", "noreply@github.com", "web-flow")
_NOREPLY = re.compile(r"\d+\+(?P<login>[^@]+)@users\.noreply\.github\.com")
_UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


class GitRenderer:
    """Writes git's objects as JSON.

    Args:
        state: where the accounts are.
        write: writes them.
        api: root of the API, without a slash at the end.
        html: root of the pages, likewise.
    """

    def __init__(self, state: State, write: Renderer, api: str, html: str) -> None:
        self._state = state
        self._write = write
        self._root = api
        self._html = html

    def root(self, repository: Repository) -> str:
        """The address of a repository in the API."""
        return f"{self._root}/repos/{repository.full_name}"

    def short(self, repository: Repository, kind: str, sha: str) -> Json:
        """Write an object's hash and address; `kind` is the word in the address."""
        return {"sha": sha, "url": f"{self.root(repository)}/git/{kind}/{sha}"}

    def tree(self, repository: Repository, disk: OnDisk, sha: str, *, recursive: bool) -> Json:
        """Write a tree."""
        entries = [self._entry(repository, one) for one in disk.tree(sha, recursive=recursive)]
        return {**self.short(repository, "trees", sha), "tree": entries, "truncated": False}

    def _entry(self, repository: Repository, entry: Entry) -> Json:
        written: Json = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
        if entry.size is not None:
            written["size"] = entry.size
        if entry.kind != "commit":
            written["url"] = f"{self.root(repository)}/git/{entry.kind}s/{entry.sha}"
        return written

    def _facts(self, repository: Repository, commit: Commit) -> Json:
        """Write what both forms of a commit have."""
        return {
            "author": _dated(commit.author),
            "committer": _dated(commit.committer),
            # As GitHub shows it: without the line breaks at its end.
            "message": commit.message.rstrip("\n"),
            "tree": self.short(repository, "trees", commit.tree),
            "verification": dict(_UNSIGNED),
        }

    def git_commit(self, repository: Repository, commit: Commit) -> Json:
        """Write a commit as the git database has it."""
        html = f"{self._html}/{repository.full_name}/commit"
        return {
            **self.short(repository, "commits", commit.sha),
            "node_id": f"C_{commit.sha}",
            "html_url": f"{html}/{commit.sha}",
            **self._facts(repository, commit),
            "parents": [
                {**self.short(repository, "commits", one), "html_url": f"{html}/{one}"} for one in commit.parents
            ],
        }

    def listed(self, repository: Repository, commit: Commit) -> Json:
        """Write a commit as lists and comparisons have it, with the accounts behind the addresses."""
        root, html = f"{self.root(repository)}/commits", f"{self._html}/{repository.full_name}/commit"
        inner = self._facts(repository, commit)
        url = f"{self.root(repository)}/git/commits/{commit.sha}"
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{root}/{commit.sha}",
            "html_url": f"{html}/{commit.sha}",
            "comments_url": f"{root}/{commit.sha}/comments",
            "commit": {**inner, "url": url, "comment_count": 0},
            "author": self._account(commit.author),
            "committer": self._account(commit.committer),
            "parents": [{"sha": one, "url": f"{root}/{one}", "html_url": f"{html}/{one}"} for one in commit.parents],
        }

    def _account(self, person: Person) -> Json:
        """Write the account that an address belongs to; an empty object where none does."""
        match = _NOREPLY.fullmatch(person.email)
        login = match["login"] if match is not None else ""
        if person.email == WEB_FLOW[1]:
            login = WEB_FLOW[2]
        return self._write.user(login) if login in {*self._state.users, WEB_FLOW[2]} else {}

    def files(self, repository: Repository, disk: OnDisk, base: str | None, head: str) -> list[Json]:
        """Write which files differ; the changed lines are not counted."""
        words = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}
        ends = ["--root", head] if base is None else [base, head]
        parts = disk.settled("diff-tree", "-r", "-z", "--raw", "--no-commit-id", "--no-abbrev", *ends).split("\0")
        html = f"{self._html}/{repository.full_name}"
        files = []
        for facts, path in zip(parts[::2], parts[1::2], strict=False):
            _, _, old, new, letter = facts.split()
            written = {
                "sha": old if letter == "D" else new,
                "filename": path,
                "status": words[letter],
                **dict.fromkeys(("additions", "deletions", "changes"), 0),
                "blob_url": f"{html}/blob/{head}/{path}",
                "raw_url": f"{html}/raw/{head}/{path}",
                "contents_url": f"{self.root(repository)}/contents/{path}?ref={head}",
            }
            files.append(written)
        return files


def _dated(person: Person) -> Json:
    moment = datetime.fromtimestamp(person.seconds, UTC)
    return {"name": person.name, "email": person.email, "date": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
