"""The ranges in an advisory's table of patches: for which tree, and for which branches of Xen, a patch is meant.

Nobody specifies them; the forms read here are those of published advisories, such as `xen-unstable - Xen 4.18.x`,
`Xen 4.20.x - Xen 4.19.x`, `xen-unstable, Xen 4.16.x - 4.13.x`, `Linux 6.7-rc - 6.5`, `varstored master`. They run from
new to old. The name of a patch file tells neither tree nor branch, so a range that is not understood is refused: to
take an unknown word for a tree that is not Xen would be to say "not affected" without knowing.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from xenbump.errors import Refusal

XEN = "xen"
QEMU = "qemu"
UNSTABLE = "unstable"

_LONGEST = 300
_NUMBER = r"(?:0|[1-9]\d{0,3})"
_BRANCH = re.compile(rf"({_NUMBER})\.({_NUMBER})", re.ASCII)
# `4.17`, `4.17.x`, and `4.22.0`, which is written before a branch has its first release
_BOUND = re.compile(rf"(?P<xen>Xen )?(?P<branch>{_NUMBER}\.{_NUMBER})(?:\.(?:x|{_NUMBER}))?", re.ASCII)
_UNSTABLE = frozenset({"xen-unstable", "Xen unstable"})
_VERSION = r"\d{1,3}(?:\.\d{1,3}){1,3}(?:\.x)?(?:-rc\d{0,2})?"
_VERSIONS = re.compile(rf"{_VERSION}(?: - {_VERSION})?", re.ASCII)
# Other trees, by the words that advisories use for them. Each is complete, but for versions behind Linux.
_TREES = {
    "Linux": "Linux",
    "varstored": "varstored",
    "varstored master": "varstored",
    "XAPI": "XAPI",
    "XAPI master": "XAPI",
    "XAPI oxenstored": "oxenstored",
    "oxenstored master": "oxenstored",
    "blktap": "blktap",
    "blktap master": "blktap",
    "QEMU": QEMU,
    "qemu": QEMU,
    "qemu upstream": QEMU,
    "qemu-upstream": QEMU,
    "qemu-upstream-unstable": QEMU,
    "qemu-xen": QEMU,
    "qemu-xen-unstable": QEMU,
    "qemu-xen-traditional": QEMU,
}
_QEMU_BRANCH = re.compile(rf"qemu-(?:xen|upstream)-{_NUMBER}\.{_NUMBER}\.x", re.ASCII)


class Reach(enum.Enum):
    """What a range says of one branch of Xen.

    NAMED: the branch lies in the range.
    UNSTABLE: the range has `xen-unstable`, the unstable of its day, and names nothing as new as the branch. If the
        branch was cut from unstable later, it has the fix by ancestry; if it was there already, it is not in the
        range. The text alone cannot tell.
    OUTSIDE: the range does not have it. That alone is not "not affected": a branch without security support on the day
        of the advisory gets no patch, affected or not.
    """

    NAMED = "named"
    UNSTABLE = "unstable"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Span:
    """Branches of Xen from `newest` to `oldest`, both included: `unstable` or `X.Y`."""

    newest: str
    oldest: str

    def __contains__(self, branch: str) -> bool:
        return order(self.oldest) <= order(branch) <= order(self.newest)


@dataclass(frozen=True, slots=True)
class Range:
    """What a line of the table is for.

    Attributes:
        tree: `xen`, or the name of another tree: `Linux`, `varstored`, `XAPI`, `oxenstored` (the one that lives outside
            of Xen's tree), `blktap`, `qemu`.
        spans: the branches of Xen, new to old, without overlap; empty for another tree.
        text: as the advisory has it.
    """

    tree: str
    spans: tuple[Span, ...]
    text: str

    @property
    def is_xen(self) -> bool:
        """Whether it is for Xen's own tree."""
        return self.tree == XEN

    @property
    def is_bundled(self) -> bool:
        """Whether a build of Xen may bring that tree along, as its Config.mk does with qemu: "not Xen" is no answer."""
        return self.tree == QEMU

    @property
    def newest(self) -> str | None:
        """The newest branch, `unstable` or `X.Y`; None for another tree."""
        return self.spans[0].newest if self.spans else None

    @property
    def oldest(self) -> str | None:
        """The oldest branch, `unstable` or `X.Y`; None for another tree."""
        return self.spans[-1].oldest if self.spans else None

    @property
    def newest_named(self) -> str | None:
        """The newest branch that is written as `X.Y`; the unstable of that day was newer. None when there is none."""
        named = [bound for span in self.spans for bound in (span.newest, span.oldest) if bound != UNSTABLE]
        return max(named, key=order, default=None)

    def covers(self, branch: str) -> bool:
        """Whether a branch `X.Y` lies in the range. False may still mean "as unstable of that day": see `reach`."""
        return self.reach(branch) is Reach.NAMED

    def reach(self, branch: str) -> Reach:
        """What the range says of a branch.

        A branch that was cut after the advisory lies in `xen-unstable - Xen 4.18.x`, too: it has the fix by ancestry.

        Args:
            branch: `X.Y`; anything else is a fault of the caller (ValueError).
        """
        if _BRANCH.fullmatch(branch) is None:
            message = f"{branch!r} is not a branch"
            raise ValueError(message)
        if any(branch in span for span in self.spans):
            return Reach.NAMED
        named = self.newest_named
        if self.newest == UNSTABLE and (named is None or order(branch) > order(named)):
            return Reach.UNSTABLE
        return Reach.OUTSIDE


def parse(text: str, where: str = "") -> Range:
    """Read a range.

    Args:
        text: what stands behind the file name in the table; spaces around it and a full stop behind it do not matter.
        where: advisory and line, for errors.

    Raises:
        Refusal: E-ADVISORY-RANGE for a form or a word that is not known, a range from old to new, or one that mixes
            trees.
    """
    words = re.sub(r"[ \t]+", " ", text).strip(" ").removesuffix(".")
    if len(text) > _LONGEST:
        raise _refused(text, "it is too long", where)
    items = [item.strip(" ") for item in words.split(",")]
    other = _other_tree(items)
    if other is not None:
        return Range(other, (), text.strip())
    spans: list[Span] = []
    for item in items:
        span = _span(item, first=not spans)
        if span is None:
            raise _refused(text, f"the form of {item[:60]!r} is not known", where)
        if order(span.newest) < order(span.oldest) or (spans and order(span.newest) >= order(spans[-1].oldest)):
            raise _refused(text, "it does not run from new to old", where)
        spans.append(span)
    return Range(XEN, tuple(spans), text.strip())


def _other_tree(items: list[str]) -> str | None:
    """The tree that all items are of; None where one of them is not known as another tree's."""
    found: set[str] = set()
    for number, item in enumerate(items):
        word, _, rest = item.partition(" ")
        if item in _TREES:
            found.add(_TREES[item])
        elif _QEMU_BRANCH.fullmatch(item):
            found.add(QEMU)
        elif word == "Linux" and _VERSIONS.fullmatch(rest):
            found.add(word)
        elif number and found == {"Linux"} and _VERSIONS.fullmatch(item):
            continue
        else:
            return None
    return found.pop() if len(found) == 1 else None


def _span(item: str, *, first: bool) -> Span | None:
    """One item between commas: a bound, or two with a dash between; None where it has another form."""
    newest, dash, oldest = item.partition(" - ")
    new = _bound(newest, bare=not first)
    old = _bound(oldest, bare=True) if dash else new
    return None if new is None or old is None else Span(new, old)


def _bound(text: str, *, bare: bool) -> str | None:
    """`unstable` or `X.Y`; the word `Xen` may only be left out (`bare`) behind another bound."""
    if text in _UNSTABLE:
        return UNSTABLE
    match = _BOUND.fullmatch(text)
    return match["branch"] if match is not None and (bare or match["xen"]) else None


def order(bound: str) -> tuple[int, ...]:
    """The key by which bounds, `unstable` or `X.Y`, are sorted old to new: 4.9 is older than 4.20."""
    return (10**6,) if bound == UNSTABLE else tuple(int(part) for part in bound.split("."))


def _refused(text: str, why: str, where: str) -> Refusal:
    return Refusal("E-ADVISORY-RANGE", f"the range {text.strip()[:100]!r} is not understood: {why}", where=where)
