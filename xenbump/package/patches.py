"""The list of patches in a package file, as far as every shape shares it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.hashes import sri
from xenbump.nixlang.find import bare, bindings, body, call, dotted
from xenbump.nixlang.tree import AttrSet, Binary, Binding, Expression, List, Path, String
from xenbump.plan.model import Condition, Patch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from xenbump.nixlang.document import Document

FETCHERS = frozenset({"fetchpatch", "fetchpatch2", "fetchurl"})
_CONDITIONAL = frozenset({"optionals", "optional"})
_COMPARISONS = frozenset({"versionOlder", "versionAtLeast"})
# All other arguments of a fetcher may change what it gives.
_PLAIN_ARGUMENTS = frozenset({"url", "hash", "name"})
_ADVISORY = re.compile(r"\bxsa(\d{1,4})(?=[-./]|$)", re.ASCII | re.IGNORECASE)
# In its folder only where the folder has the same number.
_ADVISORY_FILE = re.compile(
    r"(?:(?:^|/)xsa(\d{1,5})(?=/xsa\1[-.])/|(?:^|/))xsa\d{1,5}(?:[-.][A-Za-z0-9._+-]*)?\.patch$", re.ASCII
)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One operand of `… ++ …` in the value of `patches`.

    Attributes:
        outer: the operand, with any parentheses around it.
        listed: the list that is written out in it; None where there is none.
        elements: what it lists; None where that cannot be read.
        condition: when it counts; None: always.
    """

    outer: Expression
    listed: List | None
    elements: tuple[Expression, ...] | None
    condition: Condition | None = None


def read(
    document: Document, node: AttrSet, versions: Collection[str] = ()
) -> tuple[tuple[Patch, ...], tuple[str, ...]]:
    """The patches that a derivation's set lists under `patches`.

    Args:
        document: the file.
        node: the set.
        versions: the dotted names that stand for this derivation's own version there, such as `finalAttrs.version`.

    Returns:
        The patches in order, those of conditional parts too, and a warning for each part of the list that cannot be
        read.
    """
    found: list[Patch] = []
    warnings: list[str] = []
    for part in parts(document, node, versions):
        if part.elements is None:
            place = document.where(bare(part.outer))
            warnings.append(f"a part of the patches is not a list that can be read ({place})")
        found += in_part(document, part)
    return tuple(found), tuple(warnings)


def parts(document: Document, node: AttrSet, versions: Collection[str]) -> tuple[Part, ...]:
    """The operands of the value of `patches`, in order; none where the set has no such binding."""
    found: list[Part] = []
    pending: list[Expression] = [one.value for one in reversed(bindings(node, ["patches"]))]
    while pending:
        outer = pending.pop()
        inner = bare(outer)
        if isinstance(inner, Binary) and inner.operator == "++":
            pending += inner.right, inner.left
        else:
            found.append(_part(document, outer, versions))
    return tuple(found)


def in_part(document: Document, part: Part) -> list[Patch]:
    """The patches of one part, one for each element."""
    return [_patch(document, element, part.condition) for element in part.elements or ()]


def _part(document: Document, outer: Expression, versions: Collection[str]) -> Part:
    inner = bare(outer)
    if isinstance(inner, List):
        return Part(outer, inner, inner.elements)
    made = call(inner)
    if made is None or made.name is None or len(made.arguments) != 2:  # noqa: PLR2004 - condition and value
        return Part(outer, None, None)
    function = made.name.rpartition(".")[2]
    value = bare(made.arguments[1])
    if function not in _CONDITIONAL or (function == "optionals" and not isinstance(value, List)):
        return Part(outer, None, None)
    condition = _condition(document, made.arguments[0], versions)
    if isinstance(value, List):
        # `optional` gives a list in a list here, and stdenv takes that for its elements.
        return Part(outer, value, value.elements, condition)
    return Part(outer, None, (made.arguments[1],), condition)


def _condition(document: Document, written: Expression, versions: Collection[str]) -> Condition:
    inner = bare(written)
    text = _one_line(document, inner)
    made = call(inner)
    if made is None or made.name is None or len(made.arguments) != 2:  # noqa: PLR2004 - version and bound
        return Condition(text)
    function = made.name.rpartition(".")[2]
    bound = bare(made.arguments[1])
    value = bound.literal() if isinstance(bound, String) else None
    if function not in _COMPARISONS or value is None or dotted(made.arguments[0]) not in versions:
        return Condition(text)
    return Condition(text, function, value)


def _one_line(document: Document, node: Expression) -> str:
    return " ".join(document.text(node).split())


def _patch(document: Document, element: Expression, condition: Condition | None) -> Patch:
    made = call(element)
    fetcher = "" if made is None or made.name is None else made.name.rpartition(".")[2]
    if made is not None and fetcher in FETCHERS:
        facts = body(made.arguments[-1])
        url = _text(document, facts, "url")
        if url is not None and isinstance(facts, AttrSet):
            options = _arguments(facts) - _PLAIN_ARGUMENTS
            digest = _text(document, facts, "hash")
            old = _text(document, facts, "sha256")
            if digest is None and old is not None and sri.decode(old) is not None:
                digest = old
                options -= {"sha256"}
            return Patch(url, advisory_of(url), digest, fetcher, tuple(sorted(options)), condition=condition)
    written = _one_line(document, bare(element))
    return Patch(written, advisory_of(written), None, path=_path(element), condition=condition)


def _arguments(facts: AttrSet) -> frozenset[str]:
    """The names in a set; `?` for one that only the evaluator knows."""
    names: set[str] = set()
    for one in facts.bindings:
        steps = one.path[:1] if isinstance(one, Binding) else one.names
        names |= {step.name if step.name is not None else "?" for step in steps}
    return frozenset(names)


def _path(element: Expression) -> str | None:
    """The file of a local patch: a path, or the one path among the arguments of a call such as `replaceVars`."""
    made = call(element)
    # What `import` gives is whatever the file says, not the file.
    candidates = (element,) if made is None else () if made.name in {"import", "builtins.import"} else made.arguments
    paths = [node for node in map(bare, candidates) if isinstance(node, Path)]
    written = paths[0].literal() if len(paths) == 1 else None
    if written is None or written.startswith(("/", "~")):
        return None
    return written.removeprefix("./")


def _text(document: Document, facts: Expression, name: str) -> str | None:
    """The text of the one binding of a name, as written where it is more than a literal."""
    found = bindings(facts, [name])
    if len(found) != 1:
        return None
    value = bare(found[0].value)
    text = value.literal() if isinstance(value, String) else None
    return document.text(value).strip('"') if text is None else text


def advisory_file(address: str) -> str | None:
    """The name by which an advisory lists the patch at an address: `xsaN….patch`, below `xsaN/` where it lies there.

    Returns:
        The name; None where the address is none of an advisory's patch.
    """
    match = _ADVISORY_FILE.search(address)
    return None if match is None else match[0].removeprefix("/")


def advisory_files(listed: Iterable[Patch]) -> dict[str, str]:
    """The names by which advisories list the patches of a file, by address; those of no advisory are not in it."""
    names = ((patch.url, advisory_file(patch.url)) for patch in listed)
    return {url: name for url, name in names if name is not None}


def advisory_of(name: str) -> int | None:
    """The number of the advisory that a patch's address or file name gives; None where it gives none."""
    match = _ADVISORY.search(name)
    return int(match[1]) if match else None
