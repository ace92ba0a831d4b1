"""How Nix is called for one package: an attribute of a flake, or of a folder with a `default.nix` such as nixpkgs.

Needed is Nix 2.8 or newer; its commands `build` and `eval` are switched on for the call, everything else is as the user
has configured it: Nix gets its own variables and those that say where its configuration lies.
"""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from xenbump import process
from xenbump.errors import UsageError
from xenbump.verify import nixlog, nixstate

if TYPE_CHECKING:
    from pathlib import Path

_FEATURES = ("--extra-experimental-features", "nix-command flakes")
# Behind the user's options: `-L` among them would choose another format.
_LOG_FORMAT = ("--log-format", "internal-json")
_HANDED_ON = re.compile(r"NIX_\w+|NIXPKGS_\w+|XDG_(?:CONFIG|CACHE|DATA|STATE)_HOME|XDG_CONFIG_DIRS")
# When xenbump ends, however that is, Nix gets a signal on which it ends its builders: one that is killed leaves them.
DIES_BY = signal.SIGTERM
_ATTRIBUTE = re.compile(r"[A-Za-z_\"][^\s#^]*")
_FLAKE = re.compile(r"[^\s#-][^\s#]*")


@dataclass(frozen=True, slots=True)
class Buildable:
    """What Nix is asked for.

    Attributes:
        attribute: the path of the package, such as `xen` or `packages.x86_64-linux.xen_4_20`.
        folder: where Nix runs: that of the configuration, or of the checkout.
        flake: the flake's address, seen from there.
        nixpkgs: there is no flake; `default.nix` in the folder has the attribute.
        options: what the user wants Nix to get, such as `--builders` and `--store`; `nix build` and `nix eval` must
            both know them.
    """

    attribute: str
    folder: Path
    flake: str = "."
    nixpkgs: bool = False
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ATTRIBUTE.fullmatch(self.attribute):
            raise UsageError(
                "E-CONFIG", f"{self.attribute!r} is not an attribute that Nix can build", where="attribute"
            )
        if not _FLAKE.fullmatch(self.flake):
            raise UsageError(
                "E-CONFIG", f"{self.flake!r} is not a flake's address without attribute", where="verify.flake"
            )

    def command(self, name: str, *arguments: str, outputs: tuple[str, ...] = ()) -> list[str]:
        """The command line of `nix build` or `nix eval` for the package, or for some of its outputs."""
        paths = [f"{self.attribute}.{output}" for output in outputs] or [self.attribute]
        if self.nixpkgs:
            what = ["-f", ".", *paths]
        else:
            what = ["--no-write-lock-file", *(f"{self.flake}#{path}" for path in paths)]
        return ["nix", *_FEATURES, name, *arguments, *self.options, *_LOG_FORMAT, *what]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The value, as JSON gives it; or the error in the lines that matter, and `value` is None."""

    value: Any = None
    problem: nixstate.Problem | None = None


def environment() -> dict[str, str]:
    """The variables that Nix gets besides those that every program gets: its own, nixpkgs' and the XDG folders."""
    return {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}


def evaluate(wanted: Buildable, function: str, *, timeout: float) -> Evaluated:
    """Apply a function, written in Nix, to the package.

    Args:
        wanted: the package.
        function: its result must be something that JSON can say.
        timeout: seconds of wall-clock time.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED (Nix cannot be started), E-TIMEOUT.
    """
    command = wanted.command("eval", "--json", "--apply", function)
    done = process.run(
        command, cwd=wanted.folder, env=environment(), timeout=timeout, check=False, dies_with_parent=DIES_BY
    )
    if done.status == 0:
        try:
            return Evaluated(json.loads(done.stdout))
        except (ValueError, RecursionError):
            return Evaluated(problem=nixstate.Problem("Nix answered something that is not JSON"))
    state = reduce(nixstate.advance, nixlog.read(done.stderr), nixstate.State())
    return Evaluated(problem=state.cause() or silent(done.status))


def silent(status: int) -> nixstate.Problem:
    """What there is to say about a Nix that failed and told no error."""
    how = f"a signal ended Nix ({-status})" if status < 0 else f"Nix ended with status {status} and told no error"
    return nixstate.Problem(how, interrupted=status < 0)
