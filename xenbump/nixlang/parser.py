"""From tokens to a syntax tree.

The grammar is the one of the Nix manual (section "Nix Language") with the precedences of Nix 2.8's parser, and the
pipe operators of later versions. The parser is a recursive descent for what brackets enclose, and loops for what
chains: functions of functions, `let` in `let`, `else if`, operators. So only brackets cost depth, and their nesting
is limited to `cursor.MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Callable

from xenbump.nixlang.attributes import Attributes, static_name
from xenbump.nixlang.cursor import END, HOLE, HOLE_END, IDENTIFIER, STRING, Cursor
from xenbump.nixlang.errors import NixSyntaxError
from xenbump.nixlang.lexer import Kind, Token
from xenbump.nixlang.operators import Operators
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
    If,
    Inherit,
    Interpolation,
    Lambda,
    LegacyLet,
    Let,
    List,
    Parens,
    Path,
    Select,
    String,
    Text,
    With,
)

# Makes an expression of its span, the parts that were read before, and the expression at its end.
_Wrap = tuple[Callable[..., Expression], int, tuple[object, ...]]


class Parser(Cursor):
    """Reads one file; every method begins at the current token and leaves it after what it has read."""

    def __init__(self, source: str, tokens: tuple[Token, ...]) -> None:
        super().__init__(source, tokens)
        self.attributes = Attributes(lambda offset, what: NixSyntaxError(source, offset, what))
        self.prefixes: dict[str, Callable[[], _Wrap]] = {
            "let": self._let,
            "with": self._with,
            "assert": self._assert,
            "if": self._if,
        }
        self.simple: dict[str, Callable[[], Expression]] = {
            IDENTIFIER: self.identifier,
            Kind.INTEGER.value: self.number,
            Kind.FLOAT.value: self.number,
            STRING: self._string,
            Kind.INDENTED_OPEN.value: self._string,
            Kind.PATH.value: self._path,
            Kind.SEARCH_PATH.value: self.search_path,
            Kind.URI.value: self.uri,
            "(": self._parens,
            "{": self._set,
            "rec": self._set,
            "let": self._legacy_let,
            "[": self._list,
        }

    def file(self) -> Expression:
        """Read a whole file."""
        root = self.expression()
        if self.tags[self.index] != END:
            raise self.unexpected("the end of the file")
        return root

    def expression(self) -> Expression:
        """Read an expression of any kind."""
        self.deeper()
        wraps: list[_Wrap] = []
        while True:
            tag = self.tags[self.index]
            following = self.tags[self.index + 1]
            if tag == IDENTIFIER:
                if following not in {":", "@"}:
                    break
                wraps.append(self._function())
            elif tag == "{":
                if not self._at_formals():
                    break
                wraps.append(self._function())
            elif tag in self.prefixes and not (tag == "let" and following == "{"):
                wraps.append(self.prefixes[tag]())
            else:
                break
        node = self._pipes()
        for make, start, parts in reversed(wraps):
            node = make(start, node.end, *parts, node)
        self.depth -= 1
        return node

    def _at_formals(self) -> bool:
        first, second = self.tags[self.index + 1], self.tags[self.index + 2]
        if first == "}":
            return second in {":", "@"}
        return first == "..." or (first == IDENTIFIER and second in {",", "?", "}"})

    def _let(self) -> _Wrap:
        start = self.take("let").start
        bindings = self._bindings("in")
        self.attributes.check_let(bindings)
        return Let, start, (bindings,)

    def _with(self) -> _Wrap:
        start = self.take("with").start
        scope = self.expression()
        self.take(";")
        return With, start, (scope,)

    def _assert(self) -> _Wrap:
        start = self.take("assert").start
        condition = self.expression()
        self.take(";")
        return Assert, start, (condition,)

    def _if(self) -> _Wrap:
        start = self.take("if").start
        condition = self.expression()
        self.take("then")
        yes = self.expression()
        self.take("else")
        return If, start, (condition, yes)

    def _function(self) -> _Wrap:
        start = self.tokens[self.index].start
        name = self.identifier() if self.tags[self.index] == IDENTIFIER else None
        parameter: Identifier | Formals
        parameter = name if name is not None and self.tags[self.index] == ":" else self._formals(start, name)
        self.take(":")
        return Lambda, start, (parameter,)

    def _formals(self, start: int, alias: Identifier | None) -> Formals:
        if alias is not None:
            self.take("@")
        opening = self.take("{").start
        formals: list[Formal] = []
        while self.tags[self.index] == IDENTIFIER:
            formals.append(self._formal())
            if formals[-1].comma is None:
                break
        ellipsis = None
        if self.tags[self.index] == "..." and (not formals or formals[-1].comma is not None):
            ellipsis = self.take("...").start
        closing = self.take("}").start
        if alias is None and self.tags[self.index] == "@":
            self.index += 1
            if self.tags[self.index] != IDENTIFIER:
                raise self.unexpected("a name")
            alias = self.identifier()
        self._check_formals(formals, alias)
        return Formals(start, self.end(), tuple(formals), ellipsis, alias, opening, closing)

    def _formal(self) -> Formal:
        name = self.identifier()
        default = None
        if self.tags[self.index] == "?":
            self.index += 1
            default = self.expression()
        end = self.end()
        comma = None
        if self.tags[self.index] == ",":
            comma = self.take(",").start
        return Formal(name.start, end, name, default, comma)

    def _check_formals(self, formals: list[Formal], alias: Identifier | None) -> None:
        seen = set() if alias is None else {alias.name}
        for formal in formals:
            if formal.name.name in seen:
                raise self.error(f"the argument `{formal.name.name}` is declared twice", formal.start)
            seen.add(formal.name.name)

    def _pipes(self) -> Expression:
        node = self._operation()
        if self.tags[self.index] == "|>":
            while self.tags[self.index] == "|>":
                at = self.take("|>").start
                right = self._operation()
                node = Binary(node.start, right.end, "|>", at, node, right)
            return node
        lefts: list[tuple[Expression, int]] = []
        while self.tags[self.index] == "<|":
            lefts.append((node, self.take("<|").start))
            node = self._operation()
        for left, at in reversed(lefts):
            node = Binary(left.start, node.end, "<|", at, left, node)
        return node

    def _operation(self) -> Expression:
        operators: Operators | None = None
        tags = self.tags
        while True:
            while (tag := tags[self.index]) == "!" or tag == "-":
                operators = operators or Operators()
                operators.prefix(tag, self.take(tag).start)
            operand = self._application()
            if operators is None:
                if not Operators.is_infix(tags[self.index]):
                    return operand
                operators = Operators()
            operators.operand(operand)
            while tags[self.index] == "?":
                self.index += 1
                path = self._attribute_path()
                operators.has_attribute(path)
            tag = tags[self.index]
            if not Operators.is_infix(tag):
                return operators.finish()
            if not operators.infix(tag, self.tokens[self.index].start):
                raise self.error(f"`{tag}` cannot be chained; parentheses must say what is meant")
            self.index += 1

    def _application(self) -> Expression:
        node = self._select()
        while self.tags[self.index] in self.simple:
            argument = self._select()
            node = Apply(node.start, argument.end, node, argument)
        return node

    def _select(self) -> Expression:
        lefts: list[tuple[Expression, tuple[AttrName, ...]]] = []
        while True:
            handler = self.simple.get(self.tags[self.index])
            if handler is None:
                raise self.unexpected("an expression")
            node = handler()
            tag = self.tags[self.index]
            if tag == ".":
                self.index += 1
                path = self._attribute_path()
                if self.tags[self.index] == "or":
                    self.index += 1
                    lefts.append((node, path))
                    continue
                node = Select(node.start, self.end(), node, path, None)
            elif tag == "or":
                # A function may be given another one that is called `or`; nothing else can be meant here.
                token = self.take("or")
                node = Apply(node.start, token.end, node, Identifier(token.start, token.end, "or"))
            break
        for left, path in reversed(lefts):
            node = Select(left.start, node.end, left, path, node)
        return node

    def _attribute_path(self) -> tuple[AttrName, ...]:
        path = [self._attribute_name()]
        while self.tags[self.index] == ".":
            self.index += 1
            path.append(self._attribute_name())
        return tuple(path)

    def _attribute_name(self) -> AttrName:
        token, tag = self.tokens[self.index], self.tags[self.index]
        if tag in {IDENTIFIER, "or"}:
            self.index += 1
            name = Identifier(token.start, token.end, token.text)
            return AttrName(token.start, token.end, name, token.text)
        if tag == STRING:
            string = self._string()
            return AttrName(string.start, string.end, string, string.literal())
        if tag == HOLE:
            hole = self._interpolation()
            return AttrName(hole.start, hole.end, hole, static_name(hole.expression))
        raise self.unexpected("the name of an attribute")

    def _bindings(self, closing: str) -> tuple[Binding | Inherit, ...]:
        found: list[Binding | Inherit] = []
        while self.tags[self.index] != closing:
            if self.tags[self.index] == "inherit":
                found.append(self._inherit())
                continue
            path = self._attribute_path()
            self.take("=")
            value = self.expression()
            found.append(Binding(path[0].start, self.take(";").end, path, value))
        self.index += 1
        return tuple(found)

    def _inherit(self) -> Inherit:
        start = self.take("inherit").start
        source = None
        if self.tags[self.index] == "(":
            self.index += 1
            source = self.expression()
            self.take(")")
        names: list[AttrName] = []
        while self.tags[self.index] != ";":
            name = self._attribute_name()
            if name.name is None:
                raise self.error("a name that only evaluation can tell is not allowed in `inherit`", name.start)
            names.append(name)
        return Inherit(start, self.take(";").end, source, tuple(names))

    def _string(self) -> String:
        opening = self.tokens[self.index]
        indented = opening.kind is Kind.INDENTED_OPEN
        closing = Kind.INDENTED_CLOSE if indented else Kind.STRING_CLOSE
        self.index += 1
        parts: list[Text | Interpolation] = []
        while (token := self.tokens[self.index]).kind is not closing:
            if token.kind is Kind.INTERPOLATION_OPEN:
                parts.append(self._interpolation())
            else:
                parts.append(Text(token.start, token.end, token.text, token.kind is Kind.ESCAPE))
                self.index += 1
        self.index += 1
        return String(opening.start, token.end, tuple(parts), indented)

    def _interpolation(self) -> Interpolation:
        start = self.take(HOLE).start
        expression = self.expression()
        return Interpolation(start, self.take(HOLE_END).end, expression)

    def _path(self) -> Path:
        token = self.tokens[self.index]
        self.index += 1
        parts: list[Text | Interpolation] = [Text(token.start, token.end, token.text, is_escape=False)]
        # The lexer has decided what belongs to the path: what follows it without a gap.
        while (token := self.tokens[self.index]).start == parts[-1].end:
            if token.kind is Kind.PATH_TEXT:
                parts.append(Text(token.start, token.end, token.text, is_escape=False))
                self.index += 1
            elif token.kind is Kind.INTERPOLATION_OPEN:
                parts.append(self._interpolation())
            else:
                break
        return Path(parts[0].start, parts[-1].end, tuple(parts))

    def _parens(self) -> Parens:
        start = self.take("(").start
        inner = self.expression()
        return Parens(start, self.take(")").end, inner)

    def _list(self) -> List:
        start = self.take("[").start
        self.deeper()
        elements: list[Expression] = []
        while self.tags[self.index] != "]":
            elements.append(self._select())
        self.depth -= 1
        return List(start, self.take("]").end, tuple(elements))

    def _set(self) -> AttrSet:
        start = self.tokens[self.index].start
        recursive = self.tags[self.index] == "rec"
        self.index += recursive
        self.take("{")
        bindings = self._bindings("}")
        node = AttrSet(start, self.end(), recursive, bindings)
        self.attributes.enter(node)
        return node

    def _legacy_let(self) -> LegacyLet:
        start = self.take("let").start
        self.take("{")
        bindings = self._bindings("}")
        node = LegacyLet(start, self.end(), bindings)
        self.attributes.enter(node)
        return node
