"""Markdown out of the templates: what is filled in is Markdown already, and what came from outside in it is in code."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """A template's text without blank lines in a row, with one line break at its end; empty where it says nothing."""
    text = re.sub(r"\n{3,}", "\n\n", _environment().get_template(template).render(**values)).strip("\n")
    return f"{text}\n" if text else ""


@cache
def _environment() -> Environment:
    # Imported here: a run that publishes nothing does not need it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    # Markdown, not HTML: escaping is the business of `markup.code` and `markup.block`.
    return Environment(  # noqa: S701
        loader=PackageLoader("xenbump.publish"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
