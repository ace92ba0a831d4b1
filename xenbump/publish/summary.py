"""What a plan comes to, in few words: what it changes, the names of patches, which advisories it brings and leaves out.

Titles follow those that people give in nixpkgs: `xen: 4.20.2 -> 4.20.3`, `xen: patch with XSAs 495, 497, 499-508`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.plan.model import Verdict
from xenbump.publish.markup import clipped, tame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.plan.model import Decision, Patch, Pin, Plan

_TITLE = 199
_ATTRIBUTE = 80
_RUN = 3  # so many numbers in a row become a range
_DIGITS = 8
_NUMBERS = 400  # characters of a list of numbers in a key
# The file needs nothing for these.
_SETTLED = frozenset({Verdict.IN_RELEASE, Verdict.ALREADY_PATCHED, Verdict.UNUSED})


@dataclass(frozen=True, slots=True)
class Shares:
    """The decisions of a plan, each in exactly one share.

    Attributes:
        brought: on advisories whose patches come, or which the new release closes.
        left_out: on those for which nothing is done, with a reason that a reviewer should read.
        settled: on those that need nothing: the tree has them, the file has their patches, the number is not in use.
    """

    brought: tuple[Decision, ...]
    left_out: tuple[Decision, ...]
    settled: tuple[Decision, ...]


def shares(plan: Plan) -> Shares:
    """The decisions by what a reviewer wants of them, each share in the order of the plan."""
    ours = {*plan.patched, *plan.closes}
    others = [one for one in plan.decisions if one.xsa not in ours]
    return Shares(
        brought=tuple(one for one in plan.decisions if one.xsa in ours),
        left_out=tuple(one for one in others if one.verdict not in _SETTLED),
        settled=tuple(one for one in others if one.verdict in _SETTLED),
    )


def title(plan: Plan) -> str:
    """The title of commit and pull request, under 200 characters."""
    attribute = tame(plan.subject.attribute, _ATTRIBUTE)
    return clipped(f"{attribute}: {change(plan, _TITLE - len(attribute) - 2)}", _TITLE)


def change(plan: Plan, most: int = _TITLE) -> str:
    """What a plan changes, such as `4.20.2 -> 4.20.3` or `patch with XSA-480`, in at most `most` characters."""
    if plan.adds is not None:
        return clipped(f"init {tame(plan.adds)} at {tame(plan.target.version)}", most)
    if plan.moves:
        return clipped(f"{tame(plan.subject.version)} -> {tame(plan.target.version)}", most)
    return _patching(plan, most) if plan.patches.changes else _correction(plan, most)


def _patching(plan: Plan, most: int) -> str:
    """What happens to the patches where the version stays."""
    dropped = _dropped(plan)
    if plan.patched and not set(plan.patched) <= set(dropped):
        verb, those = "patch with ", plan.patched
    elif plan.patched:
        count = sum(one.patch.xsa is not None for one in plan.patches.add)
        verb, those = f"update the {_patches(count)} of ", plan.patched
    elif plan.patches.add:
        return f"add {_some(len(plan.patches.add))}"
    elif dropped:
        count = sum(one.patch.xsa is not None for one in plan.patches.drop)
        verb, those = f"drop the {_patches(count)} of ", dropped
    else:
        return f"drop {_some(len(plan.patches.drop))} that it no longer needs"
    return verb + advisories(those, most - len(verb))


def _correction(plan: Plan, most: int) -> str:
    """What changes where version and patches stay."""
    if repinned(plan):
        return f"pin commit {plan.target.commit[:12]}"
    if plan.efi is not None:
        return f"switch xen.efi {'on' if plan.efi else 'off'}"
    pins = changed_pins(plan)
    if pins:
        return clipped("correct the pin of " + ", ".join(pin.component for pin in pins), most)
    return "correct the source hash"


def advisories(numbers: Iterable[int], most: int = _TITLE) -> str:
    """`XSA-480`, `XSA-480 and XSA-481`, `XSAs 495, 497, 499-508`; too long a list says how many are left out."""
    those = sorted(set(numbers))
    if len(those) < _RUN:
        return " and ".join(f"XSA-{one}" for one in those)
    runs = _runs(those)
    whole = "XSAs " + ", ".join(text for text, _ in runs)
    for kept in range(len(runs) - 1, 0, -1):
        if len(whole) <= most:
            break
        more = sum(count for _, count in runs[kept:])
        whole = "XSAs " + ", ".join(text for text, _ in runs[:kept]) + f" and {more} more"
    return whole


def _runs(numbers: list[int]) -> list[tuple[str, int]]:
    """Numbers as text, runs of three or more as one, each with how many it stands for."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [
        part
        for group in groups
        for part in (
            [(f"{group[0]}-{group[-1]}", len(group))] if len(group) >= _RUN else [(str(one), 1) for one in group]
        )
    ]


def key(plan: Plan) -> str:
    """What tells this change from others of the same file: `4.20.3`, `4.20.3+480,481`.

    The same release with the same advisories' patches is the same change, wherever the file comes from. Where the
    version stays, what goes counts too, and a patch that is issued anew counts by its content.
    """
    added = _some_numbers(plan.patched) or _digest(one.sha256 for one in plan.patches.add)
    text = plan.target.version + (f"+{added}" if added else "")
    if plan.moves:
        return text
    anew = {*plan.patched} & {*_dropped(plan)}
    if anew:
        text += ":" + _digest(one.sha256 for one in plan.patches.add if one.patch.xsa in anew)
    gone = _some_numbers(number for number in _dropped(plan) if number not in anew)
    nameless = _digest(one.patch.url for one in plan.patches.drop if one.patch.xsa is None)
    if gone or nameless:
        text += "-" + ",".join(part for part in (gone, nameless) if part)
    if repinned(plan):
        return f"{text}@{plan.target.commit[:12]}"
    rest = [plan.hash, *(f"{pin.component} {pin.rev} {pin.hash}" for pin in changed_pins(plan))]
    rest += [] if plan.efi is None else [f"efi {plan.efi}"]
    return text if plan.patches.changes else f"{text}={_digest(rest)}"


def changed_pins(plan: Plan) -> tuple[Pin, ...]:
    """The pins of other projects' sources that are to be others than the file has."""
    before = {(pin.component, pin.rev, pin.hash) for pin in plan.subject.pins}
    return tuple(pin for pin in plan.pins if (pin.component, pin.rev, pin.hash) not in before)


def repinned(plan: Plan) -> bool:
    """Whether the file pins a commit and is to pin another one."""
    return plan.subject.rev is not None and plan.subject.rev != plan.target.commit


def name_of(patch: Patch) -> str:
    """A patch's short name: the end of its address, or what the file has for a local one."""
    name = patch.url.rpartition("/")[2]
    return name if "://" in patch.url and name and not name.startswith("?") else patch.url


def added_names(plan: Plan, xsa: int) -> tuple[str, ...]:
    """The short names of the patches of an advisory that come."""
    return tuple(name_of(one.patch) for one in plan.patches.add if one.patch.xsa == xsa)


def _dropped(plan: Plan) -> tuple[int, ...]:
    return tuple(sorted({one.patch.xsa for one in plan.patches.drop if one.patch.xsa is not None}))


def _some_numbers(numbers: Iterable[int]) -> str:
    """Numbers with commas; of very many, how many there are and a digest."""
    written = [str(number) for number in numbers]
    text = ",".join(written)
    return text if len(text) <= _NUMBERS else f"{len(written)}x{_digest(written)}"


def _digest(texts: Iterable[str]) -> str:
    """Some digits of a digest over texts in any order; empty where there are none."""
    written = "\n".join(sorted(texts))
    return hashlib.sha256(written.encode()).hexdigest()[:_DIGITS] if written else ""


def _patches(count: int) -> str:
    return "patch" if count == 1 else "patches"


def _some(count: int) -> str:
    return "a patch" if count == 1 else f"{count} patches"
