"""The body of a pull request, in GitHub's Markdown: what changes, which advisories that concerns, what was checked.

Everything from outside stands in code. Where a body would be too long, what the decisions rest on goes first, then
reasons and logs are cut, then lists, and each says how much it leaves out.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xenbump import __version__
from xenbump.plan.model import Verdict
from xenbump.publish import checklist, links, summary, verification
from xenbump.publish.markup import cell, clipped, code
from xenbump.publish.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.plan.model import Decision, Patch, Plan
    from xenbump.publish.message import Backport
    from xenbump.verify.evidence import Evidence

    _Item = TypeVar("_Item")

_EVERYTHING = 1_000_000
_REASON = 300  # characters of what a step, a check or a line of a log says
_CHECKS = 30
_SEE = 5
_HARMLESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Size:
    """How much there is room for: pieces of evidence, characters of a text, lines of a list, lines of each log."""

    evidence: int
    text: int
    lines: int
    tail: int


# What is tried until a body fits. The last fits always: a dozen lists of four lines with four texts each, of which
# every character has at most four bytes.
_SIZES = (
    _Size(_EVERYTHING, 500, _EVERYTHING, 30),
    *(_Size(evidence, 500, _EVERYTHING, 30) for evidence in (200, 50, 0)),
    _Size(0, 160, _EVERYTHING, 20),
    _Size(0, 80, _EVERYTHING, 10),
    *(_Size(0, 80, lines, 10) for lines in (200, 100, 50, 25)),
    _Size(0, 60, 4, 4),
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table of advisories; its texts are Markdown."""

    xsa: str
    title: str
    cves: str
    how: str


@dataclass(frozen=True, slots=True)
class _List:
    """Lines of Markdown under a heading, and how many of them there is no room for."""

    heading: str
    lines: tuple[str, ...]
    more: int

    @property
    def count(self) -> int:
        """How many there are in all."""
        return len(self.lines) + self.more


@dataclass(frozen=True, slots=True)
class Said:
    """What a body says beside the plan; the attributes are the arguments of `message.write`."""

    operator: str
    refused_labels: tuple[str, ...] = ()
    evidence: Evidence | None = None
    backport: Backport | None = None
    repository: str = ""
    see_also: str = ""


def write(plan: Plan, said: Said, most: int) -> str:
    """The body without the marker, with a line break at its end, of less than so many bytes."""

    def fits(size: _Size) -> bool:
        return len(_Writer(plan, said, size).render().encode()) < most

    # Each size gives a shorter one than that before it; nearly always the first does.
    first = 0 if fits(_SIZES[0]) else bisect_left(_SIZES, x=True, lo=1, hi=len(_SIZES) - 1, key=fits)
    body = _Writer(plan, said, _SIZES[first]).render()
    if len(body.encode()) >= most:
        wrong = "the shortest body is too long"
        raise AssertionError(wrong)
    return body


@dataclass(frozen=True, slots=True)
class _Writer:
    """Makes Markdown of a plan and what belongs to it for one size."""

    plan: Plan
    said: Said
    size: _Size

    def render(self) -> str:
        plan, said = self.plan, self.said
        shares = summary.shares(plan)
        brought, more_brought = self.cut(self.brought(shares.brought))
        left_out, more_left = self.cut([self.row(one, self.cell(one.reason)) for one in shares.left_out])
        settled, more_settled = self.cut([self.row(one, self.cell(one.reason)) for one in shares.settled])
        labels, more_labels = self.cut(said.refused_labels)
        warnings, more_warnings = self.cut(plan.warnings)
        evidence, more_evidence = self.evidence()
        # Proof of another version is none.
        fits = said.evidence is not None and said.evidence.version == plan.target.version
        proof = said.evidence if fits else None
        room = verification.Room(min(self.size.text, _REASON), min(self.size.lines, _CHECKS), self.size.tail)
        return render(
            "body.md.j2",
            unsigned=plan.target.signed_by is None and (plan.moves or summary.repinned(plan)),
            head=self.head(),
            backport=None if said.backport is None else (self.code(said.backport.base), said.backport.commit),
            see_also=[links.reference(one) for one in said.see_also.split()[:_SEE]],
            facts=self.facts(),
            base=links.base_release(plan.target),
            before=links.release_before(plan.target),
            brought=brought,
            more_brought=more_brought,
            left_out=left_out,
            more_left=more_left,
            settled=settled,
            more_settled=more_settled,
            patches=[one for one in self.patches() if one.lines],
            evidence=evidence,
            more_evidence=more_evidence,
            warnings=[self.code(one) for one in warnings],
            more_warnings=more_warnings,
            verified=None if proof is None else verification.shown(proof, room),
            another="" if said.evidence is None or fits else self.code(said.evidence.version),
            checked=checklist.checked(plan),
            done=checklist.done(plan, proof, repository=said.repository, operator=bool(said.operator)),
            labels=[self.code(one) for one in labels],
            more_labels=more_labels,
            operator=self.code(said.operator) if said.operator else "",
            version=__version__,
            command=self.code(self.command()),
        )

    def patches(self) -> tuple[_List, ...]:
        """What happens to the patches."""
        patches = self.plan.patches
        return (
            self.listed("added", [self.code(one.patch.url) + _of(one.patch) for one in patches.add]),
            self.listed("dropped", [f"{self.code(one.patch.url)}: {self.code(one.reason)}" for one in patches.drop]),
            self.listed("kept", [self.code(one.url) for one in patches.keep]),
        )

    def head(self) -> str:
        """The first line: from what to what."""
        plan = self.plan
        if plan.adds is not None:
            to = f"[{_word(plan.target.version)}]({links.of_target(plan.target)})"
            return f"Branch {_word(plan.adds)} comes with Xen {to}, beside {_word(plan.subject.branch or '')}"
        if not plan.moves:
            return f"Xen {_word(plan.subject.version)} stays: {_sentence(summary.change(plan))}"
        to = f"[{_word(plan.target.version)}]({links.of_target(plan.target)})"
        compare = links.compare(plan)
        return f"Xen {_word(plan.subject.version)} → {to}" + (f" ([what changed]({compare}))" if compare else "")

    def facts(self) -> list[tuple[str, str]]:
        """The rows of the first table, as Markdown: of the source only what changes."""
        plan, target = self.plan, self.plan.target
        rows = [("File", self.cell(plan.subject.file))]
        if plan.moves or summary.repinned(plan):
            if target.tag is not None:
                rows.append(("Tag", f"{self.cell(target.tag)}, object {self.cell(target.tag_object or '')}"))
            rows.append(("Commit", self.cell(target.commit)))
            if target.signed_by is not None:
                judged = "judged by `gpgv` against the pinned fingerprint"
                rows.append(("Signed by", f"{self.cell(target.signed_by)}, {judged}"))
            else:
                rows += [("Branch", f"{self.cell(target.ref)} of {self.cell(target.source)}"), ("Signed by", "nobody")]
        if plan.moves or plan.hash != plan.subject.hash:
            source = "signed tag" if target.signed_by is not None else "commit"
            fetcher = _word(plan.subject.fetcher)
            rows.append(
                ("Source hash", f"{self.cell(plan.hash)} ({fetcher}), computed from the objects of the {source}")
            )
        for pin in summary.changed_pins(plan):
            name = "" if pin.called in {"", pin.rev} else f" ({self.cell(pin.called)} in Xen's tree)"
            rows.append((pin.component, f"{self.cell(pin.rev)}{name}, hash {self.cell(pin.hash)}"))
        return rows

    def brought(self, decisions: tuple[Decision, ...]) -> list[_Row]:
        """The advisories whose patches come or that the release closes; each number has a row, decided on or not."""
        plan = self.plan
        known = {one.xsa: one for one in decisions}
        rows = []
        for number in sorted({*plan.patched, *plan.closes}):
            names, more = self.cut(summary.added_names(plan, number))
            how = f"in {_word(plan.target.version)}" if plan.moves else "no longer open"
            if names:
                how = "patch added: " + ", ".join(self.cell(name) for name in names) + _more(more)
            rows.append(self.row(known[number], how) if number in known else _Row(links.xsa(number), "", "", how))
        return rows

    def row(self, decision: Decision, how: str) -> _Row:
        cves, more = self.cut(decision.cves)
        written = ", ".join(_word(one) for one in cves) + _more(more)
        title = decision.title or ("(not public yet)" if decision.verdict is Verdict.EMBARGOED else "")
        return _Row(links.xsa(decision.xsa), self.cell(title) if title else "", written, how)

    def evidence(self) -> tuple[list[tuple[int, list[str]]], int]:
        """What the decisions rest on, by the number of the advisory, as Markdown; and how much of it is left out."""
        told: list[tuple[int, list[str]]] = []
        room, more = self.size.evidence, 0
        for one in self.plan.decisions:
            kept = one.evidence[:room]
            room -= len(kept)
            more += len(one.evidence) - len(kept)
            if kept:
                told.append((one.xsa, [self.code(text) for text in kept]))
        return told, more

    def command(self) -> str:
        """What makes the same plan again, and for a backport the same pull request, without opening it."""
        plan, backport = self.plan, self.said.backport
        if not plan.moves and not summary.repinned(plan):
            to = "--security-only"
        else:
            to = "--to stable-tip" if plan.target.tag is None else f"--to {plan.target.version}"
        if backport is None:
            return f"xenbump plan --package {plan.subject.name} {to} --diff"
        return f"xenbump pr --package {plan.subject.name} {to} --backport {shlex.quote(backport.base)} --dry-run"

    def listed(self, heading: str, lines: Sequence[str]) -> _List:
        kept, more = self.cut(lines)
        return _List(heading, tuple(kept), more)

    def cut(self, items: Sequence[_Item]) -> tuple[Sequence[_Item], int]:
        """As many items as there is room for, and how many are left out."""
        return items[: self.size.lines], max(0, len(items) - self.size.lines)

    def code(self, text: str) -> str:
        return code(clipped(text, self.size.text))

    def cell(self, text: str) -> str:
        return cell(clipped(text, self.size.text))


def _word(text: str) -> str:
    """A version, a fetcher or a CVE as it is; what has not the form of one, in a code span."""
    return text if _HARMLESS.fullmatch(text) else cell(clipped(text, 60))


def _sentence(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9 ,-]+", text) else code(text)


def _of(patch: Patch) -> str:
    return "" if patch.xsa is None else f" (XSA-{patch.xsa})"


def _more(count: int) -> str:
    return f" and {count} more" if count else ""
