"""A report as a mail that can be sent as it is: plain text, lines of 72 characters, the subject above all."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING, Final

from xenbump.trying import report, words
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xenbump.trying.model import PhaseResult
    from xenbump.trying.report import Rows, Told

WIDTH: Final = 72
_NAMES = 13  # columns of the names of facts
_PHASES = 9  # columns of the names of phases
_RESULTS = 9
_SECONDS = 7
_QUOTE = "  | "


def mail(told: Told) -> str:
    """The mail, with a line `Subject: …` and an empty one before the text."""
    verdict = told.verdict
    parts = [
        _wrapped(f"{report.summary(told)}."),
        *_section("What was tested", _facts(report.tested(told))),
        *_section("How to repeat it", command(told.repeat)),
        *_section("Machine", _facts(report.machine(told))),
        *_section("Results", [line for one in verdict.phases for line in _phase(one)]),
        *_section("XTF", _xtf(told)),
        *_section(*_compared(told)),
        *_section("Failures", [line for one in report.failures(verdict) for line in ("", *_failure(one))][1:]),
        *_section("Not tested", _items(report.left(told))),
    ]
    return "\n".join([f"Subject: {report.subject(told)}", "", *("\n".join(part) + "\n" for part in parts)])


def command(words_: Sequence[str]) -> list[str]:
    """A command in lines for a shell: it is broken between words only, so a long word makes a long line."""
    lines: list[str] = []
    line = "   "
    for word in map(_shell, words_):
        if line.strip() and len(line) + len(word) + 3 > WIDTH:
            lines.append(f"{line} \\")
            line = "       "
        line += f" {word}"
    return [*lines, line] if words_ else []


def _shell(word: str) -> str:
    """A word for a shell, without the name of the user in it; in quotes, `~` would be a letter like any other."""
    told = report.cleaned(word)
    return f"~/{shlex.quote(told[2:])}" if told.startswith("~/") and len(told) > len("~/") else shlex.quote(told)


def _section(title: str, lines: Sequence[str]) -> list[list[str]]:
    return [[title, "-" * len(title), *lines]] if lines else []


def _facts(rows: Rows) -> list[str]:
    found = []
    for name, lines in rows:
        for number, line in enumerate(lines):
            found += _wrapped(line, f"  {'' if number else name + ':':<{_NAMES}}", " " * (_NAMES + 2))
    return found


def _items(texts: Iterable[str], width: int = WIDTH) -> list[str]:
    return [line for text in texts for line in _wrapped(text, "  - ", "    ", width)]


def _phase(one: PhaseResult) -> list[str]:
    seconds = f"{one.seconds:.0f} s" if one.seconds >= 1 else ""
    count = report.of_all(one)
    checks = f"   {count} checks" if count else ""
    head = f"  {one.phase.value:<{_PHASES}}{one.result:<{_RESULTS}}{seconds:>{_SECONDS}}{checks}".rstrip()
    inner = " " * (_PHASES + 2)
    found = [head]
    if one.reason:
        found += _wrapped(report.cleaned(one.reason), inner, inner)
    good = ", ".join(report.cleaned(check.name) for check in report.passed(one))
    if good and one.phase is not Phase.XTF:
        found += _wrapped(f"passed: {good}", inner, f"{inner}  ")
    for check in report.others(one):
        why = f": {report.cleaned(check.reason)}" if check.reason else ""
        found += _wrapped(f"{report.cleaned(check.name)} {check.result}{why}", f"{inner}- ", f"{inner}  ")
    return found


def _xtf(told: Told) -> list[str]:
    verdict = told.verdict
    if not verdict.tests:
        return []
    counted = ", ".join(f"{number} {result}" for result, number in report.counts(verdict))
    found = _wrapped(f"{len(verdict.tests)} tests: {counted}", "  ", "  ")
    odd, new, known = report.unexpected(verdict), report.unknown(verdict), report.expected(verdict)
    if odd:
        found += ["  Not as expected:", *_some([f"{name}: {why}" for name, why in odd])]
    else:
        found.append("  No result is unexpected.")
    if new:
        found += ["  Better than expected, or not known before:", *_some([f"{name}: {why}" for name, why in new])]
    if known:
        found += ["  Bad, and expected of this machine:", *_some([f"{name}: {result}" for name, result in known])]
    return found


def _some(texts: Sequence[str]) -> list[str]:
    more = [f"and {len(texts) - report.LISTED} more"] if len(texts) > report.LISTED else []
    return [f"  {line}" for line in _items([*map(report.cleaned, texts[: report.LISTED]), *more], WIDTH - 2)]


def _compared(told: Told) -> tuple[str, list[str]]:
    if told.before is None or told.comparison is None:
        return "", []
    title = f"Against {report.cleaned(words.name(told.before))}"
    before = f"{told.before.rev} (commit {told.before.commit[:12]}): {report.outcome(told.before)}."
    worse, same = len(told.comparison.worse), told.comparison.same
    first = f"{report.many(worse)} worse, {report.many(same)} the same."
    lines = [*_wrapped(report.cleaned(before), "  ", "  "), f"  {first[:1].upper()}{first[1:]}"]
    return title[:WIDTH], [*lines, *_some([report.difference(one) for one in told.comparison.differences])]


def _failure(one: PhaseResult) -> list[str]:
    found = _wrapped(f"{one.phase.value}: {report.cleaned(one.reason) or 'it failed'}", "  ", "  ")
    for name, lines in report.evidence(one):
        found.append(f"  {name} rests on:")
        found += [line for text in lines for line in _quoted(text)]
    tail = report.tail(one)
    if tail:
        found.append(f"  The last lines{' of ' + report.log(one) if one.log else ''}:")
        found += [line for text in tail for line in _quoted(text)]
    return found


def _quoted(text: str) -> list[str]:
    """A line of a log, in as many as it takes; blanks at its beginning stay."""
    room = WIDTH - len(_QUOTE)
    pieces = [text[:room]] + [text[at : at + room - 2] for at in range(room, len(text), room - 2)]
    return [f"{_QUOTE}{'  ' if number else ''}{piece}".rstrip() for number, piece in enumerate(pieces)]


def _wrapped(text: str, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [first]
