"""The patches of old package files, for reading only.

`xsaPatch { name = "190"; sha256 = "…"; }` with the function in a `let`; `with xsa; flatten [ XSA_190 ]` with `xsa` out
of a file beside it; `xsaPatches` in place of `patches`. An address is put together as far as the files say it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes import nix32, sri
from xenbump.nixlang.document import Document, parse
from xenbump.nixlang.find import Definition, ancestors, bare, bindings, body, call, dotted, inherits, resolve
from xenbump.nixlang.tree import (
    AttrSet,
    Binary,
    Binding,
    Expression,
    Formal,
    Formals,
    Identifier,
    Interpolation,
    Lambda,
    List,
    Path,
    Select,
    String,
    Text,
    Uri,
    With,
)
from xenbump.package import patches
from xenbump.package.literals import shown
from xenbump.package.patches import FETCHERS, advisory_of
from xenbump.plan.model import Condition, Patch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xenbump.nixlang.find import Call
    from xenbump.package.model import Beside

NAMES = ("patches", "xsaPatches")
_CONDITIONAL = frozenset({"optionals", "optional"})
_IMPORTS = frozenset({"import", "callPackage"})
_DIGESTS = ("hash", "sha256")
# The longest chains of names that are followed, in strings and in lists: a name may stand for itself.
_DEEPEST, _DEEPEST_LIST = 4, 3
_ENTRY = re.compile(r"XSA_?(\d{1,4})(?:_.*)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file whose patches are read: its text, its folder from the package file's, and the files around that one."""

    document: Document
    folder: str
    beside: Beside


def read(document: Document, holder: AttrSet, beside: Beside) -> tuple[tuple[Patch, ...], tuple[str, ...]]:
    """The patches that a set lists under the first of `NAMES` that it has.

    Args:
        document: the file.
        holder: the set.
        beside: the files around it, for collections of patches.

    Returns:
        The patches in order, with the addresses that come of the calls, hashes as SRIs; and a warning for each part of
        the list that cannot be read.
    """
    found: list[Patch] = []
    warnings: list[str] = []
    file = _File(document, "", beside)
    for one in next((listed for name in NAMES if (listed := bindings(holder, [name]))), []):
        for read_part in _listed(file, one.value, None, _DEEPEST_LIST):
            if isinstance(read_part, Patch):
                found.append(read_part)
            else:
                warnings.append(f"a part of the patches is not a list that can be read ({document.where(read_part)})")
    return tuple(found), tuple(warnings)


def text_of(
    document: Document,
    value: Expression,
    given: Mapping[Definition, str] = MappingProxyType({}),
    *,
    partly: bool = False,
    depth: int = _DEEPEST,
) -> str | None:
    """The text of a string whose interpolations the file answers; None where it does not.

    Args:
        document: the file.
        value: the string, or a name for one.
        given: the texts that arguments of a function have, by the formal argument or parameter.
        partly: whether interpolations that the file does not answer stay as they are written.
        depth: how many names are followed from here.
    """
    inner = bare(value)
    match inner:
        case Uri(text=text):
            return text
        case String(parts=parts, indented=False) if inner.literal() is None:
            pieces = [_piece(document, part, given, partly=partly, depth=depth) for part in parts]
            known = [piece for piece in pieces if piece is not None]
            return "".join(known) if len(known) == len(pieces) else None
        case String():
            return inner.literal()
        case Identifier() if depth > 0:
            definition = resolve(document, inner)
            if definition is not None and definition in given:
                return given[definition]
            meant = _value(definition)
            return None if meant is None else text_of(document, meant, given, partly=partly, depth=depth - 1)
    return None


def _piece(
    document: Document, part: Text | Interpolation, given: Mapping[Definition, str], *, partly: bool, depth: int
) -> str | None:
    if isinstance(part, Text):
        return None if part.is_escape else part.raw
    found = text_of(document, part.expression, given, partly=partly, depth=depth)
    return document.text(part) if found is None and partly else found


def _meaning(document: Document, name: Identifier) -> Expression | None:
    """What a name stands for in the file; None where it gives it no value of its own."""
    return _value(resolve(document, name))


def _value(definition: Definition | None) -> Expression | None:
    match definition:
        case Binding(path=(_,), value=value):
            return value
        case Formal(default=default):
            return default
    return None


def _listed(file: _File, value: Expression, condition: Condition | None, depth: int) -> Iterator[Patch | Expression]:
    """The patches of a list, and each part of it that cannot be read."""
    inner = bare(value)
    made = call(inner)
    function = "" if made is None else _last(made)
    match inner:
        case Binary(operator="++", left=left, right=right):
            yield from _listed(file, left, condition, depth)
            yield from _listed(file, right, condition, depth)
        case With(body=scoped):
            yield from _listed(file, scoped, condition, depth)
        case List(elements=elements):
            for element in elements:
                yield from _element(file, element, condition, depth)
        case _ if made is not None and function == "flatten" and len(made.arguments) == 1:
            yield from _listed(file, made.arguments[0], condition, depth)
        case _ if made is not None and function in _CONDITIONAL and len(made.arguments) == 2:  # noqa: PLR2004 - both
            here = Condition(" ".join(file.document.text(made.arguments[0]).split()))
            part = bare(made.arguments[1])
            follow = _listed if isinstance(part, List | Binary) or function == "optionals" else _element
            yield from follow(file, part, here, depth)
        case Identifier() if depth > 0 and (meant := _meaning(file.document, inner)) is not None:
            yield from _listed(file, meant, condition, depth - 1)
        case _:
            yield inner


def _element(file: _File, element: Expression, condition: Condition | None, depth: int) -> Iterator[Patch | Expression]:
    """The patches that an element of a list stands for: one, or those of a list in it."""
    inner = bare(element)
    made = call(inner)
    if isinstance(inner, List | With) or (made is not None and _last(made) == "flatten"):
        yield from _listed(file, inner, condition, depth)
    elif isinstance(inner, Identifier | Select) and made is None:
        meant = _meaning(file.document, inner) if isinstance(inner, Identifier) else None
        if meant is not None and depth > 0:
            yield from _element(file, meant, condition, depth - 1)
        else:
            yield from _collected(file, inner, condition, depth)
    else:
        yield replace(_single(file, element, made), condition=condition)


def _single(file: _File, element: Expression, made: Call | None) -> Patch:
    document = file.document
    fetching, given = element, dict[Definition, str]()
    if made is not None and _last(made) not in FETCHERS:
        fetching, given = _function(document, made) or (element, given)
    found = patches.fetched(document, fetching)
    made = call(fetching)
    if found is None or made is None:
        written = " ".join(document.text(bare(element)).split())
        return Patch(written, advisory_of(written), None)
    facts = body(made.arguments[-1])
    url = _argument(document, facts, "url", given) or found.url
    digest, options = found.hash, set(found.options)
    for name in _DIGESTS:
        written = _argument(document, facts, name, given) or ""
        decoded = nix32.any_form(written)
        if decoded is not None:
            digest = sri.encode(decoded)
            options -= {name}
    number = advisory_of(url)
    if number is None:
        number = advisory_of(_argument(document, facts, "name", given) or "")
    return replace(found, url=url, xsa=number, hash=digest, options=tuple(sorted(options)))


def _argument(document: Document, facts: Expression, name: str, given: Mapping[Definition, str]) -> str | None:
    """The text of an argument in a set, also one that is inherited from the arguments of the function around it."""
    found = bindings(facts, [name])
    if len(found) == 1:
        return text_of(document, found[0].value, given)
    for clause in inherits(facts, name):
        for step in clause.names:
            if step.name == name and clause.source is None and isinstance(step.written, Identifier):
                return text_of(document, step.written, given)
    return None


def _function(document: Document, made: Call) -> tuple[Expression, dict[Definition, str]] | None:
    """The fetcher's call in a function that the file defines, and the texts that its arguments have."""
    function = bare(made.function)
    current = _meaning(document, function) if isinstance(function, Identifier) else None
    given: dict[Definition, str] = {}
    for argument in made.arguments:
        inner = None if current is None else bare(current)
        if not isinstance(inner, Lambda):
            return None
        given |= _given(document, inner.parameter, argument)
        current = inner.body
    return None if current is None else (body(current), given)


def _given(document: Document, parameter: Identifier | Formals, argument: Expression) -> dict[Definition, str]:
    if isinstance(parameter, Identifier):
        texts: dict[Definition, str | None] = {parameter: text_of(document, argument)}
    else:
        facts = bare(argument)
        # What the call leaves out has its default, which the formal argument itself leads to.
        texts = {one: _argument(document, facts, one.name.name, {}) for one in parameter.formals}
    return {definition: text for definition, text in texts.items() if text is not None}


def _collected(
    file: _File, element: Identifier | Select, condition: Condition | None, depth: int
) -> Iterator[Patch | Expression]:
    """The patches of an entry of a collection; the entry's name where the collection is not at hand."""
    name = (dotted(element) or "").rpartition(".")[2]
    found = _entry(file, element, name) if depth > 0 else None
    if found is None:
        match = _ENTRY.fullmatch(name)
        number = int(match[1]) if match else None
        yield Patch(shown(file.document, element), number, None, condition=condition, name=name or None)
        return
    for one in _element(*found, condition, depth - 1):
        # A place in the other file is none in this one.
        yield replace(one, name=name) if isinstance(one, Patch) else element


def _entry(file: _File, element: Identifier | Select, name: str) -> tuple[_File, Expression] | None:
    """An entry of a collection in another file: the one selected from, or that of a `with` around the element."""
    if isinstance(element, Select):
        scopes = [element.subject]
    else:
        scopes = [node.scope for node in ancestors(file.document, element) if isinstance(node, With)]
    for scope in scopes:
        inner = bare(scope)
        meant = _meaning(file.document, inner) if isinstance(inner, Identifier) else inner
        made = None if meant is None else call(meant)
        path = bare(made.arguments[0]) if made is not None and _last(made) in _IMPORTS else None
        other = _opened(file, path) if isinstance(path, Path) else None
        found = [] if other is None else bindings(other.document, [name])
        if other is not None and len(found) == 1:
            return other, found[0].value
    return None


def _opened(file: _File, path: Path) -> _File | None:
    written = path.literal()
    if written is None or written.startswith(("/", "~")):
        return None
    name = posixpath.normpath(posixpath.join(file.folder, written))
    content = file.beside.read(name)
    try:
        return None if content is None else _File(parse(content.decode()), posixpath.dirname(name), file.beside)
    except (UnicodeDecodeError, Refusal):
        return None


def _last(made: Call) -> str:
    return (made.name or "").rpartition(".")[2]
