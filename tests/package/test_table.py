"""Entries that come into a table of versions to hashes: at their place, and written as their neighbours are."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.shapes.tables import ENTRY, NEW, A, B, lines, order, small
from tests.package.support import edited, nix_accepts, plan_for, read, rewritten
from xenbump.nixlang import parse


@pytest.mark.parametrize(
    ("table", "version", "expected"),
    [
        (lines("4.20.2", "4.20.1"), "4.20.4", ["4.20.4", "4.20.2", "4.20.1"]),
        (lines("4.20.2", "4.19.1"), "4.20.10", ["4.20.10", "4.20.2", "4.19.1"]),
        (lines("4.21.9", "4.20.2", "4.9.1"), "4.21.10", ["4.21.10", "4.21.9", "4.20.2", "4.9.1"]),
        (lines("4.21.0", "4.20.2"), "4.20.4", ["4.21.0", "4.20.4", "4.20.2"]),
        (lines("4.20.1", "4.20.2"), "4.20.4", ["4.20.1", "4.20.2", "4.20.4"]),
        (lines("4.20.2", "4.21.0"), "4.20.4", ["4.20.2", "4.20.4", "4.21.0"]),
        (lines("4.9.1", "4.20.2"), "4.20.10", ["4.9.1", "4.20.2", "4.20.10"]),
        (lines("4.20.2"), "4.20.4", ["4.20.4", "4.20.2"]),
        (lines("4.20.2", "4.20.1"), "4.20.0", ["4.20.2", "4.20.1", "4.20.0"]),
        (f'{{ "4.20.2" = "{B}"; "4.20.1" = "{A}"; }}', "4.20.4", ["4.20.4", "4.20.2", "4.20.1"]),
        (f'{{ "4.20.1" = "{A}"; "4.20.2" = "{B}"; }}', "4.20.4", ["4.20.1", "4.20.2", "4.20.4"]),
        (f'{{ "4.20.2" = "{B}"; unstable = "{A}"; }}', "4.20.4", ["4.20.4", "4.20.2"]),
    ],
)
def test_an_entry_comes_at_its_place(table: str, version: str, expected: list[str]) -> None:
    text = small(table)
    after = rewritten(text, version)
    assert nix_accepts(after)
    assert order(after) == expected
    back = edited(after, plan_for(read(after), "4.20.2", f"sha256-{B}="))
    assert re.sub(rf'\n? *"{re.escape(version)}" = "{NEW}";', "", back) == text


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('  "4.20.2"    =   "{}" ;  # x', '  "4.20.4"    =   "{}" ;'),
        ('\t"4.20.2" = "{}";', '\t"4.20.4" = "{}";'),
        ('      "4.20.2" =\n        "{}";', '      "4.20.4" =\n        "{}";'),
        ('  "4.20.2" = ("{}");', '  "4.20.4" = ("{}");'),
    ],
)
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_a_new_entry_is_written_as_its_neighbour_is(entry: str, expected: str, break_: str) -> None:
    text = small("{\n" + entry.format(B) + "\n  }").replace("\n", break_)
    after = rewritten(text)
    wanted = text.replace('v ? "4.20.2"', 'v ? "4.20.4"').replace(
        "known = {", "known = {" + break_ + expected.format(NEW).replace("\n", break_), 1
    )
    assert after == wanted
    assert after.count("\r") == (after.count("\n") if break_ == "\r\n" else 0)


def test_a_neighbour_that_is_no_string_is_no_model() -> None:
    text = small('{\n    "4.20.3" = pkgs.lib.fakeHash;\n    "4.20.2" = "' + B + '";\n  }')
    assert f'known = {{\n    "4.20.4" = "{NEW}";\n    "4.20.3" = pkgs.lib.fakeHash;\n' in rewritten(text)


def test_a_comment_of_an_entry_between_two_of_its_branch_stays_above_it() -> None:
    text = small(lines("4.20.5", "4.20.2")).replace('    "4.20.2" =', '    # tested\n    "4.20.2" =')
    after = rewritten(text)
    assert f'"4.20.5" = "{B}";\n{ENTRY}    # tested\n    "4.20.2"' in after


VERSIONS = st.tuples(st.integers(3, 5), st.integers(0, 30), st.integers(0, 12)).map(lambda one: ".".join(map(str, one)))


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@settings(max_examples=50)
@given(
    st.sets(VERSIONS, min_size=1, max_size=8),
    VERSIONS,
    st.binary(min_size=32, max_size=32),
    st.booleans(),
    st.sampled_from(("\n", "\r\n")),
)
def test_any_table_keeps_its_order_and_its_entries(
    versions: set[str],
    new: str,
    digest: bytes,
    newest_first: bool,  # noqa: FBT001 - drawn
    break_: str,
) -> None:
    known = sorted(versions, key=number, reverse=newest_first)
    now = known[len(known) // 2]
    text = small(lines(*known)).replace('v ? "4.20.2"', f'v ? "{now}"')
    text = text.replace("\n", break_)
    sri = "sha256-" + base64.b64encode(digest).decode()
    after = edited(text, plan_for(read(text), new, sri))
    expected = sorted({*versions, new}, key=number, reverse=newest_first or len(known) == 1)
    assert order(after) == expected
    assert (read(after).version, read(after).hash) == (new, sri)
    here = parse(after).source
    for version in versions - {new}:
        assert f'    "{version}" = "{B}";' in here
    back = edited(after, plan_for(read(after), now, f"sha256-{B}="))
    line = f'    "{new}" = "{sri[7:-1]}";' + break_
    if new not in versions:
        assert back.replace(line, "", 1) == text
