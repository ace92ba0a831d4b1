"""Random Nix expressions that are valid by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Expressions:
    """Writes random Nix expressions that are valid by construction."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names = 0

    def gap(self) -> str:
        return self.random.choice((" ", " ", " ", "\n", "\r\n", "\t", " # note\n", " /* note */ ", "\n\n  "))

    def fresh(self) -> str:
        self.names += 1
        return self.random.choice(("v{}", "v{}'", "v-{}", "_{}")).format(self.names)

    def join(self, *parts: str) -> str:
        return "".join(part + self.gap() for part in parts)

    def expression(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.4:
            return self.operation(depth)
        inner = depth - 1
        make = self.random.choice((self.function, self.function, self.choice, self.scope, self.let))
        return make(inner)

    def function(self, depth: int) -> str:
        body = self.expression(depth)
        if self.random.random() < 0.4:
            return self.join(self.fresh(), ":", body)
        formals = [
            self.fresh() + (self.join("?", self.expression(depth)) if self.random.random() < 0.3 else "")
            for _ in range(self.random.randrange(4))
        ]
        if self.random.random() < 0.5:
            formals.append("...")
        elif formals and self.random.random() < 0.5:
            formals.append("")
        braces = self.join("{", (self.gap() + ",").join(formals), "}")
        around = self.random.randrange(3)
        if around == 0:
            braces = self.join(self.fresh(), "@", braces)
        elif around == 1:
            braces = self.join(braces, "@", self.fresh())
        return self.join(braces, ":", body)

    def choice(self, depth: int) -> str:
        parts = [self.expression(depth) for _ in range(3)]
        return self.join("if", parts[0], "then", parts[1], "else", parts[2])

    def scope(self, depth: int) -> str:
        keyword = self.random.choice(("with", "assert"))
        return self.join(keyword, self.expression(depth), ";", self.expression(depth))

    def let(self, depth: int) -> str:
        return self.join("let", self.bindings(depth, allow_dynamic=False), "in", self.expression(depth))

    def bindings(self, depth: int, *, allow_dynamic: bool) -> str:
        found = []
        for _ in range(self.random.randrange(4)):
            kind = self.random.randrange(5)
            if kind == 0:
                source = self.join("(", self.expression(depth), ")") if self.random.random() < 0.5 else ""
                found.append(self.join("inherit", source, self.fresh(), f'"{self.fresh()}"', ";"))
            else:
                path = [self.fresh(), self.random.choice((self.fresh(), f'"{self.fresh()} $"', "or"))]
                if allow_dynamic and kind == 1:
                    path.append(self.join("${", self.expression(depth), "}"))
                found.append(self.join((self.gap() + ".").join(path[: kind + 1]), "=", self.expression(depth), ";"))
        return self.join(*found)

    def operation(self, depth: int) -> str:
        operators = ("++", "+", "-", "*", "/", "//", "&&", "||", "->")
        parts = [self.prefix() + self.application(depth)]
        for _ in range(self.random.choice((0, 0, 0, 1, 2, 3))):
            parts += [self.random.choice(operators), self.prefix() + self.application(depth)]
        if self.random.random() < 0.1:
            parts += ["?", self.random.choice(("a.b", '"a".or', "${x}"))]
        elif len(parts) == 1 and self.random.random() < 0.2:
            parts += [self.random.choice(("==", "!=", "<", ">", "<=", ">=")), self.application(depth)]
        return self.join(*parts)

    def prefix(self) -> str:
        return self.random.choice(("", "", "", "", "!", "- "))

    def application(self, depth: int) -> str:
        return self.join(*(self.selection(depth) for _ in range(self.random.choice((1, 1, 1, 2, 3)))))

    def selection(self, depth: int) -> str:
        subject = self.simple(depth)
        kind = self.random.randrange(6)
        if kind == 0:
            return self.join(subject, ".", self.random.choice(("a.b", "or", '"x"', '"${y}"', "${z}")))
        if kind == 1:
            return self.join(subject, ".", "a", "or", self.selection(depth - 1))
        return subject

    def simple(self, depth: int) -> str:
        leaves = ("a", "b'", "c-d", "1", "0.5", "1.e3", "./p", "../q/r.nix", "/s", "~/t", "<u/v>", "http://w?x=y")
        inner = depth - 1
        compound = (
            lambda: self.join("(", self.expression(inner), ")"),
            lambda: self.join("[", *(self.selection(inner) for _ in range(self.random.randrange(4))), "]"),
            lambda: self.join("{", self.bindings(inner, allow_dynamic=True), "}"),
            lambda: self.join("rec", "{", self.bindings(inner, allow_dynamic=True), "}"),
            lambda: f"./p-${{{self.expression(inner)}}}/q",
            lambda: self.string(inner),
        )
        if depth <= 0 or self.random.random() < 0.4:
            return self.random.choice(leaves)
        return self.random.choice(compound)()

    def string(self, depth: int) -> str:
        hole = f"${{{self.expression(depth)}}}"
        # A dollar takes the next character with it, so every piece has a space after it.
        if self.random.random() < 0.5:
            quoted = ("text", " ", "\n", "\r\n", "$", "$$", r"\${", r"\"", r"\n", "''", "é", hole, "$${", r"$\${")
            return '"' + "".join(self.random.choice(quoted) + " " for _ in range(self.random.randrange(6))) + '"'
        indented = (
            "text",
            "  ",
            "\n    ",
            "\n",
            "\r\n",
            "$",
            "''$",
            "'''",
            r"''\n",
            r"''\x",
            '"',
            "'",
            hole,
            "\t",
            "$$",
        )
        return "''" + "".join(self.random.choice(indented) + " " for _ in range(self.random.randrange(6))) + "''"
