"""Tag names, the stored facts of Xen's repository, and trust in a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.upstream.signature import Trust

if TYPE_CHECKING:
    from xenbump.demo.signing import SigningKey

DATA = Path(__file__).parents[1] / "data"


def trust_in(*keys: SigningKey, pinned: SigningKey | None = None) -> Trust:
    """A keyring with these keys, of which one is pinned (the first, if not said otherwise)."""
    keyring = b"".join(key.public_key(armored=False) for key in keys)
    return Trust(keyring, frozenset({(pinned or keys[0]).fingerprint}))


def real_listing() -> str:
    """What `git ls-remote --tags` prints of Xen's repository."""
    lines = []
    for line in (DATA / "tags.txt").read_text().splitlines()[1:]:
        name, target, *commit = line.split()
        lines.append(f"{target}\trefs/tags/{name}\n")
        lines += [f"{oid}\trefs/tags/{name}^{{}}\n" for oid in commit]
    return "".join(lines)
