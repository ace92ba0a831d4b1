"""Frames over a line on which others write too: what comes through, and that nothing else does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import NONCE
from xenbump.dom0.frames import LARGEST, Decoder, Encoder, Frame

NOISE = (
    b"[   12.345678] random: crng init done\r\n",
    b"(XEN) [    3.1] d1v0 Unhandled WRMSR\n",
    b"\x00\xff\x1b[0m",
    b"<xb m 0 0 1 5 aGVsbG8= AAAAAAAAAAAAAAAA>\n",
    b"<xb m ",
    b">",
    b"<xb m 99999999999999999999 0 1 0  AAAAAAAAAAAAAAAA>",
)
documents = st.dictionaries(
    st.text(max_size=8),
    st.recursive(st.text(max_size=200) | st.integers() | st.none(), lambda x: st.lists(x, max_size=4), max_leaves=6),
    max_size=4,
)


def decoded(data: bytes, nonce: str = NONCE) -> tuple[list[Frame], Decoder]:
    decoder = Decoder(nonce)
    return decoder.feed(data), decoder


def bodies(frames: list[Frame]) -> dict[int, Any]:
    return {frame.sequence: dict(frame.document) for frame in frames}


def test_messages_come_through_in_short_lines_of_their_own() -> None:
    encoder = Encoder(NONCE)
    sent = encoder.message({"a": "ä" * 500}) + encoder.message({"b": list(range(300))})
    frames, decoder = decoded(sent)
    assert bodies(frames) == {0: {"a": "ä" * 500}, 1: {"b": list(range(300))}}
    lines = sent.splitlines()
    assert max(map(len, lines)) < 140
    assert len(lines) > 5
    assert not decoder.gaps
    assert not decoder.damaged
    assert not decoder.duplicates


@settings(max_examples=40)
@given(st.lists(documents, max_size=4), st.data())
def test_any_split_of_the_bytes_gives_the_same(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    encoder = Encoder(NONCE)
    sent = b"noise <xb " + b"".join(encoder.message(message) for message in messages) + b"<xb m 5"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    decoder = Decoder(NONCE)
    frames = []
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        frames += decoder.feed(sent[start:end])
    assert [dict(frame.document) for frame in frames] == messages
    decoder.feed(b"." * 200)
    assert decoder.damaged == 2


@settings(max_examples=40)
@given(st.lists(documents, min_size=1, max_size=4), st.data())
def test_noise_at_any_place_is_survived_by_what_is_sent_again(
    messages: list[dict[str, Any]], data: st.DataObject
) -> None:
    encoder = Encoder(NONCE)
    frames = [encoder.message(message) for message in messages]
    # Everything twice with noise in it, and with bytes lost; the end comes through once.
    line = bytearray(b"".join(frame * 2 for frame in frames))
    for _ in range(data.draw(st.integers(0, 12))):
        place = data.draw(st.integers(0, len(line)))
        if data.draw(st.booleans()):
            line[place:place] = data.draw(st.sampled_from(NOISE))
        else:
            del line[place : place + data.draw(st.integers(1, 30))]
    decoder = Decoder(NONCE)
    first = decoder.feed(bytes(line))
    # Whatever the noise did, what came is what was sent, each once, and the rest is known to be absent.
    for frame in first:
        assert dict(frame.document) == messages[frame.sequence]
    there = [frame.sequence for frame in first]
    assert len(there) == len(set(there))
    assert not set(decoder.gaps) & set(there)
    assert set(range(max(there, default=-1) + 1)) <= {*decoder.gaps, *there}
    again = decoder.feed(b"\n" + b"".join(frames))
    assert bodies(first) | bodies(again) == dict(enumerate(messages))
    assert decoder.gaps == ()


@given(st.binary(max_size=400))
def test_what_does_not_know_the_nonce_says_nothing(data: bytes) -> None:
    forged = Encoder("f" * 32).message({"kind": "done"})
    frames, decoder = decoded(data + forged + data)
    assert frames == []
    assert decoder.gaps == ()


def test_a_line_with_one_letter_changed_does_not_count() -> None:
    sent = Encoder(NONCE).message({"kind": "check", "result": "failed"})
    for place in range(1, len(sent) - 1):
        changed = bytearray(sent)
        changed[place] = ord("B") if changed[place] != ord("B") else ord("C")
        frames, decoder = decoded(bytes(changed) + b"." * 200)
        # The rest of a message without this one line is not the message.
        assert frames == []
        assert decoder.damaged <= 1


def test_the_second_copy_is_a_duplicate_and_no_message() -> None:
    sent = Encoder(NONCE).message({"a": 1})
    frames, decoder = decoded(sent * 3)
    assert len(frames) == 1
    assert decoder.duplicates == 2


def test_a_message_of_the_boot_before_does_not_count() -> None:
    assert decoded(Encoder("a" * 32).message({"kind": "done"}), "b" * 32)[0] == []


def test_gaps_are_named() -> None:
    encoder = Encoder(NONCE)
    sent = [encoder.message({"n": number}) for number in range(5)]
    decoder = Decoder(NONCE)
    decoder.feed(sent[0] + sent[3])
    assert list(decoder.gaps) == [1, 2]
    # Of a long one, a part alone tells that it was sent.
    long = encoder.message({"text": base64.b64encode(hashlib.sha512(b"").digest() * 9).decode()})
    decoder.feed(b"\n".join(long.splitlines()[:2]) + b"\n")
    assert list(decoder.gaps) == [1, 2, 4, 5]
    late = decoder.feed(sent[2] + sent[1] + sent[4] + long)
    assert [frame.sequence for frame in late] == [2, 1, 4, 5]
    assert not decoder.gaps


def test_signs_of_life_are_numbered_apart_and_leave_no_gap() -> None:
    encoder = Encoder(NONCE)
    encoder.beat({"kind": "beat"})
    frames, decoder = decoded(encoder.beat({"kind": "beat"}) + encoder.message({"kind": "done"}))
    assert [(frame.sequence, frame.beat) for frame in frames] == [(1, True), (0, False)]
    assert decoder.gaps == ()


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too long"):
        Encoder(NONCE).message({"a": "x" * LARGEST})


def packed_frame(packed: bytes, more: int = 0) -> bytes:
    """A frame with a right MAC around anything, whose length may be wrong."""
    key = hashlib.sha256(b"xenbump frames\0" + NONCE.encode()).digest()
    head = b"<xb m 0 0 1 %d %s " % (len(packed) + more, base64.b64encode(packed))
    return head + base64.b64encode(hmac.new(key, head, hashlib.sha256).digest()[:12]) + b">"


@pytest.mark.parametrize(
    "packed",
    [b"", b"no deflate", zlib.compress(b"{"), zlib.compress(b"[1]"), zlib.compress(b"{}")[:-1]],
    ids=["nothing", "not packed", "no JSON", "no object", "cut off"],
)
def test_a_sender_that_is_broken_is_no_message(packed: bytes) -> None:
    assert decoded(packed_frame(packed))[0] == []


def test_the_frame_of_the_test_above_is_one_when_its_content_is() -> None:
    assert bodies(decoded(packed_frame(zlib.compress(b'{"a":1}')))[0]) == {0: {"a": 1}}
    assert decoded(packed_frame(zlib.compress(b'{"a":1}'), more=1))[0] == []


def test_what_began_like_a_line_is_counted_once_however_it_comes() -> None:
    decoder = Decoder(NONCE)
    for byte in b"<xb m 0 noise" + b"." * 400 + b"<xb <xb " + b"." * 200:
        assert decoder.feed(bytes([byte])) == []
    assert decoder.damaged == 3


def test_a_message_that_would_fill_the_memory_is_none() -> None:
    huge = zlib.compress(b" " * (LARGEST * 4) + b"{}")
    key = hashlib.sha256(b"xenbump frames\0" + NONCE.encode()).digest()
    parts = [huge[start : start + 60] for start in range(0, len(huge), 60)]
    sent = b""
    for index, part in enumerate(parts):
        head = b"<xb m 0 %d %d %d %s " % (index, len(parts), len(part), base64.b64encode(part))
        sent += head + base64.b64encode(hmac.new(key, head, hashlib.sha256).digest()[:12]) + b">\n"
    assert decoded(sent)[0] == []
