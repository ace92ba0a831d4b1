"""`pkgs.xen.overrideAttrs (old: { version; src = fetcher { … }; patches = old.patches ++ [ … ]; })`: downstream flakes.

What is overridden has patches of its own, which are not in the file: what the override takes of them stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.document import parse
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.errors import LINE_BREAK
from xenbump.nixlang.find import bare, body, call, visible, walk
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Lambda, Select
from xenbump.package import derivation, efi, patch_list, patches, source
from xenbump.package.derivation import Derivation
from xenbump.package.lines import add_binding
from xenbump.package.literals import followed, has, shown
from xenbump.package.model import Rewritten
from xenbump.package.nodes import calls
from xenbump.package.shapes import version_table

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Expression
    from xenbump.package.model import Beside, PackageFile
    from xenbump.plan.model import PatchChange, Plan

_OVERRIDES = frozenset({"override", "overrideAttrs"})
# The names that nixpkgs has or had for it: by branch, and by how it is built.
_XEN = re.compile(r"xen(?:[_-]?\d+(?:[._-]\d+)*)?(?:-(?:light|slim|vanilla|unstable))?", re.ASCII)
_TOUCHED = ("version", "src", "patches")
_HOUSE = patch_list.House(heading="# XSA #", after=("pname", "version", "upstreamVersion", "src"))


@dataclass(frozen=True, slots=True, eq=False)
class _Override:
    """A call of `overrideAttrs` for Xen.

    Attributes:
        argument: what it is given.
        attributes: the set in that; None where none is written out.
        final: the name of the final set there; None where it has none.
        previous: the argument that is what is overridden; None where there is none by a plain name.
    """

    argument: Expression
    attributes: AttrSet | None
    final: str | None
    previous: Identifier | None


@dataclass(frozen=True, slots=True)
class OverrideAttrs:
    """The shape."""

    key: str = "override-attrs"

    def recognises(self, document: Document) -> bool:
        """Whether Xen is overridden, and not from a table of versions, which is a shape of its own."""
        return bool(_overrides(document)) and not version_table.is_version_table(document)

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says."""
        del beside
        override = _override(document)
        made = _derivation(document, override)
        said = derivation.said(document, made, self.key)
        return replace(said, warnings=_warnings(document, override, made, said.warnings))

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """Version, hash, tag or commit, the version of the tree where it is another one, and the patches."""
        del beside
        override = _override(document)
        made = _derivation(document, override)
        holder, versions = made.attributes, made.versions
        return Rewritten(
            derivation.together(
                source.filled(file.hash, plan.hash),
                *source.edits(
                    document,
                    holder,
                    file,
                    plan.target,
                    versions=versions,
                    revised=made.source.arguments,
                    implied=True,
                ),
                *_patches(document, override, made, file, plan.patches),
                *efi.edits(document, plan.efi),
            )
        )


SHAPES = (OverrideAttrs(),)


def _overrides(document: Document) -> list[_Override]:
    """The calls of `overrideAttrs` for a package that is called Xen."""
    found = []
    for made in calls(document):
        if len(made.arguments) != 1 or not _is_of_xen(document, made.function):
            continue
        argument = made.arguments[0]
        attributes = body(argument)
        outer = bare(argument)
        inner = bare(outer.body) if isinstance(outer, Lambda) else None
        final, previous = (outer, inner) if isinstance(inner, Lambda) else (None, outer)
        found.append(
            _Override(
                argument,
                attributes if isinstance(attributes, AttrSet) else None,
                source.final_name(final) if final is not None else None,
                previous.parameter
                if isinstance(previous, Lambda) and isinstance(previous.parameter, Identifier)
                else None,
            )
        )
    return found


def _is_of_xen(document: Document, function: Expression) -> bool:
    """Whether a function is `xen.overrideAttrs`, by any of Xen's names, also of what was overridden already."""
    current = bare(function)
    if not isinstance(current, Select) or current.path[-1].name != "overrideAttrs":
        return False
    while isinstance(current, Select) and current.default is None and current.path[-1].name in _OVERRIDES:
        if len(current.path) > 1:
            return _is_xen(current.path[-2].name)
        below = bare(current.subject)
        made = call(below)
        if made is None:
            return _is_xen(_name(below)) or _is_xen(_name(followed(document, below)))
        # Of calls, only one that overrides gives the package that it is of.
        current = bare(made.function)
    return False


def _name(value: Expression) -> str | None:
    """The last name of a variable or of what is selected."""
    inner = bare(value)
    if isinstance(inner, Select):
        return inner.path[-1].name
    return inner.name if isinstance(inner, Identifier) else None


def _is_xen(name: str | None) -> bool:
    return name is not None and _XEN.fullmatch(name) is not None


def _override(document: Document) -> _Override:
    """The one override that has to do with version, source or patches; where there is none, the first one.

    Raises:
        Refusal: E-AMBIGUOUS where there are several.
    """
    found = _overrides(document)
    touching = [one for one in found if one.attributes is None or any(has(one.attributes, name) for name in _TOUCHED)]
    if len(touching) > 1:
        places = " and ".join(document.where(one.argument) for one in touching)
        raise Refusal("E-AMBIGUOUS", f"{len(touching)} overrides of Xen stand in the file", where=places)
    return (touching or found)[0]


def _derivation(document: Document, override: _Override) -> Derivation:
    """What the override makes of the package, as far as it says so itself.

    Raises:
        Refusal: E-NOT-LITERAL where its attributes are not written out; E-MISSING, E-SOURCE-OTHER.
    """
    holder = override.attributes
    if holder is None:
        value = body(override.argument)
        raise Refusal(
            "E-NOT-LITERAL",
            f"the override is `{shown(document, value)}`, not a set that is written out",
            where=document.where(value),
        )
    versions = source.version_names(document, holder, override.final)
    # A version that is missing is told before a source that is.
    source.version(document, holder)
    return Derivation(holder, source.source(document, holder), versions)


def _warnings(document: Document, override: _Override, made: Derivation, found: tuple[str, ...]) -> tuple[str, ...]:
    """What was found odd, with the patches of the package below called by what they are."""
    if not has(made.attributes, "patches"):
        where = document.where(made.attributes)
        return (f"the override lists no patches; those of the package below it are not seen here ({where})", *found)
    told: dict[str, str] = {}
    for part in patches.parts(document, made.attributes, made.versions):
        value = bare(part.outer)
        if part.elements is None and _names_previous(override, value):
            place = f"({document.where(value)})"
            told[place] = f"which patches `{shown(document, value)}` brings is not seen here; they stay {place}"
    return tuple(next((text for place, text in told.items() if one.endswith(place)), one) for one in found)


def _names_previous(override: _Override, value: Expression) -> bool:
    name = None if override.previous is None else override.previous.name
    return any(isinstance(node, Identifier) and node.name == name for node in walk(value))


def _patches(
    document: Document, override: _Override, made: Derivation, file: PackageFile, change: PatchChange
) -> tuple[Replacement, ...]:
    """The patches that come and go. To an override that has none they come behind those of the package below.

    Raises:
        Refusal: E-PATCH-LIST where that package has no name there, and as `patch_list.edits` and `derivation.in_scope`.
    """
    holder = made.attributes
    spelt = derivation.in_scope(document, holder, made.source.function, change)
    if has(holder, "patches") or not change.add:
        return _listed(document, made, file, spelt)
    # A list of its own would take the place of the package's. So a first step gives the override an empty one behind
    # that, and what the second step makes of it is carried back.
    name = None if override.previous is None else override.previous.name
    own = [one for one in holder.bindings if isinstance(one, Binding)]
    if name is None or not own or visible(document, holder, name) is not override.previous:
        raise Refusal(
            "E-PATCH-LIST",
            "the override lists no patches, a list alone would drop the package's own, and no argument has those",
            where=document.where(holder),
            remedy="Make the override a function, `old: { … }`, with `patches = (old.patches or [ ]) ++ [ ];`.",
        )
    after = max(
        (one for one in own if one.names[:1] in {(part,) for part in _HOUSE.after}), default=own[-1], key=_start
    )
    first = add_binding(document, after, f"patches = ({name}.patches or [ ]) ++ [ ];", blank=_is_spaced(document, own))
    halfway = parse(apply(document.source, [first]))
    text, grown = first.text, len(first.text)
    found = []
    for edit in _listed(halfway, _derivation(halfway, _override(halfway)), file, spelt):
        if first.start <= edit.start < first.start + grown:
            text = text[: edit.start - first.start] + edit.text + text[edit.end - first.start :]
        else:
            # The arguments of the functions around the set stand before it.
            found.append(edit)
    return (*found, Replacement(first.start, first.end, text))


def _listed(document: Document, made: Derivation, file: PackageFile, change: PatchChange) -> tuple[Replacement, ...]:
    return patch_list.edits(document, made.attributes, change, old=file.patches, versions=made.versions, house=_HOUSE)


def _start(one: Binding) -> int:
    return one.start


def _is_spaced(document: Document, own: list[Binding]) -> bool:
    """Whether empty lines stand between the bindings of a set."""
    gaps = (document.source[one.end : other.start] for one, other in pairwise(own))
    return any(len(LINE_BREAK.findall(gap)) > 1 and not gap.strip() for gap in gaps)
