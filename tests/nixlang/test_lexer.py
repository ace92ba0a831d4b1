"""Tokens: what they are, that they lose nothing, and what is refused where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nixlang.damage import SOUP, mutate
from tests.nixlang.support import FIXTURES
from xenbump.nixlang import Kind, NixSyntaxError, tokenize

if TYPE_CHECKING:
    from random import Random


def kinds(source: str) -> str:
    """Show tokens as `NAME text`, white space left out."""
    return " | ".join(
        f"{token.kind.name} {token.text}" for token in tokenize(source) if token.kind is not Kind.WHITESPACE
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("getExe' a-b", "IDENTIFIER getExe' | IDENTIFIER a-b"),
        ("x: y", "IDENTIFIER x | OPERATOR : | IDENTIFIER y"),
        ("x:y", "URI x:y"),
        ("a_b:c", "IDENTIFIER a_b | OPERATOR : | IDENTIFIER c"),
        ("https://a.b/c?d=e;", "URI https://a.b/c?d=e | OPERATOR ;"),
        ("a/b", "PATH a/b"),
        ("a / b", "IDENTIFIER a | OPERATOR / | IDENTIFIER b"),
        ("a//b", "IDENTIFIER a | OPERATOR // | IDENTIFIER b"),
        (
            "a/b//c/${x}//d",
            "PATH a/b//c/ | INTERPOLATION_OPEN ${ | IDENTIFIER x | INTERPOLATION_CLOSE } | PATH_TEXT //d",
        ),
        ("a->b", "IDENTIFIER a- | OPERATOR > | IDENTIFIER b"),
        ("~/x/y", "PATH ~/x/y"),
        ("<n/x.nix>", "SEARCH_PATH <n/x.nix>"),
        ("a <b", "IDENTIFIER a | OPERATOR < | IDENTIFIER b"),
        (
            "./a-${x}/b c",
            ("PATH ./a- | INTERPOLATION_OPEN ${ | IDENTIFIER x | INTERPOLATION_CLOSE } | PATH_TEXT /b | IDENTIFIER c"),
        ),
        (
            "a/${x}${y};",
            (
                "PATH a/ | INTERPOLATION_OPEN ${ | IDENTIFIER x | INTERPOLATION_CLOSE } | "
                "INTERPOLATION_OPEN ${ | IDENTIFIER y | INTERPOLATION_CLOSE } | OPERATOR ;"
            ),
        ),
        (".5 1. 1.e3 1e3 007", "FLOAT .5 | FLOAT 1. | FLOAT 1.e3 | INTEGER 1 | IDENTIFIER e3 | INTEGER 007"),
        ("a.b...", "IDENTIFIER a | OPERATOR . | IDENTIFIER b | OPERATOR ..."),
        ("if iffy or", "KEYWORD if | IDENTIFIER iffy | KEYWORD or"),
        ("1 |> f <| x", "INTEGER 1 | OPERATOR |> | IDENTIFIER f | OPERATOR <| | IDENTIFIER x"),
        ("/**/ a /* * / */ # x", "COMMENT /**/ | IDENTIFIER a | COMMENT /* * / */ | COMMENT # x"),
        ("# x\r a", "COMMENT # x | IDENTIFIER a"),
        (
            r'"a\"$$${x}"',
            (
                r'STRING_OPEN " | TEXT a | ESCAPE \" | TEXT $$ | INTERPOLATION_OPEN ${ | IDENTIFIER x | '
                'INTERPOLATION_CLOSE } | STRING_CLOSE "'
            ),
        ),
        ('"$${x}$"', 'STRING_OPEN " | TEXT $${x}$ | STRING_CLOSE "'),
        (r'"$\${"', r'STRING_OPEN " | TEXT $ | ESCAPE \$ | TEXT { | STRING_CLOSE "'),
        (
            "''a''${b'''c''\\n''",
            (
                "INDENTED_OPEN '' | TEXT a | ESCAPE ''$ | TEXT {b | ESCAPE ''' | TEXT c | "
                "ESCAPE ''\\n | INDENTED_CLOSE ''"
            ),
        ),
        (
            "''$${x}${{a={};}}''",
            (
                "INDENTED_OPEN '' | TEXT $${x} | INTERPOLATION_OPEN ${ | OPERATOR { | IDENTIFIER a | "
                "OPERATOR = | OPERATOR { | OPERATOR } | OPERATOR ; | OPERATOR } | "
                "INTERPOLATION_CLOSE } | INDENTED_CLOSE ''"
            ),
        ),
    ],
)
def test_tokens(source: str, expected: str) -> None:
    assert kinds(source) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("b", "IDENTIFIER b"),
        ("b'/c x", "IDENTIFIER b' | PATH /c | IDENTIFIER x"),
        ("b: x", "IDENTIFIER b | OPERATOR : | IDENTIFIER x"),
        ("b_c:d", "IDENTIFIER b_c | OPERATOR : | IDENTIFIER d"),
        ("or ->1", "KEYWORD or | OPERATOR -> | INTEGER 1"),
        ("b+->1", "IDENTIFIER b | OPERATOR + | OPERATOR -> | INTEGER 1"),
        ("b//c", "IDENTIFIER b | OPERATOR // | IDENTIFIER c"),
        ("${b}", "INTERPOLATION_OPEN ${ | IDENTIFIER b | INTERPOLATION_CLOSE }"),
        (".5.b", "FLOAT .5 | OPERATOR . | IDENTIFIER b"),
    ],
)
def test_long_runs_of_characters_that_paths_have(end: str, expected: str) -> None:
    for count in (3, 70):
        assert kinds("a_." * count + end) == "IDENTIFIER a_ | OPERATOR . | " * count + expected


def test_long_paths_and_uris() -> None:
    run = "a." * 70
    assert kinds(run + "b/c") == f"PATH {run}b/c"
    assert kinds(run + "/${b}") == f"PATH {run}/ | INTERPOLATION_OPEN ${{ | IDENTIFIER b | INTERPOLATION_CLOSE }}"
    assert kinds(run + "b:c") == f"URI {run}b:c"
    assert kinds("x'" + run + "b/c") == f"IDENTIFIER x'a | PATH {run[1:]}b/c"


@pytest.mark.parametrize(
    ("source", "line", "column", "what"),
    [
        ('a\n "b', 2, 2, "has no end"),
        ("a\r\n  ''b", 2, 3, "has no end"),
        ('"${a', 1, 1, "has no end"),
        ("a\r/* b", 2, 1, "comment that begins here has no end"),
        ("[ ./a//b ]", 1, 6, "have two in a row"),
        ("./a///${x}", 1, 4, "have two in a row"),
        ("[ ./a/ ]", 1, 6, "must not end with a slash"),
        ("./a${x}/ ", 1, 8, "must not end with a slash"),
        ("a é", 1, 3, "unexpected character 'é'"),
        ("\ufeffa", 1, 1, "unexpected character"),
        ("a # \0", 1, 5, "NUL"),
        ("a & b", 1, 3, "unexpected character '&'"),
    ],
)
def test_refusals(source: str, line: int, column: int, what: str) -> None:
    with pytest.raises(NixSyntaxError, match=what) as caught:
        tokenize(source)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.code == "E-NIX-SYNTAX"
    assert caught.value.where == f"line {line}, column {column}"


def check_lossless(source: str) -> None:
    try:
        tokens = tokenize(source)
    except NixSyntaxError:
        return
    assert "".join(token.text for token in tokens) == source
    position = 0
    for token in tokens:
        assert token.text
        assert token.start == position
        position = token.end


@settings(deadline=None)
@given(st.lists(st.sampled_from(SOUP)).map("".join))
def test_soup_is_lossless(source: str) -> None:
    check_lossless(source)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_lossless_or_refused(source: str) -> None:
    check_lossless(source)


@settings(deadline=None)
@given(st.sampled_from(sorted(FIXTURES)), st.randoms(use_true_random=False))
def test_damaged_files_are_lossless_or_refused(name: str, random: Random) -> None:
    check_lossless(mutate(random, FIXTURES[name]))
