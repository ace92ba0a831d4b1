"""`callPackage (import ../generic/default.nix { branch; version; latest; pkg = { xen; qemu; … }; })`: a file a branch.

Seen in nixpkgs in 2024, on its release branches and downstream. Patches of advisories are named, and a collection that
all branches share has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import apply
from xenbump.package import branches, definition, digests, efi, named_patches, new_branch, patch_list, patches, source
from xenbump.package.beside import Overlay
from xenbump.package.literals import has
from xenbump.package.model import PackageFile, Rewritten
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.edit import Replacement
    from xenbump.package.definition import Definition
    from xenbump.package.model import Beside
    from xenbump.plan.model import Plan

_HOUSE = patch_list.House(heading="# XSA #", after=("rev", "hash"))


@dataclass(frozen=True, slots=True)
class VersionDefinition:
    """The shape."""

    key: str = "version-definition"

    def recognises(self, document: Document) -> bool:
        """Whether the file defines a branch."""
        return bool(definition.candidates(document))

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says."""
        found = definition.read(document, beside)
        version = source.version(document, found.attributes)
        branch, _ = definition.branch(found, version.value)
        digest, odd_digest = digests.read(document, found.xen)
        revision = source.revision(document, found.xen, version, found.versions)
        upstream = source.upstream_version(document, found.attributes, found.versions)
        named = None if found.used is None else found.used.named
        listed, odd_list = patches.read(document, found.xen, found.versions, named)
        pins, odd_pins = definition.pins(found)
        siblings, odd_siblings = _siblings(document, beside, branch)
        switch = efi.read(document)
        if switch is None and found.builder is not None:
            switch = efi.read(found.builder.document)
        return PackageFile(
            shape=self.key,
            version=version,
            tag=revision.tag,
            fetcher=definition.fetcher(found),
            hash=digest,
            patches=listed,
            warnings=(
                *odd_list,
                *named_patches.odd(found.used, listed),
                *odd_digest,
                *source.odd_pin(document, version, upstream),
                *odd_pins,
                *odd_siblings,
            ),
            rev=revision.rev,
            upstream_version=upstream,
            pins=pins,
            branch=branch,
            siblings=siblings,
            efi=switch,
            naming=named_patches.naming(found.used, listed),
        )

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """Version, revision, hashes, pins, patches and their collection; where a branch comes, its file."""
        found = definition.read(document, beside)
        spans = _spans(found, file, plan)
        others: dict[str, bytes | None] = {}
        if efi.read(document) is None and found.builder is not None:
            builder = found.builder.document
            text = apply(builder.source, efi.edits(builder, plan.efi))
            others[found.builder.file] = text.encode("utf-8")
        else:
            spans += efi.edits(document, plan.efi)
        name = definition.basename(document, beside)
        if plan.adds is not None:
            text = apply(document.source, (*spans, *new_branch.own(found, plan.adds, file)))
            others |= new_branch.files(beside, name, plan.adds, text)
            spans = new_branch.left(found, file, plan.adds)
        after = apply(document.source, spans).encode("utf-8")
        own = dict.fromkeys((name, _in_folder(beside, name)), after)
        told: tuple[str, ...] = ()
        if plan.retired:
            file_of_builder = None if found.builder is None else found.builder.file
            made, told = branches.retire(beside, name, plan.retired, builder=file_of_builder, changed={**own, **others})
            others |= dict(made)
        if found.used is not None:
            around = Overlay(beside, {**own, **others})
            others |= named_patches.edited(found.used, plan.patches, around, keep=plan.adds is not None)
        changed = {path: content for path, content in others.items() if beside.read(path) != content}
        return Rewritten(tuple(spans), tuple(changed.items()), told)


def _spans(found: Definition, file: PackageFile, plan: Plan) -> tuple[Replacement, ...]:
    """What a plan replaces in the definition, but for the branch."""
    document = found.document
    # A builder takes the revision as `rev`, whichever fetcher it hands it to.
    revised = source.edits(
        document,
        found.attributes,
        replace(file, fetcher=source.GIT),
        plan.target,
        versions=found.versions,
        revised=found.xen,
    )
    _refuse_unknown(found, file, plan, revised)
    pinned = {pin.component: pin for pin in plan.pins}
    return (
        source.filled(file.hash, plan.hash),
        *revised,
        *(source.filled(one.rev, pinned[one.component].rev) for one in file.pins if one.component in pinned),
        *(source.filled(one.hash, pinned[one.component].hash) for one in file.pins if one.component in pinned),
        *patch_list.edits(
            document,
            found.xen,
            named_patches.settled(plan.patches, file.patches),
            old=file.patches,
            versions=found.versions,
            house=_HOUSE,
            named=None if found.used is None else found.used.named,
        ),
    )


def _refuse_unknown(found: Definition, file: PackageFile, plan: Plan, revised: list[Replacement]) -> None:
    """Refuse to hand the builder an argument that it does not take."""
    comes = bool(revised) and plan.target.tag is None and not has(found.attributes, source.UPSTREAM)
    if comes and found.builder is not None and not found.builder.takes(source.UPSTREAM):
        raise Refusal(
            "E-BUILDER-ARGUMENT",
            f"{plan.target.version} needs `{source.UPSTREAM}`, and {found.builder.file} does not take it",
            where=found.document.where(file.version.start),
        )


def _siblings(document: Document, beside: Beside, branch: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The branches that have a file, and what is odd about them."""
    name = definition.basename(document, beside)
    own = definition.own_folder(beside, name)
    warnings = branches.not_one_latest(beside, name)
    if own is not None and own != branch:
        warnings += (f"the file of branch {branch} lies in a folder of the name {own}",)
    found = {one for one in branches.siblings(beside, name) if one != own}
    return tuple(sorted({*found, branch}, key=release.order)), warnings


def _in_folder(beside: Beside, name: str) -> str:
    """The package file as its siblings name it."""
    own = definition.own_folder(beside, name)
    return name if own is None else f"../{own}/{name}"


SHAPES = (VersionDefinition(),)
