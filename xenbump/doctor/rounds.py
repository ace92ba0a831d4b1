"""The whole examination: which checks there are for a configuration, in the order in which they are told."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from xenbump import config as configuration
from xenbump import durable
from xenbump.doctor import history, machine, nix, programs, project, reach, token
from xenbump.doctor.examination import examine
from xenbump.errors import UsageError
from xenbump.verify import image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xenbump.config import Config
    from xenbump.doctor.model import Check, Probe

# A scheduled job looks every day at least; over a long weekend it may be away.
DAYS = 4
_BOOTED = frozenset({"dom0", "guests", "xtf"})


def go(
    path: Path | None,
    progress: Callable[[str], None],
    *,
    days: int = DAYS,
    env: Mapping[str, str] | None = None,
) -> tuple[Check, ...]:
    """Look at everything that the work of a configuration needs.

    Args:
        path: the configuration; None: as `config.load` finds it.
        progress: told in a sentence what is waited for.
        days: how old the last successful check of a package may be.
        env: the environment; None: that of this process.

    Returns:
        What was found. Of a configuration that cannot be read the first check tells; the others go by the defaults.
    """
    env = os.environ if env is None else env
    trouble: UsageError | None = None
    try:
        config = configuration.load(path, env)
    except UsageError as error:
        trouble, config = error, _without(env)
    named = path is not None or bool(env.get("XENBUMP_CONFIG"))
    first = project.configuration(config, trouble, named=named)
    return (first, *examine(probes(config, days, env), progress))


def _without(env: Mapping[str, str]) -> Config:
    """The defaults, with no package; of an environment that is wrong itself, only what is not."""
    given = dict(env)
    for names in ((), ("XENBUMP_GITHUB_URL",), ("XENBUMP_GITHUB_APP_ID", "XENBUMP_GITHUB_APP_KEY_FILE")):
        for name in names:
            given.pop(name, None)
        with contextlib.suppress(UsageError):
            return _default(given)
    return _default({})


def _default(env: Mapping[str, str]) -> Config:
    with durable.scratch("doctor") as folder:
        empty = folder / configuration.FILE_NAME
        empty.write_text('[[package]]\nname = "none"\nfile = "none"\n', "utf-8")  # one without a package is refused
        found = configuration.load(empty, env)
    return msgspec.structs.replace(found, path=Path.cwd() / configuration.FILE_NAME, packages=())


def probes(config: Config, days: int, env: Mapping[str, str]) -> tuple[Probe, ...]:
    """The checks for a configuration."""
    steps = frozenset(config.verify.steps) if config.packages else frozenset()
    settings = config.verify
    booted = bool(steps & _BOOTED) and settings.engine == "qemu"
    tries = any(package.track == "candidate" for package in config.packages)
    own_image = config.folder / settings.image if settings.image else None
    return (
        *project.probes(config),
        *programs.probes(boots=booted or tries, builds=tries),
        *nix.probes(config.folder, settings.nix_options, builds=bool(steps)),
        *machine.probes(config.state, image.cache_folder(env), own_image, kvm=settings.accelerator),
        *reach.probes(config),
        *token.probes(config),
        *history.probes(config.state, tuple(package.name for package in config.packages), days),
    )
