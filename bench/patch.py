"""How long the normal form of a patch of 200 kB takes, measured against hashing it line by line.

Both sides are measured in the same run, turn and turn about, and the best of the rounds counts, so that the ratio says
something on a busy machine too. Run it with `python bench/patch.py`; `--json FILE` hands the figures over.
"""

from __future__ import annotations

import hashlib
import sys

from support.measured import Measured, main
from support.stopwatch import best

from xenbump.hashes.patch import fetchpatch, normal_form, parse

SIZE = 200_000
ROUNDS = 40
LIMIT_MS = 100.0

FILE = b"""diff --git a/xen/part%(number)d.c b/xen/part%(number)d.c
index 1111111..2222222 100644
--- a/xen/part%(number)d.c
+++ b/xen/part%(number)d.c
@@ -10,7 +10,7 @@ static int part(void)
     int first;
     int second;
\x20
-    return first;
+    return second;
     first = 1;
     second = 2;
     third = 3;
"""


def patch() -> bytes:
    """Write a patch of about the size, its files in no order."""
    count = SIZE // len(FILE)
    return b"A message.\n---\n" + b"".join(FILE % {b"number": number * 7919 % count} for number in range(count))


def by_line(content: bytes) -> bytes:
    """Hash a text line by line: the least that any reading of it takes."""
    digest = hashlib.sha256()
    for line in content.split(b"\n"):
        digest.update(line)
    return digest.digest()


def measure() -> list[Measured]:
    """Measure and print."""
    content = patch()
    normal = normal_form(content)
    assert normal_form(normal) == normal
    found, parsed, least = best(ROUNDS, lambda: fetchpatch(content), lambda: parse(content), lambda: by_line(content))
    print(f"patch: {len(content)} bytes, {len(parse(content).files)} files; normal form: {len(normal)} bytes")
    print(f"fetchpatch         {found:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"parse              {parsed:8.2f} ms")
    print(f"hash line by line  {least:8.2f} ms")
    return [
        Measured("`fetchpatch` hash of a patch of 200 kB", "", found, LIMIT_MS, unit="ms"),
        Measured("`fetchpatch` hash of a patch of 200 kB", "hashing it line by line", found / least, None),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
