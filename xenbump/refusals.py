"""The page of each error code, for `xenbump explain` and `docs/refusals.md`. The texts are in `refusals.toml`."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from xenbump.errors import UsageError

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Page:
    """What a code means, why the program stops there, and what to do."""

    code: str
    means: str
    why: str
    do: str


@cache
def pages() -> dict[str, Page]:
    """All pages by code, in the order of the file."""
    text = (resources.files("xenbump") / "refusals.toml").read_text("utf-8")
    return {code: Page(code, **texts) for code, texts in tomllib.loads(text).items()}


def page(code: str) -> str:
    """The page of a code as text; case and a missing `E-` do not matter.

    Raises:
        UsageError: E-CODE-UNKNOWN.
    """
    wanted = code.upper() if code.upper().startswith("E-") else f"E-{code.upper()}"
    found = pages().get(wanted)
    if found is None:
        raise UsageError("E-CODE-UNKNOWN", f"no error has the code {code!r}")
    parts = [found.means, f"Why it stops: {found.why}", f"What to do: {found.do}"]
    return "\n\n".join([found.code, *(textwrap.fill(part, _WIDTH) for part in parts)]) + "\n"


def index() -> str:
    """The list of all codes with what they mean."""
    width = max(map(len, pages())) + 2
    return "".join(
        textwrap.fill(found.means, _WIDTH + 20, initial_indent=code.ljust(width), subsequent_indent=" " * width) + "\n"
        for code, found in pages().items()
    )


def markdown() -> str:
    """`docs/refusals.md`."""
    head = "# Error codes\n\nEach error of xenbump has a stable code. `xenbump explain CODE` prints the same page.\n"
    sections = [
        f"## {found.code}\n\n{found.means}\n\n*Why it stops:* {found.why}\n\n*What to do:* {found.do}\n"
        for found in pages().values()
    ]
    return "\n".join([head, *sections])
