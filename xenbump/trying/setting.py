"""With what and how revisions are tried, and what can be said of a question before anything is built."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xenbump import process
from xenbump.errors import Refusal
from xenbump.trying import machine, series
from xenbump.trying.model import Phase
from xenbump.trying.source import Workshop
from xenbump.upstream import git

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xenbump.trying.model import Trial
    from xenbump.verify.qemu import Limits

_GIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Setting:
    """With what and how things are tried.

    Attributes:
        repository: the path of a checkout or of a bare repository, or an address.
        folder: below the state folder; work trees, tools, results and logs lie in it.
        cache: the folder of images.
        jobs: how many compilers run at a time.
        phases: those that are wanted; what they lean on is done in any case.
        xtf: the folder of a built XTF; None: it is not run.
        tests: those of XTF that are run, by full name; none: all that the accelerator can.
        baseline: the file of XTF's expected results; None: those that are known for the emulation or the hardware.
        accelerator: of QEMU; `auto` takes KVM where it works.
        limits: of a boot.
        mirrors: other addresses of the same repository.
        again: do it even where a result is kept.
        keep_logs: do not remove logs, however many there are.
        nix: the address of the flake by which Nix builds and boots; empty: that is done here.
        nix_options: what Nix gets besides.
        seconds: how long Nix may take for a build, or for a test.
    """

    repository: str
    folder: Path
    cache: Path
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    phases: tuple[Phase, ...] = tuple(Phase)
    xtf: Path | None = None
    tests: tuple[str, ...] = ()
    baseline: Path | None = None
    accelerator: Literal["auto", "tcg", "kvm"] = "auto"
    limits: Limits = machine.LIMITS
    mirrors: tuple[str, ...] = ()
    again: bool = False
    keep_logs: bool = False
    nix: str = ""
    nix_options: tuple[str, ...] = ()
    seconds: float = 7200.0

    @property
    def results(self) -> Path:
        """Where results are kept."""
        return self.folder / "results"


def checked(trials: Sequence[Trial], setting: Setting, progress: Callable[[str], None]) -> None:
    """Look at trials before the first of them takes its minutes: that there are such revisions and patches.

    Raises:
        Refusal: E-TRY-REV, E-TRY-REPOSITORY, E-TRY-OBJECTS, E-TRY-PATCH.
        XenbumpError: the repository could not be fetched.
    """
    workshop = Workshop(setting.repository, setting.folder, progress, mirrors=setting.mirrors)
    for trial in trials:
        series.read(trial.patches)
        workshop.named(trial)


def left_out(trial: Trial, setting: Setting) -> str:
    """A sentence for who tries the commit of a checkout that has changes besides, which are not tried; else empty.

    Args:
        trial: what is tried.
        setting: with the repository.
    """
    place = Path(setting.repository).expanduser()
    if not (place / ".git").exists():
        return ""
    workshop = Workshop(setting.repository, setting.folder)
    with contextlib.suppress(Refusal):
        if workshop.resolved("HEAD") == workshop.resolved(trial.rev) and _is_changed(place):
            return f"{place} has changes that are in no commit: they are not tried"
    return ""


def _is_changed(checkout: Path) -> bool:
    """Whether files that git knows are not as in the commit; asked without writing into the checkout."""
    argv = ["git", "-C", str(checkout), "status", "--porcelain", "--untracked-files=no"]
    env = {**git.environment(None), "GIT_OPTIONAL_LOCKS": "0"}
    return bool(process.run(argv, env=env, timeout=_GIT_SECONDS, check=False).stdout)
