"""`xenbump bump`."""

from __future__ import annotations

from typing import Annotated

import typer

from xenbump.cli import common


def bump(
    to: common.ToOption = "",
    security_only: common.SecurityOption = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the change to the current branch.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the change as a unified diff.")] = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Plan, then edit each package file in place, whole or not at all."""
    from xenbump.outcomes import Written
    from xenbump.report import documents, text

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    outcomes = common.perform(
        options, "bump", lambda pipeline, one: pipeline.bump(one, to, commit=commit, security_only=security_only)
    )
    written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
    diffs = {outcome.plan.subject.name: text.diff(outcome.edit) for outcome in written} if diff else {}
    common.show(options, outcomes, documents.plan(outcomes, diffs), diffs=diff)
    raise typer.Exit(common.status(outcomes))
