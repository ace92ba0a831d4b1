"""Texts to measure with: patches as package files list them, and Python to compare with."""

from __future__ import annotations

_PATCH = """
    # XSA #{number}
    (fetchpatch {{
      url = "https://example.org/xsa{number}.patch";
      hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    }})
"""
_FUNCTION = """
def advisory_{number}(source: str, revision: int = 0) -> dict[str, str]:
    # Advisory {number}
    return {{"url": f"https://example.org/{{source}}/{number}", "hash": "sha256-AAAA" + str(revision * 2)}}
"""


def patches(size: int) -> str:
    """Return patches, as they stand in a list, of about a size in characters."""
    return _repeated(_PATCH, size)


def program(size: int) -> str:
    """Return a Python program of about a size in characters."""
    return _repeated(_FUNCTION, size)


def _repeated(text: str, size: int) -> str:
    return "".join(text.format(number=number) for number in range(round(size / len(text))))
