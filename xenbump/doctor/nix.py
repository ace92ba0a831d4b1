"""Nix: there, new enough, set up, and able to build anything at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xenbump import process
from xenbump.doctor.model import Probe, lack, ok, skipped
from xenbump.doctor.programs import numbers, version_of
from xenbump.errors import Failure
from xenbump.verify import nix

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.doctor.model import Check

NAMES = ("Nix", "Nix flakes", "Nix sandbox", "Nix build")
_SECONDS = 20.0
_BUILD_SECONDS = 90.0
_OLDEST = (2, 8)
# `nix config show` has taken the place of `nix show-config` since then (the manual's release notes of 2.20).
_RENAMED = (2, 20)
_FEATURES = ("--extra-experimental-features", "nix-command flakes")
_COSTS = "nothing is built or evaluated: the steps build, outputs and meta of `verify` fail, and no dom0 is booted"
_FLAKES_COSTS = "xenbump switches them on for its own calls; `nix build` and `nix flake` typed by hand refuse"
_SANDBOX_COSTS = "builds see this machine's files and network: what builds here may fail for others"
_INSTALL = "sh <(curl -L https://nixos.org/nix/install) --daemon"
# Unlike before each time, or the answer would come out of the store; it is gone with the next garbage collection.
_TRIVIAL = """\
derivation {
  name = "xenbump-doctor";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo $now > $out" ];
  now = builtins.currentTime;
}"""


def probes(folder: Path, options: tuple[str, ...], *, builds: bool) -> tuple[Probe, ...]:
    """The checks of Nix.

    Args:
        folder: where it runs.
        options: what the configuration gives each build (`[verify] nix-options`).
        builds: whether the configuration wants anything built, which makes a missing Nix grave.
    """

    def needing(name: str, work: Callable[[tuple[int, ...]], Check], seconds: float, costs: str) -> Probe:
        def checked() -> Check:
            version = version_of("nix")
            return skipped(name, "there is no Nix") if version is None else work(numbers(version))

        return Probe(name, checked, seconds, costs, grave=builds and name == "Nix build")

    return (
        Probe("Nix", lambda: _there(broken=builds), _SECONDS, _COSTS, grave=builds),
        needing("Nix flakes", _flakes, _SECONDS, _FLAKES_COSTS),
        needing("Nix sandbox", lambda version: _sandbox(version, options), _SECONDS, _SANDBOX_COSTS),
        needing("Nix build", lambda _: _build(folder, options, broken=builds), _BUILD_SECONDS, _COSTS),
    )


def _there(*, broken: bool) -> Check:
    version = version_of("nix")
    if version is None:
        return lack("Nix", "there is no `nix` on PATH", _COSTS, _INSTALL, broken=broken)
    if numbers(version) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return lack("Nix", f"{version} is older than {oldest}", _COSTS, "nix upgrade-nix", broken=broken)
    return ok("Nix", version)


def settings(version: tuple[int, ...], options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Nix' settings by name, as its configuration and the options have them.

    Raises:
        Failure: Nix does not tell them; E-TIMEOUT.
    """
    words = ("config", "show") if version >= _RENAMED else ("show-config",)
    done = process.run(["nix", *_FEATURES, *words, "--json", *options], env=nix.environment(), timeout=_SECONDS - 5)
    try:
        told = json.loads(done.stdout)
        return {name: one["value"] for name, one in told.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Failure("E-PROGRAM-FAILED", "its settings are not the JSON that was expected", where="nix") from error


def _flakes(version: tuple[int, ...]) -> Check:
    # To ask for the settings, xenbump would have to switch a feature on; this asks without.
    told = process.run(
        ["nix-instantiate", "--eval", "--expr", "builtins ? getFlake"],
        env=nix.environment(),
        timeout=_SECONDS - 5,
        check=False,
    )
    if told.status != 0:
        return skipped("Nix flakes", f"Nix does not tell: {told.error_text.partition(chr(10))[0]}")
    if told.stdout.strip() == b"true":
        return ok("Nix flakes", "switched on")
    del version
    do = "echo 'extra-experimental-features = nix-command flakes' >> ~/.config/nix/nix.conf"
    return lack("Nix flakes", "switched off", _FLAKES_COSTS, do)


def _sandbox(version: tuple[int, ...], options: tuple[str, ...]) -> Check:
    try:
        told = settings(version, options)
    except Failure as error:
        if not options or error.code != "E-PROGRAM-FAILED":
            raise
        told = settings(version)  # an option of `build` alone
    value = told.get("sandbox")
    if value in {True, "true"}:
        return ok("Nix sandbox", "on")
    what = "off" if value in {False, "false"} else f"it is {value!r}"
    return lack("Nix sandbox", what, _SANDBOX_COSTS, "echo 'sandbox = true' >> /etc/nix/nix.conf")


def _build(folder: Path, options: tuple[str, ...], *, broken: bool) -> Check:
    command = [
        "nix", *_FEATURES, "build", "--no-link", "--impure", "--option", "substitute", "false", *options,
        "--expr", _TRIVIAL,
    ]  # fmt: skip
    done = process.run(
        command,
        cwd=folder,
        env=nix.environment(),
        timeout=_BUILD_SECONDS - 5,
        check=False,
        dies_with_parent=nix.DIES_BY,
    )
    if done.status == 0:
        return ok("Nix build", "a trivial derivation was built")
    lines = [line.strip() for line in done.error_text.splitlines() if line.strip()]
    what = next((line for line in lines if line.startswith("error:")), (lines or ["no message"])[-1])
    return lack(
        "Nix build", f"a trivial derivation was not built: {what}", _COSTS, _mending(done.error_text), broken=broken
    )


def _mending(complaint: str) -> str:
    """What mends a build that does not begin, by what Nix says of it."""
    if "cannot connect to socket" in complaint or "daemon" in complaint:
        return "systemctl start nix-daemon.socket"
    if "namespace" in complaint or "sandbox" in complaint:
        return "echo 'sandbox-fallback = true' >> /etc/nix/nix.conf"
    if "nixbld" in complaint:
        return "echo 'build-users-group =' >> /etc/nix/nix.conf"
    if "No space left" in complaint:
        return "nix-collect-garbage"
    return 'nix-build --expr \'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/sh"; }\''
