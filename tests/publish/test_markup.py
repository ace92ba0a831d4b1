"""Text from outside stays text: on a line, in a code span, in a commit message."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.publish.markdown import REFERENCES
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
        ("thanks to @everyone, a@b.org", "`thanks to @ everyone, a@b.org`"),
        ("fixes #1, a/b#2, CPU#0, gh-3", "`fixes # 1, a/b# 2, CPU# 0, gh 3`"),
        ("Closes: https://github.com/a/b/issues/1", "`Closes: https: //github.com/a/b/issues/1`"),
        ("see https://example.org/#a", "`see https://example.org/#a`"),
        ("<!-- /xenbump -->", "`<! -- /xenbump -- >`"),
        ("<!---->--!>", "`<! ---- >-- !>`"),
        ("\ud800\x00", "`\ufffd\ufffd`"),
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


# --- code blocks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), ""),
        (("", "\x1b[0m"), ""),
        (("a",), "```text\na\n```"),
        (("a", "  b\tc"), "```text\na\n  b     c\n```"),
        (("a\r\nb\r\n",), "```text\na\nb\n```"),
        (("10%\r50%\r100%\r",), "```text\n100%\n```"),
        (("```", "@everyone"), "````text\n```\n@ everyone\n````"),
        (("a" + "`" * 200,), "`" * 201 + "text\na" + "`" * 200 + "\n" + "`" * 201),
        (("\x1b[1;31merror:\x1b[0m x\x1b]0;title\x07y\x1b(Bz",), "```text\nerror: xyz\n```"),
        (("a\x00b\u202ec\ud800", "d\u2028e"), "```text\na\ufffdb\ufffdc\ufffd\nd\ufffde\n```"),
        (("</details>", "<!-- /xenbump -->"), "```text\n</details>\n<! -- /xenbump -- >\n```"),
    ],
)
def test_block(lines: tuple[str, ...], expected: str) -> None:
    assert markup.block(lines, 30, 300) == expected


def test_a_block_has_the_last_lines_and_their_beginning() -> None:
    lines = tuple(f"{number} {'x' * 20}" for number in range(100))
    for given_ in (lines, ("\n".join(lines),), ("a", "\n".join(lines[:60]), *lines[60:])):
        assert markup.block(given_, 2, 10) == "```text\n98 xxxxxx…\n99 xxxxxx…\n```"
    assert markup.block(lines, 0, 10) == ""


@given(st.lists(ODD, max_size=6), st.integers(0, 5), st.integers(10, 40))
def test_nothing_ends_a_block(lines: list[str], most: int, width: int) -> None:
    written = markup.block(lines, most, width)
    if not written:
        return
    first, *inner, last = written.split("\n")
    assert first == f"{last}text"
    assert set(last) == {"`"}
    assert len(last) >= 3
    assert 0 < len(inner) <= most
    assert not any(last in line for line in inner)
    assert all(line.isprintable() for line in inner)
    assert REFERENCES.search("\n".join(inner)) is None


@given(ODD)
def test_what_is_quiet_refers_to_nothing(text: str) -> None:
    assert REFERENCES.search(markup.quiet(text)) is None


def test_ten_megabytes_take_no_time() -> None:
    began = time.process_time()
    for text in ("x" * 10_000_000, "`" * 10_000_000, "\x1b[" * 5_000_000, "\r\n" * 5_000_000, "a\r" * 5_000_000):
        assert len(markup.block((text,), 30, 300)) < 40_000
        assert len(markup.block((text,) * 5, 30, 300)) < 40_000
        assert len(markup.code(markup.clipped(text, 300))) < 1000
    assert time.process_time() - began < 2
