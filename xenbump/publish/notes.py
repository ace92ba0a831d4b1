"""Comments that are left on a pull request, each once for a change, with a hidden marker that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.publish.links import reference
from xenbump.publish.marker import note
from xenbump.publish.markup import code

if TYPE_CHECKING:
    from xenbump.publish.message import Message

HANDS_OFF = "hands-off"
EDITED_BODY = "edited-body"
SUPERSEDED = "superseded"


def hands_off(message: Message, *, branch: str, commit: str) -> str:
    """A comment that says that a person's commit is on the branch, and that it is left alone.

    Args:
        message: what would have been published.
        branch: the head branch.
        commit: the person's commit.
    """
    return note(
        HANDS_OFF,
        message.key,
        f"{code(branch)} has a commit that this bot did not make, {code(commit[:12])}. Nothing is pushed to it, and "
        f"title and description stay as they are.\n\nIt would have proposed: {code(message.title)}. It goes on once "
        "only its own commits are on the branch, or the branch is gone.",
    )


def edited_body(message: Message) -> str:
    """A comment that says that title and description are a person's from now on."""
    return note(
        EDITED_BODY,
        message.key,
        "The part of the description that this bot writes was edited. Title and description are left as they are; the "
        f"branch goes on, now with: {code(message.title)}.\n\nNotes of your own can stand above or below that part. To "
        "have it written again, empty the description.",
    )


def superseded(message: Message, by: str) -> str:
    """A comment that says which pull request comes instead of this one.

    Args:
        message: what the newer one says.
        by: its address.
    """
    return note(SUPERSEDED, message.key, f"Superseded by {reference(by)}: {code(message.title)}.")
