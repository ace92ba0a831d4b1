"""`stdenv.mkDerivation (finalAttrs: { version; src = fetchFromGitHub { tag; hash; }; … })`: nixpkgs since 2025-11.

Two shapes share this module: in `derivation-github` the tag is a literal, so the version stands twice, or a commit is
pinned by `rev`; in `derivation-github-derived` (since 2026-08) the tag is made from the version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes import sri
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.find import bare, bindings, body, call, dotted, inherits
from xenbump.nixlang.strings import quote
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Interpolation, Lambda, String, Text
from xenbump.package import patch_list, patches
from xenbump.package.lines import add_binding
from xenbump.package.literals import binding, literal
from xenbump.package.model import PackageFile
from xenbump.package.nodes import calls
from xenbump.upstream.release import base_of, is_version, tag_of

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.nixlang.tree import Expression, Node
    from xenbump.package.model import Literal
    from xenbump.plan.model import Plan, Target

_FETCHER = "fetchFromGitHub"
_UPSTREAM = "upstreamVersion"
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_OWNER, _REPOSITORY = "xen-project", "xen"
# Anything else can change what is fetched, and so the hash: submodules, a sparse checkout, a step after fetching.
_KNOWN_ARGUMENTS = frozenset({"owner", "repo", "tag", "rev", "hash", "name"})


@dataclass(frozen=True, slots=True, eq=False)
class _Derivation:
    """The derivation of a file: its set, the argument of the fetcher, and the name that stands for the final set."""

    attributes: AttrSet
    source: AttrSet
    itself: str | None

    @property
    def versions(self) -> tuple[str, ...]:
        """The names that stand for the version of this derivation, the best one first."""
        final = (f"{self.itself}.version",) if self.itself else ()
        return (*final, "version") if self.attributes.recursive else final


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
        if not is_version(version.value) and base_of(version.value) is None:
            raise Refusal(
                "E-VERSION-FORM",
                f"the version {version.value!r} is neither X.Y.Z nor X.Y.Z-unstable-YYYY-MM-DD",
                where=document.where(version.start),
            )
        _check_source(document, derivation.source)
        listed, odd = patches.read(document, derivation.attributes, derivation.versions)
        digest = literal(document, binding(document, derivation.source, "hash").value, "hash")
        if sri.decode(digest.value) is None:
            odd += (f"the source hash is not one SHA-256 in SRI form ({document.where(digest.start)})",)
        tag, rev = self._revision(document, derivation, version)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=tag,
            fetcher=_FETCHER,
            hash=digest,
            patches=listed,
            warnings=odd,
            rev=rev,
            upstream_version=_upstream_version(document, derivation),
        )

    def _revision(
        self, document: Document, derivation: _Derivation, version: Literal
    ) -> tuple[Literal | None, Literal | None]:
        """The literals of the tag and of the commit, of which a file has one; a derived tag is neither."""
        named = _revision(derivation.source)
        written = None
        if self.derived:
            _check_derived(document, derivation, named.value)
        else:
            written = literal(document, named.value, "tag")
            if named.names == ("rev",) and _COMMIT.fullmatch(written.value):
                return None, written
        # What is no release has no tag, whatever the name would be.
        if not is_version(version.value) or (written is not None and written.value != tag_of(version.value)):
            shown = repr(written.value) if written is not None else "made from it"
            raise Refusal(
                "E-TAG-DISAGREES",
                f"the version is {version.value}, the tag {shown}",
                where=document.where(named.value),
            )
        return written, None

    def edits(self, document: Document, file: PackageFile, plan: Plan) -> tuple[Replacement, ...]:
        """Version, hash, tag or commit, the version of the tree where the file gives it, and the patches."""
        derivation = _derivations(document)[0]
        found = [_filled(file.hash, plan.hash)]
        if plan.target.version != file.version.value or (file.rev and file.rev.value != plan.target.commit):
            found.append(_filled(file.version, plan.target.version))
            found += _revision_edits(derivation, file, plan.target)
            found += _upstream_edits(document, derivation, file, plan.target)
        found += patch_list.edits(
            document,
            derivation.attributes,
            plan.patches,
            old=file.patches,
            versions=derivation.versions,
            house=patch_list.House(heading="" if self.derived else "# XSA #"),
        )
        return tuple(found)


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
    match value:
        case String(parts=(Text(raw="RELEASE-"), Interpolation(expression=expression)), indented=False) if (
            dotted(expression) in derivation.versions
        ):
            return
    written = " ".join(document.text(value).split())[:60]
    raise Refusal(
        "E-NOT-LITERAL",
        f'`tag` is `{written}`, neither a plain string nor "RELEASE-" with this derivation\'s version',
        where=document.where(value),
    )


def _upstream_version(document: Document, derivation: _Derivation) -> Literal | None:
    """The literal of `upstreamVersion`; None where there is none, or where it is the version.

    Raises:
        Refusal: E-NOT-LITERAL for any other expression.
    """
    attributes = derivation.attributes
    if not bindings(attributes, [_UPSTREAM]) and not inherits(attributes, _UPSTREAM):
        return None
    value = binding(document, attributes, _UPSTREAM).value
    return None if dotted(value) in derivation.versions else literal(document, value, _UPSTREAM)


def _filled(old: Literal, new: str) -> Replacement:
    return Replacement(old.start, old.end, quote(new)[1:-1])


def _replaced(node: Node, text: str) -> Replacement:
    return Replacement(node.start, node.end, text)


def _revision_edits(derivation: _Derivation, file: PackageFile, target: Target) -> list[Replacement]:
    """The tag or the commit. A file that pins the commit of a release goes on to pin one."""
    named = _revision(derivation.source)
    if file.rev is not None and (target.tag is None or base_of(file.version.value) is None):
        return [_filled(file.rev, target.commit)]
    if target.tag is None:
        return [_replaced(named.path[0], "rev"), _replaced(named.value, quote(target.commit))]
    if file.rev is not None:
        return [_replaced(named.path[0], "tag"), _replaced(named.value, quote(target.tag))]
    return [] if file.tag is None else [_filled(file.tag, target.tag)]


def _upstream_edits(
    document: Document, derivation: _Derivation, file: PackageFile, target: Target
) -> list[Replacement]:
    """The version that the tree gives itself: of a release it is the version, of a tip it must be spelt out."""
    found = bindings(derivation.attributes, [_UPSTREAM])
    if target.tag is None and not found:
        version = binding(document, derivation.attributes, "version")
        return [add_binding(document, version, f"{_UPSTREAM} = {quote(target.tree_version)};")]
    if target.tag is None and file.upstream_version is None:
        return [_replaced(found[0].value, quote(target.tree_version))]
    if file.upstream_version is None:
        return []
    if target.tag is not None and base_of(file.version.value) is not None and derivation.versions:
        return [_replaced(found[0].value, derivation.versions[0])]
    return [_filled(file.upstream_version, target.tree_version)]


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
