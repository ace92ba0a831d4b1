"""The types of the JSON document of a report; `docs/schemas/report.json` is made from them."""

from __future__ import annotations

from typing import Literal

import msgspec

from xenbump.plan.model import Decision  # noqa: TC001 - msgspec reads the types at run time


class Figures(msgspec.Struct, frozen=True):
    """The numbers at the head: packages, those that lack something, and advisories, each counted once."""

    packages: int
    lacking: int
    missing: int
    uncertain: int
    patched: int
    advisories: int
    releases: int


class Lack(msgspec.Struct, frozen=True):
    """An advisory that is open in a package: since which day, for how many, and the pull request that closes it."""

    xsa: int
    verdict: Literal["needs-patch", "conflict"]
    title: str
    reason: str
    since: str | None
    days: int | None
    pull_request: str | None


class Window(msgspec.Struct, frozen=True):
    """How long a branch is supported, as in the document of a check."""

    branch: str
    supported_until: str | None
    security_until: str | None
    ended: bool
    status: str


class Package(msgspec.Struct, frozen=True):
    """A package: how many advisories have each verdict, what it lacks, what a person decided, and every decision."""

    name: str
    file: str
    version: str
    tag: str
    support: Window | None
    counts: dict[str, int]
    lacks: tuple[Lack, ...]
    decided: dict[str, str]
    decisions: tuple[Decision, ...]


class Release(msgspec.Struct, frozen=True):
    """A release, the day on which it was signed, and its advisories by verdict."""

    version: str
    tag: str
    released: str | None
    verdicts: dict[str, tuple[int, ...]]


class Wait(msgspec.Struct, frozen=True):
    """How many hours an advisory was public before the first pull request that closes it in a package."""

    xsa: int
    package: str
    public: str
    requested: str
    hours: float
    number: int
    url: str


class Verification(msgspec.Struct, frozen=True):
    """A verification: its steps by result, XTF's results, and those of the older version that it was compared with."""

    package: str
    version: str
    outcome: Literal["passed", "incomplete", "rejected"]
    engine: str
    when: str
    of: str
    steps: dict[str, str]
    tests: dict[str, str]
    compared: str
    compared_tests: dict[str, str]


class ReportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`xenbump report --format json`. Times are YYYY-MM-DDTHH:MM:SSZ."""

    schema: Literal["xenbump.report/1"] = "xenbump.report/1"
    made: str
    program: str
    figures: Figures
    packages: tuple[Package, ...]
    releases: tuple[Release, ...]
    waits: tuple[Wait, ...]
    verifications: tuple[Verification, ...]
