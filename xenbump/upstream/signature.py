"""OpenPGP signatures, judged by `gpgv` against a keyring and a list of pinned fingerprints.

A keyring alone does not make a key trusted: the fingerprint of the primary key must be pinned as well, so that adding a
key to a file is not enough to change who may sign. What `gpgv` says is read from its status lines (`doc/DETAILS` in the
sources of GnuPG), never from its prose.
"""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from xenbump import process
from xenbump.errors import Failure, Refusal, UsageError

_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<body>[A-Za-z0-9+/=\r\n]+?)"
    rb"(?:=[A-Za-z0-9+/]{4}\r?\n)?-----END PGP PUBLIC KEY BLOCK-----"
)
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
_PUBLIC_KEY = 6
# A signature that a person should look at, whatever else gpgv says of it.
_DOUBTFUL = {
    "BADSIG": "the signature does not fit what is signed",
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the signature is by a key that has expired",
    "REVKEYSIG": "the signature is by a key that has been revoked",
}


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
            content = keyring.read_bytes()
        except OSError as error:
            reason = error.strerror or "unreadable"
            raise UsageError("E-KEYRING", f"the keyring cannot be read: {reason}", where=str(keyring)) from error
    return Trust(_binary(content, str(keyring or "the shipped key")), pinned)


def _binary(content: bytes, where: str) -> bytes:
    """The keys without their armor (RFC 9580, section 6): gpgv reads only the binary form."""
    if content.startswith(b"-----BEGIN") or b"\n-----BEGIN PGP" in content:
        blocks = [block["body"] for block in _ARMOR.finditer(content)]
        if len(blocks) != content.count(b"-----BEGIN PGP"):
            raise UsageError("E-KEYRING", "the armor is damaged, or not that of a public key", where=where)
        try:
            content = b"".join(map(base64.b64decode, blocks))
        except binascii.Error as error:
            raise UsageError("E-KEYRING", "the armor of the keyring is damaged", where=where) from error
    kinds = _packets(content)
    if kinds is None or kinds[:1] != [_PUBLIC_KEY]:
        raise UsageError("E-KEYRING", "the file does not begin with an OpenPGP key, or ends within one", where=where)
    return content


def _packets(content: bytes) -> list[int] | None:
    """The types of the packets in a keyring; None where it is not made of whole packets (RFC 9580, section 4.2)."""
    kinds: list[int] = []
    at = 0
    while at < len(content):
        head, first = content[at], int.from_bytes(content[at + 1 : at + 2], "big")
        if head & 0xC0 == 0x80 and head & 3 < 3:  # noqa: PLR2004 - the old form; 3 would be "up to the end of the file"
            width = 1 << (head & 3)
            kind, size = head >> 2 & 0xF, int.from_bytes(content[at + 1 : at + 1 + width], "big")
        elif head & 0xC0 == 0xC0 and first < 192:  # noqa: PLR2004
            kind, width, size = head & 0x3F, 1, first
        elif head & 0xC0 == 0xC0 and first < 224:  # noqa: PLR2004
            kind, width = head & 0x3F, 2
            size = int.from_bytes(content[at + 1 : at + 3], "big") - (192 << 8) + 192
        elif head & 0xC0 == 0xC0 and first == 0xFF:  # noqa: PLR2004
            kind, width, size = head & 0x3F, 5, int.from_bytes(content[at + 2 : at + 6], "big")
        else:
            return None
        kinds.append(kind)
        at += 1 + width + size
    return kinds if at == len(content) else None


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
        Refusal: E-SIGNATURE-BAD for one that does not fit, has expired, or cannot be read; E-SIGNATURE-KEY for one by a
            key that is not in the keyring or not pinned.
        Failure: gpgv is missing or did not run.
    """
    with tempfile.TemporaryDirectory(prefix="xenbump-gpgv-") as folder:
        home = Path(folder)
        for name, content in (("keys.gpg", trust.keyring), ("signed", signed), ("signature", signature)):
            (home / name).write_bytes(content)
        done = process.run(
            ["gpgv", "--homedir", folder, "--keyring", f"{folder}/keys.gpg", "--status-fd", "1",
             f"{folder}/signature", f"{folder}/signed"],
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
    with tempfile.TemporaryDirectory(prefix="xenbump-gpgv-") as folder:
        home = Path(folder)
        for name, data in (("keys.gpg", trust.keyring), ("signed", content)):
            (home / name).write_bytes(data)
        done = process.run(
            ["gpgv", "--homedir", folder, "--keyring", f"{folder}/keys.gpg", "--status-fd", "1",
             "--output", f"{folder}/text", f"{folder}/signed"],
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
    for keyword, reason in _DOUBTFUL.items():
        if keyword in said:
            raise Refusal("E-SIGNATURE-BAD", reason, where=what)
    if "NO_PUBKEY" in said:
        key = said["NO_PUBKEY"][0]
        raise Refusal("E-SIGNATURE-KEY", f"it is signed by the key {key}, which is not in the keyring", where=what)
    valid = [words for words in status if words and words[0] == "VALIDSIG"]
    if done.status != 0 or len(valid) != 1 or "GOODSIG" not in said or sum(w[:1] == ["NEWSIG"] for w in status) != 1:
        if not status:
            raise Failure("E-PROGRAM-FAILED", f"gpgv said nothing usable: {done.error_text}", where="gpgv")
        raise Refusal("E-SIGNATURE-BAD", "it does not carry exactly one signature that gpgv can judge", where=what)
    # VALIDSIG: fingerprint, date, seconds, …; the tenth field is the fingerprint of the primary key.
    fields = valid[0][1:]
    primary = fields[9] if len(fields) > 9 else fields[0]  # noqa: PLR2004
    if primary not in trust.fingerprints:
        raise Refusal(
            "E-SIGNATURE-KEY",
            f"it is signed by the key {primary}, which is in the keyring but not pinned",
            where=what,
        )
    return Signature(primary, int(fields[2]))
