"""Bindings by path, calls, and what names refer to."""

from __future__ import annotations

import pytest

from tests.nixlang.support import FIXTURES
from xenbump.nixlang import Document, bindings, body, call, inherits, operands, parse, resolve, walk
from xenbump.nixlang.find import ancestors, visible
from xenbump.nixlang.tree import AttrSet, Binding, Formal, Identifier, Inherit, Let, List, String


def texts(document: Document, path: str) -> list[str]:
    return [document.text(binding.value) for binding in bindings(document, path.split("."))]


def test_bindings_by_path() -> None:
    document = parse(
        '{ a.b = 1; a = { "c" = 2; d = ({ e.f = 3; }); }; g = x: { h = 4; }; ${"i"} = 5; j = f { k = 6; }; }'
    )
    assert texts(document, "a.b") == ["1"]
    assert texts(document, "a.c") == ["2"]
    assert texts(document, "a.d.e.f") == ["3"]
    assert texts(document, "a") == ['{ "c" = 2; d = ({ e.f = 3; }); }']
    assert texts(document, "i") == ["5"]
    for path in ("g.h", "j.k", "a.d.e", "x", "a.b.c"):
        assert texts(document, path) == []


def test_bindings_of_let_and_of_other_things() -> None:
    document = parse('let version = "1"; in { version = 2; }')
    assert isinstance(document.root, Let)
    assert [document.text(one) for one in bindings(document.root, ["version"])] == ['version = "1";']
    assert texts(document, "version") == ["2"]
    assert bindings(parse("[ ]"), ["a"]) == []


def test_body_and_call() -> None:
    document = parse(FIXTURES["github"])
    inner = body(document)
    applied = call(inner)
    assert applied is not None
    assert applied.name == "stdenv.mkDerivation"
    assert len(applied.arguments) == 1
    attributes = body(applied.arguments[0])
    assert isinstance(attributes, AttrSet)
    (source,) = bindings(attributes, ["src"])
    fetch = call(source.value)
    assert fetch is not None
    assert fetch.name == "fetchFromGitHub"
    (tag,) = bindings(fetch.arguments[0], ["tag"])
    assert isinstance(tag.value, String)
    assert tag.value.literal() == "RELEASE-4.20.3"


@pytest.mark.parametrize(
    ("source", "name", "count"),
    [
        ("f a b", "f", 2),
        ("(a.b.override { }) { } 1", "a.b.override", 3),
        ("(x: x) 1", None, 1),
        ("(a.b or c) 1", None, 1),
        ("a.${b} 1", None, 1),
        ("(f a).b 1", None, 1),
    ],
)
def test_names_of_calls(source: str, name: str | None, count: int) -> None:
    applied = call(parse(source).root)
    assert applied is not None
    assert (applied.name, len(applied.arguments)) == (name, count)


def test_what_is_no_call() -> None:
    assert call(parse("a.b").root) is None


def test_operands() -> None:
    document = parse("a ++ (b ++ [ c ]) ++ optionals d [ e ]")
    assert [document.text(node) for node in operands(document.root, "++")] == ["a", "b", "[ c ]", "optionals d [ e ]"]


def test_inherits() -> None:
    document = parse("{ inherit a b; inherit (c) d; }")
    assert [document.text(one) for one in inherits(document, "d")] == ["inherit (c) d;"]
    assert inherits(document, "c") == []


def definition(source: str) -> str | None:
    """Resolve the name that stands at the `»` and show its definition."""
    at = source.index("»")
    document = parse(source.replace("»", ""))
    (name,) = [node for node in walk(document) if isinstance(node, Identifier) and node.start == at]
    found = resolve(document, name)
    assert found is None or isinstance(found, Binding | Inherit | Formal | Identifier)
    return None if found is None else document.text(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("let v = 1; in »v", "v = 1;"),
        ("let v = 1; in { v = 2; w = »v; }", "v = 1;"),
        ("let v = 1; in rec { v = 2; w = »v; }", "v = 2;"),
        ("let v = 1; in rec { inherit »v; }", "v = 1;"),
        ("let v = 1; in { inherit (v) »v; }", None),
        ("let v = 1; in { inherit (»v) v; }", "v = 1;"),
        ("rec { inherit v; w = »v; }", "inherit v;"),
        ("{ v ? 1, ... }: »v", "v ? 1"),
        ("{ v, w ? »v }: w", "v"),
        ("a@{ v }: »a", "a"),
        ("{ v }@a: »a.v", "a"),
        ("v: v: with x; »v", "v"),
        ("with x; »v", None),
        ("let v.w = 1; in »v", "v.w = 1;"),
        ("let v = 1; in x.»v", None),
        ("{ »v = 1; }", None),
        ("{ »v ? 1 }: 2", None),
        ("»v: 2", None),
        ('let v = 1; in "${»v}"', "v = 1;"),
        ("let v = 1; in x.${»v}", "v = 1;"),
        ("let { v = 1; body = »v; }", "v = 1;"),
        ("let f = v: v; in »v", None),
        ("let v = 1; in f { inherit »v; }", "v = 1;"),
        ("let v = 1; in rec { w = { inherit »v; }; }", "v = 1;"),
        ("let v = 1; in rec { inherit (x) v; w = { inherit »v; }; }", "inherit (x) v;"),
        ("let v = 1; in let inherit »v; in v", "v = 1;"),
        ("{ v ? 1 }: { inherit »v; }", "v ? 1"),
        ("{ v ? 1 }: rec { a.v = 2; w = »v; }", "v ? 1"),
        ("{ inherit »v; }", None),
    ],
)
def test_resolve(source: str, expected: str | None) -> None:
    assert definition(source) == expected


def test_a_node_of_another_document_is_not_resolved() -> None:
    document, other = parse("a b"), parse("a b")
    with pytest.raises(ValueError, match="not a node of this document"):
        ancestors(document, other.root.children()[0])


def test_everything_around_every_node() -> None:
    for source in (*FIXTURES.values(), "x@{ a, b ? y.z or 1, ... }: rec { inherit (a) b; ${c}.d = ./e${f}/g; }"):
        document = parse(source)
        above = {child: node for node in walk(document) for child in node.children()}
        for node in walk(document):
            around = ancestors(document, node)
            assert around[-1:] == ([] if node is document.root else [document.root])
            assert [above[inner] for inner in (node, *around)[: len(around)]] == around


def test_the_first_definition_of_a_name_is_found_among_many() -> None:
    many = " ".join(f"a{number}.b = 1; a{number}.c = 2;" for number in range(50))
    document = parse(f"let {many} in [ a7 a49 a50 ]")
    assert isinstance(document.root, Let)
    assert isinstance(document.root.body, List)
    for name, expected in zip(document.root.body.elements, ("a7.b = 1;", "a49.b = 1;", None), strict=True):
        assert isinstance(name, Identifier)
        found = resolve(document, name)
        assert (None if found is None else document.text(found)) == expected


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("definition", "pkg.qemu.rev", "00"),
        ("definition", "pkg.seaBIOS.rev", "11"),
        ("definition", "pkg.hyper.rev", "fedcba9876543210fedcba9876543210fedcba98"),
        ("alejandra", "rev", "abc"),
        ("legacy", "version", "4.8.2"),
        ("derived", "version", "4.21.0"),
    ],
)
def test_values_in_files(name: str, path: str, value: str) -> None:
    document = parse(FIXTURES[name])
    values = [
        binding.value.literal()
        for node in walk(document)
        if isinstance(node, AttrSet)
        for binding in bindings(node, path.split("."))
        if isinstance(binding.value, String)
    ]
    assert value in values


def test_lists_in_files() -> None:
    document = parse(FIXTURES["derived"])
    chain = next(node for node in walk(document) if isinstance(node, Binding) and node.names == ("patches",)).value
    first, second = operands(chain, "++")
    assert isinstance(first, List)
    optional = call(second)
    assert optional is not None
    assert optional.name == "lib.optionals"


def test_what_a_name_would_mean_at_a_place() -> None:
    document = parse("{ a, b ? 1, ... }@all: let c = 1; in with d; x: rec { e = { f = 1; }; inherit g; }")
    inner, outer = (
        next(one for one in walk(document) if isinstance(one, AttrSet) and one.recursive is recursive)
        for recursive in (False, True)
    )
    kinds = {"a": Formal, "b": Formal, "all": Identifier, "c": Binding, "x": Identifier, "e": Binding, "g": Inherit}
    for place in (inner, outer):
        for name, kind in kinds.items():
            assert isinstance(visible(document, place, name), kind)
        # What only a `with` or nothing brings, and what a set that is not `rec` has for others.
        assert [visible(document, place, name) for name in ("d", "f", "z")] == [None, None, None]
