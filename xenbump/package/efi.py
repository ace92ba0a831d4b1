"""The switch for `xen.efi`: a formal argument `withEFI ? true` of a function in the file.

`xen.efi` needs a linker that knows PE. Older files build one for it and have the switch; files without it always build
what their linker can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.nixlang.edit import Replacement
from xenbump.nixlang.find import bare, walk
from xenbump.nixlang.tree import Formal, Identifier
from xenbump.package.literals import shown

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document

_SWITCH = "withEFI"
_VALUES = {"true": True, "false": False}


def read(document: Document) -> bool | None:
    """The default of the switch; None where the file has none, or its default is no plain `true` or `false`."""
    found = _defaults(document)
    return _VALUES.get(found[0].name) if len(found) == 1 else None


def edits(document: Document, wanted: bool | None) -> tuple[Replacement, ...]:  # noqa: FBT001 - the value, not a mode
    """Set the default of the switch.

    Args:
        document: the file.
        wanted: the default; None: as it is.

    Raises:
        Refusal: E-EFI-SWITCH when there is no such switch, more than one, or its default is an expression.
    """
    if wanted is None:
        return ()
    found = _defaults(document)
    if len(found) != 1 or found[0].name not in _VALUES:
        what = f"{len(found)} arguments `{_SWITCH}` with a default stand in the file instead of one"
        if len(found) == 1:
            what = f"the default of `{_SWITCH}` is `{shown(document, found[0])}`, not true or false"
        raise Refusal("E-EFI-SWITCH", what, where=document.where(found[0] if found else document.root))
    if _VALUES[found[0].name] == wanted:
        return ()
    return (Replacement(found[0].start, found[0].end, "true" if wanted else "false"),)


def _defaults(document: Document) -> list[Identifier]:
    """The defaults that the switch has, where a default is one name."""
    formals = (node for node in walk(document) if isinstance(node, Formal) and node.name.name == _SWITCH)
    return [value for one in formals if one.default is not None and isinstance(value := bare(one.default), Identifier)]
