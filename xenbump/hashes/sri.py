"""Hashes in the SRI form that Nix writes: `sha256-` and the padded base64 of the digest.

Specified in the W3C recommendation "Subresource Integrity", section 3.1; Nix takes one hash and no options.
"""

from __future__ import annotations

import base64
import binascii
import re

_SRI = re.compile(r"sha256-([A-Za-z0-9+/]{43}=)")
_DIGEST_BYTES = 32


def encode(digest: bytes) -> str:
    """The SRI of a SHA-256 digest of 32 bytes.

    Raises:
        ValueError: the digest has another length.
    """
    if len(digest) != _DIGEST_BYTES:
        message = f"a SHA-256 digest has {_DIGEST_BYTES} bytes, this one {len(digest)}"
        raise ValueError(message)
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def decode(text: str) -> bytes | None:
    """The digest (32 bytes) in an SRI, or None where `text` is not exactly one SHA-256 in canonical base64.

    Canonical means that encoding the digest gives `text` again: base64 has four spellings of the last digit, and Nix
    refuses three of them.
    """
    match = _SRI.fullmatch(text)
    if match is None:
        return None
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return None
    return digest if encode(digest) == text else None


def is_hash(text: str) -> bool:
    """Whether a text is one SHA-256 in SRI form, and not the all-zero one that people write for a hash to be found."""
    digest = decode(text)
    return digest is not None and digest != bytes(_DIGEST_BYTES)
