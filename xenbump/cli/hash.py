"""`xenbump hash`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from xenbump.cli import common
from xenbump.errors import UsageError


class Fetcher(StrEnum):
    """The fetchers of nixpkgs that a hash can be computed for."""

    GITHUB = "github"
    FETCHGIT = "fetchgit"
    FETCHPATCH = "fetchpatch"
    FETCHPATCH2 = "fetchpatch2"
    FETCHURL = "fetchurl"


_FOR_SOURCES = {Fetcher.GITHUB: "fetchFromGitHub", Fetcher.FETCHGIT: "fetchgit"}


def hash_(
    rev: Annotated[
        str, typer.Argument(metavar="[REV]", help="A release tag, another tag, stable-X.Y, or a commit.")
    ] = "",
    fetcher: Annotated[
        Fetcher | None, typer.Option("--fetcher", help="Whose hash; for a patch, fetchpatch's unless it is named.")
    ] = None,
    patch: Annotated[str, typer.Option("--patch", metavar="FILE|URL", help="A patch instead of a revision.")] = "",
    config: common.ConfigOption = None,
    json: common.JsonOption = False,
    verbose: common.VerboseOption = False,
    quiet: common.QuietOption = False,
    no_progress: common.ProgressOption = False,
) -> None:
    """Compute the SRI that a fetcher of nixpkgs will want, without Nix: of a revision of Xen, or of a patch.

    A release tag is verified first, and so is an advisory's patch named by its address on xenbits. Anything else is
    hashed as it is, and stderr says that nobody's signature was checked.
    """
    from xenbump.report import documents

    if bool(rev) == bool(patch):
        raise UsageError("E-CONFIG", "a hash is of one thing: name a revision, or a patch with --patch")
    options = common.frame(config, None, json=json, verbose=verbose, quiet=quiet, no_progress=no_progress)
    settings = common.selected_config(options)
    if patch:
        from xenbump.advisories import hash_of_patch

        wanted = fetcher or Fetcher.FETCHPATCH
        if wanted in _FOR_SOURCES:
            raise UsageError("E-CONFIG", f"--fetcher {wanted} fetches revisions, not patches")
        found = hash_of_patch(settings, patch, wanted.value, options.progress)
    else:
        from xenbump.pipeline import hash_of

        if fetcher not in _FOR_SOURCES:
            raise UsageError("E-CONFIG", "for a revision, --fetcher is github or fetchgit")
        found = hash_of(settings, rev, _FOR_SOURCES[fetcher], options.progress)
    if found.signed_by is None:
        what = "an advisory's patch on xenbits" if patch else "a release tag"
        sys.stderr.write(f"note: {found.rev} is not {what}; nobody's signature was checked\n")
    sys.stdout.write(documents.encode(documents.hashed(found)) if json else found.hash + "\n")
