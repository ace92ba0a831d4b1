"""Hashes as a file has them: in SRI form, doubled by mistake, or a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.hashes import sri
from xenbump.nixlang.find import bindings, dotted
from xenbump.package.literals import literal_of, value_of
from xenbump.package.model import Literal

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.nixlang.tree import AttrSet

_FAKE = frozenset({"fakeHash", "fakeSha256"})


def read(document: Document, holder: AttrSet) -> tuple[Literal, tuple[str, ...]]:
    """The literal of the source hash, and a warning where it is not one hash or a placeholder.

    Raises:
        Refusal: E-MISSING, E-NOT-LITERAL.
    """
    found = of(document, holder)
    return found, odd(document, found, "the source hash")


def of(document: Document, holder: AttrSet) -> Literal:
    """The literal of a hash, or the placeholder that nixpkgs' library has for one.

    Raises:
        Refusal: E-MISSING, E-NOT-LITERAL.
    """
    value = value_of(document, holder, "hash")
    name = dotted(value) or ""
    if name.rpartition(".")[2] in _FAKE and bindings(holder, ["hash"]):
        return Literal(name, value.start, value.end, quoted=False)
    return literal_of(document, holder, "hash")


def odd(document: Document, found: Literal, what: str) -> tuple[str, ...]:
    """A warning where a hash is not one SHA-256 in SRI form, or is a placeholder."""
    if sri.is_hash(found.value):
        return ()
    if sri.decode(found.value) is None and found.quoted:
        return (f"{what} is not one SHA-256 in SRI form ({document.where(found.start)})",)
    return (f"{what} is a placeholder ({document.where(found.start)})",)
