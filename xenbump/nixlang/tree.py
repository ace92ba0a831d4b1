"""The nodes of the syntax tree: immutable, each with the span of text that it was read from.

Offsets are code points in the source, `end` is exclusive. A span begins with the first token of the construct and
ends with its last one; parentheses are nodes of their own. Two nodes are equal only if they are the same object, so
that a node can be a key of a dictionary and a comparison never walks a tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar, dataclass_transform

from xenbump.nixlang.strings import Piece, indented_value, quoted_value

_Class = TypeVar("_Class")


@dataclass_transform(eq_default=False, frozen_default=True)
def _node(cls: type[_Class]) -> type[_Class]:
    """Make a class of nodes, whose attributes never change.

    The type checker sees to that. To see to it at run time as well, as a frozen dataclass does, makes an object three
    times as slow to construct, and a file has thousands of them.
    """
    return dataclass(slots=True, eq=False, repr=False)(cls)


@_node
class Node:
    """What all nodes have: a span.

    Attributes:
        start: offset of the first character.
        end: offset after the last character.
    """

    start: int
    end: int

    # The names of the fields that hold nodes, tuples of nodes, or None.
    fields: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        # Not the whole tree: a chain of a thousand operators is a thousand levels deep.
        return f"<{type(self).__name__} {self.start}:{self.end}>"

    def children(self) -> list[Node]:
        """Return the nodes directly below this one."""
        found: list[Node] = []
        for name in self.fields:
            value = getattr(self, name)
            if isinstance(value, tuple):
                found += value
            elif value is not None:
                found.append(value)
        return found


@_node
class Expression(Node):
    """A node that has a value, as opposed to a binding, a formal argument or a part of a string."""


@_node
class Identifier(Expression):
    """A name; `__curPos` and, where the grammar allows it, `or` are names too."""

    name: str


@_node
class Number(Expression):
    """An integer or a floating-point number, as written; a sign is a `Unary`."""

    text: str

    @property
    def value(self) -> int | float:
        """The number; a float exactly if it is written with a dot."""
        return float(self.text) if "." in self.text else int(self.text)


@_node
class Text(Node):
    r"""A part of a string or path that is written out.

    Attributes:
        raw: the characters of the source.
        is_escape: whether it is one escape, such as `\n` or `''$`.
    """

    raw: str
    is_escape: bool


@_node
class Interpolation(Node):
    """`${ expression }`, in a string, a path or an attribute path."""

    expression: Expression

    fields = ("expression",)


@_node
class String(Expression):
    """`"…"` or `''…''`.

    Attributes:
        parts: text and interpolations in the order of the source, without the quotes.
        indented: whether it is written with `''`.
    """

    parts: tuple[Text | Interpolation, ...]
    indented: bool

    fields = ("parts",)

    def literal(self) -> str | None:
        """Return the value that Nix gives the string, or None if there is an interpolation in it."""
        pieces: list[Piece] = []
        for part in self.parts:
            if not isinstance(part, Text):
                return None
            pieces.append((part.raw, part.is_escape))
        return indented_value(pieces) if self.indented else quoted_value(pieces)


@_node
class Path(Expression):
    """A path without quotes; without interpolation its one part is the path as written."""

    parts: tuple[Text | Interpolation, ...]

    fields = ("parts",)

    def literal(self) -> str | None:
        """Return the path as written, or None if there is an interpolation in it."""
        texts = [part.raw for part in self.parts if isinstance(part, Text)]
        return "".join(texts) if len(texts) == len(self.parts) else None


@_node
class SearchPath(Expression):
    """`<nixpkgs/lib>`; `text` has the angle brackets."""

    text: str


@_node
class Uri(Expression):
    """A URI without quotes, which Nix reads as a string."""

    text: str


@_node
class List(Expression):
    """`[ … ]`."""

    elements: tuple[Expression, ...]

    fields = ("elements",)


@_node
class AttrName(Node):
    """One step of an attribute path.

    Attributes:
        written: how it is written: a bare name, a string or `${…}`.
        name: the name, or None if it is known only to the evaluator.
    """

    written: Identifier | String | Interpolation
    name: str | None

    fields = ("written",)


@_node
class Binding(Node):
    """`path = value;`: the span includes the semicolon."""

    path: tuple[AttrName, ...]
    value: Expression

    fields = ("path", "value")

    @property
    def names(self) -> tuple[str | None, ...]:
        """The steps of the path; None stands for one that only the evaluator knows."""
        return tuple(step.name for step in self.path)


@_node
class Inherit(Node):
    """`inherit a b;` or `inherit (source) a b;`: the span includes the semicolon.

    Attributes:
        source: the expression in the parentheses, or None.
        names: what is inherited; Nix allows no dynamic name here.
    """

    source: Expression | None
    names: tuple[AttrName, ...]

    fields = ("source", "names")


@_node
class AttrSet(Expression):
    """`{ … }` or `rec { … }`; the span includes `rec`."""

    recursive: bool
    bindings: tuple[Binding | Inherit, ...]

    fields = ("bindings",)


@_node
class LegacyLet(Expression):
    """`let { …; body = …; }`, the old form whose value is the attribute `body` of the set."""

    bindings: tuple[Binding | Inherit, ...]

    fields = ("bindings",)


@_node
class Let(Expression):
    """`let … in body`."""

    bindings: tuple[Binding | Inherit, ...]
    body: Expression

    fields = ("bindings", "body")


@_node
class With(Expression):
    """`with scope; body`."""

    scope: Expression
    body: Expression

    fields = ("scope", "body")


@_node
class Assert(Expression):
    """`assert condition; body`."""

    condition: Expression
    body: Expression

    fields = ("condition", "body")


@_node
class If(Expression):
    """`if condition then yes else no`."""

    condition: Expression
    yes: Expression
    no: Expression

    fields = ("condition", "yes", "no")


@_node
class Formal(Node):
    """One formal argument: `name` or `name ? default`; the span has no comma.

    Attributes:
        name: the identifier.
        default: the expression after `?`, or None.
        comma: offset of the comma that follows, or None if none does.
    """

    name: Identifier
    default: Expression | None
    comma: int | None

    fields = ("name", "default")


@_node
class Formals(Node):
    """`{ a, b ? c, ... }` as the parameter of a function.

    Attributes:
        formals: in the order of the source.
        ellipsis: offset of the `...`, or None.
        alias: the name bound to the whole argument by `@`, on either side, or None.
        opening: offset of the opening brace; it is `start` unless the alias comes first.
        closing: offset of the closing brace.
    """

    formals: tuple[Formal, ...]
    ellipsis: int | None
    alias: Identifier | None
    opening: int
    closing: int

    fields = ("formals", "alias")


@_node
class Lambda(Expression):
    """`parameter: body`."""

    parameter: Identifier | Formals
    body: Expression

    fields = ("parameter", "body")


@_node
class Apply(Expression):
    """`function argument`; more arguments nest to the left."""

    function: Expression
    argument: Expression

    fields = ("function", "argument")


@_node
class Select(Expression):
    """`subject.path` or `subject.path or default`."""

    subject: Expression
    path: tuple[AttrName, ...]
    default: Expression | None

    fields = ("subject", "path", "default")


@_node
class HasAttr(Expression):
    """`subject ? path`."""

    subject: Expression
    path: tuple[AttrName, ...]

    fields = ("subject", "path")


@_node
class Unary(Expression):
    """`!operand` or `-operand`."""

    operator: str
    operand: Expression

    fields = ("operand",)


@_node
class Binary(Expression):
    """`left operator right`; the pipes are operators too.

    Attributes:
        operator: as written.
        at: offset of the operator.
        left: the left operand.
        right: the right operand.
    """

    operator: str
    at: int
    left: Expression
    right: Expression

    fields = ("left", "right")


@_node
class Parens(Expression):
    """`(inner)`."""

    inner: Expression

    fields = ("inner",)
