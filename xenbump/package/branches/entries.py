"""Where a Nix file names the branches of Xen, entry by entry.

An entry is a binding (`xen_4_20 = callPackage ./4.20 { };`), an element of a list (`"4.20"`, `./4.20`) or a name in an
`inherit`: the outermost of these that can stand there once for each branch. A branch is named as a whole number, with a
dot, underscore or hyphen between its parts, so that 4.2 is not in 4.20, nor 4.20 in 4.20.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from xenbump.nixlang.find import bare, call, walk
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.tree import (
    AttrSet,
    Binding,
    Expression,
    Identifier,
    Inherit,
    LegacyLet,
    Let,
    List,
    Node,
    Path,
    Select,
    String,
    Text,
)
from xenbump.package.lines import BLANKS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from xenbump.nixlang.document import Document

_NAMED = {Kind.IDENTIFIER, Kind.TEXT, Kind.PATH, Kind.PATH_TEXT}
# What a new branch cannot take over from an old one: a hash, a commit.
_PINNED = r"sha(?:256|512)[-:]|(?<![0-9a-zA-Z])[0-9a-f]{40}(?![0-9a-zA-Z])"
_ADVISORY = re.compile("xsa", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What a file has for one branch.

    Attributes:
        node: the binding, element or name.
        siblings: what stands in the same set, `let`, list or `inherit`, in order; `node` among it.
        around: that set, `let`, list or `inherit`.
        names: the path of the attribute that it defines, None for a step that only the evaluator knows; empty for an
            element of a list.
    """

    node: Node
    siblings: tuple[Node, ...]
    around: Node
    names: tuple[str | None, ...]


@lru_cache(maxsize=64)
def pattern(branch: str) -> re.Pattern[str]:
    """What finds a branch in a name or path; the group `sep` is what stands between its two numbers."""
    major, minor = branch.split(".")
    return re.compile(rf"(?<![0-9])(?<![0-9][._-]){major}(?P<sep>[._-]){minor}(?![0-9])(?![._-][0-9])")


def renamed(text: str, old: str, new: str) -> str:
    """A name or path with another branch in it."""
    major, minor = new.split(".")
    return pattern(old).sub(lambda match: f"{major}{match['sep']}{minor}", text)


def is_of(name: str | None, branch: str) -> bool:
    """Whether an attribute's name says that it is for a branch. One for an advisory is not, whatever it says."""
    return name is not None and _ADVISORY.search(name) is None and pattern(branch).search(name) is not None


def path_of(node: Node) -> str | None:
    """A path literal or a string that is like one, a `*` for each interpolation; None for any other node."""
    if not isinstance(node, Path | String):
        return None
    text = "".join(part.raw if isinstance(part, Text) else "*" for part in node.parts)
    return None if "://" in text else text


def leads_to(node: Node, branch: str, basename: str) -> bool:
    """Whether a node is a branch's name as a string, its folder, or the package file in that."""
    path = path_of(node)
    if path is None:
        return False
    steps = [step for step in path.split("/") if step]
    return steps[-1:] == [branch] or (steps[-2:-1] == [branch] and steps[-1] in {basename, "default.nix"})


def names_branch(node: Node, branch: str, basename: str) -> bool:
    """Whether something in a node stands for a branch: a variable, a selected attribute, a path or a string."""
    for part in walk(node):
        match part:
            case Identifier(name=name):
                found = is_of(name, branch)
            case Select(path=path):
                found = any(is_of(step.name, branch) for step in path)
            case _:
                found = leads_to(part, branch, basename)
        if found:
            return True
    return False


def find(
    document: Document, branch: str, branches: Collection[str], basename: str, *, by_name: bool = False
) -> list[Entry]:
    """The entries of one branch, in the order of the file.

    Args:
        document: a file.
        branch: `X.Y`.
        branches: all that there are. An element of a list that names several is not an entry, but may have some.
        basename: the name of the package file in a branch's folder.
        by_name: whether a binding is an entry by its name alone; else its value must name the branch too, for a table
            of hashes is no list of branches.
    """
    others = [one for one in branches if one != branch]
    found: list[Entry] = []
    pending: list[Node] = [document.root]
    while pending:
        current = pending.pop()
        below = current.children()
        if isinstance(current, AttrSet | Let | LegacyLet):
            own = [one for one in current.bindings if isinstance(one, Binding)]
            own = [
                one for one in own if _is_named(one, branch) and (by_name or names_branch(one.value, branch, basename))
            ]
            found += [Entry(one, current.bindings, current, one.names) for one in own]
            below = [one for one in below if one not in own]
        elif isinstance(current, Inherit):
            found += [
                Entry(one, current.names, current, (one.name,)) for one in current.names if is_of(one.name, branch)
            ]
        elif isinstance(current, List):
            listed = [one for one in current.elements if names_branch(one, branch, basename)]
            own_elements = [one for one in listed if not any(names_branch(one, other, basename) for other in others)]
            found += [Entry(one, current.elements, current, ()) for one in own_elements]
            below = [one for one in below if one not in own_elements]
        elif (made := call(current) if isinstance(current, Expression) else None) and _is_test(made.name):
            # `elem branch [ "4.19" "4.20" ]` asks something of certain branches, and lists none.
            continue
        pending += below
    return sorted(found, key=lambda entry: entry.node.start)


def aliases(document: Document, branch: str, branches: Collection[str], basename: str) -> Iterator[Binding]:
    """The bindings that stand for one branch and are named after none, such as `xen = xen_4_20;`.

    Args:
        document: a file.
        branch: `X.Y`.
        branches: all that there are.
        basename: the name of the package file in a branch's folder.
    """
    for node in walk(document):
        if not isinstance(node, Binding) or any(_is_named(node, one) for one in branches):
            continue
        value = bare(node.value)
        name = last_name(value)
        if name is not None:
            if is_of(name, branch):
                yield node
        elif (
            (made := call(value)) is not None
            and not _is_test(made.name)
            and any(isinstance(one, Path) and leads_to(one, branch, basename) for one in made.arguments)
        ):
            yield node


def last_name(value: Expression) -> str | None:
    """The name of a variable, or the last one of a selection without `or`; None for any other expression."""
    match bare(value):
        case Identifier(name=name):
            return name
        case Select(path=path, default=None):
            return path[-1].name
    return None


def copied(document: Document, node: Node, old: str, new: str) -> str:
    """The text of an entry for another branch: its names and paths changed, its comments left out."""
    out = ""
    index = document.token_index(node.start)
    after_comment = False
    while index < len(document.tokens) and (token := document.tokens[index]).start < node.end:
        index += 1
        if token.kind is Kind.COMMENT:
            after_comment = True
            continue
        text = renamed(token.text, old, new) if token.kind in _NAMED else token.text
        if after_comment:
            out, text = _joined(out, text)
            after_comment = False
        out += text
    return out


def carried(document: Document, node: Node, branch: str, basename: str) -> str | None:
    """What an entry has that another branch cannot take over: a release, a hash, a commit, or another file.

    Returns:
        The first of these as it is written; None where there is none.
    """
    tokens = document.tokens[document.token_index(node.start) :]
    inside = takewhile(lambda token: token.start < node.end, tokens)
    text = "".join(token.text for token in inside if token.kind is not Kind.COMMENT)
    found = _pinned(branch).search(text)
    if found is not None:
        return found[0]
    for part in walk(node):
        path = path_of(part) if isinstance(part, Path) else None
        if path is not None and branch in path.split("/") and not leads_to(part, branch, basename):
            return path
    return None


@lru_cache(maxsize=64)
def _pinned(branch: str) -> re.Pattern[str]:
    major, minor = branch.split(".")
    return re.compile(rf"{_PINNED}|(?<![0-9.]){major}[._-]{minor}[._-][0-9]+")


def _joined(out: str, text: str) -> tuple[str, str]:
    """What stands before and after a comment that was left out, with no line and no blank too many."""
    inner = text.lstrip(BLANKS)
    if inner.startswith(("\n", "\r")):
        out = out.rstrip(BLANKS)
        if out.endswith(("\n", "\r")):
            inner = inner[2:] if inner.startswith("\r\n") else inner[1:]
        return out, inner
    if out.endswith((" ", "\t")):
        return out, inner
    return out, text if text[:1].isspace() else " " + text


def _is_named(binding: Binding, branch: str) -> bool:
    return any(is_of(step.name, branch) for step in binding.path)


def _is_test(function: str | None) -> bool:
    return (function or "").rpartition(".")[2] in {"elem", "versionOlder", "versionAtLeast", "compareVersions"}
