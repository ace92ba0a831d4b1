"""Hashes in the form that Nix writes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.hashes import sri

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ZERO = "sha256-" + "A" * 43 + "="


@given(st.binary(min_size=32, max_size=32))
def test_what_is_encoded_is_decoded(digest: bytes) -> None:
    text = sri.encode(digest)
    assert sri.decode(text) == digest
    assert text == "sha256-" + base64.b64encode(digest).decode()


@given(st.binary(max_size=70).filter(lambda digest: len(digest) != 32))
def test_only_digests_of_32_bytes_are_encoded(digest: bytes) -> None:
    with pytest.raises(ValueError, match=f"this one {len(digest)}"):
        sri.encode(digest)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(DIGITS))
def test_one_spelling_of_the_last_digit_is_canonical(digest: bytes, digit: str) -> None:
    text = sri.encode(digest)
    spelled = text[:-2] + digit + "="
    assert (sri.decode(spelled) == digest) == (spelled == text)
    assert (sri.decode(spelled) is None) == (DIGITS.index(digit) % 4 != 0)


@given(st.text(st.sampled_from(DIGITS + "=- \nsha256"), max_size=60) | st.text(max_size=60))
def test_whatever_is_decoded_is_canonical(text: str) -> None:
    for given_text in (text, "sha256-" + text, "sha256-" + (text + "A" * 43)[:43] + "="):
        digest = sri.decode(given_text)
        assert digest is None or sri.encode(digest) == given_text


@pytest.mark.parametrize(
    "text",
    [
        *("", "sha256-", ZERO[:-1], ZERO + "=", ZERO + "\n", " " + ZERO, ZERO.replace("A=", "B="), ZERO[7:]),
        *(ZERO.replace("256", "512"), ZERO.upper(), ZERO.replace("-", ":"), ZERO + "?x", f"{ZERO} {ZERO}"),
        *(ZERO.replace("A", "-", 1), ZERO.replace("AA", "A\n", 1), "sha256-" + "0" * 64),
        *(ZERO.replace("A", "\uff21", 1)),
    ],
)
def test_other_spellings_are_no_hash(text: str) -> None:
    assert sri.decode(text) is None
