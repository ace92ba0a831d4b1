"""Archives for the kernel: what is written is read again, also by the cpio program, and damage is seen."""

from __future__ import annotations

import contextlib
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.verify import cpio

PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda part: part not in {".", "..", "TRAILER!!!"}
)
NAME = st.lists(PART, min_size=1, max_size=3).map("/".join)
ENTRY = st.one_of(
    st.builds(cpio.file, NAME, st.binary(max_size=700), executable=st.booleans()),
    st.builds(cpio.link, NAME, PART),
    st.builds(cpio.folder, NAME),
    st.builds(cpio.character_device, NAME, st.integers(0, 255), st.integers(0, 255)),
)
ENTRIES = st.lists(ENTRY, max_size=6, unique_by=lambda entry: entry.name)


def archive(*entries: cpio.Entry) -> bytes:
    return b"".join(cpio.write(entries))


@given(ENTRIES, ENTRIES)
def test_what_was_written_is_read(one: list[cpio.Entry], other: list[cpio.Entry]) -> None:
    first = archive(*one)
    assert len(first) % 512 == 0
    assert cpio.read(first) == one
    assert cpio.read(first + archive(*other)) == [*one, *other]


@given(ENTRIES)
def test_folders_come_before_what_is_in_them(entries: list[cpio.Entry]) -> None:
    ordered = cpio.with_folders(entries)
    names = [entry.name for entry in ordered]
    assert len(names) == len(set(names))
    assert set(entries) <= set(ordered)
    for place, name in enumerate(names):
        parent = name.rpartition("/")[0]
        assert not parent or parent in names[:place]
    assert cpio.with_folders(reversed(ordered)) == ordered


@pytest.mark.parametrize("name", ["", "/init", "a/../b", "./a", "a//b", "a/", "..", "."])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a file"):
        cpio.with_folders([cpio.file(name, b"")])


def test_two_files_of_one_name() -> None:
    with pytest.raises(ValueError, match="two files are called 'init'"):
        cpio.with_folders([cpio.file("init", b"1"), cpio.file("init", b"2")])


def test_the_same_entries_give_the_same_bytes() -> None:
    entry = cpio.file("init", b"#!/bin/sh\n", executable=True)
    assert archive(entry) == archive(entry)
    assert archive(entry).startswith(b"07070100000001000081ED" + b"0" * 16 + b"00000001" + b"0" * 8 + b"0000000A")


@given(st.integers(1, 400))
def test_an_archive_that_is_cut_off(length: int) -> None:
    whole = archive(cpio.file("a", b"x" * 50), cpio.link("b", "a"))
    found = []
    with contextlib.suppress(ValueError):
        found = cpio.read(whole[:length])
    # Where nothing is complained of, it was cut between two entries.
    assert found == cpio.read(whole)[: len(found)]
    with pytest.raises(ValueError, match=r"byte 0: the entry that begins here is cut off"):
        cpio.read(whole[:130])


@given(st.binary(max_size=400))
def test_anything_else_is_refused_or_empty(content: bytes) -> None:
    try:
        entries = cpio.read(content)
    except ValueError:
        return
    assert entries == [] or b"070701" in content


def test_a_header_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="byte 0: an entry's header"):
        cpio.read(b"070701" + b"zz" * 52)


def test_kinds() -> None:
    assert cpio.link("a", "b").is_link
    assert not cpio.file("a", b"").is_link
    assert stat.S_ISCHR(cpio.character_device("dev/console", 5, 1).mode)
