"""Clear-signed texts, judged by the real gpgv: real, good, and with every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.advisories import DATA
from xenbump.demo.advisory_text import build, render
from xenbump.demo.signing import SigningKey
from xenbump.errors import Failure, Refusal
from xenbump.process import Completed
from xenbump.upstream import advisory
from xenbump.upstream.signature import Trust, load_trust, verify_clearsigned

if TYPE_CHECKING:
    from collections.abc import Iterator

XEN = "23E3222C145F4475FA8060A783FE14C957E82BD9"
REAL = (DATA / "advisory-509.txt").read_bytes()
TEXT = render(build(512, [("xsa512-?.patch", "xen-unstable - Xen 4.18.x"), ("xsa512-4.17.patch", "Xen 4.17.x")]))
END = b"-----END PGP SIGNATURE-----\n"


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with SigningKey() as made:
        yield made


@pytest.fixture(scope="module")
def other() -> Iterator[SigningKey]:
    with SigningKey() as made:
        yield made


@pytest.fixture(scope="module")
def trust(key: SigningKey) -> Trust:
    return Trust(key.public_key(armored=False), frozenset({key.fingerprint}))


@pytest.fixture(scope="module")
def signed(key: SigningKey) -> bytes:
    return key.clearsign(TEXT)


def refusal(content: bytes, trust: Trust) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verify_clearsigned(content, trust, what="advisory-512.txt")
    assert caught.value.where == "advisory-512.txt"
    return caught.value


def test_a_real_advisory_with_the_shipped_key() -> None:
    text, found = verify_clearsigned(REAL, load_trust(None, (XEN,)), what="advisory-509.txt")
    assert (found.fingerprint, found.made) == (XEN, 1788868541)
    assert text in REAL
    read = advisory.parse(text, 509)
    assert [(line.glob, line.range.text) for line in read.lines] == [("xsa509.patch", "xen-unstable - Xen 4.17.x")]


def test_what_was_signed_comes_out(key: SigningKey, trust: Trust, signed: bytes) -> None:
    text, found = verify_clearsigned(signed, trust, what="advisory-512.txt")
    assert text.rstrip(b"\n") == TEXT.rstrip(b"\n")
    assert found.fingerprint == key.fingerprint
    assert len(advisory.parse(text, 512).lines) == 2


def test_dashes_are_unescaped(key: SigningKey, trust: Trust) -> None:
    given = b"- one\n-----BEGIN PGP SIGNED MESSAGE-----\n-----BEGIN PGP SIGNATURE-----\n-- \nFrom here\n"
    content = key.clearsign(given)
    assert b"- -----BEGIN PGP SIGNATURE" in content
    text, _ = verify_clearsigned(content, trust, what="advisory-512.txt")
    assert [line.rstrip() for line in text.split(b"\n")] == [line.rstrip() for line in given.split(b"\n")]


def test_line_ends_and_white_space_behind_lines_are_not_signed(trust: Trust, signed: bytes) -> None:
    given = advisory.parse(TEXT, 512)
    for content in (signed.replace(b"\n", b"\r\n"), signed.replace(b".patch\n", b".patch \t \n")):
        assert content != signed
        text, _ = verify_clearsigned(content, trust, what="advisory-512.txt")
        assert advisory.parse(text, 512) == given


def test_white_space_around_is_allowed(trust: Trust, signed: bytes) -> None:
    text, _ = verify_clearsigned(b"\n \r\n" + signed + b"\n\n\t\n", trust, what="advisory-512.txt")
    assert text.rstrip(b"\n") == TEXT.rstrip(b"\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"4.18.x", b"4.19.x"),
        (b"xsa512-4.17.patch ", b"xsa512-4.16.patch "),
        (b"$ sha256sum", b"$  sha256sum"),
        (b"version 2", b"version 3"),
        (b"RESOLUTION\n", b""),
        (b"\n\nxsa512-4.17", b"\nxsa512-4.17"),
    ],
)
def test_a_text_that_was_tampered_with(trust: Trust, signed: bytes, old: bytes, new: bytes) -> None:
    content = signed.replace(old, new, 1)
    if content == signed:
        content = signed.replace(b"All versions", b"No versions", 1)
    assert refusal(content, trust).code == "E-SIGNATURE-BAD"


def test_real_text_with_another_range() -> None:
    content = REAL.replace(b"Xen 4.17.x", b"Xen 4.21.x")
    assert refusal(content, load_trust(None, (XEN,))).code == "E-SIGNATURE-BAD"


def test_a_foreign_key(trust: Trust, other: SigningKey) -> None:
    assert refusal(other.clearsign(TEXT), trust).code == "E-SIGNATURE-KEY"


def test_a_key_that_is_in_the_keyring_and_not_pinned(trust: Trust, other: SigningKey, signed: bytes) -> None:
    both = Trust(trust.keyring + other.public_key(armored=False), trust.fingerprints)
    assert refusal(other.clearsign(TEXT), both).code == "E-SIGNATURE-KEY"
    assert verify_clearsigned(signed, both, what="it")[1].fingerprint in trust.fingerprints


def test_a_key_that_has_expired() -> None:
    with SigningKey(expired=True) as old:
        trust = Trust(old.public_key(armored=False), frozenset({old.fingerprint}))
        error = refusal(old.clearsign(TEXT), trust)
    assert (error.code, "expired" in error.what) == ("E-SIGNATURE-BAD", True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        TEXT,
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + TEXT,
        b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
        b"-----BEGIN PGP SIGNED MESSAGE-----\n\na\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n" + END,
    ],
)
def test_without_a_signature(trust: Trust, content: bytes) -> None:
    assert refusal(content, trust).code == "E-SIGNATURE-BAD"


def test_a_whole_message_in_armor_is_not_a_clear_signed_text(trust: Trust, key: SigningKey) -> None:
    armored = key.sign_detached(TEXT)
    assert refusal(armored, trust).code == "E-SIGNATURE-BAD"
    assert refusal(armored.replace(b"SIGNATURE", b"MESSAGE"), trust).code == "E-SIGNATURE-BAD"


def test_a_signature_that_is_cut_off(trust: Trust, signed: bytes) -> None:
    assert refusal(signed[: -len(END)], trust).code == "E-SIGNATURE-BAD"
    head, _, _ = signed.partition(b"-----BEGIN PGP SIGNATURE")
    assert refusal(head, trust).code == "E-SIGNATURE-BAD"


def test_text_outside(trust: Trust, signed: bytes) -> None:
    extra = b"xsa512-4.16.patch   Xen 4.16.x\n"
    begin = b"-----BEGIN PGP SIGNED MESSAGE-----\n"
    for content in (
        extra + signed,
        signed + extra,
        signed + b"\x00",
        signed.replace(END, END.rstrip() + extra),
        signed.replace(begin, begin + b"Comment: " + extra),
        signed.replace(begin, begin + extra),
        signed.replace(begin, begin + b"NotDashEscaped: \n"),
    ):
        assert refusal(content, trust).code == "E-ADVISORY-OUTSIDE", content[:80]


def test_two_blocks(trust: Trust, other: SigningKey, signed: bytes) -> None:
    foreign = other.clearsign(TEXT)
    unsigned = b"-----BEGIN PGP SIGNED MESSAGE-----\n\n" + TEXT
    for content in (signed + signed, foreign + signed, signed + foreign, unsigned + signed):
        assert refusal(content, trust).code == "E-ADVISORY-OUTSIDE"


def test_two_signatures(trust: Trust, other: SigningKey, signed: bytes) -> None:
    second = other.sign_detached(TEXT)
    assert refusal(signed + second, trust).code == "E-ADVISORY-OUTSIDE"


def test_a_text_within_a_signed_text_is_only_a_text(key: SigningKey, other: SigningKey, trust: Trust) -> None:
    inner = other.clearsign(TEXT)
    text, found = verify_clearsigned(key.clearsign(inner), trust, what="it")
    assert found.fingerprint == key.fingerprint
    assert text.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----")
    with pytest.raises(Refusal):
        advisory.parse(text, 512)


def test_a_gpgv_that_says_good_and_writes_nothing(
    trust: Trust, signed: bytes, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    valid = f"VALIDSIG {key.fingerprint} 2026-01-01 1 0 4 0 22 8 01 {key.fingerprint}"
    said = f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0 x\n[GNUPG:] {valid}\n"
    monkeypatch.setattr(
        "xenbump.upstream.signature.process.run", lambda argv, **_: Completed(tuple(argv), 0, said.encode(), b"")
    )
    with pytest.raises(Failure) as caught:
        verify_clearsigned(signed, trust, what="it")
    assert caught.value.code == "E-PROGRAM-FAILED"
