"""Values out of JSON objects: each is there and of its type, or a ValueError says which is not.

What comes in was written by the other side of a serial line, which may be another release of this package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def document(value: object, what: str) -> Document:
    """A JSON object; `what` names it in the ValueError that anything else ends in."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{what}: an object was expected, not {_kind(value)}")
    return value


def known(source: Document, what: str, names: frozenset[str]) -> None:
    """Refuse an object that has other names than these: a misspelt name would silently change nothing."""
    others = sorted(set(source) - names)
    if others:
        raise ValueError(f"{what}: `{others[0]}` is not known here")


def text(source: Document, name: str, default: str | None = None) -> str:
    """The text of this name; the default when there is none, and without a default a ValueError."""
    value = _get(source, name, default)
    if not isinstance(value, str):
        raise _unlike(name, "a text", value)
    return _whole_characters(value)


def number(source: Document, name: str, default: float | None = None) -> float:
    """The finite number of this name that is not negative."""
    value = _get(source, name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value) or value < 0:
        raise _unlike(name, "a number from 0 up", value)
    return value


def whole(source: Document, name: str, default: int | None = None) -> int:
    """The whole number of this name that is not negative."""
    value = _get(source, name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _unlike(name, "a whole number from 0 up", value)
    return value


def truth(source: Document, name: str, *, default: bool | None = None) -> bool:
    """The true or false of this name."""
    value = _get(source, name, default)
    if not isinstance(value, bool):
        raise _unlike(name, "true or false", value)
    return value


def items(source: Document, name: str, default: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
    """The list of this name."""
    value = _get(source, name, default)
    if not isinstance(value, list | tuple):
        raise _unlike(name, "a list", value)
    return tuple(value)


def texts(source: Document, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The list of texts of this name."""
    value = items(source, name, default)
    for item in value:
        if not isinstance(item, str):
            raise _unlike(name, "a list of texts", item)
    return tuple(map(_whole_characters, value))


def one_of(source: Document, name: str, choices: tuple[str, ...]) -> str:
    """The text of this name, which must be one of these."""
    value = text(source, name)
    if value not in choices:
        raise ValueError(f"`{name}`: `{value[:40]}` is none of {', '.join(choices)}")
    return value


def _get(source: Document, name: str, default: Any) -> Any:
    value = source.get(name, default)
    if value is None:
        raise ValueError(f"`{name}` is missing")
    return value


def _whole_characters(value: str) -> str:
    """A text that UTF-8 can hold: JSON can escape half of a character, which nothing could keep."""
    return value.encode("utf-8", "replace").decode()


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # JSON's whole numbers have no limit, and this one is beyond all floating-point numbers
        return False


def _unlike(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"`{name}`: {expected} was expected, not {_kind(value)}")


def _kind(value: object) -> str:
    """A value as messages name it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, str):
        return "a text"
    return (
        "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else "another value"
    )
