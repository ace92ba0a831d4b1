"""The form of an annotated tag object: a few header lines, a message, and perhaps a signature over all before it.

Git has no document of it beyond `git help mktag`; the signature is appended to the message, and it signs every byte
that stands before its first line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xenbump.errors import Refusal

_HEADER = re.compile(
    rb"object (?P<object>[0-9a-f]{40})\ntype (?P<kind>[a-z]+)\ntag (?P<name>[^\n\0]+)\n(?:tagger [^\n]*\n)?(?:\n|\Z)"
)
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n"


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag.

    Attributes:
        object: identifier of what it points to.
        kind: the type of that object.
        name: the name inside the tag object, which need not be the name of the ref.
        signed: the bytes before the signature; all of it where there is none.
        signature: the armored signature; None where there is none.
    """

    object: str
    kind: str
    name: str
    signed: bytes
    signature: bytes | None


def parse_tag(raw: bytes, where: str) -> Tag:
    """Read the content of a tag object.

    Args:
        raw: the content, without the object's header.
        where: the tag's name, for errors.

    Raises:
        Refusal: E-TAG-FORM when it has not the lines of a tag object.
    """
    header = _HEADER.match(raw)
    if header is None:
        raise Refusal("E-TAG-FORM", "the tag object has not the header lines of a tag", where=where)
    at = raw.find(b"\n" + _SIGNATURE)
    end = len(raw) if at < 0 else at + 1
    return Tag(
        object=header["object"].decode(),
        kind=header["kind"].decode(),
        name=header["name"].decode("utf-8", "replace"),
        signed=raw[:end],
        signature=raw[end:] or None,
    )
