"""JUnit's XML out of a build: cases, or a ValueError."""

from __future__ import annotations

import math

from tests.fuzz import shown
from xenbump.dom0.report import RESULTS
from xenbump.verify import junit


def one(data: bytes) -> bool:
    """Read a report of tests."""
    try:
        checks = junit.read(data)
    except ValueError:
        return False
    assert checks
    for check in checks:
        assert check.name
        assert check.result in RESULTS
        assert math.isfinite(check.seconds)
        assert check.seconds >= 0
        assert "\n" not in check.name + check.reason
        shown.check(check)
    return True
