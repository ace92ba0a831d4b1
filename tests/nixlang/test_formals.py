"""Arguments added and removed in the styles that files have."""

from __future__ import annotations

import pytest

from tests.nixlang.support import FIXTURES
from xenbump.errors import Refusal
from xenbump.nixlang import Document, add_formal, apply, find_formal, parse, remove_formal
from xenbump.nixlang.tree import Formals, Lambda


def formals_of(document: Document) -> Formals:
    assert isinstance(document.root, Lambda)
    assert isinstance(document.root.parameter, Formals)
    return document.root.parameter


def added(source: str, name: str = "m") -> str:
    document = parse(source)
    return apply(source, add_formal(document, formals_of(document), name))


def removed(source: str, name: str = "m") -> str:
    document = parse(source)
    return apply(source, remove_formal(document, formals_of(document), name))


# Without and with the argument `m`: adding and removing are each other's inverse in all these.
PAIRS = [
    ("{ a, z }: 1", "{ a, m, z }: 1"),
    ("{ a, b }: 1", "{ a, b, m }: 1"),
    ("{ x, z }: 1", "{ m, x, z }: 1"),
    ("{ a, ... }@b: 1", "{ a, m, ... }@b: 1"),
    ("{ ... }: 1", "{ m, ... }: 1"),
    ("{ }: 1", "{ m }: 1"),
    ("b@{ a, }: 1", "b@{ a, m, }: 1"),
    ("{\n  a,\n  z,\n}:\n1", "{\n  a,\n  m,\n  z,\n}:\n1"),
    ("{\n  a, # note\n  z,\n  ...\n}:\n1", "{\n  a, # note\n  m,\n  z,\n  ...\n}:\n1"),
    ("{\n  a\n}:\n1", "{\n  a,\n  m\n}:\n1"),
    ("{\n  a # note\n}:\n1", "{\n  a, # note\n  m\n}:\n1"),
    ("{\n  x,\n}:\n1", "{\n  m,\n  x,\n}:\n1"),
    ("{\n  ...\n}:\n1", "{\n  m,\n  ...\n}:\n1"),
    ("{\r\n\ta,\r\n\tz,\r\n}:\r\n1", "{\r\n\ta,\r\n\tm,\r\n\tz,\r\n}:\r\n1"),
    ("{ a\n, z\n}:\n1", "{ a\n, m\n, z\n}:\n1"),
    ("{ a # note\n, ...\n}:\n1", "{ a # note\n, m\n, ...\n}:\n1"),
    ("{ a\n}:\n1", "{ a\n, m\n}:\n1"),
    ("{ x\n, z\n}:\n1", "{ m\n, x\n, z\n}:\n1"),
    (
        "{\n  # Scripts\n  a,\n  b ? {\n    c = 1;\n  },\n\n  z,\n}:\n1",
        "{\n  # Scripts\n  a,\n  b ? {\n    c = 1;\n  },\n  m,\n\n  z,\n}:\n1",
    ),
]


@pytest.mark.parametrize(("without", "having"), PAIRS)
def test_adding_and_removing(without: str, having: str) -> None:
    assert added(without) == having
    assert removed(having) == without
    parse(having)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{}: 1", "{ m }: 1"),
        ("{ z, x }: 1", "{ z, x, m }: 1"),
        ("{ z, a, x }: 1", "{ z, a, m, x }: 1"),
        ("{\n  a, b,\n  z,\n}: 1", "{\n  a, b,\n  m,\n  z,\n}: 1"),
        ("{ a\n, b }: 1", "{ a\n, b, m }: 1"),
        ("{ m }: 1", "{ m }: 1"),
        ("{\n  # of a\n  a,\n}: 1", "{\n  # of a\n  a,\n  m,\n}: 1"),
    ],
)
def test_adding(source: str, expected: str) -> None:
    assert added(source) == expected
    parse(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{ a }: 1", "{ a }: 1"),
        ("{\n  a,\n  m ? null, # why\n  z,\n}: 1", "{\n  a,\n  z,\n}: 1"),
        ("{\n  # Scripts\n  m,\n  z,\n}: 1", "{\n  # Scripts\n  z,\n}: 1"),
        ("{ a, # of a\n  m }: 1", "{ a # of a\n   }: 1"),
        ("{ m # of m\n, z\n}: 1", "{  # of m\n z\n}: 1"),
        ("{\n  a, m,\n  z,\n}: 1", "{\n  a,\n  z,\n}: 1"),
    ],
)
def test_removing(source: str, expected: str) -> None:
    assert removed(source) == expected
    parse(expected)


@pytest.mark.parametrize("name", ["a b", "", "m"])
def test_a_name_that_cannot_be_added(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        added("{ a }@m: 1", name)
    assert caught.value.where == "line 1, column 1"


@pytest.mark.parametrize("name", ["github", "derived", "fetchgit", "alejandra"])
def test_files(name: str) -> None:
    source = FIXTURES[name]
    document = parse(source)
    assert find_formal(formals_of(document), "fetchpatch") is not None
    without = removed(source, "fetchpatch")
    assert find_formal(formals_of(parse(without)), "fetchpatch") is None
    assert added(without, "fetchpatch") == source
