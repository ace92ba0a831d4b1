"""The values of a plan."""

from __future__ import annotations

import pytest

from xenbump.plan.model import Condition


@pytest.mark.parametrize(
    ("version", "function", "bound", "holds"),
    [
        ("4.20.4", "versionOlder", "4.21", True),
        ("4.9.4", "versionOlder", "4.21", True),
        ("4.21.0", "versionOlder", "4.21", False),
        ("4.21", "versionOlder", "4.21.0", True),
        ("4.20.4", "versionAtLeast", "4.20.4", True),
        ("4.20.3", "versionAtLeast", "4.20.4", False),
        ("4.20.5-unstable-2026-08-20", "versionOlder", "4.21", True),
        ("4.20.5-unstable-2026-08-20", "versionOlder", "4.20.5", None),
        ("4.20.4", "versionOlder", "4.21-pre", None),
        ("4.20.4", "", "", None),
        ("unstable", "versionOlder", "4.21", None),
    ],
)
def test_whether_a_condition_holds(version: str, function: str, bound: str, *, holds: bool | None) -> None:
    assert Condition("the text", function, bound).holds(version) is holds
