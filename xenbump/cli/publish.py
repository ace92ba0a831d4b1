"""`xenbump pr` and `xenbump run`: the same way, for one wish and for all."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xenbump.cli import common

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Stop before anything leaves the machine; show the diff and the pull request.")
]


def pr(
    to: common.ToOption = "",
    security_only: common.SecurityOption = False,
    dry_run: DryRunOption = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Commit the change to a branch of its own, push it, and open or update the draft pull request.

    The change starts from the base branch as last fetched; the working tree, its index and branch stay as they are.
    """
    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    _publish(options, "pr", to, dry_run=dry_run, security_only=security_only)


def run(
    security_only: common.SecurityOption = False,
    dry_run: DryRunOption = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Check, plan, edit and publish, for every configured package: what a scheduled job calls."""
    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    _publish(options, "run", "", dry_run=dry_run, security_only=security_only)


def _publish(options: common.Frame, command: str, to: str, *, dry_run: bool, security_only: bool) -> None:
    from xenbump.outcomes import Planned, Published
    from xenbump.report import documents, text

    outcomes = common.perform(
        options,
        command,
        lambda pipeline, one: pipeline.publish(one, to, dry_run=dry_run, security_only=security_only),
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, Planned | Published)]
    diffs = {outcome.plan.subject.name: text.diff(outcome.edits) for outcome in made} if dry_run else {}
    common.show(options, outcomes, documents.run(outcomes, diffs), diffs=dry_run)
    if not options.json:
        for outcome in made:
            if isinstance(outcome, Planned) and outcome.message is not None:
                sys.stdout.write(f"\n{outcome.message.title}\n\n{outcome.message.body}")
    status = common.status(outcomes)
    # A dry run has done all that it was asked for.
    raise typer.Exit(common.DONE if status == common.TO_DO else status)
