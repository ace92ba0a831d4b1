"""What `xenbump doctor` found, as text and as a JSON document."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump.doctor.model import Result, is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.doctor.model import Check

_RESULT_WIDTH = max(len(result.value) for result in Result) + 2


class DoctorEntry(msgspec.Struct, frozen=True):
    """One check: what was found, what a lack costs, and the one command or line that mends it.

    `lacking`: the work goes on with less; `broken`: it stops there; `skipped`: not looked at, `what` says why.
    """

    name: str
    result: Literal["ok", "lacking", "broken", "skipped"]
    what: str
    costs: str
    do: str
    seconds: float


class DoctorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`xenbump doctor --json`; `sound`: nothing is broken."""

    schema: Literal["xenbump.doctor/1"] = "xenbump.doctor/1"
    version: str
    sound: bool
    checks: tuple[DoctorEntry, ...]


def document(checks: tuple[Check, ...], version: str) -> DoctorDocument:
    """`xenbump doctor --json`."""
    entries = tuple(DoctorEntry(one.name, one.result.value, one.what, one.costs, one.do, one.seconds) for one in checks)
    return DoctorDocument(version=version, sound=is_sound(checks), checks=entries)


def text(checks: tuple[Check, ...], *, width: int, quiet: bool = False) -> str:
    """The checks, one below the other, and how many there are of each result.

    Args:
        checks: what was found.
        width: columns that a line may have.
        quiet: leave out what is ok or was skipped, and the sum where nothing is left.
    """
    wanted = [one for one in checks if not quiet or one.result in {Result.LACKING, Result.BROKEN}]
    name = min(max((len(one.name) for one in wanted), default=0) + 2, max(width // 3, 12))
    lines = [line for one in wanted for line in _told(one, name, width)]
    counts = Counter(one.result for one in checks)
    total = ", ".join(f"{counts[result]} {result.value}" for result in Result if counts[result])
    return "".join(f"{line}\n" for line in ([*lines, total] if not quiet or lines else []))


def _told(check: Check, name: int, width: int) -> Iterator[str]:
    head = f"{check.result.value:<{_RESULT_WIDTH}}{check.name:<{name}}"
    if not head.endswith("  "):
        head += "  "
    indent = " " * _RESULT_WIDTH
    yield from _wrapped(check.what, head, " " * (_RESULT_WIDTH + name), width)
    if check.costs:
        yield from _wrapped(f"costs: {check.costs}", indent, indent + " " * 7, width)
    if check.do:
        # One line, however long: it is there to be copied.
        yield f"{indent}do: {check.do}"


def _wrapped(said: str, first: str, others: str, width: int) -> list[str]:
    plain = " ".join(said.split())
    room = max(width, len(others) + 20)
    return textwrap.wrap(
        plain, room, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]
