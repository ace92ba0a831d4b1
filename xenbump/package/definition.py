"""The definition of a branch, which a builder that all branches share makes a package of: where its parts stand.

`callPackage (import ../generic/default.nix { branch; version; pkg = { xen = { rev; hash; patches; }; qemu = …; }; })`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bare, bindings, call, dotted, inherits, resolve, walk
from xenbump.nixlang.tree import Apply, AttrSet, Binding, Expression, Formals, Identifier, Inherit, Lambda
from xenbump.package import collection, digests, source
from xenbump.package.branches import folder
from xenbump.package.literals import followed, has, literal, literal_of, shown, value_of
from xenbump.package.model import Pinned
from xenbump.package.nodes import calls, sets
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.package.collection import Used
    from xenbump.package.model import Beside, Literal
    from xenbump.package.source import Source

XEN = "xen"
COMPONENTS = frozenset({"qemu", "seabios", "ovmf", "ipxe", "minios"})
_PACKAGES = "pkg"
_SUBMODULES = "fetchSubmodules"


@dataclass(frozen=True, slots=True, eq=False)
class Builder:
    """What makes packages of the definitions.

    Attributes:
        file: its path, from the folder of the package file.
        document: the file.
    """

    file: str
    document: Document

    def sources(self, component: str) -> list[Source]:
        """The calls that fetch a component by the revision that a definition gives."""
        return [one for one, components in _fetches(self.document) if component in components]

    def takes(self, name: str) -> bool:
        """Whether a definition may have an attribute, as far as the arguments of the function say."""
        root = bare(self.document.root)
        formals = root.parameter if isinstance(root, Lambda) else None
        if not isinstance(formals, Formals) or formals.ellipsis is not None:
            return True
        return any(one.name.name == name for one in formals.formals)


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """The definition of a branch.

    Attributes:
        document: the package file.
        attributes: its set.
        xen: the set of Xen's own source in it.
        versions: the names that stand for the version there.
        builder: what makes a package of it; None where that cannot be read.
        used: the collection that it takes patches from by name; None where there is none.
    """

    document: Document
    attributes: AttrSet
    xen: AttrSet
    versions: tuple[str, ...]
    builder: Builder | None
    used: Used | None


def candidates(document: Document) -> list[AttrSet]:
    """The sets that define a branch, perhaps not wholly: those with `pkg.xen` and `branch` or `version`."""
    return [
        node
        for node in sets(document)
        if bindings(node, [_PACKAGES, XEN]) and (has(node, "branch") or has(node, "version"))
    ]


def read(document: Document, beside: Beside) -> Definition:
    """Find the definition in a package file.

    Args:
        document: the file.
        beside: the files around it.

    Raises:
        Refusal: E-AMBIGUOUS when there are two, E-NOT-LITERAL when `pkg.xen` is no set that is written out;
            E-PATCH-NAME when the collection of patches that it names is not there.
    """
    found = candidates(document)
    if len(found) != 1:
        places = " and ".join(document.where(one) for one in found)
        raise Refusal("E-AMBIGUOUS", f"{len(found)} definitions of a branch stand in the file", where=places)
    attributes = found[0]
    xen = _set_of(document, attributes, XEN)
    versions = source.version_names(document, attributes, None)
    used = collection.find(document, xen, beside)
    return Definition(document, attributes, xen, versions, _builder(document, attributes, beside), used)


def branch(found: Definition, version: str) -> tuple[str, Literal | None]:
    """The branch of a definition, and its literal; None where it is made from the version.

    Raises:
        Refusal: E-BRANCH-DISAGREES when the version is of another branch; E-MISSING, E-NOT-LITERAL.
    """
    document = found.document
    value = followed(document, value_of(document, found.attributes, "branch"))
    made = call(value)
    if made is not None and source.is_named(made, "majorMinor") and len(made.arguments) == 1:
        if dotted(made.arguments[0]) in found.versions:
            return release.branch_of(version), None
        what = f"`branch` is `{shown(document, value)}`, which is not made from this definition's version"
        raise Refusal("E-NOT-LITERAL", what, where=document.where(value))
    written = literal(document, value, "branch")
    if written.value != release.branch_of(version):
        raise Refusal(
            "E-BRANCH-DISAGREES",
            f"the branch is {written.value!r}, and the version {version} is of {release.branch_of(version)}",
            where=document.where(written.start),
        )
    return written.value, written


def pins(found: Definition) -> tuple[tuple[Pinned, ...], tuple[str, ...]]:
    """The components that a definition pins, and what is odd about them.

    Raises:
        Refusal: E-AMBIGUOUS when one is pinned twice; E-MISSING, E-NOT-LITERAL.
    """
    document = found.document
    pinned: dict[str, Pinned] = {}
    warnings: tuple[str, ...] = ()
    unread: list[str] = []
    for name in _packages(found.attributes):
        component = _plain(name)
        if component not in COMPONENTS:
            place = bindings(found.attributes, [_PACKAGES, name])
            where = f" ({document.where(place[0])})" if place else ""
            warnings += (f"`{_PACKAGES}.{name}` is no component that is known here; it stays as it is{where}",)
            continue
        node = _set_of(document, found.attributes, name)
        if component in pinned:
            raise Refusal("E-AMBIGUOUS", f"{component} is pinned twice", where=document.where(node))
        rev, digest = literal_of(document, node, "rev"), digests.of(document, node)
        submodules = None if found.builder is None else _submodules(found.builder, component)
        if submodules is None:
            unread.append(component)
        pinned[component] = Pinned(component, rev, digest, submodules)
        warnings += digests.odd(document, digest, f"the hash of {component}")
    if unread:
        where = "the builder" if found.builder is None else found.builder.file
        warnings += (f"whether {', '.join(unread)} is fetched with its submodules cannot be read in {where}",)
    return tuple(pinned.values()), warnings


def fetcher(found: Definition) -> str:
    """What the builder fetches Xen with; fetchgit where that cannot be read.

    Raises:
        Refusal: E-SOURCE-OTHER, E-FETCHER-OPTION where it fetches something else, or in a way of which the hash is not
            known here; E-AMBIGUOUS where it fetches Xen in two ways.
    """
    builder = found.builder
    sources = [] if builder is None else builder.sources(XEN)
    names = {one.fetcher for one in sources}
    if builder is None or not names:
        return source.GIT
    if len(names) > 1:
        where = f"{builder.file}, {builder.document.where(sources[0].arguments)}"
        raise Refusal("E-AMBIGUOUS", f"{builder.file} fetches Xen by {' and by '.join(sorted(names))}", where=where)
    for one in sources:
        try:
            source.check(builder.document, one)
        except Refusal as error:
            error.where = f"{builder.file}, {error.where}"
            raise
    return names.pop()


def basename(document: Document, beside: Beside) -> str:
    """The name of the package file, which nobody tells a shape: that of the one file beside it that defines a branch.

    Args:
        document: the package file; where several files define one, it is the one with this text.
        beside: the files around it.
    """
    names = [name for name in beside.names(".") if name.endswith(".nix") and _defines(beside.read(name))]
    own = [name for name in names if beside.read(name) == document.source.encode("utf-8")]
    return (own or names or ["default.nix"])[0]


def own_folder(beside: Beside, name: str) -> str | None:
    """The name of the package file's own folder, where that is a branch's; None where it cannot be told.

    Args:
        beside: the files around the package file.
        name: the name of that file.
    """
    content = beside.read(name)
    found = [one for one in beside.names("..") if release.is_branch(one) and beside.read(f"../{one}/{name}") == content]
    return found[0] if content is not None and len(found) == 1 else None


def _defines(content: bytes | None) -> bool:
    document = None if content is None else folder.parsed(content)
    return document is not None and bool(candidates(document))


# --- where things stand ----------------------------------------------------------------------------------------------


def _packages(attributes: AttrSet) -> list[str]:
    """The names in `pkg` but for Xen's own, in order."""
    names: list[str | None] = []
    for one in attributes.bindings:
        if not isinstance(one, Binding) or one.names[:1] != (_PACKAGES,):
            continue
        value = bare(one.value)
        if len(one.path) > 1:
            names.append(one.names[1])
        elif isinstance(value, AttrSet):
            for below in value.bindings:
                steps = below.names[:1] if isinstance(below, Binding) else [step.name for step in below.names]
                names += steps
    return [name for name in dict.fromkeys(names) if name is not None and name != XEN]


def _set_of(document: Document, attributes: AttrSet, name: str) -> AttrSet:
    found = bindings(attributes, [_PACKAGES, name])
    value = bare(found[0].value) if len(found) == 1 else None
    if isinstance(value, AttrSet):
        return value
    written = "written in parts or elsewhere" if value is None else f"`{shown(document, value)}`"
    where = document.where(attributes if value is None else value)
    raise Refusal("E-NOT-LITERAL", f"`{_PACKAGES}.{name}` is {written}, not one set", where=where)


def _builder(document: Document, attributes: AttrSet, beside: Beside) -> Builder | None:
    """The file of the function that the definition is handed to."""
    for made in calls(document):
        if not any(bare(argument) is attributes for argument in made.arguments):
            continue
        for path in _paths(document, made):
            content, file = collection.content_of(beside, path)
            read_again = None if content is None else folder.parsed(content)
            if read_again is not None:
                return Builder(file, read_again)
    return None


def _paths(document: Document, made: Call) -> Iterator[str]:
    """What a call imports, or what its function does by the name that the file gives it."""
    function: Expression = made.function
    if isinstance(function, Identifier):
        named = resolve(document, function)
        if isinstance(named, Binding) and len(named.path) == 1:
            path = collection.imported(named.value)
            if path is not None:
                yield path
    path = collection.imported_by(made)
    if path is not None:
        yield path


@lru_cache(maxsize=2)
def _fetches(document: Document) -> tuple[tuple[Source, set[str]], ...]:
    """The calls of fetchers in a builder, each with the components that it fetches."""
    found = (source.source_of(node) for node in walk(document) if isinstance(node, Apply))
    return tuple((one, _fetched(one)) for one in found if one is not None)


def _fetched(found: Source) -> set[str]:
    """The components whose revision a call is given: by `inherit (pkg.x) rev;` or `rev = pkg.x.rev;`."""
    names = set()
    for one in found.arguments.bindings:
        given = None
        if isinstance(one, Inherit) and one.source is not None:
            given = dotted(one.source) if any(step.name == "rev" for step in one.names) else None
        elif isinstance(one, Binding) and one.names in {("rev",), ("tag",)}:
            head, _, last = (dotted(one.value) or "").rpartition(".")
            given = head if last == "rev" else None
        if given is not None and "." in given:
            names.add(_plain(given.rpartition(".")[2]))
    return names


def _submodules(builder: Builder, component: str) -> bool | None:
    """Whether a component is fetched with its submodules; None where that cannot be read."""
    said = set()
    for one in builder.sources(component):
        found = bindings(one.arguments, [_SUBMODULES])
        value = bare(found[0].value) if found else None
        written = value.name if isinstance(value, Identifier) else None
        is_open = inherits(one.arguments, _SUBMODULES) or one.fetcher != source.GIT
        said.add(None if is_open else False if not found else {"true": True, "false": False}.get(written or ""))
    return said.pop() if len(said) == 1 else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "")
