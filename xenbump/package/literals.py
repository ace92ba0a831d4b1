"""Bindings and string literals, found exactly once, straight or behind one step; else refused with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bare, bindings, inherits, resolve
from xenbump.nixlang.tree import AttrSet, Binding, Expression, Formal, Identifier, String
from xenbump.package.model import Literal

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Definition

_LONGEST = 60


def binding(document: Document, node: AttrSet, name: str) -> Binding:
    """The one binding of a name in a set.

    Raises:
        Refusal: E-MISSING when there is none, E-NOT-LITERAL when the name is inherited from elsewhere.
    """
    found = bindings(node, [name])
    if len(found) == 1:
        return found[0]
    clauses = inherits(node, name)
    if clauses:
        raise Refusal(
            "E-NOT-LITERAL",
            f"`{name}` is inherited, so its value is written elsewhere",
            where=document.where(clauses[0]),
        )
    raise Refusal("E-MISSING", f"there is no `{name}` where it belongs", where=document.where(node))


def has(node: AttrSet, name: str) -> bool:
    """Whether a set defines a name, by a binding or by inheriting it."""
    return bool(bindings(node, [name]) or inherits(node, name))


def value_of(document: Document, node: AttrSet, name: str) -> Expression:
    """The value of a name in a set; for `inherit name;` the value that the name has around the set.

    Raises:
        Refusal: E-MISSING when there is none, E-NOT-LITERAL when it is not written in the file.
    """
    clauses = inherits(node, name)
    if not clauses or bindings(node, [name]):
        return binding(document, node, name).value
    names = [step.written for step in clauses[0].names if step.name == name]
    value = _value(resolve(document, names[0])) if isinstance(names[0], Identifier) else None
    if value is None:
        raise Refusal(
            "E-NOT-LITERAL",
            f"`{name}` is inherited from what is not written in this file",
            where=document.where(clauses[0]),
        )
    return value


def literal_of(document: Document, node: AttrSet, name: str) -> Literal:
    """The plain string that a name has in a set, where it stands there or one step away.

    A step is `inherit name;`, or a name that a `let`, a recursive set or a formal argument's default gives a string.

    Raises:
        Refusal: E-MISSING when there is none, E-NOT-LITERAL for any other expression, and behind a second step.
    """
    value = value_of(document, node, name)
    if not bindings(node, [name]):
        return literal(document, value, name)
    return literal(document, followed(document, value), name)


def followed(document: Document, value: Expression) -> Expression:
    """What a name stands for, one step away; any other expression as it is, and a name that the file gives no value."""
    inner = bare(value)
    if isinstance(inner, Identifier):
        found = _value(resolve(document, inner))
        return value if found is None else found
    return value


def literal(document: Document, value: Expression, name: str) -> Literal:
    """A plain string literal.

    Raises:
        Refusal: E-NOT-LITERAL for any other expression, and for a string with an interpolation or an escape.
    """
    found = plain(document, value)
    if found is not None:
        return found
    raise Refusal(
        "E-NOT-LITERAL", f"`{name}` is `{shown(document, value)}`, not a plain string", where=document.where(value)
    )


def plain(document: Document, value: Expression) -> Literal | None:
    """The literal of a plain string; None for any other expression, and a string with interpolation or escapes."""
    if isinstance(value, String) and not value.indented:
        text = value.literal()
        start, end = value.start + 1, value.end - 1
        if text is not None and text == document.source[start:end]:
            return Literal(text, start, end)
    return None


def shown(document: Document, value: Expression) -> str:
    """An expression in one line, cut where it is long, for messages."""
    written = " ".join(document.text(value).split())
    return written if len(written) <= _LONGEST else written[: _LONGEST - 1] + "…"


def _value(definition: Definition | None) -> Expression | None:
    """The value that a definition gives in this file; None where it gives none, as an argument without default."""
    match definition:
        case Binding(path=(_,), value=value):
            return value
        case Formal(default=default):
            return default
    return None
