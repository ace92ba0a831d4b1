"""Trees: spans, grouping, limits, and what is refused where."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nixlang.damage import mutate
from tests.nixlang.expressions import Expressions
from tests.nixlang.support import FIXTURES, seeded
from xenbump.nixlang import NixSyntaxError, parse, walk
from xenbump.nixlang.cursor import MAX_DEPTH
from xenbump.nixlang.tree import (
    Apply,
    AttrSet,
    Binary,
    Binding,
    Formals,
    Identifier,
    Inherit,
    Lambda,
    LegacyLet,
    List,
    Node,
    Number,
    Path,
    Select,
    Unary,
)

if TYPE_CHECKING:
    from random import Random


def test_spans_are_those_of_the_text() -> None:
    document = parse('  { a."b" = f ./p (x.y or 1) ; inherit (s) c; }  ')
    root = document.root
    assert isinstance(root, AttrSet)
    binding, inherit = root.bindings
    assert isinstance(binding, Binding)
    assert isinstance(inherit, Inherit)
    assert document.text(binding) == 'a."b" = f ./p (x.y or 1) ;'
    assert binding.names == ("a", "b")
    assert isinstance(binding.value, Apply)
    assert document.text(binding.value) == "f ./p (x.y or 1)"
    assert document.text(binding.value.function) == "f ./p"
    assert document.text(inherit) == "inherit (s) c;"
    assert (document.where(binding), document.where(2)) == ("line 1, column 5", "line 1, column 3")


def test_formals() -> None:
    source = "args @ { a, b ? 1 , ... }: a"
    document = parse(source)
    assert isinstance(document.root, Lambda)
    formals = document.root.parameter
    assert isinstance(formals, Formals)
    assert [(formal.name.name, formal.comma) for formal in formals.formals] == [("a", 10), ("b", 18)]
    assert document.text(formals.formals[1]) == "b ? 1"
    assert formals.alias is not None
    assert (formals.alias.name, source[formals.opening], source[formals.closing]) == ("args", "{", "}")
    assert formals.ellipsis == source.index("...")
    assert document.text(formals) == "args @ { a, b ? 1 , ... }"


def grouped(source: str) -> str:
    """Show how operators were grouped."""

    def show(node: Node) -> str:
        match node:
            case Binary(operator=operator, left=left, right=right):
                return f"({show(left)} {operator} {show(right)})"
            case Unary(operator=operator, operand=operand):
                return f"({operator}{show(operand)})"
        return document.text(node)

    document = parse(source)
    return show(document.root)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a ++ b ++ c", "(a ++ (b ++ c))"),
        ("a - b - c * d", "((a - b) - (c * d))"),
        ("a // b // c == d", "((a // (b // c)) == d)"),
        ("a * !b + c", "(a * (!(b + c)))"),
        ("!a == -b", "((!a) == (-b))"),
        ("a -> b -> c || d && e", "(a -> (b -> (c || (d && e))))"),
        ("f x ? y + z", "(f x ? y + z)"),
        ("a |> f |> g", "((a |> f) |> g)"),
        ("f <| g <| a + b", "(f <| (g <| (a + b)))"),
    ],
)
def test_operators(source: str, expected: str) -> None:
    assert grouped(source) == expected


def test_selection_takes_its_default() -> None:
    root = parse("a.b or c.d or e").root
    assert isinstance(root, Select)
    assert isinstance(root.default, Select)
    assert isinstance(root.default.default, Identifier)


def test_old_forms() -> None:
    assert isinstance(parse("let { body = 1; }").root, LegacyLet)
    applied = parse("map or [ ]").root
    assert isinstance(applied, Apply)
    assert isinstance(applied.argument, List)


def test_numbers_and_paths() -> None:
    root = parse("[ 12 1.5 ./a/b ./a/${x} ]").root
    assert isinstance(root, List)
    integer, floating, path, dynamic = root.elements
    assert isinstance(integer, Number)
    assert isinstance(floating, Number)
    assert (integer.value, floating.value) == (12, 1.5)
    assert isinstance(path, Path)
    assert isinstance(dynamic, Path)
    assert (path.literal(), dynamic.literal()) == ("./a/b", None)


@pytest.mark.parametrize(
    ("source", "line", "column", "what"),
    [
        ("", 1, 1, "unexpected end of the file; an expression should stand here"),
        ("{ a = 1 }", 1, 9, "unexpected `}`; `;` should stand here"),
        ("{\n  a = 1;\n  a = 2;\n}", 3, 3, "the attribute `a` is defined twice"),
        ("{ a.b = 1; a = { b = 2; }; }", 1, 12, "the attribute `a` is defined twice"),
        ("{ a = 1; a.b = 2; }", 1, 10, "the attribute `a` is defined twice"),
        ("{ a = 1; inherit a; }", 1, 18, "the attribute `a` is defined twice"),
        ('{ "a" = 1; ${"a"} = 1; }', 1, 12, "the attribute `a` is defined twice"),
        ("let ${x} = 1; in 1", 1, 5, "a name that only evaluation can tell is not allowed in `let`"),
        ("{ inherit ${x}; }", 1, 11, "a name that only evaluation can tell is not allowed in `inherit`"),
        ("{ a, a }: 1", 1, 6, "the argument `a` is declared twice"),
        ("a@{ a }: 1", 1, 5, "the argument `a` is declared twice"),
        ("{ a, ..., b }: 1", 1, 9, "unexpected `,`; `}` should stand here"),
        ("{ a }@1: 1", 1, 7, "unexpected `1`; a name should stand here"),
        ("a == b == c", 1, 8, "`==` cannot be chained; parentheses must say what is meant"),
        ("f x: x", 1, 4, "unexpected `:`; the end of the file should stand here"),
        ("a |> f <| b", 1, 8, "unexpected `<|`; the end of the file should stand here"),
        ('"${a b c=}"', 1, 9, "unexpected `=`; the end of `${` should stand here"),
        ("9223372036854775808", 1, 1, "the number is out of the range of Nix's numbers"),
        ("1.e999", 1, 1, "the number is out of the range of Nix's numbers"),
        ("1.e-999", 1, 1, "the number is out of the range of Nix's numbers"),
        ("a }", 1, 3, "unexpected `}`; the end of the file should stand here"),
        ("{ a = [ 1 + 2 ]; }", 1, 11, "unexpected `+`; an expression should stand here"),
    ],
)
def test_refusals(source: str, line: int, column: int, what: str) -> None:
    with pytest.raises(NixSyntaxError) as caught:
        parse(source)
    assert (caught.value.what, caught.value.line, caught.value.column) == (what, line, column)


@pytest.mark.parametrize(
    "source",
    [
        "{ a.b = 1; a.c = 2; a = { d = 3; }; }",
        "{ a = ({ b = 1; }); a.c = 2; ${x} = 1; ${x} = 2; ${x}.y = 1; }",
        "{ a = { b = { c = 1; }; }; a = { b = { d = 1; }; }; }",
        "{ or = 1; a.or = 2; inherit or'; }",
        "0.0e0",
        "9223372036854775807",
    ],
)
def test_acceptances(source: str) -> None:
    assert parse(source).root.end == len(source)


@pytest.mark.parametrize(
    ("left", "right"),
    [("(", ")"), ("[", "]"), ("{a=", ";}"), ('"${', '}"'), ("{a?", "}:1"), ("./${", "}"), ("f (1+", ")")],
)
def test_depth_has_a_limit_that_is_an_error_like_others(left: str, right: str) -> None:
    deep = MAX_DEPTH - 1
    assert parse(left * deep + "1" + right * deep).root.start == 0
    for levels in (MAX_DEPTH, 10_000):
        with pytest.raises(NixSyntaxError, match="brackets nest deeper than 100 levels here"):
            parse(left * levels + "1" + right * levels)


def test_a_deep_caller_gets_the_same_kind_of_error() -> None:
    def descend() -> None:
        try:
            descend()
        except RecursionError:
            # There is no room left here, but some more a few calls up.
            return
        parse("(" * 90 + "1" + ")" * 90)

    with pytest.raises(NixSyntaxError, match="too deep"):
        descend()


@pytest.mark.parametrize(
    "text", ["a + ", "a ++ ", "f ", "x: ", "let a = 1; in ", "if a then b else ", "- ", "a.b or ", "f <| "]
)
def test_chains_are_not_limited(text: str) -> None:
    document = parse(text * 5_000 + "1")
    assert sum(1 for _ in walk(document)) > 5_000
    assert repr(document.root).endswith(f"0:{len(document.source)}>")


def check_tree(source: str) -> None:
    document = parse(source)
    for node in walk(document):
        assert node.start < node.end
        children = sorted(node.children(), key=lambda child: child.start)
        for child in children:
            assert node.start <= child.start
            assert child.end <= node.end
        for first, second in pairwise(children):
            assert first.end <= second.start
        # A node begins and ends with a token that carries meaning.
        assert document.tokens[document.token_index(node.start)].start == node.start
        assert document.tokens[document.token_index(node.end - 1)].end == node.end


@settings(deadline=None)
@given(st.integers(min_value=0))
def test_trees_of_generated_expressions_are_well_formed(seed: int) -> None:
    check_tree(Expressions(seeded(seed)).expression(4))


@settings(deadline=None)
@given(st.sampled_from(sorted(FIXTURES)), st.randoms(use_true_random=False))
def test_trees_of_damaged_files_are_well_formed(name: str, random: Random) -> None:
    source = mutate(random, FIXTURES[name])
    with suppress(NixSyntaxError):
        check_tree(source)
