"""`mkDerivation (finalAttrs: { version; patches; src = fetcher { … }; … })`: what it shares with other shapes.

Those are overrides of such a derivation, and sets that a builder makes one of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import ancestors, bare, bindings, body, dotted, inherits, resolve, visible
from xenbump.nixlang.tree import (
    AttrSet,
    Binding,
    Expression,
    Formal,
    Formals,
    Identifier,
    Inherit,
    Lambda,
    Select,
    With,
)
from xenbump.package import digests, efi, patch_list, patches, source, table
from xenbump.package.literals import followed, value_of
from xenbump.package.model import PackageFile, Rewritten
from xenbump.package.nodes import calls

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.edit import Replacement
    from xenbump.package.model import Beside
    from xenbump.package.source import Source
    from xenbump.plan.model import Patch, PatchChange, Plan


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """The derivation of a file: its set, its source, and the names that stand for its version there."""

    attributes: AttrSet
    source: Source
    versions: tuple[str, ...]

    def has_plain_revision(self, document: Document) -> bool:
        """Whether the tag or revision is a string without interpolation, straight or one step away."""
        name = "tag" if bindings(self.source.arguments, ["tag"]) else "rev"
        try:
            value = value_of(document, self.source.arguments, name)
        except Refusal:
            return True  # which is said where the file is read
        return source.is_plain(followed(document, value))


@dataclass(frozen=True, slots=True)
class DerivationShape:
    """One shape of such a file.

    Attributes:
        key: its name.
        fetcher: of its source.
        derived: whether the tag is made from the version; None: both ways are this shape.
        heading: as in `patch_list.House`.
    """

    key: str
    fetcher: str
    derived: bool | None
    heading: str

    def recognises(self, document: Document) -> bool:
        """Whether there is such a derivation with such a revision."""
        found = derivations(document, self.fetcher)
        return bool(found) and (
            self.derived is None or any(not one.has_plain_revision(document) for one in found) == self.derived
        )

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says."""
        del beside
        found = derivations(document, self.fetcher)
        if len(found) > 1:
            places = " and ".join(document.where(one.source.arguments) for one in found)
            raise Refusal("E-AMBIGUOUS", f"two derivations with {self.fetcher} stand in the file", where=places)
        return said(document, found[0], self.key)

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """Version, hash, tag or commit, the version of the tree where the file gives it, and the patches."""
        del beside
        derivation = derivations(document, self.fetcher)[0]
        holder, versions, function = derivation.attributes, derivation.versions, derivation.source.function
        # What callPackage calls gets its fetchers as arguments, unless the file has its own taken out of a set.
        is_plain = isinstance(bare(function), Identifier)
        return Rewritten(
            together(
                source.filled(file.hash, plan.hash),
                *source.edits(
                    document, holder, file, plan.target, versions=versions, revised=derivation.source.arguments
                ),
                *patch_list.edits(
                    document,
                    holder,
                    plan.patches if is_plain else in_scope(document, holder, function, plan.patches),
                    old=file.patches,
                    versions=versions,
                    house=patch_list.House(heading=self.heading),
                ),
                *efi.edits(document, plan.efi),
            )
        )


def derivations(document: Document, fetcher: str) -> list[Derivation]:
    """The derivations in a file whose source is fetched by this fetcher, by tag or revision."""
    found = []
    for made in calls(document):
        if not source.is_named(made, "mkDerivation") or len(made.arguments) != 1:
            continue
        attributes = body(made.arguments[0])
        if not isinstance(attributes, AttrSet):
            continue
        versions = source.version_names(document, attributes, source.final_name(made.arguments[0]))
        for one in bindings(attributes, ["src"]):
            fetched = source.source_of(one.value)
            if fetched is not None and fetched.fetcher == fetcher and table.lookup(document, fetched.arguments) is None:
                found.append(Derivation(attributes, fetched, versions))
    return found


def said(document: Document, derivation: Derivation, shape: str) -> PackageFile:
    """What a file says in a derivation of it, or in an override of one.

    Args:
        document: the file.
        derivation: in it.
        shape: the key of the file's shape.

    Raises:
        Refusal: E-SOURCE-OTHER, E-FETCHER-OPTION, E-AMBIGUOUS, E-VERSION-FORM, E-TAG-DISAGREES, E-MISSING or
            E-NOT-LITERAL, as `source.check`, `source.version` and `source.revision` have them.
    """
    holder, arguments = derivation.attributes, derivation.source.arguments
    version = source.version(document, holder)
    source.check(document, derivation.source)
    patched, odd = listed(document, holder, derivation.versions)
    digest, odd_digest = digests.read(document, arguments)
    # A source that stands outside of the set does not see the names in it.
    heads = ((name, name.partition(".")[0]) for name in derivation.versions)
    seen = tuple(name for name, head in heads if visible(document, holder, head) is visible(document, arguments, head))
    revision = source.revision(document, arguments, version, seen)
    upstream = source.upstream_version(document, holder, derivation.versions)
    return PackageFile(
        shape=shape,
        version=version,
        tag=revision.tag,
        fetcher=derivation.source.fetcher,
        hash=digest,
        patches=patched,
        warnings=odd + odd_digest + source.odd_pin(document, version, upstream),
        rev=revision.rev,
        upstream_version=upstream,
        efi=efi.read(document),
    )


def listed(document: Document, holder: AttrSet, versions: tuple[str, ...]) -> tuple[tuple[Patch, ...], tuple[str, ...]]:
    """The patches of a set and what is odd about its list, as `patches.read`; also where the list is inherited."""
    found, odd = patches.read(document, holder, versions)
    inherited = inherits(holder, "patches")
    if inherited:
        odd += (f"`patches` is inherited, so what it lists is not known ({document.where(inherited[0])})",)
    return found, odd


def together(*edits: Replacement) -> tuple[Replacement, ...]:
    """Edits of which those that put something in at the same place are made one, in the order in which they come."""
    found: list[Replacement] = []
    places: dict[int, int] = {}
    for edit in edits:
        number = places.setdefault(edit.start, len(found)) if edit.start == edit.end else len(found)
        if number == len(found):
            found.append(edit)
        else:
            found[number] = replace(edit, text=found[number].text + edit.text)
    return tuple(found)


def in_scope(document: Document, holder: AttrSet, function: Expression, change: PatchChange) -> PatchChange:
    """A change of patches whose new calls are spelt so that the file knows the function.

    A fetcher that the list calls already, or that has its plain name in scope, stays as it is. Else it is taken from
    where another function comes from, such as `pkgs` for `pkgs.fetchFromGitHub`. Where that is a formal argument of the
    outermost function with named ones, `patch_list.edits` adds the fetcher beside it.

    Args:
        document: the file.
        holder: the set in it whose attribute `patches` is the list.
        function: the other function, as the file calls it: one that nixpkgs has where it has the fetchers.
        change: the change; `patch_list.edits` takes what is returned.

    Raises:
        Refusal: E-PATCH-LIST where no name can be told by which the file has the fetcher.
    """
    parts = [part for part in patches.parts(document, holder, ()) if part.listed is not None]
    known = {patch.fetcher for part in parts for found in part.patches for patch in found}
    wanted = {one.patch.fetcher for one in change.add if one.patch.fetcher} - known
    spelt = {
        name: _spelt(document, holder, function, name)
        for name in sorted(wanted)
        if visible(document, holder, name) is None
    }
    renamed = {
        one.patch: replace(one.patch, fetcher=spelt.get(one.patch.fetcher or "", one.patch.fetcher))
        for one in change.add
    }
    return replace(
        change,
        add=tuple(replace(one, patch=renamed[one.patch]) for one in change.add),
        series=tuple(renamed.get(patch, patch) for patch in change.series),
    )


def _spelt(document: Document, holder: AttrSet, function: Expression, fetcher: str) -> str:
    """A fetcher as the file can call it, judged by another function; its plain name where it is to be an argument."""
    origin = _origin(document, holder, function)
    if isinstance(origin, Formal):
        outermost = [one for one in _around(document, holder) if isinstance(one, Formals)][-1:]
        if any(origin in one.formals for one in outermost):
            return fetcher
    elif origin is not None:
        head: Expression = origin[1]
        while isinstance(head, Select):
            head = bare(head.subject)
        if isinstance(head, Identifier) and resolve(document, head) is visible(document, holder, head.name):
            return " ".join(origin[0].split()) + "." + fetcher
    raise Refusal(
        "E-PATCH-LIST",
        f"`{fetcher}` is not in scope, and by which name the file could have it cannot be told",
        where=document.where(holder),
        remedy=f"Bring `{fetcher}` into scope by its name, as an argument of the function or by `inherit`.",
    )


def _origin(document: Document, holder: AttrSet, function: Expression) -> Formal | tuple[str, Expression] | None:
    """Where a function comes from: an argument, or a set, as it is written and as the expression that begins it."""
    called = bare(function)
    if isinstance(called, Select):
        # What is overridden is the function.
        steps = called.path[:-1] if called.path[-1].name == "override" else called.path
        if not steps:
            return _origin(document, holder, called.subject)
        end = steps[-2].end if len(steps) > 1 else called.subject.end
        return None if dotted(called) is None else (document.source[called.start : end], called)
    if not isinstance(called, Identifier):
        return None
    found = resolve(document, called)
    value = bare(found.value) if isinstance(found, Binding) and len(found.path) == 1 else None
    if isinstance(value, Select) and value.path[-1].name == called.name:
        return _origin(document, holder, value)
    scopes = [one for one in _around(document, holder) if isinstance(one, Expression)]
    if isinstance(found, Inherit):
        scopes = [] if found.source is None else [found.source]
    if len(scopes) == 1 and dotted(scopes[0]) is not None and (found is None or isinstance(found, Inherit)):
        return document.text(scopes[0]), bare(scopes[0])
    return found if isinstance(found, Formal) else None


def _around(document: Document, holder: AttrSet) -> list[Formals | Expression]:
    """The named arguments of the functions around a set, and the scopes of each `with`, the innermost first."""
    found: list[Formals | Expression] = []
    for node in ancestors(document, holder):
        if isinstance(node, Lambda) and isinstance(node.parameter, Formals):
            found.append(node.parameter)
        elif isinstance(node, With):
            found.append(node.scope)
    return found
