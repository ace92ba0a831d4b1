"""With what things are tried, by the configuration and the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from xenbump.settings import expanded
from xenbump.trying.model import Phase
from xenbump.trying.setting import Setting
from xenbump.verify import image as images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.config import Config


def setting(
    config: Config,
    *,
    repository: str = "",
    phases: tuple[Phase, ...] = tuple(Phase),
    xtf: Path | None = None,
    jobs: int = 0,
    again: bool = False,
    keep_logs: bool = False,
    env: Mapping[str, str] | None = None,
) -> Setting:
    """What the configuration says, where nothing else is said.

    Args:
        config: in force.
        repository: a path or an address; empty: the configured upstream.
        phases: that are wanted.
        xtf: the folder of a built XTF; None: the configured one, else that of `XENBUMP_XTF`.
        jobs: compilers at a time; 0: one a processor.
        again: try it even where a result is kept.
        keep_logs: never remove the logs.
        env: the environment; None: that of this process.
    """
    env = os.environ if env is None else env
    addresses = config.upstream.addresses(config.folder)
    place = repository or addresses[0]
    verify = config.verify
    tests = xtf or (config.folder / expanded(verify.xtf) if verify.xtf else None)
    if tests is None and env.get("XENBUMP_XTF"):
        tests = Path(env["XENBUMP_XTF"])
    return Setting(
        place,
        config.state / "try",
        images.cache_folder(env),
        jobs=jobs or len(os.sched_getaffinity(0)),
        phases=phases,
        xtf=None if tests is None else tests.absolute(),
        baseline=config.folder / expanded(verify.xtf_baseline) if verify.xtf_baseline else None,
        accelerator=verify.accelerator,
        mirrors=addresses[1:] if place == addresses[0] else (),
        again=again,
        keep_logs=keep_logs,
        nix_options=verify.nix_options,
        seconds=verify.build_minutes * 60.0,
    )
