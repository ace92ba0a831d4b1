"""The boxes of a pull request: what was checked, and nixpkgs' list of things done. A box is ticked by proof only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.publish import verification
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Plan
    from xenbump.verify.evidence import Evidence

_NIXPKGS = "nixpkgs"


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a list, with its text as Markdown."""

    text: str
    ticked: bool = False


def checked(plan: Plan) -> list[Box]:
    """What a plan cannot be made without; the series of patches alone may not have been tried."""
    if plan.target.signed_by is None:
        boxes = [
            Box("a signature: there is none"),
            Box("that the branch names the commit, and that its tree calls itself what was planned", ticked=True),
            Box("the source hash, from objects that were checked against the commit's identifier", ticked=True),
        ]
    else:
        boxes = [
            Box("the tag's signature, and that tag, commit and tree agree on the version", ticked=True),
            Box("the source hash, from the verified objects", ticked=True),
        ]
    boxes.append(
        Box(
            "the advisories published for this branch: each was read from its signed text and judged on the tree",
            ticked=True,
        )
    )
    if plan.patches.keep or plan.patches.add:
        boxes.append(Box("the series of patches applies to the tree in order", bool(plan.patches.series)))
    file = "the edited file was read again and says what was planned, and nothing else in it changed"
    return [*boxes, Box(file, ticked=True)]


def done(plan: Plan, evidence: Evidence | None, *, repository: str, operator: bool) -> list[Box]:
    """What nixpkgs asks of every change, in its order.

    Args:
        plan: what changes.
        evidence: what was verified of it.
        repository: where the pull request goes, `owner/name`; elsewhere than in nixpkgs only what is of use there.
        operator: whether the body names a person who is responsible.
    """
    nixos = verification.on_nixos(evidence) and verification.passed(evidence, "dom0")
    boxes = [
        Box("Built on `x86_64-linux`", verification.passed(evidence, "build")),
        Box("NixOS test: `dom0` of a NixOS system boots on it", nixos),
        Box(f"Basic function of its programs{_programs(evidence, nixos=nixos)}", nixos),
    ]
    if repository and _NIXPKGS not in repository.partition("/")[2]:
        return boxes
    before, after = (release.branch_of(version) for version in (plan.subject.version, plan.target.version))
    same = before == after and plan.adds is None
    notes = "none needed, the branch of Xen stays" if same else "another branch of Xen: a person decides"
    return [
        *boxes,
        Box("Package tests (`passthru.tests`)"),
        Box("What depends on it still builds (`nixpkgs-review`)"),
        Box(f"Release notes: {notes}", same),
        Box("Fits the contribution rules: for a person to judge"),
        Box(
            "Automation is disclosed, and a person named who is responsible"
            if operator
            else "Automation is disclosed; no person is named who is responsible",
            operator,
        ),
    ]


def _programs(evidence: Evidence | None, *, nixos: bool) -> str:
    """What is missing where only the hypervisor was booted, under the programs of another system."""
    if nixos or not verification.passed(evidence, "dom0"):
        return ""
    return " (the hypervisor was booted; the programs in that `dom0` were not this package's)"
