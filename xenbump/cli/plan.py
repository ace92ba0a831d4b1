"""`xenbump plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from xenbump.cli import common


def plan(
    to: common.ToOption = "",
    security_only: common.SecurityOption = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the change as a unified diff.")] = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Plan the change to each package file, with its source hash; write nothing.

    Exit status 10: there is something to do.
    """
    from xenbump.outcomes import Planned
    from xenbump.report import documents, text

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    outcomes = common.perform(
        options, "plan", lambda pipeline, one: pipeline.plan(one, to, security_only=security_only)
    )
    planned = [outcome for outcome in outcomes if isinstance(outcome, Planned)]
    diffs = {outcome.plan.subject.name: text.diff(outcome.edits) for outcome in planned} if diff else {}
    common.show(options, outcomes, documents.plan(outcomes, diffs), diffs=diff)
    raise typer.Exit(common.status(outcomes))
