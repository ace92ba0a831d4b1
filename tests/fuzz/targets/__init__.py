"""The targets of the fuzzer: each module has `one`, which takes any bytes and checks what must hold whatever they are.

`one(data)` returns whether the bytes were accepted as what the target reads (else they were refused with a documented
error), and raises for a broken promise: an undocumented exception, or an AssertionError of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

One = Callable[[bytes], bool]
NAMES: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> One:
    """The function of a target.

    Raises:
        KeyError: there is no such target.
    """
    if name not in NAMES:
        raise KeyError(name)
    found: One = importlib.import_module(f"{__name__}.{name}").one
    return found
