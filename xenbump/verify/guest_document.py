"""The JSON document of `xenbump guest run`, `xenbump.guest/1`; `docs/interface.md` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.guest_run import Outcome


class GuestEntry(msgspec.Struct, frozen=True):
    """What came of a guest: what was required of it, why it passed or not, the last that it said, its log's file.

    `skipped`: it was not to be started.
    """

    name: str
    result: Literal["passed", "failed", "skipped"]
    requirement: str
    reason: str
    evidence: tuple[str, ...]
    seconds: float
    log: str


class Dom0Entry(msgspec.Struct, frozen=True):
    """How the dom0 ended, `off` in the regular way; what it lacked, how long it ran, and its console's file."""

    ended: Literal["off", "panic", "hang", "timeout", "reboot", "no-agent", "lost", "ended"]
    detail: str
    lacks: tuple[str, ...]
    seconds: float
    console: str
    tail: tuple[str, ...]


class GuestDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`xenbump guest run --json`; `xen` is what the hypervisor called itself, empty where it never did."""

    schema: Literal["xenbump.guest/1"] = "xenbump.guest/1"
    passed: bool
    xen: str
    engine: str
    dom0: Dom0Entry
    guests: tuple[GuestEntry, ...]


def document(outcome: Outcome, engine: str, place: Path) -> GuestDocument:
    """The document of a run.

    Args:
        outcome: what came out.
        engine: with what it was emulated, in words.
        place: the folder that the logs lie in, see `console` and `log`.
    """
    booted = outcome.booted
    checks = outcome.report.checks if outcome.report is not None else ()
    return GuestDocument(
        passed=outcome.passed,
        xen=booted.version,
        engine=engine,
        dom0=Dom0Entry(
            booted.kind, booted.detail, booted.lacks, round(booted.seconds, 3), str(console(place)), booted.tail
        ),
        guests=tuple(
            GuestEntry(
                name_of(one.name),
                one.result,  # type: ignore[arg-type]
                one.requirement,
                one.reason,
                one.evidence,
                one.seconds,
                str(log(place, name_of(one.name))),
            )
            for one in checks
        ),
    )


def name_of(check: str) -> str:
    """The guest's name out of that of its check."""
    return check.removeprefix("guest:")


def console(place: Path) -> Path:
    """The file of dom0's console in a folder of logs."""
    return place / "dom0.log"


def log(place: Path, name: str) -> Path:
    """The file with what a guest said; with a part before its name, which a guest may well share with dom0's."""
    return place / f"guest-{name}.log"
