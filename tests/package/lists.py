"""Texts of patches for the tests of lists: calls in several styles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.package.support import read, sri, with_patches, xsa
from xenbump.plan.model import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBXL = Patch("https://github.com/xen-project/xen/commit/0123456.diff", None, sri(1), "fetchpatch")


def call(patch: Patch, indent: str = "    ", *, function: str = "", step: str = "  ", hash_first: bool = False) -> str:
    """A call over several lines, with a line break at its end."""
    facts = [f'{indent}{step}url = "{patch.url}";\n', f'{indent}{step}hash = "{patch.hash}";\n']
    body = "".join(reversed(facts) if hash_first else facts)
    return f"{indent}({function or patch.fetcher} {{\n{body}{indent}}})\n"


def line(patch: Patch, indent: str = "    ") -> str:
    """A call on one line."""
    return f'{indent}({patch.fetcher} {{ url = "{patch.url}"; hash = "{patch.hash}"; }})\n'


def file_of(*lines: str, arguments: str = "\n  fetchpatch,", ending: str = "  ]") -> str:
    """A small file whose list has these lines."""
    return with_patches("[\n" + "".join(lines) + ending, arguments=arguments)


def value_of(text: str) -> str:
    """The value of `patches` in a small file."""
    return text[text.index("patches = ") + len("patches = ") : text.index(";\n\n  src = ")]


def old(text: str) -> list[Patch]:
    return list(read(text).patches)


def series(*numbers: int) -> Sequence[Patch]:
    return [xsa(number) for number in numbers]
