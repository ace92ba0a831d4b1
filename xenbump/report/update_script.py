"""What nixpkgs' `maintainers/scripts/update.nix` reads from an update script with the feature `commit`.

The form is nixpkgs' own (its manual, "Automatic package updates", `passthru.updateScript`): a JSON list on stdout, one
object for each commit to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from xenbump.outcomes import Outcome, Written
from xenbump.publish import message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VARIABLE = "UPDATE_NIX_ATTR_PATH"


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """A commit to make, with the keys of that form; `files` are absolute."""

    attr_path: str
    old_version: str
    new_version: str
    files: tuple[str, ...]
    commit_message: str


def changes(outcomes: Iterable[Outcome], folder: Path) -> str:
    """The list, as JSON with a line break at its end; empty where nothing was written.

    Args:
        outcomes: of a bump.
        folder: the folder that the files' paths start from.
    """
    found = [
        Change(
            attr_path=outcome.plan.subject.attribute,
            old_version=outcome.plan.subject.version,
            new_version=outcome.plan.target.version,
            files=tuple(str((folder / edit.file).resolve()) for edit in outcome.edits),
            commit_message=message.commit_message(outcome.plan),
        )
        for outcome in outcomes
        if isinstance(outcome, Written)
    ]
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
