"""Fuzzes everything that reads what others wrote: tools/fuzz.py [--seconds 60] [--jobs 2] [--write-corpus] [TARGET…].

Each target (tests/fuzz/targets) runs under atheris in a process of its own. What it finds is thrown away but for what
ends a run (an exception, 10 seconds or 1 GiB for one input); that input is kept, and the status is 1. With
`--write-corpus` new inputs come into tests/fuzz/corpus, as far as they are small. `--growth` needs no atheris: it
stretches the inputs of the corpus to 100 kB and looks for time that grows faster than they do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz import growth, runner, targets  # noqa: E402 - the tests are no installed package


def main() -> int:
    """Run it; the status is 1 for a fault, 2 where it cannot run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="of each target (default: 60)")
    parser.add_argument("--jobs", type=int, default=2, help="how many targets at a time (default: 2)")
    parser.add_argument("--write-corpus", action="store_true", help="keep what is new in tests/fuzz/corpus")
    parser.add_argument("--growth", action="store_true", help="look for time that grows too fast instead")
    parser.add_argument("--keep", type=Path, help="where inputs that make a fault go (default: a new folder)")
    parser.add_argument("target", nargs="*", choices=[*targets.NAMES, []], help="default: all of them")
    given = parser.parse_args()
    names = given.target or list(targets.NAMES)
    keep = given.keep or Path(tempfile.gettempdir()) / "xenbump-fuzz-faults"
    if given.growth:
        return _growth(names, given.seconds, keep)
    if not runner.installed():
        print("atheris is not installed, so nothing was fuzzed: pip install atheris (it is in the extra `dev`)")
        return 2
    with ThreadPoolExecutor(max(given.jobs, 1)) as pool:
        results = list(pool.map(lambda name: runner.run(name, given.seconds, keep, write=given.write_corpus), names))
    print(runner.table(results))
    faults = [one for one in results if one.fault]
    total = sum(one.executions for one in results)
    print(f"\n{len(results)} targets, {total:,} executions, {len(faults)} crashes")
    for one in faults:
        print(f"\n{one.target}: {one.fault}\n{one.log}")
        if one.kept is not None:
            print(f"the input: {one.kept}\nagain:     {sys.executable} tests/fuzz/repeat.py {one.target} {one.kept}")
    return 1 if faults else 0


def _growth(names: list[str], seconds: int, keep: Path) -> int:
    faults = 0
    for name in names:
        found = growth.search(name, seconds)
        print(f"{name}: {found.tried:,} inputs of up to {growth.SIZE:,} bytes, the slowest {found.seconds:.2f} s")
        if found.slowest is not None and found.fault:
            faults += 1
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"{name}-growth"
            kept.write_bytes(found.slowest.made(growth.SIZE))
            print(f"  its time grows too fast: {found.slowest.told()}\n  the input: {kept}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
