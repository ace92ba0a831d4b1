"""Signatures, with the real gpg and gpgv: of Xen's own tags, and of keys made for the occasion."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.upstream.support import DATA, trust_in
from xenbump.demo.signing import SigningKey
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.process import run
from xenbump.settings import PROJECT_KEY
from xenbump.upstream import release
from xenbump.upstream.signature import Trust, load_trust, verify
from xenbump.upstream.tag import parse_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIGNED = b"Some bytes that count.\n"


def code_of(signed: bytes, signature: bytes, trust: Trust) -> str:
    """The code that a signature is refused with."""
    with pytest.raises(Refusal) as caught:
        verify(signed, signature, trust, what="tag RELEASE-4.20.4")
    assert caught.value.where == "tag RELEASE-4.20.4"
    return caught.value.code


def real_tag(name: str) -> tuple[bytes, bytes]:
    """The signed part of one of Xen's tag objects, and its signature."""
    tag = parse_tag((DATA / "tags" / name).read_bytes(), name)
    assert tag.name == name
    assert tag.signature is not None
    return tag.signed, tag.signature


@pytest.fixture(scope="module")
def shipped() -> Trust:
    """What is believed when nothing is configured."""
    return load_trust(None, (PROJECT_KEY,))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("RELEASE-4.2.2", 1366810215),  # SHA-1
        ("RELEASE-4.13.0", 1576592648),
        ("RELEASE-4.20.3", 1774533480),
        ("RELEASE-4.22.0", 1785355608),
        ("xen-RELEASE-4.14.5", 1649843784),
    ],
)
def test_tags_of_the_xen_project(name: str, made: int, shipped: Trust) -> None:
    signature = verify(*real_tag(name), shipped, what=name)
    assert signature.fingerprint == PROJECT_KEY
    assert abs(signature.made - made) < 60
    assert (release.version_of(name) is None) == name.startswith("xen-")


def test_a_candidate_signed_by_another_key_of_the_project(shipped: Trust) -> None:
    assert code_of(*real_tag("4.5.0-rc1"), shipped) == "E-SIGNATURE-KEY"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_altered_byte_passes(data: st.DataObject) -> None:
    signed, signature = real_tag("RELEASE-4.22.0")
    at = data.draw(st.integers(0, len(signed) - 1))
    altered = signed[:at] + bytes([signed[at] ^ data.draw(st.integers(1, 255))]) + signed[at + 1 :]
    assert code_of(altered, signature, load_trust(None, (PROJECT_KEY,))) == "E-SIGNATURE-BAD"


def test_the_signature_of_another_release_does_not_pass(shipped: Trust) -> None:
    assert code_of(real_tag("RELEASE-4.22.0")[0], real_tag("RELEASE-4.20.3")[1], shipped) == "E-SIGNATURE-BAD"


def test_a_key_of_our_own(key: SigningKey) -> None:
    signature = verify(SIGNED, key.sign_detached(SIGNED), trust_in(key), what="x")
    assert signature.fingerprint == key.fingerprint
    assert signature.made > 1_700_000_000


def test_a_key_that_is_not_in_the_keyring(key: SigningKey, other_key: SigningKey) -> None:
    assert code_of(SIGNED, other_key.sign_detached(SIGNED), trust_in(key)) == "E-SIGNATURE-KEY"


def test_a_key_that_is_in_the_keyring_and_not_pinned(key: SigningKey, other_key: SigningKey) -> None:
    signature = other_key.sign_detached(SIGNED)
    assert code_of(SIGNED, signature, trust_in(key, other_key)) == "E-SIGNATURE-KEY"
    both = trust_in(key, other_key, pinned=other_key)
    assert verify(SIGNED, signature, both, what="x").fingerprint == other_key.fingerprint


def test_two_signatures_are_not_one(key: SigningKey, other_key: SigningKey) -> None:
    mine, others = key.sign_detached(SIGNED), other_key.sign_detached(SIGNED)
    for pair in ((mine, mine), (mine, others), (others, mine)):
        assert code_of(SIGNED, b"".join(pair), trust_in(key, other_key)) == "E-SIGNATURE-BAD"
        assert code_of(SIGNED, b"".join(map(binary, pair)), trust_in(key, other_key)) == "E-SIGNATURE-BAD"


def binary(armored: bytes) -> bytes:
    """An armored block without its armor."""
    lines = armored.split(b"\n\n", 1)[1].splitlines()
    return base64.b64decode(b"".join(line for line in lines if not line.startswith((b"=", b"-"))))


def test_a_signature_without_armor(key: SigningKey) -> None:
    assert verify(SIGNED, binary(key.sign_detached(SIGNED)), trust_in(key), what="x").fingerprint == key.fingerprint


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"not a signature",
        lambda signature: signature[: len(signature) // 2],
        lambda signature: signature.replace(b"\n\n", b"\n\nAAAA", 1),
    ],
    ids=["empty", "text", "cut", "damaged"],
)
def test_what_gpgv_cannot_read_is_refused(damage: Callable[[bytes], bytes], key: SigningKey) -> None:
    assert code_of(SIGNED, damage(key.sign_detached(SIGNED)), trust_in(key)) == "E-SIGNATURE-BAD"


def test_a_signature_that_carries_its_own_message_is_refused(key: SigningKey) -> None:
    argv = ["gpg", "--batch", "--quiet", "--local-user", key.fingerprint, "--armor"]
    attached = run([*argv, "--sign"], env={"GNUPGHOME": str(key.home)}, stdin=SIGNED).stdout
    for signature in (attached, key.clearsign(SIGNED)):
        with pytest.raises((Refusal, Failure)) as caught:
            verify(SIGNED, signature, trust_in(key), what="x")
        assert caught.value.code in {"E-SIGNATURE-BAD", "E-PROGRAM-FAILED"}


def test_a_key_that_has_expired() -> None:
    with SigningKey(expired=True) as old:
        assert code_of(SIGNED, old.sign_detached(SIGNED), trust_in(old)) == "E-SIGNATURE-BAD"


def test_a_signature_that_has_expired(key: SigningKey) -> None:
    # A key from 2020 that is still valid, since the signature must not be older than its key.
    with SigningKey() as old:
        env = {"GNUPGHOME": str(old.home)}
        clock = ["gpg", "--batch", "--quiet", "--faked-system-time", "20200101T120000"]
        made = ["--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", "Old <old@localhost>"]
        run([*clock, *made, "ed25519", "sign", "never"], env=env)
        signing = ["--default-sig-expire", "1", "--local-user", "Old", "--detach-sign"]
        signature = run([*clock, *signing], env=env, stdin=SIGNED).stdout
        keys = run(["gpg", "--batch", "--export", "Old"], env=env).stdout
        listing = run(["gpg", "--batch", "--with-colons", "--list-keys", "Old"], env=env).stdout.decode()
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))
    assert fingerprint != key.fingerprint
    with pytest.raises(Refusal, match="expired") as caught:
        verify(SIGNED, signature, Trust(keys, frozenset({fingerprint})), what="x")
    assert caught.value.code == "E-SIGNATURE-BAD"


def test_a_key_that_has_been_revoked() -> None:
    with SigningKey() as lost:
        signature = lost.sign_detached(SIGNED)
        prepared = (lost.home / "openpgp-revocs.d" / f"{lost.fingerprint}.rev").read_bytes()
        revocation = prepared[prepared.index(b":-----BEGIN") + 1 :]
        run(["gpg", "--batch", "--quiet", "--import"], env={"GNUPGHOME": str(lost.home)}, stdin=revocation)
        with pytest.raises(Refusal, match="revoked") as caught:
            verify(SIGNED, signature, trust_in(lost), what="x")
    assert caught.value.code == "E-SIGNATURE-BAD"


def test_a_subkey_signs_for_its_primary_key() -> None:
    with SigningKey() as primary:
        env = {"GNUPGHOME": str(primary.home)}
        unattended = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        run([*unattended, "--quick-add-key", primary.fingerprint, "ed25519", "sign"], env=env)
        listing = run(["gpg", "--batch", "--with-colons", "--list-keys"], env=env).stdout.decode()
        subkey = [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")][1]
        by_subkey = ["--local-user", f"{subkey}!", "--detach-sign"]
        signature = run(["gpg", "--batch", *by_subkey], env=env, stdin=SIGNED).stdout
        trust = trust_in(primary)
        assert verify(SIGNED, signature, trust, what="x").fingerprint == primary.fingerprint
        pinned_subkey = Trust(trust.keyring, frozenset({subkey}))
        assert code_of(SIGNED, signature, pinned_subkey) == "E-SIGNATURE-KEY"


def test_without_gpgv_nothing_is_believed(key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = key.sign_detached(SIGNED)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure) as caught:
        verify(SIGNED, signature, Trust(b"\x99", frozenset()), what="x")
    assert caught.value.code == "E-PROGRAM-MISSING"
    assert "`gpgv`" in caught.value.what


@pytest.mark.parametrize("said", ["", "exit 0", "exit 2", "echo '[GNUPG:] GOODSIG'; exit 2", "echo '[GNUPG:] NEWSIG'"])
def test_a_gpgv_that_does_not_say_enough_is_not_believed(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Trust
) -> None:
    fake = tmp_path / "gpgv"
    fake.write_text(f"#!/bin/sh\n{said}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises((Failure, Refusal)) as caught:
        verify(*real_tag("RELEASE-4.22.0"), shipped, what="x")
    assert caught.value.code == ("E-SIGNATURE-BAD" if "GNUPG" in said else "E-PROGRAM-FAILED")


def good_lines(fingerprint: str) -> Iterator[str]:
    yield "[GNUPG:] NEWSIG"
    yield "[GNUPG:] GOODSIG 83FE14C957E82BD9 x"
    yield f"[GNUPG:] VALIDSIG {fingerprint} 2026-01-01 1767225600 0 4 0 22 10 00 {fingerprint}"


@pytest.mark.parametrize("left_out", [None, 0, 1, 2])
def test_every_line_of_gpgv_is_needed(
    left_out: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Trust
) -> None:
    lines = [line for number, line in enumerate(good_lines(PROJECT_KEY)) if number != left_out]
    fake = tmp_path / "gpgv"
    fake.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if left_out is None:
        assert verify(b"", b"", shipped, what="x").made == 1767225600
    else:
        with pytest.raises(Refusal) as caught:
            verify(b"", b"", shipped, what="x")
        assert caught.value.code == "E-SIGNATURE-BAD"


def test_a_keyring_with_and_without_armor_is_the_same(key: SigningKey, tmp_path: Path) -> None:
    pinned = (key.fingerprint,)
    plain = key.public_key(armored=False)
    armored = key.public_key()
    for number, content in enumerate(
        (plain, armored, b"Comment: ours\n\n" + armored, armored.replace(b"\n", b"\r\n"), armored.rstrip(b"\n"))
    ):
        path = tmp_path / str(number)
        path.write_bytes(content)
        trust = load_trust(path, pinned)
        assert trust == Trust(plain, frozenset(pinned))


def test_several_armored_keys_in_one_file(key: SigningKey, other_key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys.asc"
    path.write_bytes(b"one:\n" + key.public_key() + b"\nanother:\n" + other_key.public_key())
    trust = load_trust(path, (other_key.fingerprint,))
    assert trust.keyring == key.public_key(armored=False) + other_key.public_key(armored=False)
    assert verify(SIGNED, other_key.sign_detached(SIGNED), trust, what="x").fingerprint == other_key.fingerprint
    assert code_of(SIGNED, key.sign_detached(SIGNED), trust) == "E-SIGNATURE-KEY"


def without_line(armored: bytes, number: int) -> bytes:
    lines = armored.splitlines(keepends=True)
    return b"".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no key at all\n",
        lambda armored: armored.replace(b"-----END", b"-----ENT"),
        lambda armored: armored.replace(b"\n\n", b"\n\n!", 1),
        lambda armored: armored.replace(b"\n\n", b"\n\nA", 1),
        lambda armored: armored[: len(armored) // 2],
        lambda armored: armored.replace(b"PUBLIC", b"PRIVATE"),
        lambda armored: armored + armored.replace(b"\n\n", b"\n\n!", 1),
        lambda armored: without_line(armored, 3),
        lambda armored: armored.replace(b"-----END", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END"),
    ],
    ids=["empty", "text", "end", "character", "length", "cut", "secret", "second block", "line", "nested"],
)
def test_a_damaged_keyring_is_refused(damage: Callable[[bytes], bytes], key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys.asc"
    path.write_bytes(damage(key.public_key()))
    with pytest.raises(UsageError) as caught:
        load_trust(path, (key.fingerprint,))
    assert (caught.value.code, caught.value.where) == ("E-KEYRING", str(path))


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_binary_keyring_that_ends_early_is_refused(cut: int, key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys.gpg"
    path.write_bytes(key.public_key(armored=False)[:-cut])
    with pytest.raises(UsageError) as caught:
        load_trust(path, (key.fingerprint,))
    assert caught.value.code == "E-KEYRING"


def test_a_signature_is_no_keyring(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "keys.gpg"
    path.write_bytes(binary(key.sign_detached(SIGNED)))
    with pytest.raises(UsageError) as caught:
        load_trust(path, (key.fingerprint,))
    assert caught.value.code == "E-KEYRING"


def test_a_keyring_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(UsageError, match=reason) as caught:
            load_trust(path, (PROJECT_KEY,))
        assert (caught.value.code, caught.value.where) == ("E-KEYRING", str(path))


@pytest.mark.parametrize(
    "fingerprints", [(), ("",), ("23E3222C",), (PROJECT_KEY[:-1],), (PROJECT_KEY, "0x" + PROJECT_KEY), ("G" * 40,)]
)
def test_what_is_no_fingerprint_is_refused(fingerprints: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        load_trust(None, fingerprints)
    assert caught.value.code == "E-KEYRING"


def test_a_fingerprint_may_be_written_as_gpg_shows_it() -> None:
    shown = "23e3 222C 145F 4475 FA80  60A7 83FE 14C9 57E8 2BD9"
    assert load_trust(None, (shown,)).fingerprints == {PROJECT_KEY}
