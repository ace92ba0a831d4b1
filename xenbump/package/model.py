"""What a Xen package file says, and the interface that each shape of it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.edit import Replacement
    from xenbump.plan.model import Naming, Patch, Plan


class Beside(Protocol):
    """The files around a package file: of the working tree, or of a commit."""

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder; None where there is none, or it lies outside."""

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder that is named from the package file's, sorted; nothing where there is none."""

    def __hash__(self) -> int:
        """Of the view, not of the files: what was read through it is remembered for it alone."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string literal: its value, and the span of its text between the quotes, in code points.

    A placeholder such as `lib.fakeHash` has its whole span, and is not quoted.
    """

    value: str
    start: int
    end: int
    quoted: bool = True


@dataclass(frozen=True, slots=True)
class Pinned:
    """A component that a file pins.

    Attributes:
        component: `qemu`, `seabios`, `ovmf`, `ipxe` or `minios`.
        rev: the literal of its revision.
        hash: the literal of its hash.
        submodules: whether the submodules are fetched with it; None where that is not known.
    """

    component: str
    rev: Literal
    hash: Literal
    submodules: bool | None


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
        pins: the components that it pins, in its order.
        branch: where each branch has a file of its own: this one's.
        siblings: the branches that have such a file, this one's among them.
        efi: the default of the switch for `xen.efi`; None where there is none.
        naming: how the patches of advisories come that it lists by name; None where it lists them by their addresses.
        read_only: whether a file of its shape is read and not rewritten.
        mentions: places that name the version and are seen to by an edit, beside the literals.
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
    pins: tuple[Pinned, ...] = ()
    branch: str | None = None
    siblings: tuple[str, ...] = ()
    efi: bool | None = None
    naming: Naming | None = None
    read_only: bool = False
    mentions: tuple[Literal, ...] = ()

    @property
    def literals(self) -> tuple[Literal, ...]:
        """The literals that an edit replaces, in no order."""
        found = (self.version, self.tag, self.hash, self.rev, self.upstream_version)
        pinned = tuple(part for one in self.pins for part in (one.rev, one.hash))
        return (*(one for one in found if one is not None), *pinned)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a shape makes of the files.

    Attributes:
        spans: what is replaced in the package file.
        others: the new content of other files, named from the package file's folder; None for a file that goes.
        warnings: what a reviewer should know of it.
    """

    spans: tuple[Replacement, ...]
    others: tuple[tuple[str, bytes | None], ...] = ()
    warnings: tuple[str, ...] = ()


class Shape(Protocol):
    """One shape of the file. The registry is `xenbump.package.shapes.SHAPES`."""

    @property
    def key(self) -> str:
        """The shape's name, as `docs/interface.md` lists it."""

    def recognises(self, document: Document) -> bool:
        """Whether a file has this shape. At most one shape recognises a file."""

    def read(self, document: Document, beside: Beside) -> PackageFile:
        """What the file says.

        Args:
            document: the file.
            beside: the files around it.

        Raises:
            Refusal: something is missing, is no literal, or stands there twice; or the shape is not read here.
        """

    def edits(self, document: Document, file: PackageFile, plan: Plan, beside: Beside) -> Rewritten:
        """What to replace so that the file says what the plan wants.

        Args:
            document: the file.
            file: what `read` found in it.
            plan: made from just that.
            beside: the files around it, as `read` had them.

        Raises:
            Refusal: E-PATCH-LIST when a patch has no place to go to; the shape is not rewritten here.
            Failure: E-EDIT-CHECK when the plan's patches are not those of the file with what comes and goes.
        """
