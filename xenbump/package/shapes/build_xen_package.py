"""`buildXenPackage.override { … } { pname; version; rev; hash; patches; }`: nixpkgs 2024-10 to 2025-06, release-25.05.

The builder of nixpkgs fetches `rev`, a commit or a tag, with fetchgit from Xen's repository; this project's own takes a
`tag` in its place, and fetches that with fetchFromGitHub. Both take the version for what the tree calls itself unless
`upstreamVersion` says otherwise. The argument is a set, or a function of the final one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bare, body
from xenbump.nixlang.tree import AttrSet, Binding, Identifier, Select
from xenbump.package import derivation, digests, efi, patch_list, source
from xenbump.package.literals import has, shown
from xenbump.package.model import PackageFile, Rewritten
from xenbump.package.nodes import calls

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.nixlang.tree import Expression
    from xenbump.package.model import Beside
    from xenbump.plan.model import Plan

_KEY = "build-xen-package"
_BUILDER = "buildXenPackage"
# What would make the builder fetch something else, or in another way; it has no such arguments itself.
_SOURCE_ARGUMENTS = frozenset(
    {"src", "url", "owner", "repo", "ref", "branchName", "fetchSubmodules", "deepClone", "leaveDotGit"}
    | {"sparseCheckout", "postFetch", "sha256", "outputHash", "fetchgit"}
)
# release-25.05, the last of nixpkgs to have this shape, lists its patches below the hash.
_HOUSE = patch_list.House(heading="# XSA #", after=("pname", "version", "upstreamVersion", "rev", "hash"))


@dataclass(frozen=True, slots=True, eq=False)
class _Built:
    """What the builder is given: the set, the names of its version in it, and the builder as the file calls it."""

    attributes: AttrSet
    versions: tuple[str, ...]
    builder: Expression


@dataclass(frozen=True, slots=True)
class BuildXenPackage:
    """The shape."""

    key: str = _KEY

    def recognises(self, document: Document) -> bool:
        """Whether the builder is called."""
        return bool(_given(document))

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says."""
        del beside
        built = _built(document)
        holder = built.attributes
        _check(document, holder)
        version = source.version(document, holder)
        listed, odd = derivation.listed(document, holder, built.versions)
        digest, odd_digest = digests.read(document, holder)
        revision = source.revision(document, holder, version, built.versions)
        upstream = source.upstream_version(document, holder, built.versions)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=revision.tag,
            fetcher=source.GITHUB if has(holder, "tag") else source.GIT,
            hash=digest,
            patches=listed,
            warnings=odd + odd_digest + source.odd_pin(document, version, upstream),
            rev=revision.rev,
            upstream_version=upstream,
            efi=efi.read(document),
        )

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """Version, hash, revision, the version of the tree where it is another one, and the patches."""
        del beside
        built = _built(document)
        holder, versions = built.attributes, built.versions
        return Rewritten(
            derivation.together(
                source.filled(file.hash, plan.hash),
                *source.edits(document, holder, file, plan.target, versions=versions, revised=holder, implied=True),
                *patch_list.edits(
                    document,
                    holder,
                    derivation.in_scope(document, holder, built.builder, plan.patches),
                    old=file.patches,
                    versions=versions,
                    house=_HOUSE,
                ),
                *efi.edits(document, plan.efi),
            )
        )


SHAPES = (BuildXenPackage(),)


def _given(document: Document) -> list[Call]:
    """The calls of the builder, plain or overridden, with all their arguments."""
    found = []
    for made in calls(document):
        function = bare(made.function)
        names = [step.name for step in function.path] if isinstance(function, Select) else []
        head = bare(function.subject) if isinstance(function, Select) else function
        if isinstance(head, Identifier):
            names.insert(0, head.name)
        elif isinstance(head, Select):
            names.insert(0, head.path[-1].name)
        is_overridden = names[-1:] == ["override"]
        if names[-2 if is_overridden else -1 :][:1] == [_BUILDER] and len(made.arguments) == 1 + is_overridden:
            found.append(made)
    return found


def _built(document: Document) -> _Built:
    """What the builder is given.

    Raises:
        Refusal: E-AMBIGUOUS where it is called twice, E-NOT-LITERAL where its argument is no set that is written out.
    """
    found = _given(document)
    if len(found) > 1:
        places = " and ".join(document.where(made.function) for made in found)
        raise Refusal("E-AMBIGUOUS", f"{_BUILDER} is called {len(found)} times in the file", where=places)
    argument = found[0].arguments[-1]
    attributes = body(argument)
    if not isinstance(attributes, AttrSet):
        raise Refusal(
            "E-NOT-LITERAL",
            f"{_BUILDER} is given `{shown(document, attributes)}`, not a set that is written out",
            where=document.where(attributes),
        )
    versions = source.version_names(document, attributes, source.final_name(argument))
    return _Built(attributes, versions, found[0].function)


def _check(document: Document, holder: AttrSet) -> None:
    """Refuse an argument that may change what the builder fetches.

    Raises:
        Refusal: E-FETCHER-OPTION.
    """
    if has(holder, "tag") and has(holder, "rev"):
        what = f"{_BUILDER} is given a tag and a revision; it takes one of them"
        raise Refusal("E-FETCHER-OPTION", what, where=document.where(holder))
    for one in holder.bindings:
        names = one.names[:1] if isinstance(one, Binding) else [step.name for step in one.names]
        for name in names:
            if name in _SOURCE_ARGUMENTS:
                raise Refusal(
                    "E-FETCHER-OPTION",
                    f"`{name}` may change what {_BUILDER} fetches, so its hash cannot be computed here",
                    where=document.where(one),
                )
