"""The log of a NixOS test that failed: nothing else is left of one, since Nix keeps no output of a failed build.

The driver (nixpkgs' nixos/lib/test-driver) prints `subtest: NAME` when one begins, `(finished: subtest: NAME, in 0.42
seconds)` when it succeeded, and `Test "NAME" failed with error: "…"` when not, behind `!!! ` since 2024. Lines of
machines begin with the machine's name and `#`, so no console is taken for the driver. There are colours in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.dom0.check import clipped
from xenbump.dom0.report import FAILED, PASSED, CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BEGUN = re.compile(r"subtest: (?P<name>.+)")
_FINISHED = re.compile(r"\(finished: subtest: (?P<name>.+), in (?P<seconds>\d{1,9}\.\d+) seconds\)")
_FAILED = re.compile(r'(?:!!! )?Test "(?P<name>.+?)" failed with error: "(?P<why>.*?)"?')
_COMPLAINT = re.compile(r"!!! (?P<text>.*\S.*)")
_MOST = 1000
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Told:
    """What a log tells.

    Attributes:
        checks: one for each subtest that was begun, in that order; one that neither succeeded nor failed did not end.
        complaint: the last line that the driver marked as an error; empty where there is none.
    """

    checks: tuple[CheckResult, ...] = ()
    complaint: str = ""


def read(lines: Iterable[str], derivation: str = "") -> Told:
    """What a test's log tells.

    Args:
        lines: its lines.
        derivation: the name of the derivation; where it is given, the lines are those of a log of Nix, and only those
            that begin with it and `> ` count.
    """
    found: dict[str, CheckResult | None] = {}
    complaint, prefix = "", f"{derivation}> " if derivation else ""
    for whole in lines:
        if not whole.startswith(prefix):
            continue
        line = _COLOUR.sub("", whole[len(prefix) :][:_LONGEST]).rstrip()
        if (match := _FAILED.fullmatch(line)) is not None:
            found[match["name"]] = _check(match["name"], FAILED, match["why"] or "it failed without a word")
        elif (match := _FINISHED.fullmatch(line)) is not None:
            if found.get(match["name"]) is None:
                found[match["name"]] = _check(match["name"], PASSED, "", float(match["seconds"]))
        elif (match := _BEGUN.fullmatch(line)) is not None and len(found) < _MOST:
            found.setdefault(match["name"])
        elif (match := _COMPLAINT.fullmatch(line)) is not None:
            complaint = match["text"]
    checks = tuple(one or _check(name, FAILED, "it did not end") for name, one in found.items())
    return Told(checks, clipped((complaint,))[0])


def _check(name: str, result: str, reason: str, seconds: float = 0.0) -> CheckResult:
    name, reason = clipped((name, reason))
    return CheckResult(name, f"the subtest `{name}` succeeds", result, reason, (), seconds)
