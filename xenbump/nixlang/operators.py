"""Precedence and associativity of Nix's operators.

From the table in the Nix manual, section "Operators"; how prefix and infix operators mix is as in Nix 2.8's parser: a
prefix operator takes all that binds tighter than it, also as an operand of one that binds tighter than itself, so
`a * !b + c` is `a * (!(b + c))`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from xenbump.nixlang.tree import AttrName, Binary, Expression, HasAttr, Unary


@unique
class _Side(Enum):
    LEFT = 0
    RIGHT = 1
    NONE = 2


_INFIX = {
    "->": (1, _Side.RIGHT),
    "||": (2, _Side.LEFT),
    "&&": (3, _Side.LEFT),
    "==": (4, _Side.NONE),
    "!=": (4, _Side.NONE),
    "<": (5, _Side.NONE),
    ">": (5, _Side.NONE),
    "<=": (5, _Side.NONE),
    ">=": (5, _Side.NONE),
    "//": (6, _Side.RIGHT),
    "+": (8, _Side.LEFT),
    "-": (8, _Side.LEFT),
    "*": (9, _Side.LEFT),
    "/": (9, _Side.LEFT),
    "++": (10, _Side.RIGHT),
}
_HAS_ATTRIBUTE = 11
_PREFIX = {"!": 7, "-": 12}
# What stands between operands or, as `?`, after one.
INFIX = frozenset({*_INFIX, "?"})


@dataclass(frozen=True, slots=True)
class _Pending:
    """An operator whose right operand is still to come."""

    precedence: int
    text: str
    at: int
    is_prefix: bool


class Operators:
    """Builds the tree of one chain of operators without recursion."""

    def __init__(self) -> None:
        self._operands: list[Expression] = []
        self._pending: list[_Pending] = []

    def prefix(self, text: str, at: int) -> None:
        """Take `!` or a sign."""
        self._pending.append(_Pending(_PREFIX[text], text, at, is_prefix=True))

    def operand(self, node: Expression) -> None:
        """Take an operand."""
        self._operands.append(node)

    def has_attribute(self, path: tuple[AttrName, ...]) -> None:
        """Take `? path`; the operand before it has been taken."""
        self._reduce(_HAS_ATTRIBUTE)
        subject = self._operands.pop()
        self._operands.append(HasAttr(subject.start, path[-1].end, subject, path))

    def infix(self, text: str, at: int) -> bool:
        """Take an operator between operands.

        Returns:
            False if it has no meaning after the one before it, as in `a == b == c`.
        """
        precedence, side = _INFIX[text]
        self._reduce(precedence if side is not _Side.LEFT else precedence - 1)
        if side is _Side.NONE and self._pending and self._pending[-1].precedence == precedence:
            return False
        self._pending.append(_Pending(precedence, text, at, is_prefix=False))
        return True

    def finish(self) -> Expression:
        """Return the whole; the last operand has been taken."""
        self._reduce(0)
        return self._operands.pop()

    def _reduce(self, above: int) -> None:
        """Complete the operators at the top of the stack that bind tighter than `above`."""
        while self._pending and self._pending[-1].precedence > above:
            operator = self._pending.pop()
            right = self._operands.pop()
            if operator.is_prefix:
                self._operands.append(Unary(operator.at, right.end, operator.text, right))
            else:
                left = self._operands.pop()
                self._operands.append(Binary(left.start, right.end, operator.text, operator.at, left, right))
