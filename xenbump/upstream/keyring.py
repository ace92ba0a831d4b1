"""Keyrings: OpenPGP keys as a file has them, one entry for each key, and what they say of themselves.

`gpgv` takes the first entry of a key and looks at no other (seen with GnuPG 2.2.40). So where a keyring has a key
twice, say as it was before and after it was renewed or revoked, the order would decide what is believed; the entries
are put together here, as an import into a keyring of gpg does it. The form: RFC 9580, sections 4 (packets), 5.2
(signatures), 6 (armor) and 10.1 (which packets make a key).

What a key says of itself is read, not checked: it is for telling people. What counts is `gpgv`'s judgement.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xenbump.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A key that ends within this time is told of.
SOON_SECONDS = 60 * 86400
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<body>[A-Za-z0-9+/=\r\n]+?)"
    rb"(?:=[A-Za-z0-9+/]{4}\r?\n)?-----END PGP PUBLIC KEY BLOCK-----"
)
_SIGNATURE, _PUBLIC_KEY, _USER_ID, _SUBKEY, _ATTRIBUTE = 2, 6, 13, 14, 17
# What heads a part of a key, in the order in which the parts stand.
_HEADS = {_PUBLIC_KEY: 0, _USER_ID: 1, _ATTRIBUTE: 1, _SUBKEY: 2}
_VERSION_4 = 4
# Types of signatures: a user id's certification, a statement on the key itself, its revocation.
_SELF = frozenset({0x10, 0x11, 0x12, 0x13, 0x1F})
_REVOCATION = 0x20
_MADE, _LASTS, _ISSUER, _ISSUER_FINGERPRINT = 2, 9, 16, 33


@dataclass(frozen=True, slots=True)
class Key:
    """What a primary key of a keyring says of itself.

    Attributes:
        fingerprint: in upper-case hexadecimal digits; empty for a key of a version before 4, which has another kind.
        made: in seconds since 1970.
        expires: the same; None: it does not.
        revoked: whether a revocation by itself stands there.
    """

    fingerprint: str
    made: int
    expires: int | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class _Packet:
    kind: int
    body: bytes
    raw: bytes


def read(content: bytes, where: str) -> bytes:
    """The keys of a file in the binary form, which is the only one that gpgv reads, each key once.

    Args:
        content: of a file that `gpg --export` wrote, with or without `--armor`; also several, one behind the other.
        where: the file, for errors.

    Raises:
        UsageError: E-KEYRING where the armor is damaged, or the content is not one of whole keys.
    """
    if content.startswith(b"-----BEGIN") or b"\n-----BEGIN PGP" in content:
        blocks = [block["body"] for block in _ARMOR.finditer(content)]
        if len(blocks) != content.count(b"-----BEGIN PGP"):
            raise UsageError("E-KEYRING", "the armor is damaged, or not that of a public key", where=where)
        try:
            content = b"".join(map(base64.b64decode, blocks))
        except binascii.Error as error:
            raise UsageError("E-KEYRING", "the armor of the keyring is damaged", where=where) from error
    packets = _packets(content)
    if not packets or packets[0].kind != _PUBLIC_KEY:
        raise UsageError("E-KEYRING", "the file does not begin with an OpenPGP key, or ends within one", where=where)
    return _merged(packets)


def keys(keyring: bytes) -> tuple[Key, ...]:
    """What the keys of a keyring, as `read` gives it, say of themselves."""
    return tuple(_key(entry) for entry in _entries(_packets(keyring) or []))


def complaints(keyring: bytes, fingerprints: Iterable[str], now: float) -> tuple[str, ...]:
    """Which pinned keys do not count, or soon will not, each in one sentence.

    Args:
        keyring: as `read` gives it.
        fingerprints: those that are pinned.
        now: the time in seconds since 1970.
    """
    known = {key.fingerprint: key for key in keys(keyring)}
    found = []
    for fingerprint in sorted(fingerprints):
        key = known.get(fingerprint)
        if key is None:
            found.append(f"{fingerprint} is pinned and not in the keyring")
        elif key.revoked:
            found.append(f"{fingerprint} has been revoked")
        elif key.expires is not None and key.expires < now + SOON_SECONDS:
            word = "has expired" if key.expires <= now else "expires"
            found.append(f"{fingerprint} {word} on {datetime.fromtimestamp(key.expires, UTC):%Y-%m-%d}")
    return tuple(found)


def _packets(content: bytes) -> list[_Packet] | None:
    """The packets of a keyring; None where it is not made of whole packets (RFC 9580, section 4.2)."""
    packets: list[_Packet] = []
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
        end = at + 1 + width + size
        packets.append(_Packet(kind, content[at + 1 + width : end], content[at:end]))
        at = end
    return packets if at == len(content) else None


def _entries(packets: Iterable[_Packet]) -> Iterator[list[_Packet]]:
    """The packets of each entry; one begins with a primary key."""
    entry: list[_Packet] = []
    for packet in packets:
        if packet.kind == _PUBLIC_KEY and entry:
            yield entry
            entry = []
        entry.append(packet)
    if entry:
        yield entry


def _merged(packets: list[_Packet]) -> bytes:
    """A keyring in which each primary key stands once, with all that any of its entries has."""
    by_key: dict[bytes, list[list[_Packet]]] = {}
    for entry in _entries(packets):
        by_key.setdefault(entry[0].body, []).append(entry)
    return b"".join(packet.raw for entries in by_key.values() for packet in _together(entries))


def _together(entries: list[list[_Packet]]) -> Iterator[_Packet]:
    """One entry out of several of the same key; one alone stays as it is."""
    if len(entries) == 1:
        yield from entries[0]
        return
    parts: dict[tuple[int, bytes], dict[bytes, _Packet]] = {}
    for entry in entries:
        part: dict[bytes, _Packet] = {}
        for packet in entry:
            if packet.kind in _HEADS:
                part = parts.setdefault((packet.kind, packet.body), {packet.body: packet})
            else:
                part.setdefault(packet.raw, packet)
    for _, part in sorted(parts.items(), key=lambda item: _HEADS[item[0][0]]):
        yield from part.values()


def _key(entry: list[_Packet]) -> Key:
    primary = entry[0].body
    made = int.from_bytes(primary[1:5], "big")
    fingerprint = _fingerprint(primary)
    expires: int | None = None
    newest = -1
    revoked = False
    for packet in entry[1:]:
        if packet.kind == _SUBKEY:
            break
        if packet.kind != _SIGNATURE or packet.body[:1] != bytes([_VERSION_4]):
            continue
        facts = _facts(packet.body)
        issuer = facts.get(_ISSUER_FINGERPRINT, b"")[1:].hex().upper() or facts.get(_ISSUER, b"").hex().upper()
        if not issuer or not fingerprint.endswith(issuer):
            continue
        at = int.from_bytes(facts.get(_MADE, b""), "big")
        revoked = revoked or packet.body[1] == _REVOCATION
        if packet.body[1] in _SELF and at >= newest:
            newest = at
            lasts = int.from_bytes(facts.get(_LASTS, b""), "big")
            expires = made + lasts if lasts else None
    return Key(fingerprint, made, expires, revoked)


def _fingerprint(primary: bytes) -> str:
    """A key's fingerprint (RFC 9580, section 5.5.4)."""
    if primary[:1] == bytes([_VERSION_4]):
        # SHA-1 is what the form prescribes.
        whole = b"\x99" + len(primary).to_bytes(2, "big") + primary
        return hashlib.sha1(whole, usedforsecurity=False).hexdigest().upper()
    if primary[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(primary).to_bytes(4, "big") + primary).hexdigest().upper()
    return ""


def _facts(signature: bytes) -> dict[int, bytes]:
    """The subpackets of a signature of version 4, by type (RFC 9580, section 5.2.3.7); signed ones come first."""
    facts: dict[int, bytes] = {}
    at = 4
    for _ in range(2):
        end = at + 2 + int.from_bytes(signature[at : at + 2], "big")
        at += 2
        while at < min(end, len(signature)):
            size, width = signature[at], 1
            if size == 0xFF:  # noqa: PLR2004
                size, width = int.from_bytes(signature[at + 1 : at + 5], "big"), 5
            elif size >= 192:  # noqa: PLR2004
                size, width = ((size - 192) << 8) + int.from_bytes(signature[at + 1 : at + 2], "big") + 192, 2
            body = signature[at + width : at + width + size]
            if body:
                facts.setdefault(body[0] & 0x7F, body[1:])
            at += width + size
        at = end
    return facts
