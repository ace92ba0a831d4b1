"""Runs inputs through a target once more, without atheris: tests/fuzz/repeat.py TARGET FILE…."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz import targets


def main() -> None:
    """Run each and say how it was taken; an exception comes through."""
    name, *paths = sys.argv[1:]
    one = targets.load(name)
    for path in paths:
        began = time.process_time()
        taken = "accepted" if one(Path(path).read_bytes()) else "refused"
        print(f"{path}: {taken} in {time.process_time() - began:.3f} s")  # noqa: T201 - it is a command


if __name__ == "__main__":
    main()
