"""How long the program takes to start, measured against an empty Python program.

`--version` is what scripts ask for often and is answered before anything is imported; `--help` reads the command line
with all commands. All are started in turn, and the best of the rounds counts. Run it with `python bench/startup.py`;
the exit status is 1 above the limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
LIMIT_RATIO = 2.5


def measure(argv: list[str]) -> float:
    """Return the seconds from the start of a program to its end."""
    begin = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, NO_COLOR="1"))
    return time.perf_counter() - begin


def main() -> int:
    """Measure and print; return the exit status."""
    program = str(Path(sys.executable).with_name("xenbump"))
    calls = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "xenbump --version": [program, "--version"],
        "xenbump --help": [program, "--help"],
    }
    best = {name: min(measure(argv) for _ in range(2)) for name, argv in calls.items()}
    for _ in range(ROUNDS):
        for name, argv in calls.items():
            best[name] = min(best[name], measure(argv))
    for name, seconds in best.items():
        print(f"{name:<18} {seconds:7.3f} s")
    ratio = best["xenbump --version"] / best["python -c pass"]
    print(f"ratio xenbump --version / python -c pass: {ratio:.2f} (limit {LIMIT_RATIO})")
    return int(ratio > LIMIT_RATIO)


if __name__ == "__main__":
    sys.exit(main())
