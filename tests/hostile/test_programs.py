"""Programs that do not stop talking: Nix on both of its channels, and the console of a machine."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.verify.test_qemu import SLEEP, UP, boot
from xenbump.verify import build as builds
from xenbump.verify import nixlog, qemu
from xenbump.verify.nix import Buildable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.verify.test_qemu import Boot

__all__ = ["boot"]

MIB = 1 << 20
NIX = """\
#!{python}
import json, sys
if "eval" in sys.argv:
    print(json.dumps({{"derivation": "/nix/store/x.drv", "outputs": {{"out": "/nix/store/x"}}}}))
    sys.exit()
def line(text):
    return "@nix " + json.dumps({{"action": "result", "id": 1, "type": 101, "fields": [text]}}) + "\\n"
piece = {piece}
try:
    while True:
        sys.{channel}.write(piece)
except BrokenPipeError:
    pass
"""
PIECES = (
    ("lines", "stderr", "line('x' * 99) * 999"),
    ("one-line", "stderr", "'x' * 65536"),
    ("one-line-of-json", "stderr", "'@nix {' + ' ' * 65536"),
    ("nested", "stderr", "'@nix ' + '{\"a\":' * 20000 + '\\n'"),
    ("activities", "stderr", "line('\\x1b[31m\\r::error::x\\x00')"),
    ("answer", "stdout", "'x' * 65536"),
)


@pytest.mark.parametrize(("name", "channel", "piece"), PIECES, ids=[piece[0] for piece in PIECES])
def test_nix(name: str, channel: str, piece: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "nix"
    program.parent.mkdir()
    program.write_text(NIX.format(python=sys.executable, piece=piece, channel=channel))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(builds, "_LARGEST_LOG", MIB)
    monkeypatch.setattr(builds, "_LARGEST_ANSWER", MIB)
    kept = 0

    def look(state: object) -> None:
        nonlocal kept
        kept = max(kept, len(repr(state)))

    answered = 0
    room = builds._room

    def count(answer: bytearray) -> int:
        nonlocal answered
        answered = max(answered, len(answer))
        return room(answer)

    monkeypatch.setattr(builds, "_room", count)
    began = time.monotonic()
    built = builds.build(Buildable("xen", tmp_path), tmp_path / "logs", limit=1.5, progress=look)
    assert built.outcome == "timeout", name
    assert time.monotonic() - began < 15
    assert built.log is not None
    # The limit, the piece that went beyond it, and the word on that.
    assert built.log.stat().st_size < 4 * MIB
    assert answered <= MIB
    assert kept < MIB
    assert not {"\x1b", "\r", "\x00"} & set(built.log.read_text("utf-8"))


def test_a_reader_of_a_line_without_end_keeps_little() -> None:
    reader = nixlog.Reader()
    began = time.process_time()
    for _ in range(1024):
        reader.feed(b"x" * 65536)
        assert len(reader._rest) <= (1 << 20) + 65536
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "piece",
    [b"x", b"x" * 99 + b"\n", b"<xb m 0 0 9 9 ", b"\x1b[31m\r\x00\n"],
    ids=["line", "lines", "frames", "escapes"],
)
def test_a_console(piece: bytes, boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "_LARGEST_CONSOLE", 1 << 16)
    flood = f"{UP}\nwhile True:\n    sys.stdout.buffer.write({piece!r} * 4096)\n"
    booted = boot(flood, limits=qemu.Limits(ready=5, silence=5, total=2.0))
    assert booted.kind == "timeout"
    assert booted.console.stat().st_size <= (1 << 16) + qemu._CHUNK + len(qemu._CUT)
    assert booted.console.read_bytes().endswith(qemu._CUT)
    assert sum(map(len, booted.tail)) < 20_000
    assert all(line.isprintable() for line in booted.tail)


def test_a_console_that_says_little_is_kept_as_it_is(boot: Boot) -> None:
    booted = boot(UP + SLEEP, limits=qemu.Limits(ready=5, silence=0.3, total=5))
    assert booted.kind == "hang"
    assert not booted.console.read_bytes().endswith(qemu._CUT)
