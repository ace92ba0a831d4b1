"""The collection that a package file takes patches from: a `let` gives what it imports a name."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.find import bare, bindings, call, dotted, resolve, walk
from xenbump.nixlang.tree import AttrName, AttrSet, Binding, Expression, Identifier, Let, Path, Select, With
from xenbump.package import patches
from xenbump.package.branches import folder
from xenbump.package.collection.reading import read
from xenbump.package.source import function_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.find import Call
    from xenbump.package.collection.reading import Collection
    from xenbump.package.model import Beside


@dataclass(frozen=True, slots=True, eq=False)
class Used:
    """A collection, and the name that a package file gives it."""

    called: str
    collection: Collection

    @property
    def named(self) -> patches.Named:
        """For `patches.read` and `patch_list.edits`."""
        return patches.Named(self.called, self.collection.file, self.collection.patches)


def find(document: Document, holder: AttrSet, beside: Beside) -> Used | None:
    """The collection that a package file takes patches from, by a name that a `let` gives what it imports.

    Args:
        document: the file.
        holder: the set in it whose attribute `patches` is the list.
        beside: the files around it.

    Returns:
        The collection that the list names; where it names none, the only one that the file has; None where there is
        none that can be read.

    Raises:
        Refusal: E-PATCH-NAME where the list names one whose file cannot be read, E-AMBIGUOUS where it names several.
    """
    mentioned = _mentioned(document, holder)
    found: dict[str, Collection] = {}
    for name, path in _imports(document):
        content, file = content_of(beside, path)
        called = name.name or ""
        if called in mentioned and (content is None or folder.parsed(content) is None):
            raise Refusal(
                "E-PATCH-NAME",
                f"the list names patches of `{called}`, and {path} cannot be read: it is not there, outside of the"
                " folder of the configuration, or is no Nix",
                where=document.where(name),
            )
        one = None if content is None else read(file, content)
        if one is not None:
            found[called] = one
    named = [name for name in found if name in mentioned] or list(found)
    if len(named) == 1:
        return Used(named[0], found[named[0]])
    if mentioned & set(named):
        what = f"the list names patches of {' and '.join(f'`{name}`' for name in named)}"
        raise Refusal("E-AMBIGUOUS", what, where=document.where(holder))
    return None


def content_of(beside: Beside, path: str) -> tuple[bytes | None, str]:
    """The content of what a path in a file stands for: a file, or the `default.nix` of a folder; and its own path."""
    for one in (posixpath.normpath(path), posixpath.normpath(posixpath.join(path, "default.nix"))):
        content = beside.read(one)
        if content is not None:
            return content, one
    return None, path


def _mentioned(document: Document, holder: AttrSet) -> set[str]:
    """The names that the list of patches selects from, also in the lists that it names."""
    heads: set[str] = set()
    pending: list[tuple[Expression, bool]] = [(one.value, False) for one in bindings(holder, ["patches"])]
    while pending:
        value, is_followed = pending.pop()
        for node in walk(value):
            if isinstance(node, With):
                heads.add(dotted(node.scope) or "")
            elif isinstance(node, Select):
                heads.add((dotted(node) or "").rpartition(".")[0])
            elif isinstance(node, Identifier) and not is_followed:
                found = resolve(document, node)
                if isinstance(found, Binding) and len(found.path) == 1:
                    pending.append((found.value, True))
    return heads - {""}


def _imports(document: Document) -> Iterator[tuple[AttrName, str]]:
    """What a file imports and gives a name in a `let`: `import path …` and `callPackage path …`."""
    for node in walk(document):
        for one in node.bindings if isinstance(node, Let) else ():
            if isinstance(one, Binding) and len(one.path) == 1 and one.path[0].name is not None:
                path = imported(one.value)
                if path is not None:
                    yield one.path[0], path


def imported(value: Expression) -> str | None:
    """The path that a call imports or hands to `callPackage`, as written; None for any other expression."""
    made = call(value)
    return None if made is None else imported_by(made)


def imported_by(made: Call) -> str | None:
    """The same of a call that was taken apart."""
    name = function_name(made)
    if name not in {"import", "callPackage", "callPackages"}:
        return None
    first = bare(made.arguments[0])
    if name != "import" and not isinstance(first, Path):
        return imported(first)
    written = first.literal() if isinstance(first, Path) else None
    return None if written is None or written.startswith(("/", "~")) else written
