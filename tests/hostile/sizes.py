"""How large the hostile inputs are, and what they took: XENBUMP_FAULTS=all makes them as large as the names say.

With XENBUMP_HOSTILE_TABLE=FILE what was measured is written there, a line for each case.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hostile.leash import Ended

# Read at once: the fixtures take such variables away.
FULL = os.environ.get("XENBUMP_FAULTS") == "all"
_TABLE = os.environ.get("XENBUMP_HOSTILE_TABLE")


class _Report:
    def note(self, name: str, ended: Ended) -> None:
        """Write down what a case took."""
        if _TABLE:
            line = f"| {name} | {ended.status} | {ended.seconds:.1f} | {ended.own} | {ended.child} |\n"
            with Path(_TABLE).open("a", encoding="utf-8") as table:
                table.write(line)


REPORT = _Report()
