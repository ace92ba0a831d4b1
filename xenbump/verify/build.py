"""The build of a package by Nix: all its outputs, the log kept, a time limit, and an end that leaves nothing behind.

Nix has its builders in sessions of their own, so its end by force would leave them behind: it is asked to stop, ends
them, and only then is gone. Where a daemon builds, that one ends its builders when its client goes away.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from xenbump import durable, process
from xenbump.errors import Failure
from xenbump.hashes import nix32
from xenbump.verify import nix, nixlog, nixstate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from xenbump.verify.nix import Buildable
    from xenbump.verify.nixstate import Mismatch, Problem, State

_OUTPUTS = """package: {
  derivation = package.drvPath;
  outputs = builtins.listToAttrs (
    map (name: { inherit name; value = package.${name}.outPath; }) (package.outputs or [ "out" ])
  );
}"""
_CHUNK = 1 << 16
_LARGEST_LOG = 64 << 20
_LARGEST_ANSWER = 16 << 20  # of `nix build --json`, which has a few hundred bytes
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01


class Outcome(StrEnum):
    """How a build ended."""

    BUILT = "built"
    FAILED = "failed"
    MISMATCH = "mismatch"
    EVALUATION = "evaluation"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Built:
    """The end of a build.

    Attributes:
        outcome: `evaluation`: Nix code is wrong, or nixpkgs refuses the package; `interrupted`: something else than
            this program ended Nix.
        outputs: the store path of each output by its name; empty unless it was built.
        seconds: from the start of the evaluation to the end.
        log: the file with what Nix and the builders said, for people; it is not there when nothing was built.
        reason: one sentence; empty when it was built.
        derivation: the path of the derivation that failed; empty where it was none.
        lines: the last lines of that derivation's log.
        place: of an error in Nix code, `file:line:column`.
        mismatch: the wrong hash.
    """

    outcome: Outcome
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    log: Path | None = None
    reason: str = ""
    derivation: str = ""
    lines: tuple[str, ...] = ()
    place: str = ""
    mismatch: Mismatch | None = None


def build(
    wanted: Buildable,
    logs: Path,
    *,
    limit: float,
    computed: Mapping[str, str] | None = None,
    progress: Callable[[State], None] | None = None,
) -> Built:
    """Build all outputs of a package.

    Args:
        wanted: the package and how Nix is called.
        logs: the folder that gets the log.
        limit: seconds of wall-clock time, evaluation included; then Nix is ended with its builders.
        computed: the hashes that were computed here, by what they are of (`the source of Xen`); a hash that Nix finds
            wrong is compared with them, and no hash is ever taken from Nix.
        progress: called with what is known whenever Nix has said something.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED (Nix cannot be started), E-STATE, E-DISK (for the log).
        KeyboardInterrupt: as it came; Nix and its builders have ended then.
    """
    began = time.monotonic()
    try:
        known = nix.evaluate(wanted, _OUTPUTS, timeout=limit)
    except Failure as error:
        if error.code != "E-TIMEOUT":
            raise
        return Built(Outcome.TIMEOUT, {}, time.monotonic() - began, reason=_late(limit, "evaluated"))
    if known.problem is not None:
        return _ended(known.problem, Outcome.EVALUATION, time.monotonic() - began, None, computed or {})
    path = logs / (re.sub(r"[^\w.+-]", "_", wanted.attribute) + ".log")
    with _Log(path, progress) as log:
        outputs: dict[str, str] = known.value["outputs"]
        command = wanted.command("build", "--no-link", "--json", outputs=tuple(outputs))
        status, told = _run(command, wanted.folder, log, began + limit)
    seconds = time.monotonic() - began
    if status is None:
        current = log.state.current or nixstate.Build(0, "")
        late = _late(limit, "built")
        return Built(Outcome.TIMEOUT, {}, seconds, path, late, current.derivation, current.lines)
    if status == 0:
        return Built(Outcome.BUILT, outputs | _answered(told), seconds, path)
    problem = log.state.cause() or nix.silent(status)
    return _ended(problem, Outcome.FAILED, seconds, path, computed or {})


def _late(limit: float, what: str) -> str:
    return f"it was not {what} within {limit:g} seconds, and Nix was ended"


def _ended(
    problem: Problem, otherwise: Outcome, seconds: float, log: Path | None, computed: Mapping[str, str]
) -> Built:
    """A build that did not succeed."""
    reason, outcome = problem.message, otherwise
    if problem.interrupted:
        reason, outcome = f"Nix was ended by something else than xenbump: {problem.message}", Outcome.INTERRUPTED
    elif problem.mismatch is not None:
        reason, outcome = compared(problem.mismatch, computed), Outcome.MISMATCH
    elif problem.place:
        outcome = Outcome.EVALUATION
    return Built(
        outcome,
        seconds=seconds,
        log=log,
        reason=reason,
        derivation=problem.derivation,
        lines=problem.lines,
        place=problem.place,
        mismatch=problem.mismatch,
    )


def compared(mismatch: Mismatch, computed: Mapping[str, str]) -> str:
    """A sentence on a hash that Nix found wrong: what Nix says, what was computed here, what the package has.

    The derivation is told from others by these hashes alone: its name says nothing of what it should hold.
    """
    name, says, has = nixlog.name_of(mismatch.derivation), mismatch.got, mismatch.specified
    for what, ours in computed.items():
        if _same(ours, has):
            return f"{name}: Nix says {says}, and for {what} {ours} was computed here, as the package has it"
        if _same(ours, says):
            return f"{name}: Nix says {says}, as was computed here for {what}; the package has {has}"
    if not computed:
        return f"{name}: Nix says {says}, the package has {has}, and nothing was computed here"
    others = ", ".join(f"{ours} for {what}" for what, ours in computed.items())
    return f"{name}: Nix says {says}, the package has {has}, and neither was computed here, but {others}"


def _same(one: str, other: str) -> bool:
    digest = nix32.any_form(one)
    return digest is not None and digest == nix32.any_form(other)


def _answered(told: bytes) -> dict[str, str]:
    """The outputs that `nix build --json` names, by their names; empty where it has said nothing that can be read."""
    try:
        return {name: path for built in json.loads(told) for name, path in built["outputs"].items() if path}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


class _Log:
    """What Nix says: kept in a file for people, and folded."""

    def __init__(self, path: Path, progress: Callable[[State], None] | None) -> None:
        self.state = nixstate.State()
        self._reader = nixlog.Reader()
        self._path, self._progress = path, progress
        self._written = 0

    def __enter__(self) -> Self:
        with self._told():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        with self._told():
            self._file.close()

    def feed(self, data: bytes) -> None:
        """Take what Nix has said; nothing more comes after the empty one."""
        events = self._reader.feed(data) if data else self._reader.close()
        texts = [text for event in events if (text := nixlog.shown(event)) is not None]
        for event in events:
            self.state = nixstate.advance(self.state, event)
        self._keep("".join(f"{text}\n" for text in texts).encode())
        if events and self._progress is not None:
            self._progress(self.state)

    def _keep(self, text: bytes) -> None:
        if self._written > _LARGEST_LOG:
            return
        self._written += len(text)
        with self._told():
            self._file.write(text)
            if self._written > _LARGEST_LOG:
                self._file.write(b"xenbump: the log is too long; what follows is not kept\n")
            self._file.flush()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise durable.failure(error, self._path, what="the log cannot be written") from error


def _run(command: list[str], folder: Path, log: _Log, deadline: float) -> tuple[int | None, bytes]:
    """Run Nix to its end.

    Returns:
        Its exit status, negative where a signal ended it, None where the time was over; and what it answered.
    """
    answer = bytearray()
    reading, writing = os.pipe()
    with (
        open(reading, "rb", buffering=0) as said,  # noqa: PTH123 - not a path
        open(writing, "wb") as errors,  # noqa: PTH123 - the same
        process.start(
            command, cwd=folder, env=nix.environment(), errors=errors, dies_with_parent=nix.DIES_BY
        ) as running,
    ):
        errors.close()  # or the pipe would have no end
        if running.stdin is not None:
            running.stdin.close()  # no question that Nix may ask gets an answer
        try:
            if _follow(running, said, log.feed, lambda data: answer.extend(data[: _room(answer)]), deadline):
                return running.returncode, bytes(answer)
        except BaseException:
            _stop(running, said)
            raise
        _stop(running, said)
        return None, b""


def _room(answer: bytearray) -> int:
    """How many more bytes of the answer are kept; one that is cut is not understood."""
    return _LARGEST_ANSWER - len(answer)


def _follow(
    running: subprocess.Popen[bytes],
    said: BinaryIO,
    log: Callable[[bytes], object],
    answer: Callable[[bytes], object],
    deadline: float,
) -> bool:
    """Read what Nix says and answers until it has ended; False when the time is over before."""
    with selectors.DefaultSelector() as selector:
        selector.register(said, selectors.EVENT_READ, log)
        if running.stdout is not None:
            selector.register(running.stdout, selectors.EVENT_READ, answer)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.get_map():
                if running.poll() is not None:
                    return True
                time.sleep(_POLL_SECONDS)
                continue
            for key, _ in selector.select(left):
                data = os.read(key.fd, _CHUNK)
                key.data(data)
                if not data:
                    selector.unregister(key.fileobj)
    return False


def _stop(running: subprocess.Popen[bytes], said: BinaryIO) -> None:
    """Have Nix end its builders and itself, and then end by force what is left of them."""
    sessions = _sessions(running.pid)
    try:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGTERM)
        # What it still says is read, or it could not end: a pipe holds only so much.
        _follow(running, said, len, len, time.monotonic() + _STOP_SECONDS)
    finally:
        left = [one for one in _processes() if one.session in sessions]
        for one in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    session: int


def _sessions(root: int) -> set[int]:
    """The sessions of a program and all its descendants; each builder is one of its own, with its children in it."""
    everything = _processes()
    family = {root}
    while more := {one.pid for one in everything if one.parent in family} - family:
        family |= more
    return {one.session for one in everything if one.pid in family}


def _processes() -> list[_Process]:
    """All processes, out of `/proc/PID/stat` (described in proc(5)); none where the system has no such files."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text("utf-8", "replace").rpartition(")")[2].split()
            found.append(_Process(int(path.parent.name), int(fields[1]), int(fields[3])))
    return found
