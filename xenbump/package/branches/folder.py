"""A folder of branches: which branches it has, which is the latest, and the files that may list them.

Each branch has a folder named after it, `4.20`, beside the others, with a package file of one name in it. Paths start
from the folder of one branch's package file.
"""

from __future__ import annotations

import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang import NixSyntaxError, parse
from xenbump.nixlang.find import bare, bindings, walk
from xenbump.nixlang.tree import AttrSet, Identifier
from xenbump.package.literals import followed, has, shown, value_of
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xenbump.nixlang.document import Document
    from xenbump.package.model import Beside

Contents = tuple[tuple[str, bytes | None], ...]

ABOVE = ".."
_LATEST = "latest"


def definitions(document: Document) -> list[AttrSet]:
    """The sets that define a branch: those with `branch`, `version` and `pkg.xen`."""
    return [
        node
        for node in walk(document)
        if isinstance(node, AttrSet) and all(has(node, name) for name in ("branch", "version")) and _has_xen(node)
    ]


def latest_of(document: Document, holder: AttrSet) -> Identifier | None:
    """The `true` or `false` that says whether a branch is the latest; None where its set does not say.

    Args:
        document: the file.
        holder: the set that defines the branch.

    Raises:
        Refusal: E-NOT-LITERAL for anything else, also behind one step.
    """
    if not has(holder, _LATEST):
        return None
    value = bare(followed(document, value_of(document, holder, _LATEST)))
    if isinstance(value, Identifier) and value.name in {"true", "false"}:
        return value
    what = f"`{_LATEST}` is `{shown(document, value)}`, not true or false"
    raise Refusal("E-NOT-LITERAL", what, where=document.where(value))


def siblings(beside: Beside, basename: str) -> tuple[str, ...]:
    """The branches that have a package file, lowest first.

    Args:
        beside: the files around one branch's package file.
        basename: the name of that file, the same for all.
    """
    return tuple(branch for branch in _folders(beside) if definition(beside, branch, basename) is not None)


def not_one_latest(beside: Beside, basename: str) -> tuple[str, ...]:
    """Warnings where not exactly one branch is the latest; none where no branch says anything about that.

    The arguments are those of `siblings`.
    """
    said: dict[str, bool] = {}
    warnings = []
    for branch in _folders(beside):
        file = file_of(branch, basename)
        found = definition(beside, branch, basename)
        if found is None:
            if beside.read(file) is not None:
                warnings.append(f"{file} does not define one branch, or cannot be read as Nix")
            continue
        document, holder = found
        try:
            value = latest_of(document, holder)
        except Refusal as error:
            warnings.append(f"{file}, {error.where}: {error.what}")
            continue
        if value is not None:
            said[branch] = value.name == "true"
    latest = [branch for branch, is_latest in said.items() if is_latest]
    if said and len(latest) != 1:
        which = f"{_and(latest)} have" if latest else f"none of {_and(list(said))} has"
        warnings.append(f"{which} `{_LATEST} = true`, where exactly one branch should")
    return tuple(warnings)


def _has_xen(node: AttrSet) -> bool:
    return bool(bindings(node, ["pkg", "xen"]))


def file_of(branch: str, basename: str) -> str:
    """The path of a branch's package file."""
    return posixpath.join(ABOVE, branch, basename)


def _folders(beside: Beside) -> list[str]:
    return sorted((name for name in beside.names(ABOVE) if release.is_branch(name)), key=release.order)


def definition(beside: Beside, branch: str, basename: str) -> tuple[Document, AttrSet] | None:
    """The file of a branch with the one set that defines it."""
    content = beside.read(file_of(branch, basename))
    document = None if content is None else parsed(content)
    found = [] if document is None else definitions(document)
    return (document, found[0]) if document is not None and len(found) == 1 else None


@lru_cache(maxsize=64)
def parsed(content: bytes) -> Document | None:
    """A file as Nix; None where it is none."""
    try:
        return parse(content.decode("utf-8"))
    except (UnicodeDecodeError, NixSyntaxError):
        return None


def documents(beside: Beside, folder: str) -> Iterator[tuple[str, Document]]:
    """The Nix files directly in a folder."""
    for name in beside.names(folder):
        path = posixpath.normpath(posixpath.join(folder, name))
        content = beside.read(path) if name.endswith(".nix") else None
        document = None if content is None else parsed(content)
        if document is not None:
            yield path, document


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
