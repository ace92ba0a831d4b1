"""Programs that fail: a folder in which one of them is a script that fails in some calls and passes the others on.

The script is found on PATH in the place of the program; which calls it fails in, a pattern of the shell over all of its
arguments says.
"""

from __future__ import annotations

import shlex
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

# Of what is written without end, so much is; a program that would keep it all is seen by its memory.
ENDLESS_BYTES = 100_000_000


@dataclass(frozen=True)
class ProgFault:
    """What a program does instead of its work.

    Attributes:
        name: what it is called in the table.
        script: lines of a shell script; the arguments are still there.
        missing: there is no such program.
        entry: the limits with which xenbump runs.
    """

    name: str
    script: str = ""
    missing: bool = False
    entry: str = "quick"


MISSING = ProgFault("missing", missing=True)
FAULTS = (
    MISSING,
    ProgFault("exit 1 with a message", "echo 'fatal: the moon is in the way' >&2; exit 1"),
    ProgFault("exit 1 without a word", "exit 1"),
    ProgFault("killed", "kill -9 $$"),
    ProgFault("ended politely", "kill -15 $$"),
    ProgFault("hangs", "exec /bin/sleep 45", entry="hurried"),
    ProgFault("hangs deaf", "trap '' TERM; /bin/sleep 45 & echo $! >> {pids}; wait; wait", entry="hurried"),
    ProgFault("nothing, status 0", "exit 0"),
    ProgFault("garbage, status 0", "/usr/bin/head -c 3000 {noise}; exit 0"),
    ProgFault("garbage, status 1", "/usr/bin/head -c 3000 {noise}; /usr/bin/head -c 3000 {noise} >&2; exit 1"),
    ProgFault("writes 100 MB", "/usr/bin/head -c {many} /dev/zero; exit 1"),
    ProgFault("complains of 100 MB", "/usr/bin/head -c {many} /dev/zero >&2; exit 1"),
    ProgFault(
        "escapes of a terminal",
        "printf 'fatal: \\033[31mred\\033]0;title\\007\\033[2J\\r\\n\\033[1mbold\\n' >&2; exit 1",
    ),
    ProgFault("cannot be executed", "#not a program"),
)


def old(option: str, complaint: str) -> ProgFault:
    """A release of the program that does not know an option yet: for the calls that have it."""
    return ProgFault(f"does not know {option}", f"printf '%s\\n' {shlex.quote(complaint)} >&2; exit 129")


def lay(folder: Path, program: str, fault: ProgFault, pattern: str) -> Path:
    """Put a faulty program into a folder of programs.

    Args:
        folder: of links to the real ones; this one's is replaced.
        program: its name.
        fault: what it does.
        pattern: in which calls, as a pattern of the shell; `*` for all.

    Returns:
        A file that has a line for each call in which the fault was met.
    """
    place, met = folder / program, folder.parent / f"{folder.name}.met"
    real = shutil.which(program) or "/nonexistent"
    place.unlink(missing_ok=True)
    met.write_text("")
    if fault.missing:
        met.write_text("not there\n")
        return met
    noise = folder.parent / "noise"
    noise.write_bytes(bytes(range(1, 256)) * 12)
    if fault.script.startswith("#not"):
        place.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(200))
        met.write_text("cannot be executed\n")
    else:
        script = fault.script.format(many=ENDLESS_BYTES, noise=noise, pids=folder.parent / f"{folder.name}.pids")
        place.write_text(
            "#!/bin/sh\n"
            f'case "$*" in {pattern})\n'
            f"  echo met >> {met}\n"
            f"  {script}\n"
            ";; esac\n"
            f'exec {shlex.quote(real)} "$@"\n'
        )
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return met


def left_running(folder: Path) -> list[int]:
    """The processes that a faulty program started and that are still there."""
    pids = folder.parent / f"{folder.name}.pids"
    found = [int(line) for line in pids.read_text().split()] if pids.is_file() else []
    return [pid for pid in found if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended; who would collect it may never come to it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
