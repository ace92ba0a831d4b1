"""Which attributes a set defines, and that none is defined twice.

Nix's parser refuses `{ a = 1; a = 2; }` and merges `{ a.b = 1; a = { c = 2; }; }`. A file with a duplicate must be
refused here too: a rewriter would otherwise choose one of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xenbump.nixlang.tree import AttrName, AttrSet, Binding, Expression, Inherit, LegacyLet, Parens, String, Uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.nixlang.tree import Formal, Identifier

# A name's value is the names of the set that the name stands for, or None if it stands for something else.
Names = dict[str, "Names | None"]


class _Report(Protocol):
    def __call__(self, offset: int, what: str) -> Exception: ...


class Attributes:
    """Collects the names of the sets of one file, innermost first, as the parser comes upon them.

    Args:
        report: makes the exception to raise from an offset and a sentence.
    """

    def __init__(self, report: _Report) -> None:
        self._report = report
        self._sets: dict[AttrSet, Names] = {}

    def enter(self, node: AttrSet | LegacyLet) -> None:
        """Check a set; the sets in its values have been entered before."""
        names = self._collect(node.bindings)
        if isinstance(node, AttrSet):
            self._sets[node] = names

    def check_let(self, bindings: Iterable[Binding | Inherit]) -> None:
        """Check the bindings of `let … in`, whose names must be known without evaluation."""
        for binding in bindings:
            if isinstance(binding, Binding) and binding.path[0].name is None:
                raise self._report(binding.start, "a name that only evaluation can tell is not allowed in `let`")
        self._collect(bindings)

    def check_formals(self, formals: Iterable[Formal], alias: Identifier | None) -> None:
        """Check the arguments of a function and the name of the whole argument."""
        seen = set() if alias is None else {alias.name}
        for formal in formals:
            if formal.name.name in seen:
                raise self._report(formal.start, f"the argument `{formal.name.name}` is declared twice")
            seen.add(formal.name.name)

    def _collect(self, bindings: Iterable[Binding | Inherit]) -> Names:
        names: Names = {}
        for binding in bindings:
            if isinstance(binding, Inherit):
                for step in binding.names:
                    self._define(names, step, None)
            else:
                self._bind(names, binding)
        return names

    def _bind(self, names: Names, binding: Binding) -> None:
        for step in binding.path[:-1]:
            if step.name is None:
                # Each dynamic step makes a set of its own, which nothing else can be merged with.
                names = {}
                continue
            inner = names.setdefault(step.name, {})
            if inner is None:
                raise self._duplicate(step)
            names = inner
        value: Expression = binding.value
        while isinstance(value, Parens):
            value = value.inner
        self._define(names, binding.path[-1], self._sets.get(value) if isinstance(value, AttrSet) else None)

    def _define(self, names: Names, step: AttrName, value: Names | None) -> None:
        if step.name is None:
            return
        if step.name not in names:
            names[step.name] = value
        else:
            self._merge(names, step, value)

    def _merge(self, names: Names, step: AttrName, value: Names | None) -> None:
        """Merge a set into one of the same name; also what lies deeper, as later versions than Nix 2.8 do."""
        pending = [(names, str(step.name), value)]
        while pending:
            target, name, new = pending.pop()
            if name not in target:
                target[name] = new
                continue
            old = target[name]
            if old is None or new is None:
                raise self._duplicate(step)
            pending.extend((old, inner, names_below) for inner, names_below in new.items())

    def _duplicate(self, step: AttrName) -> Exception:
        return self._report(step.start, f"the attribute `{step.name}` is defined twice")


def static_name(expression: Expression) -> str | None:
    """Return the name that `${expression}` makes if Nix's parser itself knows it, otherwise None."""
    while isinstance(expression, Parens):
        expression = expression.inner
    if isinstance(expression, String):
        return expression.literal()
    return expression.text if isinstance(expression, Uri) else None
