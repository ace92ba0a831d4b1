"""`xenbump image`."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - typer reads the types at run time
from typing import Annotated, Literal

import typer

from xenbump.cli import common


def image(
    xen: Annotated[str, typer.Option("--xen", metavar="X.Y", help="The release line, such as 4.20.")],
    source: Annotated[Literal["debian"], typer.Option("--from", help="Whose packages it is made of.")] = "debian",
    hypervisor: Annotated[
        Path | None,
        typer.Option("--hypervisor", metavar="FILE", help="Boot this build of Xen instead.", show_default=False),
    ] = None,
    device_model: Annotated[
        bool, typer.Option("--device-model", help="With a device model, which HVM guests need.")
    ] = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Make the folder of a dom0 that `verify` can boot, and print where it is; one that is there is used again."""
    from xenbump.verify import image as images

    del source  # there is one so far
    options = common.frame(None, None, json=False, verbose=verbose, quiet=quiet, no_progress=no_progress)
    cache = images.cache_folder(os.environ)
    made = images.from_debian(xen, cache, options.progress, hypervisor, device_model=device_model)
    sys.stdout.write(f"{made.folder}\n")
