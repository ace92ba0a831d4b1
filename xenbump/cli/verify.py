"""`xenbump verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xenbump.cli import common
from xenbump.errors import UsageError

if TYPE_CHECKING:
    from xenbump.verify.evidence import Step

OnlyOption = Annotated[
    str,
    typer.Option(
        "--only", metavar="STEP[,STEP…]", help="Only these of build, outputs, meta, dom0, guests, xtf.",
        show_default=False,
    ),
]  # fmt: skip
JUnitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit's XML.", show_default=False)
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", help="Add a table for people to this file.", show_default=False),
]


def verify(
    only: OnlyOption = "",
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Verify each package as it stands: it builds, has its outputs, says sensible things, boots dom0, passes XTF.

    Exit status 30: it does not. A step that could not be done is named with the reason.
    """
    from xenbump import durable
    from xenbump.outcomes import Verified
    from xenbump.report import documents, verification

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    steps = _steps(only)
    outcomes = common.perform(options, "verify", lambda pipeline, one: pipeline.verify(one, steps))
    found = [outcome.evidence for outcome in outcomes if isinstance(outcome, Verified)]
    if junit is not None:
        durable.deliver(junit, verification.junit(found).encode())
    if markdown is not None:
        _append(markdown, "\n".join(verification.markdown(one) for one in found))
    common.show(options, outcomes, documents.verify(outcomes))
    sys.stdout.flush()
    raise typer.Exit(common.status(outcomes))


def _steps(only: str) -> tuple[Step, ...]:
    from xenbump.verify.evidence import Step

    names = [name.strip() for name in only.split(",")] if only else []
    known = [step.value for step in Step]
    for name in names:
        if name not in known:
            raise UsageError("E-CONFIG", f"--only knows no {name!r}; there is {', '.join(known)}")
    return tuple(step for step in Step if step.value in names)


def _append(path: Path, text: str) -> None:
    from xenbump import durable

    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise durable.failure(error, path, code="E-FILE-WRITE") from error
