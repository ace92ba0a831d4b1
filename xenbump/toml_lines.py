"""Where a key stands in a TOML file: the parsers at hand give values and drop the places.

Only headers and the first line of each assignment are looked at, which is enough to send a person to the right line; a
key inside an inline table or a multi-line array is found by the line of its outermost key.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*+(?P<open>\[\[?)(?P<name>[^\]\[]+)\]\]?\s*+(?:#.*)?")
_KEY = re.compile(r"""\s*(?P<key>[A-Za-z0-9_"'.-]+)\s*=""")
_STEP = re.compile(r"\.(?P<key>[^.\[]+)|\[(?P<index>\d+)\]")


def line_of(text: str, path: str) -> int | None:
    """The number of the line that sets a key.

    Args:
        text: the TOML file.
        path: keys and indices as in `.package[1].file`.

    Returns:
        The line, from 1; that of the nearest enclosing key or table when the key itself has none of its own; None when
        even the table is not there.
    """
    steps = [match["key"] or int(match["index"]) for match in _STEP.finditer(path)]
    best: int | None = None
    best_depth = 0
    for place, number in _places(text):
        depth = len(place)
        if place == tuple(steps[:depth]) and depth > best_depth:
            best, best_depth = number, depth
    return best


def _places(text: str) -> list[tuple[tuple[str | int, ...], int]]:
    """The path of each table header and assignment, with its line."""
    found: list[tuple[tuple[str | int, ...], int]] = []
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.fullmatch(line)
        if header:
            name = header["name"].strip()
            table = _keys(name)
            if header["open"] == "[[":
                index = counts.get(name, 0)
                counts[name] = index + 1
                table = (*table, index)
            found.append((table, number))
            continue
        key = _KEY.match(line)
        if key:
            found.append(((*table, *_keys(key["key"])), number))
    return found


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
