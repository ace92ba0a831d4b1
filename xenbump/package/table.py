"""A set of versions to hashes in a package file, and the attribute of a fetcher that looks its hash up there.

`hash = "sha256-${table.${v}}=";` with `table = { "4.20.2" = "<43 characters>"; … };`, or `hash = table.${v};` where the
entries are whole hashes. What stands around the lookup is the same for each entry, so an entry is spelt without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Failure, Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.find import ancestors, bare, bindings, resolve
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Inherit, Interpolation, Let, Select, String, Text
from xenbump.package.lines import add_binding, indent, newline, starts_line
from xenbump.package.literals import followed, has, literal, plain, shown, value_of
from xenbump.package.model import Literal
from xenbump.upstream.release import base_of, branch_of, is_version, order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.version import Version

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import AttrName, Expression

_HASH = ("hash", "sha256")


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A hash that is looked up by a name which only the evaluator knows.

    Attributes:
        prefix: what stands before the looked-up text in the string.
        suffix: what stands behind it.
        selection: `table.${key}`.
        step: the number of the first step in its path that is not written out.
    """

    prefix: str
    suffix: str
    selection: Select
    step: int

    @property
    def key(self) -> Expression | None:
        """The expression of that step; None where there is more to the name than it."""
        match self.selection.path[self.step].written:
            case Interpolation(expression=inner) | String(parts=(Interpolation(expression=inner),), indented=False):
                return inner
        return None

    def whole(self, entry: Literal) -> Literal:
        """An entry with what stands around it where it is used, and the place of the entry."""
        return Literal(self.prefix + entry.value + self.suffix, entry.start, entry.end)

    def spelt(self, digest: str) -> str:
        """What an entry is to have so that a hash comes of it.

        Raises:
            Failure: E-EDIT-CHECK where none could: the hash has another form than the string around the entry.
        """
        inner = digest.removeprefix(self.prefix)
        inner = inner[: len(inner) - len(self.suffix)]
        if self.prefix + inner + self.suffix != digest:
            raise Failure("E-EDIT-CHECK", f"the hash {digest!r} is none of the form that the table's entries have")
        return inner


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a table: its version, and the literals of its name and its value, where they are such."""

    version: str
    binding: Binding
    name: Literal | None
    value: Literal | None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as it is written out: the set, and its entries in order."""

    node: AttrSet
    entries: tuple[Entry, ...]

    def entry(self, version: str) -> Entry | None:
        """The entry of a version."""
        return next((one for one in self.entries if one.version == version), None)


def lookup(document: Document, arguments: AttrSet) -> Lookup | None:
    """How a fetcher's hash is looked up in a set; None where it is anything else. Cheap: asked of every source.

    Args:
        document: the file.
        arguments: the set that the fetcher is given.
    """
    for name in _HASH:
        if has(arguments, name):
            try:
                value = value_of(document, arguments, name)
            except Refusal:
                return None  # which is said where the hash is read
            found = _in_string(document, bare(followed(document, value)))
            if found is not None:
                return found
    return None


def _in_string(document: Document, value: Expression) -> Lookup | None:
    if not isinstance(value, String):
        return _selected("", value, "")
    inner = [part for part in value.parts if isinstance(part, Interpolation)]
    if value.indented or len(inner) != 1 or any(isinstance(part, Text) and part.is_escape for part in value.parts):
        return None
    middle = value.parts.index(inner[0])
    before, after = (
        "".join(part.raw for part in parts if isinstance(part, Text))
        for parts in (value.parts[:middle], value.parts[middle + 1 :])
    )
    return _selected(before, bare(followed(document, inner[0].expression)), after)


def _selected(prefix: str, value: Expression, suffix: str) -> Lookup | None:
    if not isinstance(value, Select):
        return None
    steps = [number for number, step in enumerate(value.path) if step.name is None]
    return Lookup(prefix, suffix, value, steps[0]) if steps else None


def read(document: Document, used: Lookup, own: Mapping[str, AttrSet]) -> Table:
    """The table that a hash is looked up in.

    Args:
        document: the file.
        used: how it is looked up.
        own: the sets that arguments of functions stand for, such as the derivation's by `finalAttrs`.

    Raises:
        Refusal: E-NOT-LITERAL where it is not written out in the file, straight or behind one name, or a name in it is
            known only to the evaluator; E-AMBIGUOUS where it is written in several parts; E-SHAPE-UNSUPPORTED where
            its entries are sets.
    """
    selection = used.selection
    if len(selection.path) > used.step + 1:
        raise Refusal(
            "E-SHAPE-UNSUPPORTED",
            f"the hash is `{shown(document, selection)}`: a table whose entries are sets is not rewritten",
            where=document.where(selection),
            remedy="Give each version its hash as a plain string, or bump the file by hand.",
        )
    value = _subject(document, selection, own)
    steps = [str(step.name) for step in selection.path[: used.step]]
    if steps and isinstance(value, AttrSet):
        found = bindings(value, steps)
        if len(found) > 1:
            raise Refusal(
                "E-AMBIGUOUS",
                f"`{'.'.join(steps)}` is written in several parts",
                where=" and ".join(document.where(one) for one in found),
            )
        value = bare(found[0].value) if found else selection.subject
    if not isinstance(value, AttrSet):
        raise Refusal(
            "E-NOT-LITERAL",
            f"the table of hashes is `{shown(document, value)}`, not a set that is written out here",
            where=document.where(value),
        )
    return Table(value, tuple(_entry(document, one) for one in value.bindings))


def _subject(document: Document, selection: Select, own: Mapping[str, AttrSet]) -> Expression:
    """What is selected from, one step away where it is a name."""
    subject = bare(selection.subject)
    if not isinstance(subject, Identifier):
        return subject
    definition = resolve(document, subject)
    if isinstance(definition, Identifier) and definition.name in own:
        return own[definition.name]
    if isinstance(definition, Binding):
        around = ancestors(document, definition)[0]
        others = around.bindings if isinstance(around, AttrSet | Let) else ()
        same = [one for one in others if isinstance(one, Binding) and one.names[:1] == (subject.name,)]
        if len(same) > 1:
            raise Refusal(
                "E-AMBIGUOUS",
                f"`{subject.name}` is written in several parts",
                where=" and ".join(document.where(one) for one in same),
            )
    return bare(followed(document, subject))


def _entry(document: Document, one: Binding | Inherit) -> Entry:
    if isinstance(one, Inherit) or len(one.path) != 1 or one.path[0].name is None:
        raise Refusal(
            "E-NOT-LITERAL",
            f"`{_shown(document, one)}` in the table is no version with its hash",
            where=document.where(one),
        )
    return Entry(one.path[0].name, one, _name(document, one.path[0]), plain(document, bare(one.value)))


def _shown(document: Document, one: Binding | Inherit) -> str:
    return " ".join((document.text(one) if isinstance(one, Inherit) else document.text(one.path[0])).split())


def _name(document: Document, step: AttrName) -> Literal | None:
    return plain(document, step.written) if isinstance(step.written, String) else None


def value(document: Document, table: Table, version: str) -> tuple[Entry, Literal]:
    """The entry of a version and the literal of its value.

    Raises:
        Refusal: E-MISSING where there is no entry, E-NOT-LITERAL where its value is no plain string.
    """
    found = table.entry(version)
    if found is None:
        raise Refusal("E-MISSING", f"the table has no hash of {version}", where=document.where(table.node))
    return found, found.value or literal(document, bare(found.binding.value), version)


def edits(document: Document, table: Table, version: str, spelt: str, like: Entry) -> tuple[Replacement, ...]:
    """Give a version its hash: the entry that it has is corrected, or one comes at its place in the table's order.

    Args:
        document: the file.
        table: the table.
        version: the version.
        spelt: the hash as entries have it.
        like: an entry with a plain value, whose style a new one has where its neighbours are written otherwise.

    Raises:
        Refusal: E-NOT-LITERAL where the version's entry is no plain string.
    """
    if table.entry(version) is not None:
        old = value(document, table, version)[1]
        return () if old.value == spelt else (Replacement(old.start, old.end, quote(spelt)[1:-1]),)
    before, after = _neighbours(table, version)
    near = [one for one in (after, before) if one is not None]
    same = [one for one in near if _branch(one.version) == _branch(version)]
    model = next((one for one in (*same, *near) if one.value is not None and one.name is not None), like)
    text = _like(document, model, version, spelt)
    # A comment above an entry may be a heading: the new entry goes below it where it begins what the entry begins.
    if before is not None and (after is None or before in same or after not in same):
        return (add_binding(document, before.binding, text),)
    place = (before or like).binding.start if after is None else after.binding.start
    gap = newline(document.source) + indent(document.source, place) if starts_line(document.source, place) else " "
    return (Replacement(place, place, text + gap),)


def _neighbours(table: Table, version: str) -> tuple[Entry | None, Entry | None]:
    """The entries that a new one comes between, by the order of the table; newest first where it shows none."""
    known = [(found, one) for one in table.entries if (found := _order(one.version)) is not None]
    oldest_first = len(known) > 1 and known[0][0] < known[-1][0]
    new = _order(version)
    for number, (old, one) in enumerate(known):
        if new is not None and (new < old if oldest_first else new > old):
            return known[number - 1][1] if number else None, one
    return (known[-1][1] if known else None), None


def _order(version: str) -> tuple[Version, bool, str] | None:
    """The key by which entries are sorted, a commit of a stable branch before its release; None for other names."""
    base = version if is_version(version) else base_of(version)
    return None if base is None else (order(base), base == version, version)


def _branch(version: str) -> str | None:
    return None if _order(version) is None else branch_of(version)


def _like(document: Document, model: Entry, version: str, spelt: str) -> str:
    """The text of an entry that is written as another one is."""
    plain = f"{quote(version)} = {quote(spelt)};"
    if model.name is None or model.value is None:
        return plain
    name, old, source = model.name, model.value, document.source
    start, end = model.binding.start, model.binding.end
    between = source[name.end : old.start]
    if any(sign in text for text in (between, source[old.end : end]) for sign in ("#", "/*")):
        # A comment there is about the other entry.
        return plain
    return source[start : name.start] + version + between + spelt + source[old.end : end]
