"""The serial line: what is sent comes through any noise, and what does not know the nonce sends nothing."""

from __future__ import annotations

import base64
import json
import re
import zlib

from tests.fuzz import shown
from xenbump.dom0 import frames, report, xtf_output
from xenbump.dom0.frames import Decoder, Encoder

_NONCE = "0123456789abcdef"
_HEAD = re.compile(rb"<xb [^>\n]{1,130} ")
_SENT = {"kind": "check", "name": "a", "requirement": "b", "result": "passed", "evidence": ["x" * 300]}


def one(data: bytes) -> bool:
    """Noise before, in and behind a message; the noise as what the sender itself signed; the noise as the message."""
    assert Decoder(_NONCE).feed(data) == []
    _through(data)
    _signed(data)
    text = data.decode("utf-8", "replace")
    runner = xtf_output.Output()
    for at in range(0, len(text), 7):
        runner.feed(text[at : at + 7])
    runner.end()
    return _message(data)


def _through(noise: bytes) -> None:
    """Each line is sent twice and all of it once more, with noise between; one whole copy of each line is enough."""
    sent = Encoder(_NONCE).message(_SENT)
    lines = sent.splitlines(keepends=True)
    # Noise that ends as a line of ours begins would be no noise but a part of it.
    broken = b"".join(line[: len(line) // 2] + noise + line[len(line) // 2 :] for line in lines)
    decoder = Decoder(_NONCE)
    found = []
    for piece in (broken, b"\n", noise, b"\n", sent):
        for at in range(0, len(piece), 61):
            found += decoder.feed(piece[at : at + 61])
    assert [frame.document for frame in found] == [_SENT]
    assert decoder.gaps == ()
    assert decoder.damaged >= 0


def _signed(data: bytes) -> None:
    """What begins like a line of ours, with a code that holds."""
    key = frames._key(_NONCE)
    lines = [head + frames._mac(key, head) + b">\n" for head in _HEAD.findall(data)]
    decoder = Decoder(_NONCE)
    for frame in decoder.feed(b"".join(lines)):
        assert frame.sequence >= 0
    assert decoder.damaged >= 0


def _message(data: bytes) -> bool:
    """Bytes as the content of messages, and so as a message of the agent."""
    key = frames._key(_NONCE)
    packed = zlib.compress(data)
    parts = [packed[at : at + 60] for at in range(0, len(packed), 60)]
    decoder = Decoder(_NONCE)
    found = []
    for number, part in enumerate(parts):
        head = b"<xb m 0 %d %d %d %s " % (number, len(parts), len(part), base64.b64encode(part))
        found += decoder.feed(head + frames._mac(key, head) + b">\n")
    collector = report.Collector()
    accepted = False
    for frame in found:
        try:
            collector.add(frame.document)
        except ValueError:
            continue
        accepted = True
        shown.check(collector.report())
        json.dumps(collector.report().to_document(), allow_nan=False)
    return accepted
