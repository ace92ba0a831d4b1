"""Hostile git servers, to the whole program: what they list, what they send, and how much and how slowly.

What only git itself bounds is bounded by the limits of time here; `test_objects.py` has what it lets through.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.hostile import servers as s
from tests.hostile.sizes import FULL, REPORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile.conftest import Siege
    from tests.hostile.servers import Line

SMALL: dict[str, object] = {"xenbump.upstream.git:LIST_SECONDS": 1.5, "xenbump.upstream.git:FETCH_SECONDS": 1.5}
OURS = ("3" * 40, "refs/tags/RELEASE-4.20.2", "2" * 40)
NEWER = ("1" * 40, "refs/tags/RELEASE-4.20.9", "2" * 40)
EVIL = b"\x1b[31m\x1b]8;;http://x\x07y\r::error::z\xe2\x80\xae\n::error::w"
MOST_MIB = 400


def flooding(piece: bytes) -> Callable[[Line], None]:
    """Begin with a pack, and send the same piece for ever."""

    def talk(line: Line) -> None:
        line.send(s.packet(b"packfile\n"))
        line.flood(piece)

    return talk


def endless(line: Line) -> None:
    line.flood(b"".join(s.packet(b"%040d refs/tags/v%d\n" % (number, number)) for number in range(500)))


def many_objects(line: Line) -> None:
    one = b"".join(s.entry("blob", 3, [zlib.compress(b"abc")]))
    line.send(s.packet(b"packfile\n"), s.sideband(1, b"PACK" + (2).to_bytes(4, "big") + (1 << 31).to_bytes(4, "big")))
    line.flood(s.sideband(1, one * 2000))


def bomb(kind: str) -> Callable[[Line], None]:
    """One object that announces ten gigabytes, and has them, compressed."""
    size = 10 << 30

    def talk(line: Line) -> None:
        s.packed(line, s.pack([s.entry(kind, size, s.deflated(size, form=15))], 1))

    return talk


@dataclass(frozen=True)
class Case:
    """A git server and the codes that the program may end with."""

    name: str
    git: s.Git = field(repr=False)
    codes: tuple[str, ...]


def fetching(name: str, fetch: Callable[[Line], None], *codes: str) -> Case:
    return Case(name, s.Git((OURS, NEWER), fetch), codes)


CASES = (
    Case("refs-endless", s.Git(ls=endless), ("E-TIMEOUT",)),
    Case("refs-slow", s.Git(ls=lambda line: line.trickle(s.packet(b"%040d refs/tags/v\n" % 1))), ("E-TIMEOUT",)),
    Case("refs-error", s.Git(ls=lambda line: line.send(s.packet(b"ERR " + EVIL))), ("E-GIT",)),
    fetching("progress-endless", flooding(s.sideband(2, b"working\r" * 999)), "E-TIMEOUT"),
    fetching("pack-slow", lambda line: line.trickle(s.packet(b"packfile\n") + s.sideband(1, b"PACK")), "E-TIMEOUT"),
    fetching("pack-endless", many_objects, "E-TIMEOUT", "E-TRUNCATED"),
    fetching(
        "pack-error", lambda line: line.send(s.packet(b"packfile\n"), s.sideband(3, EVIL)), "E-TRUNCATED", "E-GIT"
    ),
    fetching("fetch-error", lambda line: line.send(s.packet(b"ERR " + EVIL)), "E-GIT"),
    *(
        fetching(f"bomb-{kind}", bomb(kind), "E-TIMEOUT", "E-TRUNCATED", "E-OBJECT-SIZE")
        for kind in ("tag", "blob", *(("tree", "commit") if FULL else ()))
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_git_server(case: Case, siege: Siege) -> None:
    siege.git.talk = case.git
    ended = siege.run("check", seconds=40, constants=SMALL)
    REPORT.note(f"git: {case.name}", ended)
    assert ended.status in {1, 20}, ended.text
    kind = "failed" if ended.status == 1 else "refused"
    assert any(f"{kind}: {code}: " in ended.err for code in case.codes), ended.err
    assert "Traceback" not in ended.err
    assert not [line for line in ended.err.split("\n") if line.startswith("::") or not line.isprintable()]
    assert max(ended.own, ended.child) < MOST_MIB


def test_a_hundred_thousand_tags(siege: Siege) -> None:
    sizes = (100_000, 1_000_000) if FULL else (20_000, 100_000)
    took = []
    for size in sizes:
        siege.git.talk = s.Git([(f"{number:040x}", f"refs/tags/v{number}", "") for number in range(size)])
        took.append(siege.run("check", seconds=100))
        REPORT.note(f"git: {size} tags", took[-1])
        # They are read, and there is no release among them.
        assert took[-1].status == 20
        assert "refused: E-VERSION-UNKNOWN: " in took[-1].err
    assert max(took[1].own, took[1].child) < (900 if FULL else 250)


def test_a_hundred_thousand_releases(siege: Siege) -> None:
    size = 100_000 if FULL else 20_000
    refs = [(f"{n:040x}", f"refs/tags/RELEASE-4.20.{n}", "2" * 40) for n in range(2, size)]
    siege.git.talk = s.Git(refs, fetch=lambda line: line.send(s.packet(b"ERR no")))
    ended = siege.run("check", seconds=60)
    REPORT.note(f"git: {size} releases", ended)
    assert "failed: E-GIT: " in ended.err
    assert max(ended.own, ended.child) < 250


def test_afterwards_all_is_as_ever(siege: Siege) -> None:
    siege.recovers()
