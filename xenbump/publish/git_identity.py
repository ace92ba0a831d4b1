"""Who git is configured to make commits as, for a place where git makes none."""

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
            env=dict(os.environ),
            check=False,
        )
    except Failure as error:
        if error.code != "E-PROGRAM-MISSING":
            raise
        return None
    match = _IDENTITY.fullmatch(done.stdout.decode("utf-8", "replace").strip()) if done.status == 0 else None
    return Person(match["name"], match["email"]) if match is not None else None
