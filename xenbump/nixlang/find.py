"""Finding things in a tree: bindings by path, the inside of wrappers, calls, and what a name refers to."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from xenbump.nixlang.document import Document
from xenbump.nixlang.tree import (
    Apply,
    Assert,
    AttrName,
    AttrSet,
    Binary,
    Binding,
    Expression,
    Formal,
    Formals,
    Identifier,
    Inherit,
    Lambda,
    LegacyLet,
    Let,
    Node,
    Parens,
    Select,
    With,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What can give a name its meaning; an identifier is the parameter of `name: …` or the name before or after an `@`.
Definition = Binding | Inherit | Formal | Identifier

_START = attrgetter("start")
# A union of types is many times slower to check than a tuple of them.
_SCOPES = (AttrSet, Let, LegacyLet)


def walk(node: Node | Document) -> Iterator[Node]:
    """Yield a node and everything below it, each before its own parts; a document begins at its root."""
    return iter(_nodes(node)) if isinstance(node, Document) else _below(node)


# Whoever looks for one thing in a file looks for others too.
@lru_cache(maxsize=4)
def _nodes(document: Document) -> tuple[Node, ...]:
    return tuple(_below(document.root))


def _below(node: Node) -> Iterator[Node]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        # As `reversed(current.children())` does, without a list of them for each node.
        for name in reversed(current.fields):
            value = getattr(current, name)
            if isinstance(value, tuple):
                pending += value[::-1]
            elif value is not None:
                pending.append(value)


def bare(node: Expression) -> Expression:
    """Return the expression inside of any parentheses around it."""
    while isinstance(node, Parens):
        node = node.inner
    return node


def body(node: Expression | Document) -> Expression:
    """Return what an expression comes down to once it has its arguments and scopes.

    Parentheses, functions, `let … in`, `with` and `assert` are taken off from the outside in. A choice (`if`) stays.
    """
    current = node.root if isinstance(node, Document) else node
    while True:
        match current:
            case Parens(inner=inner):
                current = inner
            case Lambda(body=inner) | Let(body=inner) | With(body=inner) | Assert(body=inner):
                current = inner
            case _:
                return current


def bindings(node: Node | Document, path: Sequence[str]) -> list[Binding]:
    """Find the bindings of one attribute path.

    `a.b = …;`, `a = { b = …; };` and any mixture of the two are found, also with quoted names. Only sets that are
    written out are searched: nothing inside of functions, calls, operators or `let` counts.

    Args:
        node: a set or a `let … in` (whose definitions are searched, not its body), also in parentheses; of a document
            the `body`. Anything else has no bindings.
        path: the names from the node down; at least one.

    Returns:
        The bindings of exactly this path in the order of the source. There are several only where a set is written in
        several parts, as in `a = { b = 1; }; a = { c = 2; };`. Of `a.b = 1; a.c = 2;` none is a binding of `a`.
    """
    wanted = tuple(path)
    found: list[Binding] = []
    pending: list[tuple[Node, int]] = [(body(node) if isinstance(node, Document) else node, 0)]
    while pending:
        current, depth = pending.pop()
        first = wanted[depth]
        for binding in _definitions(current):
            # Most are told apart by their first step.
            if isinstance(binding, Inherit) or binding.path[0].name != first:
                continue
            end = depth + len(binding.path)
            if binding.names == wanted[depth:end]:
                if end == len(wanted):
                    found.append(binding)
                else:
                    pending.append((binding.value, end))
    return sorted(found, key=_START) if found[1:] else found


def inherits(node: Node | Document, name: str) -> list[Inherit]:
    """Find the `inherit` clauses that bring a name directly into a set or `let`; `node` is as for `bindings`."""
    return [
        clause
        for clause in _definitions(body(node) if isinstance(node, Document) else node)
        if isinstance(clause, Inherit) and any(step.name == name for step in clause.names)
    ]


def _definitions(node: Node) -> tuple[Binding | Inherit, ...]:
    if isinstance(node, Parens):
        node = bare(node)
    return node.bindings if isinstance(node, _SCOPES) else ()


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function with its arguments.

    Attributes:
        name: the function as a dotted name, such as `stdenv.mkDerivation`; None if it is anything but names.
        function: the function.
        arguments: all arguments from left to right; at least one.
    """

    name: str | None
    function: Expression
    arguments: tuple[Expression, ...]


def call(node: Expression) -> Call | None:
    """Take an application apart, also one in parentheses; None for any other expression."""
    arguments: list[Expression] = []
    current = bare(node)
    while isinstance(current, Apply):
        arguments.append(current.argument)
        current = bare(current.function)
    return Call(dotted(current), current, tuple(reversed(arguments))) if arguments else None


def dotted(node: Expression) -> str | None:
    """Return `a.b.c` for an identifier or a selection of static names without `or`, otherwise None."""
    current = bare(node)
    if isinstance(current, Identifier):
        return current.name
    if not isinstance(current, Select) or current.default is not None:
        return None
    head = dotted(current.subject)
    steps = [step.name for step in current.path]
    if head is None or None in steps:
        return None
    return ".".join([head, *(step for step in steps if step is not None)])


def operands(node: Expression, operator: str) -> list[Expression]:
    """Return the operands of a chain of one operator from left to right, parentheses taken off.

    Args:
        node: the chain; anything else counts as its only operand.
        operator: one that is associative in the sense of Nix, such as `++`, `//` or `+`.
    """
    found: list[Expression] = []
    pending = [node]
    while pending:
        current = bare(pending.pop())
        if isinstance(current, Binary) and current.operator == operator:
            pending += current.right, current.left
        else:
            found.append(current)
    return found


def ancestors(document: Document, node: Node) -> list[Node]:
    """Return the nodes around a node of the document, the innermost first; without the node itself.

    Raises:
        ValueError: the node is not of this document.
    """
    above: list[Node] = []
    current: Node = document.root
    while current is not node:
        above.append(current)
        below = _part_at(current, node)
        if below is None:
            raise ValueError(f"{node!r} is not a node of this document")
        current = below
    return above[::-1]


def _part_at(around: Node, node: Node) -> Node | None:
    """Return the node directly below one that has another one's span in it."""
    for name in around.fields:
        value = getattr(around, name)
        if isinstance(value, tuple):
            # A file of patches is one long list: to look at every element for each would take quadratic time.
            place = bisect_right(value, node.start, key=_START) - 1
            value = value[place] if place >= 0 else None
        if isinstance(value, Node) and value.start <= node.start and node.end <= value.end:
            return value
    return None


def resolve(document: Document, name: Identifier) -> Definition | None:
    """Find what gives a name its meaning, by one step.

    Args:
        document: the file.
        name: an identifier in it: a variable, or a name in an `inherit` without a source, which is looked up around the
            set that it stands in.

    Returns:
        The binding, `inherit` clause, formal argument or parameter of the innermost scope (`let`, `rec`, function) that
        defines the name. A binding may have a longer path than the name (`a.b = 1;` defines a part of `a`). None if no
        scope of the file has the name: a builtin, or one that `with` brings, for `with` never hides a definition. None
        also for a name that is not a variable: one in a selection, a path of a binding, or an `inherit` with a source.
    """
    around = ancestors(document, name)
    match around[:2]:
        case [AttrName(), Inherit(source=None)]:
            # The name comes from around the set or `let` that the clause stands in.
            around = around[3:]
        case [AttrName() | Formals(), *_]:
            return None
        case [Formal(name=declared), *_] if declared is name:
            return None
    found = _innermost(around, name.name)
    return None if found is name else found


def visible(document: Document, place: Node, name: str) -> Definition | None:
    """Find what a name would mean if it were used directly inside of a node of the document.

    Returns:
        The definition, as `resolve` returns it; a node that is `rec` defines its own names. None if no scope of the
        file has the name; a `with` does not count.
    """
    return _innermost([place, *ancestors(document, place)], name)


def _innermost(around: Sequence[Node], name: str) -> Definition | None:
    for node in around:
        found = _defined_by(node, name)
        if found is not None:
            return found
    return None


def _defined_by(node: Node, name: str) -> Definition | None:
    """Return the definition that a node has for a name that is used inside of it."""
    match node:
        case Let() | LegacyLet() | AttrSet(recursive=True):
            return _names_of(node).get(name)
        case Lambda(parameter=Identifier() as parameter):
            return parameter if parameter.name == name else None
        case Lambda(parameter=Formals() as formals):
            return _formal_of(formals, name)
    return None


# Whoever asks for one name in a scope asks for others too.
@lru_cache(maxsize=16)
def _names_of(node: AttrSet | Let | LegacyLet) -> dict[str | None, Binding | Inherit]:
    """Return the first definition of each name."""
    found: dict[str | None, Binding | Inherit] = {}
    for definition in node.bindings:
        steps = definition.names if isinstance(definition, Inherit) else definition.path[:1]
        for step in steps:
            found.setdefault(step.name, definition)
    return found


def _formal_of(formals: Formals, name: str) -> Formal | Identifier | None:
    for formal in formals.formals:
        if formal.name.name == name:
            return formal
    return formals.alias if formals.alias is not None and formals.alias.name == name else None
