"""What the program wrote: its document, the codes of its errors, and what it never writes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support import schemas
from xenbump.demo.world import TOKEN

ESCAPE = "\x1b"
DOCS = Path(__file__).parents[2] / "docs"
Done = subprocess.CompletedProcess[str]


def document(done: Done, name: str) -> Any:
    """The one document on stdout, valid by the published schema."""
    value = json.loads(done.stdout)
    schemas.validate(value, json.loads((DOCS / "schemas" / f"{name}.json").read_text("utf-8")))
    assert value["schema"] == f"xenbump.{name}/1"
    return value


def clean(done: Done) -> None:
    """What is true of whatever the program says."""
    for said in (done.stdout, done.stderr):
        assert ESCAPE not in said
        assert TOKEN not in said
        assert "Traceback" not in said


def codes(done: Done) -> list[str]:
    """The codes of the errors on stderr, in order."""
    return re.findall(r"^(?:refused|failed|usage): (E-[A-Z-]+)", done.stderr, re.MULTILINE)
