"""Advisories and audits as text, Markdown and JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from xenbump.hashes import sri
from xenbump.plan.model import Verdict
from xenbump.publish.markup import cell, plain
from xenbump.report.text import WIDTH
from xenbump.report.values import Advisories, AdvisoryEntry, AuditDocument, LineEntry, PatchEntry, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xenbump.advisories import Audit, Shown
    from xenbump.upstream.index import Entry

# What a reader wants first: what is open, what is not certain.
_ORDER = (
    Verdict.NEEDS_PATCH,
    Verdict.CONFLICT,
    Verdict.ALREADY_PATCHED,
    Verdict.EMBARGOED,
    Verdict.OTHER_BRANCH,
    Verdict.OTHER_TREE,
    Verdict.UNUSED,
    Verdict.IN_RELEASE,
)
_LOUD = frozenset({Verdict.NEEDS_PATCH, Verdict.CONFLICT, Verdict.ALREADY_PATCHED})
_SIGNS = {
    Verdict.IN_RELEASE: ".",
    Verdict.NEEDS_PATCH: "X",
    Verdict.ALREADY_PATCHED: "p",
    Verdict.OTHER_BRANCH: "-",
    Verdict.OTHER_TREE: " ",
    Verdict.EMBARGOED: "e",
    Verdict.UNUSED: " ",
    Verdict.CONFLICT: "?",
}


def audit_document(audits: Iterable[Audit]) -> AuditDocument:
    """The document of an audit."""
    return AuditDocument(subjects=tuple(Subject(one.name, one.version, one.tag, one.decisions) for one in audits))


def list_document(entries: Iterable[Entry], now: datetime) -> Advisories:
    """The document of the list of advisories."""
    return Advisories(advisories=tuple(_entry(entry, now) for entry in entries))


def show_document(shown: Iterable[Shown], now: datetime) -> Advisories:
    """The document of single advisories."""
    return Advisories(advisories=tuple(_full(one, now) for one in shown))


def _entry(entry: Entry, now: datetime) -> AdvisoryEntry:
    public = None if entry.public_time is None else f"{entry.public_time:%Y-%m-%d %H:%M}"
    return AdvisoryEntry(entry.number, entry.version, public, entry.title, entry.cves, entry.is_embargoed(now))


def _full(one: Shown, now: datetime) -> AdvisoryEntry:
    entry, text = _entry(one.listed.entry, now), one.listed.text
    if text is None:
        return entry
    lines = None
    if text.advisory is not None:
        lines = tuple(
            LineEntry(
                line.glob,
                line.range.text,
                line.range.tree,
                tuple(
                    PatchEntry(file.name, file.sha256, sri.encode(bytes.fromhex(file.sha256)), file.prerequisite)
                    for file in line.files
                ),
            )
            for line in text.advisory.lines
        )
    return msgspec.structs.replace(
        entry,
        version=text.version,
        title=text.title,
        cves=text.cves,
        lines=lines,
        signed_by=text.signed_by,
        first_releases=one.first,
        unread=f"{text.code}: {text.what}" if text.code else None,
    )


def list_text(entries: Sequence[Entry], now: datetime) -> str:
    """The list of advisories, newest first, one a line."""
    return "".join(_row(entry, now) + "\n" for entry in reversed(entries))


def _row(entry: Entry, now: datetime) -> str:
    date = f"{entry.public_time:%Y-%m-%d}" if entry.public_time else "          "
    if entry.is_embargoed(now) and entry.public_time:
        title = f"(embargoed until {entry.public_time:%Y-%m-%d %H:%M} UTC)"
    else:
        title = entry.title or "(no title)" if entry.is_published else "(not public, or never used)"
    return f"XSA-{entry.number:<4} {date}  {plain(title)}"


def show_text(one: Shown) -> str:
    """A single advisory: head, table with digests, first releases."""
    entry, text = one.listed.entry, one.listed.text
    if text is None:
        return f"XSA-{entry.number}: not public, or never used\n"
    lines = [f"XSA-{entry.number}: {plain(text.title)}"]
    if text.cves:
        lines.append(f"  {', '.join(text.cves)}")
    when = f"{datetime.fromtimestamp(text.signed_at, UTC):%Y-%m-%d %H:%M} UTC"
    lines.append(f"  version {text.version}, signed {when} by {text.signed_by}")
    if text.advisory is None:
        lines.append(f"  its table of patches was not understood: {text.code}: {plain(text.what)}")
    else:
        for line in text.advisory.lines:
            lines.append(f"  {line.glob}  {line.range.text}")
            for file in line.files:
                more = "  (a prerequisite)" if file.prerequisite else ""
                lines.append(f"    {file.name}  {sri.encode(bytes.fromhex(file.sha256))}{more}")
    if any(one.first.values()):
        lines.append(
            "  first releases with the fix: " + ", ".join(version for version in one.first.values() if version)
        )
    return "\n".join(lines) + "\n"


def audit_text(one: Audit, *, everything: bool) -> str:
    """An audit: what is open first, each with its reason; what the tree has is counted, or listed with `everything`."""
    lines = [f"{one.name}: Xen {one.version} ({one.tag}): {_counts(one)}"]
    for verdict in _ORDER:
        if verdict in {Verdict.IN_RELEASE, Verdict.UNUSED} and not everything:
            continue
        for decision in one.decisions:
            if decision.verdict is verdict:
                lines += textwrap.wrap(
                    f"{verdict.value:<16} {plain(decision.reason)}",
                    WIDTH.get(),
                    initial_indent="  ",
                    subsequent_indent=" " * 19,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
    return "\n".join(lines) + "\n"


def audit_markdown(one: Audit, *, everything: bool) -> str:
    """An audit as a table in Markdown."""
    lines = [
        f"### {one.name}: Xen {one.version}",
        "",
        _counts(one),
        "",
        "| XSA | verdict | reason |",
        "| --- | --- | --- |",
    ]
    for verdict in _ORDER:
        if verdict in {Verdict.IN_RELEASE, Verdict.UNUSED} and not everything:
            continue
        lines += [
            f"| [{decision.xsa}](https://xenbits.xen.org/xsa/advisory-{decision.xsa}.html) | {verdict.value} "
            f"| {cell(decision.reason)} |"
            for decision in one.decisions
            if decision.verdict is verdict
        ]
    return "\n".join(lines) + "\n"


def matrix(audits: Sequence[Audit]) -> str:
    """Advisories by subjects: a letter for each verdict.

    Left out is an advisory on which all subjects agree, unless it is open, uncertain or patched in them.
    """
    by_number = [{decision.xsa: decision.verdict for decision in one.decisions} for one in audits]
    numbers = sorted({number for verdicts in by_number for number in verdicts}, reverse=True)
    legend = "  ".join(f"{sign} {verdict.value}" for verdict, sign in _SIGNS.items() if sign.strip())
    names = [one.version for one in audits]
    height = max(map(len, names), default=0)
    head = ["        " + " ".join(name.rjust(height)[row] for name in names) for row in range(height)]
    rows = []
    for number in numbers:
        verdicts = [column.get(number) for column in by_number]
        if len(set(verdicts)) > 1 or verdicts[0] in _LOUD:
            rows.append(f"{number:>6}  " + " ".join(_SIGNS[one] if one else " " for one in verdicts))
    return "\n".join([legend, "", *head, *rows]) + "\n"


def _counts(one: Audit) -> str:
    counted = Counter(decision.verdict for decision in one.decisions)
    return ", ".join(f"{counted[verdict]} {verdict.value}" for verdict in _ORDER if counted[verdict])
