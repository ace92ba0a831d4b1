"""The tables of `xenbump.toml`, as types: an unknown key or a wrong type is an error. See `docs/interface.md`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import msgspec

from xenbump.upstream.git import is_path

PUBLIC_GIT = "https://xenbits.xenproject.org/git-http/xen.git"
PUBLIC_MIRROR = "https://github.com/xen-project/xen"
# What a package tracks that follows release candidates.
CANDIDATE = "candidate"
PROJECT_KEY = "23E3222C145F4475FA8060A783FE14C957E82BD9"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of the file: frozen, and an unknown key in it is an error."""


class Upstream(_Table, frozen=True):
    """Where Xen is published and whose signature counts."""

    git: str = PUBLIC_GIT
    mirrors: tuple[str, ...] | None = None
    xsa: str = "https://xenbits.xen.org/xsa/"
    keyring: str = ""
    fingerprints: tuple[str, ...] = (PROJECT_KEY,)
    # Where to have the components from, by name (`qemu`) or by the address that a tree leads to; else as a tree says.
    components: dict[str, str] = {}

    def component_addresses(self, folder: Path) -> dict[str, str]:
        """`components`, a relative path starting from `folder`."""
        return {
            name: str(folder / expanded(address)) if is_path(address) else address
            for name, address in self.components.items()
        }

    def addresses(self, folder: Path) -> tuple[str, ...]:
        """Where the repository can be had, in order; a relative path starts from `folder`.

        Without configured mirrors, the public one stands behind the public repository only: whoever names a
        repository of their own does not want another one asked.
        """
        mirrors = self.mirrors
        if mirrors is None:
            mirrors = (PUBLIC_MIRROR,) if self.git == PUBLIC_GIT else ()
        return tuple(
            str(folder / expanded(address)) if is_path(address) else address for address in (self.git, *mirrors)
        )


class Package(_Table, frozen=True):
    """One package file."""

    name: str
    file: str
    attribute: str = ""
    track: str = "branch"
    strategy: Literal["patches", "stable-tip", "always-stable-tip"] = "patches"
    efi: Literal["keep"] | bool = "keep"
    # What a person has decided on advisories, with the reason, by number: nothing is added or dropped for those.
    decided: dict[str, str] = {}
    # What becomes of a branch past its security support when a new one is added beside it.
    retire: Literal["keep", "mark", "remove"] = "keep"


class Verify(_Table, frozen=True):
    """What is verified, and with which options of Nix."""

    steps: tuple[Literal["build", "outputs", "meta", "dom0", "xtf", "guests"], ...] = (
        "build",
        "outputs",
        "meta",
        "dom0",
        "xtf",
    )
    flake: str = "."
    nixpkgs: bool = False
    nix_options: tuple[str, ...] = ()
    xtf_baseline: str = ""
    # The folder of an image to boot; empty: one of Debian's Xen of the same release line is made.
    image: str = ""
    # The folder of a built XTF; empty: XENBUMP_XTF.
    xtf: str = ""
    build_minutes: int = 120
    # What boots dom0: QEMU with an image, or a NixOS test, which is an attribute of the flake or of nixpkgs.
    engine: Literal["qemu", "nixos"] = "qemu"
    nixos_test: str = ""
    accelerator: Literal["auto", "tcg", "kvm"] = "auto"
    # An image with a device model, so that HVM guests can be started.
    hvm: bool = False


class Labels(_Table, frozen=True):
    """Labels of a pull request: those of each, and those of one that brings patches of advisories."""

    always: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


class GitHub(_Table, frozen=True):
    """Where pull requests go, and how."""

    repository: str = ""
    fork: str = ""
    base: str = "master"
    remote: str = ""
    # The checkout that the file is in; a small clone of the repository in the state folder; GitHub's API alone.
    write: Literal["checkout", "clone", "api"] = "checkout"
    # Where to clone from; empty: from the host that the API belongs to.
    git: str = ""
    # False: ready for review where the evidence is complete.
    draft: bool = True
    labels: Labels = Labels()
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    operator: str = ""


class Watch(_Table, frozen=True):
    """What `xenbump watch` tells its events to: a program with its arguments, started without a shell."""

    hook: tuple[str, ...] = ()
    # The limit of one call.
    hook_seconds: int = 60


class State(_Table, frozen=True):
    """Where the journal and the cache lie."""

    directory: str = ""


class File(_Table, frozen=True):
    """The whole file."""

    package: tuple[Package, ...] = ()
    upstream: Upstream = Upstream()
    verify: Verify = Verify()
    github: GitHub = GitHub()
    state: State = State()
    watch: Watch = Watch()


def expanded(path: str) -> Path:
    """A path with the home folder for a leading `~`; where there is no such home, the `~` is a name like any other."""
    with contextlib.suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)
