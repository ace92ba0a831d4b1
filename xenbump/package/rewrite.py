"""Read a package file, and write a plan into it: spans are replaced, the result is read again and compared."""

from __future__ import annotations

import contextlib
import posixpath
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.errors import Failure, Refusal
from xenbump.nixlang import parse
from xenbump.nixlang.edit import apply
from xenbump.nixlang.lexer import Kind
from xenbump.package import shapes
from xenbump.package.beside import ALONE, Elsewhere, Overlay
from xenbump.package.model import Literal
from xenbump.plan.model import Pin, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.package.model import Beside, PackageFile, Shape
    from xenbump.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after.

    Attributes:
        file: its path, from the folder that the package file's path starts from.
        before: what must still be there when `after` is written; None for a file that is new.
        after: its content; None for a file that goes.
        warnings: what a reviewer should know that was found out by editing.
    """

    file: str
    before: bytes | None
    after: bytes | None
    warnings: tuple[str, ...] = ()


def decode(content: bytes, where: str) -> str:
    """The text of a Nix file.

    Raises:
        Refusal: E-FILE-ENCODING when it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refusal("E-FILE-ENCODING", f"byte {error.start} (line {line}) is not UTF-8", where=where) from error


def read(content: bytes, *, name: str, file: str, attribute: str, beside: Beside = ALONE) -> Subject:
    """What a package file says.

    Args:
        content: the bytes of the file.
        name: the configured name of the package.
        file: the file's path, for the subject and for errors.
        attribute: the attribute path in the package set.
        beside: the files around it.

    Raises:
        Refusal: the file cannot be read, has no known shape, or leaves room to guess.
    """
    with _named(file):
        document, _, said = _recognised(content, beside)
    return Subject(
        name=name,
        file=file,
        attribute=attribute,
        shape=said.shape,
        version=said.version.value,
        fetcher=said.fetcher,
        hash=said.hash.value,
        patches=said.patches,
        warnings=said.warnings + _other_mentions(document, said),
        rev=_value(said.rev),
        upstream_version=_value(said.upstream_version),
        pins=tuple(Pin(one.component, one.rev.value, one.hash.value, one.submodules) for one in said.pins),
        branch=said.branch,
        siblings=said.siblings,
        efi=said.efi,
        naming=said.naming,
        read_only=said.read_only,
    )


def write(content: bytes, plan: Plan, beside: Beside = ALONE) -> tuple[Edit, ...]:
    """The edits that make a file say what the plan wants.

    Args:
        content: the bytes of the file, as they were when the plan was made.
        plan: the plan.
        beside: the files around it, as they were then.

    Returns:
        The edits, one a file; the package file's own first, where it changes.

    Raises:
        Refusal: the file is not as the plan found it; E-PATCH-LIST when a patch has no place to go to; E-FILE-OUTSIDE
            when a file would change that does not lie in the folder which paths start from.
        Failure: E-EDIT-CHECK when the result, read again, does not say what was planned.
    """
    file, subject = plan.subject.file, plan.subject
    with _named(file):
        document, shape, said = _recognised(content, beside)
        if _facts(said) != _facts(subject):
            raise Refusal("E-FILE-CHANGED", "the file has changed since it was planned")
        made = shape.edits(document, said, plan, beside)
        after = apply(document.source, made.spans).encode("utf-8")
        edits = [Edit(file, content, after)]
        edits += [Edit(_path(file, name), beside.read(name), new) for name, new in made.others]
        now = _recognised(after, Overlay(beside, dict(made.others)))[2]
        if plan.adds is not None:
            now = _added(file, plan, said, now, Overlay(beside, {**dict(made.others), posixpath.basename(file): after}))
    if not _is_planned(said, now, plan):
        raise Failure("E-EDIT-CHECK", "the edited file, read again, does not say what was planned", where=file)
    changed = [edit for edit in edits if edit.before != edit.after]
    return (*(replace(edit, warnings=made.warnings) for edit in changed[:1]), *changed[1:])


def _path(file: str, name: str) -> str:
    """The path of a file that is named from the package file's folder."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    if path.startswith(("../", "/")):
        raise Refusal("E-FILE-OUTSIDE", f"{name} would change, and is not in the folder of the configuration")
    return path


def _added(file: str, plan: Plan, said: PackageFile, now: PackageFile, around: Overlay) -> PackageFile:
    """What the file of a branch that comes says. The one that it is made from must say what it said before.

    Raises:
        Failure: E-EDIT-CHECK.
    """
    name = f"../{plan.adds}/{posixpath.basename(file)}"
    content = around.read(name)
    found = None if content is None else _recognised(content, Elsewhere(around, posixpath.dirname(name)))[2]
    # The switch and the collection of patches are shared, so a plan may change what they say of both.
    same = replace(now, efi=said.efi, patches=said.patches)
    if found is None or found.branch != plan.adds or _facts(same) != _facts(said):
        raise Failure("E-EDIT-CHECK", f"the new file, read again, is not that of branch {plan.adds}", where=name)
    return found


def _is_planned(said: PackageFile, now: PackageFile, plan: Plan) -> bool:
    """Whether a file that is read again says what was planned, from what it said before."""
    target = plan.target
    rev, upstream = _value(now.rev), _value(now.upstream_version)
    if target.version == said.version.value and _value(said.rev) in {None, target.commit}:
        good = (rev, upstream) == (_value(said.rev), _value(said.upstream_version))
    else:
        # A release may be named by its tag; reading has seen that it is the version's. Where the file does not give
        # the version of the tree, it is the version.
        named = {None, target.commit} if target.tag is not None else {target.commit}
        good = rev in named and (upstream or target.version) == target.tree_version
    if now.shape != said.shape and rev is None:
        return False
    efi = said.efi if plan.efi is None else plan.efi
    wanted = (target.version, plan.hash, plan.patches.series, efi)
    pins = tuple((pin.component, pin.rev, pin.hash) for pin in plan.pins)
    return good and (now.version.value, now.hash.value, now.patches, now.efi) == wanted and _pins(now) == pins


def _facts(said: PackageFile | Subject) -> tuple[object, ...]:
    """What an edit may change."""
    return (
        *(_value(one) for one in (said.version, said.hash, said.rev, said.upstream_version)),
        said.patches,
        said.efi,
        said.branch,
        _pins(said),
    )


def _pins(said: PackageFile | Subject) -> tuple[tuple[str, str | None, str | None], ...]:
    return tuple((pin.component, _value(pin.rev), _value(pin.hash)) for pin in said.pins)


def _value(written: Literal | str | None) -> str | None:
    return written.value if isinstance(written, Literal) else written


@lru_cache(maxsize=8)
def _recognised(content: bytes, beside: Beside) -> tuple[Document, Shape, PackageFile]:
    """A file with its shape. Kept for the step from the plan to the edit, which is made from the same files."""
    document = parse(decode(content, ""))
    shape = shapes.recognise(document)
    return document, shape, shape.read(document, beside)


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Name the file in a refusal: the rooms below know only the place in its text."""
    try:
        yield
    except Refusal as error:
        if not error.where.startswith(file):
            error.where = f"{file}, {error.where}" if error.where else file
        raise


def _other_mentions(document: Document, said: PackageFile) -> tuple[str, ...]:
    """A warning for each other place that names the version: a bump leaves it as it is, and it may then be wrong."""
    number = re.compile(rf"(?<![\d.]){re.escape(said.version.value)}(?![\d.]*\d)")
    own = {one.start for one in (*said.literals, *said.mentions)}
    found = []
    for token in document.tokens:
        if token.kind in {Kind.COMMENT, Kind.TEXT} and token.start not in own:
            found += [
                f"{document.where(token.start + match.start())} also names {said.version.value}; it stays as it is"
                for match in number.finditer(token.text)
            ]
    return tuple(found)
