"""The text of a first `xenbump.toml`: each key that a person may want to change, with what it is for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenbump.init.finding import Package
    from xenbump.init.origin import Origin


def text(packages: tuple[Package, ...], where: Origin, *, nixpkgs: bool, flake: bool) -> str:
    """The file.

    Args:
        packages: the package files that were found.
        where: what git's remotes say.
        nixpkgs: whether the checkout is nixpkgs.
        flake: whether its root has a flake.nix.
    """
    head = "# xenbump's configuration. Every key is described in docs/interface.md; what is left out has its default.\n"
    parts = [head, *(_package(one) for one in packages), _verify(nixpkgs=nixpkgs, flake=flake), _github(where)]
    return "\n".join(parts)


def notes(packages: tuple[Package, ...], where: Origin, *, nixpkgs: bool, flake: bool) -> tuple[str, ...]:
    """What a person should look at, a sentence each."""
    found = [
        f"{one.file} has a shape that is read for `check` and `audit`, not rewritten"
        for one in packages
        if one.shape == "legacy"
    ]
    if not where.repository:
        found.append("no remote is on GitHub: set [github] repository before `xenbump pr`")
    if not nixpkgs and not flake:
        found.append("there is no flake.nix: set [verify] before `xenbump verify`")
    return tuple(found)


def _package(one: Package) -> str:
    attribute = f"attribute = {_quoted(one.attribute)}" if one.attribute else '# attribute = ""'
    track = 'track = "latest"' if one.latest else '# track = "branch"'
    follows = "of this file its newer branch is made" if one.latest else 'its own branch; "latest": of all; "4.20"'
    return f"""\
[[package]]
name = {_quoted(one.name)}
# From the folder of this file. It has {one.version} now, in the shape {one.shape}.
file = {_quoted(one.file)}
# Its attribute in the package set, for titles and for `verify`; left out, its name.
{attribute}
# Which releases it follows: {follows}.
{track}
"""


def _verify(*, nixpkgs: bool, flake: bool) -> str:
    if nixpkgs:
        where = "# Built is the attribute of nixpkgs.\nnixpkgs = true"
    elif flake:
        where = '# Built is the attribute of this flake.\nflake = "."'
    else:
        where = '# There is no flake.nix here: name one (flake = "…"), then the steps below.\nsteps = []'
    usual = '["build", "outputs", "meta", "dom0", "xtf"]'
    return f"""\
[verify]
{where}
# What a change has to pass before `run` publishes it; "guests" starts guests as well.
# steps = {usual}
"""


def _github(where: Origin) -> str:
    repository = f"repository = {_quoted(where.repository)}" if where.repository else '# repository = "OWNER/NAME"'
    fork = f"fork = {_quoted(where.fork)}" if where.fork else '# fork = "ME/NAME"'
    return f"""\
# The token is not written here: XENBUMP_GITHUB_TOKEN has it.
[github]
# Where pull requests are opened.
{repository}
# Where their branches are pushed to; left out, to the repository itself.
{fork}
# The branch that they are for.
base = {_quoted(where.base)}
# The remote to push to; left out, the one with the fork or the repository in its address.
# remote = "origin"
# Who is asked for a review: "login" or "organisation/team".
# reviewers = []
# The person responsible, named in the pull request.
# operator = ""
"""


def _quoted(value: str) -> str:
    """A string of TOML; JSON's is one, but for a character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
