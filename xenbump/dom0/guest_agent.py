"""The program inside a dom0 that runs a bundle of guests, as `agent` runs a job.

`python3 -m dom0.guest_agent BUNDLEFILE`, run in the folder that has `dom0`. Results go to stdout as frames, which
are what is believed. The guests' consoles go there too, for people, as lines

    xenbump-guest NAME MARK BASE64

each with a piece of a line (MARK is `.` at the line's end, else `+`), since a guest's panic in plain words would be
taken for dom0's own. Exit status: 0, the bundle was run, whatever came out; 2, there is none that can be read.
"""

from __future__ import annotations

import argparse
import base64
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import guest_bundle, guest_life
from .agent import Heart, Sender, writer
from .machine import Local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .agent import Write
    from .guest_bundle import Bundle
    from .machine import Machine

_PIECE = 180  # bytes; packed it stays below the 400 characters that the engine reads of a line
MOST_LINES = 4000


def shown(write: Write) -> Callable[[str, str], None]:
    """A function that writes a guest's lines for people, up to MOST_LINES of each."""
    told: dict[str, int] = {}

    def tell(name: str, line: str) -> None:
        told[name] = told.get(name, 0) + 1
        if told[name] > MOST_LINES:
            return
        data = line.encode()[: 8 * _PIECE]
        if told[name] == MOST_LINES:
            data = b"(its further lines are not shown)"
        packed = [base64.b64encode(data[at : at + _PIECE]).decode() for at in range(0, len(data), _PIECE)] or [""]
        marks = ["+"] * (len(packed) - 1) + ["."]
        lines = (f"xenbump-guest {name} {mark} {piece}" for mark, piece in zip(marks, packed, strict=True))
        write(("\n" + "\n".join(lines) + "\n").encode())

    return tell


def work(machine: Machine, bundle: Bundle, write: Write) -> None:
    """Run a bundle and send what comes out; nothing that happens in it is raised."""
    start = time.monotonic()
    sender = Sender(bundle.nonce, write)
    error = ""
    with Heart(sender, bundle.heartbeat_seconds):
        try:
            announced = [
                {"name": f"guest:{one.name}", "requirement": guest_life.requirement(one)} for one in bundle.guests
            ]
            sender.send({"kind": "start", "checks": announced, "xtf": False})
            for result in guest_life.run(machine, bundle, shown(write), guest_life.local):
                sender.send({"kind": "check", **vars(result)})
        except Exception as wrong:  # noqa: BLE001 - the other side has to be told, or it would wait
            error = f"{type(wrong).__name__}: {wrong}"
    sender.send({"kind": "done", "error": error, "seconds": round(time.monotonic() - start, 3)})
    sender.repeat()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and the bundle, and run it; the exit status."""
    parser = argparse.ArgumentParser(prog="dom0.guest_agent", description="Runs guests in a dom0, sends the results.")
    parser.add_argument("bundle", metavar="BUNDLEFILE", help="the bundle, a JSON file")
    options = parser.parse_args(arguments)
    try:
        bundle = guest_bundle.from_json(Path(options.bundle).read_bytes())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"xenbump: no bundle can be read from {options.bundle}: {error}\n")
        return 2
    work(Local(), bundle, writer(""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
