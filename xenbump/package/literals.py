"""Bindings and string literals, found exactly once or refused with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bindings, inherits
from xenbump.nixlang.tree import AttrSet, Binding, Expression, String
from xenbump.package.model import Literal

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document


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


def literal(document: Document, value: Expression, name: str) -> Literal:
    """A plain string literal.

    Raises:
        Refusal: E-NOT-LITERAL for any other expression, and for a string with an interpolation or an escape.
    """
    if isinstance(value, String) and not value.indented:
        text = value.literal()
        start, end = value.start + 1, value.end - 1
        if text is not None and text == document.source[start:end]:
            return Literal(text, start, end)
    written = " ".join(document.text(value).split())
    shown = written if len(written) <= 60 else written[:59] + "…"  # noqa: PLR2004
    raise Refusal("E-NOT-LITERAL", f"`{name}` is `{shown}`, not a plain string", where=document.where(value))
