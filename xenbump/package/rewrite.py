"""Read a package file, and write a plan into it: spans are replaced, the result is read again and compared."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from xenbump.errors import Failure, Refusal
from xenbump.nixlang import parse
from xenbump.nixlang.edit import apply
from xenbump.nixlang.lexer import Kind
from xenbump.package import shapes
from xenbump.plan.model import Subject
from xenbump.upstream.release import is_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.package.model import Literal, PackageFile, Shape
    from xenbump.plan.model import Patch, Plan


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after; `before` is what must still be there when `after` is written."""

    file: str
    before: bytes
    after: bytes


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


def read(content: bytes, *, name: str, file: str, attribute: str) -> Subject:
    """What a package file says.

    Args:
        content: the bytes of the file.
        name: the configured name of the package.
        file: the file's path, for the subject and for errors.
        attribute: the attribute path in the package set.

    Raises:
        Refusal: the file cannot be read, has no known shape, or leaves room to guess.
    """
    document, _, said = _read(content, file)
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
    )


def write(content: bytes, plan: Plan) -> Edit:
    """The edit that makes a file say what the plan wants.

    Args:
        content: the bytes of the file, as they were when the plan was made.
        plan: the plan.

    Raises:
        Refusal: the file is not as the plan found it; E-PATCH-LIST when a patch has no place to go to.
        Failure: E-EDIT-CHECK when the result, read again, does not say what was planned.
    """
    file, subject = plan.subject.file, plan.subject
    document, shape, said = _read(content, file)
    if _facts(said) != (subject.version, subject.hash, subject.patches, subject.rev, subject.upstream_version):
        raise Refusal("E-FILE-CHANGED", "the file has changed since it was planned", where=file)
    with _named(file):
        after = apply(document.source, shape.edits(document, said, plan)).encode("utf-8")
        _, _, now = _recognised(after)
    if not _is_planned(said, now, plan):
        raise Failure("E-EDIT-CHECK", "the edited file, read again, does not say what was planned", where=file)
    return Edit(file, content, after)


def _is_planned(said: PackageFile, now: PackageFile, plan: Plan) -> bool:
    """Whether a file that is read again says what was planned, from what it said before."""
    target = plan.target
    version, rev, upstream = target.version, _value(said.rev), _value(said.upstream_version)
    if version != said.version.value or rev not in {None, target.commit}:
        was_release = is_version(said.version.value)
        rev = target.commit if target.tag is None or (rev is not None and was_release) else None
        # Where the file does not give the version of the tree, it is the version.
        upstream = _value(now.upstream_version)
        if target.tree_version != (upstream or version):
            return False
    if now.shape != said.shape and now.rev is None:
        return False
    return _facts(now) == (version, plan.hash, plan.patches.series, rev, upstream)


def _facts(said: PackageFile) -> tuple[str, str, tuple[Patch, ...], str | None, str | None]:
    """What an edit may change."""
    return said.version.value, said.hash.value, said.patches, _value(said.rev), _value(said.upstream_version)


def _value(written: Literal | None) -> str | None:
    return None if written is None else written.value


def _read(content: bytes, file: str) -> tuple[Document, Shape, PackageFile]:
    with _named(file):
        return _recognised(content)


@lru_cache(maxsize=4)
def _recognised(content: bytes) -> tuple[Document, Shape, PackageFile]:
    """A file with its shape. Kept for the step from the plan to the edit, which is made from the same bytes."""
    document = parse(decode(content, ""))
    shape = shapes.recognise(document)
    return document, shape, shape.read(document)


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
    own = {one.start for one in said.literals}
    found = []
    for token in document.tokens:
        if token.kind in {Kind.COMMENT, Kind.TEXT} and token.start not in own:
            found += [
                f"{document.where(token.start + match.start())} also names {said.version.value}; it stays as it is"
                for match in number.finditer(token.text)
            ]
    return tuple(found)
