"""Git towards a repository that is not ours: which transports, how long, and what its complaints mean.

Git's exit status is 128 for nearly everything, so the reason is read from its messages, in the C locale. Every pattern
here was seen in a test against a real server that fails in that way; what matches none is handed on as git said it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIST_SECONDS = 120.0
FETCH_SECONDS = 900.0
# git gives up when less than this arrives per second for this long; without it, a silent server hangs a run for ever.
STALL_BYTES = 500
STALL_SECONDS = 30

_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
_SCP_LIKE = re.compile(r"(?![-/.])[\w.@-]+:(?!/?/)\S+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_MEANINGS: tuple[tuple[str, type[XenbumpError], str, str], ...] = (
    (
        r"returned error: 30\d|unable to update url base from redirection|maximum .*redirects",
        Refusal, "E-REDIRECT", "the server sends us elsewhere; a redirect is not followed",
    ),
    (
        r"returned error: 40[13]|uthentication failed|could not read (Username|Password)|Permission denied",
        Failure, "E-GIT-ACCESS", "the server refuses access",
    ),
    (
        (r"repository '.*' not found|does not appear to be a git repository|not a git repository|error: 404"
         r"|not valid: is this a git repository"),
        Failure, "E-GIT-REPOSITORY", "there is no git repository at this address",
    ),
    (r"returned error: (429|5\d\d)", Failure, "E-HTTP-STATUS", "the server answers with an error"),
    (
        (r"Could(n't| not) (resolve|connect)|Failed to connect|Connection refused|Connection timed out"
         r"|No route to host|Network is unreachable"),
        Failure, "E-NETWORK", "the server cannot be reached",
    ),
    (r"Operation too slow|Operation timed out", Failure, "E-NETWORK", "the server stopped sending"),
    (
        (r"early EOF|unexpected disconnect|hung up unexpectedly|transfer closed|RPC failed|[Rr]ecv failure"
         r"|Empty reply|invalid index-pack output|unexpected end|unexpected flush|expected .* got"
         r"|bad line length|premature end|protocol error|Connection reset|disconnected"),
        Failure, "E-TRUNCATED", "the reply ended early",
    ),
    (r"couldn't find remote ref|not our ref", Refusal, "E-TAG-MISSING", "the repository has not what was asked for"),
    (r"dumb http transport does not support", Refusal, "E-GIT-DUMB", "the server only serves plain files over HTTP"),
    (r"No space left on device", Failure, "E-DISK", "the disk is full"),
    (r"fsck error|badTree|badTimezone", Refusal, "E-GIT-FSCK", "an object is malformed"),
)  # fmt: skip


def check_address(address: str, where: str) -> str:
    """Check an address of a git repository before it becomes an argument of git.

    Args:
        address: an URL (https, http, ssh, git, file), the short form `host:path` of ssh, or a path.
        where: where it comes from, for errors.

    Returns:
        The address.

    Raises:
        UsageError: E-GIT-ADDRESS for any other form, and for one with a password in it.
    """
    parts = urlsplit(address) if "://" in address else None
    if not address or address.startswith("-") or any(ord(c) < ord(" ") for c in address) or "::" in address[:12]:
        raise UsageError("E-GIT-ADDRESS", f"{address!r} is not an address of a git repository", where=where)
    if parts is not None and parts.scheme not in _SCHEMES:
        raise UsageError("E-GIT-ADDRESS", f"git over {parts.scheme!r} is not supported", where=where)
    if parts is not None and parts.password is not None:
        raise UsageError("E-GIT-ADDRESS", "the address has a password in it; it would end up in logs", where=where)
    return address


def is_path(address: str) -> bool:
    """Whether an address is a path, not an URL nor the short form of ssh."""
    return "://" not in address and _SCP_LIKE.fullmatch(address) is None


def environment(address: str | None) -> dict[str, str]:
    """The variables that git gets.

    The user's and the machine's git configuration are left out: an `insteadOf` there would change where things come
    from.

    Args:
        address: the only address whose transport is allowed; None: no transport at all, for reading a cache.
    """
    if address is None:
        allowed = "none"
    elif is_path(address):
        allowed = "file"
    elif "://" in address:
        allowed = urlsplit(address).scheme
    else:
        allowed = "ssh"
    return {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30",
        "GIT_ALLOW_PROTOCOL": allowed,
        "GIT_NO_LAZY_FETCH": "1" if address is None else "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def call(
    arguments: Sequence[str], *, address: str | None = None, repository: Path | None = None, timeout: float = 60.0
) -> process.Completed:
    """Run git.

    Args:
        arguments: the subcommand and its arguments.
        address: the remote address that the subcommand may talk to; None: none.
        repository: the bare repository it works in.
        timeout: seconds.

    Raises:
        Refusal: the reply must not be believed (E-REDIRECT, E-GIT-FSCK, …).
        Failure: the address did not answer as it should; the code says in which way.
    """
    argv = [
        "git",
        *([] if repository is None else [f"--git-dir={repository}"]),
        "-c", "http.followRedirects=false",
        "-c", f"http.lowSpeedLimit={STALL_BYTES}",
        "-c", f"http.lowSpeedTime={STALL_SECONDS}",
        "-c", "fetch.fsckObjects=true",
        "-c", "protocol.version=2",
        "-c", "gc.auto=0",
        "-c", "maintenance.auto=false",
        "-c", "core.hooksPath=/dev/null",
        *arguments,
    ]  # fmt: skip
    done = process.run(argv, env=environment(address), timeout=timeout, check=False)
    if done.status != 0:
        raise explained(done, address or str(repository or ""))
    return done


def explained(done: process.Completed, where: str) -> XenbumpError:
    """The error that a failed git call stands for."""
    message = done.error_text
    for pattern, kind, code, what in _MEANINGS:
        if re.search(pattern, message):
            return kind(code, f"{what} ({_last_line(message)})", where=where)
    return Failure("E-GIT", f"git {done.argv[-1][:60]!r} failed: {_last_line(message)}", where=where)


def _last_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (telling or lines or ["no message"])[0][:300]
