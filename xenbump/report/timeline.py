"""Branches over time, as numbers for an SVG to be drawn from: support windows, releases and advisories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from xenbump.plan.model import Verdict
from xenbump.report import view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.report.view import Branch, Exposed, Overview

# In units of the picture.
LEFT, WIDTH, ROW, HEAD = 70, 1080, 46, 30
_CONCERNS = frozenset({Verdict.NEEDS_PATCH, Verdict.ALREADY_PATCHED, Verdict.CONFLICT})
_LABEL = 40  # what the name of a year needs
_AHEAD = 6  # years that are shown at most; what is later ends at the edge
_AROUND = 60  # days that are shown before the first and after the last


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time: `kind` is `full` (support), `security` (only that) or `unknown` (releases, and no window)."""

    kind: str
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A release (`kind` is `release`), or an advisory that concerns the branch (`open` in a package, or `closed`)."""

    kind: str
    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """A branch: its name, its place from above, what is drawn of it, and the same in words."""

    name: str
    y: int
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it: the height, the branches, the years with their places, and today's place."""

    height: int
    rows: tuple[Row, ...]
    years: tuple[tuple[int, float], ...]
    today: float


class _Scale:
    def __init__(self, first: date, last: date) -> None:
        self.first, self.last = first.toordinal() - _AROUND, last.toordinal() + _AROUND

    def x(self, day: date) -> float:
        shown = min(day.toordinal(), self.last)
        return round(LEFT + (WIDTH - LEFT - 10) * (shown - self.first) / (self.last - self.first), 1)


def picture(overview: Overview) -> Picture | None:
    """The picture; None where no day of a branch is known.

    Shown of an advisory is the day of its publication, on each branch one of whose releases or packages it concerns.
    """
    today = overview.made.date()
    branches = [one for one in overview.branches if _days(one, overview.releases)]
    if not branches:
        return None
    days = [day for one in branches for day in _days(one, overview.releases)]
    scale = _Scale(min(days), min(max(*days, today), date(today.year + _AHEAD, 12, 31)))
    rows = tuple(_row(overview, one, HEAD + place * ROW, scale) for place, one in enumerate(reversed(branches)))
    years = range(date.fromordinal(scale.first).year + 1, date.fromordinal(scale.last).year + 1)
    marks = tuple((year, x) for year in years if (x := scale.x(date(year, 1, 1))) < WIDTH - _LABEL)
    marks = marks[:: 1 + len(marks) * _LABEL // (WIDTH - LEFT)]
    return Picture(HEAD + len(rows) * ROW + 6, rows, marks, scale.x(today))


def _days(branch: Branch, releases: Iterable[Exposed]) -> list[date]:
    """The days that are known of a branch: of its releases and its support."""
    found = [one.released for one in releases if one.branch == branch.name and one.released is not None]
    if branch.window is not None:
        window = (branch.window.initial_release, branch.window.supported_until, branch.window.security_until)
        found += [day for day in window if day is not None]
    return found


def _row(overview: Overview, branch: Branch, y: int, scale: _Scale) -> Row:
    bars = tuple(_bars(branch, overview.releases, scale))
    releases = [one for one in overview.releases if one.branch == branch.name and one.released is not None]
    marks = [
        Mark("release", scale.x(one.released), f"{one.version}, {one.released}") for one in releases if one.released
    ]
    advisories = _advisories(overview, branch, scale)
    words = "; ".join(bar.words for bar in bars) or "nothing is known of its support"
    return Row(branch.name, y, bars, (*advisories, *marks), words)


def _bars(branch: Branch, releases: Iterable[Exposed], scale: _Scale) -> list[Bar]:
    window, days = branch.window, _days(branch, releases)
    begin = min(days)
    if window is None or window.security_until is None:
        told = window.status if window is not None and window.status else "its support is not known"
        return [_bar("unknown", begin, max(days), told, scale)]
    full = window.supported_until
    if full is None:
        return [
            _bar("security", begin, window.security_until, f"security support until {window.security_until}", scale)
        ]
    return [
        _bar("full", begin, full, f"full support until {full}", scale),
        _bar("security", full, window.security_until, f"security support until {window.security_until}", scale),
    ]


def _bar(kind: str, begin: date, end: date, words: str, scale: _Scale) -> Bar:
    return Bar(kind, scale.x(begin), max(round(scale.x(end) - scale.x(begin), 1), 1.0), words)


def _advisories(overview: Overview, branch: Branch, scale: _Scale) -> list[Mark]:
    here = [one for one in (*overview.packages, *overview.releases) if one.branch == branch.name]
    concerned = {decision.xsa: decision for one in here for decision in one.decisions if decision.verdict in _CONCERNS}
    opened = {
        decision.xsa
        for one in overview.packages
        if one.branch == branch.name
        for decision in one.decisions
        if view.is_open(decision, dict(one.decided))
    }
    marks = []
    for number, decision in sorted(concerned.items()):
        day = view.moment(decision.public)
        if day is not None and scale.first < day.toordinal() < scale.last:
            kind = "open" if number in opened else "closed"
            state = "open in a package" if kind == "open" else "open in no package"
            marks.append(Mark(kind, scale.x(day.date()), f"XSA-{number}, {day:%Y-%m-%d}, {state}: {decision.title}"))
    return marks
