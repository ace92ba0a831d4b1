"""`xenbump explain`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def explain(
    code: Annotated[str, typer.Argument(metavar="[CODE]", help="A code such as E-TAG-UNSIGNED.")] = "",
) -> None:
    """Print the page of an error code: what it means and what to do; without a code, the list of all."""
    from xenbump import refusals

    sys.stdout.write(refusals.page(code) if code else refusals.index())
