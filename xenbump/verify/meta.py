"""What a package says of itself: that Nix and nixpkgs let it be evaluated, and that its texts name the right version.

Packages of Xen have the branch in several texts (`meta` in the nixpkgs manual), and a bump that forgets one of them
builds all the same.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xenbump.dom0.report import FAILED, PASSED, SKIPPED, CheckResult
from xenbump.verify import nix

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.nix import Buildable
    from xenbump.verify.nixstate import Problem

# How nixpkgs words that it does not give a package out: `check-meta.nix`.
_REFUSALS = (
    (re.compile(r"marked as insecure"), "insecure"),
    (re.compile(r"unfree licen[cs]e|non-?free"), "unfree"),
    (re.compile(r"marked as broken"), "broken"),
    (re.compile(r"not available on the requested|not supported on"), "not for this platform"),
    (re.compile(r"refusing to evaluate", re.IGNORECASE), "not allowed"),
)
_NUMBERS = re.compile(r"\d+\.\d+(?:\.\d+)*", re.ASCII)
_ADDRESS = re.compile(r"https?://\S+")
_SHOWN = 200  # characters of a text that evidence shows


@dataclass(frozen=True, slots=True)
class Names:
    """The version that the texts are to name: `4.20.3`, or `4.19.3-unstable-2025-07-09`."""

    version: str

    @property
    def numbers(self) -> str:
        """The numbers that it begins with, `X.Y.Z`."""
        found = _NUMBERS.match(self.version)
        return found[0] if found else self.version

    @property
    def branch(self) -> str:
        """`X.Y`."""
        return ".".join(self.numbers.split(".")[:2])

    def named(self, text: str) -> list[str]:
        """The versions of Xen that a text names, with dots: numbers with Xen's major version in front.

        They may be written with `.`, `_` or `-`, as in `qemu_xen_4_20` and in addresses.
        """
        major = re.escape(self.numbers.partition(".")[0])
        form = rf"(?<!\d)(?<!\d[._-]){major}([._-])(\d{{1,2}})(?:\1(\d{{1,3}}))?(?!\d)"
        return [
            ".".join(part for part in (self.numbers.partition(".")[0], match[2], match[3]) if part)
            for match in re.finditer(form, text, re.ASCII)
        ]

    def others(self, text: str) -> list[str]:
        """The versions of Xen that a text names and that are neither this one nor its branch."""
        return [found for found in self.named(text) if found not in {self.numbers, self.branch}]


def check(wanted: Buildable, version: str, *, timeout: float) -> tuple[CheckResult, ...]:
    """Evaluate the package and what it says of itself.

    Args:
        wanted: the package.
        version: as the file has it.
        timeout: seconds of wall-clock time for each evaluation; there are two, and more where one of them fails.

    Raises:
        Failure: E-PROGRAM-MISSING, E-PROGRAM-FAILED (Nix cannot be started), E-TIMEOUT.
    """
    names = Names(version)
    began = time.monotonic()
    derivation = nix.evaluate(wanted, "package: package.drvPath", timeout=timeout)
    seconds = time.monotonic() - began
    requirement = "Nix evaluates the package, and nixpkgs does not refuse it"
    if derivation.problem is None:
        results = [CheckResult("evaluates", requirement, PASSED, "", (str(derivation.value),), seconds)]
    else:
        what, evidence = refusal(derivation.problem), _place(derivation.problem)
        results = [CheckResult("evaluates", requirement, FAILED, what, evidence, seconds)]
    for name, said in _told(wanted, timeout, derivation.problem).items():
        form, _, judge = _ASKED[name]
        requirement = form.format(version=names.version, branch=names.branch, numbers=names.numbers)
        if isinstance(said, _Value):
            result, reason = judge(names, said.value)
            results.append(CheckResult(name, requirement, result, reason, _shown(said.value)))
        else:
            results.append(CheckResult(name, requirement, FAILED, refusal(said), _place(said)))
    return tuple(results)


def refusal(problem: Problem) -> str:
    """An error of an evaluation in a sentence; a refusal of nixpkgs is called one."""
    for form, why in _REFUSALS:
        if form.search(problem.message):
            return f"nixpkgs refuses it as {why}: {problem.message}"
    return f"it cannot be evaluated: {problem.message}"


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any


def _told(wanted: Buildable, timeout: float, known: Problem | None) -> dict[str, _Value | Problem]:
    """Each thing asked for, or why it cannot be had: all at once, and one by one only where that fails."""
    everything = " ".join(f'"{name}" = {code};' for name, (_, code, _) in _ASKED.items())
    at_once = nix.evaluate(wanted, f"package: {{ {everything} }}", timeout=timeout)
    if at_once.problem is None:
        return {name: _Value(at_once.value[name]) for name in _ASKED}
    if known is not None and at_once.problem.message == known.message:
        return dict.fromkeys(_ASKED, known)
    told: dict[str, _Value | Problem] = {}
    for name, (_, code, _) in _ASKED.items():
        alone = nix.evaluate(wanted, f"package: {code}", timeout=timeout)
        told[name] = alone.problem or _Value(alone.value)
    return told


def _version(names: Names, value: Any) -> tuple[str, str]:
    return _verdict(value == names.version, f"it is {value!r}")


def _description(names: Names, value: Any) -> tuple[str, str]:
    if not isinstance(value, str) or not value.strip() or "\n" in value.strip():
        return FAILED, "it is not one line of text"
    return _no_other(names, value)


def _long_description(names: Names, value: Any) -> tuple[str, str]:
    if value is None:
        return SKIPPED, "the package has none"
    if not isinstance(value, str) or not value.strip():
        return FAILED, "it is no text"
    return _no_other(names, value)


def _branch(names: Names, value: Any) -> tuple[str, str]:
    if value is None:
        return SKIPPED, "the package has none"
    return _verdict(value == names.branch, f"it is {value!r}")


def _changelog(names: Names, value: Any) -> tuple[str, str]:
    if value is None:
        return SKIPPED, "the package has none"
    addresses = value if isinstance(value, list) else [value]
    if not addresses or not all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in addresses):
        return FAILED, "it is no address"
    if not any(names.named(one) for one in addresses):
        return FAILED, f"it names neither {names.branch} nor {names.numbers}"
    return _no_other(names, " ".join(addresses))


def _vulnerabilities(_: Names, value: Any) -> tuple[str, str]:
    return _verdict(value == [], "it is not empty")


def _no_other(names: Names, text: str) -> tuple[str, str]:
    others = dict.fromkeys(names.others(text))
    return _verdict(not others, f"it names {', '.join(others)}")


def _verdict(fine: bool, otherwise: str) -> tuple[str, str]:  # noqa: FBT001 - one meaning, seen at each call
    return (PASSED, "") if fine else (FAILED, otherwise)


def _shown(value: Any) -> tuple[str, ...]:
    """A value as evidence: each line or element, cut short."""
    lines = value if isinstance(value, list) else value.splitlines() if isinstance(value, str) else [value]
    return tuple(str(line)[:_SHOWN] for line in lines if line is not None and line != "")[:20]


def _place(problem: Problem) -> tuple[str, ...]:
    return (problem.place,) if problem.place else ()


_OURS = "names no other version of Xen than {numbers} and {branch}"
# What is asked for: the name of the check, its requirement, the Nix code, and what says result and reason.
_ASKED: dict[str, tuple[str, str, Callable[[Names, Any], tuple[str, str]]]] = {
    "version": ("version is {version}", "package.version or null", _version),
    "meta.description": (
        f"meta.description is one line and {_OURS}",
        "package.meta.description or null",
        _description,
    ),
    "meta.longDescription": (
        f"meta.longDescription {_OURS}",
        "package.meta.longDescription or null",
        _long_description,
    ),
    "meta.branch": ("meta.branch is {branch}", "package.meta.branch or null", _branch),
    "meta.changelog": (
        "meta.changelog is an address that names {branch} or {numbers}, and no other version of Xen",
        "package.meta.changelog or null",
        _changelog,
    ),
    "meta.knownVulnerabilities": (
        "meta.knownVulnerabilities is empty",
        "package.meta.knownVulnerabilities or [ ]",
        _vulnerabilities,
    ),
}
