"""A body as a reader of GitHub's Markdown has it: what is code, and what is anything else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.token import Token

_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Mentions, references to issues, orders to close one, comments: what code has, too, where a description is taken over
# into a commit message.
REFERENCES = re.compile(
    r"(?<![0-9A-Za-z])@\w|#\d|\bgh-\d|\b(?:close|fix|resolve)\w*\W{1,5}https?://|<!--|--!?>", re.IGNORECASE | re.ASCII
)


class Read:
    """A text that was read as Markdown.

    Attributes:
        code: what stands in code spans and code blocks.
        shape: all the rest, in order: kinds, tags, attributes and texts.
    """

    def __init__(self, text: str) -> None:
        self.code: list[str] = []
        self.shape = list(self._walk(_READER.parse(text)))

    def _walk(self, tokens: Sequence[Token]) -> Iterator[tuple[object, ...]]:
        for one in tokens:
            if one.type in {"code_inline", "fence", "code_block"}:
                self.code.append(one.content)
                yield one.type, one.info
            elif one.type == "inline":
                yield from self._walk(one.children or ())
            else:
                yield one.type, one.tag, sorted(one.attrs.items()), one.content, one.info
