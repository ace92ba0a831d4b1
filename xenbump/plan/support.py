"""Which branches of a folder are past their security support, and what a reviewer should know about the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.plan.model import Retired

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from xenbump.upstream.support import Window


def retired(
    siblings: Sequence[str], windows: Mapping[str, Window], today: date, *, spared: Collection[str], removed: bool
) -> tuple[Retired, ...]:
    """The branches whose security support has ended.

    Args:
        siblings: the branches that have a file, `X.Y`.
        windows: how long each is supported; one that is not there counts as supported.
        today: the day that counts.
        spared: branches that stay what they are: the subject's own, and the one that the plan adds.
        removed: whether their files are to go; else they are to be marked.

    Returns:
        One for each, in the order of `siblings`.
    """
    found = []
    for branch in siblings:
        window = windows.get(branch)
        if branch in spared or window is None or window.security_until is None or not window.ended(today):
            continue
        found.append(Retired(branch, window.security_until.isoformat(), removed))
    return tuple(found)


def warnings(branch: str, window: Window | None, today: date) -> tuple[str, ...]:
    """What a reviewer should know about the support of the branch that a plan is for.

    Args:
        branch: `X.Y`.
        window: how long it is supported; None where that was not asked.
        today: the day that counts.
    """
    if window is None:
        return ()
    if window.security_until is not None:
        if not window.ended(today):
            return ()
        return (f"the security support of Xen {branch} has ended on {window.security_until.isoformat()}",)
    if window.status:
        return (f"the Xen Project says of the security support of Xen {branch}: {window.status}",)
    return (f"the Xen Project does not say how long Xen {branch} has security support",)
