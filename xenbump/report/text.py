"""The same for people: a line or a few for each package, a unified diff, an error with what to do about it."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from xenbump.outcomes import NewerRelease, Outcome, Planned, Published, Stopped, UpToDate, Written

if TYPE_CHECKING:
    from xenbump.errors import XenbumpError
    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Plan


def outcome(value: Outcome) -> list[str]:
    """The lines that tell a person how the work on a package ended."""
    match value:
        case UpToDate(subject):
            return [f"{subject.name}: {subject.version} is up to date ({subject.file})", *_warnings(subject.warnings)]
        case NewerRelease(subject, release):
            return [
                f"{subject.name}: {subject.version} -> {release.version} is there ({subject.file})",
                f"  tag {release.tag}, signed by {release.signed_by}",
                *_warnings(subject.warnings),
            ]
        case Planned(plan=plan):
            return [f"{plan.subject.name}: {_step(plan)} is planned ({plan.subject.file})", *_facts(plan)]
        case Written(plan=plan, commit=commit):
            done = f"written and committed as {commit[:12]}" if commit else "written"
            return [f"{plan.subject.name}: {_step(plan)} is {done} ({plan.subject.file})", *_facts(plan)]
        case Published(plan=plan, pull=pull, branch=branch, action=action):
            kind = "draft pull request" if pull.draft else "pull request"
            return [
                f"{plan.subject.name}: {_step(plan)}: {kind} {pull.number} {action}",
                f"  {pull.url}",
                f"  branch {branch}",
                *_facts(plan),
            ]
        case Stopped(package, _, error):
            return [f"{package}: {error.kind}: {error}"]


def _step(plan: Plan) -> str:
    return f"{plan.subject.version} -> {plan.target.version}"


def _facts(plan: Plan) -> list[str]:
    target = plan.target
    return [
        f"  tag {target.tag}, commit {target.commit}",
        f"  signed by {target.signed_by}, fetched from {target.source}",
        f"  {plan.subject.fetcher} hash {plan.hash}",
        *_warnings(plan.warnings),
    ]


def _warnings(warnings: tuple[str, ...]) -> list[str]:
    return [f"  warning: {warning}" for warning in warnings]


def error(stopped: XenbumpError) -> list[str]:
    """The lines that explain an error: what and where, what to do, where to read on."""
    lines = [f"{stopped.kind}: {stopped}"]
    if stopped.remedy:
        lines.append(f"  what to do: {stopped.remedy}")
    lines.append(f"  more: xenbump explain {stopped.code}")
    return lines


def diff(edit: Edit) -> str:
    """The unified diff of an edit, as git would show it; empty when nothing changes."""
    # Lines as git has them: `splitlines` would break them at other characters as well.
    before, after = (
        [line for line in re.split(r"(?<=\n)", content.decode("utf-8", "replace")) if line]
        for content in (edit.before, edit.after)
    )
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(before, after, f"a/{edit.file}", f"b/{edit.file}")
    )
