"""What becomes of signatures when keys change, end and come twice, and which digests count; with the real gpg."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.upstream.support import DATA, trust_in
from xenbump.demo.signing import SigningKey
from xenbump.doctor import project
from xenbump.doctor.model import Check, Result
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.process import Completed, run
from xenbump.settings import PROJECT_KEY
from xenbump.upstream import keyring
from xenbump.upstream.signature import SHA1_BEFORE, Signature, Trust, load_trust, verify, verify_clearsigned
from xenbump.upstream.tag import parse_tag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIGNED = b"Some bytes that count.\n"
DAY = 86400
BORN = int(datetime(2012, 1, 2, tzinfo=UTC).timestamp())
SIGNED_AT = BORN + 30 * DAY
TAGS = DATA / "tags"


def gpg(key: SigningKey, *arguments: str, at: int | None = None, stdin: bytes = b"") -> bytes:
    """What gpg answers in a key's own folder, as if it was then."""
    clock = [] if at is None else ["--faked-system-time", f"{at}!"]
    argv = ["gpg", "--no-options", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *clock]
    return run([*argv, *arguments], env={"GNUPGHOME": str(key.home)}, stdin=stdin).stdout


def exported(key: SigningKey) -> bytes:
    return key.public_key(armored=False)


def revoke(key: SigningKey) -> None:
    prepared = (key.home / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_bytes()
    gpg(key, "--import", stdin=prepared[prepared.index(b":-----BEGIN") + 1 :])


def subkeys(key: SigningKey) -> list[str]:
    listing = gpg(key, "--with-colons", "--list-keys").decode()
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")][1:]


def refusal(signature: bytes, trust: Trust) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verify(SIGNED, signature, trust, what="tag RELEASE-4.20.4")
    assert caught.value.where == "tag RELEASE-4.20.4"
    return caught.value


def believed(signature: bytes, trust: Trust) -> Signature:
    return verify(SIGNED, signature, trust, what="tag RELEASE-4.20.4")


@pytest.fixture(scope="module")
def old() -> Iterator[SigningKey]:
    """A key of 2012 without an end."""
    with SigningKey(made_at=BORN, user_id="Old key <old@localhost>") as one:
        yield one


@pytest.fixture(scope="module")
def forms() -> Iterator[tuple[SigningKey, dict[str, bytes], bytes]]:
    """A key, as it was at several times (one form behind the other in time), and a signature from its beginning."""
    with SigningKey(made_at=BORN, user_id="Renewed key <renewed@localhost>") as one:
        signature = one.sign_detached(SIGNED, at=SIGNED_AT)
        found = {}
        for name, expire in (("expired", "seconds=5184000"), ("renewed", "0")):
            at = BORN + (40 if name == "expired" else 50) * DAY
            gpg(one, "--quick-set-expire", one.fingerprint, expire, at=at)
            found[name] = exported(one)
        revoke(one)
        found["revoked"] = exported(one)
        yield one, found, signature


# --- a new key -------------------------------------------------------------------------------------------------------


def test_a_new_key_is_refused_until_a_person_has_added_key_and_fingerprint(
    key: SigningKey, other_key: SigningKey
) -> None:
    by_new = other_key.sign_detached(SIGNED)
    unknown = refusal(by_new, trust_in(key))
    assert (unknown.code, unknown.what) == (
        "E-SIGNATURE-KEY",
        f"it is signed by the key {other_key.fingerprint}, which is not in the keyring",
    )
    for word in ("compare the fingerprint", "another place", "upstream.keyring", "upstream.fingerprints"):
        assert word in unknown.remedy
    half = refusal(by_new, trust_in(key, other_key))
    assert (half.code, half.what) == (
        "E-SIGNATURE-KEY",
        f"it is signed by the key {other_key.fingerprint}, which is in the keyring but not pinned",
    )
    assert "upstream.fingerprints" in half.remedy
    other_half = refusal(by_new, Trust(exported(key), frozenset({key.fingerprint, other_key.fingerprint})))
    assert (other_half.code, other_half.what) == (
        "E-SIGNATURE-KEY",
        f"it is signed by the key {other_key.fingerprint}, which is pinned but not in the keyring",
    )
    both = Trust(exported(key) + exported(other_key), frozenset({key.fingerprint, other_key.fingerprint}))
    assert believed(by_new, both).fingerprint == other_key.fingerprint


def test_two_keys_at_once_and_the_old_one_taken_out(key: SigningKey, other_key: SigningKey) -> None:
    by_old, by_new = key.sign_detached(SIGNED), other_key.sign_detached(SIGNED)
    both = Trust(exported(key) + exported(other_key), frozenset({key.fingerprint, other_key.fingerprint}))
    assert believed(by_old, both).fingerprint == key.fingerprint
    assert believed(by_new, both).fingerprint == other_key.fingerprint
    new_alone = trust_in(other_key)
    assert believed(by_new, new_alone).fingerprint == other_key.fingerprint
    assert refusal(by_old, new_alone).code == "E-SIGNATURE-KEY"


def test_the_same_holds_for_advisories(key: SigningKey, other_key: SigningKey) -> None:
    text = other_key.clearsign(b"An advisory.\n")
    with pytest.raises(Refusal, match=other_key.fingerprint) as caught:
        verify_clearsigned(text, trust_in(key), what="advisory 500")
    assert (caught.value.code, caught.value.where) == ("E-SIGNATURE-KEY", "advisory 500")
    assert verify_clearsigned(text, trust_in(other_key), what="x")[0] == b"An advisory.\n"


# --- keys that end ---------------------------------------------------------------------------------------------------


def test_an_expired_key_is_refused_also_for_what_it_signed_before(
    forms: tuple[SigningKey, dict[str, bytes], bytes],
) -> None:
    key, form, signature = forms
    found = refusal(signature, Trust(form["expired"], frozenset({key.fingerprint})))
    assert (found.code, found.what) == (
        "E-SIGNATURE-BAD",
        f"the signature of 2012-02-01 is by a key that has expired on 2012-04-11, of {key.fingerprint}",
    )
    assert "renewed" in found.remedy


def test_a_renewed_key_is_the_same_key(forms: tuple[SigningKey, dict[str, bytes], bytes], tmp_path: Path) -> None:
    key, form, signature = forms
    assert believed(signature, Trust(form["renewed"], frozenset({key.fingerprint}))).made == SIGNED_AT
    for order in (("expired", "renewed"), ("renewed", "expired")):
        path = tmp_path / "keys.gpg"
        path.write_bytes(b"".join(form[name] for name in order))
        trust = load_trust(path, (key.fingerprint,))
        assert believed(signature, trust).fingerprint == key.fingerprint
        assert [one.expires for one in keyring.keys(trust.keyring)] == [None]
    # gpgv by itself looks at the first alone; else the test would show nothing.
    raw = Trust(form["expired"] + form["renewed"], frozenset({key.fingerprint}))
    assert "expired" in refusal(signature, raw).what


@pytest.mark.parametrize("order", [("revoked",), ("renewed", "revoked"), ("revoked", "renewed", "expired")])
def test_a_revoked_key_is_refused_wherever_the_revocation_stands(
    order: tuple[str, ...], forms: tuple[SigningKey, dict[str, bytes], bytes], tmp_path: Path
) -> None:
    key, form, signature = forms
    path = tmp_path / "keys.gpg"
    path.write_bytes(b"".join(form[name] for name in order))
    trust = load_trust(path, (key.fingerprint,))
    found = refusal(signature, trust)
    assert (found.code, found.what) == (
        "E-SIGNATURE-BAD",
        f"the signature of 2012-02-01 is by a key that has been revoked, of {key.fingerprint}",
    )
    assert [one.revoked for one in keyring.keys(trust.keyring)] == [True]


def test_a_subkey_signs_until_it_expires_or_is_revoked() -> None:
    with SigningKey(made_at=BORN, user_id="Has subkeys <has@localhost>") as key:
        gpg(key, "--quick-add-key", key.fingerprint, "ed25519", "sign", "seconds=8640000", at=BORN)
        gpg(key, "--quick-add-key", key.fingerprint, "ed25519", "sign", "0", at=BORN)
        by = [gpg(key, "--local-user", f"{one}!", "--detach-sign", at=SIGNED_AT, stdin=SIGNED) for one in subkeys(key)]
        trust = trust_in(key)
        found = refusal(by[0], trust)
        assert (found.code, "expired" in found.what) == ("E-SIGNATURE-BAD", True)
        assert believed(by[1], trust).fingerprint == key.fingerprint
        # The menu of a key's editor: the second subkey, without a reason, and yes.
        answers = b"key 2\nrevkey\ny\n0\n\ny\nsave\n"
        gpg(
            key,
            "--no-batch",
            "--no-tty",
            "--command-fd",
            "0",
            "--status-fd",
            "2",
            "--edit-key",
            key.fingerprint,
            stdin=answers,
        )
        found = refusal(by[1], trust_in(key))
        assert (found.code, "revoked" in found.what) == ("E-SIGNATURE-BAD", True)


def test_a_subkey_that_may_not_sign_does_not() -> None:
    with SigningKey(user_id="For another use <use@localhost>") as key:
        gpg(key, "--quick-add-key", key.fingerprint, "ed25519", "sign", "0")
        (subkey,) = subkeys(key)
        signature = gpg(key, "--local-user", f"{subkey}!", "--detach-sign", stdin=SIGNED)
        assert believed(signature, trust_in(key)).fingerprint == key.fingerprint
        time.sleep(1.1)  # a later statement on the subkey needs a later second
        answers = b"key 1\nchange-usage\ns\na\nq\nsave\n"
        gpg(
            key,
            "--no-batch",
            "--no-tty",
            "--command-fd",
            "0",
            "--status-fd",
            "2",
            "--edit-key",
            key.fingerprint,
            stdin=answers,
        )
        assert refusal(signature, trust_in(key)).code == "E-SIGNATURE-BAD"


def test_a_signature_from_the_future(old: SigningKey) -> None:
    now = int(time.time())
    soon = old.sign_detached(SIGNED, at=now + DAY // 2)
    assert believed(soon, trust_in(old)).made == now + DAY // 2
    found = refusal(old.sign_detached(SIGNED, at=now + 2 * DAY), trust_in(old))
    assert found.code == "E-SIGNATURE-BAD"
    assert "this machine's clock shows" in found.what
    assert "clock" in found.remedy


# --- digests ---------------------------------------------------------------------------------------------------------


def with_digest(key: SigningKey, digest: str, at: int, *more: str) -> bytes:
    return gpg(
        key, "--allow-weak-digest-algos", "--digest-algo", digest, *(more or ("--detach-sign",)), at=at, stdin=SIGNED
    )


@pytest.mark.parametrize(
    ("digest", "at", "told"),
    [
        ("SHA1", SHA1_BEFORE - 1, None),
        ("SHA1", SHA1_BEFORE, "is over SHA-1; such count only if made before 2018-07-13"),
        ("RIPEMD160", SIGNED_AT, "the signature, of 2012-02-01, is over RIPEMD-160"),
        ("MD5", SIGNED_AT, "is over MD5, which the gpgv of this machine rejects"),
        ("SHA224", SHA1_BEFORE, None),
        ("SHA384", SHA1_BEFORE, None),
    ],
)
def test_digests_that_count(digest: str, at: int, told: str | None, old: SigningKey) -> None:
    signature = with_digest(old, digest, at)
    if told is None:
        assert believed(signature, trust_in(old)).made == at
    else:
        found = refusal(signature, trust_in(old))
        assert found.code == "E-SIGNATURE-DIGEST"
        assert told in found.what


@pytest.mark.parametrize(("at", "good"), [(SHA1_BEFORE - DAY, True), (SHA1_BEFORE + DAY, False)])
def test_the_digests_of_advisories(at: int, good: bool, old: SigningKey) -> None:  # noqa: FBT001
    text = with_digest(old, "SHA1", at, "--clear-sign")
    if good:
        assert verify_clearsigned(text, trust_in(old), what="x")[1].made == at
    else:
        with pytest.raises(Refusal) as caught:
            verify_clearsigned(text, trust_in(old), what="x")
        assert caught.value.code == "E-SIGNATURE-DIGEST"


@pytest.mark.parametrize("status", [0, 2])
def test_a_gpgv_that_knows_md5_does_not_make_it_count(
    status: int, old: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (
        f"[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 0 x\n"
        f"[GNUPG:] VALIDSIG {old.fingerprint} 2012-02-01 {SIGNED_AT} 0 4 0 22 1 00 {old.fingerprint}\n"
    )
    monkeypatch.setattr(
        "xenbump.upstream.signature.process.run",
        lambda argv, **_: Completed(tuple(argv), status, said.encode(), b""),
    )
    assert refusal(b"", trust_in(old)).code == ("E-SIGNATURE-BAD" if status else "E-SIGNATURE-DIGEST")


def test_a_gpgv_that_takes_no_sha1_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = tmp_path / "gpgv"
    usual = "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin"
    strict.write_text(f'#!/bin/sh\nPATH={usual} exec gpgv --weak-digest SHA1 "$@"\n')
    strict.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{usual}")
    shipped = load_trust(None, (PROJECT_KEY,))
    for name, digest in (("RELEASE-4.2.2", "SHA-1"), ("RELEASE-4.13.0", "")):
        tag = parse_tag((TAGS / name).read_bytes(), name)
        assert tag.signature is not None
        if not digest:
            assert verify(tag.signed, tag.signature, shipped, what=name).fingerprint == PROJECT_KEY
            continue
        with pytest.raises(Refusal) as caught:
            verify(tag.signed, tag.signature, shipped, what=name)
        assert (caught.value.code, caught.value.what) == (
            "E-SIGNATURE-DIGEST",
            "the signature, of 2013-04-24, is over SHA-1, which the gpgv of this machine rejects",
        )


# --- what a keyring says ---------------------------------------------------------------------------------------------


def test_the_shipped_key_does_not_expire() -> None:
    (only,) = keyring.keys(load_trust(None, (PROJECT_KEY,)).keyring)
    assert only == keyring.Key(PROJECT_KEY, 1270562133, None, revoked=False)


def test_what_keys_say_of_themselves(forms: tuple[SigningKey, dict[str, bytes], bytes], old: SigningKey) -> None:
    key, form, _ = forms
    first, second = keyring.keys(form["expired"] + exported(old))
    assert first == keyring.Key(key.fingerprint, BORN, BORN + 40 * DAY + 5184000, revoked=False)
    assert second == keyring.Key(old.fingerprint, BORN, None, revoked=False)


def test_what_stands_once_stays_as_it_is(forms: tuple[SigningKey, dict[str, bytes], bytes], old: SigningKey) -> None:
    content = forms[1]["revoked"] + exported(old)
    assert keyring.read(content, "x") == content
    assert keyring.read(content + content, "x") == content


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_keyring_of_any_bytes_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray((load_trust(None, (PROJECT_KEY,))).keyring)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = keyring.read(cut, "x")
    except UsageError:
        return
    assert keyring.read(found, "x") == found
    assert keyring.keys(found)


def test_without_an_answer_nothing_is_believed(old: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenbump.upstream.signature.process.run", lambda argv, **_: Completed(tuple(argv), 0, b"", b""))
    with pytest.raises(Failure) as caught:
        believed(b"", trust_in(old))
    assert caught.value.code == "E-PROGRAM-FAILED"


def doctored(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setattr(project, "trust_of", lambda _: trust)
    config = None  # `trust_of` is all that looks at it
    return project._keyring(config)  # type: ignore[arg-type]


def test_a_key_that_ends_soon_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with SigningKey() as key:
        never = key.public_key(armored=False)
        env = {"GNUPGHOME": str(key.home)}
        setting = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-set-expire"]
        run([*setting, key.fingerprint, "30d"], env=env)
        soon = key.public_key(armored=False)
    pinned = frozenset({key.fingerprint})
    assert doctored(Trust(never, pinned), monkeypatch).result == Result.OK
    check = doctored(Trust(soon, pinned), monkeypatch)
    assert (check.result, f"{key.fingerprint} expires on " in check.what) == (Result.LACKING, True)
    check = doctored(Trust(never, frozenset({"0" * 40})), monkeypatch)
    assert (check.result, check.what) == (Result.LACKING, f"{'0' * 40} is pinned and not in the keyring")
    now = time.time()
    (told,) = keyring.complaints(soon, pinned, now + 40 * 86400)
    assert f"{key.fingerprint} has expired on " in told
    assert keyring.complaints(soon, pinned, now - 40 * 86400) == ()
