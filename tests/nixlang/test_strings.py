"""The values of string literals; `test_oracle` compares many more with the real Nix."""

from __future__ import annotations

import pytest

from xenbump.nixlang import parse
from xenbump.nixlang.tree import String


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('""', ""),
        (r'"a\n\t\r\"\\\${b}\q"', 'a\n\t\r"\\${b}q'),
        ('"a\r\nb\rc"', "a\nb\nc"),
        ('"$${a} $"', "$${a} $"),
        ('"${a}"', None),
        ("''\n    a\n      b\n\n  c\n  ''", "  a\n    b\n\nc\n"),
        ("''  a''", "a"),
        ("''a\n  b''", "a\n  b"),
        ("''\n\ta\n''", "\ta\n"),
        ("''\n  ''\\n  a''", "\na"),
        ("''\n  a\n   ''", "a\n"),
        ("''''$ ''' ''${''", "$ '' ${"),
        ("''$${a}''", "$${a}"),
        ("''a ${b}''", None),
    ],
)
def test_literal(source: str, value: str | None) -> None:
    root = parse(source).root
    assert isinstance(root, String)
    assert root.literal() == value
