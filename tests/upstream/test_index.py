"""xsa.json: the real entry, what may be missing, and every form that is refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.advisories import DATA
from xenbump.errors import Refusal
from xenbump.upstream import index
from xenbump.upstream.index import Entry

NOON = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)

NO_NUMBERS: list[Any] = ["", "09", "0", "-1", "9a", " 9", "9.0", "\u0661", 0, -1, 9.0, True, None, [], "1" * 10, 10**9]
NO_VERSIONS: list[Any] = ["3", 0, -1, 1.5, True, [], 10**6]
NO_TITLES: list[Any] = [3, [], {}, False]
NO_TIMES: list[Any] = [
    "", "soon", "2026-13-08 12:00", "2026-09-08T12:00", "2026-09-08 12:00 CET", "2026-09-08 25:00", 0, [],
]  # fmt: skip


def content(*entries: Any) -> bytes:
    return json.dumps([{"xsas": entries}]).encode()


def refusal(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        index.parse(data)
    return caught.value


def test_a_real_entry() -> None:
    (entry,) = index.parse((DATA / "xsa-index.json").read_bytes())
    assert entry == Entry(
        number=26,
        version=3,
        public_time=datetime(2012, 12, 3, 17, 51, tzinfo=UTC),
        title="Grant table version switch list corruption vulnerability",
        cves=("CVE-2012-5510",),
        files=("xsa26-4.1.patch", "xsa26-4.2.patch", "xsa26-unstable.patch"),
    )
    assert entry.is_published


def test_everything_but_the_number_may_be_missing() -> None:
    assert index.parse(content({"xsa": "9"}, {"xsa": 7, "title": None, "cve": None})) == (Entry(7), Entry(9))
    assert not Entry(7).is_published


def test_entries_come_by_number() -> None:
    found = index.parse(content({"xsa": "512"}, {"xsa": "26"}, {"xsa": "100"}))
    assert [entry.number for entry in found] == [26, 100, 512]


def test_unknown_keys_are_named() -> None:
    (entry,) = index.parse(content({"xsa": "9", "severity": 3, "Files": []}))
    assert entry.unknown == ("Files", "severity")


def test_a_title_becomes_one_line() -> None:
    assert index.parse(content({"xsa": "9", "title": "a\n  title "}))[0].title == "a title"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-09-08 12:00", NOON),
        ("2026-09-08 12:00:30", NOON + timedelta(seconds=30)),
        ("2026-09-08", NOON - timedelta(hours=12)),
    ],
)
def test_times_are_utc(text: str, time: datetime) -> None:
    assert index.parse(content({"xsa": "9", "public_time": text}))[0].public_time == time


@pytest.mark.parametrize(
    ("entry", "embargoed"),
    [
        (Entry(9, public_time=NOON + timedelta(minutes=1)), True),
        (Entry(9, public_time=NOON), False),
        (Entry(9, public_time=NOON - timedelta(days=1)), False),
        (Entry(9), False),
        # the clock may be wrong: what has content is public
        (Entry(9, public_time=NOON + timedelta(days=1), title="a title"), False),
        (Entry(9, public_time=NOON + timedelta(days=1), files=("xsa9.patch",)), False),
        (Entry(9, public_time=NOON + timedelta(days=1), version=1), False),
    ],
)
def test_embargo(entry: Entry, embargoed: bool) -> None:  # noqa: FBT001
    assert entry.is_embargoed(NOON) is embargoed


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        (b"", "", "not JSON"),
        (b"<html>", "", "not JSON"),
        (b"\xff[]", "", "not JSON"),
        (content({"xsa": "9"}).decode().encode("utf-16"), "", "not JSON"),
        (content({"xsa": "9"})[:-1], "", "not JSON"),
        (b'[{"xsas": [{"xsa": NaN}]}]', "", "NaN"),
        (b'[{"xsas": [{"xsa": Infinity}]}]', "", "Infinity"),
        (b'[{"xsas": [{"xsa": "9", "xsa": "8"}]}]', "", "twice"),
        (b'[{"xsas": [{"xsa": ' + b"9" * 10000 + b"}]}]", "", "not JSON"),
        (b"[" * 200_000, "", "deep"),
        (b'{"a":' * 200_000, "", "deep"),
        (b"{}", "", "a list with one object"),
        (b"[]", "", "a list with one object"),
        (b"[[]]", "", "a list with one object"),
        (b'[{"xsas": []}, {"xsas": []}]', "", "a list with one object"),
        (b"[{}]", "[0].xsas", "a list of entries"),
        (b'[{"xsas": {}}]', "[0].xsas", "a list of entries"),
        (b'[{"xsas": []}]', "[0].xsas", "a list of entries"),
        (b'[{"status": "frozen", "xsas": [{"xsa": "9"}]}]', "[0]", "'status' sounds like a state"),
        (content({"xsa": "9"}, 8), "[0].xsas[1]", "not an object"),
        (content({}), "[0].xsas[0].xsa", "None is not the number"),
        (content({"xsa": "9"}, {"xsa": 9}), "[0].xsas[1]", "XSA-9 is listed twice"),
        (content({"xsa": "9", "withdrawn": True}), "[0].xsas[0] (XSA-9)", "'withdrawn' sounds like a state"),
        (content({"xsa": "9", "State": "x"}), "[0].xsas[0] (XSA-9)", "'State' sounds"),
        (content({"xsa": "9", "superseded_by": "10"}), "[0].xsas[0] (XSA-9)", "'superseded_by' sounds"),
        *[(content({"xsa": value}), "[0].xsas[0].xsa", "not the number") for value in NO_NUMBERS],
        *[(content({"xsa": "9", "version": value}), "[0].xsas[0].version", "not a version") for value in NO_VERSIONS],
        *[(content({"xsa": "9", "title": value}), "[0].xsas[0].title", "not a text") for value in NO_TITLES],
        *[(content({"xsa": "9", "public_time": value}), "[0].xsas[0].public_time", "not a time") for value in NO_TIMES],
        (content({"xsa": "9", "version_time": "now"}), "[0].xsas[0].version_time", "not a time"),
        (content({"xsa": "9", "cve": "CVE-2026-0001"}), "[0].xsas[0].cve", "not a list"),
        (content({"xsa": "9", "cve": ["CVE-2026-0001", "none"]}), "[0].xsas[0].cve[1]", "'none' is not a CVE"),
        (content({"xsa": "9", "cve": [1]}), "[0].xsas[0].cve[0]", "not a CVE"),
        (content({"xsa": "9", "files": {}}), "[0].xsas[0].files", "not a list"),
        (content({"xsa": "9", "files": ["xsa9.patch"]}), "[0].xsas[0].files[0]", "an object with a name"),
        (content({"xsa": "9", "files": [{"name": 9}]}), "[0].xsas[0].files[0]", "an object with a name"),
    ],
)  # fmt: skip
def test_refusals(data: bytes, path: str, words: str) -> None:
    error = refusal(data)
    assert (error.code, error.where) == ("E-XSA-INDEX", f"xsa.json {path}".strip())
    assert words in error.what


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["xsa", "version", "version_time", "public_time", "title", "cve", "files", "other"])


@given(st.binary() | st.lists(st.dictionaries(keys, json_values), max_size=3).map(lambda entries: content(*entries)))
def test_nothing_but_a_refusal_is_raised(data: bytes) -> None:
    with contextlib.suppress(Refusal):
        found = index.parse(data)
        assert len(found) == len(json.loads(data)[0]["xsas"])


@given(st.lists(st.integers(1, 99999), min_size=1, unique=True), st.booleans())
def test_every_entry_is_found(numbers: list[int], text: bool) -> None:  # noqa: FBT001
    found = index.parse(content(*({"xsa": str(number) if text else number} for number in numbers)))
    assert [entry.number for entry in found] == sorted(numbers)


@pytest.mark.parametrize(
    "entry", ['"xsa":1,"title":"\\ud800"', '"xsa":1,"files":[{"name":"a\\udfff"}]', '"xsa":1,"\\udc00":2']
)
def test_half_a_character_is_refused(entry: str) -> None:
    assert refusal(f'[{{"xsas":[{{{entry}}}]}}]'.encode()).code == "E-XSA-INDEX"
    whole = entry.replace("\\udfff", "").replace("\\ud800", "\\ud83d\\ude00").replace("\\udc00", "b")
    assert len(index.parse(f'[{{"xsas":[{{{whole}}}]}}]'.encode())) == 1


@given(
    st.integers(1, 99999),
    st.none() | st.integers(1, 99999),
    st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001 - the zone is not written
    st.none() | st.text(st.characters(codec="utf-8")),
    st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_entries_come_out_of_the_journal_as_they_went_in(
    number: int, version: int | None, public: datetime | None, title: str | None, files: list[str]
) -> None:
    time = None if public is None else f"{public:%Y-%m-%d %H:%M:%S}".rjust(19, "0")
    listed = {"xsa": number, "version": version, "public_time": time, "title": title}
    found = index.parse(content({**listed, "files": [{"name": name} for name in files], "more": 1}))
    assert msgspec.json.decode(msgspec.json.encode(found), type=tuple[Entry, ...]) == found
