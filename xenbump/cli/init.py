"""`xenbump init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xenbump.cli import common


def init(
    force: Annotated[bool, typer.Option("--force", help="Overwrite an xenbump.toml that is there.")] = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Write a commented xenbump.toml for the git checkout that this is called in.

    Finds the package files of Xen among the files that git knows, without running anything in them, and takes
    repository, fork and base branch from git's remotes.
    """
    from xenbump.init import starting

    options = common.frame(None, None, json=False, verbose=verbose, quiet=quiet, no_progress=no_progress)
    made = starting.start(Path.cwd(), options.progress, force=force)
    sys.stdout.write(f"{made.path}\n")
    if not quiet:
        sys.stdout.writelines(f"  {one.name}: {one.file}, {one.version}\n" for one in made.packages)
        sys.stdout.writelines(f"  note: {note}\n" for note in made.notes)
        sys.stdout.write("next: xenbump doctor, then xenbump check\n")
