"""What a tree of Xen says of itself: its version, in `xen/Makefile`."""

from __future__ import annotations

import re

from xenbump.errors import Refusal

MAKEFILE = "xen/Makefile"
_ASSIGNMENT = re.compile(
    rb"^(?:export[ \t]+)?(?P<name>XEN_(?:VERSION|SUBVERSION|EXTRAVERSION))[ \t]*[?:]?=[ \t]*(?P<value>[^\s#]*)",
    re.MULTILINE,
)
_VENDOR = b"$(XEN_VENDORVERSION)"


def version(makefile: bytes | None, where: str) -> str:
    """The full version of a tree, such as `4.20.4` or `4.20.5-pre`.

    Args:
        makefile: the content of `xen/Makefile`; None where the tree has none.
        where: the tag or commit, for errors.

    Raises:
        Refusal: E-TREE-VERSION when it is not given in the form that Xen's Makefile has.
    """
    found: dict[bytes, set[bytes]] = {}
    for match in _ASSIGNMENT.finditer(makefile or b""):
        found.setdefault(match["name"], set()).add(match["value"].replace(_VENDOR, b""))
    parts = []
    for name in (b"XEN_VERSION", b"XEN_SUBVERSION", b"XEN_EXTRAVERSION"):
        values = found.get(name, set())
        if len(values) != 1:
            raise Refusal(
                "E-TREE-VERSION",
                f"{name.decode()} is assigned {len(values)} different values instead of one",
                where=f"{where}, {MAKEFILE}",
            )
        parts.append(values.pop().decode("utf-8", "replace"))
    return f"{parts[0]}.{parts[1]}{parts[2]}"
