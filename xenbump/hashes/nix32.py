"""SHA-256 digests as Nix files have written them over the years: Nix' own base 32, hexadecimal, base64, SRI.

Nix' base 32 has no `e`, `o`, `t` and `u`, and its digits stand from the last bits of the digest to the first; the Nix
manual calls it "Nix32" (section "Hash formats" of `nix hash convert`).
"""

from __future__ import annotations

import re

from xenbump.hashes import sri

_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_BYTES, _LENGTH, _BITS = 32, 52, 5
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}", re.ASCII)


def decode(text: str) -> bytes | None:
    """The digest (32 bytes) of 52 digits of Nix' base 32; None where `text` is no such number."""
    if len(text) != _LENGTH or not _VALUES.keys() >= set(text):
        return None
    number = 0
    for digit in text:
        number = number << _BITS | _VALUES[digit]
    # 52 digits have 260 bits, of which the first four must be none.
    return number.to_bytes(_BYTES, "little") if number >> _BYTES * 8 == 0 else None


def any_form(text: str) -> bytes | None:
    """The digest (32 bytes) in any spelling that Nix takes for `sha256`; None where it is none of them."""
    name = "sha256:"
    plain = text.removeprefix(name)
    if _HEXADECIMAL.fullmatch(plain):
        return bytes.fromhex(plain)
    found = decode(plain)
    if found is None:
        found = sri.decode("sha256-" + plain)
    return found if found is not None else sri.decode(text)
