"""Where the parser and Nix 2.8 are known to give different verdicts, each with the reason.

Everything else that differs is an error of the parser. `test_verdicts` also checks that each of these still differs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.nixlang import NixSyntaxError, parse, walk
from xenbump.nixlang.cursor import MAX_DEPTH
from xenbump.nixlang.document import Document
from xenbump.nixlang.find import bare
from xenbump.nixlang.tree import AttrSet, Binary, Binding, Inherit, LegacyLet, Let

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xenbump.nixlang.tree import Expression

# What the parser makes of a text.
Outcome = Document | NixSyntaxError


@dataclass(frozen=True, slots=True)
class Difference:
    """A known difference.

    Attributes:
        reason: why the parser is not as Nix 2.8 is.
        example: a source with the difference.
        accepted: the parser's verdict on it; Nix 2.8 has the other one.
        applies: says of what the parser made of a source whether this can be why Nix has the other verdict.
    """

    reason: str
    example: str
    accepted: bool
    applies: Callable[[Outcome], bool]


def outcome(source: str) -> Outcome:
    """Return what the parser makes of a source, or why it refuses it."""
    try:
        return parse(source)
    except NixSyntaxError as error:
        return error


def is_known(made: Outcome) -> bool:
    """Say whether Nix may have the other verdict on a source of which the parser has made this."""
    return any(each.applies(made) for each in KNOWN)


def _has_pipe(made: Outcome) -> bool:
    return isinstance(made, Document) and any(
        isinstance(node, Binary) and node.operator in {"|>", "<|"} for node in walk(made)
    )


def _merges_deeper(made: Outcome) -> bool:
    return isinstance(made, Document) and any(
        _merges_nested(node.bindings) for node in walk(made) if isinstance(node, AttrSet | Let | LegacyLet)
    )


def _merges_nested(definitions: Sequence[Binding | Inherit]) -> bool:
    """Say whether of definitions that begin with one name, one is a set that defines attributes of attributes."""
    found = [one for one in definitions if isinstance(one, Binding)]
    count = Counter(one.names[0] for one in found)
    return any(count[one.names[0]] > 1 and _is_nested(bare(one.value)) for one in found)


def _is_nested(value: Expression) -> bool:
    return isinstance(value, AttrSet) and any(
        isinstance(one, Binding) and (len(one.path) > 1 or isinstance(bare(one.value), AttrSet))
        for one in value.bindings
    )


def _complains(words: str) -> Callable[[Outcome], bool]:
    return lambda made: isinstance(made, NixSyntaxError) and words in made.what


KNOWN = (
    Difference(
        "Later versions of Nix have pipes, behind a setting; a file that uses them is to be read all the same.",
        "a |> b",
        accepted=True,
        applies=_has_pipe,
    ),
    Difference(
        "Later versions of Nix merge sets that are written in parts at every depth, Nix 2.8 only one level deep.",
        "{ a.b.c = 1; a = { b.d = 2; }; }",
        accepted=True,
        applies=_merges_deeper,
    ),
    Difference(
        f"Brackets nest at most {MAX_DEPTH} levels deep here, as the parser calls itself; no package file has as many.",
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        accepted=False,
        applies=_complains("brackets nest deeper"),
    ),
    Difference(
        "Versions of Nix differ in what a NUL character does to a string; no package file has one.",
        "1 # \0",
        accepted=False,
        applies=_complains("a NUL character"),
    ),
)
