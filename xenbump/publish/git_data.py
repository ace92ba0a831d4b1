"""GitHub's git database: references, commits, trees and blobs of one repository, and the comparison of two commits.

The operations are described at docs.github.com/rest/git (API version 2022-11-28), the comparison at
docs.github.com/rest/commits/commits. Blobs, trees and commits are named by what is in them and nothing public leads to
them until a reference does. So making one again does no harm, and that is done once where an answer was lost; a
reference is changed once, and looked at where the answer was lost (`by_api`).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from xenbump.errors import Failure
from xenbump.publish import github_errors, github_replies
from xenbump.publish.git_trees import Entry, blob_id
from xenbump.publish.github_requests import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.publish.git_trees import Entries
    from xenbump.publish.github_requests import Requests

_GONE = frozenset({github_errors.NOT_FOUND})
_UNFIT = frozenset({github_errors.NOT_FOUND, github_errors.INVALID})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Person:
    """A name and an e-mail address, as an author or a committer has them."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit.

    Attributes:
        oid, tree, parents: identifiers.
        text: the message, without the line breaks at its end, which GitHub does not show.
        author, committer: the e-mail addresses.
        author_login, committer_login: the accounts that these belong to; empty where they belong to none, or where the
            commit was not read by `listed` or `compare`, which alone tell them.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    text: str
    author: str
    committer: str
    author_login: str = ""
    committer_login: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many commits one has that another lacks, and the other way round; those of the one that GitHub lists.

    The oldest of them is the first.
    """

    ahead: int
    behind: int
    commits: tuple[Commit, ...]


class _Object(msgspec.Struct, frozen=True):
    sha: str


class _Reference(msgspec.Struct, frozen=True):
    object: _Object


class _Email(msgspec.Struct, frozen=True):
    email: str | None = None


class _Facts(msgspec.Struct, frozen=True):
    tree: _Object
    message: str
    author: _Email | None
    committer: _Email | None


class _GitCommit(_Facts, frozen=True):
    sha: str
    parents: tuple[_Object, ...]

    def value(self) -> Commit:
        return _commit(self.sha, self, self.parents)


class _Account(msgspec.Struct, frozen=True):
    # An address without an account behind it gives null, and sometimes an empty object.
    login: str = ""


class _ListedCommit(msgspec.Struct, frozen=True):
    sha: str
    commit: _Facts
    parents: tuple[_Object, ...]
    author: _Account | None
    committer: _Account | None

    def value(self) -> Commit:
        return _commit(
            self.sha,
            self.commit,
            self.parents,
            author_login=self.author.login if self.author is not None else "",
            committer_login=self.committer.login if self.committer is not None else "",
        )


class _Compared(msgspec.Struct, frozen=True):
    total_commits: int
    behind_by: int
    commits: tuple[_ListedCommit, ...]


class _Entry(msgspec.Struct, frozen=True):
    path: str
    mode: str
    type: str
    sha: str


class _Tree(msgspec.Struct, frozen=True):
    sha: str
    tree: tuple[_Entry, ...]
    truncated: bool


class _Blob(msgspec.Struct, frozen=True):
    content: str
    encoding: str


def _commit(oid: str, facts: _Facts, parents: tuple[_Object, ...], **logins: str) -> Commit:
    author, committer = ((one.email if one is not None else None) or "" for one in (facts.author, facts.committer))
    text = facts.message.rstrip("\n")
    return Commit(oid, facts.tree.sha, tuple(one.sha for one in parents), text, author, committer, **logins)


class GitData:
    """The git database of one repository.

    Every method can raise what `Requests.get` does, those that write what `Requests.send` does.

    Args:
        requests: sends the requests.
        repository: `owner/name`.
    """

    def __init__(self, requests: Requests, repository: str) -> None:
        self.repository = repository
        self._requests = requests
        self._root = f"/repos/{quote(repository)}"

    # Reading.

    def ref(self, branch: str) -> str | None:
        """The commit that a branch is at; None where there is no such branch."""
        doing = f"look up the branch {branch}"
        found = self._requests.get(f"{self._root}/git/ref/heads/{quote(branch)}", doing, may=_GONE)
        return None if isinstance(found, Refused) else self._read(found, _Reference, doing).object.sha

    def commit(self, oid: str) -> Commit:
        """A commit, without the accounts behind it."""
        doing = f"read the commit {oid[:12]}"
        return self._read(self._requests.get(f"{self._root}/git/commits/{oid}", doing), _GitCommit, doing).value()

    def listed(self, oid: str) -> Commit:
        """A commit with the accounts behind it."""
        doing = f"read the commit {oid[:12]}"
        return self._read(self._requests.get(f"{self._root}/commits/{oid}", doing), _ListedCommit, doing).value()

    def tree(self, oid: str) -> Entries:
        """The entries of a tree by name."""
        doing = f"read the tree {oid[:12]}"
        tree = self._read(self._requests.get(f"{self._root}/git/trees/{oid}", doing), _Tree, doing)
        if tree.truncated:
            raise Failure(
                "E-GITHUB", f"could not {doing}: GitHub gives only {len(tree.tree)} of its entries", where=self._root
            )
        return {one.path: Entry(one.mode, one.type, one.sha) for one in tree.tree}

    def blob(self, oid: str) -> bytes:
        """The content of a file, which is what its identifier says."""
        doing = f"read the blob {oid[:12]}"
        blob = self._read(self._requests.get(f"{self._root}/git/blobs/{oid}", doing), _Blob, doing)
        try:
            content = base64.b64decode(blob.content) if blob.encoding == "base64" else blob.content.encode()
        except (binascii.Error, ValueError):
            content = b""
        if blob_id(content) != oid:
            raise github_errors.of_form(doing, self.repository)
        return content

    def compare(self, base: str, head: str) -> Comparison | None:
        """What `head` has that `base` lacks; None where one of them is not known or they have nothing in common.

        Args:
            base: a commit or a branch.
            head: the same; `owner:` before it means the fork of that owner.
        """
        doing = f"compare {head} with {base[:12]}"
        path = f"{self._root}/compare/{quote(f'{base}...{head}', safe='/:')}"
        found = self._requests.get(path, doing, may=_GONE)
        if isinstance(found, Refused):
            return None
        compared = self._read(found, _Compared, doing)
        return Comparison(compared.total_commits, compared.behind_by, tuple(one.value() for one in compared.commits))

    # Writing.

    def add_blob(self, content: bytes) -> str:
        """Put a file's content there; its identifier."""
        doing, oid = "upload a file", blob_id(content)
        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        path = f"{self._root}/git/blobs"
        made = self._read(_twice(lambda: self._requests.send("POST", path, body, doing)), _Object, doing)
        if made.sha != oid:
            raise Failure("E-GITHUB", f"could not {doing}: GitHub stored something else", where=self.repository)
        return oid

    def add_tree(self, base: str, entries: Mapping[str, Entry | None]) -> str | Refused:
        """Make a tree that differs from another in some files.

        Args:
            base: the other tree.
            entries: the files by path; None for one that goes, which must be there.

        Returns:
            Its identifier, or GitHub's refusal: the repository does not know the base, or what is asked for is wrong.
        """
        doing = "make the tree"
        listed = []
        for path, entry in sorted(entries.items()):
            # Of a file that goes, only the path is looked at.
            facts = entry or Entry("100644", "blob", "")
            listed.append({"path": path, "mode": facts.mode, "type": facts.kind, "sha": facts.oid or None})
        body = {"base_tree": base, "tree": listed}
        path = f"{self._root}/git/trees"
        made = _twice(lambda: self._requests.send("POST", path, body, doing, may=_UNFIT))
        return made if isinstance(made, Refused) else self._read(made, _Object, doing).sha

    def add_commit(
        self, tree: str, parent: str, text: str, persons: Mapping[str, Person] | None = None
    ) -> Commit | Refused:
        """Make a commit.

        Args:
            tree: its tree.
            parent: its parent.
            text: its message.
            persons: `author` and `committer`; without one or both, GitHub puts the account there.

        Returns:
            The commit, or GitHub's refusal: the repository knows the tree or the parent not, or something is wrong.
        """
        doing = "make the commit"
        body: dict[str, Any] = {"message": text, "tree": tree, "parents": [parent]}
        body |= {role: {"name": one.name, "email": one.email} for role, one in (persons or {}).items()}
        path = f"{self._root}/git/commits"
        made = _twice(lambda: self._requests.send("POST", path, body, doing, may=_UNFIT))
        return made if isinstance(made, Refused) else self._read(made, _GitCommit, doing).value()

    def add_ref(self, branch: str, commit: str) -> Refused | None:
        """Make a branch; GitHub's refusal where it does not: it is there already, say."""
        body = {"ref": f"refs/heads/{branch}", "sha": commit}
        done = self._requests.send("POST", f"{self._root}/git/refs", body, f"make the branch {branch}", may=_UNFIT)
        return done if isinstance(done, Refused) else None

    def move_ref(self, branch: str, commit: str, *, force: bool, waited: Callable[[], None]) -> Refused | None:
        """Let a branch be another commit; GitHub's refusal where it does not.

        Args:
            branch: the branch.
            commit: what it is to be.
            force: also where commits of the branch are lost by it.
            waited: called when a limit was waited for, before it is tried anew; it raises where that is not wanted now.
        """
        body = {"sha": commit, "force": force}
        path = f"{self._root}/git/refs/heads/{quote(branch)}"
        done = self._requests.send("PATCH", path, body, f"change the branch {branch}", may=_UNFIT, waited=waited)
        return done if isinstance(done, Refused) else None

    def sync(self, branch: str) -> None:
        """Bring a branch of a fork to where its parent's is; to be called only where that loses and merges nothing."""
        body = {"branch": branch}
        self._requests.send("POST", f"{self._root}/merge-upstream", body, f"bring the fork's {branch} up to date")

    def _read(self, data: Any, form: type[_T], doing: str) -> _T:
        value = github_replies.read(data, form)
        if value is None:
            raise github_errors.of_form(doing, self.repository)
        return value


def _twice(write: Callable[[], _T]) -> _T:
    """Make something that may be made twice, once more where nobody knows what came of it."""
    try:
        return write()
    except Failure as error:
        if error.code == "E-GITHUB-LIMIT":
            raise
    return write()
