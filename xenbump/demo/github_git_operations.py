"""GitHub's git database in the stand-in: blobs, trees, commits, references, and the comparison of two commits.

The operations do what GitHub's REST API, version 2022-11-28, does (https://docs.github.com/rest/git), on the real
repository of which `Repository.resolve_ref` is the `OnDisk`. Writing needs push access, and from a fine-grained token
`contents=write`; who has none is told 404, as GitHub does. A tree as an entry of a new tree is not taken, and nothing
is signed. A repository's `update` hook stands for its rules.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xenbump.demo.github_call import ApiError, Call, Operations, Reply
from xenbump.demo.github_git_disk import OID, GitFailedError, OnDisk, Person
from xenbump.demo.github_git_render import WEB_FLOW, GitRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.demo.github_call import Json
    from xenbump.demo.github_state import Repository, State, Token

    Routes = list[tuple[str, str, Callable[[Call], Reply], str]]

__all__ = ["OnDisk", "routes"]

CONTENTS_WRITE = "contents"
_FILES = frozenset({"100644", "100755", "120000"})
_KINDS = {**dict.fromkeys(_FILES, "blob"), "160000": "commit"}
_NONE = "0" * 40
_MOST_COMMITS = 250
_LINE = 60


def routes(state: State, api: str, html: str) -> Routes:
    """The routes of these operations, as `github_operations.Api` has them; the arguments are those of `Operations`."""
    git = _GitData(state, api, html)
    repo = "/repos/{owner}/{repo}"
    return [
        ("POST", f"{repo}/git/blobs", git.add_blob, "git/blobs#create-a-blob"),
        ("GET", f"{repo}/git/blobs/{{sha}}", git.blob, "git/blobs#get-a-blob"),
        ("POST", f"{repo}/git/trees", git.add_tree, "git/trees#create-a-tree"),
        ("GET", f"{repo}/git/trees/{{+sha}}", git.tree, "git/trees#get-a-tree"),
        ("POST", f"{repo}/git/commits", git.add_commit, "git/commits#create-a-commit"),
        ("GET", f"{repo}/git/commits/{{sha}}", git.commit, "git/commits#get-a-commit-object"),
        ("POST", f"{repo}/git/refs", git.add_ref, "git/refs#create-a-reference"),
        ("PATCH", f"{repo}/git/refs/{{+ref}}", git.move_ref, "git/refs#update-a-reference"),
        ("GET", f"{repo}/compare/{{+basehead}}", git.compare, "commits/commits#compare-two-commits"),
        ("GET", f"{repo}/commits/{{+ref}}", git.full_commit, "commits/commits#get-a-commit"),
        ("POST", f"{repo}/merge-upstream", git.merge_upstream, "branches/branches#sync-a-fork-branch"),
    ]


class _GitData(Operations):
    """Answers the requests."""

    def __init__(self, state: State, api: str, html: str) -> None:
        super().__init__(state, api, html)
        self._show = GitRenderer(state, self.write, api, html)

    # Reading.

    def blob(self, call: Call) -> Reply:
        repository, disk, sha = self._named(call, "blob")
        content = disk.blob(sha)
        text = base64.b64encode(content).decode()
        lines = [text[at : at + _LINE] + "\n" for at in range(0, len(text), _LINE)]
        body = {"content": "".join(lines), "encoding": "base64", "size": len(content)}
        return Reply(200, {**self._show.short(repository, "blobs", sha), "node_id": f"B_{sha}", **body})

    def tree(self, call: Call) -> Reply:
        repository = self.find(call)
        disk = _disk(repository)
        name = call.arguments["sha"]
        sha: str | None = name
        if disk.kind(name) != "tree":
            sha = disk(f"{name}^{{tree}}") if re.fullmatch(r"[\w./-]+", name) else None
        if sha is None:
            raise ApiError(404, "Not Found")
        return Reply(200, self._show.tree(repository, disk, sha, recursive="recursive" in call.request.query))

    def commit(self, call: Call) -> Reply:
        repository, disk, sha = self._named(call, "commit")
        return Reply(200, self._show.git_commit(repository, disk.commits([sha])[0]))

    def full_commit(self, call: Call) -> Reply:
        repository = self.find(call)
        disk, name = _disk(repository), call.arguments["ref"]
        sha = _resolved(disk, name)
        if sha is None:
            raise ApiError(422, f"No commit found for SHA: {name}")
        (commit,) = disk.commits([sha])
        files = self._show.files(repository, disk, commit.parents[0] if commit.parents else None, sha)
        return Reply(200, {**self._show.listed(repository, commit), "files": files})

    def compare(self, call: Call) -> Reply:
        repository = self.find(call)
        disk = _disk(repository)
        base, dots, head = call.arguments["basehead"].partition("...")
        ends = [self._end(repository, end) for end in (base, head)]
        if not dots or None in ends:
            raise ApiError(404, "Not Found")
        first, last = (end or "" for end in ends)
        common = self._common(disk, first, last)
        if not common:
            raise ApiError(404, f"No common ancestor between {base} and {head}.")
        ahead = disk.settled("rev-list", "--reverse", "--topo-order", f"{first}..{last}").split()
        behind = disk.count(last, first)
        size = min(int(call.request.query.get("per_page", _MOST_COMMITS)), _MOST_COMMITS)
        page = int(call.request.query.get("page", 1)) - 1
        shown = ahead[page * size : (page + 1) * size]
        status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
        commits = [self._show.listed(repository, one) for one in disk.commits([first, common, *shown])]
        html = f"{self.html}/{repository.full_name}/compare/{base}...{head}"
        written = {
            "url": f"{self._show.root(repository)}/compare/{base}...{head}",
            "html_url": html,
            "permalink_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "base_commit": commits[0],
            "merge_base_commit": commits[1],
            "status": status.get((bool(ahead), behind > 0), "identical"),
            "ahead_by": len(ahead),
            "behind_by": behind,
            "total_commits": len(ahead),
            "commits": commits[2:],
            "files": [] if page else self._show.files(repository, disk, common, last),
        }
        return Reply(200, written)

    # Writing.

    def add_blob(self, call: Call) -> Reply:
        _, repository, disk = self._writer(call)
        body = call.fields({"content": str, "encoding": str}, ("content",))
        content = body["content"].encode()
        if body.get("encoding", "utf-8") == "base64":
            try:
                content = base64.b64decode(b"".join(content.split()), validate=True)
            except binascii.Error as error:
                raise ApiError(422, "content is not valid Base64") from error
        sha = disk.git("hash-object", "-w", "--stdin", stdin=content)
        return _created(self._show.short(repository, "blobs", sha))

    def add_tree(self, call: Call) -> Reply:
        _, repository, disk = self._writer(call)
        body = call.fields({"tree": list, "base_tree": str}, ("tree",))
        base = body.get("base_tree")
        if base is not None and disk.kind(base) not in {"tree", "commit"}:
            raise ApiError(404, "Not Found")
        there = {one.path for one in disk.tree(base, recursive=True)} if base is not None else set()
        lines = [_line(disk, entry, there) for entry in body["tree"]]
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            disk.git("read-tree", base or "--empty", env=env)
            disk.git("update-index", "--replace", "-z", "--index-info", stdin=b"".join(lines), env=env)
            sha = disk.git("write-tree", env=env)
        return _created(self._show.tree(repository, disk, sha, recursive=False))

    def add_commit(self, call: Call) -> Reply:
        token, repository, disk = self._writer(call)
        types = {"message": str, "tree": str, "parents": list, "author": dict, "committer": dict}
        body = call.fields(types, ("message", "tree"))
        if disk.kind(body["tree"]) != "tree":
            raise ApiError(422, "Tree SHA does not exist")
        parents = [str(parent) for parent in body.get("parents") or []]
        if any(disk.kind(parent) != "commit" for parent in parents):
            raise ApiError(422, "Parent SHA does not exist or is not a commit object.")
        author, committer = self._persons(token, body)
        env = {**_env("AUTHOR", author), **_env("COMMITTER", committer)}
        named = [word for parent in parents for word in ("-p", parent)]
        sha = disk.git("commit-tree", body["tree"], *named, "-F", "-", stdin=body["message"].encode(), env=env)
        return _created(self._show.git_commit(repository, disk.commits([sha])[0]))

    def add_ref(self, call: Call) -> Reply:
        _, repository, disk = self._writer(call)
        body = call.fields({"ref": str, "sha": str}, ("ref", "sha"))
        ref = body["ref"]
        if not re.fullmatch(r"refs/(heads|tags)/.+", ref):
            raise ApiError(422, "Reference name must start with 'refs/' and have at least two slashes.")
        if disk(ref) is not None:
            raise ApiError(422, "Reference already exists")
        self._put(disk, ref, _NONE, body["sha"])
        written = self.write.reference(repository, ref, body["sha"])
        return Reply(201, written, {"location": written["url"]})

    def move_ref(self, call: Call) -> Reply:
        _, repository, disk = self._writer(call)
        body = call.fields({"sha": str, "force": bool}, ("sha",))
        ref, new = f"refs/{call.arguments['ref']}", body["sha"]
        old = disk(ref)
        if old is None:
            raise ApiError(422, "Reference does not exist")
        if disk.kind(new) == "commit" and not body.get("force") and disk.count(new, old):
            raise ApiError(422, "Update is not a fast forward")
        self._put(disk, ref, old, new)
        return Reply(200, self.write.reference(repository, ref, new))

    def merge_upstream(self, call: Call) -> Reply:
        """Bring a branch of a fork forward; one that has commits of its own is not merged here, but told 409."""
        _, repository, disk = self._writer(call)
        branch = call.fields({"branch": str}, ("branch",))["branch"]
        upstream = self.state.repository(repository.fork_of) if repository.fork_of else None
        new = upstream.branch(branch) if upstream is not None else None
        old = repository.branch(branch)
        if upstream is None or new is None or old is None:
            raise ApiError(422, "The branch could not be synced with its upstream.")
        source = _disk(upstream)
        label = f"{upstream.owner}:{branch}"
        if source.count(new, old):
            raise ApiError(409, "There are merge conflicts")
        if new == old:
            said = {"message": "This branch is not behind the upstream.", "merge_type": "none", "base_branch": label}
            return Reply(200, said)
        disk.git("fetch", "--quiet", str(source.folder), f"refs/heads/{branch}:refs/heads/{branch}")
        message = f"Successfully fetched and fast-forwarded from upstream {label}."
        return Reply(200, {"message": message, "merge_type": "fast-forward", "base_branch": label})

    # What they share.

    def _writer(self, call: Call) -> tuple[Token, Repository, OnDisk]:
        """Return whose token writes, and where; refuse who may not."""
        if call.token is None:
            raise ApiError(401, "Requires authentication")
        if call.token.permissions is not None and CONTENTS_WRITE not in call.token.permissions:
            kind = "integration" if call.token.of_app else "personal access token"
            raise ApiError(403, f"Resource not accessible by {kind}")
        repository = self.find(call)
        if not repository.may_push(call.token.login):
            raise ApiError(404, "Not Found")
        return call.token, repository, _disk(repository)

    def _named(self, call: Call, kind: str) -> tuple[Repository, OnDisk, str]:
        """Find the object that a path names by its hash."""
        repository = self.find(call)
        disk, sha = _disk(repository), call.arguments["sha"]
        if OID.fullmatch(sha) is None:
            raise ApiError(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
        if disk.kind(sha) != kind:
            raise ApiError(404, "Not Found")
        return repository, disk, sha

    def _end(self, repository: Repository, end: str) -> str | None:
        """Find the commit that an end of a comparison means: a branch or a hash; `owner:` names another repository."""
        found = self.state.find_head(repository, end, None)
        return _resolved(_disk(found[0]), found[1]) if found is not None else None

    @staticmethod
    def _common(disk: OnDisk, base: str, head: str) -> str:
        try:
            return disk.settled("merge-base", base, head)
        except GitFailedError:
            return ""

    @staticmethod
    def _put(disk: OnDisk, ref: str, old: str, new: str) -> None:
        """Let a reference be a commit, where it is still at `old` and the rules allow it."""
        if disk.kind(new) != "commit":
            raise ApiError(422, "Object does not exist")
        refused = disk.hooked(ref, old, new)
        if refused is not None:
            raise ApiError(422, f"Repository rule violations found\n\n{refused}\n\n")
        try:
            disk.git("update-ref", ref, new, old)
        except GitFailedError as error:
            raise ApiError(422, "Reference update failed") from error

    def _persons(self, token: Token, body: Json) -> tuple[Person, Person]:
        """Who a new commit is by: as the body says, else the account; of an App's, GitHub itself is the committer."""
        now = int(self.state.clock().timestamp())
        user = self.state.user(token.login)
        account = Person(user.login, f"{user.id}+{user.login}@users.noreply.github.com", now)
        author = _given(body.get("author"), now) or account
        otherwise = Person(*WEB_FLOW[:2], now) if token.of_app and not body.get("author") else author
        return author, _given(body.get("committer"), now) or otherwise


def _disk(repository: Repository) -> OnDisk:
    if not isinstance(repository.resolve_ref, OnDisk):
        raise ApiError(409, "Git Repository is empty.")
    return repository.resolve_ref


def _resolved(disk: OnDisk, name: str) -> str | None:
    """The commit that a hash or the name of a branch means."""
    if OID.fullmatch(name):
        return name if disk.kind(name) == "commit" else None
    return disk(f"refs/heads/{name}")


def _created(body: Json) -> Reply:
    return Reply(201, body, {"location": body["url"]})


def _line(disk: OnDisk, entry: Any, there: set[str]) -> bytes:
    """Write an entry of a new tree as git's index takes it."""
    given = entry if isinstance(entry, dict) else {}
    path, mode, sha = given.get("path"), given.get("mode"), given.get("sha")
    if not isinstance(path, str) or not path or path.startswith("/") or mode not in _KINDS:
        raise ApiError(422, "tree.path or tree.mode is not valid")
    if "content" in given and "sha" not in given:
        sha = disk.git("hash-object", "-w", "--stdin", stdin=str(given["content"]).encode())
    if "sha" in given and sha is None:
        if path not in there:
            raise ApiError(422, "GitRPC::BadObjectState")
        return f"0 {_NONE}\t{path}\0".encode()
    if not isinstance(sha, str) or (mode in _FILES and disk.kind(sha) != "blob"):
        raise ApiError(422, f"tree.sha {sha} is not a valid blob")
    return f"{mode} {sha}\t{path}\0".encode()


def _given(person: Any, now: int) -> Person | None:
    """Read a person of a request; a name and an address it must have."""
    if person is None:
        return None
    if not all(isinstance(person.get(key), str) and person[key] for key in ("name", "email")):
        raise ApiError(422, "Invalid request.\n\nA person needs a name and an email.")
    seconds = int(datetime.fromisoformat(person["date"]).timestamp()) if person.get("date") else now
    return Person(person["name"], person["email"], seconds)


def _env(role: str, person: Person) -> dict[str, str]:
    facts = {"NAME": person.name, "EMAIL": person.email, "DATE": f"{person.seconds} +0000"}
    return {f"GIT_{role}_{key}": value for key, value in facts.items()}
