"""The words of a commit and a pull request, by nixpkgs' conventions: titles, commit messages, bodies with a marker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump import __version__
from xenbump.publish import body, links, marker, summary, verification
from xenbump.publish.marker import edited, note, read_note, with_closed
from xenbump.publish.marker import read as read_marker
from xenbump.publish.markup import tame
from xenbump.publish.notes import edited_body, hands_off, superseded
from xenbump.upstream import release

if TYPE_CHECKING:
    from xenbump.plan.model import Plan
    from xenbump.verify.evidence import Evidence

__all__ = [
    "TRAILER", "Backport", "Message", "branch_line", "commit_message", "edited", "edited_body", "hands_off",
    "head_branch", "is_ours", "note", "read_marker", "read_note", "replaced", "same_target", "says_the_same",
    "superseded", "title", "with_closed", "write",
]  # fmt: skip

TRAILER = "Automated-by: xenbump"
# In bytes, of which a text has never fewer than characters. GitHub takes no body of more than 65,536 characters.
_MOST_BYTES = 60_000
_LINES = 100  # so many advisories or patches are named in a commit message
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BASE = 60  # characters of a branch's name in a title
# What a later run compares is all but these: the text as it was sent is for `edited`.
_SENT = "text"
_PROOF = "proof"


@dataclass(frozen=True, slots=True)
class Message:
    """What a publication says.

    Attributes:
        title: of the commit and the pull request.
        commit: the whole commit message.
        body: of the pull request, in GitHub's Markdown.
        key: what tells the change from others of the same file.
    """

    title: str
    commit: str
    body: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Backport:
    """That a change goes to another branch than the usual one.

    Attributes:
        base: the branch, such as `release-25.11`.
        picked: the commit of the usual branch that it repeats there; empty: none was found.
    """

    base: str
    picked: str = ""

    @property
    def commit(self) -> str:
        """The commit that it repeats, where its identifier has the form of one; else empty."""
        return self.picked if _COMMIT.fullmatch(self.picked) else ""


def branch_line(plan: Plan) -> str:
    """The branch of Xen that the plan ends on, `X.Y`."""
    return release.branch_of(plan.target.version)


def head_branch(plan: Plan, backport: Backport | None = None) -> str:
    """The git branch of the pull request: one for each package, branch of Xen and, of backports, base branch."""
    base = "" if backport is None else "-" + backport.base.replace("/", "-")
    return f"xenbump/{plan.subject.name}-{branch_line(plan)}{base}"


def title(plan: Plan, backport: Backport | None = None) -> str:
    """The title of commit and pull request; that of a backport begins with its base, as nixpkgs has it."""
    base = "" if backport is None else f"[{tame(backport.base, _BASE)}] "
    return base + summary.title(plan)


def write(
    plan: Plan,
    *,
    operator: str,
    refused_labels: tuple[str, ...] = (),
    evidence: Evidence | None = None,
    backport: Backport | None = None,
    repository: str = "",
    see_also: str = "",
) -> Message:
    """Write title, commit message and body.

    Args:
        plan: what changes.
        operator: the person responsible for the bot; empty when none is configured.
        refused_labels: labels that could not be set, for a maintainer to set.
        evidence: what was verified of the change; None: nothing.
        backport: where it goes to another branch than the usual one.
        repository: where the pull request goes, `owner/name`. What only nixpkgs asks for is left out where the name
            is another; empty: nixpkgs.
        see_also: the addresses of other pull requests that a reader should know, with spaces between them.

    Returns:
        The words; the body has less than 60,000 bytes and its marker around it.
    """
    heading = title(plan, backport)
    facts = {"package": plan.subject.name, "branch": branch_line(plan), "target": summary.key(plan)}
    if backport is not None:
        facts["base"] = backport.base
    if evidence is not None and evidence.under and evidence.version == plan.target.version:
        facts[_PROOF] = evidence.under

    def text(shown: Evidence | None) -> str:
        said = body.Said(operator, refused_labels, shown, backport, repository, see_also)
        return body.write(plan, said, _MOST_BYTES - len(marker.marked({**facts, "says": "0" * 16}, "").encode()))

    whole = text(evidence)
    lasting = whole if evidence is None else text(verification.lasting(evidence))
    facts["says"] = marker.digest(f"{heading}\n{lasting}")
    return Message(heading, commit_message(plan, backport), marker.marked(facts, whole), facts["target"])


def commit_message(plan: Plan, backport: Backport | None = None) -> str:
    """Title, reasons, links and the trailer; no line of it can be more than text, whatever the advisories say.

    A backport ends as `git cherry-pick -x` ends one, or with the line by which nixpkgs' checks want to be told why not.
    """
    paragraphs = [title(plan, backport), *_source(plan), *_advisories(plan), *_dropped(plan)]
    trailers = [f"{TRAILER} {__version__}"]
    if backport is not None:
        base = tame(backport.base, _BASE)
        paragraphs.insert(1, f"Backport to {base}, made anew from the file as it is there.")
        if backport.commit:
            trailers.append(f"(cherry picked from commit {backport.commit})")
        else:
            trailers.insert(0, "Not-cherry-picked-because: no commit was found that makes this change elsewhere")
    return "\n\n".join([*paragraphs, "\n".join(trailers)]) + "\n"


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


def replaced(written: str, message: Message) -> str:
    """A body with our part, its markers with it, put anew; what a person wrote before and behind it stays.

    A body without both markers is replaced as a whole: ask `edited` first.
    """
    return marker.replaced(written, message.body)


def says_the_same(written: str, message: Message) -> bool:
    """Whether a body was written from the same facts; what a person changed in it since then does not count.

    Nor do the times of a verification, the commit that it was of and the tails of its logs: they differ each time. A
    body with evidence for the same target stays where there is none at hand.
    """
    facts, wanted = read_marker(written) or {}, read_marker(message.body) or {}
    if proof(written) and not proof(message.body) and same_target(written, message):
        return True
    return {**facts, _SENT: ""} == {**wanted, _SENT: ""}


def proof(written: str) -> str:
    """The digest of the conditions under which the evidence in a body came about; empty: it has none that counts."""
    return (read_marker(written) or {}).get(_PROOF, "")


def same_target(written: str, message: Message) -> bool:
    """Whether a body was written for the same package, base branch, release and patches."""
    facts, wanted = read_marker(written), read_marker(message.body)
    keys = ("package", "branch", "target", "base")
    return bool(facts and wanted) and all((facts or {}).get(key) == (wanted or {}).get(key) for key in keys)


def is_ours(commit_message: str) -> bool:
    """Whether a commit message carries the trailer of a commit that xenbump made."""
    return any(line.startswith(TRAILER + " ") for line in commit_message.splitlines())
