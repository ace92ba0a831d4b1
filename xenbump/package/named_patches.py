"""The patches that a package file lists by name: what they do to the collection that has them."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from xenbump.errors import Failure
from xenbump.nixlang import NixSyntaxError, tokenize
from xenbump.nixlang.lexer import Kind
from xenbump.package import collection, digests
from xenbump.package.model import Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xenbump.package.collection import Used
    from xenbump.package.model import Beside
    from xenbump.plan.model import Naming, Patch, PatchChange

_NAMES = {Kind.IDENTIFIER, Kind.TEXT}


def naming(used: Used | None, listed: Sequence[Patch]) -> Naming | None:
    """How the patches of advisories come into a file's collection; None where the file writes them into its own list.

    Args:
        used: the collection that the file takes patches from.
        listed: its patches.
    """
    advisories = [patch for patch in listed if patch.xsa is not None]
    if used is None or (advisories and all(patch.name is None for patch in advisories)):
        return None
    return used.collection.naming


def odd(used: Used | None, listed: Sequence[Patch]) -> tuple[str, ...]:
    """Warnings where an entry that a file names cannot be read, or its hash is none or a placeholder."""
    names = {patch.name for patch in listed}
    warnings: tuple[str, ...] = ()
    for entry in () if used is None else used.collection.entries:
        if used is None or entry.name not in names:
            continue
        what, place = f"`{entry.name}` of {used.collection.file}", entry.binding.start
        if not entry.patches:
            where = used.collection.document.where(place)
            warnings += (f"{what} is no patch that can be read ({where})",)
        for patch in entry.patches:
            digest = Literal(patch.hash or "", place, place)
            warnings += digests.odd(used.collection.document, digest, f"the hash of {what}")
    return warnings


def settled(change: PatchChange, listed: Sequence[Patch]) -> PatchChange:
    """A change in which an entry that is to have another hash stays in the list: only the collection changes for it.

    Args:
        change: as planned.
        listed: the patches of the file.
    """
    gone = {one.patch.name: one.patch for one in change.drop if one.patch.name is not None and not one.patch.condition}
    back = {
        one.patch: gone[one.patch.name]
        for one in change.add
        if one.patch.name in gone and gone[one.patch.name].url == one.patch.url
    }
    series = tuple(back.get(patch, patch) for patch in change.series)
    stays = {*change.keep, *back.values()}
    keep = tuple(patch for patch in listed if patch in stays)
    if not back or keep != tuple(patch for patch in series if patch in stays):
        return change
    return replace(
        change,
        keep=keep,
        drop=tuple(one for one in change.drop if one.patch not in stays),
        add=tuple(one for one in change.add if one.patch not in back),
        series=series,
    )


def edited(used: Used, change: PatchChange, around: Beside, *, keep: bool) -> Mapping[str, bytes]:
    """The collection as a plan wants it.

    Args:
        used: the collection.
        change: what happens to the patches of the file.
        around: the files around it as they are to be, itself among them.
        keep: whether entries stay that no file names any more.

    Returns:
        Its content, by its path.

    Raises:
        Refusal: as `collection.edited`.
        Failure: E-EDIT-CHECK where a patch comes with a name that is not its own.
    """
    named = [one for one in change.add if one.patch.name is not None]
    for one in named:
        if one.patch.name != collection.name_of(one.patch.url):
            raise Failure("E-EDIT-CHECK", f"{one.patch.url} was planned as `{one.patch.name}`")
    stays = {patch.name for patch in change.series}
    dropped = {one.patch.name for one in change.drop} - stays - {None}
    gone = set() if keep or not dropped else dropped - _named(used, around)
    text = collection.edited(used.collection, named, {name for name in gone if name is not None})
    return {used.collection.file: text.encode("utf-8")}


def _named(used: Used, around: Beside) -> set[str]:
    """The names that the files around still have: those of all branches, and those beside the collection."""
    own = used.collection
    names = {name for content in _contents(own.file, around) for name in _words(content)}
    for entry in own.entries:
        inside = [
            token.text
            for token in own.document.tokens
            if token.kind is Kind.IDENTIFIER and entry.binding.value.start <= token.start < entry.binding.value.end
        ]
        names |= {name for name in inside if name != entry.name}
    return names


def _contents(file: str, around: Beside) -> Iterator[bytes]:
    """The Nix files in the folder of the collection, in the folder of the branches, and in those directly below it."""
    folders = [".", posixpath.dirname(file) or ".", "..", *(f"../{one}" for one in around.names(".."))]
    paths = {posixpath.normpath(posixpath.join(one, name)) for one in folders for name in around.names(one)}
    for path in sorted(paths - {posixpath.normpath(file)}):
        content = around.read(path) if path.endswith(".nix") else None
        if content is not None:
            yield content


def _words(content: bytes) -> set[str]:
    """The names and strings of a file; where it is no Nix, all that could be one."""
    text = content.decode("utf-8", errors="replace")
    try:
        return {token.text for token in tokenize(text) if token.kind in _NAMES}
    except NixSyntaxError:
        return set(text.replace(".", " ").replace(";", " ").replace('"', " ").split())
