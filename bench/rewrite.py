"""How long it takes to rewrite a package file of 20 kB, measured against Python's own parser.

A rewrite begins with a file that was read when its plan was made: replace version, tag and hash, read the result again
and compare. The first reading is measured apart. All sides are measured in the same run, turn and turn about, and the
best of the rounds counts, so that the ratio says something on a busy machine too. Run it with `python
bench/rewrite.py`; the exit status is 1 above the limit.
"""

from __future__ import annotations

import ast
import sys
import time
from importlib import resources
from typing import TYPE_CHECKING

from xenbump.package import rewrite
from xenbump.plan.model import PatchChange, Plan, Target

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 20_000
ROUNDS = 40
LIMIT_MS = 20.0
OLD, NEW = (f"sha256-{letter * 43}=" for letter in "AB")

PATCH = """
    # XSA #{number}
    (fetchpatch {{
      url = "https://example.org/xsa{number}.patch";
      hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    }})
"""
FUNCTION = """
def advisory_{number}(source: str, revision: int = 0) -> dict[str, str]:
    # Advisory {number}
    return {{"url": f"https://example.org/{{source}}/{number}", "hash": "sha256-AAAA" + str(revision * 2)}}
"""


def package() -> bytes:
    """The package file of the demo, padded with patches."""
    text = (resources.files("xenbump.demo") / "package.nix").read_text("utf-8")
    text = text.replace("@version@", "4.20.3").replace("@hash@", OLD)
    patches = ""
    while len(text) + len(patches) < SIZE:
        patches += PATCH.format(number=len(patches))
    return text.replace("  patches = [\n", "  patches = [\n" + patches).encode()


def program(size: int) -> str:
    """A Python program of about the size."""
    text = ""
    while len(text) < size:
        text += FUNCTION.format(number=len(text))
    return text


def plan(content: bytes) -> Plan:
    """The plan for the file."""
    subject = rewrite.read(content, name="xen", file="package.nix", attribute="xen")
    tag = "RELEASE-4.20.4"
    release = Target(
        "4.20.4", "4.20.4", "2" * 40, f"refs/tags/{tag}", "https://example.org", tag, "1" * 40, "A" * 40, 0
    )
    return Plan(subject, release, NEW, PatchChange(keep=subject.patches, series=subject.patches))


def measure(work: Callable[[], object]) -> float:
    """Return the milliseconds that one call takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    """Measure and print; return the exit status."""
    content = package()
    python = program(len(content))
    wanted = plan(content)
    expected = content.replace(b'"4.20.3"', b'"4.20.4"').replace(
        f'    hash = "{OLD}"'.encode(), f'    hash = "{NEW}"'.encode(), 1
    )
    assert rewrite.write(content, wanted).after == expected
    rewritten, compiled, first = zip(
        *(
            (
                measure(lambda: rewrite.write(content, wanted)),
                measure(lambda: ast.parse(python)),
                # another comment each time, so that nothing is remembered of it
                measure(lambda number=number: plan(content + f"# {number}\n".encode())),  # type: ignore[misc]
            )
            for number in range(ROUNDS)
        ),
        strict=True,
    )
    best = min(rewritten)
    print(f"nix: {len(content)} bytes, {len(wanted.subject.patches)} patches; python: {len(python)} bytes")
    print(f"rewrite            {best:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"first reading      {min(first):8.2f} ms")
    print(f"ast.parse          {min(compiled):8.2f} ms")
    print(f"ratio rewrite / ast.parse: {best / min(compiled):.2f}")
    return int(best > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
