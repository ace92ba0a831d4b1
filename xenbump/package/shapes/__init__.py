"""The shapes of the Xen package file, one module each. A new shape is a new module and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.package.shapes import (
    build_xen_package,
    derivation_fetchgit,
    derivation_github,
    legacy,
    override_attrs,
    version_definition,
    version_table,
)

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document
    from xenbump.package.model import Shape

SHAPES: tuple[Shape, ...] = (
    *derivation_github.SHAPES,
    *derivation_fetchgit.SHAPES,
    *build_xen_package.SHAPES,
    *version_definition.SHAPES,
    *override_attrs.SHAPES,
    *version_table.SHAPES,
    *legacy.SHAPES,
)


def recognise(document: Document) -> Shape:
    """The shape of a file.

    Raises:
        Refusal: E-SHAPE-UNKNOWN when no shape or more than one recognises it.
    """
    found = [shape for shape in SHAPES if shape.recognises(document)]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(shape.key for shape in found)
        raise Refusal("E-SHAPE-UNKNOWN", f"the file looks like several shapes of the Xen package: {keys}")
    raise Refusal("E-SHAPE-UNKNOWN", "the file has no shape of the Xen package that is known")
