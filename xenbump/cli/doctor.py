"""`xenbump doctor`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xenbump.cli import common

DaysOption = Annotated[
    int, typer.Option("--days", metavar="N", min=1, help="How old a package's last successful check may be.")
]


def doctor(
    days: DaysOption = 4,
    config: common.ConfigOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Say what works here, what does not, what each lack costs, and the one command that mends it.

    Looks at configuration, programs, Nix, machine, upstream, GitHub and journal, with a time limit each.
    Exit status 1: something is broken.
    """
    import shutil

    from xenbump import __version__
    from xenbump.doctor import rounds
    from xenbump.doctor.model import is_sound
    from xenbump.report import doctor as report
    from xenbump.report import documents

    options = common.frame(config, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    options.progress("looking at configuration, programs, Nix, machine, upstream and GitHub")
    checks = rounds.go(config, options.progress, days=days)
    if json:
        sys.stdout.write(documents.encode(report.document(checks, __version__)))
    else:
        width = shutil.get_terminal_size((120, 24)).columns
        sys.stdout.write(report.text(checks, width=width, quiet=quiet))
    sys.stdout.flush()
    raise typer.Exit(common.DONE if is_sound(checks) else common.FAILED)
