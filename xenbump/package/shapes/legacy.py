"""`rec { version; src = fetchurl { url; sha256; }; patches; }`: the Xen packages of 2008 to 2024, which are only read.

Their source is the archive of a release, whose hash does not follow from what a tag signs. They are read so that it can
be said which advisories they leave open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes import nix32, sri
from xenbump.nixlang.find import bindings, body, call, visible
from xenbump.nixlang.tree import AttrSet, Binding
from xenbump.package import digests, efi, old_patches, source
from xenbump.package.literals import has, literal, literal_of, plain, shown, value_of
from xenbump.package.model import Literal, PackageFile, Rewritten
from xenbump.package.nodes import sets
from xenbump.upstream.release import is_version

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.package.model import Beside
    from xenbump.plan.model import Plan

FETCHER = "fetchurl"
_NAME = "xen-"
_LOOKS_LIKE_XEN = re.compile(r"xen-[^/]*\.(?:tar\b|tgz\b)", re.ASCII)
_ADDRESS = re.compile(
    r"https?://(?:bits\.xensource\.com|(?:downloads|xenbits)\.xen(?:project)?\.org)/(?:[^?#]*/)?"
    r"xen-(?P<version>[^/?#]+?)(?:-src)?\.(?:tar\.(?:gz|bz2|xz)|tgz)",
    re.ASCII,
)
# Anything else can change what is fetched.
_KNOWN_ARGUMENTS = frozenset({"url", "hash", "sha256", "name"})


@dataclass(frozen=True, slots=True, eq=False)
class _Fetched:
    """The set with `src`, and the arguments of its fetcher."""

    attributes: AttrSet
    arguments: AttrSet


@dataclass(frozen=True, slots=True)
class LegacyShape:
    """The shape."""

    key: str = "legacy"

    def recognises(self, document: Document) -> bool:
        """Whether the source of a set in the file is an archive of Xen, by its name."""
        return bool(_sources(document))

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says; the hash as an SRI, whatever its spelling there."""
        found = _sources(document)
        if len(found) > 1:
            places = " and ".join(document.where(one.arguments) for one in found)
            raise Refusal("E-AMBIGUOUS", "two archives of Xen are fetched in the file", where=places)
        holder, arguments = found[0].attributes, found[0].arguments
        version = _version(document, holder)
        _check(document, arguments, version)
        digest = _digest(document, arguments)
        listed, odd = old_patches.read(document, holder, beside)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=None,
            fetcher=FETCHER,
            hash=digest,
            patches=listed,
            warnings=odd + digests.odd(document, digest, "the source hash"),
            efi=efi.read(document),
            read_only=True,
        )

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """Refuse.

        Raises:
            Refusal: E-SHAPE-UNSUPPORTED.
        """
        del plan, beside
        raise Refusal(
            "E-SHAPE-UNSUPPORTED",
            f"the file has the shape `{self.key}`, an archive by {file.fetcher}, which is read and not rewritten",
            where=document.where(file.version.start),
            remedy="Fetch Xen by its tag with fetchFromGitHub or fetchgit, and the hash that `xenbump hash` gives; then"
            " the file is rewritten.",
        )


SHAPES = (LegacyShape(),)


def _sources(document: Document) -> list[_Fetched]:
    found = []
    for node in sets(document):
        for one in bindings(node, ["src"]):
            made = call(one.value)
            arguments = None if made is None else body(made.arguments[-1])
            if made is None or not source.is_named(made, FETCHER) or not isinstance(arguments, AttrSet):
                continue
            address = bindings(arguments, ["url"])
            text = old_patches.text_of(document, address[0].value, partly=True) if address else None
            if text is not None and _LOOKS_LIKE_XEN.search(text):
                found.append(_Fetched(node, arguments))
    return found


def _version(document: Document, holder: AttrSet) -> Literal:
    """The version: of the set, of the `let` around it, or out of its name.

    Raises:
        Refusal: E-VERSION-FORM where it is no release; E-MISSING, E-NOT-LITERAL.
    """
    around = visible(document, holder, "version")
    if has(holder, "version"):
        found = literal_of(document, holder, "version")
    elif isinstance(around, Binding) and len(around.path) == 1:
        found = literal(document, around.value, "version")
    else:
        name = bindings(holder, ["name"])
        written = plain(document, name[0].value) if name else None
        if written is None or not written.value.startswith(_NAME):
            raise Refusal("E-MISSING", "there is no `version` where it belongs", where=document.where(holder))
        found = Literal(written.value.removeprefix(_NAME), written.start + len(_NAME), written.end)
    if not is_version(found.value):
        raise Refusal("E-VERSION-FORM", f"the version {found.value!r} is not X.Y.Z", where=document.where(found.start))
    return found


def _check(document: Document, arguments: AttrSet, version: Literal) -> None:
    """Refuse what is not the archive of that release from where the Xen Project has its archives.

    Raises:
        Refusal: E-SOURCE-OTHER, E-TAG-DISAGREES, E-FETCHER-OPTION, E-AMBIGUOUS, E-MISSING, E-NOT-LITERAL.
    """
    value = value_of(document, arguments, "url")
    address = old_patches.text_of(document, value)
    if address is None:
        raise Refusal(
            "E-NOT-LITERAL",
            f"`url` is `{shown(document, value)}`, which this file alone does not answer",
            where=document.where(value),
        )
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise Refusal(
            "E-SOURCE-OTHER", f"`url` is {address!r}, which is no archive of Xen", where=document.where(value)
        )
    if match["version"] != version.value:
        raise Refusal(
            "E-TAG-DISAGREES",
            f"the version is {version.value}, the archive that of {match['version']}",
            where=document.where(value),
        )
    for one in arguments.bindings:
        names = one.names[:1] if isinstance(one, Binding) else [step.name for step in one.names]
        for argument in names:
            if argument not in _KNOWN_ARGUMENTS:
                raise Refusal(
                    "E-FETCHER-OPTION",
                    f"`{argument}` may change what {FETCHER} fetches",
                    where=document.where(one),
                )
    if has(arguments, "hash") and has(arguments, "sha256"):
        raise Refusal("E-AMBIGUOUS", f"{FETCHER} has both `hash` and `sha256`", where=document.where(arguments))


def _digest(document: Document, arguments: AttrSet) -> Literal:
    """The literal of the hash with its value as an SRI; as it stands there where it is no SHA-256."""
    found = literal_of(document, arguments, "hash" if has(arguments, "hash") else "sha256")
    decoded = nix32.any_form(found.value)
    return found if decoded is None else Literal(sri.encode(decoded), found.start, found.end)
