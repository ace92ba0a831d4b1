"""xsa.json: refused as a whole, or entries whose numbers are in order and whose texts can be kept and shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tests.fuzz.shown import refused
from xenbump.errors import Refusal
from xenbump.upstream import index

_NOW = datetime(2026, 8, 1, tzinfo=UTC)
_LARGEST = 99999


def one(data: bytes) -> bool:
    """Read a list of all advisories."""
    try:
        entries = index.parse(data)
    except Refusal as error:
        return refused(error, "E-XSA-INDEX", where="xsa.json")
    numbers = [entry.number for entry in entries]
    assert numbers == sorted(set(numbers))
    assert numbers
    assert 0 < numbers[0] <= numbers[-1] <= _LARGEST
    for entry in entries:
        assert entry.version is None or 0 < entry.version <= _LARGEST
        assert not (entry.is_published and entry.is_embargoed(_NOW))
        assert all(re.fullmatch(r"CVE-\d{4}-\d{4,10}", cve) for cve in entry.cves)
        for text in (entry.title or "", *entry.files, *entry.unknown):
            text.encode()
        assert "\n" not in (entry.title or "")
    return True
