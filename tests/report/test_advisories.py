"""Advisories and audits for people and programs, and titles that would like to be more than titles."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.advisories import Audit, Shown
from xenbump.demo.advisory_text import build
from xenbump.hashes import sri
from xenbump.plan.model import Decision, Verdict
from xenbump.publish import markup
from xenbump.report import advisories as report
from xenbump.report import documents
from xenbump.upstream.index import Entry
from xenbump.upstream.library import Listed, Text

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOSTILE = "a\x1b[2J|b\n\r`c` @everyone #1 <script>x</script> [d](http://localhost) *e* _f_ ~g~ \u202eh\x00 \\|i \x9bj"
REASONS = {verdict: f"because of {verdict.value}" for verdict in Verdict}


def audit(*verdicts: Verdict, version: str = "4.20.3", reason: str = "") -> Audit:
    decisions = tuple(
        Decision(400 + place, verdict, reason or REASONS[verdict], ("xsa.patch",), ("evidence",))
        for place, verdict in enumerate(verdicts)
    )
    return Audit(f"xen-{version}", version, f"RELEASE-{version}", decisions)


FULL = audit(*Verdict)


def text(**more: Any) -> Text:
    advisory = build(480, [("xsa480/xsa480-??.patch", "Xen 4.20.x", [f"xsa480/xsa480-0{n}.patch" for n in (0, 1)])])
    given: dict[str, Any] = {
        "title": "x86: a title", "cves": ("CVE-2026-12345",), "version": 2, "advisory": advisory, "code": "",
        "what": "", "signed_by": "F" * 40, "signed_at": 1_767_614_400,
    }  # fmt: skip
    return Text(**{**given, **more})


def shown(one: Text | None, first: dict[str, str | None] | None = None) -> Shown:
    return Shown(Listed(Entry(480, version=2, public_time=NOW, title="of the index"), one), first or {})


# --- an audit --------------------------------------------------------------------------------------------------------


def test_an_audit_tells_what_is_open_first() -> None:
    lines = report.audit_text(FULL, everything=False).splitlines()
    assert lines[0] == (
        "xen-4.20.3: Xen 4.20.3 (RELEASE-4.20.3): 1 needs-patch, 1 conflict, 1 already-patched, 1 embargoed,"
        " 1 other-branch, 1 other-tree, 1 unused, 1 in-release"
    )
    told = [line.split()[0] for line in lines[1:]]
    assert told == ["needs-patch", "conflict", "already-patched", "embargoed", "other-branch", "other-tree"]
    everything = report.audit_text(FULL, everything=True).splitlines()
    assert [line.split()[0] for line in everything[1:]] == [*told, "unused", "in-release"]
    assert all(REASONS[Verdict(line.split()[0])] in line for line in everything[1:])


def test_long_reasons_are_wrapped() -> None:
    found = report.audit_text(audit(Verdict.CONFLICT, reason="word " * 60), everything=False).splitlines()
    assert len(found) > 3
    assert all(len(line) <= 120 for line in found)
    assert all(line.startswith(" " * 19) for line in found[2:])


def test_an_audit_in_markdown() -> None:
    lines = report.audit_markdown(FULL, everything=False).splitlines()
    assert lines[0] == "### xen-4.20.3: Xen 4.20.3"
    assert lines[4:6] == ["| XSA | verdict | reason |", "| --- | --- | --- |"]
    link = "https://xenbits.xen.org/xsa/advisory-{0}.html"
    place = list(Verdict).index(Verdict.NEEDS_PATCH)
    assert lines[6] == f"| [{400 + place}]({link.format(400 + place)}) | needs-patch | `because of needs-patch` |"
    assert len(lines) == 6 + 6
    assert len(report.audit_markdown(FULL, everything=True).splitlines()) == 6 + len(Verdict)


def test_an_audit_as_a_document() -> None:
    found = json.loads(documents.encode(report.audit_document([FULL, audit()])))
    assert found["schema"] == "xenbump.audit/1"
    assert [one["version"] for one in found["subjects"]] == ["4.20.3", "4.20.3"]
    assert found["subjects"][0]["decisions"][0] == {
        "xsa": 400,
        "verdict": "in-release",
        "reason": "because of in-release",
        "patches": ["xsa.patch"],
        "evidence": ["evidence"],
        "title": "",
        "cves": [],
        "public": "",
    }
    assert found["subjects"][1]["decisions"] == []


OPEN = [Verdict.NEEDS_PATCH, Verdict.CONFLICT, Verdict.ALREADY_PATCHED]


@pytest.mark.parametrize("verdict", Verdict)
def test_the_matrix_never_leaves_out_what_is_open_everywhere(verdict: Verdict) -> None:
    for count in (1, 3):
        found = report.matrix([audit(verdict, version=f"4.20.{place}") for place in range(count)])
        assert ("   400  " in found) == (verdict in OPEN)


def test_the_matrix_has_a_column_for_each_subject() -> None:
    rows = report.matrix(
        [
            audit(Verdict.NEEDS_PATCH, Verdict.IN_RELEASE, Verdict.OTHER_BRANCH, version="4.9.1"),
            audit(Verdict.IN_RELEASE, Verdict.IN_RELEASE, Verdict.CONFLICT, Verdict.EMBARGOED, version="4.20.3"),
        ]
    ).splitlines()
    assert rows[0].startswith(". in-release  X needs-patch")
    assert ["".join(row[8::2]) for row in rows[2:8]] == [" 4", "4.", ".2", "90", "..", "13"]
    assert rows[8:] == ["   403    e", "   402  - ?", "   400  X ."]


def test_an_empty_matrix_is_a_legend() -> None:
    assert report.matrix([]).startswith(". in-release")


# --- advisories ------------------------------------------------------------------------------------------------------


def test_the_list() -> None:
    entries = [
        Entry(1),
        Entry(2, public_time=datetime(2099, 1, 1, 12, tzinfo=UTC)),
        Entry(3, version=1, public_time=NOW),
        Entry(4, title="x86: a title", public_time=NOW),
    ]
    assert report.list_text(entries, NOW).splitlines() == [
        "XSA-4    2026-06-01  x86: a title",
        "XSA-3    2026-06-01  (no title)",
        "XSA-2    2099-01-01  (embargoed until 2099-01-01 12:00 UTC)",
        "XSA-1                (not public, or never used)",
    ]
    found = json.loads(documents.encode(report.list_document(entries, NOW)))
    assert found["schema"] == "xenbump.xsa/1"
    assert [(one["xsa"], one["embargoed"], one["public"]) for one in found["advisories"]] == [
        (1, False, None), (2, True, "2099-01-01 12:00"), (3, False, "2026-06-01 00:00"), (4, False, "2026-06-01 00:00"),
    ]  # fmt: skip


def test_one_advisory() -> None:
    one = text()
    assert one.advisory is not None
    hashes = [sri.encode(bytes.fromhex(file.sha256)) for file in one.advisory.lines[0].files]
    assert report.show_text(shown(one, {"4.20": "4.20.5", "4.21": None})).splitlines() == [
        "XSA-480: x86: a title",
        "  CVE-2026-12345",
        f"  version 2, signed 2026-01-05 12:00 UTC by {'F' * 40}",
        "  xsa480/xsa480-??.patch  Xen 4.20.x",
        f"    xsa480/xsa480-00.patch  {hashes[0]}  (a prerequisite)",
        f"    xsa480/xsa480-01.patch  {hashes[1]}",
        "  first releases with the fix: 4.20.5",
    ]
    (found,) = json.loads(documents.encode(report.show_document([shown(one, {"4.20": "4.20.5", "4.21": None})], NOW)))[
        "advisories"
    ]
    assert (found["title"], found["unread"], found["signed_by"]) == ("x86: a title", None, "F" * 40)
    assert found["first_releases"] == {"4.20": "4.20.5", "4.21": None}
    (line,) = found["lines"]
    assert (line["pattern"], line["range"], line["tree"]) == ("xsa480/xsa480-??.patch", "Xen 4.20.x", "xen")
    assert [(file["hash"], file["prerequisite"]) for file in line["patches"]] == [(hashes[0], True), (hashes[1], False)]


def test_one_whose_table_was_refused_and_one_without_a_text() -> None:
    refused = text(advisory=None, code="E-ADVISORY-RANGE", what="line 3: odd")
    assert "its table of patches was not understood: E-ADVISORY-RANGE: line 3: odd" in report.show_text(shown(refused))
    document = report.show_document([shown(refused), shown(None)], NOW)
    assert [one.unread for one in document.advisories] == ["E-ADVISORY-RANGE: line 3: odd", None]
    assert [one.lines for one in document.advisories] == [None, None]
    assert report.show_text(shown(None)) == "XSA-480: not public, or never used\n"


# --- texts from outside ----------------------------------------------------------------------------------------------


def harmless(written: str) -> None:
    assert all(char == "\n" or char.isprintable() for char in written)


def test_hostile_words_stay_words() -> None:
    one = audit(Verdict.NEEDS_PATCH, reason=HOSTILE)
    harmless(report.audit_text(one, everything=True))
    harmless(report.list_text([Entry(480, title=HOSTILE, public_time=NOW)], NOW))
    harmless(report.show_text(shown(text(title=HOSTILE))))
    harmless(report.show_text(shown(text(advisory=None, code="E-X", what=HOSTILE))))
    assert report.list_text([Entry(480, title=HOSTILE, public_time=NOW)], NOW).count("\n") == 1
    assert (
        json.loads(documents.encode(report.audit_document([one])))["subjects"][0]["decisions"][0]["reason"] == HOSTILE
    )


@given(st.text(min_size=1, max_size=40) | st.just(HOSTILE))
def test_a_cell_is_a_cell(words: str) -> None:
    one = audit(Verdict.NEEDS_PATCH, reason=words)
    written = report.audit_markdown(replace(one, name="xen"), everything=True)
    harmless(written)
    (row,) = written.splitlines()[6:]
    assert row.count("|") == 4
    start = "| [400](https://xenbits.xen.org/xsa/advisory-400.html) | needs-patch | "
    assert row == f"{start}{markup.cell(words)} |"
