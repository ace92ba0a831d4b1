"""What a built Xen must have on disk: the outputs, the hypervisor with and without EFI, the libraries' modules, `xl`.

The package says in `passthru` where its hypervisors lie (`efi`, `multiboot`), and systems are built from these paths:
one that names a file which is not there breaks each of them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.verify import nix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xenbump.verify.nix import Buildable
    from xenbump.verify.nixstate import Problem

NAMES = ("out", "boot", "dev", "man", "doc")
# Libraries that have Xen's own version, `X.Y.0` in each release X.Y.Z; the others count their interfaces.
_XENS = ("xencontrol", "xenguest", "xenlight", "xenstat", "xenvchan", "xlutil")
_NEEDED = ("xencontrol", "xenlight")
_MAGIC = {b"\x7fELF": "ELF", b"MZ": "PE", b"\x1f\x8b": "gzip"}
_VERSION = re.compile(r"^Version:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_SCHEME = re.compile(r"(?:auto|daemon|unix(?:://.*)?)")
_PROMISES = """package:
builtins.listToAttrs (
  map (
    name:
    let
      tried = builtins.tryEval (package.${name} or package.passthru.${name} or null);
      value = if tried.success && builtins.isString tried.value then tried.value else null;
    in
    {
      inherit name;
      value = { inherit value; refused = !tried.success; };
    }
  ) [ "upstreamVersion" "efi" "multiboot" ]
)"""


@dataclass(frozen=True, slots=True)
class Promises:
    """What the package says of itself; None for what it does not say.

    Attributes:
        version: the version that its tree gives itself (`upstreamVersion`).
        efi: the path of `xen.efi` in the output `boot`.
        multiboot: the path of the hypervisor for other ways to boot.
        refuses_efi: asking for `efi` ends in an error of the package's own: it was told to be without.
    """

    version: str | None = None
    efi: str | None = None
    multiboot: str | None = None
    refuses_efi: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What the package was to become.

    Attributes:
        version: the version that the target's tree gives itself, `4.20.3` or `4.19.3-pre`.
        efi: whether it builds `xen.efi`; None where the file has no switch for it: then as `passthru.efi` says.
    """

    version: str
    efi: bool | None = None

    @property
    def branch(self) -> str:
        """`X.Y` of the version."""
        return ".".join(self.version.split(".")[:2])


def promises(wanted: Buildable, *, timeout: float) -> Promises | Problem:
    """Ask the package for what it says of itself; the error in the lines that matter where it cannot be evaluated.

    Raises:
        Failure: as `nix.evaluate`.
    """
    told = nix.evaluate(wanted, _PROMISES, timeout=timeout)
    if told.problem is not None:
        return told.problem
    value = {name: one["value"] for name, one in told.value.items()}
    return Promises(value["upstreamVersion"], value["efi"], value["multiboot"], told.value["efi"]["refused"])


def store_root(wanted: Buildable) -> Path | None:
    """The folder below which store paths lie, by the options that Nix gets; None where they are on another machine.

    A store is chosen by `--store` or `--option store`: a path, or `local?root=PATH`, is a store below that folder.
    """
    options, chosen = wanted.options, os.environ.get("NIX_REMOTE", "")
    for number, option in enumerate(options):
        if option == "--store":
            chosen = "".join(options[number + 1 : number + 2])
        elif option == "--option" and options[number + 1 : number + 2] == ("store",):
            chosen = "".join(options[number + 2 : number + 3])
    if not chosen or _SCHEME.fullmatch(chosen):
        return Path("/")
    parts = urlsplit(chosen)
    if parts.scheme in {"", "local"} and parts.path.removeprefix("//") in {"", "local"}:
        return Path(parse_qs(parts.query).get("root", ["/"])[0])
    return wanted.folder / chosen if "/" in chosen and not parts.scheme else None


def check(
    outputs: Mapping[str, str], told: Promises, expected: Expected, *, root: Path | None = Path("/")
) -> tuple[CheckResult, ...]:
    """Look at what was built.

    Args:
        outputs: the store path of each output, by its name.
        told: what the package says.
        expected: what it was to become.
        root: the folder below which store paths lie, from `store_root`; None: they cannot be looked at.
    """
    folders = {} if root is None else {name: root / path.lstrip("/") for name, path in outputs.items()}
    build = _Build(folders, told, expected)
    found = []
    for name, requirement, look in (
        ("outputs", "each output of the package is there", build.outputs),
        ("multiboot", f"boot/xen-{expected.version} is a hypervisor, where the package says it is", build.multiboot),
        ("efi", f"boot/xen-{expected.version}.efi is there if and only if the package builds it", build.efi),
        ("pkg-config", f"the modules of Xen's libraries are of {expected.branch}", build.modules),
        ("xl", "bin/xl is a program", build.xl),
    ):
        verdict = look() if root is not None else _Verdict(SKIPPED, "the store is on another machine")
        found.append(CheckResult(name, requirement, verdict.result, verdict.reason, verdict.evidence))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Verdict:
    result: str
    reason: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Build:
    """The checks, each a method."""

    folders: Mapping[str, Path]
    told: Promises
    expected: Expected

    def outputs(self) -> _Verdict:
        absent = [name for name, folder in self.folders.items() if not os.path.lexists(folder)]
        evidence = tuple(f"{name}: {folder}" for name, folder in self.folders.items())
        without = [name for name in NAMES if name not in self.folders]
        if without:
            evidence += (f"the package has no output {', '.join(without)}",)
        if absent or not self.folders:
            return _Verdict(FAILED, f"not there: {', '.join(absent) or 'any output'}", evidence)
        return _Verdict(PASSED, "", evidence)

    def multiboot(self) -> _Verdict:
        return self._hypervisor("multiboot", self.told.multiboot, f"boot/xen-{self.expected.version}", ("ELF",))

    def efi(self) -> _Verdict:
        path = f"boot/xen-{self.expected.version}.efi"
        there = sorted(file.name for file in self._boot.glob("boot/*.efi"))
        switch = self.expected.efi
        if switch is None and self.told.efi is None and not self.told.refuses_efi:
            return _Verdict(SKIPPED, "the package says nothing of xen.efi", tuple(there))
        if switch is False or (switch is None and self.told.refuses_efi):
            if there:
                return _Verdict(FAILED, "the package is to be without xen.efi and has one", tuple(there))
            return _Verdict(PASSED, "", ("no boot/*.efi, as the package is told",))
        if self.told.refuses_efi:
            return _Verdict(
                FAILED, "the package is to have xen.efi, and passthru.efi says that it has none", tuple(there)
            )
        return self._hypervisor("efi", self.told.efi, path, ("PE",))

    def modules(self) -> _Verdict:
        folder = self.folders.get("dev")
        if folder is None:
            return _Verdict(SKIPPED, "the package has no output dev")
        versions = {}
        for file in sorted(folder.glob("*/pkgconfig/*.pc")):
            match = _VERSION.search(_read(file, 1 << 16).decode("utf-8", "replace"))
            versions[file.stem] = match[1] if match else "no version"
        evidence = tuple(f"{name}.pc: {version}" for name, version in versions.items())
        absent = [name for name in _NEEDED if name not in versions]
        if absent:
            return _Verdict(FAILED, f"not there: {', '.join(f'{name}.pc' for name in absent)}", evidence)
        branch = self.expected.branch
        other = [f"{name}.pc" for name in _XENS if versions.get(name, branch) not in {branch, f"{branch}.0"}]
        other += [f"{name}.pc" for name, version in versions.items() if version == "no version" and name not in _XENS]
        if other:
            return _Verdict(FAILED, f"of another version, or without one: {', '.join(other)}", evidence)
        return _Verdict(PASSED, "", evidence)

    def xl(self) -> _Verdict:
        out = self.folders.get("out", Path("/nonexistent"))
        if len(self.folders) == 1 and not (out / "bin").exists():
            return _Verdict(SKIPPED, "the package has one output and no programs: it is a hypervisor alone")
        file = out / "bin" / "xl"
        if not file.is_file():
            return _Verdict(FAILED, "it is not there")
        told = _described(file)
        if not os.access(file, os.X_OK) or _magic(file) not in {"ELF", "script"}:
            return _Verdict(FAILED, "it is no program", (told,))
        return _Verdict(PASSED, "", (told,))

    @property
    def _boot(self) -> Path:
        """The output with the folder `boot`; a package without that output has it in `out`."""
        return self.folders.get("boot") or self.folders.get("out") or Path("/nonexistent")

    def _hypervisor(self, name: str, told: str | None, due: str, kinds: tuple[str, ...]) -> _Verdict:
        """Whether a hypervisor lies where the package says, the version in its name, and is of one of these kinds."""
        path = PurePosixPath(told if told is not None else due)
        if path.is_absolute() or ".." in path.parts:
            return _Verdict(FAILED, f"passthru.{name} is {told}, which is no path in an output")
        if str(path) != due:
            return _Verdict(FAILED, f"passthru.{name} is {told}, and {due} is expected")
        file = self._boot / path
        if not file.is_file():
            near = sorted(str(other.relative_to(self._boot)) for other in self._boot.glob("boot/xen*"))
            return _Verdict(FAILED, f"{due} is not there", tuple(near[:20]))
        silent = () if told is not None else (f"the package has no passthru.{name}",)
        if _magic(file) not in kinds:
            return _Verdict(FAILED, f"{due} is no hypervisor", (_described(file), *silent))
        return _Verdict(PASSED, "", (_described(file), *silent))


def _described(file: Path) -> str:
    return f"{file}: {file.stat().st_size} bytes, {_magic(file)}"


def _magic(file: Path) -> str:
    """What a file is by its first bytes."""
    head = _read(file, 4)
    if head.startswith(b"#!"):
        return "script"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "unknown content")


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(most)
    except OSError:
        return b""
