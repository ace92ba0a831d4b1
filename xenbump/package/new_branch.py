"""A branch that gets a file of its own, made from the newest one's: that file, and what comes along with it."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang import parse
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.find import walk
from xenbump.nixlang.tree import Path, Text
from xenbump.package import branches, definition, source
from xenbump.package.branches import folder
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Identifier
    from xenbump.package.definition import Definition
    from xenbump.package.model import Beside, PackageFile

_TRUE, _FALSE = "true", "false"


def own(found: Definition, branch: str, file: PackageFile) -> tuple[Replacement, ...]:
    """What the definition of a new branch has different, beyond what a plan gives it: its name, and the latest it is.

    Args:
        found: the definition that it is made from.
        branch: the new branch.
        file: what was read of the old one.
    """
    _, written = definition.branch(found, file.version.value)
    latest = branches.latest_of(found.document, found.attributes)
    named = () if written is None else (source.filled(written, branch),)
    return (*named, *_set(latest, is_latest=_is_newest(branch, file)))


def left(found: Definition, file: PackageFile, branch: str) -> tuple[Replacement, ...]:
    """What the old definition has different afterwards: it is the latest no more, where the new branch is newer."""
    latest = branches.latest_of(found.document, found.attributes)
    return _set(latest, is_latest=False) if _is_newest(branch, file) else ()


def files(beside: Beside, basename: str, branch: str, text: str) -> dict[str, bytes | None]:
    """The files that come, or change, with a branch.

    Args:
        beside: the files around the package file that it is made from.
        basename: the name of that.
        branch: the new branch.
        text: the new file.

    Returns:
        The contents by path: the new file, copies of the files that it names in its own folder, and what lists the
        branches.

    Raises:
        Refusal: E-FILE-CHANGED where the branch has a file already, E-BRANCH-LIST as `branches.listed`.
    """
    home = f"../{branch}"
    if beside.read(f"{home}/{basename}") is not None:
        raise Refusal("E-FILE-CHANGED", f"branch {branch} has a file already", where=f"{home}/{basename}")
    contents: dict[str, bytes | None] = {f"{home}/{basename}": text.encode("utf-8")}
    for path in _own_files(parse(text), beside, basename):
        contents[posixpath.normpath(f"{home}/{path}")] = beside.read(path)
    old = definition.own_folder(beside, basename)
    if old is not None:
        contents |= dict(branches.listed(beside, basename, old, branch))
        contents |= _no_longer_latest(beside, basename, old, branch)
    return contents


def _is_newest(branch: str, file: PackageFile) -> bool:
    return all(release.order(branch) > release.order(one) for one in file.siblings)


def _set(latest: Identifier | None, *, is_latest: bool) -> tuple[Replacement, ...]:
    if latest is None:
        return ()
    return (Replacement(latest.start, latest.end, _TRUE if is_latest else _FALSE),)


def _no_longer_latest(beside: Beside, basename: str, old: str, branch: str) -> dict[str, bytes | None]:
    """The files of other branches that are the latest, by mistake, and newer than which is the new one."""
    contents: dict[str, bytes | None] = {}
    others = [one for one in branches.siblings(beside, basename) if one != old]
    for one in others:
        read = folder.definition(beside, one, basename)
        latest = None if read is None else branches.latest_of(*read)
        if read is not None and latest is not None and release.order(branch) > release.order(one):
            text = apply(read[0].source, _set(latest, is_latest=False))
            contents[folder.file_of(one, basename)] = text.encode("utf-8")
    return contents


def _own_files(document: Document, beside: Beside, basename: str) -> Iterator[str]:
    """The files in a package file's folder that it names; where it names a folder, all in that."""
    for node in walk(document):
        if not isinstance(node, Path):
            continue
        first = node.parts[0]
        written = first.raw if isinstance(first, Text) else ""
        # What is behind an interpolation can be any file in the folder before it.
        path = written if len(node.parts) == 1 else posixpath.dirname(written)
        path = posixpath.normpath(path or ".")
        if path.startswith(("..", "/", "~")):
            continue
        yield from (one for one in _below(beside, path) if one != basename)


def _below(beside: Beside, path: str) -> Iterator[str]:
    if beside.read(path) is not None:
        yield path
        return
    for name in beside.names(path):
        yield from _below(beside, posixpath.normpath(posixpath.join(path, name)))
