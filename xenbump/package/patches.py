"""The list of patches in a package file, as far as every shape shares it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes import patch as hashing
from xenbump.hashes import sri
from xenbump.nixlang.find import bare, bindings, body, call, dotted, resolve
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.tree import AttrSet, Binary, Binding, Expression, Identifier, Inherit, List, Path, String, With
from xenbump.package import digests
from xenbump.package.model import Literal
from xenbump.plan.model import Condition, Patch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from xenbump.nixlang.document import Document

FETCHERS = frozenset(hashing.FETCHERS)
_CONDITIONAL = frozenset({"optionals", "optional"})
_COMPARISONS = frozenset({"versionOlder", "versionAtLeast"})
_FLATTEN = "flatten"
_DEFINED_AND_USED = 2
# All other arguments of a fetcher may change what it gives.
PLAIN_ARGUMENTS = frozenset({"url", "hash", "name", "passthru", "meta"})
_ADVISORY = re.compile(r"\bxsa(\d{1,4})(?=[-./]|$)", re.ASCII | re.IGNORECASE)
# In its folder only where the folder has the same number.
_ADVISORY_FILE = re.compile(
    r"(?:(?:^|/)xsa(\d{1,5})(?=/xsa\1[-.])/|(?:^|/))xsa\d{1,5}(?:[-.][A-Za-z0-9._+-]*)?\.patch$", re.ASCII
)


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Patches that several package files share, as one of them has them.

    Attributes:
        called: the name that the file gives the collection, which its entries are selected from.
        file: the collection's own file, for messages.
        entries: the patches of each entry, by its name; nothing where they cannot be read.
    """

    called: str
    file: str
    entries: Mapping[str, tuple[Patch, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One operand of `… ++ …` in the value of `patches`.

    Attributes:
        outer: the operand, with any parentheses around it.
        listed: the list that is written out in it; None where there is none.
        elements: what it lists; None where that cannot be read.
        condition: when it counts; None: always.
        patches: those of each element; of an entry of a collection there can be several.
        prefix: what stands before the name of an entry of the collection there: nothing below a `with` that brings it.
        is_named: whether the part is for entries of a collection: it is below such a `with`, or lists one.
        is_shared: whether the list has a name that the file uses in other places, too.
    """

    outer: Expression
    listed: List | None
    elements: tuple[Expression, ...] | None
    condition: Condition | None = None
    patches: tuple[tuple[Patch, ...], ...] = ()
    prefix: str = ""
    is_named: bool = False
    is_shared: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Operand:
    """An expression that is to be taken apart, and what was taken off it.

    Attributes:
        outer: the whole expression, with any parentheses around it.
        value: what is left of it.
        scopes: what `with` brings there, by dotted names, the innermost last; None for one without.
        is_flat: whether a list in the list counts as its elements.
        is_followed: whether it is what a name stands for.
        is_shared: whether that name is used more than once.
    """

    outer: Expression
    value: Expression
    scopes: tuple[str | None, ...] = ()
    is_flat: bool = False
    is_followed: bool = False
    is_shared: bool = False


def read(
    document: Document, node: AttrSet, versions: Collection[str] = (), named: Named | None = None
) -> tuple[tuple[Patch, ...], tuple[str, ...]]:
    """The patches that a derivation's set lists under `patches`.

    Args:
        document: the file.
        node: the set.
        versions: the dotted names that stand for this derivation's own version there, such as `finalAttrs.version`.
        named: the collection that the file takes patches from by name.

    Returns:
        The patches in order, those of conditional parts too, and a warning for each part of the list that cannot be
        read.

    Raises:
        Refusal: E-PATCH-NAME where the collection lacks an entry that is named.
    """
    found: list[Patch] = []
    warnings: list[str] = []
    for part in parts(document, node, versions, named):
        if part.elements is None:
            place = document.where(bare(part.outer))
            warnings.append(f"a part of the patches is not a list that can be read ({place})")
        for element, listed in zip(part.elements or (), part.patches, strict=False):
            found += listed
            warnings += (text for patch in listed for text in _odd(document, element, patch))
    return tuple(found), tuple(warnings)


def parts(document: Document, node: AttrSet, versions: Collection[str], named: Named | None = None) -> tuple[Part, ...]:
    """The operands of the value of `patches`, in order; none where the set has no such binding.

    `with …;` and `lib.flatten` are taken off, and a name that a `let` or a recursive set gives a list is followed, one
    step.
    """
    found: list[Part] = []
    pending = [_Operand(one.value, one.value) for one in reversed(bindings(node, ["patches"]))]
    while pending:
        operand = pending.pop()
        inner = bare(operand.value)
        value = None if operand.is_followed else _followed(document, inner)
        if isinstance(inner, Binary) and inner.operator == "++":
            pending += (replace(operand, outer=side, value=side) for side in (inner.right, inner.left))
        elif value is not None and isinstance(inner, Identifier):
            shared = _uses(document, inner.name) > _DEFINED_AND_USED
            pending.append(_Operand(value, value, is_followed=True, is_shared=shared))
        elif (below := _below(operand, inner)) is not None:
            pending.append(below)
        else:
            found.append(_part(document, operand, versions, named))
    return tuple(found)


def _odd(document: Document, element: Expression, patch: Patch) -> tuple[str, ...]:
    """A warning where the hash of a patch that is written in the list is none or a placeholder."""
    if patch.hash is None or patch.name is not None:
        return ()
    what = f"the hash of {advisory_file(patch.url) or patch.url}"
    return digests.odd(document, Literal(patch.hash, element.start, element.end), what)


def _followed(document: Document, inner: Expression) -> Expression | None:
    """What a `let` or a recursive set gives a name; None where it is no name, or an argument's."""
    if not isinstance(inner, Identifier):
        return None
    found = resolve(document, inner)
    return found.value if isinstance(found, Binding) and len(found.path) == 1 else None


def _uses(document: Document, name: str) -> int:
    return sum(token.kind is Kind.IDENTIFIER and token.text == name for token in document.tokens)


def _below(operand: _Operand, inner: Expression) -> _Operand | None:
    """The operand without its `with` or `flatten`; None where it has none."""
    if isinstance(inner, With):
        return replace(operand, value=inner.body, scopes=(*operand.scopes, dotted(inner.scope)))
    made = call(inner)
    if made is None or made.name is None or len(made.arguments) != 1 or made.name.rpartition(".")[2] != _FLATTEN:
        return None
    return replace(operand, value=made.arguments[0], is_flat=True)


def _part(document: Document, operand: _Operand, versions: Collection[str], named: Named | None) -> Part:
    outer, inner = operand.outer, bare(operand.value)
    condition, single = None, None
    if not isinstance(inner, List):
        made = call(inner)
        if made is None or made.name is None or len(made.arguments) != 2:  # noqa: PLR2004 - condition and value
            return Part(outer, None, None)
        function = made.name.rpartition(".")[2]
        if function not in _CONDITIONAL:
            return Part(outer, None, None)
        operand = replace(operand, value=made.arguments[1])
        inner = bare(operand.value)
        while (below := _below(operand, inner)) is not None:
            operand, inner = below, bare(below.value)
        if function == "optionals" and not isinstance(inner, List):
            return Part(outer, None, None)
        condition = _condition(document, made.arguments[0], versions)
        # `optional` gives a list in a list here, and stdenv takes that for its elements.
        single = None if isinstance(inner, List) else operand.value
    listed = inner if isinstance(inner, List) else None
    elements = listed.elements if listed is not None else (single or inner,)
    if not _is_readable(document, operand, elements, named):
        return Part(outer, None, None)
    patches = tuple(_patches(document, one, operand, condition, named) for one in elements)
    is_below = named is not None and named.called in operand.scopes
    return Part(
        outer,
        listed,
        elements,
        condition,
        patches,
        prefix="" if named is None or is_below else f"{named.called}.",
        is_named=is_below or any(one.name is not None for found in patches for one in found),
        is_shared=operand.is_shared,
    )


def _is_readable(document: Document, operand: _Operand, elements: Sequence[Expression], named: Named | None) -> bool:
    """Whether what a list lists is written out in it: no list is flattened, and no name comes by an unknown `with`."""
    inner = [bare(one) for one in elements]
    if operand.is_flat and any(isinstance(_followed(document, one) or one, List | Binary | With) for one in inner):
        return False
    if not operand.scopes or (named is not None and named.called in operand.scopes):
        return True
    return not any(isinstance(one, Identifier) and resolve(document, one) is None for one in inner)


def _patches(
    document: Document,
    element: Expression,
    operand: _Operand,
    condition: Condition | None,
    named: Named | None,
) -> tuple[Patch, ...]:
    """The patches of one element: of an entry of the collection as that has them, else one."""
    name = None if named is None else _entry(document, element, operand, named.called)
    if named is None or name is None:
        return (fetched(document, element, condition) or _other(document, element, condition),)
    if name not in named.entries:
        raise Refusal("E-PATCH-NAME", f"{named.file} has no `{name}`", where=document.where(element))
    found = named.entries[name] or (Patch(name, None, None, name=name),)
    return tuple(replace(one, condition=condition) for one in found)


def _entry(document: Document, element: Expression, operand: _Operand, called: str) -> str | None:
    """The name of the entry of a collection that an element is; None where it is none."""
    inner = bare(element)
    if isinstance(inner, Identifier):
        found = resolve(document, inner)
        if found is None:
            return inner.name if called in operand.scopes else None
        is_taken = isinstance(found, Inherit) and found.source is not None and dotted(found.source) == called
        return inner.name if is_taken else None
    head, _, name = (dotted(inner) or "").rpartition(".")
    return name if head == called else None


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


def fetched(document: Document, element: Expression, condition: Condition | None = None) -> Patch | None:
    """The patch that a call of a fetcher gives; None for any other expression."""
    made = call(element)
    fetcher = "" if made is None or made.name is None else made.name.rpartition(".")[2]
    if made is None or fetcher not in FETCHERS:
        return None
    facts = body(made.arguments[-1])
    url = _text(document, facts, "url")
    if url is None or not isinstance(facts, AttrSet):
        return None
    options = arguments(facts) - PLAIN_ARGUMENTS
    digest = _text(document, facts, "hash")
    old = _text(document, facts, "sha256")
    if digest is None and old is not None and sri.decode(old) is not None:
        digest = old
        options -= {"sha256"}
    return Patch(url, advisory_of(url), digest, fetcher, tuple(sorted(options)), condition=condition)


def _other(document: Document, element: Expression, condition: Condition | None) -> Patch:
    written = _one_line(document, bare(element))
    return Patch(written, advisory_of(written), None, path=_path(element), condition=condition)


def arguments(facts: AttrSet) -> frozenset[str]:
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
