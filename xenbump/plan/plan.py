"""From a file's subject and a verified release to the plan. Pure: everything it needs is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.plan.model import PatchChange, Plan

if TYPE_CHECKING:
    from xenbump.plan.model import Subject
    from xenbump.upstream.model import VerifiedRelease


def make(subject: Subject, target: VerifiedRelease, source_hash: str, tree_version: str) -> Plan:
    """Plan the step to a release.

    Args:
        subject: what the file says.
        target: the verified release.
        source_hash: the SRI that the file's fetcher will want for it.
        tree_version: the version that the release's own tree gives itself.

    Raises:
        Refusal: E-TREE-VERSION when the tree is not of the version that its tag says.
    """
    if tree_version != target.version:
        raise Refusal(
            "E-TREE-VERSION",
            f"the tree calls itself {tree_version}, its tag says {target.version}",
            where=f"{target.tag}, xen/Makefile",
        )
    warnings = list(subject.warnings)
    if subject.patches:
        warnings.append(
            f"{len(subject.patches)} patch(es) stay as they are; whether {target.version} has them was not checked"
        )
    return Plan(
        subject=subject,
        target=target,
        hash=source_hash,
        patches=PatchChange(keep=subject.patches),
        warnings=tuple(warnings),
    )
