"""The parser against the real Nix: how it groups operators, and the values of strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nixlang.nix import Nix
from tests.nixlang.support import seeded
from xenbump.nixlang import NixSyntaxError, call, parse
from xenbump.nixlang.find import bare
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import Binary, HasAttr, List, Select, String, Unary, With

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from xenbump.nixlang.tree import Expression


@pytest.fixture
def nix(tmp_path: Path) -> Nix:
    return Nix(tmp_path)


def accepted(source: str) -> bool:
    try:
        parse("with { };\n" + source)
    except NixSyntaxError:
        return False
    return True


def canonical(node: Expression) -> object:
    """Bring a tree to the form in which Nix prints it, with its shorthands written out."""
    node = bare(node)
    result: object = getattr(node, "name", None) or getattr(node, "text", None)
    applied = call(node)
    match node:
        case Unary(operator="-", operand=operand):
            result = ("__sub", "0", canonical(operand))
        case Unary(operand=operand):
            result = ("!", canonical(operand))
        case Binary(operator=operator, left=left, right=right):
            result = _binary(operator, canonical(left), canonical(right))
        case HasAttr(subject=subject, path=path):
            result = ("?", canonical(subject), *(step.name for step in path))
        case Select(subject=subject, path=path, default=default):
            fallback = None if default is None else canonical(default)
            result = (".", canonical(subject), *(step.name for step in path), fallback)
        case List(elements=elements):
            result = ("[]", *(canonical(element) for element in elements))
        case With(body=body):
            result = canonical(body)
    if applied is not None:
        result = (canonical(applied.function), *(canonical(argument) for argument in applied.arguments))
    return result


def _binary(operator: str, left: object, right: object) -> object:
    arithmetic = {"-": "__sub", "*": "__mul", "/": "__div", "<": "__lessThan"}
    if operator in arithmetic:
        return (arithmetic[operator], left, right)
    if operator == ">":
        return ("__lessThan", right, left)
    if operator in {"<=", ">="}:
        return ("!", _binary(">" if operator == "<=" else "<", left, right))
    return (operator, left, right)


def operator_chain(random: Random) -> str:
    operators = ("++", "+", "-", "*", "/", "//", "&&", "||", "->", "==", "!=", "<", ">", "<=", ">=", "?")
    words = []
    for _ in range(random.randrange(2, 7)):
        words.append(random.choice(("", "", "", "!", "-", "! -", "- !")))
        words.append(
            random.choice(("a", "b", "f x", "f x y", "a.b", "a.b or c", "a.b or c.d or e f", "[ a b.c ]", "map or"))
        )
        operator = random.choice(operators)
        words.append(operator)
        if operator == "?":
            words += ["p.q", random.choice([each for each in operators if each != "?"])]
    return " ".join([*words, "z"])


def test_operators_are_grouped_as_nix_groups_them(nix: Nix) -> None:
    random = seeded(42)
    sources = [operator_chain(random) for _ in range(900)]
    good = [source for source in sources if accepted(source)]
    bad = [source for source in sources if not accepted(source)]
    assert len(good) > 200
    printed = nix.printed(good)
    for source, tree in zip(good, printed, strict=True):
        assert canonical(parse(source).root) == canonical(parse(tree).root), source
    assert not any(nix.accepts(bad))


def literal(source: str) -> str | None:
    root = parse(source).root
    assert isinstance(root, String)
    return root.literal()


def test_values_of_strings(nix: Nix) -> None:
    random = seeded(7)
    quoted = (
        "a",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "$",
        "$$",
        r"\$",
        r"\${",
        r"\"",
        r"\\",
        r"\n",
        r"\r",
        r"\t",
        r"\x",
        "{",
        "''",
        "é",
        "\\\n",
    )
    indented = (
        "a",
        " ",
        "  ",
        "    ",
        "\n",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "\t",
        "$",
        "$$",
        "''$",
        "''${",
        "'''",
        r"''\n",
        r"''\t",
        r"''\ ",
        "'",
        '"',
        "\\",
        "é",
        "{",
    )
    sources = ["''''", '""', "''  ''", "''\n''", "''\n  a\n   b\n  ''", "'' \n \n  a ''"]
    sources += ['"' + "".join(random.choices(quoted, k=random.randrange(7))) + '"' for _ in range(1000)]
    sources += ["''" + "".join(random.choices(indented, k=random.randrange(9))) + "''" for _ in range(3000)]
    good = [source for source in sources if accepted(source) and is_literal(source)]
    assert len(good) > 2000
    for source, value in zip(good, nix.values(good), strict=True):
        assert literal(source) == value, source


def is_literal(source: str) -> bool:
    root = parse(source).root
    return isinstance(root, String) and root.literal() is not None


def test_quoted_strings_have_the_value_that_was_quoted(nix: Nix) -> None:
    random = seeded(11)
    letters = ("a", '"', "\\", "$", "{", "}", "${", "$${", "\n", "\r", "\r\n", "\t", "é", "😀", "'", "''", "\x01")
    values: list[object] = ["".join(random.choices(letters, k=random.randrange(8))) for _ in range(500)]
    literals = [quote(str(value)) for value in values]
    assert nix.values(literals) == values
    assert [literal(source) for source in literals] == values
