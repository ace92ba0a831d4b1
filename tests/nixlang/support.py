"""Generated Nix text, and the real Nix as the judge of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

FIXTURES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "fixtures").glob("*.nix"))}

# Pieces that make the lexer decide something when they meet.
SOUP = (
    *("a", "b'", "_x-1", "or", "if", "then", "else", "let", "in", "rec", "inherit", "with", "assert"),
    *("1", ".5", "1.", "1e3", "007", "./p", "../", "a/b", "~/h", "/", "//", "./", "<n/x>", "<", ">", "http://x", "x:y"),
    *("{", "}", "${", "(", ")", "[", "]", '"', "''", "'", "'''", "''$", "''\\", "\\", "$", "$$", "\\${"),
    *(" ", "\n", "\r\n", "\r", "\t", "# c\n", "/* c */", "/**/", "/*", "*/", "é", "😀"),
    *("=", "==", "!=", "!", "<=", ">=", "&&", "||", "->", "-", "+", "++", "*", "?", ":", "@", ",", ";", ".", "..."),
)


def seeded(seed: int) -> Random:
    """Return a source of random choices that is the same in every run."""
    return Random(seed)  # noqa: S311 - nothing here is a secret


class Nix:
    """Runs `nix-instantiate` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("nix-instantiate")
        if program is None:
            message = "nix-instantiate is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        self._program = program
        self._folder = folder
        self._count = 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, "--store", "dummy://", *arguments],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "TMPDIR": str(self._folder)},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    def _files(self, sources: list[str]) -> list[str]:
        """Write sources to files; the `with` makes undefined variables a matter of evaluation, not of parsing."""
        names = []
        for source in sources:
            self._count += 1
            names.append(f"{self._count}.nix")
            (self._folder / names[-1]).write_text("with { };\n" + source, encoding="utf-8", newline="")
        return names

    def printed(self, sources: list[str]) -> list[str]:
        """Return how Nix prints the syntax tree of each source, on one line each; all of them must parse."""
        result = self._run("--parse", *self._files(sources))
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    def accepts(self, sources: list[str]) -> list[bool]:
        """Say for each source whether it parses, by a process each."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda name: self._run("--parse", name).returncode == 0, self._files(sources)))

    def all_accepted(self, sources: list[str]) -> list[str]:
        """Return those that Nix does not parse; one process if it parses all."""
        if self._run("--parse", *self._files(sources)).returncode == 0:
            return []
        verdicts = self.accepts(sources)
        return [source for source, accepted in zip(sources, verdicts, strict=True) if not accepted]

    def values(self, expressions: list[str]) -> list[object]:
        """Return the value of each expression."""
        name = self._folder / "values.nix"
        name.write_text("[\n" + "\n".join(f"({e})" for e in expressions) + "\n]", encoding="utf-8", newline="")
        result = self._run("--eval", "--json", "--strict", str(name))
        assert result.returncode == 0, result.stderr
        values = json.loads(result.stdout)
        assert isinstance(values, list)
        return values


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


def mutate(random: Random, source: str) -> str:
    """Damage a text in one or two places: drop, double, swap or insert something."""
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(source) + 1)
        to = min(len(source), at + random.choice((0, 1, 1, 2, 5)))
        source = source[:at] + random.choice(("", "", source[at:to] * 2, random.choice(SOUP))) + source[to:]
    return source
