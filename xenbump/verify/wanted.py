"""What is verified, and how: what the caller decides, by the configuration and what came before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from xenbump.verify.evidence import Evidence, Step
    from xenbump.verify.nix import Buildable


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is verified, and how.

    Attributes:
        package: the configured name.
        version: of the package file.
        upstream_version: what the tree calls itself.
        efi: whether the package is to build `xen.efi`; None where its file has no switch.
        buildable: how Nix is asked for it.
        steps: what is to be done.
        computed: hashes that were computed here, by what they are of.
        image: the folder of an image; None: one of Debian's Xen of the same release line.
        cache: the folder of images.
        hvm: whether an image of Debian's Xen is to have a device model, so that an HVM guest is started too.
        xtf: the folder of a built XTF; None: there is none.
        baseline: the file of expected results of XTF; None: those that are shipped for the engine.
        logs: the folder of logs.
        limit: seconds that the build may take, and a test of NixOS likewise.
        engine: what boots dom0: `qemu` here, or `nixos`, a test that Nix builds.
        nixos_test: the attribute of that test in the flake or in nixpkgs; empty: none is configured.
        accelerator: `auto`, `tcg` or `kvm`, of QEMU here.
        before: what the verification of the older version came to; None: there was none.
        of: what is verified, in the caller's words, such as a commit.
    """

    package: str
    version: str
    upstream_version: str
    efi: bool | None
    buildable: Buildable
    steps: tuple[Step, ...]
    computed: Mapping[str, str]
    image: Path | None
    cache: Path
    xtf: Path | None
    baseline: Path | None
    logs: Path
    limit: float
    engine: Literal["qemu", "nixos"] = "qemu"
    nixos_test: str = ""
    hvm: bool = False
    accelerator: Literal["auto", "tcg", "kvm"] = "auto"
    before: Evidence | None = None
    of: str = ""
