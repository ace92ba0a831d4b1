"""The list of patches in a package file, as far as every shape shares it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xenbump.nixlang.find import bare, bindings, body, call, operands
from xenbump.nixlang.tree import AttrSet, Expression, List, String
from xenbump.plan.model import Patch

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document

_FETCHERS = frozenset({"fetchpatch", "fetchpatch2", "fetchurl"})
_ADVISORY = re.compile(r"\bxsa(\d{1,4})(?=[-./]|$)", re.ASCII | re.IGNORECASE)
# In its folder only where the folder has the same number.
_ADVISORY_FILE = re.compile(
    r"(?:(?:^|/)xsa(\d{1,5})(?=/xsa\1[-.])/|(?:^|/))xsa\d{1,5}(?:[-.][A-Za-z0-9._+-]*)?\.patch$", re.ASCII
)


def read(document: Document, node: AttrSet) -> tuple[tuple[Patch, ...], tuple[str, ...]]:
    """The patches that a derivation's set lists under `patches`.

    A conditional part of the list counts as listed: what is in it stays there whatever the condition says.

    Returns:
        The patches in order, and a warning for each part of the list that cannot be read.
    """
    found: list[Patch] = []
    warnings: list[str] = []
    for one in bindings(node, ["patches"]):
        for part in operands(one.value, "++"):
            listed = _list(part)
            if listed is None:
                warnings.append(f"a part of the patches is not a list that can be read ({document.where(part)})")
                continue
            found += [_patch(document, element) for element in listed.elements]
    return tuple(found), tuple(warnings)


def _list(part: Expression) -> List | None:
    """The list itself, or the one in `optionals condition [ … ]`."""
    if isinstance(part, List):
        return part
    conditional = call(part)
    if conditional and conditional.name and conditional.name.rpartition(".")[2] in {"optionals", "optional"}:
        last = bare(conditional.arguments[-1])
        return last if isinstance(last, List) else None
    return None


def _patch(document: Document, element: Expression) -> Patch:
    fetched = call(element)
    if fetched and fetched.name and fetched.name.rpartition(".")[2] in _FETCHERS:
        facts = body(fetched.arguments[-1])
        url, sri = (_text(document, facts, name) for name in ("url", "hash"))
        if url is not None:
            return Patch(url, advisory_of(url), sri)
    written = " ".join(document.text(bare(element)).split())
    return Patch(written, advisory_of(written), None)


def _text(document: Document, facts: Expression, name: str) -> str | None:
    """The text of the one binding of a name, as written where it is more than a literal."""
    found = bindings(facts, [name])
    if len(found) != 1:
        return None
    value = bare(found[0].value)
    text = value.literal() if isinstance(value, String) else None
    return document.text(value).strip('"') if text is None else text


def advisory_file(address: str) -> str | None:
    """The name by which an advisory lists the patch at an address: `xsaN….patch`, below `xsaN/` where it lies there.

    Returns:
        The name; None where the address is none of an advisory's patch.
    """
    match = _ADVISORY_FILE.search(address)
    return None if match is None else match[0].removeprefix("/")


def advisory_of(name: str) -> int | None:
    """The number of the advisory that a patch's address or file name gives; None where it gives none."""
    match = _ADVISORY.search(name)
    return int(match[1]) if match else None
