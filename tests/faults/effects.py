"""Runs of the program whose every effect is counted, and that are ended before one of them, or have it fail.

What an effect is, `effects.c` says. It is built once for each of its contents, and preloaded into a fork server of its
own; the function `armed` has it watch the one process from there on.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import pwd
import re
import struct
import sys
import tempfile
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.forked import Forked
from xenbump.cli.main import main
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SOURCE = Path(__file__).with_name("effects.c")
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
_CONTROL = "XENBUMP_TEST_EFFECTS"
# As in effects.c: the numbers of `struct control`, its text, and one `struct record`.
_MOST = 8192
_PATH_BYTES = 504
_NUMBERS = struct.Struct("8I")
_RECORD = struct.Struct(f"2I{_PATH_BYTES}s")
_RECORDS_AT = _NUMBERS.size + _PATH_BYTES
_SIZE = _RECORDS_AT + _MOST * _RECORD.size
# A run that takes longer hangs.
SECONDS = 60.0

# What of a name is another each time.
_UNSTABLE = (
    (re.compile(r"(?<![0-9a-z])([0-9a-f]{2}/[0-9a-f]{38}|[0-9a-f]{12,64})"), "<id>"),
    (re.compile(r"/objects/[0-9a-f]{2}$"), "/objects/<id>"),
    (re.compile(r"([./-])(tmp|new-|old-|xenbump-\w+-)[a-z0-9_]{8}(?![a-z0-9_])"), r"\1\2<any>"),
    (re.compile(r"^/temp/[a-z0-9_]{8}$"), "/temp/<any>"),
    (re.compile(r"(/\.[A-Za-z0-9.-]+\.)[a-z0-9_]{8}(?![A-Za-z0-9_])"), r"\1<any>"),
    (re.compile(r"/#\d+ \(deleted\)"), "/<nameless>"),
    (re.compile(r"\b\d{4,}\b"), "<n>"),
)


class Kind(IntEnum):
    """What is done, in the order of effects.c."""

    OPEN = 0  # to write, or made
    WRITE = 1
    SYNC = 2
    TRUNCATE = 3
    RENAME = 4
    LINK = 5
    REMOVE = 6
    FOLDER = 7
    MODE = 8  # permissions, owner, times
    LOCK = 9
    START = 10  # of a program
    END = 11  # of one, collected
    SEND = 12
    RECEIVE = 13  # the first of a reply
    READ = 14  # opened to read, or read: only where it is asked for


class Way(IntEnum):
    """What becomes of an effect, in the order of effects.c."""

    COUNT = 0
    KILL = 1  # the process ends before it
    TEAR = 2  # the process ends in the middle of it, for one that writes
    FAIL = 3
    SHORT = 4  # a write that writes half, and then fails


# What a disk can refuse.
DISK = frozenset(Kind) - {Kind.START, Kind.END, Kind.SEND, Kind.RECEIVE}


@dataclass(frozen=True)
class Order:
    """What is to become of one effect.

    Attributes:
        way: what.
        number: of the effect, from 1.
        error: the number of the error that it fails with.
        after: the kinds that fail after it, too.
        below: reading in this folder counts as well; None: nowhere.
    """

    way: Way = Way.COUNT
    number: int = 0
    error: int = 0
    after: frozenset[Kind] = frozenset()
    below: Path | None = None


@dataclass(frozen=True)
class Effect:
    """One that there was: its number, its kind, and the file, the request or nothing, without what changes."""

    number: int
    kind: Kind
    place: str

    def __str__(self) -> str:
        return f"{self.number} {self.kind.name.lower()} {self.place}".rstrip()


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Attributes:
        status: its exit status, negative for a signal.
        stdout, stderr: what it wrote.
        effects: those that there were; for a run that was killed, the last is the one that did not come to be.
        hits: how often the order was followed.
    """

    status: int
    stdout: str
    stderr: str
    effects: tuple[Effect, ...]
    hits: int


@cache
def library() -> Path:
    """Build the library, in a cache that is nobody else's; where it is."""
    content = _SOURCE.read_bytes()
    # Not by HOME, which is a test's own by now.
    cached = os.environ.get("XDG_CACHE_HOME") or f"{pwd.getpwuid(os.getuid()).pw_dir}/.cache"
    folder = Path(cached) / "xenbump" / "dev"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="xenbump-effects-"))
    built = folder / f"effects-{hashlib.sha256(content).hexdigest()[:16]}.so"
    if not built.exists():
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".so", delete=False) as file:
            pass
        run(["gcc", *_FLAGS, "-o", file.name, str(_SOURCE), "-ldl"])
        Path(file.name).rename(built)
    return built


def watched(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], order: Order, *, world: Path
) -> Ended:
    """Run the program to its end, or to that which the order gives it.

    Args:
        arguments: of the program.
        folder: where it runs.
        environment: all of it.
        order: what is to become of an effect.
        world: what the names in the trace are told from.

    Raises:
        subprocess.TimeoutExpired: it hangs; it has been ended.
    """
    with tempfile.NamedTemporaryFile(prefix="effects-") as file:
        file.truncate(_SIZE)
        file.write(_packed(order))
        file.flush()
        process = Forked(tuple(arguments), folder, {**environment, _CONTROL: file.name}, f"{__name__}:armed", library())
        with process:
            stdout, stderr = process.communicate(SECONDS)
        with mmap.mmap(file.fileno(), _SIZE) as control:
            *_, count, overflow, hits = _NUMBERS.unpack_from(control)
            assert not overflow, f"there were {count} effects, which are more than are noted"
            found = (_RECORD.unpack_from(control, _RECORDS_AT + at * _RECORD.size) for at in range(count))
            effects = tuple(Effect(number, Kind(kind), stable(_text(path), world)) for number, kind, path in found)
    return Ended(process.returncode or 0, stdout, stderr, effects, hits)


def armed() -> None:
    """Be watched from here on, and be the program; called in the process itself."""
    place = os.environ.pop(_CONTROL)
    # Modules that are imported late would be written to the disk the first time.
    sys.dont_write_bytecode = True
    ours = ctypes.CDLL(None)
    ours.effects_size.restype = ctypes.c_ulong
    assert ours.effects_size() == _SIZE, "effects.c and effects.py differ on what they share"
    wrong = ours.effects_arm(os.fsencode(place))
    assert wrong == 0, os.strerror(wrong)
    main()


def stable(name: str, world: Path) -> str:
    """A name without what is another each time: the world's place, identifiers, parts by chance, numbers."""
    name = name.replace(str(world), "")
    for pattern, instead in _UNSTABLE:
        name = pattern.sub(instead, name)
    return name


def _packed(order: Order) -> bytes:
    after = sum(1 << kind for kind in order.after)
    below = os.fsencode(f"{order.below}/") if order.below is not None else b""
    numbers = _NUMBERS.pack(order.way, order.number, order.error, after, bool(below), 0, 0, 0)
    return numbers + below.ljust(_PATH_BYTES, b"\0")


def _text(path: bytes) -> str:
    return path.partition(b"\0")[0].decode("utf-8", "backslashreplace")
