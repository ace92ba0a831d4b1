"""The project: its configuration, its package files, and the checkout that changes are committed in."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from xenbump import process
from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.errors import UsageError, XenbumpError
from xenbump.package import files, rewrite
from xenbump.publish import git_identity

# Not within a check, as they are made side by side: while GitPython is imported, the process has another environment.
from xenbump.publish.branch import Checkout
from xenbump.upstream import keyring
from xenbump.xen import trust_of

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.config import Config
    from xenbump.doctor.model import Check
    from xenbump.settings import Package

_SECONDS = 30.0
_CONFIG_COSTS = "no command that works on packages can begin"
_NONE_COSTS = "only `hash`, `xsa`, `audit --version` and `image` work without one"
_FILE_COSTS = "nothing can be checked, planned or published for it"
_KEYS_COSTS = "no signature can be judged"
_ENDED_COSTS = "what such a key signed is refused, and so are releases and advisories by it"
_PUBLISH_COSTS = "`pr` and `run` cannot commit and push"
_NAME_COSTS = "git refuses to commit, so `bump --commit`, `pr` and `run` fail"


def configuration(config: Config, trouble: XenbumpError | None, *, named: bool) -> Check:
    """What is to be said of the configuration.

    Args:
        config: what is used.
        trouble: why it is not the person's; None: it is.
        named: whether a file was named, so that there should be one.
    """
    if trouble is None:
        names = ", ".join(package.name for package in config.packages)
        return ok("configuration", f"{config.path}, {names or 'without a package'}")
    if trouble.code == "E-CONFIG-MISSING" and not named:
        return lack("configuration", trouble.what, _NONE_COSTS, "xenbump init")
    do = f"xenbump explain {trouble.code}"
    return lack("configuration", str(trouble), _CONFIG_COSTS, do, broken=True)


def probes(config: Config) -> tuple[Probe, ...]:
    """The checks of a project."""
    settings = config.github
    publishes = bool(settings.repository)
    found = [Probe("keyring", partial(_keyring, config), _SECONDS, _KEYS_COSTS)]
    found += [
        Probe(f"package: {package.name}", partial(_package, config, package), _SECONDS, _FILE_COSTS)
        for package in config.packages
    ]
    found += [
        Probe("remote", partial(_remote, config), _SECONDS, _PUBLISH_COSTS, grave=publishes),
        Probe("base branch", partial(_base, config), _SECONDS, _PUBLISH_COSTS, grave=publishes),
        Probe("git identity", partial(_identity, config), _SECONDS, _NAME_COSTS, grave=publishes),
    ]
    return tuple(found)


def _keyring(config: Config) -> Check:
    trust = trust_of(config)
    troubles = keyring.complaints(trust.keyring, trust.fingerprints, time.time())
    if troubles:
        return lack("keyring", "; ".join(troubles), _ENDED_COSTS, "xenbump explain E-SIGNATURE-KEY")
    return ok("keyring", f"{len(trust.fingerprints)} pinned key{'' if len(trust.fingerprints) == 1 else 's'}")


def _package(config: Config, package: Package) -> Check:
    name = f"package: {package.name}"
    path = config.file_of(package)
    if config.github.write != "checkout" and not path.exists():
        return skipped(name, f'{package.file} is not here, and [github] write = "{config.github.write}" has its own')
    attribute = package.attribute or package.name
    around = files.Around(path, config.folder)
    found = rewrite.read(files.read(path), name=package.name, file=package.file, attribute=attribute, beside=around)
    if found.read_only:
        what = f"{package.file} has {found.version} in the shape {found.shape}"
        return lack(name, what, "a file of this shape is read for `check` and `audit`, not rewritten", "")
    return ok(name, f"{package.file} has {found.version} in the shape {found.shape}")


def _why_not(config: Config) -> str:
    """Why there is no checkout to look at; empty where there is."""
    if not config.packages:
        return "no package is configured"
    if config.github.write != "checkout":
        return f'[github] write = "{config.github.write}" needs none'
    return ""


def _folder(config: Config) -> Path:
    path = config.file_of(config.packages[0])
    return path if path.exists() else config.folder


def _remote(config: Config) -> Check:
    why = _why_not(config)
    if why:
        return skipped("remote", why)
    settings = config.github
    checkout = Checkout(_folder(config))
    try:
        return ok("remote", checkout.remote(settings.remote, (settings.fork, settings.repository)))
    except UsageError as error:
        do = error.remedy if settings.remote else 'set [github] remote = "NAME"'
        return lack("remote", error.what, _PUBLISH_COSTS, do, broken=bool(settings.repository))
    finally:
        checkout.close()


def _base(config: Config) -> Check:
    why = _why_not(config)
    if why:
        return skipped("base branch", why)
    settings = config.github
    checkout = Checkout(_folder(config))
    try:
        # As publishing has it: the base is of the repository's own remote, where there is one beside the fork's.
        remote = checkout.remote_of(settings.repository) or checkout.remote(
            settings.remote, (settings.fork, settings.repository)
        )
        commit = checkout.base(remote, settings.base)
    except UsageError as error:
        if error.code == "E-REMOTE":
            return skipped("base branch", "the remote is not clear")
        do = f"git -C {checkout.root} fetch {remote} {settings.base}"
        return lack("base branch", error.what, _PUBLISH_COSTS, do, broken=bool(settings.repository))
    finally:
        checkout.close()
    return ok("base branch", f"{settings.base} at {commit[:12]}")


def _identity(config: Config) -> Check:
    if config.github.write == "api":
        return skipped("git identity", 'with [github] write = "api" GitHub names the author')
    persons = git_identity.configured(config.folder)
    if persons:
        return ok("git identity", f"{persons['author'].name} <{persons['author'].email}>")
    what = "git has no name and e-mail address for the author of a commit"
    do = "git config --global user.name NAME && git config --global user.email ADDRESS"
    argv = ["git", "var", "GIT_COMMITTER_IDENT"]
    made_up = process.run(argv, cwd=config.folder, env=git_identity.persons_environment(), check=False)
    if made_up.status == 0:
        costs = "git makes one up from the login and the name of the machine, and it stands in every commit"
        return lack("git identity", what, costs, do)
    return lack("git identity", what, _NAME_COSTS, do, broken=bool(config.github.repository))
