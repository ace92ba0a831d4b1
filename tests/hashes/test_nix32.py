"""Digests in the spellings that Nix has had for them; the vectors are what `nix-hash` gives."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.hashes import nix32, sri

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
EMPTY = hashlib.sha256(b"").digest()
OF_EMPTY = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"


def written(digest: bytes) -> str:
    """Nix' base 32 of a digest, bit by bit as the Nix manual has it."""
    number = int.from_bytes(digest, "little")
    return "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(52)))


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (OF_EMPTY, EMPTY.hex()),
        ("0" * 52, "0" * 64),
        ("1" + "z" * 51, "f" * 64),
        ("1" + "0" * 50 + "1", "01" + "0" * 60 + "80"),
        (
            "16x4fhix9ss1b27ii83fwd94j8wk499m9nx19jqa34rzdphb7rp1",
            "e1e6b3e06d3f93a1b04ca1db54532293234952e36ea0188f5841ebd42374a49b",
        ),
    ],
)
def test_known_digests(text: str, digest: str) -> None:
    assert nix32.decode(text) == bytes.fromhex(digest)


@given(st.binary(min_size=32, max_size=32))
def test_any_digest_comes_back(digest: bytes) -> None:
    assert nix32.decode(written(digest)) == digest
    spellings = (written(digest), digest.hex(), sri.encode(digest), sri.encode(digest).removeprefix("sha256-"))
    assert {nix32.any_form(text) for text in spellings} == {digest}
    assert nix32.any_form("sha256:" + written(digest)) == digest


@pytest.mark.parametrize(
    "text",
    ["", "0" * 51, "0" * 53, "2" + "0" * 51, "z" * 52, "e" + "0" * 51, "0" * 51 + "O", "0" * 51 + "\u0660"],
)
def test_what_is_no_digest_in_base_32(text: str) -> None:
    assert nix32.decode(text) is None
    assert nix32.any_form(text) is None


@given(st.text(alphabet=DIGITS + "=-+/:sha256", max_size=110))
def test_no_text_is_taken_for_more_than_it_is(text: str) -> None:
    found = nix32.any_form(text)
    assert found is None or len(found) == 32


def test_two_in_one_are_none() -> None:
    assert nix32.any_form(sri.encode(EMPTY) * 2) is None
