"""The git side of a publication: a commit on a branch of its own, made beside the checkout and pushed.

The commit is built from git objects: the base's trees with one file replaced. So the person's index, working tree and
current branch stay as they are, and it makes no difference whether the checkout is whole, shallow, sparse or partial.
Git runs here with the person's own configuration, because name, address and credentials are theirs: what only reads or
writes objects through GitPython, what talks to a server or runs hooks through `xenbump.process`, which ends it with its
children on a time limit or an interrupt.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.publish import message
from xenbump.upstream.git import explained

# Where git is missing, GitPython is to say so when it is used, not when it is imported.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
import git

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUSH_SECONDS = 600.0
# Nothing at all for this long is a server that hangs; git's own servers send something every few seconds.
_SILENT_SECONDS = 60
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Checkout:
    """The git checkout that holds a package file.

    Args:
        path: a file or folder in it.

    Raises:
        UsageError: E-NOT-CHECKOUT when it is in none, or in a bare repository.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._repo = git.Repo(path if path.is_dir() else path.parent, search_parent_directories=True)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
            raise UsageError("E-NOT-CHECKOUT", "it is not in a git checkout", where=str(path)) from error
        if self._repo.working_tree_dir is None:
            raise UsageError("E-NOT-CHECKOUT", "the git repository is bare", where=str(path))
        self.root = Path(self._repo.working_tree_dir).resolve()
        # Prompts would hang a run that nobody watches; messages are read, so they must be in one language.
        self._env = {"LC_ALL": "C.UTF-8", "LANGUAGE": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
        self._repo.git.update_environment(**self._env)
        self._where = str(self.root)

    def close(self) -> None:
        """End git's helper processes."""
        self._repo.close()

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
            found = self.remote_of(repository)
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
        fitting = [
            name
            for name, url in self._remotes().items()
            if repository and _names(url).lower().endswith("/" + repository.lower())
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _remotes(self) -> dict[str, str]:
        """The address of each remote, as git resolves it."""
        return {name: self._git("remote", "get-url", name) for name in self._git("remote").splitlines()}

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
        oid = listed.split("\t", 1)[0].split()[2]
        # A partial clone may have to fetch it.
        return self._talk("cat-file", "blob", oid)

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
        tree = f"{parent}^{{tree}}"
        for name, content in sorted(files.items()):
            blob = None if content is None else self._git("hash-object", "-w", "--stdin", istream=content)
            tree = self._replaced(tree, name.split("/"), blob) or self._git("mktree", istream=b"")
        return self._git("commit-tree", tree, "-p", parent, "-F", "-", istream=text.encode())

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
        listed = self._talk("ls-remote", remote, f"refs/heads/{branch}", remote=remote, token=token)
        return listed.split()[0].decode() if listed else None

    def made_by_us(self, remote: str, branch: str, tip: str, token: str) -> bool:
        """Whether the tip of a remote's branch is ours: its message has our trailer, author and committer are we."""
        if self._resolve(tip) is None:
            fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
            self._talk(*fetch, remote, f"refs/heads/{branch}", remote=remote, token=token)
        email, committer, text = self._shown(tip, "%ae%n%ce%n%B").split("\n", 2)
        return message.is_ours(text) and email == committer == self._identity("COMMITTER")

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
        self._talk(
            "push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
            f"--force-with-lease=refs/heads/{branch}:{expected or ''}", remote, f"{commit}:refs/heads/{branch}",
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

    def _git(self, *arguments: str, istream: bytes | None = None, **options: Any) -> str:
        """Run git in the checkout and give its output, without the last line break."""
        with contextlib.ExitStack() as stack:
            if istream is not None:
                # GitPython hands it to the program itself, so it must be a real file.
                file = stack.enter_context(tempfile.TemporaryFile())
                file.write(istream)
                file.seek(0)
                options["istream"] = file
            command = getattr(self._repo.git, arguments[0].replace("-", "_"))
            try:
                return str(command(*arguments[1:], **options))
            except git.GitCommandNotFound as error:
                raise Failure("E-PROGRAM-MISSING", "the program `git` is needed and was not found on PATH") from error
            except git.GitCommandError as error:
                status = error.status if isinstance(error.status, int) else 1
                stderr = str(error.stderr).strip().removeprefix("stderr: ").strip("'")
                raise _meaning(stderr, status, arguments[0], self._where) from error

    def _talk(self, *arguments: str, remote: str = "", token: str = "", stdin: bytes = b"") -> bytes:
        """Run git where it may talk to a server or run a hook; its output.

        Args:
            arguments: of git.
            remote: the remote that it talks to; its address is named in errors.
            token: what the remote is to get.
            stdin: what it reads.
        """
        url = self._remotes().get(remote, "") if remote else ""
        done = process.run(
            ["git", "-C", str(self.root), *arguments],
            env={**os.environ, **self._env, **_authorisation(url, token)},
            stdin=stdin,
            timeout=_PUSH_SECONDS,
            check=False,
        )
        if done.status != 0:
            stderr = done.stderr.decode("utf-8", "replace").strip()
            raise _meaning(stderr, done.status, arguments[0], _shown(url) or self._where)
        return done.stdout


def _authorisation(url: str, token: str) -> dict[str, str]:
    """The environment that makes git send the token as GitHub takes it: basic authentication, any user name.

    In the environment it is seen by nobody else and lands in no file; an address or an argument would be in logs. What
    git does with a server that falls silent is set here too.
    """
    parts = urlsplit(url)
    settings = [("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(_SILENT_SECONDS))]
    if token and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        key = f"http.{parts.scheme}://{parts.netloc.rpartition('@')[2]}/.extraHeader"
        settings += [
            # Git would send the header to wherever a redirect leads.
            ("http.followRedirects", "false"),
            # An empty value takes back what was set before: a header of the checkout's own would be sent beside ours.
            (key, ""),
            (key, f"Authorization: Basic {secret}"),
        ]
    # Behind what the environment has already: that may be where a name and an address come from.
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    env = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def _shown(url: str) -> str:
    """An address without a user name or password that may stand in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme else url


def _names(url: str) -> str:
    """An address as `…/owner/name`, whichever way it is written."""
    return "/" + _shown(url).removesuffix("/").removesuffix(".git").replace(":", "/")


def _meaning(stderr: str, status: int, doing: str, where: str) -> XenbumpError:
    if "tell me who you are" in stderr or "empty ident" in stderr or "unable to auto-detect email" in stderr:
        return UsageError(
            "E-IDENTITY",
            "git has no name and e-mail address for the author of the commit",
            where=where,
            remedy="set user.name and user.email",
        )
    if re.search(r"stale info|fetch first|non-fast-forward|cannot lock ref|incorrect old value", stderr):
        return Refusal("E-BRANCH-MOVED", "the branch was changed by someone else in the meantime", where=where)
    if re.search(r"\[remote rejected\]|protected branch|hook declined", stderr):
        # What the server's owner wants to say stands in the lines that git puts `remote:` before.
        lines = [line.strip() for line in stderr.splitlines()]
        told = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
        told += [line for line in lines if line.startswith("!")]
        said = "; ".join(" ".join(line.split()) for line in told if line)
        return Refusal("E-PUSH-REJECTED", f"the server rejects the push: {said[:500]}", where=where)
    return explained(process.Completed(("git", doing), status, b"", stderr.encode()), where)
