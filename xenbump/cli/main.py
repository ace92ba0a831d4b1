"""The entry point: `--version` at once, and what becomes of an error that no command handles."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from xenbump import __version__

if TYPE_CHECKING:
    import types


def _stop(number: int, _: types.FrameType | None) -> None:
    """End as on an interrupt, so that programs are ended and locks and temporary files go."""
    raise SystemExit(128 + number)


def _keep_private() -> None:
    """Let nothing that is made be for everybody to change, and no token be in the picture of a crash."""
    import resource

    # What the group may do is the person's choice: a checkout can be shared.
    os.umask(os.umask(0o077) | 0o002)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _settle_output() -> None:
    """Write UTF-8 whatever the locale is, as Nix files and JSON are, and no escape codes where none are wanted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        # Typer's own switch: else it takes a job of GitHub's for a terminal, and writes bold in spite of NO_COLOR.
        os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"


def main() -> None:
    """Run the program; the entry point of the package."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Answered before anything is imported: scripts ask for it often.
        sys.stdout.write(f"xenbump {__version__}\n")
        return
    from xenbump.errors import XenbumpError

    _settle_output()
    _keep_private()
    signal.signal(signal.SIGTERM, _stop)
    try:
        from xenbump.cli.app import build

        build()()
    except XenbumpError as error:
        from xenbump.cli import actions
        from xenbump.cli.common import frame

        verbose = "-v" in sys.argv or "--verbose" in sys.argv
        frame(None, None, json=False, verbose=verbose, quiet=False, no_progress=True).error(error)
        actions.tell_failure(error)
        sys.exit(error.exit_status)
