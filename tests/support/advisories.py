"""The facts of real advisories, and advisories made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xenbump.demo.advisory_text import build

if TYPE_CHECKING:
    from xenbump.upstream.advisory import Advisory

DATA = Path(__file__).parents[1] / "data"


def resolutions() -> list[dict[str, Any]]:
    """The facts of real advisories: number, CVEs, title, version, and their tables."""
    found: list[dict[str, Any]] = json.loads((DATA / "xsa-resolutions.json").read_text("utf-8"))
    return found


def real(fact: dict[str, Any]) -> Advisory:
    """An advisory with the head and the table of a real one, and two files for each pattern."""
    return build(
        fact["xsa"],
        [(glob, text) for glob, text in fact["resolution"]],
        title=fact["title"] or "not known",
        version=fact["version"] or 1,
        cves=fact["cves"],
    )
