"""How long the program takes to start, measured against an empty Python program.

`--version` is what scripts ask for often and is answered before anything is imported; `--help` reads the command line
with all commands. All are started in turn, and the best of the rounds counts. Run it with `python bench/startup.py`;
`--json FILE` hands the figures over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.measured import Measured, main
from support.stopwatch import best_elapsed

ROUNDS = 15
LIMIT_RATIO = 2.5


def start(argv: list[str]) -> None:
    """Start a program and wait for its end."""
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, NO_COLOR="1"))


def measure() -> list[Measured]:
    """Measure and print."""
    program = str(Path(sys.executable).with_name("xenbump"))
    calls = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "xenbump --version": [program, "--version"],
        "xenbump --help": [program, "--help"],
    }
    times = best_elapsed(ROUNDS, *(lambda argv=argv: start(argv) for argv in calls.values()))
    for name, seconds in zip(calls, times, strict=True):
        print(f"{name:<18} {seconds:7.3f} s")
    empty, version, help_text = times
    return [
        Measured("`xenbump --version`", "an empty Python program", version / empty, LIMIT_RATIO),
        Measured("`xenbump --help`", "an empty Python program", help_text / empty, None),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
