"""How long it takes to rewrite a package file of 20 kB, measured against Python's own parser.

A rewrite begins with a file that was read when its plan was made: replace version, tag and hash, read the result again
and compare. The first reading is measured apart and taken off. Each file has another comment in it, so that nothing is
remembered of the one before. All sides are measured in the same run, turn and turn about, and the best of the rounds
counts, so that the ratio says something on a busy machine too. Run it with `python bench/rewrite.py`;
`--json FILE` hands the figures over.
"""

from __future__ import annotations

import ast
import sys
from importlib import resources
from itertools import count

from support.measured import Measured, main
from support.stopwatch import best
from support.texts import patches, program

from xenbump.nixlang import parse
from xenbump.package import rewrite
from xenbump.plan.model import PatchChange, Plan, Target

SIZE = 20_000
ROUNDS = 40
LIMIT_MS = 20.0
OLD, NEW = (f"sha256-{letter * 43}=" for letter in "AB")


def package() -> bytes:
    """The package file of the demo, padded with patches."""
    text = (resources.files("xenbump.demo") / "package.nix").read_text("utf-8")
    text = text.replace("@version@", "4.20.3").replace("@hash@", OLD)
    return text.replace("  patches = [\n", "  patches = [\n" + patches(SIZE - len(text))).encode()


def plan(content: bytes) -> Plan:
    """The plan for the file."""
    subject = rewrite.read(content, name="xen", file="package.nix", attribute="xen")
    tag = "RELEASE-4.20.4"
    release = Target(
        "4.20.4", "4.20.4", "2" * 40, f"refs/tags/{tag}", "https://example.org", tag, "1" * 40, "A" * 40, 0
    )
    return Plan(subject, release, NEW, PatchChange(keep=subject.patches, series=subject.patches))


def rewritten(content: bytes) -> bytes:
    """Plan and write."""
    (edit,) = rewrite.write(content, plan(content))
    return edit.after or b""


def measure() -> list[Measured]:
    """Measure and print."""
    content = package()
    python = program(len(content))
    expected = content.replace(b'"4.20.3"', b'"4.20.4"').replace(
        f'    hash = "{OLD}"'.encode(), f'    hash = "{NEW}"'.encode(), 1
    )
    assert rewritten(content) == expected
    numbers = count()
    whole, planned, read, compiled = best(
        ROUNDS,
        lambda: rewritten(content + b"# %d\n" % next(numbers)),
        lambda: plan(content + b"# %d\n" % next(numbers)),
        lambda: parse(content.decode()),
        lambda: ast.parse(python),
    )
    print(f"nix: {len(content)} bytes, {len(plan(content).subject.patches)} patches; python: {len(python)} bytes")
    rewrite_ms = whole - planned
    print(f"rewrite            {rewrite_ms:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"first reading      {planned:8.2f} ms")
    print(f"parse              {read:8.2f} ms")
    print(f"ast.parse          {compiled:8.2f} ms")
    return [
        Measured("Rewrite of a package file of 20 kB", "", rewrite_ms, LIMIT_MS, unit="ms"),
        Measured(
            "Rewrite of a package file of 20 kB", "Python's own parser on as much Python", rewrite_ms / compiled, None
        ),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
