"""What GitHub knows of the token, or of the App: whether it is accepted, and what it may do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.errors import UsageError
from xenbump.publish import github_rights
from xenbump.publish.access import Access

if TYPE_CHECKING:
    from xenbump.config import Config
    from xenbump.doctor.model import Check

_SECONDS = 15.0
_COSTS = "`pr` and `run` cannot push, nor open or update a pull request"
_EXCESS_COSTS = "who gets hold of the token can do all of that"
_UNKNOWN = {
    "E-TOKEN-REJECTED": "export XENBUMP_GITHUB_TOKEN=…  # a new one: the old one has ended or was revoked",
    "E-TOKEN-RIGHTS": "give the token read and write access to contents and pull requests",
    "E-GITHUB-NOT-FOUND": "correct [github] repository and fork, or let the token see them",
}


def probes(config: Config) -> tuple[Probe, ...]:
    """The checks at GitHub; without a repository in the configuration they are skipped with that reason."""
    grave = bool(config.github.repository)
    return (
        Probe("GitHub token", partial(_token, config), 5.0, _COSTS, grave=grave),
        Probe("GitHub rights", partial(_rights, config), 3 * _SECONDS, _COSTS, grave=grave),
        Probe("GitHub base branch", partial(_base, config), 2 * _SECONDS, _COSTS, grave=grave),
    )


def _why_not(config: Config) -> str:
    if not config.github.repository:
        return "[github] repository is not set, so nothing is published"
    if not config.token and config.app is None:
        return "there is no token"
    return ""


def _token(config: Config) -> Check:
    name = "GitHub token"
    if not config.github.repository:
        return skipped(name, _why_not(config))
    try:
        Access.of(config)
    except UsageError as error:
        return lack(name, error.what, _COSTS, "export XENBUMP_GITHUB_TOKEN=…", broken=True)
    if config.app is not None:
        return ok(name, f"App {config.app.id}")
    return ok(name, "there is one")


def _rights(config: Config) -> Check:
    """Whether the account may push where the branch goes, and the token do what the account may."""
    name = "GitHub rights"
    why = _why_not(config)
    if why:
        return skipped(name, why)
    settings = config.github
    target = settings.fork or settings.repository
    try:
        rights = github_rights.of(config, target, timeout=_SECONDS)
        if settings.fork:
            github_rights.of(config, settings.repository, timeout=_SECONDS)
    except UsageError as error:
        return lack(name, error.what, _COSTS, _UNKNOWN.get(error.code, f"xenbump explain {error.code}"), broken=True)
    return _granted(name, rights, target, config)


def _granted(name: str, rights: github_rights.Rights, target: str, config: Config) -> Check:
    """What is to be said of the rights that GitHub tells of."""
    if not rights.suffices:
        had = ", ".join(sorted(rights.scopes or ())) or "none"
        wanted = "repo" if rights.private else "public_repo"
        do = f"give the token the scope {wanted}: https://github.com/settings/tokens"
        return lack(name, f"the token's scopes do not let it write to {target}: {had}", _COSTS, do, broken=True)
    if not rights.push:
        do = f"ask for write access to {target}" if config.github.fork else 'set [github] fork = "ME/NAME"'
        return lack(name, f"the account may not push to {target}", _COSTS, do, broken=True)
    if rights.excess:
        what = f"may push to {target}, and the token may do more than that needs: {', '.join(rights.excess)}"
        wanted = "repo" if rights.private else "public_repo"
        do = f"make a token with the scope {wanted} alone: https://github.com/settings/tokens"
        return lack(name, what, _EXCESS_COSTS, do)
    if rights.scopes is None and config.app is None:
        return ok(name, f"the account may push to {target}; GitHub does not tell what a token without scopes may")
    return ok(name, f"may push to {target}")


def _base(config: Config) -> Check:
    name = "GitHub base branch"
    why = _why_not(config)
    if why:
        return skipped(name, why)
    settings = config.github
    if github_rights.has_branch(config, settings.repository, settings.base, timeout=_SECONDS):
        return ok(name, f"{settings.repository} has {settings.base}")
    what = f"{settings.repository} has no branch {settings.base}"
    return lack(name, what, _COSTS, "correct [github] base", broken=True)
