"""Bindings and literals: where they stand, one step away, and what is refused, each with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.support import nix_accepts
from xenbump.errors import Refusal
from xenbump.nixlang import Document, parse, quote
from xenbump.nixlang.find import body
from xenbump.nixlang.tree import AttrSet
from xenbump.package.literals import binding, followed, has, literal_of, plain, shown, value_of


def opened(text: str) -> tuple[Document, AttrSet]:
    """A file, and the set that it comes down to."""
    document = parse(text)
    node = body(document)
    assert isinstance(node, AttrSet)
    return document, node


@pytest.mark.parametrize(
    "text",
    [
        '{ a = "1"; }',
        '{ "a" = "1"; }',
        'rec { b = "1"; a = b; }',
        'let a = "1"; in { inherit a; }',
        'let b = "1"; in { a = b; }',
        'let b = "1"; in { a = (b); }',
        '{ b ? "1" }: { a = b; }',
        '{ a ? "1" }: { inherit a; }',
        'let a = "1"; in rec { inherit a; }',
        'let a = "0"; in let a = "1"; in { inherit a; }',
        'let a = "1"; b = "0"; in { inherit b a; }',
    ],
)
def test_a_literal_is_found_straight_and_one_step_away(text: str) -> None:
    found = literal_of(*opened(text), "a")
    assert found.value == "1"
    assert text[found.start : found.end] == "1"
    assert text[found.start - 1] == text[found.end] == '"'


REFUSED = [
    ("{ }", "E-MISSING", 1),
    ('{ a.b = "1"; }', "E-MISSING", 1),
    ('{ b = { a = "1"; }; }', "E-MISSING", 1),
    ('{ ${"x"} = "1"; }', "E-MISSING", 1),
    ("{ a = 1; }", "E-NOT-LITERAL", 7),
    ("{ a = ''1''; }", "E-NOT-LITERAL", 7),
    ('{ a = "${b}"; }', "E-NOT-LITERAL", 7),
    (r'{ a = "\t"; }', "E-NOT-LITERAL", 7),
    ('{ a = "1" + ""; }', "E-NOT-LITERAL", 7),
    ('{ a = ("1"); }', "E-NOT-LITERAL", 7),
    ("{ a = b; }", "E-NOT-LITERAL", 7),
    ("{ b }: { a = b; }", "E-NOT-LITERAL", 14),
    ("b: { a = b; }", "E-NOT-LITERAL", 10),
    ("{ inherit a; }", "E-NOT-LITERAL", 3),
    ("{ a }: { inherit a; }", "E-NOT-LITERAL", 10),
    ('{ inherit ({ a = "1"; }) a; }', "E-NOT-LITERAL", 3),
    ("with { }; { inherit a; }", "E-NOT-LITERAL", 13),
    # A second step is one too many; the place is that of the first.
    ('let c = "1"; b = c; in { a = b; }', "E-NOT-LITERAL", 18),
    ('let b = "1"; a = b; in { inherit a; }', "E-NOT-LITERAL", 18),
    ('let b.c = "1"; in { a = b; }', "E-NOT-LITERAL", 25),
    ("let inherit (x) b; in { a = b; }", "E-NOT-LITERAL", 29),
    ("rec { a = b; b = a; }", "E-NOT-LITERAL", 18),
    ("rec { a = a; }", "E-NOT-LITERAL", 11),
]


@pytest.mark.parametrize(("text", "code", "column"), REFUSED)
def test_anything_else_is_refused_with_its_place(text: str, code: str, column: int) -> None:
    with pytest.raises(Refusal) as caught:
        literal_of(*opened(text), "a")
    assert caught.value.code == code
    assert "`a`" in caught.value.what
    assert caught.value.where == f"line 1, column {column}"


def test_nix_reads_what_is_refused() -> None:
    assert nix_accepts("[ " + " ".join(f"({text})" for text, _, _ in REFUSED) + " ]")


def test_what_is_bound_and_what_is_inherited() -> None:
    document, node = opened("let b = 1; in { a = 2; inherit b; inherit (x) c; d.e = 3; }")
    assert [has(node, name) for name in "abcde"] == [True, True, True, False, False]
    assert document.text(binding(document, node, "a")) == "a = 2;"
    assert document.text(value_of(document, node, "b")) == "1"
    for name, code in (("b", "E-NOT-LITERAL"), ("e", "E-MISSING")):
        with pytest.raises(Refusal) as caught:
            binding(document, node, name)
        assert caught.value.code == code


def test_a_name_without_a_value_in_the_file_is_left() -> None:
    document, node = opened("{ b }: { a = b; c = d; e = f.g; }")
    for name in "ace":
        value = binding(document, node, name).value
        assert followed(document, value) is value


@settings(max_examples=50, deadline=None, database=None)
@given(st.text(max_size=90))
def test_any_text_is_a_literal_or_needs_an_escape(text: str) -> None:
    if "\0" in text:
        return
    written = quote(text)
    document, node = opened(f"{{ a = {written}; }}")
    found = plain(document, binding(document, node, "a").value)
    if found is None:
        # What is read is not what stands there, so replacing the text between the quotes would be a guess.
        assert "\\" in written or "\r" in text or "\n" in text
    else:
        assert found.value == text == document.source[found.start : found.end]


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.sampled_from(["aaaa", "b", " ", "\n", "\t", "  "]), max_size=60))
def test_an_expression_is_shown_on_one_short_line(words: list[str]) -> None:
    document = parse("[ " + "".join(words) + " ]")
    text = shown(document, document.root)
    assert len(text) <= 60
    assert "\n" not in text
    assert "  " not in text
    assert text.endswith(("]", "…"))
