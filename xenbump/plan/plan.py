"""From what was found out to the plan. Pure: everything it needs is handed in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.plan.model import Decision, Plan, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from xenbump.plan.model import PatchChange, Subject, Target

_MOST_NAMED = 5


def make(
    subject: Subject,
    target: Target,
    source_hash: str,
    change: PatchChange,
    *,
    decisions: tuple[Decision, ...] = (),
    warnings: tuple[str, ...] = (),
    fixed: Collection[int] = (),
) -> Plan:
    """Put a plan together.

    Args:
        subject: what the file says.
        target: what it is to package.
        source_hash: the SRI that the file's fetcher will want for it.
        change: what happens to the patches.
        decisions: those that a reviewer needs.
        warnings: what a reviewer should know, the subject's own aside.
        fixed: the advisories that the target's history has fixed and that of the file's tree has not.
    """
    patched = {one.patch.xsa for one in change.add if one.patch.xsa is not None}
    before = {patch.xsa for patch in subject.patches}
    in_target = {one.xsa for one in decisions if one.verdict is Verdict.IN_RELEASE and one.xsa in fixed}
    said = list(warnings)
    if source_hash != subject.hash and target.version == subject.version and target.commit == subject.rev:
        said.append(f"the source hash in the file is not that of {target.version}; it is corrected")
    return Plan(
        subject=subject,
        target=target,
        hash=source_hash,
        patches=change,
        decisions=decisions,
        warnings=(*subject.warnings, *said),
        closes=tuple(sorted(patched | (in_target - before))),
        pins=subject.pins,
    )


def is_idle(plan: Plan) -> bool:
    """Whether a plan changes nothing."""
    same_commit = plan.subject.rev in {None, plan.target.commit}
    same_pins = all(
        (old.rev, old.hash) == (new.rev, new.hash) for old, new in zip(plan.subject.pins, plan.pins, strict=True)
    )
    same = same_commit and same_pins and plan.hash == plan.subject.hash and plan.efi is None and plan.adds is None
    return same and not plan.moves and not plan.patches.changes


def confirmed(target: Target, tree_version: str) -> Target:
    """A target whose tree has said which version it is.

    Raises:
        Refusal: E-TREE-VERSION when a release's tree is not of the version that its tag says.
    """
    if target.tag is not None and tree_version != target.version:
        raise Refusal(
            "E-TREE-VERSION",
            f"the tree calls itself {tree_version}, its tag says {target.version}",
            where=f"{target.tag}, xen/Makefile",
        )
    return replace(target, tree_version=tree_version)


def settled(one: Decision, reason: str | None) -> Decision:
    """A decision as a person settled it: nothing is added or dropped for that advisory then; else as it is."""
    if reason is None:
        return one
    told = (*one.evidence, f"configuration: {reason}", f"without it: {one.verdict.value}, {one.reason}")
    return replace(one, verdict=Verdict.CONFLICT, reason=f"decided by hand: {reason}", patches=(), evidence=told)


def refuse_conflicts(decisions: Iterable[Decision], decided: Mapping[int, str], name: str) -> None:
    """Stop where advisory, history and tree do not agree and no person has decided.

    Args:
        decisions: on every advisory.
        decided: the reasons of a person, by number.
        name: what to call the tree.

    Raises:
        Refusal: E-XSA-CONFLICT.
    """
    found = [one for one in decisions if one.verdict is Verdict.CONFLICT and one.xsa not in decided]
    if not found:
        return
    told = "; ".join(one.reason for one in found[:_MOST_NAMED])
    more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise Refusal("E-XSA-CONFLICT", f"{len(found)} advisories cannot be decided for {name}: {told}{more}")


def listed(decisions: Iterable[Decision], change: PatchChange) -> tuple[Decision, ...]:
    """Decisions with those told apart whose patches the file lists already."""
    coming = {one.patch.xsa for one in change.add}
    found = []
    for one in decisions:
        if one.verdict is Verdict.NEEDS_PATCH and one.xsa not in coming:
            found.append(replace(one, verdict=Verdict.ALREADY_PATCHED, reason=f"the file lists XSA-{one.xsa}"))
        else:
            found.append(one)
    return tuple(found)


def relevant(
    decisions: Iterable[Decision], *, before: Collection[int], fixed: Collection[int], since: str
) -> tuple[Decision, ...]:
    """The decisions that a reviewer of a change needs.

    Args:
        decisions: on every advisory.
        before: the advisories that the history of the file's tree has fixed.
        fixed: those that the target's history has fixed and that one has not.
        since: when the file's release was signed, `YYYY-MM-DD HH:MM`; empty: it is not known.

    Returns:
        Those on advisories that are open, or patched, or announced, that the file's tree had not fixed, or that were
        published since.
    """

    def matters(one: Decision) -> bool:
        if one.verdict is Verdict.UNUSED:
            return False
        if one.verdict is Verdict.IN_RELEASE:
            return one.xsa in fixed or (one.xsa not in before and bool(one.public) and one.public >= since)
        if one.verdict in {Verdict.OTHER_BRANCH, Verdict.OTHER_TREE}:
            return not one.public or one.public >= since
        return True

    return tuple(one for one in decisions if matters(one))
