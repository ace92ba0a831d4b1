"""Runs one target under atheris: `python -m tests.fuzz.drive MODULE RECORD [libFuzzer's arguments]`.

RECORD is a file that gets the slowest input so far as JSON: `seconds` (of the processor), `bytes`, `accepted` (how many
inputs the target accepted by then). It is written when the record is broken, since libFuzzer ends the process itself.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

# For a few kilobytes, with the instrumentation; nothing that is linear comes near it.
SLOW = 2.0


class TooSlowError(Exception):
    """An input takes too much time of the processor."""


def main() -> None:
    """Run the target until libFuzzer ends the process."""
    module, record, *arguments = sys.argv[1:]
    atheris = importlib.import_module("atheris")
    # What texts are compared with tells the fuzzer what is looked for. The hook for regular expressions is left out: it
    # does not know possessive repeats, nor the arguments of `match`.
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=["xenbump"]):
        one = importlib.import_module(module).one
    slowest, accepted = 0.0, 0

    def run(data: bytes) -> None:
        nonlocal slowest, accepted
        began = time.process_time()
        accepted += one(data)
        seconds = time.process_time() - began
        if seconds > 1.1 * slowest:
            slowest = seconds
            told = {"seconds": seconds, "bytes": len(data), "accepted": accepted}
            Path(record).write_text(json.dumps(told), "utf-8")
        if seconds > SLOW:
            raise TooSlowError(f"{len(data)} bytes took {seconds:.1f} s")

    # For a merge libFuzzer starts itself again, by this word and a shell: nothing in it has a blank or a quote.
    itself = f"{sys.executable} -m tests.fuzz.drive {module} {record}"
    atheris.Setup([itself, *arguments], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
