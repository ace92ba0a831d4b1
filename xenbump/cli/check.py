"""`xenbump check`."""

from __future__ import annotations

import typer

from xenbump.cli import common


def check(
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Say what is new upstream for each configured package.

    That is a newer release with a good signature, and advisories whose fix the file as it is lacks; and how long the
    branch is supported. Writes nothing but the cache and the journal. Exit status 10: there is something.
    """
    from xenbump.report import documents

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    outcomes = common.perform(options, "check", lambda pipeline, one: pipeline.check(one))
    common.show(options, outcomes, documents.check(outcomes))
    raise typer.Exit(common.status(outcomes))
