"""Messages over a serial line that kernel and hypervisor write on too.

A message is compressed, cut, and sent as short lines, each of which stands for itself:

    <xb KIND SEQUENCE PART PARTS LENGTH BASE64 MAC>

KIND is `m` (a message, numbered from 0 without gaps) or `b` (a sign of life, numbered apart, never repeated). The
numbers are decimal, LENGTH is the number of bytes in BASE64, and MAC is the base64 of the first 12 bytes of an
HMAC-SHA-256 over all that stands before it, with a key made of the job's nonce. A line that foreign output was written
into does not match any more and is passed over; the sender sends each line twice and everything once more at the end.
What does not know the nonce cannot make a line that counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import values

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE = b"m"
BEAT = b"b"
LARGEST = 1 << 20  # bytes of a message as JSON
_PART = 60  # bytes of a line's payload: 80 characters, and a line stays below 140
_MAC = 12
_START = b"<xb "
_LINE = re.compile(
    rb"<xb ([mb]) ([0-9]{1,7}) ([0-9]{1,6}) ([0-9]{1,6}) ([0-9]{1,2}) ([A-Za-z0-9+/]{0,80}={0,2}) ([A-Za-z0-9+/]{16})>"
)
_LONGEST = 140


class Encoder:
    """Makes lines of messages and numbers them; one for each job."""

    def __init__(self, nonce: str) -> None:
        self._key = _key(nonce)
        self._next = {MESSAGE: 0, BEAT: 0}

    def message(self, document: Mapping[str, Any]) -> bytes:
        """The next message's lines, each ended by a line feed, and one before the first.

        Raises:
            ValueError: it is larger than LARGEST as JSON, or is no JSON.
        """
        return self._encode(MESSAGE, document)

    def beat(self, document: Mapping[str, Any]) -> bytes:
        """A sign of life: encoded the same way, numbered apart, and no gap when it is lost."""
        return self._encode(BEAT, document)

    def _encode(self, kind: bytes, document: Mapping[str, Any]) -> bytes:
        data = json.dumps(document, separators=(",", ":")).encode()
        if len(data) > LARGEST:
            raise ValueError(f"a message of {len(data)} bytes is too long: {LARGEST} are allowed")
        packed = zlib.compress(data)
        parts = [packed[start : start + _PART] for start in range(0, len(packed), _PART)]
        sequence = self._next[kind]
        self._next[kind] += 1
        lines = [self._line(kind, sequence, index, len(parts), part) for index, part in enumerate(parts)]
        # What stands on the line already is ended first, so that a frame begins at a line's begin.
        return b"\n" + b"".join(lines)

    def _line(self, kind: bytes, sequence: int, index: int, count: int, part: bytes) -> bytes:
        head = b"<xb %s %d %d %d %d %s " % (kind, sequence, index, count, len(part), base64.b64encode(part))
        return head + _mac(self._key, head) + b">\n"


@dataclass(frozen=True)
class Frame:
    """A message that came whole: its number, the JSON object, and whether it is a mere sign of life."""

    sequence: int
    document: Mapping[str, Any]
    beat: bool = False


@dataclass
class _Partial:
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)


class Decoder:
    """Takes the line's bytes as they come, in pieces of any size, and gives the messages in them.

    Attributes:
        damaged: lines that began like ours and did not hold: foreign output in them, lost bytes, forged ones.
        duplicates: lines that had come before, as most do.
    """

    def __init__(self, nonce: str) -> None:
        self._key = _key(nonce)
        self._buffer = b""
        self._partial: dict[tuple[bytes, int], _Partial] = {}
        self._whole: set[tuple[bytes, int]] = set()
        self._begun = 0
        self._held = 0
        self.duplicates = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that these bytes complete, in the order in which they become whole."""
        self._buffer += data
        frames = []
        end = 0
        for match in _LINE.finditer(self._buffer):
            end = match.end()
            frame = self._take(match)
            if frame is not None:
                frames.append(frame)
        # The rest may be the begin of a line; more than a line's length cannot be.
        self._drop(max(end, len(self._buffer) - _LONGEST))
        return frames

    @property
    def damaged(self) -> int:
        """How many lines began and did not hold, among the bytes that are behind us."""
        return self._begun - self._held

    @property
    def gaps(self) -> tuple[int, ...]:
        """The numbers of messages that must have been sent and are not whole, among those up to the highest seen."""
        seen = [sequence for kind, sequence in {*self._whole, *self._partial} if kind == MESSAGE]
        return tuple(number for number in range(max(seen, default=-1) + 1) if (MESSAGE, number) not in self._whole)

    def _drop(self, end: int) -> None:
        if end > 0:
            # A start that reaches over the cut begins before it.
            self._begun += self._buffer.count(_START, 0, end + len(_START) - 1)
            self._buffer = self._buffer[end:]

    def _take(self, match: re.Match[bytes]) -> Frame | None:
        kind, sequence, index, count, length, text, mac = match.groups()
        head = match.group()[: -len(mac) - 1]
        if not hmac.compare_digest(_mac(self._key, head), mac):
            return None
        try:
            part = base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
        if len(part) != int(length) or int(index) >= int(count):
            return None
        self._held += 1
        return self._add((kind, int(sequence)), int(index), int(count), part)

    def _add(self, key: tuple[bytes, int], index: int, count: int, part: bytes) -> Frame | None:
        partial = self._partial.setdefault(key, _Partial(count)) if key not in self._whole else None
        if partial is None or index in partial.parts:
            self.duplicates += 1
            return None
        partial.parts[index] = part
        if len(partial.parts) < partial.count:
            return None
        document = _unpacked(b"".join(partial.parts[number] for number in sorted(partial.parts)))
        del self._partial[key]
        if document is None:
            return None
        self._whole.add(key)
        return Frame(key[1], document, key[0] == BEAT)


def _unpacked(packed: bytes) -> Mapping[str, Any] | None:
    """The JSON object that was sent; None when it is none, which only a sender with the nonce can bring about."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, LARGEST)
        return None if not unpacker.eof else values.document(json.loads(data), "a message")
    except (zlib.error, ValueError, RecursionError):
        return None


def _key(nonce: str) -> bytes:
    return hashlib.sha256(b"xenbump frames\0" + nonce.encode()).digest()


def _mac(key: bytes, head: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, head, hashlib.sha256).digest()[:_MAC])
