"""A verification in GitHub's Markdown: what passed, what failed with the end of its log, what was not run and why.

Texts in the values here are Markdown; what came from outside stands in code.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, TEST_RESULTS
from xenbump.publish.markup import block, cell, clipped, code
from xenbump.publish.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.dom0.report import CheckResult
    from xenbump.verify.evidence import Evidence, StepResult

STEPS = ("build", "outputs", "meta", "dom0", "guests", "xtf")
# The engine whose dom0 is a NixOS system made of the package: its programs are the package's, too.
_NIXOS = "NixOS"
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|\+00:?00)", re.ASCII)
# How the checks of XTF are named: comparisons as a whole, and a test that differs.
_BASELINE, _SINCE, _TEST = "baseline", "since-", "test-"
_OTHER = "other"
_MINUTE, _HOUR, _LONGEST = 60, 3600, 1_000_000
_WORDS = {PASSED: "passed", FAILED: "**failed**", SKIPPED: "not run"}


@dataclass(frozen=True, slots=True)
class Room:
    """How much there is room for: characters of a text, lines of a list, lines of the end of a log."""

    text: int
    lines: int
    tail: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of steps."""

    step: str
    result: str
    time: str
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """What a step that failed said: its failed checks, how many more there are, and the end of its log."""

    step: str
    checks: tuple[str, ...]
    more: int
    log: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """XTF's results against others: how that ended, a line for each test that differs, how many more there are."""

    head: str
    lines: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A verification for a template.

    Attributes:
        verdict: in a few words.
        of: what was verified, when and on what.
        rows: a row for each step that there is, run or not.
        counts: how many tests of XTF ended with each result, from good to bad.
        comparisons: of XTF's results with the baseline, and with those of the older version.
        failed: the steps that failed.
    """

    verdict: str
    of: str
    rows: tuple[Row, ...]
    counts: tuple[tuple[str, int], ...]
    comparisons: tuple[Comparison, ...]
    failed: tuple[Failed, ...]


def lasting(evidence: Evidence) -> Evidence:
    """The evidence without what differs each time: times, logs, the commit that it was of."""
    steps = tuple(replace(step, seconds=0.0, tail=(), log="") for step in evidence.steps)
    return replace(evidence, steps=steps, when="", of="")


def passed(evidence: Evidence | None, step: str) -> bool:
    """Whether a step was run and passed."""
    return evidence is not None and any(one.step.value == step and one.result == PASSED for one in evidence.steps)


def on_nixos(evidence: Evidence | None) -> bool:
    """Whether dom0 was a NixOS system with the package's own programs."""
    return evidence is not None and evidence.engine.startswith(_NIXOS)


def shown(evidence: Evidence, room: Room) -> Shown:
    """A verification as far as there is room."""
    known = {one.step.value: one for one in evidence.steps}
    xtf = known.get("xtf")
    # XTF was run there, and nothing is known to compare its results with.
    unjudged = xtf is not None and xtf.result == SKIPPED and bool(evidence.tests)
    rows = tuple(
        _row(known[name], room, judged=not (unjudged and name == "xtf"))
        if name in known
        else Row(name, _WORDS[SKIPPED], "", "it was not asked for")
        for name in STEPS
    )
    return Shown(
        verdict=_verdict(known),
        of=_of(evidence, room),
        rows=rows,
        counts=_counts(evidence),
        comparisons=() if xtf is None else tuple(_comparisons(xtf, room)),
        failed=tuple(_failed(one, room) for one in evidence.steps if one.result == FAILED),
    )


def _verdict(known: dict[str, StepResult]) -> str:
    bad = [name for name in STEPS if name in known and known[name].result == FAILED]
    left = [name for name in STEPS if name not in known or known[name].result not in {PASSED, FAILED}]
    if bad:
        return f"**It failed**: {', '.join(bad)}" + (f"; **not proven**: {', '.join(left)}" if left else "")
    if not left:
        return "Every step passed"
    if len(left) == len(STEPS):
        return "**Nothing was proven**"
    return f"What was run passed; **not proven**: {', '.join(left)}"


def details(evidence: Evidence, room: Room) -> str:
    """What comes behind the table of steps: XTF's results, and what steps that failed said; empty without such."""
    return render("verification.md.j2", shown=shown(evidence, room))


def _of(evidence: Evidence, room: Room) -> str:
    parts = [code(clipped(evidence.of, room.text))] if evidence.of else []
    if evidence.when:
        time = _ISO.fullmatch(evidence.when)
        parts.append(f"{time[1]} {time[2]} UTC" if time else code(clipped(evidence.when, room.text)))
    if evidence.engine:
        parts.append(f"dom0 on {code(clipped(evidence.engine, room.text))}")
    return ", ".join(parts)


def _row(step: StepResult, room: Room, *, judged: bool) -> Row:
    why = cell(clipped(step.reason, room.text)) if step.reason else _count(step)
    result = _WORDS.get(step.result, cell(clipped(step.result, room.text)))
    return Row(step.step.value, result if judged else "not judged", _time(step.seconds), why)


def _count(step: StepResult) -> str:
    """How many of a step's checks passed; empty where there is one, and where they are tests that differ."""
    many = len(step.checks)
    if many < 2 or step.step.value == "xtf":  # noqa: PLR2004 - see above
        return ""
    done = sum(check.result == PASSED for check in step.checks)
    left = sum(check.result == SKIPPED for check in step.checks)
    rest = f", {left} not run" if left else ""
    return f"{many} checks" if done == many else f"{done} of {many} checks passed{rest}"


def _time(seconds: float) -> str:
    """A time for people, such as `8 s` or `1 h 2 min`; empty for less than a second, and for what is no time."""
    if not 1 <= seconds <= _LONGEST:
        return ""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _counts(evidence: Evidence) -> tuple[tuple[str, int], ...]:
    found = Counter(result if result in TEST_RESULTS else _OTHER for _, result in evidence.tests)
    return tuple((result, found[result]) for result in (*TEST_RESULTS, _OTHER) if found[result])


def _comparisons(step: StepResult, room: Room) -> Iterator[Comparison]:
    """A comparison is a check of the whole, with one behind it for each test that differs."""
    groups: list[tuple[CheckResult, list[CheckResult]]] = []
    for check in step.checks:
        if groups and check.name.startswith(_TEST):
            groups[-1][1].append(check)
        else:
            groups.append((check, []))
    for whole, tests in groups[: room.lines]:
        older = code(clipped(whole.name.removeprefix(_SINCE), room.text))
        other = "the baseline" if whole.name == _BASELINE else f"Xen {older}"
        result = _WORDS.get(whole.result, "")
        said = [code(clipped(text, room.text)) for text in (whole.reason, *whole.evidence[:1]) if text]
        lines = tuple(_line(one, room) for one in tests[: room.lines])
        yield Comparison(f"compared with {other}: {', '.join([result, *said])}", lines, max(0, len(tests) - room.lines))


def _line(check: CheckResult, room: Room) -> str:
    # A test that differs from the older version has that behind its name.
    name = check.name.partition(" ")[0] if check.name.startswith(_TEST) else check.name
    told = code(clipped(name, room.text))
    return f"{told}: {code(clipped(check.reason, room.text))}" if check.reason else told


def _failed(step: StepResult, room: Room) -> Failed:
    bad = [one for one in step.checks if one.result == FAILED]
    # A step of one check has its reason from there.
    listed = (
        [_line(one, room) for one in bad[: room.lines]] if len(step.checks) > 1 and step.step.value != "xtf" else []
    )
    more = max(0, len(bad) - room.lines) if listed else 0
    return Failed(step.step.value, tuple(listed), more, block(step.tail, room.tail, room.text))
