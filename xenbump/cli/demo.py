"""`xenbump demo`."""

from __future__ import annotations

from xenbump.cli import common


def demo(
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Show the whole job on a small Xen project, git server and GitHub of its own on this machine.

    Everything lies in a temporary folder and is gone afterwards; nothing outside this machine is talked to.
    """
    from xenbump.demo import show

    options = common.frame(None, None, json=False, verbose=verbose, quiet=quiet, no_progress=no_progress)
    with common.watched(options) as progress:
        show.demonstrate(progress)
