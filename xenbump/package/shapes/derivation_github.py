"""`stdenv.mkDerivation (finalAttrs: { version; src = fetchFromGitHub { tag; hash; }; … })`: nixpkgs since 2025-11.

Two shapes share this module: in `derivation-github` the tag is a literal, so the version stands twice; in
`derivation-github-derived` (since 2026-08) the tag is made from the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes import sri
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.find import bare, bindings, body, call, dotted
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Interpolation, Lambda, String, Text
from xenbump.package import patches
from xenbump.package.literals import binding, literal
from xenbump.package.model import PackageFile
from xenbump.package.nodes import calls
from xenbump.upstream.release import is_version, tag_of

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.nixlang.tree import Expression
    from xenbump.package.model import Literal
    from xenbump.plan.model import Plan

_FETCHER = "fetchFromGitHub"
_OWNER, _REPOSITORY = "xen-project", "xen"
# Anything else can change what is fetched, and so the hash: submodules, a sparse checkout, a step after fetching.
_KNOWN_ARGUMENTS = frozenset({"owner", "repo", "tag", "rev", "hash", "name"})


@dataclass(frozen=True, slots=True, eq=False)
class _Derivation:
    """The derivation of a file: its set, the argument of the fetcher, and the name that stands for the final set."""

    attributes: AttrSet
    source: AttrSet
    itself: str | None


@dataclass(frozen=True, slots=True)
class DerivationGithub:
    """One of the two shapes; `derived` says whether the tag is made from the version."""

    key: str
    derived: bool

    def recognises(self, document: Document) -> bool:
        """Whether there is such a derivation with such a tag."""
        found = _derivations(document)
        return bool(found) and any(_is_derived(one) for one in found) == self.derived

    def read(self, document: Document) -> PackageFile:
        """What the file says."""
        found = _derivations(document)
        if len(found) > 1:
            places = " and ".join(document.where(one.source) for one in found)
            raise Refusal("E-AMBIGUOUS", "two derivations from GitHub stand in the file", where=places)
        derivation = found[0]
        version = literal(document, binding(document, derivation.attributes, "version").value, "version")
        if not is_version(version.value):
            raise Refusal(
                "E-VERSION-FORM",
                f"the version {version.value!r} is not that of a release, X.Y.Z",
                where=document.where(version.start),
            )
        _check_source(document, derivation.source)
        listed, odd = patches.read(document, derivation.attributes)
        digest = literal(document, binding(document, derivation.source, "hash").value, "hash")
        if sri.decode(digest.value) is None:
            odd += (f"the source hash is not one SHA-256 in SRI form ({document.where(digest.start)})",)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=self._tag(document, derivation, version),
            fetcher=_FETCHER,
            hash=digest,
            patches=listed,
            warnings=odd,
        )

    def _tag(self, document: Document, derivation: _Derivation, version: Literal) -> Literal | None:
        value = _revision(derivation.source).value
        if self.derived:
            _check_derived(document, derivation, value)
            return None
        tag = literal(document, value, "tag")
        if tag.value != tag_of(version.value):
            raise Refusal(
                "E-TAG-DISAGREES",
                f"the version is {version.value}, the tag {tag.value!r}",
                where=document.where(value),
            )
        return tag

    def edits(self, file: PackageFile, plan: Plan) -> tuple[Replacement, ...]:
        """Version, hash and, where it is a literal, the tag."""
        wanted = [(file.version, plan.target.version), (file.hash, plan.hash)]
        if file.tag is not None:
            wanted.append((file.tag, plan.target.tag))
        return tuple(Replacement(old.start, old.end, new) for old, new in wanted)


SHAPES = (
    DerivationGithub("derivation-github", derived=False),
    DerivationGithub("derivation-github-derived", derived=True),
)


def _derivations(document: Document) -> list[_Derivation]:
    """The derivations in a file whose source is fetched from GitHub by tag or revision."""
    found = []
    for made in calls(document):
        if not _is_named(made, "mkDerivation") or len(made.arguments) != 1:
            continue
        attributes = body(made.arguments[0])
        if not isinstance(attributes, AttrSet):
            continue
        for one in bindings(attributes, ["src"]):
            fetched = call(one.value)
            if fetched is None or not _is_named(fetched, _FETCHER):
                continue
            source = body(fetched.arguments[-1])
            if isinstance(source, AttrSet) and (bindings(source, ["tag"]) or bindings(source, ["rev"])):
                found.append(_Derivation(attributes, source, _parameter(made.arguments[0])))
    return found


def _is_named(found: Call, name: str) -> bool:
    return found.name is not None and found.name.rpartition(".")[2] == name


def _parameter(argument: Expression) -> str | None:
    """The name that `finalAttrs:` gives the final set."""
    inner = bare(argument)
    if isinstance(inner, Lambda) and isinstance(inner.parameter, Identifier):
        return inner.parameter.name
    return None


def _revision(source: AttrSet) -> Binding:
    return (bindings(source, ["tag"]) or bindings(source, ["rev"]))[0]


def _is_derived(derivation: _Derivation) -> bool:
    value = _revision(derivation.source).value
    return not (isinstance(value, String) and value.literal() is not None)


def _check_derived(document: Document, derivation: _Derivation, value: Expression) -> None:
    """Accept `"RELEASE-${finalAttrs.version}"` only: any other expression could name another tag."""
    allowed = {f"{derivation.itself}.version"} if derivation.itself else set()
    if derivation.attributes.recursive:
        allowed.add("version")
    match value:
        case String(parts=(Text(raw="RELEASE-"), Interpolation(expression=expression)), indented=False) if (
            dotted(expression) in allowed
        ):
            return
    written = " ".join(document.text(value).split())[:60]
    raise Refusal(
        "E-NOT-LITERAL",
        f'`tag` is `{written}`, neither a plain string nor "RELEASE-" with this derivation\'s version',
        where=document.where(value),
    )


def _check_source(document: Document, source: AttrSet) -> None:
    for name, expected in (("owner", _OWNER), ("repo", _REPOSITORY)):
        found = literal(document, binding(document, source, name).value, name)
        if found.value.lower() != expected:
            raise Refusal(
                "E-SOURCE-OTHER",
                f"`{name}` is {found.value!r}; only {_OWNER}/{_REPOSITORY} is what Xen signs",
                where=document.where(found.start),
            )
    for one in source.bindings:
        names = one.names[:1] if isinstance(one, Binding) else [step.name for step in one.names]
        for argument in names:
            if argument not in _KNOWN_ARGUMENTS:
                raise Refusal(
                    "E-FETCHER-OPTION",
                    f"`{argument}` may change what {_FETCHER} fetches, so its hash cannot be computed here",
                    where=document.where(one),
                )
    if bindings(source, ["tag"]) and bindings(source, ["rev"]):
        raise Refusal("E-AMBIGUOUS", f"{_FETCHER} has both `tag` and `rev`", where=document.where(source))
