"""Replies of GitHub that are not of their form."""

from __future__ import annotations

import json

import pytest

from xenbump.publish import github_replies as replies


@pytest.mark.parametrize("title", [r"\ud800", r"a\udfff"])
def test_half_a_character_is_no_text(title: str) -> None:
    assert replies.read(json.loads(f'{{"number": 1, "title": "{title}"}}'), replies.Found) is None


def test_whole_characters_are() -> None:
    found = replies.read(json.loads(r'{"number": 1, "title": "\ud83d\ude00"}'), replies.Found)
    assert found == replies.Found(1, "\U0001f600")
