"""A branch that comes: the files that list the branches get an entry for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement, apply
from xenbump.nixlang.find import bare, walk
from xenbump.nixlang.tree import Binding, Formal, Identifier, Path, Select
from xenbump.package.branches import entries, lines
from xenbump.package.branches.folder import ABOVE, Contents, documents, siblings
from xenbump.upstream import release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import Node
    from xenbump.package.branches.entries import Entry
    from xenbump.package.model import Beside


def listed(beside: Beside, basename: str, old: str, new: str) -> Contents:
    """The files that list the branches, with a new one in them.

    Each entry of the old branch gets a companion, in the order that the file has. A name for the newest branch, such as
    `xen = xen_4_20;`, is moved where the new one is the newest. A file that lists the new branch already stays.

    Args:
        beside: the files around one branch's package file.
        basename: the name of that file.
        old: the branch whose entries are taken as examples, `X.Y`.
        new: the branch that comes.

    Returns:
        The new contents, by name; none where each file has the branch already, or they are found by `readDir`.

    Raises:
        Refusal: E-BRANCH-LIST when no file lists the old branch, when an entry of it has what only that branch can
            have, or when the new one's name is taken.
    """
    branches = sorted({*siblings(beside, basename), old, new}, key=release.order)
    step = _Step(old, new, basename, tuple(branches))
    seen = [_seen(name, document, step) for name, document in documents(beside, ABOVE)]
    open_ones = [one for one in seen if not one.has_new]
    examples = [entry for one in open_ones for entry in one.examples]
    if not examples and not any(one.has_new or _reads_folder(one.document) for one in seen):
        raise _unlisted(seen, step)
    contents: list[tuple[str, bytes | None]] = []
    for one in open_ones:
        edits = _additions(one, step)
        if branches[-2:] == [old, new]:
            edits += [edit for alias in one.aliases for edit in _moved(one.document, alias, examples, step)]
        if edits:
            contents.append((one.name, apply(one.document.source, edits).encode("utf-8")))
    return tuple(contents)


@dataclass(frozen=True, slots=True)
class _Step:
    """From which branch to which, the name of their package files, and all branches, lowest first."""

    old: str
    new: str
    basename: str
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file that may list the branches.

    Attributes:
        name: its path.
        document: as it is.
        entries: of all branches in the order of the file, each with its branch.
        aliases: what is bound to the old branch and named after none.
        step: from which branch to which.
    """

    name: str
    document: Document
    entries: tuple[tuple[str, Entry], ...]
    aliases: tuple[Binding, ...]
    step: _Step

    @property
    def has_new(self) -> bool:
        """Whether it lists the new branch."""
        return any(branch == self.step.new for branch, _ in self.entries)

    @property
    def examples(self) -> list[Entry]:
        """The entries of the old branch."""
        return [entry for branch, entry in self.entries if branch == self.step.old]

    def refusal(self, what: str, node: Node, remedy: str = "") -> Refusal:
        """E-BRANCH-LIST at a place of the file."""
        return Refusal("E-BRANCH-LIST", what, where=f"{self.name}, {self.document.where(node)}", remedy=remedy)


def _seen(name: str, document: Document, step: _Step) -> _File:
    branches, basename = step.branches, step.basename
    found = [(one, entry) for one in branches for entry in entries.find(document, one, branches, basename)]
    found.sort(key=lambda pair: pair[1].node.start)
    spans = [(entry.node.start, entry.node.end) for _, entry in found]
    aliases = entries.aliases(document, step.old, branches, basename)
    outside = [one for one in aliases if not any(start <= one.start < end for start, end in spans)]
    return _File(name, document, tuple(found), tuple(outside), step)


def _reads_folder(document: Document) -> bool:
    """Whether a file finds the branches by itself."""
    return any(isinstance(node, Identifier) and node.name == "readDir" for node in walk(document))


def _additions(file: _File, step: _Step) -> list[Replacement]:
    """The edits that give each entry of the old branch a companion."""
    edits = []
    for run in lines.runs(file.examples):
        for entry in run:
            _refuse_copy(file, entry, step)
        order = [release.order(branch) for branch, entry in file.entries if entry.around is run[0].around]
        falls = len(set(order)) > 1 and order == sorted(order, reverse=True)
        texts = [entries.copied(file.document, entry.node, step.old, step.new) for entry in run]
        before = falls == (release.order(step.new) > release.order(step.old))
        peers = [entry.node for _, entry in file.entries]
        edits.append(lines.added(file.document, run, texts, peers=peers, before=before))
    return edits


def _refuse_copy(file: _File, entry: Entry, step: _Step) -> None:
    """Refuse an entry that makes no good example, or that a new one could not stand beside."""
    carried = entries.carried(file.document, entry.node, step.old, step.basename)
    if carried is not None:
        what = f"the entry of branch {step.old} has `{carried}`, which branch {step.new} cannot take over"
        raise file.refusal(what, entry.node)
    wanted = tuple(None if one is None else entries.renamed(one, step.old, step.new) for one in entry.names)
    own = _attribute(entry.names, step.old)
    examples = [one.node for one in file.examples]
    for other in entry.siblings:
        if isinstance(other, Binding) and other.names == wanted:
            what = f"`{_path(file.document, other)}` is there already, and is no entry of branch {step.new}"
            raise file.refusal(what, other)
        if isinstance(other, Binding) and other not in examples and own == _attribute(other.names, step.old) != ():
            what = f"branch {step.old} has a part, `{_path(file.document, other)}`, that does not name it in its value"
            raise file.refusal(what, other)
    for node in walk(file.document):
        if isinstance(node, Formal) and entries.is_of(node.name.name, step.old):
            what = f"branch {step.old} is handed to the file as `{node.name.name}`, and nobody hands it {step.new}"
            raise file.refusal(what, node)


def _attribute(names: Sequence[str | None], branch: str) -> tuple[str | None, ...]:
    """The path of an attribute up to the step that is named after a branch; empty where none is."""
    for number, name in enumerate(names):
        if entries.is_of(name, branch):
            return tuple(names[: number + 1])
    return ()


def _moved(document: Document, alias: Binding, examples: Sequence[Entry], step: _Step) -> list[Replacement]:
    """The edits that make a name for the newest branch one for the new branch.

    Args:
        document: the file.
        alias: what binds the name.
        examples: the entries of the old branch, which keeps them, in all files.
        step: from which branch to which.
    """
    value = bare(alias.value)
    name = entries.last_name(value)
    attributes = {entry.names[-1] for entry in examples if entry.names}
    if name is not None:
        if name not in attributes:
            return []
        last = value.path[-1] if isinstance(value, Select) else value
        return [_with(document, last, step)]
    return [_with(document, node, step) for node in walk(value) if attributes and isinstance(node, Path)]


def _with(document: Document, node: Node, step: _Step) -> Replacement:
    return Replacement(node.start, node.end, entries.renamed(document.text(node), step.old, step.new))


def _path(document: Document, binding: Binding) -> str:
    """The attribute path of a binding as it is written."""
    return document.source[binding.start : binding.path[-1].end]


def _unlisted(seen: Sequence[_File], step: _Step) -> Refusal:
    attribute = f"xen_{step.old.replace('.', '_')}"
    for file in seen:
        for alias in file.aliases:
            written = _path(file.document, alias)
            what = f"branch {step.old} is built as `{written}` alone, which would be taken from it"
            remedy = f"Give branch {step.old} an attribute that is named after it, such as `{attribute}`."
            return file.refusal(what, alias, remedy)
    return Refusal(
        "E-BRANCH-LIST",
        f"no .nix file in the folder of the branches lists branch {step.old}, so nobody could build {step.new}",
        where=ABOVE,
        remedy=f"List branch {step.old} there, such as by `{attribute} = callPackage ./{step.old} {{ }};`.",
    )
