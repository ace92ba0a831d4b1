"""How long the normal form of a patch of 200 kB takes, measured against hashing it line by line.

Both sides are measured in the same run, turn and turn about, and the best of the rounds counts, so that the ratio says
something on a busy machine too. Run it with `python bench/patch.py`; the exit status is 1 above the limit.
"""

from __future__ import annotations

import hashlib
import sys
import time
from typing import TYPE_CHECKING

from xenbump.hashes.patch import fetchpatch, normal_form, parse

if TYPE_CHECKING:
    from collections.abc import Callable

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


def measure(work: Callable[[], object]) -> float:
    """Return the milliseconds that one call takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    """Measure and print; return the exit status."""
    content = patch()
    normal = normal_form(content)
    assert normal_form(normal) == normal
    found, parsed, least = zip(
        *(
            (measure(lambda: fetchpatch(content)), measure(lambda: parse(content)), measure(lambda: by_line(content)))
            for _ in range(ROUNDS)
        ),
        strict=True,
    )
    best = min(found)
    print(f"patch: {len(content)} bytes, {len(parse(content).files)} files; normal form: {len(normal)} bytes")
    print(f"fetchpatch         {best:8.2f} ms (limit {LIMIT_MS:.0f} ms)")
    print(f"parse              {min(parsed):8.2f} ms")
    print(f"hash line by line  {min(least):8.2f} ms")
    print(f"ratio fetchpatch / hash line by line: {best / min(least):.2f}")
    return int(best > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
