"""The git side of a publication: a commit on a branch of its own, made beside the checkout and pushed.

The commit is built from git objects: the base's trees with one file replaced. So the person's index, working tree and
current branch stay as they are, and it makes no difference whether the checkout is whole, shallow, sparse or partial.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump import durable
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.publish import message
from xenbump.publish.git_calls import Repository, as_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A branch of ours has one commit; one with more than this is not looked through.
_MOST_COMMITS = 50
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# git-ls-tree(1): mode, type and name of an object, then the path.
_ENTRY = re.compile(r"[0-7]+ \w+ (?P<oid>[0-9a-f]{40}|[0-9a-f]{64})\t")


@dataclass(frozen=True, slots=True)
class Facts:
    """A commit: its identifier, its parents', the addresses of author and committer, and its whole message."""

    commit: str
    parents: tuple[str, ...]
    author: str
    committer: str
    text: str


class Checkout(Repository):
    """The git checkout that holds a package file. The argument and what is raised for it are `Repository`'s."""

    def name_of(self, file: Path) -> str:
        """A file's path from the root of the checkout.

        Raises:
            UsageError: E-NOT-CHECKOUT when it lies outside.
        """
        try:
            return file.resolve().relative_to(self.root).as_posix()
        except ValueError as error:
            raise UsageError("E-NOT-CHECKOUT", f"it lies outside the checkout {self.root}", where=str(file)) from error

    def changed(self, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The tracked files with changes that are not committed, staged or not, as paths from the root."""
        listed = self._git("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--", *only)
        return tuple(entry[3:] for entry in listed.split("\0") if entry)

    @property
    def git_folder(self) -> Path:
        """The git folder of this working tree."""
        return Path(self._repo.git_dir)

    def has_just(self, names: tuple[str, ...]) -> bool:
        """Whether the last commit has these files just as they are in the working tree, and lacks those that lack."""
        listed = self._git(
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=all",
            "--ignored=matching",
            "--no-renames",
            "--",
            *names,
        )
        return not listed

    def unstage(self, names: tuple[str, ...]) -> None:
        """Let the index have no more of files that are gone, where a commit that was killed had begun to add them."""
        if names:
            self._git("rm", "--cached", "--quiet", "--ignore-unmatch", "--", *names)

    def refuse_changes(self, allowed: Mapping[str, bytes | None], *, only: tuple[str, ...] = ()) -> None:
        """Refuse a checkout with changes that are not committed.

        Args:
            allowed: files that may differ when they have just this content, or are gone for None: an edit of ours.
            only: look at these files alone; empty: at all that are tracked.

        Raises:
            Refusal: E-DIRTY.
        """
        changed = []
        for name in self.changed(only):
            path = self.root / name
            found = path.read_bytes() if path.is_file() else None
            if name not in allowed or found != allowed[name]:
                changed.append(name)
        if changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""  # noqa: PLR2004
            raise Refusal(
                "E-DIRTY",
                f"there are changes that are not committed: {', '.join(changed[:3])}{more}",
                where=str(self.root),
            )

    def remote(self, configured: str, repositories: tuple[str, ...]) -> str:
        """The name of the remote to push to.

        Args:
            configured: the name that the configuration gives; empty when it gives none.
            repositories: `owner/name` of the fork and of the repository; the remote whose address ends so is taken.

        Raises:
            UsageError: E-REMOTE when there is no such remote, or when several could be meant.
        """
        remotes = self._remotes()
        if configured:
            if configured in remotes:
                return configured
            raise UsageError(
                "E-REMOTE", f"the checkout has no remote {configured!r}", where=str(self.root),
                remedy=f"it has {', '.join(remotes) or 'none'}",
            )  # fmt: skip
        for repository in repositories:
            found = _named(repository, remotes)
            if found is not None:
                return found
        if len(remotes) == 1:
            return next(iter(remotes))
        raise UsageError(
            "E-REMOTE",
            f"it is not clear which of the remotes to push to: {', '.join(remotes) or 'there is none'}",
            where=str(self.root),
            remedy="name it: [github] remote",
        )

    def remote_of(self, repository: str) -> str | None:
        """The name of the one remote whose address ends in `owner/name`; None where none or several do."""
        return _named(repository, self._remotes())

    def base(self, remote: str, branch: str) -> str:
        """The commit that a pull request starts from: the remote's branch as last fetched, else the local one.

        Raises:
            UsageError: E-BASE when there is neither.
        """
        for ref in (f"refs/remotes/{remote}/{branch}", f"refs/heads/{branch}"):
            commit = self._resolve(ref)
            if commit is not None:
                return commit
        raise UsageError(
            "E-BASE",
            f"the base branch {branch!r} is not in the checkout",
            where=str(self.root),
            remedy=f"run `git fetch {remote} {branch}`, or set [github] base",
        )

    def read(self, commit: str, name: str) -> bytes | None:
        """The content of a file in a commit; None where the commit has no such file."""
        listed = self._git("ls-tree", "-z", commit, "--", name)
        if not listed:
            return None
        entry = _ENTRY.match(listed)
        if entry is None:
            raise Failure("E-GIT", f"git lists a folder in no form of its own: {listed[:80]!r}", where=self._where)
        # A partial clone may have to fetch it.
        return self._talk("cat-file", "blob", entry["oid"])

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """What a folder has in a commit, sorted; nothing where the commit has no such folder."""
        listed = self._git("ls-tree", "-z", "--name-only", commit, "--", *([] if folder == "." else [f"{folder}/"]))
        return tuple(sorted(name.rpartition("/")[2] for name in listed.split("\0") if name))

    def commit(self, parent: str, files: Mapping[str, bytes | None], text: str) -> str:
        """Write a commit that differs from its parent in these files only.

        Args:
            parent: the parent commit.
            files: new contents by path from the root; None for a file that goes.
            text: the commit message.

        Returns:
            The identifier of the commit; no ref names it yet.

        Raises:
            UsageError: E-IDENTITY when git has no name and address for the author.
        """
        return self._git("commit-tree", self.tree(parent, files), "-p", parent, "-F", "-", istream=text.encode())

    def tree(self, parent: str, files: Mapping[str, bytes | None]) -> str:
        """Write the tree of such a commit; gives its identifier."""
        tree = f"{parent}^{{tree}}"
        for name, content in sorted(files.items()):
            blob = None if content is None else self._git("hash-object", "-w", "--stdin", istream=content)
            tree = self._replaced(tree, name.split("/"), blob) or self._git("mktree", istream=b"")
        return tree

    def write_out(self, tree: str, folder: Path) -> None:
        """Write the files of a tree into a folder, as a checkout of it would have them; ours stays as it is."""
        with durable.scratch("index") as place:
            index = {"GIT_INDEX_FILE": str(place / "index")}
            self._talk("read-tree", tree, env=index)
            # Where the checkout is sparse, what lies outside it is written all the same.
            self._talk("checkout-index", "--all", "--ignore-skip-worktree-bits", f"--prefix={folder}/", env=index)

    def _replaced(self, tree: str | None, path: list[str], blob: str | None) -> str | None:
        """A tree in which the file at `path` is another blob, or is there no more.

        Returns:
            The new tree's identifier; None where nothing is left in it.
        """
        entries: dict[str, str] = {}
        for entry in self._git("ls-tree", "-z", tree).split("\0") if tree is not None else ():
            if entry:
                facts, name = entry.split("\t", 1)
                entries[name] = facts
        mode, kind, oid = entries.pop(path[0], "").split() or (None, None, None)
        if len(path) == 1:
            new, facts = blob, f"{mode or '100644'} blob"
        else:
            new, facts = self._replaced(oid if kind == "tree" else None, path[1:], blob), "040000 tree"
        if new is not None:
            entries[path[0]] = f"{facts} {new}"
        if not entries:
            return None
        lines = [f"{facts}\t{name}" for name, facts in entries.items()]
        # A partial clone has not every object that a tree names; mktree sorts.
        return self._git(
            "mktree",
            "-z",
            "--missing",
            istream="".join(line + "\0" for line in lines).encode("utf-8", "surrogateescape"),
        )

    def same_work(self, commit: str, other: str) -> bool:
        """Whether two commits have the same tree, parent and message: then the second need not be made."""
        return self._shown(commit, "%T %P%n%B") == self._shown(other, "%T %P%n%B")

    def remote_tip(self, remote: str, branch: str, token: str) -> str | None:
        """The commit that a remote's branch is at; None when the remote has no such branch."""
        listed = self._talk("ls-remote", "--", remote, f"refs/heads/{branch}", remote=remote, token=token)
        return listed.split()[0].decode() if listed else None

    def bring(self, remote: str, branch: str, tip: str, token: str) -> None:
        """Fetch a remote's branch where its tip is not here; no ref is written.

        In a shallow checkout only the tip and what it stands on come: without a depth, a server would send all the
        history below where the checkout ends, wherever that is newer than the branch.
        """
        if self._resolve(tip) is None:
            depth = ("--depth=2",) if self._is_shallow() else ()
            self._fetch(remote, f"refs/heads/{branch}", token, *depth)

    def facts(self, commit: str) -> Facts:
        """What a commit says of itself."""
        parents, author, committer, text = self._shown(commit, "%P%n%ae%n%ce%n%B").split("\n", 3)
        return Facts(commit, tuple(parents.split()), author, committer, text)

    def is_ours(self, facts: Facts) -> bool:
        """Whether a commit is ours: its message has our trailer, and author and committer are we."""
        return _is_by(facts, self._identity("COMMITTER"))

    def ours_alone(self, tip: str, base: str, newest: Callable[[int], str]) -> bool:
        """Whether every commit that a branch has beyond its base is ours.

        Args:
            tip: the branch's tip, which must be here.
            base: the base branch as this checkout has it.
            newest: fetches the base branch as it is now, back to a time in seconds since 1970 at least, and gives its
                commit. It is asked only where the branch has commits of others that this checkout's base lacks: they
                may be the base's own, from before a shallow checkout begins or from after it was last fetched.
        """
        last, we = self.facts(tip), self._identity("COMMITTER")
        if not _is_by(last, we):
            return False
        if self._are_by(we, last, (base,)):
            return True
        times = [int(self._shown(one, "%ct")) for one in (base, *last.parents) if self._resolve(one)]
        return self._are_by(we, last, (base, newest(min(times) - 1)))

    def _are_by(self, we: str, last: Facts, without: tuple[str, ...]) -> bool:
        listed = self._git("rev-list", f"--max-count={_MOST_COMMITS}", last.commit, "--not", *without).splitlines()
        found = [last if commit == last.commit else self.facts(commit) for commit in listed]
        # One without a parent is where a shallow checkout ends: what it stands on is not known.
        return len(found) < _MOST_COMMITS and all(one.parents and _is_by(one, we) for one in found)

    def newest(self, remote: str, branch: str, since: int, token: str) -> str:
        """Fetch a remote's branch as it is now, back to a time at least; gives its commit, and no ref is written."""
        tip = self.remote_tip(remote, branch, token)
        if tip is None:
            raise UsageError("E-BASE", f"the base branch {branch!r} is not in the repository", where=remote)
        shallow = self._is_shallow()
        if shallow or self._resolve(tip) is None:
            self._fetch(
                remote, f"refs/heads/{branch}", token, *((f"--shallow-since=@{since} +0000",) if shallow else ())
            )
        return tip

    def parents(self, remote: str, commit: str, token: str) -> tuple[str, ...]:
        """The parents of a commit of a remote, also where a shallow checkout ends with it; none without the commit."""
        if self._resolve(commit) is None:
            try:
                self._fetch(remote, commit, token, *(("--depth=2",) if self._is_shallow() else ()))
            except XenbumpError:
                return ()
        lines = self._git("cat-file", "commit", commit).partition("\n\n")[0].splitlines()
        return tuple(line.removeprefix("parent ") for line in lines if line.startswith("parent "))

    def _fetch(self, remote: str, what: str, token: str, *depth: str) -> None:
        # With an empty map git does not note either what the remote's branches are at by now: the base is to stay.
        fetch = (
            "fetch",
            "--quiet",
            "--refmap=",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            *depth,
        )
        self._talk(*fetch, "--", remote, what, remote=remote, token=token)

    def _is_shallow(self) -> bool:
        return self._git("rev-parse", "--is-shallow-repository") == "true"

    def refuse_nameless(self) -> None:
        """Refuse a checkout in which git has no name and address for the author of a commit.

        Raises:
            UsageError: E-IDENTITY.
        """
        for role in ("AUTHOR", "COMMITTER"):
            self._identity(role)

    def push(self, remote: str, branch: str, commit: str, expected: str | None, token: str) -> None:
        """Push a commit to a branch of a remote, where that is still at `expected`.

        No other ref and no local branch is touched: one of that name may be a person's.

        Args:
            remote: the remote's name.
            branch: the branch.
            commit: what it is to be.
            expected: what it is now; None: it must not exist.
            token: authorises a push over HTTP; empty for none. It is handed over in the environment only.

        Raises:
            Refusal: E-BRANCH-MOVED when the branch is at something else by now.
            XenbumpError: the push failed, and why.
        """
        if not _COMMIT.fullmatch(commit):
            # With nothing before the colon, git would delete the branch.
            raise Failure("E-GIT", f"{commit[:80]!r} is not the name of a commit", where=self._where)
        self._talk(
            "push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
            f"--force-with-lease=refs/heads/{branch}:{expected or ''}", "--", remote, f"{commit}:refs/heads/{branch}",
            remote=remote, token=token,
        )  # fmt: skip

    def commit_in_place(self, names: tuple[str, ...], text: str) -> str:
        """Commit these files, as they are in the working tree, to the current branch; returns the commit."""
        new = [name for name in names if (self.root / name).exists()]
        if new:
            self._talk("add", "--intent-to-add", "--", *new)
        self._talk("commit", "--quiet", "--only", "-F", "-", "--", *names, stdin=text.encode())
        return self._git("rev-parse", "HEAD")

    def _shown(self, commit: str, form: str) -> str:
        return self._git("show", "--no-patch", "--no-show-signature", f"--format={form}", commit)

    def _identity(self, role: str) -> str:
        """The e-mail address that git has for the author or committer."""
        return self._git("var", f"GIT_{role}_IDENT").partition("<")[2].partition(">")[0]

    def _resolve(self, ref: str) -> str | None:
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except XenbumpError as error:
            if error.code == "E-PROGRAM-MISSING":
                raise
            return None


def _is_by(facts: Facts, address: str) -> bool:
    return message.is_ours(facts.text) and facts.author == facts.committer == address


def _named(repository: str, remotes: Mapping[str, str]) -> str | None:
    """The one remote whose address ends in `owner/name`."""
    ending = "/" + repository.lower()
    fitting = [name for name, url in remotes.items() if repository and as_name(url).lower().endswith(ending)]
    return fitting[0] if len(fitting) == 1 else None
