"""How long it takes to read and edit a package file of 20 kB, measured against Python's own parser.

Both sides are measured in the same run, turn and turn about, and the best of the rounds counts, so that the ratio says
something on a busy machine too. Run it with `python bench/nixlang.py`; the exit status is 1 above the limit.
"""

from __future__ import annotations

import ast
import sys
import time
from typing import TYPE_CHECKING

from xenbump.nixlang import Replacement, apply, parse, quote, tokenize, walk
from xenbump.nixlang.tree import String

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 20_000
ROUNDS = 40
LIMIT_MS = 20.0

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


def package() -> str:
    """Write a package file of about the size."""
    head = '{ lib, stdenv, fetchpatch }:\nstdenv.mkDerivation (finalAttrs: {\n  version = "1.0";\n  patches = [\n'
    body = "".join(PATCH.format(number=number) for number in range(SIZE // len(PATCH)))
    return head + body + '  ];\n  flags = [ "A=${lib.getExe\' finalAttrs.version "b"}" ];\n})\n'


def program() -> str:
    """Write a Python program of about the size."""
    return "".join(FUNCTION.format(number=number) for number in range(SIZE // len(FUNCTION)))


def read_and_edit(source: str) -> str:
    """Read a file and give every plain string in it a new value."""
    document = parse(source)
    strings = (node for node in walk(document) if isinstance(node, String))
    edits = [
        Replacement(node.start, node.end, quote(value + "x"))
        for node in strings
        if (value := node.literal()) is not None
    ]
    return apply(source, edits)


def measure(work: Callable[[], object]) -> float:
    """Return the milliseconds that one call takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    """Measure and print; return the exit status."""
    nix, python = package(), program()
    assert len(read_and_edit(nix)) > len(nix)
    lexed, edited, compiled = zip(
        *(
            (
                measure(lambda: tokenize(nix)),
                measure(lambda: read_and_edit(nix)),
                measure(lambda: ast.parse(python)),
            )
            for _ in range(ROUNDS)
        ),
        strict=True,
    )
    best = min(edited)
    print(f"nix: {len(nix)} characters, {len(tokenize(nix))} tokens; python: {len(python)} characters")
    print(f"tokenize           {min(lexed):8.2f} ms")
    print(f"parse, find, edit  {best:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"ast.parse          {min(compiled):8.2f} ms")
    print(f"ratio parse, find, edit / ast.parse: {best / min(compiled):.2f}")
    return int(best > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
