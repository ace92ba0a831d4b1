"""Stands in for `xtf-runner` in a real dom0: the command line, the output and the statuses of its logfile mode.

`xtf-runner -m logfile TEST…`, with full names of tests. It starts each guest with `xl` and looks for its result in the
log that xenconsoled keeps. The standard library only, since it is run in the dom0.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STATUSES = {"SUCCESS": 0, "SKIP": 3, "ERROR": 4, "FAILURE": 5, "CRASH": 6}
RUNNER_FAILED = 1
LOG = "/var/log/xen/console/guest-{}.log"
SAYS = "Test result:"


def say(*lines: str) -> None:
    """Print lines at once, as the runner does with whoever reads them."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(test: str) -> str | None:
    """Run one test: its result, or None where `xl` failed, and then that was said."""
    log = Path(LOG.format(test))
    log.touch()
    before = log.stat().st_size
    command = ["xl", "create", "-F", f"tests/{test.split('-', 2)[2]}/{test}.cfg"]
    say(f"Using logfile '{log}'", f"Executing '{' '.join(command)}'")
    guest = subprocess.run(command, capture_output=True, text=True, check=False)
    if guest.returncode:
        say(guest.stderr)
        return None
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(before)
        for line in file:
            say(line.rstrip())
            if SAYS in line:
                say("")
                return line.partition(SAYS)[2].strip()
    return "CRASH"


def main(tests: list[str]) -> int:
    """Run the tests, and say all results at the end; the status of the worst."""
    os.chdir(Path(sys.argv[0]).parent.absolute())
    found = {}
    for test in tests:
        result = run(test)
        if result is None:
            sys.stderr.write("Error: Failed to run test\n")
            return RUNNER_FAILED
        found[test] = result
    say("Combined test results:", *(f"{test:<40} {result}" for test, result in found.items()))
    return max(STATUSES[result] for result in found.values())


if __name__ == "__main__":
    if sys.argv[1:3] != ["-m", "logfile"]:
        sys.exit("only the logfile mode is known here")
    sys.exit(main(sys.argv[3:]))
