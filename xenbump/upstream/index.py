"""xsa.json, the list of all advisories: which there are, and since when they are public.

The file is generated from the advisories, is not signed, and has no specification; its keys are known from real
entries. It only tells where to look: what an advisory says is read from its signed text. Keys that are missing are
tolerated, since any but `xsa` may be. Keys that are new are tolerated, too, and named in the entry, unless they sound
like a state: an advisory that is withdrawn, replaced or rejected must not pass for an ordinary one, so such a key is
refused. A known key with a value of a new form is refused: to skip it would be to miss an advisory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from xenbump.errors import Refusal

_WHERE = "xsa.json"
_KNOWN = frozenset({"xsa", "version", "version_time", "public_time", "title", "cve", "files"})
_STATE = re.compile(
    r"withdr|stat(?:e|us)|retract|cancel|reject|revo[kc]|supersed|replac|invalid|obsolete|unused|duplicat|merged|void",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[1-9]\d{0,4}", re.ASCII)
_LARGEST = 99999
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?", re.ASCII)
_CVE = re.compile(r"CVE-\d{4}-\d{4,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """An advisory as xsa.json lists it. Only the number is always there.

    Attributes:
        number: N of XSA-N.
        version: of the advisory's text.
        public_time: when it was or will be published (UTC).
        title: in one line.
        cves: as listed.
        files: the names of its files.
        unknown: keys that are not known here, sorted.
    """

    number: int
    version: int | None = None
    public_time: datetime | None = None
    title: str | None = None
    cves: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_published(self) -> bool:
        """Whether the entry has any content. A number without may be embargoed, or may never have been used."""
        return self.title is not None or self.version is not None or bool(self.files)

    def is_embargoed(self, now: datetime) -> bool:
        """Whether it is announced for later than `now` (which has a time zone) and nothing of it is there yet.

        An entry with content counts as public whatever its time says: a wrong clock must not hide an advisory.
        """
        return self.public_time is not None and now < self.public_time and not self.is_published


def parse(content: bytes) -> tuple[Entry, ...]:
    """Read xsa.json.

    Args:
        content: the whole file; its size is limited by the caller.

    Returns:
        The entries, by number, lowest first.

    Raises:
        Refusal: E-XSA-INDEX with the first thing that is not understood and its path in the file.
    """
    try:
        data = json.loads(content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError as error:
        raise _refused("", "it is nested too deeply") from error
    except ValueError as error:
        raise _refused("", f"it is not JSON: {str(error)[:120]}") from error
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
        raise _refused("", "it is not a list with one object")
    _no_state(data[0], "[0]")
    listed = data[0].get("xsas")
    if not isinstance(listed, list) or not listed:
        raise _refused("[0].xsas", "it is not a list of entries")
    found: dict[int, Entry] = {}
    for place, item in enumerate(listed):
        entry = _entry(item, f"[0].xsas[{place}]")
        if entry.number in found:
            raise _refused(f"[0].xsas[{place}]", f"XSA-{entry.number} is listed twice")
        found[entry.number] = entry
    return tuple(found[number] for number in sorted(found))


def _entry(item: Any, path: str) -> Entry:
    if not isinstance(item, dict):
        raise _refused(path, "it is not an object")
    number = _number(item.get("xsa"), f"{path}.xsa")
    _no_state(item, f"{path} (XSA-{number})")
    version = item.get("version")
    if version is not None and not (_is_integer(version) and 0 < version <= _LARGEST):
        raise _refused(f"{path}.version", f"{_shown(version)} is not a version")
    title = item.get("title")
    if title is not None and not isinstance(title, str):
        raise _refused(f"{path}.title", f"{_shown(title)} is not a text")
    _time(item.get("version_time"), f"{path}.version_time")
    return Entry(
        number=number,
        version=version,
        public_time=_time(item.get("public_time"), f"{path}.public_time"),
        title=None if title is None else " ".join(title.split()),
        cves=_cves(item.get("cve"), f"{path}.cve"),
        files=_files(item.get("files"), f"{path}.files"),
        unknown=tuple(sorted(item.keys() - _KNOWN)),
    )


def _number(value: Any, path: str) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if _is_integer(value) and 0 < value <= _LARGEST:
        return int(value)
    raise _refused(path, f"{_shown(value)} is not the number of an advisory")


def _time(value: Any, path: str) -> datetime | None:
    """A time in UTC; one without hours is the beginning of its day, so that nothing counts as embargoed for longer."""
    if value is None:
        return None
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError as error:
            raise _refused(path, f"{_shown(value)} is not a time") from error
    raise _refused(path, f"{_shown(value)} is not a time of the form YYYY-MM-DD HH:MM")


def _cves(value: Any, path: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _refused(path, f"{_shown(value)} is not a list")
    for place, cve in enumerate(value):
        if not isinstance(cve, str) or not _CVE.fullmatch(cve):
            raise _refused(f"{path}[{place}]", f"{_shown(cve)} is not a CVE")
    return tuple(value)


def _files(value: Any, path: str) -> tuple[str, ...]:
    """The names alone: for which branches a file is, the signed text says."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _refused(path, f"{_shown(value)} is not a list")
    for place, file in enumerate(value):
        if not isinstance(file, dict) or not isinstance(file.get("name"), str):
            raise _refused(f"{path}[{place}]", f"{_shown(file)} is not an object with a name")
    return tuple(file["name"] for file in value)


def _no_state(item: dict[str, Any], path: str) -> None:
    for key in item:
        if key not in _KNOWN and _STATE.search(key):
            raise _refused(path, f"the key {_shown(key)} sounds like a state, and what it means is not known")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "an object has a key twice"
        raise ValueError(message)
    for text in (*found, *found.values()):
        if isinstance(text, str) and not _is_text(text):
            message = "a text has half of a character in it"
            raise ValueError(message)
    return found


def _is_text(text: str) -> bool:
    """Whether UTF-8 can hold a text: JSON can escape a lone surrogate, and nothing could keep or show that."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a value of JSON"
    raise ValueError(message)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool)) or value is None else f"a {type(value).__name__}"
    return text[:80]


def _refused(path: str, what: str) -> Refusal:
    return Refusal("E-XSA-INDEX", what, where=f"{_WHERE} {path}".rstrip())
