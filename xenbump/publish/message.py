"""The words of a commit and a pull request, by nixpkgs' conventions: titles, bodies, the hidden marker."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump import __version__
from xenbump.publish import body, links, summary
from xenbump.publish.markup import tame
from xenbump.publish.summary import title
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Plan

_MARKER = re.compile(r"<!-- xenbump: (?P<facts>\{.*?\}) -->")
TRAILER = "Automated-by: xenbump"
_LINES = 100  # so many advisories or patches are named in a commit message


@dataclass(frozen=True, slots=True)
class Message:
    """What a publication says.

    Attributes:
        title: of the commit and the pull request.
        commit: the whole commit message.
        body: of the pull request, in GitHub's Markdown.
    """

    title: str
    commit: str
    body: str


def branch_line(plan: Plan) -> str:
    """The branch of Xen that the plan ends on, `X.Y`."""
    return release.branch_of(plan.target.version)


def head_branch(plan: Plan) -> str:
    """The git branch of the pull request: one for each package and branch of Xen."""
    return f"xenbump/{plan.subject.name}-{branch_line(plan)}"


def write(plan: Plan, *, operator: str, refused_labels: tuple[str, ...] = ()) -> Message:
    """Write title, commit message and body.

    Args:
        plan: what changes.
        operator: the person responsible for the bot; empty when none is configured.
        refused_labels: labels that could not be set, for a maintainer to set.
    """
    text = body.write(plan, operator=operator, refused_labels=refused_labels)
    return Message(title(plan), commit_message(plan), f"{marker(plan, text)}\n{text}")


def commit_message(plan: Plan) -> str:
    """Title, reasons, links and the trailer; no line of it can be more than text, whatever the advisories say."""
    paragraphs = [title(plan), *_source(plan), *_advisories(plan), *_dropped(plan), f"{TRAILER} {__version__}"]
    return "\n\n".join(paragraphs) + "\n"


def _source(plan: Plan) -> list[str]:
    """What the file is to package; where it stays, only by its version."""
    target = plan.target
    if not plan.moves and not summary.repinned(plan):
        hashed = "" if plan.hash == plan.subject.hash else f" Its source hash becomes {tame(plan.hash)}."
        return [f"Xen {tame(target.version)} stays.{hashed}", *_pins(plan)]
    if target.tag is not None:
        lines = [f"Release {target.version} of Xen, tag {tame(target.tag)},", f"commit {target.commit},"]
        lines.append(f"signed by {target.signed_by}.")
    else:
        lines = [f"Commit {target.commit}", f"of branch {tame(target.ref.removeprefix('refs/heads/'))} of Xen,"]
        before, base = links.release_before(target), links.base_release(target)
        lines.append("which carries no signature.")
        if before:
            lines.append(f"The release before it is {before}, the one that it leads to {base}.")
    compared = links.compare(plan)
    return ["\n".join(lines), *([compared] if compared else []), *_pins(plan)]


def _pins(plan: Plan) -> list[str]:
    """The other projects' sources that are built with Xen, as far as they change."""
    lines = [tame(f"- {pin.component}: {pin.called or pin.rev}, {pin.rev}", 198) for pin in summary.changed_pins(plan)]
    return ["Components as Xen's tree names them:\n\n" + "\n".join(lines)] if lines else []


def _advisories(plan: Plan) -> list[str]:
    """The advisories whose patches come, each with its page; those that the release closes, by number."""
    known = {one.xsa: one for one in plan.decisions}
    lines = []
    for number in plan.patched[:_LINES]:
        one = known.get(number)
        cves = f" ({', '.join(one.cves)})" if one is not None and one.cves else ""
        words = f": {one.title}" if one is not None and one.title else ""
        lines += [tame(f"XSA-{number}{cves}{words}"), links.advisory(number)]
    if len(plan.patched) > _LINES:
        lines.append(f"and {len(plan.patched) - _LINES} more")
    found = ["Patches added for:\n\n" + "\n".join(lines)] if lines else []
    closed = sorted({*plan.closes} - {*plan.patched})
    return [*found, f"Closed by the new version: {summary.advisories(closed)}."] if closed else found


def _dropped(plan: Plan) -> list[str]:
    drop = plan.patches.drop
    if not drop:
        return []
    lines = [f"- {tame(f'{summary.name_of(one.patch)}: {one.reason}', 198)}" for one in drop[:_LINES]]
    if len(drop) > _LINES:
        lines.append(f"- and {len(drop) - _LINES} more")
    return ["Patches dropped:\n\n" + "\n".join(lines)]


def marker(plan: Plan, text: str) -> str:
    """The comment by which a later run knows its pull request again, and whether it would say anything else now."""
    facts = {
        "package": plan.subject.name,
        "branch": branch_line(plan),
        "target": summary.key(plan),
        "text": hashlib.sha256(f"{title(plan)}\n{text}".encode()).hexdigest()[:16],
    }
    # Nothing in it may end the comment.
    written = json.dumps(facts, sort_keys=True).replace("<", r"\u003c").replace(">", r"\u003e")
    return f"<!-- xenbump: {written} -->"


def says_the_same(written: str, message: Message) -> bool:
    """Whether a body was written from the same facts; what a person changed in it since then does not count."""
    return read_marker(written) == read_marker(message.body)


def same_target(written: str, message: Message) -> bool:
    """Whether a body was written for the same package, release and patches."""
    facts, wanted = read_marker(written), read_marker(message.body)
    keys = ("package", "branch", "target")
    return bool(facts and wanted) and all((facts or {}).get(key) == (wanted or {}).get(key) for key in keys)


def read_marker(written: str) -> dict[str, str] | None:
    """The facts in a body's marker; None where it has none that can be read."""
    match = _MARKER.search(written)
    if match is None:
        return None
    try:
        facts = json.loads(match["facts"])
    except ValueError:
        return None
    return {str(key): str(value) for key, value in facts.items()}


def is_ours(commit_message: str) -> bool:
    """Whether a commit message carries the trailer of a commit that xenbump made."""
    return any(line.startswith(TRAILER + " ") for line in commit_message.splitlines())
