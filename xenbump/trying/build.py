"""The hypervisor, built of a prepared tree: only what changed is compiled, and the same tree gives the same bytes."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xenbump.dom0.report import FAILED
from xenbump.errors import Failure, Refusal
from xenbump.trying import making, options, series
from xenbump.trying.model import Phase, PhaseResult
from xenbump.verify import kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.trying.model import Prepared

HYPERVISOR: Final = "xen/xen"
SYMBOLS: Final = "xen/xen-syms"
_SECONDS = 3600.0
_BUILT = "xenbump-built"
_COMPLAINT = re.compile(r"(?P<file>[^\s:]+):\d+:(?:\d+:)? error: ")


@dataclass(frozen=True, slots=True)
class Built:
    """A hypervisor.

    Attributes:
        hypervisor: what QEMU boots by `-kernel`; it is in the work tree, so it is good as long as that is held.
        symbols: the ELF file with symbols, beside it.
        seconds: how long it took, all in all.
        log: the file with what compilers said.
        note: a sentence when there is something to tell, such as that all was built anew.
    """

    hypervisor: Path
    symbols: Path
    seconds: float
    log: Path
    note: str = ""


def hypervisor(
    prepared: Prepared,
    jobs: int,
    log: Path,
    progress: Callable[[str], None] = lambda _: None,
    *,
    limit: float = _SECONDS,
) -> Built | PhaseResult:
    """Configure and build the hypervisor of a tree.

    Where a build on top of an earlier one fails, all that was built is thrown away, and it is built once more: an
    object that is older than it says must not be taken for a fault of the tree. That is spared where the compiler
    complains of a file that the change itself touches.

    Args:
        prepared: the tree.
        jobs: how many compilers run at a time.
        log: the file that all is written to, anew.
        progress: told what is compiled.
        limit: seconds for each of the builds.

    Returns:
        The hypervisor; or the phase that failed, with the first errors of the compiler and the last lines.

    Raises:
        Refusal: E-TRY-CONFIG.
        Failure: E-PROGRAM-MISSING, E-TRY-BUILD (its configuration fails), E-STATE, E-DISK.
    """
    with making.explained(prepared.folder):
        return _hypervisor(prepared, jobs, log, progress, limit)


def _hypervisor(
    prepared: Prepared, jobs: int, log: Path, progress: Callable[[str], None], limit: float
) -> Built | PhaseResult:
    began = time.monotonic()
    folder = prepared.folder
    log.unlink(missing_ok=True)
    mark = folder / ".git" / _BUILT
    compiler = making.compiler()
    if not compiler:
        raise Failure("E-PROGRAM-MISSING", "the program `gcc` is needed and was not found on PATH",
                      remedy="install `gcc`; `xenbump try --nix` does without")  # fmt: skip
    known, _, last = mark.read_text().partition("\n") if mark.is_file() else (compiler, "", "")
    if known != compiler:
        progress("the compiler is another one; all is built anew")
        _clean(folder)
    warm = mark.is_file()
    mark.write_text(f"{compiler}\n{last}")
    options.configured(prepared, log, progress)
    made = _make(prepared, jobs, log, progress, limit)
    note = ""
    if made.status not in {0, None} and warm and not _is_of_the_change(made, prepared, last):
        progress(f"the incremental build failed ({made.reason}); all is built anew")
        first = made
        _clean(folder)
        mark.write_text(f"{compiler}\n")
        options.configured(prepared, log, progress)
        made = _make(prepared, jobs, log, progress, limit)
        if made.status == 0:
            note = f"the incremental build failed ({first.reason}), and succeeded when all was built anew"
    seconds = time.monotonic() - began
    if made.status != 0:
        return PhaseResult(
            Phase.BUILD,
            FAILED,
            _reason(made),
            seconds=seconds,
            log=str(log),
            tail=tuple(dict.fromkeys((*made.errors, *made.tail))),
        )
    target = folder / HYPERVISOR
    try:
        kernel.hypervisor(target.read_bytes(), str(target))
    except (OSError, Refusal) as error:
        what = error.what if isinstance(error, Refusal) else f"{error.strerror}: {HYPERVISOR}"
        return PhaseResult(Phase.BUILD, FAILED, f"make gave no hypervisor: {what}", seconds=seconds, log=str(log))
    mark.write_text(f"{compiler}\n{prepared.tree}")
    return Built(target, folder / SYMBOLS, seconds, log, note)


def _is_of_the_change(made: making.Made, prepared: Prepared, last: str) -> bool:
    """Whether a compiler complains of a file that differs from the last tree that was built: no old object did that."""
    found = {match["file"] for line in made.errors if (match := _COMPLAINT.match(line))}
    if not last or not found:
        return False
    done = series.asked_in(prepared.folder, "diff-tree", "-r", "-z", "--name-only", last, prepared.tree)
    changed = set(done.stdout.decode("utf-8", "replace").split("\0"))
    return done.status == 0 and any(os.path.normpath(f"xen/{file}") in changed for file in found)


def _reason(made: making.Made) -> str:
    lacks = making.lacks(made)
    if lacks:
        return f"this machine lacks {', '.join(lacks)}: {made.reason}"
    return f"the hypervisor does not build: {made.reason}"


def _make(prepared: Prepared, jobs: int, log: Path, progress: Callable[[str], None], limit: float) -> making.Made:
    command = ["make", "-C", "xen", f"-j{max(jobs, 1)}"]
    extra = making.fixed(_date(prepared))
    return making.run(command, prepared.folder, log, limit=limit, extra=extra, progress=progress)


def _date(prepared: Prepared) -> int:
    """When the revision was committed, in seconds since 1970: what the banner has for the time of the build."""
    done = series.git_in(prepared.folder, "show", "--no-patch", "--format=%ct", prepared.commit)
    return int(done.stdout.decode("ascii").strip() or 0)


def _clean(folder: Path) -> None:
    """Remove all that was built of the hypervisor."""
    series.git_in(folder, "clean", "-xdfq", "--", "xen")
    (folder / ".git" / _BUILT).unlink(missing_ok=True)
