"""The same for people: a line or a few for each package, a unified diff, an error with what to do about it."""

from __future__ import annotations

import difflib
import re
import textwrap
from contextvars import ContextVar
from typing import TYPE_CHECKING

from xenbump.outcomes import (
    NeedsPatches,
    NewerRelease,
    Outcome,
    Packaged,
    Planned,
    Published,
    Rejected,
    Stopped,
    Support,
    Tried,
    UpToDate,
    Verified,
    Written,
)
from xenbump.plan.model import Verdict
from xenbump.publish import summary
from xenbump.publish.markup import clipped, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xenbump.errors import XenbumpError
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Decision, Plan

# How many columns a line has at most: as many as the terminal, where the text goes to one.
WIDTH: ContextVar[int] = ContextVar("width", default=120)
_LONGEST = 600  # of a reason, in characters
# What is worth a line where there is nothing to do otherwise.
_OPEN = frozenset({Verdict.NEEDS_PATCH, Verdict.CONFLICT, Verdict.EMBARGOED})


def outcome(value: Outcome) -> list[str]:
    """The lines that tell a person how the work on a package ended."""
    if isinstance(value, Tried):
        return _tested(value)
    return _packaged(value)


def _packaged(value: Packaged) -> list[str]:
    match value:
        case UpToDate(subject, decisions, support):
            first = f"{subject.name}: {subject.version} is up to date ({subject.file})"
            return [first, *_support(support), *_open(decisions), *_warnings(subject.warnings)]
        case NewerRelease(subject, release, decisions, support):
            return [
                f"{subject.name}: {subject.version} -> {release.version} is there ({subject.file})",
                f"  tag {release.tag}, signed by {release.signed_by}",
                *_support(support),
                *_open(decisions),
                *_warnings(subject.warnings),
            ]
        case NeedsPatches(subject, decisions, support):
            count = "an advisory is" if len(decisions) == 1 else f"{len(decisions)} advisories are"
            first = f"{subject.name}: {subject.version}: {count} open, and no newer release is there ({subject.file})"
            return [first, *_support(support), *_open(decisions), *_warnings(subject.warnings)]
        case Verified(subject, evidence):
            from xenbump.report import verification  # noqa: PLC0415 - its XML is what no other command needs

            return [*verification.lines(evidence), *_warnings(subject.warnings)]
        case Stopped(package, _, error):
            return [f"{package}: {error.kind}: {error}"]
    return _made(value)


def _tested(value: Tried) -> list[str]:
    """What there is of a release candidate."""
    if not value.tag:
        first = f"{value.package}: no release of Xen is being tested"
    elif not value.action:
        how = f"was tried, and {value.result}" if value.result else "is there, and was not tried yet"
        first = f"{value.package}: {value.tag} {how}"
    else:
        first = f"{value.package}: {value.tag} {value.result}; issue {value.number} {value.action}"
    why = {"hands-off": ["  a person changed what the issue says, so it is left as it is"]}.get(value.action, [])
    facts = [f"  tag {value.tag}, commit {value.commit}", f"  signed by {value.signed_by}"] if value.tag else []
    said = _wrapped(value.summary) if value.summary else []
    issue = [f"  {value.url}{' (closed)' if value.closed else ''}"] if value.url else []
    return [first, *said, *why, *issue, *facts, *_warnings(value.warnings)]


def _made(value: Planned | Written | Published | Rejected) -> list[str]:
    plan = value.plan
    change = f"{plan.subject.name}: {summary.change(plan)}"
    match value:
        case Planned():
            told = [f"{change} is planned ({plan.subject.file})"]
        case Written(commit=commit):
            done = f"written and committed as {commit[:12]}" if commit else "written"
            told = [f"{change} is {done} ({plan.subject.file})"]
        case Published(action="deferred", pull=pull, reason=reason):
            told = [f"{change}: {plain(reason)}", f"  {pull.url}"]
        case Published(pull=pull, branch=branch, action=action, reason=reason, notes=notes):
            kind = "draft pull request" if pull.draft else "pull request"
            why = f": {plain(reason)}" if reason else ""
            told = [f"{change}: {kind} {pull.number} {action}{why}", f"  {pull.url}", f"  branch {branch}"]
            told += [f"  {plain(note)}" for note in notes]
        case Rejected(evidence=evidence):
            from xenbump.report import verification  # noqa: PLC0415 - its XML is what no other command needs

            told = [f"{change}: it failed its verification, and no pull request is opened or changed for it"]
            told += [f"  {line}" for line in verification.lines(evidence)]
    return [*told, *_facts(plan)]


def _facts(plan: Plan) -> list[str]:
    """What the plan rests on, what happens to the patches, which advisories are left out, what is odd."""
    left_out = [f"{one.verdict.value}: {one.reason}" for one in summary.shares(plan).left_out]
    closed = _wrapped(f"closes {summary.advisories(plan.closes, _LONGEST)}") if plan.closes and plan.moves else []
    lines = [*_source(plan), *closed, *_patches(plan)]
    return [*lines, *(line for text in left_out for line in _wrapped(text)), *_warnings(plan.warnings)]


def _source(plan: Plan) -> list[str]:
    target = plan.target
    lines = []
    if plan.moves or summary.repinned(plan):
        if target.tag is None:
            lines += [
                f"  commit {target.commit} of {target.ref}, which nobody has signed",
                f"  fetched from {target.source}",
            ]
        else:
            lines += [
                f"  tag {target.tag}, commit {target.commit}",
                f"  signed by {target.signed_by}, fetched from {target.source}",
            ]
    if plan.moves or plan.hash != plan.subject.hash:
        lines.append(f"  {plan.subject.fetcher} hash {plan.hash}")
    for pin in summary.changed_pins(plan):
        name = "" if pin.called in {"", pin.rev} else f" ({pin.called})"
        lines.append(f"  pin {pin.component} {pin.rev}{name}, hash {pin.hash}")
    if plan.adds is not None:
        lines.append(f"  branch {plan.adds} gets a file of its own, made from that of {plan.subject.branch}")
    return lines


def _patches(plan: Plan) -> list[str]:
    patches = plan.patches
    lines = [line for one in patches.drop for line in _wrapped(f"drop {summary.name_of(one.patch)}: {one.reason}")]
    for one in patches.add:
        of = "" if one.patch.xsa is None else f" (XSA-{one.patch.xsa})"
        lines += _wrapped(f"add {summary.name_of(one.patch)}{of}")
    if patches.keep:
        lines.append(f"  {len(patches.keep)} {'patch stays' if len(patches.keep) == 1 else 'patches stay'}")
    return lines


def _support(support: Support | None) -> list[str]:
    """How long the branch is supported, in a line."""
    if support is None:
        return []
    branch, supported, security = support.branch, support.window.supported_until, support.window.security_until
    if security is None:
        return [f"  the Xen Project says of the security support of {branch}: {plain(support.window.status)}"]
    if support.ended:
        return [f"  warning: the security support of {branch} ended on {security}"]
    if supported is None:
        return [f"  {branch} gets security fixes until {security}"]
    if supported < support.today:
        return [f"  {branch} gets security fixes until {security}; its full support ended on {supported}"]
    return [f"  {branch} is supported until {supported}, with security fixes until {security}"]


def _open(decisions: Iterable[Decision]) -> list[str]:
    told = [f"{one.verdict.value}: {one.reason}" for one in decisions if one.verdict in _OPEN]
    return [line for text in told for line in _wrapped(text)]


def _wrapped(text: str) -> list[str]:
    """A text, some of it from outside, in lines of at most `WIDTH` columns; what has no blank is not broken."""
    return textwrap.wrap(
        clipped(plain(text), _LONGEST),
        WIDTH.get(),
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _warnings(warnings: tuple[str, ...]) -> list[str]:
    return [f"  warning: {plain(warning)}" for warning in warnings]


def error(stopped: XenbumpError) -> list[str]:
    """The lines that explain an error: what and where, what to do, where to read on.

    What programs and servers say is part of some of them, and may be meant for the terminal, or for the runner of
    GitHub, which obeys lines that begin in a certain way.
    """
    lines = [plain(f"{stopped.kind}: {stopped}")]
    if stopped.remedy:
        lines.append(f"  what to do: {plain(stopped.remedy)}")
    lines.append(f"  more: xenbump explain {stopped.code}")
    return lines


def diff(edits: Iterable[Edit]) -> str:
    """The unified diff of edits, as git would show it; empty when nothing changes."""
    return "".join(_diff(edit) for edit in edits)


def _diff(edit: Edit) -> str:
    # Lines as git has them: `splitlines` would break them at other characters as well.
    before, after = (
        [line for line in re.split(r"(?<=\n)", (content or b"").decode("utf-8", "replace")) if line]
        for content in (edit.before, edit.after)
    )
    old = "/dev/null" if edit.before is None else f"a/{edit.file}"
    new = "/dev/null" if edit.after is None else f"b/{edit.file}"
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(before, after, old, new)
    )
