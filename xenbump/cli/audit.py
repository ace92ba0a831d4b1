"""`xenbump audit` and `xenbump xsa`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from xenbump.cli import common


class FailOn(StrEnum):
    """What makes an audit end with the status for something to do."""

    UNPATCHED = "unpatched"


def audit(
    version: Annotated[list[str] | None, typer.Option("--version", metavar="X.Y.Z", help="A release.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="X.Y", help="All releases from this branch on.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="List what the tree has, too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables in Markdown.")] = False,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            "--fail-on",
            help="End with status 10 when an advisory is open: its fix is missing, or it is uncertain and undecided.",
            show_default=False,
        ),
    ] = None,
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Say which advisories each package file, or the given releases, are exposed to, and why not to the others."""
    from xenbump import advisories
    from xenbump.errors import UsageError
    from xenbump.journal import Journal
    from xenbump.report import advisories as report
    from xenbump.report import documents, view
    from xenbump.upstream.release import is_branch

    options = common.frame(config, package, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    if since and not is_branch(since):
        raise UsageError("E-CONFIG", f"--since takes a branch X.Y, not {since!r}")
    asked = bool(version or tag or since)
    settings = common.selected_config(options) if asked else common.loaded_config(options)
    with (
        Journal(settings.state).run("audit", options.progress) as run,
        advisories.opened(settings, run, options.progress) as found,
    ):
        packages = () if asked else settings.selected(options.packages)
        audits = advisories.subjects(found, packages=packages, versions=version or (), tags=tag or (), since=since)
        decided = {one.name: frozenset(map(int, one.decided)) for one in packages}
        opened = any(view.is_open(found, decided.get(one.name, ())) for one in audits for found in one.decisions)
        status = common.TO_DO if fail_on is FailOn.UNPATCHED and opened else common.DONE
        run.end(status)
    common.fit()
    if json:
        sys.stdout.write(documents.encode(report.audit_document(audits)))
    elif since and not markdown:
        sys.stdout.write(report.matrix(audits))
    else:
        render = report.audit_markdown if markdown else report.audit_text
        sys.stdout.write("\n".join(render(one, everything=everything) for one in audits))
    sys.stdout.flush()
    raise typer.Exit(status)


def xsa(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="N", help="Advisories to show.")] = None,
    config: common.ConfigOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """List the advisories, or show some: the verified text's patches for every branch, and the releases that have them.

    The list comes from xenbits' index, which is not signed; what is shown of an advisory comes from its signed text.
    """
    from xenbump import advisories
    from xenbump.journal import Journal
    from xenbump.report import advisories as report
    from xenbump.report import documents

    options = common.frame(config, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    settings = common.selected_config(options)
    now = datetime.now(UTC)
    with (
        Journal(settings.state).run("xsa", options.progress) as run,
        advisories.opened(settings, run, options.progress) as found,
    ):
        if numbers:
            shown = [found.show(number) for number in numbers]
            document = report.show_document(shown, now)
            text = "\n".join(report.show_text(one) for one in shown)
        else:
            entries = found.index()
            document, text = report.list_document(entries, now), report.list_text(entries, now)
        run.end(common.DONE)
    sys.stdout.write(documents.encode(document) if json else text)
