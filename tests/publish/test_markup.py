"""Text from outside stays text: on a line, in a code span, in a commit message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.publish import markup

# What GitHub takes for a mention, a reference to an issue or an address of one.
REFERENCE = re.compile(r"@|#\d|\bgh-\d|://|\bwww\.", re.IGNORECASE)
ODD = st.text(st.sampled_from("`@a1|\\ <>-!#:/.\n\r\tGHghwW_[]()~&\u202e\u2029\x00é"), max_size=30) | st.text(
    max_size=30
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x86: a title", "x86: a title"),
        ("  two\n\n lines\t", "two lines"),
        ("a\u202eb\x1b[2J\x00", "a\ufffdb\ufffd[2J\ufffd"),
        ("a\u2028b\u200bc", "a b\ufffdc"),
        ("", ""),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert markup.plain(text) == expected


@pytest.mark.parametrize(("text", "most", "expected"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a bcd", 3, "a…")])
def test_clipped(text: str, most: int, expected: str) -> None:
    assert markup.clipped(text, most) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "`a`"),
        ("a `b` c", "``a `b` c``"),
        ("`", "`` ` ``"),
        ("``a", "``` ``a ```"),
        ("", "` `"),
        ("a\nb", "`a b`"),
    ],
)
def test_code(text: str, expected: str) -> None:
    assert markup.code(text) == expected


@given(ODD)
def test_a_code_span_has_one_line_and_ends_where_it_should(text: str) -> None:
    written = markup.code(text)
    fence = re.match("`+", written)
    assert fence is not None
    runs = re.findall("`+", written)
    assert [place for place, run in enumerate(runs) if run == fence[0]] == [0, len(runs) - 1]
    assert all(char.isprintable() for char in written)
    assert "|" not in markup.cell(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x86: plain, with CVE-2026-1 and XSA-480", "x86: plain, with CVE-2026-1 and XSA-480"),
        ("thanks to @everyone", "thanks to (at)everyone"),
        ("Fixes #1, closes demo/packages#2", "Fixes (no.)1, closes demo/packages(no.)2"),
        ("fixes GH-1, gh-2", "fixes GH 1, gh 2"),
        ("fixes https://github.com/a/b/issues/1", "fixes https: github.com/a/b/issues/1"),
        ("see www.example.org", "see www example.org"),
        ("a\nAutomated-by: xenbump 1", "a Automated-by: xenbump 1"),
        ("word " * 2000, "word " * 39 + "word…"),
    ],
)
def test_tame(text: str, expected: str) -> None:
    assert markup.tame(text) == expected


@given(ODD)
def test_what_is_tame_refers_to_nothing(text: str) -> None:
    written = markup.tame(text, 50)
    assert REFERENCE.search(written) is None
    assert len(written) <= 50
    assert all(char.isprintable() for char in written)
