"""Results that are kept: by the tree, the options and all else that they depend on, each in a file of its own.

What is kept saves work and proves nothing: a file that cannot be read, or says something else than was asked for, is as
good as none.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import xenbump
from xenbump import durable
from xenbump.trying.model import Verdict, key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.trying.model import Prepared

_MOST = 4000  # files, of a few to some tens of kilobytes each
_FORM = "1"


class _File(msgspec.Struct, frozen=True):
    """A file's content: by what it was kept, and the verdict."""

    key: str
    verdict: Verdict


def under(parts: Iterable[str]) -> str:
    """What a result depends on besides tree and options, in one line that `model.key` takes.

    This release of xenbump is a part of it: another may judge the same boot in another way.
    """
    total = hashlib.sha256()
    for part in (_FORM, xenbump.__version__, *parts):
        total.update(f"{len(part)} {part}\n".encode())
    return total.hexdigest()


def find(folder: Path, prepared: Prepared, conditions: str) -> Verdict | None:
    """The verdict that is kept for a tree; None where there is none.

    Args:
        folder: of all results.
        prepared: what is tried; revision and names are taken from it, since other commits may have the same tree.
        conditions: what `under` said.
    """
    name = key(prepared.tree, prepared.trial.options, conditions)
    try:
        found = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return None
    if found.key != name or found.verdict.tree != prepared.tree:
        return None
    return replace(
        found.verdict,
        rev=prepared.trial.rev,
        commit=prepared.commit,
        described=prepared.described,
        applied=prepared.applied,
        # Logs are not kept for ever.
        phases=tuple(one if Path(one.log).is_file() else replace(one, log="") for one in found.verdict.phases),
        kept=True,
    )


def keep(folder: Path, verdict: Verdict, conditions: str) -> None:
    """Keep a verdict; the oldest go where there are too many.

    Raises:
        Failure: E-STATE, E-DISK when it cannot be written.
    """
    name = key(verdict.tree, verdict.options, conditions)
    durable.make(folder, what="the folder of results cannot be made")
    durable.write(folder / f"{name}.json", msgspec.json.encode(_File(name, verdict)))
    durable.sweep(folder)
    found = sorted(folder.glob("*.json"), key=_age)
    for path in found[: max(0, len(found) - _MOST)]:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
