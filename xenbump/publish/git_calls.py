"""How git is started in a person's checkout: its environment, the token, and what its complaints mean.

Git runs here with the person's own configuration, because name, address and credentials are theirs, and so do the
hooks, filters and helpers that it names. What they get of the environment is a list: no token or key that stands there
for xenbump or for another program, nothing that leads git to another repository or puts code into programs. GitPython
finds the checkout; `xenbump.process` runs git, and ends it with its children on a time limit or an interrupt.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Refusal, UsageError, XenbumpError
from xenbump.publish.git_identity import persons_environment
from xenbump.upstream.git import LOOPBACK, explained

# GitPython starts `git version` when it is imported, by itself: that is to have no more of the environment than other
# programs. Where git is missing, it is to say so when it is used, not when it is imported.
_ALL = dict(os.environ)
os.environ.clear()
os.environ.update(process.environment({"GIT_PYTHON_REFRESH": "quiet"}))
try:
    import git
finally:
    os.environ.clear()
    os.environ.update(_ALL)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PUSH_SECONDS = 600.0
# Nothing at all for this long is a server that hangs; git's own servers send something every few seconds.
_SILENT_SECONDS = 60
# What goes on when xenbump was killed, and may not be followed by a tidying up that holds a lock for minutes.
_HOLDING = frozenset({"commit", "push"})
_UNTIDIED = ("-c", "gc.auto=0", "-c", "maintenance.auto=false")


class Repository:
    """The git repository around a path, and git run in it.

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
        self._where = str(self.root)
        self._kept: Sequence[int] = ()

    def close(self) -> None:
        """End git's helper processes."""
        self._repo.close()

    def keep(self, *files: int) -> None:
        """Let a push and a commit hold these open files, too: each goes on when xenbump was killed, and holds the lock.

        Nothing else gets them: what git begins behind a fetch, to tidy up, can last for
        minutes.
        """
        self._kept = files

    def _remotes(self) -> dict[str, str]:
        """The address of each remote, as git resolves it."""
        # Behind it stands what a partial clone filters.
        return dict(re.findall(r"^([^\t\n]+)\t(.*) \(fetch\)(?: \[.*\])?$", self._git("remote", "-v"), re.MULTILINE))

    def _git(self, *arguments: str, istream: bytes = b"") -> str:
        """Run git in the checkout and give its output, without the last line break."""
        return self._run(arguments, {}, istream, self._where).decode("utf-8", "surrogateescape").removesuffix("\n")

    def _talk(
        self,
        *arguments: str,
        remote: str = "",
        token: str = "",
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git where it may talk to a server or run a hook; its output.

        Args:
            arguments: of git.
            remote: the remote that it talks to; its address is named in errors.
            token: what the remote is to get.
            stdin: what it reads.
            env: variables beside the usual ones.

        Raises:
            UsageError: E-REMOTE for a remote that git would take for an option.
            XenbumpError: what git came to.
        """
        if remote.startswith("-"):
            raise UsageError("E-REMOTE", f"{remote!r} is no name of a remote", where=self._where)
        url = self._remotes().get(remote, "") if remote else ""
        more = {**authorisation(url, token), **(env or {})}
        return self._run(arguments, more, stdin, without_secret(url) or self._where)

    def _run(self, arguments: Sequence[str], env: Mapping[str, str], stdin: bytes, where: str) -> bytes:
        holds = arguments[0] in _HOLDING
        done = process.run(
            ["git", "-C", str(self.root), *(_UNTIDIED if holds else ()), *arguments],
            env={**persons_environment(), **self._env, **env},
            stdin=stdin,
            timeout=_PUSH_SECONDS,
            check=False,
            keep=self._kept if holds else (),
        )
        if done.status != 0:
            raise _meaning(done.stderr.decode("utf-8", "replace").strip(), done.status, arguments[0], where)
        return done.stdout


def authorisation(url: str, token: str) -> dict[str, str]:
    """The environment that makes git send the token as GitHub takes it: basic authentication, any user name.

    In the environment it is seen by nobody else and lands in no file; an address or an argument would be in logs. What
    git does with a server that falls silent is set here too.
    """
    parts = urlsplit(url)
    settings = [("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(_SILENT_SECONDS))]
    if token and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        key = f"http.{parts.scheme}://{parts.netloc.rpartition('@')[2]}/.extraHeader"
        settings += [
            # A hook would find the token in its environment.
            ("core.hooksPath", os.devnull),
            # Git would send the header to wherever a redirect leads.
            ("http.followRedirects", "false"),
            # An empty value takes back what was set before: a header of the checkout's own would be sent beside ours.
            (key, ""),
            (key, f"Authorization: Basic {secret}"),
        ]
        if parts.scheme == "http":
            # A proxy would read it: git asks one for the loopback interface, too, unless it is told not to.
            settings.append((f"{key.removesuffix('extraHeader')}proxy", ""))
    # Behind what the environment has already: that may be where a name and an address come from.
    given = os.environ.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    env = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings, first):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env


def without_secret(url: str) -> str:
    """An address without a user name or password that may stand in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.scheme else url


def as_name(url: str) -> str:
    """An address as `…/owner/name`, whichever way it is written."""
    return "/" + without_secret(url).removesuffix("/").removesuffix(".git").replace(":", "/")


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
