"""Hostile replies over HTTP, to the whole program: each ends in time and in little memory, in one sentence.

`XENBUMP_FAULTS=all` takes everything at its full size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.hostile import servers as s
from tests.hostile.sizes import FULL, REPORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.conftest import Siege
    from tests.hostile.servers import Line

GIB = 1 << 30
# Above what a run with proper servers has, which is 60 MiB for the program, and as much for its children.
MOST_MIB = 200


def encoded(name: str, form: int) -> Callable[[Line], None]:
    def talk(line: Line) -> None:
        line.send(s.head(f"Content-Encoding: {name}\r\n"))
        for piece in s.deflated((20 if FULL else 1) * GIB, form=form):
            line.send(piece)

    return talk


def begun(first: bytes, again: bytes) -> Callable[[Line], None]:
    def talk(line: Line) -> None:
        line.send(first)
        line.flood(again)

    return talk


def slowly(first: bytes, then: bytes) -> Callable[[Line], None]:
    def talk(line: Line) -> None:
        line.send(first)
        line.trickle(then)

    return talk


def said(content: bytes) -> Callable[[Line], None]:
    return lambda line: line.send(content)


@dataclass(frozen=True)
class Case:
    """What a server answers, and the code that the program ends with, by the server that it is."""

    name: str
    talk: Callable[[Line], None] = field(repr=False)
    xenbits: str
    github: str

    @property
    def waits(self) -> bool:
        """Whether only a limit of time ends it."""
        return self.name.startswith("slow") or self.name == "endless-continue"


CHUNK = b"1000\r\n" + b" " * 4096 + b"\r\n"
CASES = (
    Case("gzip", encoded("gzip", 31), "E-XSA-SIZE", "E-GITHUB"),
    Case("deflate", encoded("deflate", 15), "E-XSA-SIZE", "E-GITHUB"),
    Case("deflate-raw", encoded("deflate", -15), "E-XSA-SIZE", "E-GITHUB"),
    Case(
        "brotli-unknown", said(s.reply(b"\x8b\x00" * 999, more="Content-Encoding: br\r\n")), "E-XSA-INDEX", "E-GITHUB"
    ),
    Case("endless", begun(s.head(), b" " * 65536), "E-XSA-SIZE", "E-GITHUB"),
    Case("endless-chunks", begun(s.head("Transfer-Encoding: chunked\r\n"), CHUNK), "E-XSA-SIZE", "E-GITHUB"),
    Case("endless-headers", begun(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 99), "E-NETWORK", "E-NETWORK"),
    Case("endless-header", begun(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 65536), "E-NETWORK", "E-NETWORK"),
    Case("endless-status", begun(b"HTTP/1.1 ", b"2" * 65536), "E-NETWORK", "E-NETWORK"),
    Case("endless-continue", begun(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), "E-NETWORK", "E-NETWORK"),
    Case("endless-error", begun(s.head(status="500 No"), b" " * 65536), "E-HTTP-STATUS", "E-GITHUB"),
    Case("nested", said(s.reply(b"[" * 1_000_000)), "E-XSA-INDEX", "E-GITHUB"),
    Case("nested-objects", said(s.reply(b'{"a":' * 1_000_000)), "E-XSA-INDEX", "E-GITHUB"),
    Case("long-number", said(s.reply(b"[" + b"9" * 1_000_000 + b"]")), "E-XSA-INDEX", "E-GITHUB"),
    Case("slow-headers", slowly(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), "E-NETWORK", "E-NETWORK"),
    Case("slow-body", slowly(s.head("Content-Length: 2000\r\n"), b" "), "E-TRUNCATED", "E-NETWORK"),
    Case("slow-chunks", slowly(s.head("Transfer-Encoding: chunked\r\n"), b"1\r\n \r\n"), "E-TRUNCATED", "E-NETWORK"),
)
# One for each way through the program; the others are for the full size.
FOR_XENBITS = {"gzip", "endless-chunks", "endless-headers", "endless-continue", "nested", "slow-headers", "slow-body"}
FOR_GITHUB = {"gzip", "endless-continue", "endless-error", "nested", "slow-body"}
HASTY: dict[str, object] = {
    "xenbump.upstream.xenbits:_PAUSES": [0.05],
    "xenbump.publish.github_requests:_PAUSES_SECONDS": [0.05],
}
SMALL: dict[str, object] = {
    **HASTY,
    "xenbump.upstream.xenbits:_DEADLINE_SECONDS": 0.5,
    "xenbump.publish.github_requests:_REPLY_SECONDS": 0.5,
}


@pytest.mark.parametrize(
    "case", [case for case in CASES if FULL or case.name in FOR_XENBITS], ids=lambda case: case.name
)
def test_xenbits(case: Case, siege: Siege) -> None:
    siege.xenbits.talk = case.talk
    ended = siege.run("check", seconds=5 if case.waits else 40, constants=SMALL if case.waits else HASTY)
    REPORT.note(f"xenbits: {case.name}", ended)
    assert ended.status in {1, 20}, ended.text
    assert f": {case.xenbits}: " in ended.err.splitlines()[-2 - (ended.status == 1)]
    assert "Traceback" not in ended.err
    assert max(ended.own, ended.child) < MOST_MIB


@pytest.mark.parametrize(
    "case", [case for case in CASES if FULL or case.name in FOR_GITHUB], ids=lambda case: case.name
)
def test_github(case: Case, siege: Siege) -> None:
    siege.github.talk = case.talk
    ended = siege.run("pr", seconds=40, constants=SMALL if case.waits else HASTY)
    REPORT.note(f"GitHub: {case.name}", ended)
    assert ended.status in {1, 20}, ended.text
    assert f"failed: {case.github}: " in ended.err
    assert "Traceback" not in ended.err
    assert max(ended.own, ended.child) < MOST_MIB
    assert siege.stage.pulls == []


def test_afterwards_all_is_as_ever(siege: Siege) -> None:
    siege.recovers()
