"""Patches: refused, or brought to a form that stays as it is, with names that lie in the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tests.fuzz.shown import refused
from xenbump.errors import Refusal
from xenbump.hashes import patch
from xenbump.hashes.patch import Options

if TYPE_CHECKING:
    from collections.abc import Callable

_CODES = ("E-PATCH-FORM", "E-PATCH-PATH", "E-PATCH-OPTION")
_OTHERS = (
    Options(strip_len=1),
    Options(extra_prefix="xen/"),
    Options(strip_len=1, extra_prefix="a/b/"),
    Options(relative="tools"),
    Options(includes=("xen/*",)),
    Options(excludes=("*.c",)),
)


def one(data: bytes) -> bool:
    """Normalise a patch in every way."""
    read = _files(data)
    versions: tuple[Literal[1, 2], ...] = (1, 2)
    for version in versions:
        normal = _tried(lambda version=version: patch.normal_form(data, version=version))  # type: ignore[misc]
        if normal is None:
            continue
        assert patch.normal_form(normal, version=version) == normal
        # The same files, whatever their order.
        if read is not None:
            again = _files(normal)
            assert again is not None
            assert set(again) == set(read)
        for options in _OTHERS:
            _tried(lambda options=options, version=version: patch.normal_form(data, options, version=version))  # type: ignore[misc]
    return read is not None


def _files(data: bytes) -> tuple[str, ...] | None:
    try:
        files = patch.parse(data).files
    except Refusal as error:
        refused(error, *_CODES)
        return None
    assert len(files) == len(set(files)) > 0
    for file in files:
        assert not file.startswith("/")
        assert all(part not in {"", ".", ".."} for part in file.split("/"))
        assert "\\" not in file
        assert ":" not in file[1:2]
    return files


def _tried(act: Callable[[], bytes]) -> bytes | None:
    try:
        return act()
    except Refusal as error:
        refused(error, *_CODES)
        return None
