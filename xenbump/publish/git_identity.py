"""The person whose git it is: the environment that it gets, and who it is configured to make commits as."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from xenbump import process
from xenbump.errors import Failure
from xenbump.publish.git_data import Person

if TYPE_CHECKING:
    from pathlib import Path

_IDENTITY = re.compile(r"(?P<name>.+) <(?P<email>[^<>]+)> \d+ [+-]\d{4}")

# Handed on besides what every program gets: where the person's configuration, keys and helpers are, who commits, how
# ssh and TLS are to be used, and how helpers reach a desktop. Not GIT_SSL_NO_VERIFY, and no variable that has a trace
# of git written with passwords in it.
_HANDED_ON = re.compile(
    r"XDG_\w+|EMAIL|TZ|LANG|GNUPGHOME|GPG_TTY|GPG_AGENT_INFO|SSH_AGENT_PID|SSH_ASKPASS|SSH_ASKPASS_REQUIRE|KRB5\w*"
    r"|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_SESSION_BUS_ADDRESS|NIX_PATH|NIX_PROFILES|LOCALE_ARCHIVE"
    r"|GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|PARAMETERS|COUNT|KEY_\d+|VALUE_\d+)"
    r"|GIT_ASKPASS|GIT_SSH|GIT_SSH_COMMAND|GIT_SSH_VARIANT|GIT_SSL_(CAINFO|CAPATH|CERT|KEY|CERT_PASSWORD_PROTECTED)"
    r"|GIT_PROXY_COMMAND|GIT_PROXY_SSL_\w+|GIT_HTTP_PROXY_AUTHMETHOD|GIT_ATTR_NOSYSTEM|GIT_ALLOW_PROTOCOL"
    r"|GIT_CEILING_DIRECTORIES|GIT_DISCOVERY_ACROSS_FILESYSTEM"
)


def persons_environment() -> dict[str, str]:
    """The variables for a git that is to work as the person's own does, besides those that every program gets."""
    return {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}


def configured(folder: Path) -> dict[str, Person]:
    """`author` and `committer` as git has them for commits made in a folder.

    A name and an address that git would make up from the login and the name of the machine do not count.

    Returns:
        Both; nothing where git is not there or has not a whole name and address for each.
    """
    persons = {}
    for role in ("author", "committer"):
        person = _person(role.upper(), folder)
        if person is None:
            return {}
        persons[role] = person
    return persons


def _person(role: str, folder: Path) -> Person | None:
    try:
        done = process.run(
            ["git", "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT"],
            cwd=folder if folder.is_dir() else None,
            env=persons_environment(),
            check=False,
        )
    except Failure as error:
        if error.code != "E-PROGRAM-MISSING":
            raise
        return None
    match = _IDENTITY.fullmatch(done.stdout.decode("utf-8", "replace").strip()) if done.status == 0 else None
    return Person(match["name"], match["email"]) if match is not None else None
