"""From tokens to a syntax tree.

The grammar is the one of the Nix manual (section "Nix Language") with the precedences of Nix 2.8's parser, and the
pipe operators of later versions. The parser is a recursive descent for what brackets enclose, and loops for what
chains: functions of functions, `let` in `let`, `else if`, operators. So only brackets cost depth, and their nesting
is limited to `cursor.MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Callable

from xenbump.nixlang.attributes import Attributes, static_name
from xenbump.nixlang.cursor import (
    END,
    ESCAPE,
    HOLE,
    HOLE_END,
    IDENTIFIER,
    INDENTED,
    INDENTED_END,
    PATH,
    PATH_TEXT,
    STRING,
    STRING_END,
    Cursor,
)
from xenbump.nixlang.errors import NixSyntaxError
from xenbump.nixlang.lexer import Kind, Token
from xenbump.nixlang.operators import INFIX, Operators
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

# What a function, a scope or a choice begins with; some of them are other expressions, by what follows.
_BEGINNINGS = frozenset({IDENTIFIER, "{", "let", "with", "assert", "if"})
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
            INDENTED: self._string,
            PATH: self._path,
            Kind.SEARCH_PATH.value: self.search_path,
            Kind.URI.value: self.uri,
            "(": self._parens,
            "{": self._set,
            "rec": self._set,
            "let": self._set,
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
        tags = self.tags
        wraps: list[_Wrap] = []
        while (tag := tags[self.index]) in _BEGINNINGS:
            following = tags[self.index + 1]
            if tag == IDENTIFIER:
                if following not in {":", "@"}:
                    break
                wraps.append(self._function())
            elif tag == "{":
                if not self._at_formals():
                    break
                wraps.append(self._function())
            elif tag == "let" and following == "{":
                break
            else:
                wraps.append(self.prefixes[tag]())
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
        start = self.take("let")
        bindings = self._bindings("in")
        self.attributes.check_let(bindings)
        return Let, start, (bindings,)

    def _with(self) -> _Wrap:
        start = self.take("with")
        scope = self.expression()
        self.take(";")
        return With, start, (scope,)

    def _assert(self) -> _Wrap:
        start = self.take("assert")
        condition = self.expression()
        self.take(";")
        return Assert, start, (condition,)

    def _if(self) -> _Wrap:
        start = self.take("if")
        condition = self.expression()
        self.take("then")
        yes = self.expression()
        self.take("else")
        return If, start, (condition, yes)

    def _function(self) -> _Wrap:
        start = self.starts[self.index]
        name = self.identifier() if self.tags[self.index] == IDENTIFIER else None
        parameter: Identifier | Formals
        parameter = name if name is not None and self.tags[self.index] == ":" else self._formals(start, name)
        self.take(":")
        return Lambda, start, (parameter,)

    def _formals(self, start: int, alias: Identifier | None) -> Formals:
        if alias is not None:
            self.take("@")
        opening = self.take("{")
        formals: list[Formal] = []
        while self.tags[self.index] == IDENTIFIER:
            formals.append(self._formal())
            if formals[-1].comma is None:
                break
        ellipsis = None
        if self.tags[self.index] == "..." and (not formals or formals[-1].comma is not None):
            ellipsis = self.take("...")
        closing = self.take("}")
        if alias is None and self.tags[self.index] == "@":
            self.index += 1
            if self.tags[self.index] != IDENTIFIER:
                raise self.unexpected("a name")
            alias = self.identifier()
        self.attributes.check_formals(formals, alias)
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
            comma = self.take(",")
        return Formal(name.start, end, name, default, comma)

    def _pipes(self) -> Expression:
        node = self._operation()
        tag = self.tags[self.index]
        if tag == "|>":
            while self.tags[self.index] == "|>":
                at = self.take("|>")
                right = self._operation()
                node = Binary(node.start, right.end, "|>", at, node, right)
        elif tag == "<|":
            lefts: list[tuple[Expression, int]] = []
            while self.tags[self.index] == "<|":
                lefts.append((node, self.take("<|")))
                node = self._operation()
            for left, at in reversed(lefts):
                node = Binary(left.start, node.end, "<|", at, left, node)
        return node

    def _operation(self) -> Expression:
        tags = self.tags
        tag = tags[self.index]
        if tag not in {"!", "-"}:
            operand = self._application()
            if tags[self.index] not in INFIX:
                return operand
            operators = Operators()
            operators.operand(operand)
        else:
            operators = Operators()
            self._operand(operators)
        while (tag := tags[self.index]) in INFIX:
            if tag == "?":
                self.index += 1
                operators.has_attribute(self._attribute_path())
                continue
            if not operators.infix(tag, self.starts[self.index]):
                raise self.error(f"`{tag}` cannot be chained; parentheses must say what is meant")
            self.index += 1
            self._operand(operators)
        return operators.finish()

    def _operand(self, operators: Operators) -> None:
        while (tag := self.tags[self.index]) in {"!", "-"}:
            operators.prefix(tag, self.take(tag))
        operators.operand(self._application())

    def _application(self) -> Expression:
        node = self._select()
        while self.tags[self.index] in self.simple:
            argument = self._select()
            node = Apply(node.start, argument.end, node, argument)
        return node

    def _select(self) -> Expression:
        node = self._simple()
        tag = self.tags[self.index]
        if tag == ".":
            return self._selection(node)
        if tag == "or":
            # A function may be given another one that is called `or`; nothing else can be meant here.
            name = self.identifier()
            node = Apply(node.start, name.end, node, name)
        return node

    def _selection(self, node: Expression) -> Expression:
        lefts: list[tuple[Expression, tuple[AttrName, ...]]] = []
        while self.tags[self.index] == ".":
            self.index += 1
            path = self._attribute_path()
            if self.tags[self.index] != "or":
                node = Select(node.start, self.end(), node, path, None)
                break
            self.index += 1
            lefts.append((node, path))
            node = self._simple()
        else:
            if self.tags[self.index] == "or":
                name = self.identifier()
                node = Apply(node.start, name.end, node, name)
        for left, path in reversed(lefts):
            node = Select(left.start, node.end, left, path, node)
        return node

    def _simple(self) -> Expression:
        handler = self.simple.get(self.tags[self.index])
        if handler is None:
            raise self.unexpected("an expression")
        return handler()

    def _attribute_path(self) -> tuple[AttrName, ...]:
        first = self._attribute_name()
        if self.tags[self.index] != ".":
            return (first,)
        path = [first]
        while self.tags[self.index] == ".":
            self.index += 1
            path.append(self._attribute_name())
        return tuple(path)

    def _attribute_name(self) -> AttrName:
        tag = self.tags[self.index]
        if tag in {IDENTIFIER, "or"}:
            name = self.identifier()
            return AttrName(name.start, name.end, name, name.name)
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
            start = self.starts[self.index]
            path = self._attribute_path()
            self.take("=")
            value = self.expression()
            found.append(Binding(start, self.close(";"), path, value))
        self.index += 1
        return tuple(found)

    def _inherit(self) -> Inherit:
        start = self.take("inherit")
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
        return Inherit(start, self.close(";"), source, tuple(names))

    def _string(self) -> String:
        index = self.index
        tags, starts, ends = self.tags, self.starts, self.ends
        indented = tags[index] == INDENTED
        closing = INDENTED_END if indented else STRING_END
        start = starts[index]
        index += 1
        parts: list[Text | Interpolation] = []
        while (tag := tags[index]) != closing:
            if tag == HOLE:
                self.index = index
                parts.append(self._interpolation())
                index = self.index
            else:
                parts.append(Text(starts[index], ends[index], self.texts[index], tag == ESCAPE))
                index += 1
        self.index = index + 1
        return String(start, ends[index], tuple(parts), indented)

    def _interpolation(self) -> Interpolation:
        start = self.take(HOLE)
        expression = self.expression()
        return Interpolation(start, self.close(HOLE_END), expression)

    def _path(self) -> Path:
        parts: list[Text | Interpolation] = [self._path_text()]
        # The lexer has decided what belongs to the path: what follows it without a gap.
        while self.starts[self.index] == parts[-1].end:
            tag = self.tags[self.index]
            if tag == PATH_TEXT:
                parts.append(self._path_text())
            elif tag == HOLE:
                parts.append(self._interpolation())
            else:
                break
        return Path(parts[0].start, parts[-1].end, tuple(parts))

    def _path_text(self) -> Text:
        index = self.index
        self.index = index + 1
        return Text(self.starts[index], self.ends[index], self.texts[index], is_escape=False)

    def _parens(self) -> Parens:
        start = self.take("(")
        inner = self.expression()
        return Parens(start, self.close(")"), inner)

    def _list(self) -> List:
        start = self.take("[")
        self.deeper()
        elements: list[Expression] = []
        while self.tags[self.index] != "]":
            elements.append(self._select())
        self.depth -= 1
        return List(start, self.close("]"), tuple(elements))

    def _set(self) -> AttrSet | LegacyLet:
        start, tag = self.starts[self.index], self.tags[self.index]
        self.index += tag != "{"
        self.take("{")
        bindings = self._bindings("}")
        end = self.end()
        node = LegacyLet(start, end, bindings) if tag == "let" else AttrSet(start, end, tag == "rec", bindings)
        self.attributes.enter(node)
        return node
