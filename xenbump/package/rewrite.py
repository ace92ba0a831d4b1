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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.nixlang.document import Document
    from xenbump.package.model import PackageFile, Shape
    from xenbump.plan.model import Plan


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
    )


def write(content: bytes, plan: Plan) -> Edit:
    """The edit that makes a file say what the plan wants.

    Args:
        content: the bytes of the file, as they were when the plan was made.
        plan: the plan.

    Raises:
        Refusal: the file is not as the plan found it.
        Failure: E-EDIT-CHECK when the result, read again, does not say what was planned.
    """
    file = plan.subject.file
    document, shape, said = _read(content, file)
    if said.version.value != plan.subject.version or said.hash.value != plan.subject.hash:
        raise Refusal("E-FILE-CHANGED", "the file has changed since it was planned", where=file)
    after = apply(document.source, shape.edits(said, plan)).encode("utf-8")
    with _named(file):
        now = shape.read(parse(decode(after, file)))
    wanted = (said.shape, plan.target.version, plan.hash, said.patches)
    if (now.shape, now.version.value, now.hash.value, now.patches) != wanted:
        raise Failure("E-EDIT-CHECK", "the edited file, read again, does not say what was planned", where=file)
    return Edit(file, content, after)


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
    own = [said.version, *([said.tag] if said.tag else [])]
    found = []
    for token in document.tokens:
        if token.kind in {Kind.COMMENT, Kind.TEXT} and not any(one.start == token.start for one in own):
            found += [
                f"{document.where(token.start + match.start())} also names {said.version.value}; it stays as it is"
                for match in number.finditer(token.text)
            ]
    return tuple(found)
