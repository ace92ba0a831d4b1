"""`xenbump report`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the types at run time
from typing import TYPE_CHECKING, Annotated

import typer

from xenbump.cli import common

if TYPE_CHECKING:
    from xenbump.config import Config
    from xenbump.report.view import Overview


class Form(StrEnum):
    """What a report can be."""

    HTML = "html"
    OPENVEX = "openvex"
    JSON = "json"
    MARKDOWN = "markdown"


def report(
    form: Annotated[Form, typer.Option("--format", help="What is written.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Where it is written; without it, to stdout.", show_default=False
        ),
    ] = None,
    version: Annotated[
        list[str] | None,
        typer.Option(
            "--version", metavar="X.Y.Z", help="OpenVEX: of this release, not of packages.", show_default=False
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="X.Y",
            help="Releases from this branch on; without it, from the oldest that a package is of.",
            show_default=False,
        ),
    ] = "",
    author: Annotated[
        str,
        typer.Option(
            "--author", metavar="WHO", help="OpenVEX: who says so; without it, the operator.", show_default=False
        ),
    ] = "",
    config: common.ConfigOption = None,
    package: common.PackageOption = None,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Write what the packages are open to, since when and why, and what was verified: as a page or for programs."""
    from xenbump.errors import UsageError
    from xenbump.upstream.release import is_branch, is_version

    options = common.frame(config, package, json=False, verbose=verbose, quiet=quiet, no_progress=no_progress)
    if since and not is_branch(since):
        raise UsageError("E-CONFIG", f"--since takes a branch X.Y, not {since!r}")
    if form is not Form.OPENVEX and (version or author):
        raise UsageError("E-CONFIG", f"--version and --author are for --format openvex, not for {form.value}")
    if form is Form.OPENVEX and since:
        raise UsageError("E-CONFIG", "--since is not for --format openvex, which is about packages or single releases")
    wrong = [one for one in version or () if not is_version(one)]
    if wrong:
        raise UsageError("E-CONFIG", f"--version takes a release X.Y.Z, not {wrong[0]!r}")
    settings = common.selected_config(options) if version else common.loaded_config(options)
    author = author or settings.github.operator
    if form is Form.OPENVEX and not author:
        raise UsageError("E-CONFIG", "an OpenVEX document needs an author: --author, or [github] operator")
    overview = _gathered(options, settings, versions=tuple(version or ()), since=since, whole=form is not Form.OPENVEX)
    _write(_rendered(form, overview, author=author, repository=settings.github.repository), output)


def _gathered(
    options: common.Frame, settings: Config, *, versions: tuple[str, ...], since: str, whole: bool
) -> Overview:
    """What the report is about."""
    from xenbump import xen
    from xenbump.journal import Journal
    from xenbump.overview import Gatherer

    with (
        common.watched(options) as progress,
        Journal(settings.state).run("report", progress) as run,
        xen.opened(settings, run, progress) as found,
    ):
        gatherer = Gatherer(settings, run, found)
        if versions:
            overview = gatherer.of(gatherer.versions(versions))
        else:
            wanted = settings.selected(options.packages)
            overview = gatherer.whole(wanted, since) if whole else gatherer.of(gatherer.packages(wanted))
        run.end(common.DONE)
    return overview


def _rendered(form: Form, overview: Overview, *, author: str, repository: str) -> str:
    from xenbump.report import documents, html, openvex
    from xenbump.report import overview as report

    match form:
        case Form.HTML:
            return html.page(overview)
        case Form.OPENVEX:
            return documents.encode(openvex.document(overview, author=author, repository=repository))
        case Form.JSON:
            return documents.encode(report.document(overview))
    return report.markdown(overview)


def _write(text: str, output: Path | None) -> None:
    """Write to stdout, or to a file such that nobody ever sees half of it."""
    from xenbump import durable

    if output is None:
        sys.stdout.write(text)
    else:
        durable.deliver(output, text.encode(), what="the report cannot be written")
