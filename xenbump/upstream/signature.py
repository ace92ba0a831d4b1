"""OpenPGP signatures, judged by `gpgv` against a keyring and a list of pinned fingerprints.

A keyring alone does not make a key trusted: the fingerprint of the primary key must be pinned as well, so that adding a
key to a file is not enough to change who may sign. What `gpgv` says is read from its status lines (`doc/DETAILS` in the
sources of GnuPG), never from its prose.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING

from xenbump import durable, process
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.upstream import keyring as keyrings

if TYPE_CHECKING:
    from pathlib import Path

_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
# The cleartext signature framework, RFC 9580 section 7: a line that begins with a dash is escaped within the text.
_SIGNED_BLOCK = re.compile(
    rb"\s*-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:Hash: [^\r\n]*\r?\n)*\r?\n"
    rb".*\n-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n.*\n-----END PGP SIGNATURE-----\s*",
    re.DOTALL,
)
_ARMOR_LINE = re.compile(rb"^-----(BEGIN|END) PGP ([A-Z ]+)-----", re.MULTILINE)
_ONE_BLOCK = [(b"BEGIN", b"SIGNED MESSAGE"), (b"BEGIN", b"SIGNATURE"), (b"END", b"SIGNATURE")]
_SECONDS = 30.0
_MOST_BYTES = 16 << 20
# The digests by their numbers (RFC 9580, section 9.5): those that count at any time, and what the others are called.
_STRONG = frozenset({8, 9, 10, 11, 12, 14})
_WEAK = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
_SHA1 = 2
# The first midnight behind the last signature of the Xen Project over a SHA-1 digest that there is: that of
# RELEASE-4.8.4, made on 2018-07-12 at 13:24:09 UTC. Of 272 signed tags 138 have such a one; the next, RELEASE-4.9.3 of
# 2018-09-25, has SHA-256. Advisories changed earlier: version 3 of XSA-212, of April 2017, is the last seen with SHA-1.
SHA1_BEFORE = int(datetime(2018, 7, 13, tzinfo=UTC).timestamp())
# A clock may be wrong by so much before a signature counts as one from the future.
CLOCK_SECONDS = 86400
# VALIDSIG: fingerprint, day, seconds, expiry, version, -, algorithm, digest, class, the primary key's fingerprint;
# ERRSIG: key id, algorithm, digest, class, seconds, reason, fingerprint.
_FIELDS = 10
# The reason where gpgv knows a digest and does not take it (GPG_ERR_DIGEST_ALGO).
_NO_SUCH_DIGEST = "5"
# A signature that a person should look at, whatever else gpgv says of it.
_DOUBTFUL = {
    "BADSIG": "the signature does not fit what is signed",
    "EXPSIG": "the signature has expired",
}

_COMPARE = "compare the fingerprint with what the Xen Project says of it in another place; only if it is theirs, {}"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: a keyring (OpenPGP keys, binary) and the fingerprints of primary keys that count."""

    keyring: bytes
    fingerprints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Signature:
    """A good signature by a pinned key: the primary key's fingerprint, and when it was made (seconds since 1970)."""

    fingerprint: str
    made: int


def load_trust(keyring: Path | None, fingerprints: tuple[str, ...]) -> Trust:
    """Read a keyring.

    Args:
        keyring: a file of OpenPGP keys, armored or binary; None: the Xen Project's key that xenbump ships.
        fingerprints: the pinned fingerprints, in hexadecimal, spaces allowed.

    Raises:
        UsageError: E-KEYRING for a file that cannot be read or has no key, or a fingerprint that is none.
    """
    pinned = frozenset(text.replace(" ", "").upper() for text in fingerprints)
    for text in pinned:
        if _FINGERPRINT.fullmatch(text) is None:
            raise UsageError("E-KEYRING", f"{text!r} is not an OpenPGP fingerprint in hexadecimal")
    if not pinned:
        raise UsageError("E-KEYRING", "no fingerprint is pinned, so no signature could be believed")
    if keyring is None:
        content = (resources.files("xenbump.upstream") / "keys" / "xen-project.asc").read_bytes()
    else:
        try:
            with keyring.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except OSError as error:
            reason = error.strerror or "unreadable"
            raise UsageError("E-KEYRING", f"the keyring cannot be read: {reason}", where=str(keyring)) from error
        if len(content) > _MOST_BYTES:
            raise UsageError("E-KEYRING", f"the keyring has more than {_MOST_BYTES >> 20} MiB", where=str(keyring))
    return Trust(keyrings.read(content, str(keyring or "the shipped key")), pinned)


def verify(signed: bytes, signature: bytes, trust: Trust, *, what: str) -> Signature:
    """Judge a detached signature.

    Args:
        signed: the bytes that are signed.
        signature: the signature, armored or binary.
        trust: whom to believe.
        what: what is signed, such as `tag RELEASE-4.20.4`, for errors.

    Returns:
        The signature, when it is exactly one, good, and by a pinned key.

    Raises:
        Refusal: E-SIGNATURE-BAD for one that does not fit, has expired, is by a key that has expired or was revoked, is
            from the future, or cannot be read; E-SIGNATURE-KEY for one by a key that is not in the keyring or not
            pinned; E-SIGNATURE-DIGEST for one over a digest that counts no more.
        Failure: gpgv is missing or did not run.
    """
    with durable.scratch("gpgv") as home:
        for name, content in (("keys.gpg", trust.keyring), ("signed", signed), ("signature", signature)):
            (home / name).write_bytes(content)
        done = process.run(
            ["gpgv", "--homedir", str(home), "--keyring", f"{home}/keys.gpg", "--status-fd", "1",
             "--", f"{home}/signature", f"{home}/signed"],
            timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    return _judge(_status(done), done, trust, what)


def verify_clearsigned(content: bytes, trust: Trust, *, what: str) -> tuple[bytes, Signature]:
    """Judge a clear-signed text, and take out of it what is signed.

    Args:
        content: a text in the cleartext signature framework (RFC 9580, section 7), with nothing but white space around.
        trust: whom to believe.
        what: what it is, such as `advisory-509.txt`, for errors.

    Returns:
        The signed text as gpgv gives it, without armor and dash escapes, and the signature. White space at the end of
        lines is not signed and may be anything.

    Raises:
        Refusal: E-ADVISORY-OUTSIDE where there is text outside of the signed block, or more than one; E-SIGNATURE-BAD
            where there is none, and otherwise as `verify`.
        Failure: gpgv is missing or did not run.
    """
    blocks = _ARMOR_LINE.findall(content)
    if not blocks:
        raise Refusal("E-SIGNATURE-BAD", "it is not clear-signed", where=what)
    if blocks.count(_ONE_BLOCK[0]) > 1 or blocks.count(_ONE_BLOCK[-1]) > 1:
        raise Refusal("E-ADVISORY-OUTSIDE", "it has more than one signed block", where=what)
    if blocks != _ONE_BLOCK:
        raise Refusal("E-SIGNATURE-BAD", "it is not one text with one signature behind it", where=what)
    if not _SIGNED_BLOCK.fullmatch(content):
        raise Refusal("E-ADVISORY-OUTSIDE", "there is text outside of the signed block", where=what)
    with durable.scratch("gpgv") as home:
        for name, data in (("keys.gpg", trust.keyring), ("signed", content)):
            (home / name).write_bytes(data)
        done = process.run(
            ["gpgv", "--homedir", str(home), "--keyring", f"{home}/keys.gpg", "--status-fd", "1",
             "--output", f"{home}/text", "--", f"{home}/signed"],
            timeout=_SECONDS,
            check=False,
        )  # fmt: skip
        signature = _judge(_status(done), done, trust, what)
        try:
            return (home / "text").read_bytes(), signature
        except OSError as error:
            raise Failure("E-PROGRAM-FAILED", "gpgv wrote no text", where="gpgv") from error


def _status(done: process.Completed) -> list[list[str]]:
    """The words of each status line."""
    return [
        line.removeprefix("[GNUPG:] ").split()
        for line in done.stdout.decode("utf-8", "replace").split("\n")
        if line.startswith("[GNUPG:] ")
    ]


def _judge(status: list[list[str]], done: process.Completed, trust: Trust, what: str) -> Signature:
    said = {words[0]: words[1:] for words in status if words}
    valid = [words[1:] for words in status if words and words[0] == "VALIDSIG"]
    for keyword, reason in _DOUBTFUL.items():
        if keyword in said:
            raise Refusal("E-SIGNATURE-BAD", reason, where=what)
    if "EXPKEYSIG" in said or "REVKEYSIG" in said:
        raise _of_an_ended_key(said, valid, what)
    if "NO_PUBKEY" in said:
        raise _of_an_unknown_key(said, trust, what)
    error = said.get("ERRSIG", [])
    if error[5:6] == [_NO_SUCH_DIGEST]:
        raise Refusal(
            "E-SIGNATURE-DIGEST",
            f"the signature, of {_day(error[4])}, is over {_digest(error[2])}, which the gpgv of this machine rejects",
            where=what,
        )
    if done.status != 0 or len(valid) != 1 or "GOODSIG" not in said or sum(w[:1] == ["NEWSIG"] for w in status) != 1:
        if not status:
            raise Failure("E-PROGRAM-FAILED", f"gpgv said nothing usable: {done.error_text}", where="gpgv")
        raise Refusal("E-SIGNATURE-BAD", "it does not carry exactly one signature that gpgv can judge", where=what)
    if len(valid[0]) < _FIELDS:
        raise Failure("E-PROGRAM-FAILED", "gpgv does not say how the signature was made", where="gpgv")
    primary = valid[0][9]
    if primary not in trust.fingerprints:
        raise Refusal(
            "E-SIGNATURE-KEY",
            f"it is signed by the key {primary}, which is in the keyring but not pinned",
            where=what,
            remedy=_COMPARE.format("add it to upstream.fingerprints"),
        )
    _refuse_weak(valid[0], what)
    return Signature(primary, int(valid[0][2]))


def _refuse_weak(valid: list[str], what: str) -> None:
    """Refuse a good signature whose digest does not count, or that is from the future."""
    made, digest = int(valid[2]), int(valid[7])
    if digest not in _STRONG and not (digest == _SHA1 and made < SHA1_BEFORE):
        rule = f"; such count only if made before {_day(str(SHA1_BEFORE))}" if digest == _SHA1 else ""
        raise Refusal(
            "E-SIGNATURE-DIGEST",
            f"the signature, of {_day(valid[2])}, is over {_digest(valid[7])}{rule}",
            where=what,
        )
    now = time.time()
    if made > now + CLOCK_SECONDS:
        raise Refusal(
            "E-SIGNATURE-BAD",
            f"the signature is of {_day(valid[2])}, and this machine's clock shows {_day(str(int(now)))}",
            where=what,
            remedy="set the clock if it is wrong; else ask the one who signed",
        )


def _of_an_ended_key(said: dict[str, list[str]], valid: list[list[str]], what: str) -> Refusal:
    """The refusal of a signature that fits, by a key that has expired or was revoked."""
    whole = [fields for fields in valid if len(fields) >= _FIELDS]
    key = whole[0][9] if whole else said.get("EXPKEYSIG", said.get("REVKEYSIG", ["?"]))[0]
    of = f" of {_day(whole[0][2])}" if whole else ""
    if "REVKEYSIG" in said:
        return Refusal(
            "E-SIGNATURE-BAD", f"the signature{of} is by a key that has been revoked, of {key}", where=what,
            remedy="ask the Xen Project; what a revoked key signed is not believed, whenever it was",
        )  # fmt: skip
    when = f" on {_day(said['KEYEXPIRED'][0])}" if said.get("KEYEXPIRED") else ""
    return Refusal(
        "E-SIGNATURE-BAD", f"the signature{of} is by a key that has expired{when}, of {key}", where=what,
        remedy="if it was renewed: add the key as it is now to the file of upstream.keyring; the fingerprint stays",
    )  # fmt: skip


def _of_an_unknown_key(said: dict[str, list[str]], trust: Trust, what: str) -> Refusal:
    """The refusal of a signature by a key that the keyring does not have."""
    told = said.get("ERRSIG", [])
    # A signature need not name more than the last 16 digits.
    key = told[6] if _FINGERPRINT.fullmatch("".join(told[6:7])) else said["NO_PUBKEY"][0]
    if key in trust.fingerprints:
        return Refusal(
            "E-SIGNATURE-KEY", f"it is signed by the key {key}, which is pinned but not in the keyring", where=what,
            remedy="add the key to the file of upstream.keyring",
        )  # fmt: skip
    return Refusal(
        "E-SIGNATURE-KEY", f"it is signed by the key {key}, which is not in the keyring", where=what,
        remedy=_COMPARE.format("add the key to the file of upstream.keyring, and it to upstream.fingerprints"),
    )  # fmt: skip


def _digest(number: str) -> str:
    return _WEAK.get(int(number), f"a digest of the unknown kind {number}")


def _day(seconds: str) -> str:
    """A time in seconds since 1970 as a day, in UTC; as it stands where it is no such number."""
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return seconds
