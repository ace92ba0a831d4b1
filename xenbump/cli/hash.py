"""`xenbump hash`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from xenbump.cli import common


class Fetcher(StrEnum):
    """The fetchers of nixpkgs that a hash can be computed for."""

    GITHUB = "github"
    FETCHGIT = "fetchgit"


def hash_(
    rev: Annotated[str, typer.Argument(metavar="REV", help="A release tag, another tag, stable-X.Y, or a commit.")],
    fetcher: Annotated[Fetcher, typer.Option("--fetcher", help="Whose hash: fetchFromGitHub's or fetchgit's.")],
    config: common.ConfigOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Compute the SRI that a fetcher of nixpkgs will want for a revision of Xen, without Nix and without a checkout.

    A release tag is verified first. Any other revision is hashed as it is, and stderr says that nobody signed it.
    """
    from xenbump.pipeline import hash_of
    from xenbump.report import documents

    options = common.frame(config, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    settings = common.selected_config(options)
    found = hash_of(settings, rev, "fetchFromGitHub" if fetcher is Fetcher.GITHUB else "fetchgit", options.progress)
    if found.signed_by is None:
        sys.stderr.write(f"note: {rev} is not a release tag; nobody's signature was checked\n")
    sys.stdout.write(documents.encode(documents.hashed(found)) if json else found.hash + "\n")
