"""Replies of GitHub: values of their form or none, whatever JSON comes."""

from __future__ import annotations

import json
from typing import Any

from tests.fuzz import shown
from xenbump.publish import github_replies as replies

_FORMS: tuple[Any, ...] = (
    replies.Pull,
    replies.Said,
    replies.Found,
    replies.Reviewers,
    replies.Reviewed,
    replies.Assigned,
    replies.MarkedReady,
    replies.Account,
    list[replies.Pull],
    tuple[replies.Said, ...],
)


def one(data: bytes) -> bool:
    """Read JSON in every form."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    read = [replies.read(found, form) for form in _FORMS]
    for value in read:
        if isinstance(value, replies.Pull):
            pull = value.value()
            shown.check(pull)
            assert pull.state == value.state
            assert "\r\n" not in pull.body
        if isinstance(value, replies.Said):
            shown.check(value.value())
            assert "\r\n" not in value.value().body
    return any(value is not None for value in read)
