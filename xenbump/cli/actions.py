"""Tells GitHub Actions how a command ended, where it runs there: annotations, outputs and a summary."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.errors import XenbumpError
    from xenbump.outcomes import Outcome


# A command of the runner stands at the beginning of a line, behind blanks as well; one of its older form anywhere.
_COMMAND = re.compile(r"(?m)^([^\S\n]*):(?=:)")


def unheard(text: str) -> str:
    """A text for people in which the runner of GitHub finds no command, where there is one; else as it is."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    return _COMMAND.sub(r"\1: ", text).replace("##[", "## [")


def tell(outcomes: Sequence[Outcome], command: str, status: int) -> None:
    """Write what the environment asks for: `GITHUB_ACTIONS`, `GITHUB_OUTPUT`, `GITHUB_STEP_SUMMARY`.

    A file that cannot be written is said on stderr and changes nothing: the work is done.
    """
    wanted = [name for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY") if os.environ.get(name)]
    if not wanted:
        return
    from xenbump.report import actions

    if os.environ.get("GITHUB_ACTIONS") == "true":
        # On stderr, as stdout may be a JSON document; the runner reads both.
        sys.stderr.writelines(f"{line}\n" for line in actions.commands(outcomes))
    _append("GITHUB_OUTPUT", actions.outputs(outcomes, status))
    _append("GITHUB_STEP_SUMMARY", actions.page(outcomes, command))


def tell_failure(stopped: XenbumpError) -> None:
    """The same for an error that stopped a run as a whole."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from xenbump.report import actions

        sys.stderr.write(actions.failure(stopped) + "\n")
    _append("GITHUB_OUTPUT", f"status={stopped.exit_status}\n")


def _append(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        sys.stderr.write(f"warning: the file of {variable} cannot be written: {error.strerror} ({name})\n")
