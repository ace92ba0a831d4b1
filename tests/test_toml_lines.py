"""Where a key stands in a TOML file."""

from __future__ import annotations

import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.toml_lines import line_of

TEXT = """\
# [upstream] is not here
[upstream]
git = "x"   # = y
mirrors = [
  "a = b",
]
"quoted-key" = 1

[[package]]  # the first
name = "one"
file = "a"

  [[ package ]]
  name = "two"
  file.path = "b"
[github.labels]
always = []
[github]
labels.security = { a = 1 }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (".upstream", 2),
        (".upstream.git", 3),
        (".upstream.mirrors", 4),
        (".upstream.mirrors[0]", 4),
        (".upstream.quoted-key", 7),
        (".upstream.none", 2),
        (".package[0]", 9),
        (".package[0].name", 10),
        (".package[0].none", 9),
        (".package[1]", 13),
        (".package[1].name", 14),
        (".package[1].file.path", 15),
        (".package[1].file.path.deep[3]", 15),
        (".github.labels", 16),
        (".github.labels.always[2]", 17),
        (".github.labels.security", 19),
        (".github.base", 18),
        (".package[2]", None),
        (".none", None),
        ("", None),
    ],
)
def test_the_line_of_a_key_or_of_what_encloses_it(path: str, line: int | None) -> None:
    assert line_of(TEXT, path) == line


def test_other_line_ends() -> None:
    assert line_of(TEXT.replace("\n", "\r\n"), ".package[1].name") == 14
    # Unicode knows more of them than TOML.
    assert line_of("# a\u2028b\x85c\x0cd\nkey = 1\n", ".key") == 2


def test_an_empty_file_has_no_lines() -> None:
    assert line_of("", ".key") is None


names = st.text("abc-_1", min_size=1, max_size=4)


@given(st.dictionaries(names, st.dictionaries(names, st.integers(), min_size=1), min_size=1))
def test_each_key_of_a_plain_file_is_found(content: dict[str, dict[str, int]]) -> None:
    lines = []
    for table, keys in content.items():
        lines += ["", f"[{table}]  # a table", *(f"{key} = {value}" for key, value in keys.items())]
    text = "\n".join(lines)
    assert tomllib.loads(text) == content
    for table, keys in content.items():
        for key, value in keys.items():
            number = line_of(text, f".{table}.{key}")
            assert number is not None
            assert lines[number - 1] == f"{key} = {value}"
            assert f"[{table}]  # a table" in lines[:number]


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_has_an_answer(text: str, path: str) -> None:
    number = line_of(text, path)
    assert number is None or 1 <= number <= text.count("\n") + 1


def test_blanks_in_a_header_take_no_time() -> None:
    began = time.process_time()
    assert line_of("[" + " " * 100_000 + "\na = 1", ".a") == 2
    assert line_of("[ " + " " * 100_000 + "b ]\na = 1", ".b.a") == 2
    assert time.process_time() - began < 1


def test_blanks_in_headers_do_not_tell_tables_apart() -> None:
    assert line_of("[[ a ]]\nb = 1\n[[a]]\nb = 2\n", ".a[1].b") == 4
