"""What a Xen package file says, and the interface that each shape of it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.edit import Replacement
    from xenbump.plan.model import Patch, Plan


@dataclass(frozen=True, slots=True)
class Literal:
    """A string literal: its value, and the span of its text between the quotes, in code points."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PackageFile:
    """What a file says.

    Attributes:
        shape: the key of its shape.
        version: the literal of the version.
        tag: the literal of the tag; None where the tag is derived from the version, or a commit is pinned.
        fetcher: `fetchFromGitHub` or `fetchgit`.
        hash: the literal of the source hash.
        patches: the patches it lists, in order.
        warnings: what is odd in it and does not stop the work.
        rev: the literal of the commit that is pinned, 40 hexadecimal digits; None where a tag is named.
        upstream_version: the literal of the version that the tree is said to give itself; None where the file does not
            say it, or says that it is the version.
    """

    shape: str
    version: Literal
    tag: Literal | None
    fetcher: str
    hash: Literal
    patches: tuple[Patch, ...]
    warnings: tuple[str, ...]
    rev: Literal | None = None
    upstream_version: Literal | None = None

    @property
    def literals(self) -> tuple[Literal, ...]:
        """The literals that an edit replaces, in no order."""
        found = (self.version, self.tag, self.hash, self.rev, self.upstream_version)
        return tuple(one for one in found if one is not None)


class Shape(Protocol):
    """One shape of the file. The registry is `xenbump.package.shapes.SHAPES`."""

    @property
    def key(self) -> str:
        """The shape's name, as `docs/interface.md` lists it."""

    def recognises(self, document: Document) -> bool:
        """Whether a file has this shape. At most one shape recognises a file."""

    def read(self, document: Document) -> PackageFile:
        """What the file says.

        Raises:
            Refusal: something is missing, is no literal, or stands there twice; or the shape is not read here.
        """

    def edits(self, document: Document, file: PackageFile, plan: Plan) -> tuple[Replacement, ...]:
        """The spans to replace so that the file says what the plan wants.

        Args:
            document: the file.
            file: what `read` found in it.
            plan: made from just that.

        Raises:
            Refusal: E-PATCH-LIST when a patch has no place to go to; the shape is not rewritten here.
            Failure: E-EDIT-CHECK when the plan's patches are not those of the file with what comes and goes.
        """
