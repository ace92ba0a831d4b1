"""Text from outside in Markdown: a reader of Markdown finds it in code and nowhere else."""

from __future__ import annotations

import re

from tests.publish.markdown import REFERENCES, Read
from xenbump.publish import links, markup

_REFERENCE = re.compile(r"@|#\d|\bgh-\d|://|\bwww\.", re.IGNORECASE)
_MOST = 300


def one(data: bytes) -> bool:
    """Write a text as a code span, a cell of a table, a code block and a line of a commit message, and read it."""
    text = data.decode("utf-8", "surrogateescape")
    clipped = markup.clipped(text, _MOST)
    span = markup.code(clipped)
    assert _shape(f"a {span} b") == _shape("a `x` b")
    cell = markup.cell(clipped)
    assert _shape(f"| a | b |\n|---|---|\n| {cell} | c |\n") == _shape("| a | b |\n|---|---|\n| `x` | c |\n")
    block = markup.block(text.split("\n"), 20, _MOST)
    if block:
        assert _shape(f"a\n\n{block}\n\nb\n") == _shape("a\n\n```text\nx\n```\n\nb\n")
    for written in (span, cell, block):
        written.encode()
        assert REFERENCES.search(written) is None
        assert all(line.isprintable() for line in written.split("\n"))
    line = markup.tame(text)
    line.encode()
    assert line.isprintable()
    assert _REFERENCE.search(line) is None
    reference = links.reference(text)
    # The address of a pull request stays as it is; all else is code.
    assert re.fullmatch(r"https?://[\w.:/-]+", reference, re.ASCII) or _shape(f"a {reference} b") == _shape("a `x` b")
    return bool(block)


def _shape(text: str) -> list[tuple[object, ...]]:
    return Read(text).shape
