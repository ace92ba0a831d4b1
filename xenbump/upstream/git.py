"""Git towards a repository that is not ours: which transports, how long, and what its complaints mean.

Git's exit status is 128 for nearly everything, so the reason is read from its messages, in the C locale. The patterns
were seen against real servers that fail in that way (those of TLS: git with GnuTLS; with OpenSSL, as its sources have
them); what matches none is handed on as git said it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xenbump import process
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LIST_SECONDS = 120.0
FETCH_SECONDS = 900.0
# git gives up when less than this arrives per second for this long; without it, a silent server hangs a run for ever.
STALL_BYTES = 500
STALL_SECONDS = 30
_LONGEST_LINE = 300

# This machine: what goes there passes no network, and so no proxy and no eavesdropper.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})
_SCP_LIKE = re.compile(r"(?![-/.])[\w.@-]+:(?!//)\S+")
# `ext::sh -c …`: git would start a helper program of that name (`git help remote-helpers`).
_HELPER = re.compile(r"[^/]*::")

# Given to git by its environment (`git help config`, GIT_CONFIG_COUNT), which counts before what any file says and
# reaches the programs that git starts for itself. `protocol.allow` is not there: GIT_ALLOW_PROTOCOL overrides it.
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.alternateRefsCommand": "true",
    "core.commitGraph": "false",
    "core.askPass": "true",
    # An empty value takes back what was set before.
    "credential.helper": "",
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "fetch.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "transfer.credentialsInUrl": "die",
    "http.sslVerify": "true",
    "http.followRedirects": "false",
    "protocol.version": "2",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
# What git itself writes into the configuration of a store: with `init`, and with a fetch that leaves something out.
_OF_A_STORE = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|symlinks|ignorecase|precomposeunicode|sharedrepository)"
    r"|extensions\.(partialclone|objectformat|refstorage)"
    r"|remote\..*\.(promisor|partialclonefilter|url)"
)
# Git would find objects, parents, attributes or another configuration by these; it writes none of them into a store.
_NOT_OF_A_STORE = (
    "commondir",
    "config.worktree",
    "info/attributes",
    "info/grafts",
    "objects/info/alternates",
    "objects/info/http-alternates",
)

_MEANINGS: tuple[tuple[str, type[XenbumpError], str, str], ...] = (
    (
        r"returned error: 30\d|unable to update url base from redirection|maximum .*redirects",
        Refusal, "E-REDIRECT", "the server sends us elsewhere; a redirect is not followed",
    ),
    (
        r"returned error: 40[13]|uthentication failed|could not read (Username|Password)|Permission denied",
        Failure, "E-GIT-ACCESS", "the server refuses access",
    ),
    (r"dubious ownership", Failure, "E-GIT-ACCESS", "the repository belongs to another user, and git does not read it"),
    (r"\bssh: (command )?not found|cannot run ssh", Failure, "E-PROGRAM-MISSING", "git found no ssh to reach it by"),
    (
        (r"repository '.*' not found|does not appear to be a git repository|not a git repository|error: 4(04|10)"
         r"|not valid: is this a git repository|invalid gitfile format"),
        Failure, "E-GIT-REPOSITORY", "there is no git repository at this address",
    ),
    (r"returned error: [45]\d\d", Failure, "E-HTTP-STATUS", "the server answers with an error"),
    (
        (r"Could(n't| not) (resolve|connect)|Failed to connect|Connection refused|Connection timed out"
         r"|No route to host|Network is unreachable"),
        Failure, "E-NETWORK", "the server cannot be reached",
    ),
    (
        r"certificate verification failed|SSL certificate problem|gnutls_handshake|SSL routines",
        Failure, "E-TLS", "there is no trustworthy encrypted connection to the server",
    ),
    (r"Operation too slow|Operation timed out", Failure, "E-NETWORK", "the server stopped sending"),
    (
        r"attempting to allocate .* over limit",
        Refusal, "E-OBJECT-SIZE", "an object is larger than any that is read",
    ),
    (
        (r"early EOF|unexpected disconnect|hung up unexpectedly|transfer closed|RPC failed|[Rr]ecv failure"
         r"|Empty reply|invalid index-pack output|unexpected end|unexpected flush|expected .* got"
         r"|bad line length|premature end|protocol error|Connection reset|disconnected|expected flush"
         r"|expected 'packfile'|expected response end|bytes of (body|length header)|error processing shallow info"),
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
        UsageError: E-GIT-ADDRESS for any other form, and for one with a password in it (over HTTP a user name counts as
            one: it is where tokens are put).
    """
    try:
        parts = urlsplit(address) if "://" in address else None
    except ValueError:
        parts = urlsplit("")
    if not address or address.startswith("-") or any(ord(c) < ord(" ") for c in address) or _HELPER.match(address):
        raise UsageError("E-GIT-ADDRESS", f"{address!r} is not an address of a git repository", where=where)
    if parts is not None and parts.scheme not in _SCHEMES:
        raise UsageError("E-GIT-ADDRESS", f"git over {parts.scheme!r} is not supported", where=where)
    if parts is not None and (parts.password is not None or (parts.username and parts.scheme in {"http", "https"})):
        raise UsageError("E-GIT-ADDRESS", "the address has a password in it; it would end up in logs", where=where)
    return address


def is_path(address: str) -> bool:
    """Whether an address is a path, not an URL nor the short form of ssh."""
    return "://" not in address and _SCP_LIKE.fullmatch(address) is None


def environment(address: str | None) -> dict[str, str]:
    """The variables that git gets.

    The user's and the machine's git configuration, attributes and stored passwords (`~/.netrc`) are left out: an
    `insteadOf` there would change where things come from, an attribute what a change looks like. ssh, where an address
    asks for it, has the user's configuration: it finds the home folder by itself.

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
    settings = _SETTINGS | {"http.lowSpeedLimit": str(STALL_BYTES), "http.lowSpeedTime": str(STALL_SECONDS)}
    numbered = list(enumerate(settings.items()))
    return {
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TEMPLATE_DIR": "",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30",
        "GIT_ALLOW_PROTOCOL": allowed,
        # Also in a repository on a path, whose own configuration says from where and by which program.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        # Of a single object that is read into memory; a reply may announce one of any size.
        "GIT_ALLOC_LIMIT": "1g",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in numbered},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered},
    }


def refuse_foreign(store: Path) -> None:
    """Refuse a store in which stands what git did not write there, and what would change how it works.

    An option set by the environment counts before one of the store, but git knows hundreds, and some cannot be set back
    (`url.….insteadOf`).

    Raises:
        Failure: E-OBJECT; the store is no longer to be used.
    """
    for name in _NOT_OF_A_STORE:
        if os.path.lexists(store / name):
            raise Failure("E-OBJECT", f"the cache is damaged: {name} does not belong there", where=str(store))
    try:
        content = (store / "config").read_bytes()
    except FileNotFoundError:
        return  # git complains of what is no repository
    except OSError as error:
        raise Failure("E-OBJECT", f"the cache cannot be read: {error.strerror}", where=str(store)) from error
    for key in _keys(content.decode("utf-8", "replace")):
        if _OF_A_STORE.fullmatch(key) is None:
            raise Failure("E-OBJECT", f"the cache is damaged: it has the setting {key[:80]!r}", where=str(store))


def _keys(text: str) -> Iterator[str]:
    """The names of the settings in a configuration file; what is not in the form that git writes is given as it is."""
    section = ""
    for line in text.splitlines():
        if head := re.fullmatch(r'\[([A-Za-z0-9.-]+)(?: "((?:[^"\\]|\\.)*)")?\]', line):
            section = head[1].lower() + ("" if head[2] is None else f".{head[2]}")
        elif setting := re.fullmatch(r"\t([A-Za-z][A-Za-z0-9-]*) = ((?:[^\\\"]|\\[^\n]|\"(?:[^\\\"]|\\.)*\")*)", line):
            yield f"{section}.{setting[1].lower()}"
        elif line.strip():
            yield line


def call(
    arguments: Sequence[str],
    *,
    address: str | None = None,
    repository: Path | None = None,
    timeout: float = 60.0,
    keep: Sequence[int] = (),
) -> process.Completed:
    """Run git.

    Args:
        arguments: the subcommand and its arguments.
        address: the remote address that the subcommand may talk to; None: none.
        repository: the bare repository it works in.
        timeout: seconds.
        keep: open files that git and its helpers get, such as a lock that they are to hold.

    Raises:
        Refusal: the reply must not be believed (E-REDIRECT, E-GIT-FSCK, …).
        Failure: the address did not answer as it should; the code says in which way. E-OBJECT: the repository has
            settings that are not its own.
    """
    argv = [
        "git",
        *([] if repository is None else [f"--git-dir={repository}"]),
        *arguments,
    ]
    if repository is not None:
        refuse_foreign(repository)
    env = environment(address)
    if repository is None:
        # Or git would look for a repository around the current folder, and follow an `insteadOf` in that one.
        env["GIT_DIR"] = "/dev/null"
    done = process.run(argv, env=env, timeout=timeout, check=False, keep=keep)
    if done.status != 0:
        raise explained(done, address or str(repository or ""))
    return done


def explained(done: process.Completed, where: str) -> XenbumpError:
    """The error that a failed git call stands for."""
    message = done.error_text
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for pattern, kind, code, what in _MEANINGS:
        telling = next((line for line in lines if re.search(pattern, line)), None)
        if telling is not None:
            return kind(code, f"{what} ({telling[:_LONGEST_LINE]})", where=where)
    first = lines[0] if lines else process.ended(done.status)
    telling = next((line for line in lines if line.startswith(("fatal:", "error:"))), first)
    return Failure("E-GIT", f"git {_subcommand(done.argv)!r} failed: {telling[:_LONGEST_LINE]}", where=where)


def _subcommand(argv: Sequence[str]) -> str:
    """The first word behind git's own options: `-c name=value` and `--git-dir=…`."""
    words = iter(argv[1:])
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("--"):
            return word
    return ""
