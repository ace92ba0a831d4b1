"""Programs of a build: `make` and `configure`, in an environment that says nothing of the day, and a log of them."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xenbump import durable, process
from xenbump.errors import Failure

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

# What a compiler outside of the usual places is found by; flags of the user (CFLAGS, KCFLAGS, MAKEFLAGS) are not.
_OF_THE_COMPILER: Final = re.compile(r"PKG_CONFIG_PATH|NIX_(?:CC|BINTOOLS|CFLAGS_COMPILE|LDFLAGS|PKG_CONFIG)\w*")
_CHUNK = 1 << 16
_LARGEST_LOG: Final = 256 << 20
_ERROR = re.compile(
    r"^(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: "
    r"|^\S*(?:ld|ld\.bfd|collect2): |: undefined reference to |^make\b.*\*\*\* (?!\[)|No rule to make target"
    r"|^(?:/bin/)?sh: .*not found"
)
_MAKE_MOVES = re.compile(r"^make(?:\[\d+\])?: (?:Entering|Leaving) directory|^\$ ")
_MISSING = re.compile(r"(?:^|[\s:/])([a-z][\w.+-]*): (?:command )?not found$")
_PACKAGES: Final = {"ld": "binutils", "as": "binutils", "objcopy": "binutils", "ar": "binutils", "python": "python3"}
_MOST_ERRORS = 10
_TAIL = 15
_TOLD_SECONDS = 1.0
_POLL_SECONDS = 0.01
_STEP = re.compile(r"^\s*(?P<what>[A-Z][A-Z0-9]+)\s+(?P<name>\S+)")
_COMPILER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Made:
    """The end of a program.

    Attributes:
        status: its exit status; None: it did not end in time, and was ended.
        seconds: how long it ran.
        log: the file with what it said, behind what stood there.
        errors: the first lines that say what went wrong.
        tail: the last lines.
    """

    status: int | None
    seconds: float
    log: Path
    errors: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What went wrong, in a sentence; empty when nothing did."""
        if self.status == 0:
            return ""
        if self.status is None:
            return f"it did not end within {self.seconds:.0f} seconds, and was ended"
        said = (line for line in reversed(self.tail) if not _MAKE_MOVES.search(line))
        return next(iter((*self.errors, *said)), f"it ended with status {self.status} and said nothing")


def lacks(made: Made) -> list[str]:
    """Debian's packages with the programs that were not found."""
    missing = {match[1] for line in (*made.errors, *made.tail) if (match := _MISSING.search(line))}
    return sorted({_PACKAGES.get(name, name) for name in missing})


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a build: what is needed to find compilers, no flags, and a git without the user's settings."""
    kept = {name: value for name, value in os.environ.items() if _OF_THE_COMPILER.fullmatch(name)}
    return {
        **kept,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "TZ": "UTC",
        **(extra or {}),
    }


def fixed(seconds: int = 0) -> dict[str, str]:
    """Variables by which Xen's Makefiles take a time, a host and a person that are always the same.

    Args:
        seconds: the time of the build, since 1970.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return {
        "SOURCE_DATE_EPOCH": str(seconds),
        "XEN_BUILD_DATE": f"{moment:%a %b %e %H:%M:%S UTC %Y}",
        "XEN_BUILD_TIME": f"{moment:%H:%M:%S}",
        "XEN_BUILD_HOST": "xenbump",
        "XEN_WHOAMI": "try",
        "XEN_DOMAIN": "localdomain",
    }


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Explain what the system says of files in a work tree, for the time of a `with` block.

    Raises:
        Failure: E-DISK when the disk is full, else E-STATE.
    """
    try:
        yield
    except OSError as error:
        raise durable.failure(error, folder, what="the source tree cannot be used") from error


def compiler() -> str:
    """What the C compiler calls itself; empty where there is none."""
    with contextlib.suppress(Failure):
        done = process.run(["gcc", "--version"], timeout=_COMPILER_SECONDS, check=False)
        return done.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
    return ""


def run(
    argv: Sequence[str],
    folder: Path,
    log: Path,
    *,
    limit: float,
    extra: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Made:
    """Run a program of a build to its end.

    Args:
        argv: the program and its arguments.
        folder: where it runs.
        log: the file that all it says is added to.
        limit: seconds of wall-clock time; then it is ended with its children.
        extra: more variables.
        progress: told about once a second what is being compiled.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED (it cannot be started), E-STATE, E-DISK (for the log).
    """
    began = time.monotonic()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ {' '.join(argv)}\n".encode())
            file.flush()
            start = file.tell()
            # A make that outlives a killed run would go on writing into a tree that the next one takes.
            dying = signal.SIGTERM
            with process.start(
                argv, cwd=folder, env=environment(extra), errors=file, dies_with_parent=dying
            ) as running:
                status = _awaited(running, file, began + limit, progress)
    except OSError as error:
        raise durable.failure(error, log, what="the log cannot be written") from error
    errors, tail = _read(log, start) if status != 0 else ((), ())
    return Made(status, time.monotonic() - began, log, errors, tail)


def _awaited(
    running: subprocess.Popen[bytes], file: BinaryIO, deadline: float, progress: Callable[[str], None]
) -> int | None:
    """Put what a program says into a file until its end; its status, None when that did not come in time."""
    pipe = running.stdout.fileno() if running.stdout is not None else -1
    told = time.monotonic()
    written = 0
    with selectors.DefaultSelector() as pipes:
        pipes.register(pipe, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if not pipes.select(left):
                continue
            data = os.read(pipe, _CHUNK)
            if not data:
                break
            written += len(data)
            if written <= _LARGEST_LOG:
                file.write(data)
                file.flush()
            now = time.monotonic()
            if now - told >= _TOLD_SECONDS:
                told = now
                _tell(data, progress)
    while running.poll() is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_SECONDS)
    return running.returncode


def _tell(data: bytes, progress: Callable[[str], None]) -> None:
    for line in reversed(data.decode("utf-8", "replace").splitlines()):
        match = _STEP.match(line)
        if match:
            progress(f"building: {match['what']} {match['name']}")
            return


def _read(log: Path, start: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first errors in a log and its last lines."""
    errors: dict[str, None] = {}
    tail: deque[str] = deque(maxlen=_TAIL)
    with log.open("rb") as file:
        file.seek(start)
        for raw in file:
            line = "".join(one for one in raw.decode("utf-8", "replace").rstrip() if one.isprintable() or one == "\t")
            if len(errors) < _MOST_ERRORS and _ERROR.search(line):
                errors[line.strip()] = None
            if line.strip():
                tail.append(line)
    return tuple(errors), tuple(tail)
