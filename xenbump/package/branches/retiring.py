"""A branch that goes, or is marked as one without security support."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.find import walk
from xenbump.nixlang.tree import Binding, Formal, Identifier, Path, Select, String
from xenbump.package.beside import Overlay
from xenbump.package.branches import entries, lines
from xenbump.package.branches.folder import ABOVE, Contents, definition, documents, file_of, latest_of, parsed, siblings
from xenbump.package.literals import plain
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Node
    from xenbump.package.branches.entries import Entry
    from xenbump.package.model import Beside, Literal
    from xenbump.plan.model import Retired

_Cuts = dict[str, tuple["Document", list[Replacement]]]

_LOWEST = "minSupportedVersion"
# Deeper than any folder of branches; a loop of symbolic links ends there.
_DEEPEST = 8


def retire(
    beside: Beside,
    basename: str,
    retired: Sequence[Retired],
    *,
    builder: str | None,
    changed: Mapping[str, bytes | None],
) -> tuple[Contents, tuple[str, ...]]:
    """Take branches out of the folder, or mark them as past their support.

    A branch that goes takes its folder and its entries along. One that stays is marked by `minSupportedVersion` of the
    builder, the lowest branch that is supported.

    Args:
        beside: the files around one branch's package file.
        basename: the name of that file.
        retired: the branches.
        builder: the file that builds them all, or its folder; None where it is not known.
        changed: contents that this edit has made already, by name; None for a file that goes.

    Returns:
        The new contents by name, None for a file that goes; and warnings of what could not be marked.

    Raises:
        Refusal: E-BRANCH-RETIRE when a branch that goes is the latest, is still referred to, or has a file that cannot
            be read.
    """
    around = Overlay(beside, changed)
    branches = siblings(around, basename)
    gone = [one.branch for one in retired if one.removed]
    marked = [one.branch for one in retired if not one.removed]
    kept = [branch for branch in branches if branch not in {*gone, *marked}]
    contents: dict[str, bytes | None] = {}
    for branch in gone:
        _refuse_latest(around, basename, branch)
        contents |= dict.fromkeys(_files(around, posixpath.join(ABOVE, branch)))
    cuts = _cuts(around, basename, gone, [branch for branch in branches if branch not in gone])
    contents |= {name: apply(document.source, edits).encode("utf-8") for name, (document, edits) in cuts.items()}
    around = Overlay(beside, {**changed, **contents})
    for branch in gone:
        _refuse_references(around, branch, cuts)
    warnings: tuple[str, ...] = ()
    if marked:
        made, warnings = _marked(around, None if builder is None else _builder(around, builder), marked, kept)
        contents |= made
    return tuple(contents.items()), warnings


def _refuse_latest(beside: Beside, basename: str, branch: str) -> None:
    found = definition(beside, branch, basename)
    if found is None:
        return
    file, (document, holder) = file_of(branch, basename), found
    try:
        latest = latest_of(document, holder)
    except Refusal as error:
        error.where = f"{file}, {error.where}"
        raise
    if latest is not None and latest.name == "true":
        what = f"branch {branch} is to go, and is marked as the latest"
        raise Refusal("E-BRANCH-RETIRE", what, where=f"{file}, {document.where(latest)}")


def _cuts(beside: Beside, basename: str, gone: Sequence[str], kept: Sequence[str]) -> _Cuts:
    """What is cut out of the files that list the branches: by file, its text as it is, and the edits."""
    cuts: _Cuts = {}
    for name, document in documents(beside, ABOVE):
        found = [one for branch in gone for one in entries.find(document, branch, kept, basename, by_name=True)]
        # One that stands in another goes with it.
        found.sort(key=lambda entry: (entry.node.start, -entry.node.end))
        outer: list[Entry] = []
        for one in found:
            if not outer or outer[-1].node.end <= one.node.start:
                outer.append(one)
        if outer:
            cuts[name] = document, lines.removed(document, outer)
    return cuts


def _files(beside: Beside, folder: str, depth: int = 0) -> Iterator[str]:
    """Every file below a folder.

    Raises:
        Refusal: E-BRANCH-RETIRE for one that cannot be read, and so not be taken away.
    """
    for name in beside.names(folder):
        path = posixpath.join(folder, name)
        if beside.read(path) is not None:
            yield path
        elif depth < _DEEPEST and beside.names(path):
            yield from _files(beside, path, depth + 1)
        else:
            raise Refusal("E-BRANCH-RETIRE", "the file would have to go, and cannot be read", where=path)


def _refuse_references(beside: Beside, branch: str, cuts: _Cuts) -> None:
    """Refuse when something still refers to a branch that is gone; `cuts` are what went from the files that listed it.

    Raises:
        Refusal: E-BRANCH-RETIRE.
    """
    gone = posixpath.join(ABOVE, branch)
    for folder in _subfolders(beside, ABOVE):
        for name, document in documents(beside, folder):
            for node in walk(document):
                refers = _leads_into(node, posixpath.dirname(name), gone)
                if posixpath.dirname(name) == ABOVE:
                    refers = refers or _uses(node, branch) or (name in cuts and _is_string(node, branch))
                if refers:
                    what = f"branch {branch} is to go, and `{' '.join(document.text(node).split())}` needs it"
                    raise Refusal("E-BRANCH-RETIRE", what, where=f"{name}, {_place(document, node, cuts.get(name))}")


def _place(document: Document, node: Node, cut: tuple[Document, list[Replacement]] | None) -> str:
    """Where a node of a file stands in the file as it was before something was cut out."""
    if cut is None:
        return document.where(node)
    offset = node.start
    for edit in sorted(cut[1]):
        if edit.start <= offset:
            offset += edit.end - edit.start
    return cut[0].where(offset)


def _subfolders(beside: Beside, folder: str, depth: int = 0) -> Iterator[str]:
    """A folder and all below it."""
    yield folder
    for name in beside.names(folder):
        path = posixpath.join(folder, name)
        if depth < _DEEPEST and beside.names(path):
            yield from _subfolders(beside, path, depth + 1)


def _leads_into(node: Node, start: str, folder: str) -> bool:
    """Whether a node is a path that leads, from the folder `start`, into a folder."""
    path = entries.path_of(node) if isinstance(node, Path) else None
    target = "" if path is None else posixpath.normpath(posixpath.join(start, path))
    return target == folder or target.startswith(folder + "/")


def _uses(node: Node, branch: str) -> bool:
    """Whether a node of a file in the folder of the branches uses one by its name."""
    match node:
        case Identifier(name=name):
            return entries.is_of(name, branch)
        case Select(path=path):
            return any(entries.is_of(step.name, branch) for step in path)
    return False


def _is_string(node: Node, branch: str) -> bool:
    """Whether a node gives something the name of a branch as its value."""
    return (
        isinstance(node, Binding)
        and isinstance(node.value, String)
        and node.value.literal() == branch
        and node.names[-1] != _LOWEST
    )


def _builder(beside: Beside, builder: str) -> str | None:
    for name in (builder, posixpath.join(builder, "default.nix")):
        if beside.read(name) is not None:
            return posixpath.normpath(name)
    return None


def _marked(
    beside: Beside, builder: str | None, marked: Sequence[str], kept: Sequence[str]
) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """The builder with the lowest branch that is supported, and what that does not say."""
    content = None if builder is None else beside.read(builder)
    document = None if content is None else parsed(content)
    bounds = [] if document is None else _bounds(document)
    if builder is None or document is None or len(bounds) != 1:
        return {}, tuple(_not_marked(one, f"the builder has no one literal `{_LOWEST}`") for one in marked)
    bound = bounds[0]
    lowest = max(min(kept, key=release.order, default=bound.value), bound.value, key=release.order)
    warnings = tuple(
        _not_marked(one, f"`{_LOWEST}` is {lowest}, the lowest branch that is supported")
        for one in marked
        if release.order(one) >= release.order(lowest)
    )
    if lowest == bound.value:
        return {}, warnings
    edited = apply(document.source, [Replacement(bound.start, bound.end, lowest)])
    return {builder: edited.encode("utf-8")}, warnings


def _bounds(document: Document) -> list[Literal]:
    """The literals that say which branch is the lowest one with support."""
    found = []
    for node in walk(document):
        if isinstance(node, Binding) and node.names[-1] == _LOWEST:
            found.append(plain(document, node.value))
        elif isinstance(node, Formal) and node.name.name == _LOWEST and node.default is not None:
            found.append(plain(document, node.default))
    return [one for one in found if one is not None and release.is_branch(one.value)]


def _not_marked(branch: str, reason: str) -> str:
    return f"branch {branch} has no security support any more and is not marked so: {reason}"
