"""The program `xenbump`: its commands. What must be quick, and the handling of errors, is in `main`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xenbump import __version__
from xenbump.cli import (
    audit,
    bisect,
    bump,
    check,
    demo,
    doctor,
    explain,
    guest,
    hash,  # noqa: A004
    image,
    init,
    plan,
    publish,
    report,
    try_,
    verify,
    watch,
)


def build() -> typer.Typer:
    """The commands."""
    app = typer.Typer(
        name="xenbump",
        help="From a signed Xen release to a reviewed pull request against its Nix package, with proof.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_program)
    app.command("check")(check.check)
    app.command("plan")(plan.plan)
    app.command("bump")(bump.bump)
    app.command("verify")(verify.verify)
    app.command("pr")(publish.pr)
    app.command("run")(publish.run)
    app.command("watch")(watch.watch)
    app.command("audit")(audit.audit)
    app.command("report")(report.report)
    app.command("xsa")(audit.xsa)
    app.command("hash")(hash.hash_)
    app.command("image")(image.image)
    app.command("try")(try_.try_)
    app.command("bisect")(bisect.bisect)
    app.command("guest")(guest.guest)
    app.command("doctor")(doctor.doctor)
    app.command("init")(init.init)
    app.command("explain")(explain.explain)
    app.command("demo")(demo.demo)
    return app


def _program(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and end.")] = False,
) -> None:
    """From a signed Xen release to a reviewed pull request against its Nix package, with proof."""
    if version:
        sys.stdout.write(f"xenbump {__version__}\n")
        raise typer.Exit
