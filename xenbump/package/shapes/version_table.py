"""A table of versions to hashes and the version to take from it: downstream flakes.

`pkgs.xen.overrideAttrs (_: { version = v; src = fetchFromGitHub { tag = "RELEASE-${v}"; hash = "sha256-${table.${v}}=";
… }; … })`, or the same in a derivation of its own. A release that comes gets an entry; those of other versions stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bare, bindings, body, dotted, resolve, visible
from xenbump.nixlang.tree import AttrSet, Binding, Formal, Identifier, Lambda, Select
from xenbump.package import digests, efi, patch_list, patches, source, table
from xenbump.package.literals import followed, has, literal, plain, shown
from xenbump.package.model import Literal, PackageFile, Rewritten
from xenbump.package.nodes import calls

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.package.model import Beside
    from xenbump.package.source import Source
    from xenbump.package.table import Lookup
    from xenbump.plan.model import Plan

_OVERRIDE, _DERIVATION = "overrideAttrs", "mkDerivation"


@dataclass(frozen=True, slots=True, eq=False)
class _Use:
    """Where a table is used: the attributes with `src`, the source, how it looks its hash up, and whose set it is.

    Attributes:
        attributes: of the derivation or override.
        source: its source.
        lookup: how the source's hash is looked up.
        final: the name of the final set there; None where there is none.
        overrides: whether another package's attributes are overridden.
    """

    attributes: AttrSet
    source: Source
    lookup: Lookup
    final: str | None
    overrides: bool

    @property
    def own(self) -> dict[str, AttrSet]:
        """The set by the name that it has in itself."""
        return {} if self.final is None else {self.final: self.attributes}


@dataclass(frozen=True, slots=True)
class VersionTableShape:
    """The shape."""

    key: str = "version-table"

    def recognises(self, document: Document) -> bool:
        """Whether a source of the file looks its hash up in a table."""
        return is_version_table(document)

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says; the hash is the whole one, with the place of its entry."""
        del beside
        use = _use(document)
        holder, arguments = use.attributes, use.source.arguments
        source.check(document, use.source)
        version = source.version(document, holder)
        _check_key(document, use, version)
        _check_around(document, use)
        listed_hashes = table.read(document, use.lookup, use.own)
        entry, value = table.value(document, listed_hashes, version.value)
        versions = _versions(document, use, version)
        revision = source.revision(document, arguments, version, versions)
        listed, odd = patches.read(document, holder, versions)
        upstream = source.upstream_version(document, holder, versions)
        for one in listed_hashes.entries:
            if one.value is not None:
                what = "the source hash" if one is entry else f"the hash of {one.version}"
                odd += digests.odd(document, use.lookup.whole(one.value), what)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=revision.tag,
            fetcher=use.source.fetcher,
            hash=use.lookup.whole(value),
            patches=listed,
            warnings=odd + source.odd_pin(document, version, upstream) + _unseen_patches(document, use),
            rev=revision.rev,
            upstream_version=upstream,
            efi=efi.read(document),
            mentions=() if entry.name is None else (entry.name,),
        )

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """The version, its entry in the table, tag or commit where they are written out, and the patches."""
        del beside
        use = _use(document)
        holder, arguments = use.attributes, use.source.arguments
        if plan.target.tag is None and file.tag is None and file.rev is None:
            raise Refusal(
                "E-SHAPE-UNSUPPORTED",
                f"the file makes its tag from the version, and {plan.target.version} has none",
                where=document.where(arguments),
                remedy="Pin the commit by hand with `rev`, or wait for the release.",
            )
        if use.overrides and plan.patches.add and not has(holder, "patches"):
            raise Refusal(
                "E-PATCH-LIST",
                "the override lists no patches, and a list here would take the place of those of the package below",
                where=document.where(holder),
                remedy="Give the override a list, such as `patches = old.patches ++ [ ];`.",
            )
        listed_hashes = table.read(document, use.lookup, use.own)
        entry, _ = table.value(document, listed_hashes, file.version.value)
        versions = _versions(document, use, file.version)
        spelt = use.lookup.spelt(plan.hash)
        return Rewritten(
            (
                *table.edits(document, listed_hashes, plan.target.version, spelt, entry),
                *source.edits(document, holder, file, plan.target, versions=versions, revised=arguments),
                *patch_list.edits(document, holder, plan.patches, old=file.patches, versions=versions),
                *efi.edits(document, plan.efi),
            )
        )


SHAPES = (VersionTableShape(),)


def is_version_table(document: Document) -> bool:
    """Whether a source of the file looks its hash up in a table. Cheap: every file is asked."""
    return bool(_uses(document))


def _uses(document: Document) -> list[_Use]:
    found = []
    for made in calls(document):
        function = _last_name(made)
        if function not in {_OVERRIDE, _DERIVATION} or len(made.arguments) != 1:
            continue
        attributes = body(made.arguments[0])
        if not isinstance(attributes, AttrSet):
            continue
        for one in bindings(attributes, ["src"]):
            fetched = source.source_of(one.value)
            used = None if fetched is None else table.lookup(document, fetched.arguments)
            if fetched is not None and used is not None:
                final = _final(made, overrides=function == _OVERRIDE)
                found.append(_Use(attributes, fetched, used, final, function == _OVERRIDE))
    return found


def _use(document: Document) -> _Use:
    found = _uses(document)
    if len(found) > 1:
        places = " and ".join(document.where(one.source.arguments) for one in found)
        raise Refusal("E-AMBIGUOUS", "two sources in the file look their hash up in a table", where=places)
    return found[0]


def _last_name(made: Call) -> str | None:
    """The last name of a function, also of one that is selected from a call: `(xen.override { }).overrideAttrs`."""
    function = bare(made.function)
    if isinstance(function, Select):
        return function.path[-1].name
    return function.name if isinstance(function, Identifier) else None


def _final(made: Call, *, overrides: bool) -> str | None:
    """The name of the final set. The one argument of an override is the set below; only the first of two is final."""
    argument = bare(made.arguments[0])
    if overrides and not (isinstance(argument, Lambda) and isinstance(bare(argument.body), Lambda)):
        return None
    return source.final_name(argument)


def _check_key(document: Document, use: _Use, version: Literal) -> None:
    """Refuse a table that is asked for anything but the version, as the same literal has it.

    Raises:
        Refusal: E-NOT-LITERAL, E-AMBIGUOUS.
    """
    key = use.lookup.key
    if key is None:
        raise Refusal(
            "E-NOT-LITERAL",
            f"`{shown(document, use.lookup.selection)}` takes an entry by more than the version",
            where=document.where(use.lookup.selection),
        )
    if use.final is not None and dotted(key) == f"{use.final}.version":
        return
    inner = bare(key)
    if isinstance(inner, Identifier) and resolve(document, inner) in bindings(use.attributes, ["version"]):
        return
    found = literal(document, followed(document, key), shown(document, key))
    if found != version:
        raise Refusal(
            "E-AMBIGUOUS",
            f"the version is {version.value}, and the table is asked for {found.value}, which is written elsewhere",
            where=f"{document.where(version.start)} and {document.where(found.start)}",
        )


def _check_around(document: Document, use: _Use) -> None:
    """Refuse what makes no hash of an entry: then no entry could be written for a release.

    Raises:
        Refusal: E-NOT-LITERAL.
    """
    if use.lookup.prefix not in {"", "sha256-"} or use.lookup.suffix not in {"", "="}:
        raise Refusal(
            "E-NOT-LITERAL",
            f"the hash is `{use.lookup.prefix}…{use.lookup.suffix}` around an entry of the table, not `sha256-…=`",
            where=document.where(use.lookup.selection),
        )


def _versions(document: Document, use: _Use, version: Literal) -> tuple[str, ...]:
    """The names that stand for the version where the source is fetched, as `source.version_names` gives them."""
    known = source.version_names(document, use.attributes, use.final)
    key = None if use.lookup.key is None else bare(use.lookup.key)
    if not isinstance(key, Identifier) or key.name in known:
        return known
    match visible(document, use.source.arguments, key.name):
        case Binding(path=(_,), value=value) | Formal(default=value) if value is not None:
            return (*known, key.name) if plain(document, value) == version else known
    return known


def _unseen_patches(document: Document, use: _Use) -> tuple[str, ...]:
    """A warning where an override leaves the patches of the package below as they are."""
    if not use.overrides or has(use.attributes, "patches"):
        return ()
    where = document.where(use.attributes)
    return (f"the override lists no patches; those of the package below it are not seen here ({where})",)
