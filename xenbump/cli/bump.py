"""`xenbump bump`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Annotated

import typer

from xenbump.cli import common
from xenbump.errors import UsageError

UpdateOption = Annotated[
    bool,
    typer.Option(
        "--update-script",
        help="Print the JSON list that nixpkgs' update.nix reads; UPDATE_NIX_ATTR_PATH names the package.",
    ),
]


def bump(
    to: common.ToOption = "",
    security_only: common.SecurityOption = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the change to the current branch.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the change as a unified diff.")] = False,
    update_script: UpdateOption = False,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Plan, then edit the files of each package in place, all of them or none."""
    from xenbump.outcomes import Stopped, Written
    from xenbump.report import documents, text
    from xenbump.report import update_script as protocol

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    if update_script:
        others = [name for name, given in (("--json", json), ("--diff", diff), ("--commit", commit)) if given]
        if others:
            raise UsageError("E-CONFIG", f"--update-script cannot stand with {' and '.join(others)}")
        options = replace(options, packages=_of_attribute(options, protocol.VARIABLE))
    outcomes = common.perform(
        options, "bump", lambda pipeline, one: pipeline.bump(one, to, commit=commit, security_only=security_only)
    )
    written = [outcome for outcome in outcomes if isinstance(outcome, Written)]
    if update_script:
        for outcome in outcomes:
            if isinstance(outcome, Stopped):
                options.error(outcome.error)
        sys.stdout.write(protocol.changes(written, common.loaded_config(options).folder))
    else:
        diffs = {outcome.plan.subject.name: text.diff(outcome.edits) for outcome in written} if diff else {}
        common.show(options, outcomes, documents.plan(outcomes, diffs), diffs=diff)
    raise typer.Exit(common.status(outcomes))


def _of_attribute(options: common.Frame, variable: str) -> tuple[str, ...]:
    """The packages to work on: those that are named, else those of the attribute that the environment names."""
    attribute = os.environ.get(variable, "")
    if options.packages or not attribute:
        return options.packages
    config = common.loaded_config(options)
    found = tuple(one.name for one in config.packages if attribute in {one.attribute, one.name})
    if not found:
        known = ", ".join(one.attribute or one.name for one in config.packages)
        raise UsageError(
            "E-PACKAGE-NAME", f"no package with the attribute {attribute!r} is configured; there is {known}",
            where=f"{variable} and {config.path}",
        )  # fmt: skip
    return found
