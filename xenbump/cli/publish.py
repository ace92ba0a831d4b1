"""`xenbump pr` and `xenbump run`: the same way, for one wish and for all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xenbump.cli import common

if TYPE_CHECKING:
    from xenbump.pipeline import Wish

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Stop before anything leaves the machine; show the diff and the pull request.")
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Open it anew where a person closed it for the same change.")
]
BackportOption = Annotated[
    str,
    typer.Option(
        "--backport", metavar="BRANCH", help="For this branch instead of the base, such as release-25.11.",
        show_default=False,
    ),
]  # fmt: skip


def pr(
    to: common.ToOption = "",
    security_only: common.SecurityOption = False,
    again: AgainOption = False,
    backport: BackportOption = "",
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
    from xenbump.pipeline import Wish

    wish = Wish(to, security_only=security_only, dry_run=dry_run, again=again, backport=backport)
    _publish(options, "pr", wish)


def run(
    security_only: common.SecurityOption = False,
    again: AgainOption = False,
    dry_run: DryRunOption = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Check, plan, edit, verify and publish, for every configured package: what a scheduled job calls.

    Exit status 30: the change does not pass its verification, and nothing is published for it.
    """
    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    from xenbump.pipeline import Wish

    _publish(options, "run", Wish(security_only=security_only, dry_run=dry_run, again=again, prove=True))


def _publish(options: common.Frame, command: str, wish: Wish) -> None:
    from xenbump.outcomes import Planned, Published
    from xenbump.report import documents, text

    outcomes = common.perform(
        options,
        command,
        lambda pipeline, one: pipeline.publish(one, wish),
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, Planned | Published)]
    diffs = {outcome.plan.subject.name: text.diff(outcome.edits) for outcome in made} if wish.dry_run else {}
    common.show(options, outcomes, documents.run(outcomes, diffs), diffs=wish.dry_run)
    if not options.json:
        for outcome in made:
            if isinstance(outcome, Planned) and outcome.message is not None:
                sys.stdout.write(f"\n{outcome.message.title}\n\n{outcome.message.body}")
    status = common.status(outcomes)
    # A dry run has done all that it was asked for.
    raise typer.Exit(common.DONE if status == common.TO_DO else status)
