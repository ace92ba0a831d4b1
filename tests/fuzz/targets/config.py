"""`xenbump.toml`: a configuration in force, or a UsageError that names the file and, where it can, the line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.fuzz import shown
from tests.fuzz.shown import refused
from xenbump import config
from xenbump.errors import UsageError
from xenbump.toml_lines import line_of

if TYPE_CHECKING:
    from xenbump.config import Config

_PATH = Path("/nowhere/xenbump.toml")
_CODES = ("E-CONFIG", "E-GIT-ADDRESS", "E-XSA-ROOT")
_PATHS = (".package[0].name", ".package[1].decided.1", ".upstream.git", ".watch.hook", ".a.b.c")


def one(data: bytes) -> bool:
    """Read a configuration from its text."""
    text = data.decode("utf-8", "replace")
    lines = text.count("\n") + 1
    for keys in _PATHS:
        assert 0 < (line_of(text, keys) or 1) <= lines
    try:
        found = _read(text)
    except UsageError as error:
        return refused(error, *_CODES, where=str(_PATH))
    assert found.packages
    assert found.selected(()) == found.packages
    for package in found.packages:
        assert found.selected((package.name,)) == (package,)
        assert found.file_of(package).is_absolute()
    assert found.upstream.addresses(found.folder)
    found.upstream.component_addresses(found.folder)
    shown.check(msgspec.to_builtins(found.packages))
    return True


def _read(text: str) -> Config:
    """As `config.load`, without the file."""
    file = config._decode(text, _PATH)
    config._check(file, text, _PATH)
    return config._configured(file, _PATH, {"XENBUMP_STATE_DIR": "/nowhere/state"})
