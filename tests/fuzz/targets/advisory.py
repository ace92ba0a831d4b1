"""An advisory's text: refused with a code, or read as something that its own numbers bear out."""

from __future__ import annotations

import re

from tests.fuzz.shown import refused
from xenbump.demo.advisory_text import render
from xenbump.errors import Refusal
from xenbump.upstream import advisory, ranges
from xenbump.upstream.ranges import Reach

_NUMBER = re.compile(rb"XSA-(\d{1,5})")
_NAME = re.compile(r"(?:xsa\d+/)?xsa\d+[A-Za-z0-9._+-]*\.(?:patch|meta)")
_CODES = tuple(f"E-ADVISORY-{kind}" for kind in ("FORM", "NUMBER", "NO-TABLE", "RANGE", "FILES", "NAME"))
_BRANCHES = ("3.0", "4.0", "4.9", "4.19", "4.20", "4.21", "9999.9999")
_MOST = 200


def one(data: bytes) -> bool:
    """Read a text as the advisory that it first names, and each of its lines as a range."""
    named = _NUMBER.search(data)
    number = int(named[1]) if named else 1
    text = data.decode("utf-8", "replace")
    for line in text.split("\n")[:_MOST]:
        _range(line)
    try:
        found = advisory.parse(data, number)
    except Refusal as error:
        return refused(error, *_CODES, where=f"XSA-{number}")
    assert found == advisory.parse(text, number)
    assert advisory.outline(data, number).sections == found.sections
    assert (found.number, found.version > 0) == (number, True)
    assert all(re.fullmatch(r"CVE-\d{4}-\d{4,10}", cve) for cve in found.cves)
    _table(found)
    # What the demo writes of it says the same.
    again = advisory.parse(render(found), number)
    assert (again.version, again.title, again.cves, again.lines) == (
        found.version,
        found.title,
        found.cves,
        found.lines,
    )
    return True


def _table(found: advisory.Advisory) -> None:
    names = [file.name for line in found.lines for file in line.files]
    assert len(names) == len(set(names)) > 0
    for line in found.lines:
        assert line.files
        for file in line.files:
            assert _NAME.fullmatch(file.name)
            assert ".." not in file.name
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    for branch in _BRANCHES:
        reach, lines = found.reach(branch)
        covering = [line for line in found.lines if line.range.covers(branch)]
        assert (reach is Reach.NAMED) == bool(covering)
        assert (reach is Reach.OUTSIDE) == (not lines)


def _range(text: str) -> None:
    try:
        found = ranges.parse(text, "XSA-1")
    except Refusal as error:
        refused(error, "E-ADVISORY-RANGE", where="XSA-1")
        return
    assert ranges.parse(found.text) == found
    assert found.is_xen == bool(found.spans)
    bounds = [ranges.order(bound) for span in found.spans for bound in (span.newest, span.oldest)]
    assert bounds == sorted(bounds, reverse=True)
    for span in found.spans:
        for bound in {span.newest, span.oldest} - {ranges.UNSTABLE}:
            assert found.covers(bound)
