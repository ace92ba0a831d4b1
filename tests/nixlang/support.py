"""The files that all tests of Nix text use, and reproducible chance."""

from __future__ import annotations

from pathlib import Path
from random import Random

FIXTURES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "fixtures").glob("*.nix"))}


def seeded(seed: int) -> Random:
    """Return a source of random choices that is the same in every run."""
    return Random(seed)  # noqa: S311 - nothing here is a secret
